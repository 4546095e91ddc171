/* params.h: parameters of a header's value: `; name=value; name="quoted value"` (RFC 9110 section
 * 5.6.6). */
#ifndef HTTP_PARAMS_H
#define HTTP_PARAMS_H

#include <stdbool.h>
#include <weft/base.h>

struct params {
    weft_str rest; /* from a semicolon on, or empty */
    bool is_broken;
};

/* Begins behind the value itself, which is in *ret_value, without white space at its ends. */
struct params params_begin(weft_str header, weft_str *ret_value);

/* The next parameter. is_quoted: the value stands between its quotes with escapes as sent. Returns
 * false at the end, and, with is_broken set, at what is no parameter. */
bool params_next(struct params *p, weft_str *ret_name, weft_str *ret_value, bool *ret_is_quoted);

/* Takes the escapes out of a quoted value, in place or to `to`, of value.len bytes. Returns the
 * length. */
size_t params_unquote(char *to, weft_str value);

#endif
