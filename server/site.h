/* site.h: the application that a configuration describes. */
#ifndef SERVER_SITE_H
#define SERVER_SITE_H

#include <weft/weft.h>

#include "config.h"

struct site;

/* Builds the application: hosts, routes, modules, middleware. Says what cannot be had with its
 * place in the file. access: where requests are logged, or NULL. Borrows both, which must outlive
 * it. Returns NULL on failure. */
struct site *site_new(const struct config *config, weft_access_log *access);
void site_free(struct site *site);

weft_app *site_app(const struct site *site);

/* Calls visit(proxy, arg) for each reverse proxy of the site. */
void site_each_proxy(const struct site *site, void (*visit)(void *proxy, void *arg), void *arg);

/* The limits, timeouts, trust and certificates of the configuration, as the library takes them.
 * They borrow from the site. */
void site_serve_opts(const struct site *site, weft_serve_opts *opts);

#endif
