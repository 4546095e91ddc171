/* accept.h: which content coding a client likes best (RFC 9110 section 12.5.3). */
#ifndef HTTP_ACCEPT_H
#define HTTP_ACCEPT_H

#include <stdbool.h>
#include <weft/base.h>

enum { ACCEPT_ABSENT = -1 };

/* The weight of one element of a list, in thousandths: of a coding named, else of "*", else
 * ACCEPT_ABSENT. A weight that is malformed counts as 0. */
int accept_weight(weft_str list, weft_str coding);

/* The coding among `offered`, a list in the order preferred, that the client likes best; {NULL, 0}:
 * it goes without. *ret_must: the client refuses an answer without one. */
weft_str accept_coding(weft_str list, const char *offered, bool *ret_must);

#endif
