#include "token.h"

#include <strings.h>

bool token_has(char ch)
{
    /* One bit a byte of ASCII: the letters, the digits and !#$%&'*+-.^_`|~ */
    static const uint64_t is_in[2] = {0x03ff6cfa00000000, 0x57ffffffc7fffffe};
    unsigned char byte = (unsigned char)ch;
    return byte < 128 && (is_in[byte >> 6] >> (byte & 63) & 1);
}

bool token_is(weft_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!token_has(text.ptr[i]))
            return false;
    return text.len > 0;
}

bool token_eq(weft_str a, weft_str b)
{
    return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

weft_str token_trim(weft_str text)
{
    while (text.len && (*text.ptr == ' ' || *text.ptr == '\t')) {
        text.ptr++;
        text.len--;
    }
    while (text.len && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

bool token_list_next(weft_str *rest, weft_str *ret_element)
{
    while (rest->len) {
        const char *comma = memchr(rest->ptr, ',', rest->len);
        size_t len = comma ? (size_t)(comma - rest->ptr) : rest->len;
        weft_str element = token_trim((weft_str){rest->ptr, len});
        len += comma ? 1 : 0;
        rest->ptr += len;
        rest->len -= len;
        if (element.len) {
            *ret_element = element;
            return true;
        }
    }
    return false;
}
