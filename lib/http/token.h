/* token.h: tokens and lists of them, as header fields are made of (RFC 9110 sections 5.6.1, 5.6.2).
 */
#ifndef HTTP_TOKEN_H
#define HTTP_TOKEN_H

#include <stdbool.h>
#include <weft/base.h>

/* Whether a byte may be in a token. */
bool token_has(char ch);

/* Whether all of it is a token: at least one byte. */
bool token_is(weft_str text);

/* Whether two tokens are the same in any case. */
bool token_eq(weft_str a, weft_str b);

/* Takes the next element off a comma-separated list, without the white space around it; empty
 * ones are skipped. Returns false at the end. */
bool token_list_next(weft_str *rest, weft_str *ret_element);

/* The text without spaces and tabs at its ends. */
weft_str token_trim(weft_str text);

#endif
