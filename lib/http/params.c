#include "params.h"

#include "token.h"

struct params params_begin(weft_str header, weft_str *ret_value)
{
    const char *semicolon = header.len ? memchr(header.ptr, ';', header.len) : NULL;
    size_t len = semicolon ? (size_t)(semicolon - header.ptr) : header.len;
    *ret_value = token_trim((weft_str){header.ptr, len});
    return (struct params){.rest = {header.ptr + len, header.len - len}};
}

static void skip(weft_str *s, size_t n)
{
    s->ptr += n;
    s->len -= n;
}

static void skip_space(weft_str *s)
{
    while (s->len && (*s->ptr == ' ' || *s->ptr == '\t'))
        skip(s, 1);
}

/* Bytes of a quoted string's inside, from behind its first quote; -1: it does not end. */
static ssize_t quoted_len(weft_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"')
            return (ssize_t)i;
        if (s.ptr[i] == '\\')
            i++;
    }
    return -1;
}

static bool broken(struct params *p)
{
    p->is_broken = true;
    return false;
}

bool params_next(struct params *p, weft_str *ret_name, weft_str *ret_value, bool *ret_is_quoted)
{
    weft_str *rest = &p->rest;
    do { /* empty parameters are allowed */
        skip_space(rest);
        if (!rest->len)
            return false;
        if (*rest->ptr != ';')
            return broken(p);
        skip(rest, 1);
        skip_space(rest);
    } while (rest->len && *rest->ptr == ';');
    if (!rest->len)
        return false;
    size_t len = 0;
    while (len < rest->len && token_has(rest->ptr[len]))
        len++;
    *ret_name = (weft_str){rest->ptr, len};
    skip(rest, len);
    if (len == 0 || !rest->len || *rest->ptr != '=')
        return broken(p);
    skip(rest, 1);
    *ret_is_quoted = rest->len && *rest->ptr == '"';
    if (*ret_is_quoted) {
        skip(rest, 1);
        ssize_t inside = quoted_len(*rest);
        if (inside < 0)
            return broken(p);
        *ret_value = (weft_str){rest->ptr, (size_t)inside};
        skip(rest, (size_t)inside + 1);
        return true;
    }
    for (len = 0; len < rest->len && token_has(rest->ptr[len]);)
        len++;
    *ret_value = (weft_str){rest->ptr, len};
    skip(rest, len);
    return len > 0 || broken(p);
}

size_t params_unquote(char *to, weft_str value)
{
    size_t len = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '\\' && i + 1 < value.len &&
            (value.ptr[i + 1] == '"' || value.ptr[i + 1] == '\\'))
            i++;
        to[len++] = value.ptr[i];
    }
    return len;
}
