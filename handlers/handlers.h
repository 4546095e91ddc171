/* handlers.h: the handlers that come with weft, each in a file of its own, written on the public
 * headers alone. All have weft_handler's form; `arg` is unused unless said. */
#ifndef HANDLERS_H
#define HANDLERS_H

#include <weft/weft.h>

int handler_home(weft_http *h, void *arg);      /* the demo site's page */
int handler_plaintext(weft_http *h, void *arg); /* "Hello, World!" */
int handler_json(weft_http *h, void *arg);      /* {"message":"Hello, World!"} */
int handler_hello(weft_http *h, void *arg);     /* greets the parameter {name} */
int handler_echo(weft_http *h, void *arg);      /* the request, as JSON */
int handler_sleep(weft_http *h, void *arg);     /* answers after the parameter {ms} milliseconds */
int handler_ws_chat(weft_http *h, void *arg);   /* a chat room: its page, and its WebSocket */
int handler_ws_echo(weft_http *h, void *arg);   /* gives back a WebSocket's messages */

/* A built-in handler by the name that the configuration has for it; NULL when there is none. */
weft_handler *handlers_find(const char *name);

/* All those names, in words. */
const char *handlers_names(void);

#endif
