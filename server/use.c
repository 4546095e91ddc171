/* use.c: the middleware that a configuration asks for, in one order: who may come in and what is
 * refused outside, what changes answers inside. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/middleware.h>

#include "mount.h"
#include "mounted.h"

enum { PLACE_MAX = 256, PAIRS_MAX = 128 };

/* A mapping of the user's own: the headers of answers, the users of a realm. Ended by NULLs. */
struct pairs {
    size_t count;
    const char *names[PAIRS_MAX], *values[PAIRS_MAX]; /* the tree's */
};

static int read_pairs(const struct config *config, const char *place, const char *key,
                      struct pairs *to)
{
    char at[PLACE_MAX];
    snprintf(at, sizeof at, "%s%s%s", place, *place ? "." : "", key);
    const struct tree_node *node = tree_find(config->tree, at);
    while (tree_entry(config->tree, node, to->count, &to->names[to->count], &to->values[to->count]))
        if (++to->count == PAIRS_MAX)
            return config_wrong(config, at, "more than %d entries", PAIRS_MAX - 1);
    return 0;
}

/* ---- headers of answers ---- */

static int set_headers(weft_http *h, void *arg)
{
    const struct pairs *headers = arg;
    int rc = weft_next(h);
    for (size_t i = 0; i < headers->count; i++)
        weft_set_header(h, headers->names[i], headers->values[i]);
    return rc;
}

static int use_headers(const struct config *config, const char *place, weft_app *app,
                       struct mounted **list)
{
    struct pairs *headers = calloc(1, sizeof *headers);
    if (!headers)
        return -ENOMEM;
    int rc = read_pairs(config, place, "headers", headers);
    if (rc < 0 || !headers->count) {
        free(headers);
        return rc;
    }
    rc = mounted_keep(list, headers, free);
    return rc < 0 ? rc : weft_use(app, set_headers, headers);
}

/* ---- who may come in ---- */

struct basic_auth {
    weft_basic_auth_opts opts;
    weft_basic_user users[PAIRS_MAX];
};

static int use_basic_auth(const struct config *config, const char *place,
                          const struct config_basic_auth *asked, weft_app *app,
                          struct mounted **list)
{
    char at[PLACE_MAX];
    struct pairs users = {0};
    snprintf(at, sizeof at, "%s%sbasic_auth", place, *place ? "." : "");
    int rc = read_pairs(config, at, "users", &users);
    if (rc < 0)
        return rc;
    struct basic_auth *auth = calloc(1, sizeof *auth);
    if (!auth)
        return -ENOMEM;
    for (size_t i = 0; i < users.count; i++)
        auth->users[i] = (weft_basic_user){users.names[i], users.values[i]};
    auth->opts = (weft_basic_auth_opts){.realm = asked->realm, .users = auth->users};
    rc = mounted_keep(list, auth, free);
    return rc < 0 ? rc : weft_use(app, weft_mw_basic_auth, &auth->opts);
}

static void drop_rate_limit(void *opts)
{
    weft_rate_limit_free(opts);
    free(opts);
}

static int use_rate_limit(const struct config_rate *asked, weft_app *app, struct mounted **list)
{
    weft_rate_limit_opts *opts = calloc(1, sizeof *opts);
    if (!opts)
        return -ENOMEM;
    opts->per_second = asked->per_second;
    opts->burst = asked->burst ? (int)asked->burst : (int)asked->per_second;
    int rc = mounted_keep(list, opts, drop_rate_limit);
    return rc < 0 ? rc : weft_use(app, weft_mw_rate_limit, opts);
}

/* ---- CORS ---- */

/* "a, b, c"; NULL for an empty list, or without memory. */
static char *join(const struct config_list *list)
{
    size_t room = 1;
    for (unsigned i = 0; i < list->count; i++)
        room += strlen(list->items[i]) + 2;
    char *text = list->count ? calloc(1, room) : NULL;
    for (unsigned i = 0; text && i < list->count; i++) {
        strcat(text, i ? ", " : "");
        strcat(text, list->items[i]);
    }
    return text;
}

struct cors {
    weft_cors_opts opts;
    char *origins, *methods, *headers;
};

static void drop_cors(void *arg)
{
    struct cors *cors = arg;
    free(cors->origins);
    free(cors->methods);
    free(cors->headers);
    free(cors);
}

static int use_cors(const struct config_cors *asked, weft_app *app, struct mounted **list)
{
    struct cors *cors = calloc(1, sizeof *cors);
    if (!cors)
        return -ENOMEM;
    cors->origins = join(&asked->origins);
    cors->methods = join(&asked->methods);
    cors->headers = join(&asked->headers);
    cors->opts = (weft_cors_opts){.origins = cors->origins,
                                  .methods = cors->methods,
                                  .headers = cors->headers,
                                  .credentials = asked->credentials == SWITCH_ON,
                                  .max_age = (int)(asked->max_age.value / WEFT_SEC)};
    int rc = mounted_keep(list, cors, drop_cors);
    return rc < 0 ? rc : weft_use(app, weft_mw_cors, &cors->opts);
}

int mount_middleware(const struct config *config, const char *place, const struct config_use *use,
                     weft_app *app, struct mounted **list)
{
    int rc = 0;
    if (use->request_id == SWITCH_ON)
        rc = weft_use(app, weft_mw_request_id, NULL);
    if (rc == 0 && use->security_headers == SWITCH_ON)
        rc = weft_use(app, weft_mw_security, NULL);
    if (rc == 0)
        rc = use_headers(config, place, app, list);
    if (rc == 0 && use->rate_limit)
        rc = use_rate_limit(use->rate_limit, app, list);
    if (rc == 0 && use->cors)
        rc = use_cors(use->cors, app, list);
    if (rc == 0 && use->basic_auth)
        rc = use_basic_auth(config, place, use->basic_auth, app, list);
    if (rc == 0 && use->max_body.value)
        rc = weft_use(app, weft_mw_body_limit, (void *)(uintptr_t)&use->max_body.value);
    if (rc == 0 && use->timeout.value)
        rc = weft_use(app, weft_mw_timeout, (void *)(uintptr_t)&use->timeout.value);
    if (rc == 0 && use->compress == SWITCH_ON)
        rc = weft_use(app, weft_mw_compress, NULL);
    return rc;
}
