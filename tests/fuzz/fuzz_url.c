/* fuzz_url.c: percent-decoding against the obvious way, and queries. */
#include <ctype.h>

#include "fuzz.h"
#include "url.h"

static int hex(int c)
{
    return isdigit(c) ? c - '0' : tolower(c) - 'a' + 10;
}

/* -1: it does not decode. */
static ssize_t decode_slowly(char *to, const uint8_t *data, size_t size, bool plus_is_space)
{
    size_t len = 0;
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '%') {
            if (i + 2 >= size || !isxdigit(data[i + 1]) || !isxdigit(data[i + 2]))
                return -1;
            int c = hex(data[i + 1]) * 16 + hex(data[i + 2]);
            if (c == 0)
                return -1;
            to[len++] = (char)c;
            i += 2;
        } else {
            to[len++] = data[i] == '+' && plus_is_space ? ' ' : (char)data[i];
        }
    }
    return (ssize_t)len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char fast[4096], slow[4096];
    weft_str text = {(const char *)data, size}, name, value;
    if (size == 0 || size > sizeof fast)
        return 0;
    for (int plus = 0; plus < 2; plus++) {
        ssize_t expected = decode_slowly(slow, data, size, plus);
        ssize_t got = url_decode(fast, text, plus);
        FUZZ_CHECK(expected < 0 ? got < 0 : got == expected);
        FUZZ_CHECK(got < 0 || memcmp(fast, slow, (size_t)got) == 0);
        FUZZ_CHECK(url_is_decodable(text) == (got >= 0));
        FUZZ_PLANTED(got < 3 || fast[2] != '+' || memchr(data, '%', size) == NULL);
    }
    size_t total = 0;
    for (weft_str rest = text; url_query_next(&rest, &name, &value);) {
        total += name.len + value.len;
        FUZZ_CHECK(total <= size);
        FUZZ_CHECK(memchr(name.ptr, '&', name.len) == NULL);
    }
    return 0;
}
