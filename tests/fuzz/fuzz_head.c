/* fuzz_head.c: a head means the same however its bytes arrive: split at every point, the result,
 * the length and the slices are those of the whole. */
#include "fuzz.h"
#include "head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct head whole, split;
    uint32_t len = 0, split_len;
    if (size == 0 || size > 1024)
        return 0;
    const char *bytes = (const char *)data;
    head_begin(&whole, HEAD_MAX_BYTES, HEAD_MAX_HEADERS);
    int result = head_parse(&whole, bytes, size, &len);
    int checked = result == HEAD_COMPLETE ? head_check(&whole) : 0;
    FUZZ_PLANTED(result != HEAD_COMPLETE || checked != 0 || whole.header_count < 3);
    for (size_t at = 1; at < size; at++) {
        head_begin(&split, HEAD_MAX_BYTES, HEAD_MAX_HEADERS);
        int rc = head_parse(&split, bytes, at, &split_len);
        if (rc == HEAD_PARTIAL)
            rc = head_parse(&split, bytes, size, &split_len);
        FUZZ_CHECK(rc == result);
        if (rc != HEAD_COMPLETE)
            continue;
        FUZZ_CHECK(head_check(&split) == checked); /* which trims values, as it did the whole's */
        FUZZ_CHECK(split_len == len && split.header_count == whole.header_count);
        FUZZ_CHECK(memcmp(split.headers, whole.headers,
                          whole.header_count * sizeof whole.headers[0]) == 0);
        FUZZ_CHECK(memcmp(&split.target, &whole.target, sizeof whole.target) == 0);
    }
    return 0;
}
