/* client.h: the client's inside: where its origins are kept, and what a response consists of. */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <weft/client.h>

#include "arena.h"
#include "call.h"
#include "upload.h"
#include "weburl.h"

enum { CLIENT_FIRST_ARENA = 1024, CLIENT_BODY_ROOM = 4096 };

/* The origin for a request of this client, a reference; NULL when memory is out. Any thread. */
struct origin *client_origin(weft_client *client, const char *network, const char *address);

/* What is shared by all of the client's requests. */
const weft_client_opts *client_opts(const weft_client *client);

/* The client that is meant by NULL. */
weft_client *client_or_shared(weft_client *client);

/* A request as it is sent, which redirects change, and its answer. */
struct weft_response {
    weft_client *client;
    struct arena arena;
    struct weburl url;
    weft_str method;
    weft_str body;   /* whole; ptr NULL: none */
    bool has_stream; /* the body is opts.read_body's */
    bool is_repeatable;
    bool drops_credentials; /* it goes to another origin than the user named */
    bool drops_content;     /* a redirect took the body away, and what describes it */
    weft_fetch_opts opts;   /* headers and URL only until weft_fetch returns */
    int64_t deadline;
    struct origin *origin; /* a reference */
    struct call call;
    struct upload upload;
    char *whole; /* weft_response_all's, on the heap */
    char first_arena[CLIENT_FIRST_ARENA];
    char in[]; /* the answer's buffer */
};

/* ---- client_request.c ---- */

/* Whether the options can be; what is derived from them goes to res. Returns 0 or -EINVAL. */
WEFT_MUST_USE int request_check(weft_response *res);

/* Puts the request's head together. Returns 0; -ENOMEM. */
WEFT_MUST_USE int request_head(weft_response *res, weft_str *ret_head);

/* Changes the request to follow its redirect (RFC 9110 section 15.4). Returns 1; 0 when the answer
 * is none that is followed; -EINVAL, -EPROTONOSUPPORT, -ENOMEM for its Location. */
WEFT_MUST_USE int request_redirect(weft_response *res);

/* ---- client_response.c ---- */

/* Gives the line back or closes it: nothing more is read. */
void response_release(weft_response *res);

#endif
