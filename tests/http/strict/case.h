/* case.h: what a case of the strictness suite is.
 *
 * The runner sends a case's bytes and, unless they are an unfinished message, one more request, of
 * which it knows the answer: 298. An answer to it, or none, tells whether the connection goes on.
 */
#ifndef TESTS_STRICT_CASE_H
#define TESTS_STRICT_CASE_H

#include <stddef.h>

enum then {
    GOES_ON,    /* the connection serves the next request */
    ENDS,       /* the server ends it: what came behind is no request */
    UNFINISHED, /* the client ends its stream in the middle of a message */
};

struct strict_case {
    const char *rule; /* an RFC and its section, and what about it */
    const char *bytes;
    size_t len;
    const char *statuses; /* of the answers, in order */
    enum then then;
};

#define C(rule, bytes, statuses, then)                                                             \
    {                                                                                              \
        rule, bytes, sizeof(bytes) - 1, statuses, then                                             \
    }

#define HOST "Host: x\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST
#define POST "POST / HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define END "0\r\n\r\n" /* of a chunked body */
/* A request inside of something that only a wrong reader takes for its end; it would be answered by
 * 299. */
#define SMUGGLED "GET /smuggled HTTP/1.1\r\n" HOST "\r\n"
#define X10(x) x x x x x x x x x x
#define X100(x) X10(X10(x))
#define X1000(x) X10(X100(x))

#endif
