#include "accept.h"

#include "token.h"

/* The value of ";q=", in thousandths (RFC 9110 section 12.4.2). */
static int weight_parse(weft_str params)
{
    while (params.len) {
        const char *end = memchr(params.ptr, ';', params.len);
        size_t len = end ? (size_t)(end - params.ptr) : params.len;
        weft_str one = token_trim((weft_str){params.ptr, len});
        size_t used = end ? len + 1 : len;
        params.ptr += used;
        params.len -= used;
        if (one.len < 2 || (one.ptr[0] | 32) != 'q' || one.ptr[1] != '=')
            continue;
        int weight = 0, scale = 1000;
        if (one.len < 3 || one.len > 7 || (one.ptr[2] != '0' && one.ptr[2] != '1') ||
            (one.len > 3 && one.ptr[3] != '.'))
            return 0;
        weight = (one.ptr[2] - '0') * scale;
        for (size_t i = 4; i < one.len; i++) {
            if (one.ptr[i] < '0' || one.ptr[i] > '9')
                return 0;
            scale /= 10;
            weight += (one.ptr[i] - '0') * scale;
        }
        return weight <= 1000 ? weight : 0;
    }
    return 1000;
}

static bool is_same(weft_str a, weft_str b)
{
    if (a.len > 2 && (a.ptr[0] | 32) == 'x' && a.ptr[1] == '-') /* x-gzip (section 8.4.1.3) */
        a = (weft_str){a.ptr + 2, a.len - 2};
    return token_eq(a, b);
}

int accept_weight(weft_str list, weft_str coding)
{
    weft_str element;
    int any = ACCEPT_ABSENT;
    while (token_list_next(&list, &element)) {
        const char *end = memchr(element.ptr, ';', element.len);
        size_t len = end ? (size_t)(end - element.ptr) : element.len;
        weft_str name = token_trim((weft_str){element.ptr, len});
        weft_str params = end ? (weft_str){end + 1, element.len - len - 1} : (weft_str){NULL, 0};
        if (is_same(name, coding))
            return weight_parse(params);
        if (weft_str_eq(name, WEFT_STR("*")))
            any = weight_parse(params);
    }
    return any;
}

weft_str accept_coding(weft_str list, const char *offered, bool *ret_must)
{
    weft_str rest = weft_cstr(offered), coding, best = {NULL, 0};
    int best_weight = 0, identity = accept_weight(list, WEFT_STR("identity"));
    *ret_must = identity == 0;
    while (token_list_next(&rest, &coding)) {
        int weight = accept_weight(list, coding);
        if (weight > best_weight) {
            best_weight = weight;
            best = coding;
        }
    }
    /* Named by "*" only, identity is not preferred to anything. */
    if (identity > best_weight)
        best = (weft_str){NULL, 0};
    return best;
}
