#include "jsonfmt.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <weft/http.h>

struct out {
    char *buf;
    size_t size, len; /* len counts past size too */
};

static void put(struct out *o, const char *bytes, size_t len)
{
    if (o->len < o->size) {
        size_t room = o->size - o->len;
        memcpy(o->buf + o->len, bytes, len < room ? len : room);
    }
    o->len += len;
}

/* The length of the UTF-8 sequence at `s` (RFC 3629), or 0 when there is none. */
static size_t utf8_length(const unsigned char *s, size_t left)
{
    static const unsigned char least[] = {0, 0, 0x80, 0xa0, 0x90};
    size_t len = s[0] < 0x80   ? 1
                 : s[0] < 0xc2 ? 0
                 : s[0] < 0xe0 ? 2
                 : s[0] < 0xf0 ? 3
                 : s[0] < 0xf5 ? 4
                               : 0;
    if (len < 2)
        return len;
    if (len > left)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 || s[0] == 0xf0) && s[1] < least[len])
        return 0; /* longer than it need be */
    if ((s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0; /* a surrogate; past U+10FFFF */
    return len;
}

static void put_escaped(struct out *o, unsigned char ch)
{
    static const char hex[] = "0123456789abcdef";
    static const char *const short_forms = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (const char *s = short_forms; *s; s += 2) {
        if ((unsigned char)s[0] == ch) {
            put(o, (char[]){'\\', s[1]}, 2);
            return;
        }
    }
    put(o, (char[]){'\\', 'u', '0', '0', hex[ch >> 4], hex[ch & 15]}, 6);
}

static void put_quoted(struct out *o, weft_str text)
{
    const unsigned char *s = (const unsigned char *)text.ptr;
    size_t plain = 0; /* where the bytes that need nothing begin */
    put(o, "\"", 1);
    for (size_t i = 0; i < text.len;) {
        size_t len = s[i] >= 0x20 && s[i] < 0x80 && s[i] != '"' && s[i] != '\\' ? 1 : 0;
        if (len == 0 && s[i] >= 0x80)
            len = utf8_length(s + i, text.len - i);
        if (len) {
            i += len;
            continue;
        }
        put(o, text.ptr + plain, i - plain);
        if (s[i] >= 0x80)
            put(o, "\xef\xbf\xbd", 3);
        else
            put_escaped(o, s[i]);
        plain = ++i;
    }
    put(o, text.ptr + plain, text.len - plain);
    put(o, "\"", 1);
}

size_t weft_json_quote(char *buf, weft_str text)
{
    struct out o = {buf, SIZE_MAX, 0};
    put_quoted(&o, text);
    return o.len;
}

/* A printf conversion of one argument: the specification from its % to its letter. */
static int put_number(struct out *o, const char *spec, size_t spec_len, va_list *args)
{
    char copy[24], text[512];
    if (spec_len >= sizeof copy)
        return -EINVAL;
    memcpy(copy, spec, spec_len);
    copy[spec_len] = '\0';
    char letter = spec[spec_len - 1];
    bool is_long_long = strstr(copy, "ll"), is_long = strchr(copy, 'l') || strchr(copy, 'j');
    bool is_size = strchr(copy, 'z') != NULL;
    int n;
    if (strchr("feg", letter)) {
        double value = va_arg(*args, double);
        if (!isfinite(value)) { /* JSON has no word for them */
            put(o, "null", 4);
            return 0;
        }
        n = snprintf(text, sizeof text, copy, value);
    } else if (is_long_long) {
        n = snprintf(text, sizeof text, copy, va_arg(*args, long long));
    } else if (is_size) {
        n = snprintf(text, sizeof text, copy, va_arg(*args, size_t));
    } else if (is_long) {
        n = snprintf(text, sizeof text, copy, va_arg(*args, long));
    } else {
        n = snprintf(text, sizeof text, copy, va_arg(*args, int));
    }
    if (n < 0 || (size_t)n >= sizeof text)
        return -EINVAL;
    put(o, text, (size_t)n);
    return 0;
}

static int put_conversion(struct out *o, const char *spec, size_t len, va_list *args)
{
    weft_str text;
    switch (spec[len - 1]) {
    case '%': put(o, "%", 1); return 0;
    case 'J':
        text = va_arg(*args, weft_str);
        if (text.ptr)
            put_quoted(o, text);
        else
            put(o, "null", 4);
        return 0;
    case 'b':
        text = va_arg(*args, int) ? WEFT_STR("true") : WEFT_STR("false");
        put(o, text.ptr, text.len);
        return 0;
    case 's':
        text = weft_cstr(va_arg(*args, const char *));
        put(o, text.ptr, text.len);
        return 0;
    case 'd':
    case 'i':
    case 'u':
    case 'f':
    case 'e':
    case 'g': return put_number(o, spec, len, args);
    default: return -EINVAL;
    }
}

ssize_t jsonfmt(char *buf, size_t size, const char *format, va_list args)
{
    struct out o = {buf, size, 0};
    va_list rest;
    int rc = 0;
    va_copy(rest, args);
    while (*format && rc == 0) {
        size_t plain = strcspn(format, "%");
        put(&o, format, plain);
        format += plain;
        if (!*format)
            break;
        size_t len = 1 + strspn(format + 1, "0123456789.lzj") + 1;
        if (!format[len - 1])
            rc = -EINVAL;
        else
            rc = put_conversion(&o, format, len, &rest);
        format += len;
    }
    va_end(rest);
    return rc < 0 ? rc : (ssize_t)o.len;
}
