/* testing.h: the client's side of weft_test_request: it reads answers as a client does. */
#ifndef HTTP_TESTING_H
#define HTTP_TESTING_H

#include <stdbool.h>
#include <weft/net.h>
#include <weft/test.h>

/* What a text of requests asks for, as far as it is HTTP. */
struct test_requests {
    bool *is_head; /* of each request, in order; freed by the caller */
    size_t count;
    bool is_whole; /* the last one is complete, and all could be read */
};

/* Returns 0 or -ENOMEM. */
int test_requests_parse(const char *raw, size_t len, struct test_requests *ret);

/* Reads the answers from `c` until there is one for each request, or the stream ends. The first is
 * put into *ret. Parks. */
void test_answers_read(weft_conn *c, const struct test_requests *requests, weft_test_response *ret);

#endif
