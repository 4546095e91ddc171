/* app.h: an application while it is built, and what requests are looked up in once it is ready.
 *
 * Groups form a tree. A group for a host is a child of the application and has an empty prefix; all
 * routes below it go into that host's own router. */
#ifndef HTTP_APP_H
#define HTTP_APP_H

#include "exchange.h"
#include "hosts.h"

enum { MIDDLEWARE_MAX = 32, GROUP_DEPTH_MAX = 16, ERROR_MAX = 512 };

struct route_entry {
    struct route_entry *next;
    char *method; /* "" for any */
    char *pattern;
    struct step handler;
};

struct weft_app {
    weft_app *parent; /* of a group */
    weft_app *next;   /* sibling */
    weft_app *groups, **last_group;
    char *prefix; /* "" for the application itself and for hosts */
    char *host;   /* of a group that weft_app_host made, else NULL */
    struct route_entry *routes, **last_route;
    struct step middleware[MIDDLEWARE_MAX];
    int n_middleware;

    /* In the root only. */
    char error[ERROR_MAX]; /* the first mistake made while building */
    bool is_ready;         /* app_prepare has succeeded, and nothing was added since */
    weft_path_opts paths;
    struct metrics *metrics; /* NULL: nothing is counted */

    /* Made by app_prepare; immutable while requests are served. */
    struct endpoint *no_method, *options; /* of each group that has routes, and of the root */
    struct router *router;                /* the rest: in the root; for any host */
    struct hosts *hosts;                  /* NULL: no route asks for a host */
    struct endpoint **endpoints;
    size_t n_endpoints;
    struct endpoint *not_found, *bad_path, *moved; /* of the root: its middleware runs */
};

/* dispatch.c: the handlers of answers that come by themselves; `arg` is the root. */
weft_handler answer_not_found, answer_bad_path, answer_moved, answer_no_method, answer_options;

#endif
