/* fuzz_json.c: text quoted for JSON is read back by a JSON reader as it was, where it is UTF-8. */
#include <weft/weft.h>
#include <yyjson.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char quoted[6 * 4096 + 2];
    if (size > 4096)
        return 0;
    size_t len = weft_json_quote(quoted, (weft_str){(const char *)data, size});
    FUZZ_CHECK(len >= 2 && len <= 6 * size + 2);
    yyjson_doc *doc = yyjson_read(quoted, len, 0);
    FUZZ_CHECK(doc != NULL);
    yyjson_val *root = yyjson_doc_get_root(doc);
    FUZZ_CHECK(yyjson_is_str(root));
    bool is_replaced = false;
    const char *text = yyjson_get_str(root);
    size_t text_len = yyjson_get_len(root);
    for (size_t i = 0; i + 2 < text_len; i++)
        is_replaced = is_replaced || memcmp(text + i, "\xef\xbf\xbd", 3) == 0;
    if (!is_replaced)
        FUZZ_CHECK(text_len == size && (size == 0 || memcmp(text, data, size) == 0));
    FUZZ_PLANTED(is_replaced || text_len == strlen(text) || text_len < 4);
    yyjson_doc_free(doc);
    return 0;
}
