/* routes.h: `weft routes FILE`: what a configuration leads where, as a table. */
#ifndef SERVER_ROUTES_H
#define SERVER_ROUTES_H

#include "config.h"

/* Prints a line a route on stdout: host, methods, path, what it leads to, middleware. */
void routes_print(const struct config *config);

#endif
