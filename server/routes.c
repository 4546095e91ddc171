#include "routes.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 512 };

static void add(char *text, const char *more)
{
    size_t len = strlen(text);
    snprintf(text + len, TEXT_MAX - len, "%s%s", len ? "," : "", more);
}

static const char *join(const struct config_list *list, const char *when_empty, char *text)
{
    text[0] = '\0';
    for (unsigned i = 0; i < list->count; i++)
        add(text, list->items[i]);
    return *text ? text : when_empty;
}

static void describe_target(const struct config_route *r, char *text)
{
    char list[TEXT_MAX];
    if (r->root)
        snprintf(text, TEXT_MAX, "static %s", r->root);
    else if (r->module)
        snprintf(text, TEXT_MAX, "module %s", r->module);
    else if (r->proxy.count)
        snprintf(text, TEXT_MAX, "proxy %.500s", join(&r->proxy, "", list));
    else if (r->redirect)
        snprintf(text, TEXT_MAX, "redirect %u %s", r->status ? r->status : 302, r->redirect);
    else if (r->respond)
        snprintf(text, TEXT_MAX, "respond %u", r->respond->status ? r->respond->status : 200);
    else
        snprintf(text, TEXT_MAX, "handler %s", r->handler);
}

static void describe_use(const struct config_use *use, char *text)
{
    text[0] = '\0';
    if (use->request_id == SWITCH_ON)
        add(text, "request_id");
    if (use->security_headers == SWITCH_ON)
        add(text, "security_headers");
    if (use->rate_limit)
        add(text, "rate_limit");
    if (use->cors)
        add(text, "cors");
    if (use->basic_auth)
        add(text, "basic_auth");
    if (use->max_body.text)
        add(text, "max_body");
    if (use->timeout.text)
        add(text, "timeout");
    if (use->compress == SWITCH_ON)
        add(text, "compress");
}

static bool is_prefix(const struct config_route *r)
{
    return r->root || r->module || r->proxy.count;
}

static void print_routes(const char *host, const struct config_route *routes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const struct config_route *r = &routes[i];
        char methods[TEXT_MAX], target[TEXT_MAX], use[TEXT_MAX], path[TEXT_MAX];
        bool is_open = is_prefix(r) && r->path[strlen(r->path) - 1] != '/';
        snprintf(path, sizeof path, "%s%s%s", r->path, is_open ? "/" : "",
                 is_prefix(r) ? "..." : "");
        describe_target(r, target);
        describe_use(&r->use, use);
        printf("%-24s %-12s %-28s %s%s%s\n", host,
               join(&r->methods, r->root ? "GET" : "any", methods), path, target,
               *use ? "  with " : "", use);
    }
}

void routes_print(const struct config *c)
{
    char names[TEXT_MAX], use[TEXT_MAX];
    for (unsigned i = 0; i < c->n_hosts; i++)
        print_routes(join(&c->hosts[i].names, "", names), c->hosts[i].routes, c->hosts[i].n_routes);
    print_routes("*", c->routes, c->n_routes);
    describe_use(&c->use, use);
    if (*use)
        printf("every request with %s\n", use);
}
