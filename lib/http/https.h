/* https.h: serving over TLS: the handshake before the first request, new certificates while it
 * serves, and the redirect from plain HTTP. */
#ifndef HTTP_HTTPS_H
#define HTTP_HTTPS_H

#include "exchange.h"
#include "store.h"

struct https {
    bool is_on;
    struct tls_store store;
    weft_app *redirect_app;      /* answers plain HTTP; NULL: nobody does */
    struct http_server redirect; /* what it is served by */
    int port;                    /* of the first TLS address, for redirects */
};

/* Sets TLS up if server's options ask for it: reads the files, prepares the redirect. Returns 0;
 * -EINVAL, -ENOMEM, said in one line on stderr. On any thread; blocks. */
int https_open(struct https *https, struct http_server *server);

/* The address that the first TLS listener got: redirects lead to its port. */
void https_set_address(struct https *https, const char *address);

/* Reads the files again if they have changed, or if `is_told`; says on stderr what became of it. In
 * a coroutine; parks. */
void https_look(struct https *https, bool is_told);

void https_close(struct https *https);

/* The first wake of a connection of a server with TLS; for conn_idle. */
void https_on_hello(weft_conn *c, enum conn_wake why);

#endif
