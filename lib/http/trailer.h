/* trailer.h: fields behind a chunked body, as they come and as they are sent (RFC 9110
 * section 6.5).
 */
#ifndef HTTP_TRAILER_H
#define HTTP_TRAILER_H

#include <weft/http.h>

struct arena;
struct trailers;

/* Adds a piece of a trailer's name, or of its value, from the parser, to *trailers, which is made
 * in the arena when it is the first. Returns 0; -E2BIG past the limits; -ENOMEM. */
int trailers_add_name(struct trailers **trailers, struct arena *arena, const char *at, size_t len);
int trailers_add_value(struct trailers **trailers, struct arena *arena, const char *at, size_t len);

/* Puts the last chunk and the answer's trailers into the output. May park. */
void trailers_put(weft_http *h);

#endif
