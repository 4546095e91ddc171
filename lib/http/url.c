#include "url.h"

#include <errno.h>

static int hex_digit(char ch)
{
    if (ch >= '0' && ch <= '9')
        return ch - '0';
    ch |= 32;
    return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

ssize_t url_decode(char *dst, weft_str src, bool plus_is_space)
{
    size_t len = 0;
    for (size_t i = 0; i < src.len; i++) {
        char ch = src.ptr[i];
        if (ch == '%') {
            int high = i + 2 < src.len ? hex_digit(src.ptr[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(src.ptr[i + 2]) : -1;
            if (low < 0)
                return -EINVAL;
            ch = (char)(high * 16 + low);
            if (ch == 0)
                return -EINVAL;
            i += 2;
        } else if (ch == '+' && plus_is_space) {
            ch = ' ';
        }
        dst[len++] = ch;
    }
    return (ssize_t)len;
}

bool url_is_decodable(weft_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != '%')
            continue;
        int high = i + 2 < s.len ? hex_digit(s.ptr[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(s.ptr[i + 2]) : -1;
        if (low < 0 || high + low == 0)
            return false;
        i += 2;
    }
    return true;
}

bool url_query_next(weft_str *rest, weft_str *ret_name, weft_str *ret_value)
{
    while (rest->len) {
        const char *end = memchr(rest->ptr, '&', rest->len);
        size_t len = end ? (size_t)(end - rest->ptr) : rest->len;
        weft_str pair = {rest->ptr, len};
        size_t skip = end ? len + 1 : len;
        rest->ptr += skip;
        rest->len -= skip;
        if (len == 0)
            continue;
        const char *equals = memchr(pair.ptr, '=', pair.len);
        size_t name_len = equals ? (size_t)(equals - pair.ptr) : pair.len;
        *ret_name = (weft_str){pair.ptr, name_len};
        *ret_value = equals ? (weft_str){equals + 1, pair.len - name_len - 1} : WEFT_STR("");
        return true;
    }
    return false;
}
