/* router.c: a tree with one level a segment. Text children are sorted, for a binary search. */
#include "router.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "assert.h"
#include "url.h"

enum { SEGMENT_MAX = 512 };

enum segment_kind { SEGMENT_TEXT, SEGMENT_NAME, SEGMENT_REST };

struct segment {
    enum segment_kind kind;
    weft_str text; /* or the parameter's name */
};

struct route {
    struct route *next;
    char *pattern; /* what the segments point into */
    char *method;  /* "" for any */
    void *target;
    int n_segments;
    struct segment segments[ROUTER_MAX_SEGMENTS];
};

struct node {
    weft_str text;
    struct node **children; /* text ones, sorted */
    size_t n_children;
    struct node *name, *rest;
    struct here {
        struct here *next;
        struct route *route;
    } * here;
};

struct router {
    struct route *routes;
    struct node *root;
};

/* ---- patterns ---- */

static int fail(char *err, size_t size, int rc, const char *pattern, const char *what)
{
    snprintf(err, size, "route pattern '%s': %s", pattern, what);
    return rc;
}

/* Takes the next segment off a path that begins with a slash. Returns false at the end. */
static bool segment_next(weft_str *rest, weft_str *ret_segment)
{
    if (!rest->len)
        return false;
    const char *start = rest->ptr + 1;
    const char *end = memchr(start, '/', rest->len - 1);
    size_t len = end ? (size_t)(end - start) : rest->len - 1;
    *ret_segment = (weft_str){start, len};
    rest->ptr += len + 1;
    rest->len -= len + 1;
    return true;
}

static bool has_escape(weft_str text)
{
    for (size_t i = 0; i + 2 < text.len; i++)
        if (text.ptr[i] == '%' && isxdigit((unsigned char)text.ptr[i + 1]) &&
            isxdigit((unsigned char)text.ptr[i + 2]))
            return true;
    return false;
}

static const char *segment_parse(struct route *route, weft_str text)
{
    struct segment *s = &route->segments[route->n_segments];
    bool opens = text.len && text.ptr[0] == '{', closes = text.len && text.ptr[text.len - 1] == '}';
    if (route->n_segments && s[-1].kind == SEGMENT_REST)
        return "{name...} must come last";
    *s = (struct segment){SEGMENT_TEXT, text};
    route->n_segments++;
    if (text.len > SEGMENT_MAX)
        return "a segment is too long";
    if (has_escape(text))
        return "write it decoded, without escapes like %20";
    if (!opens && !closes && !memchr(text.ptr, '{', text.len) && !memchr(text.ptr, '}', text.len))
        return NULL;
    if (!opens || !closes)
        return "a parameter is a whole segment, {name}";
    s->kind = SEGMENT_NAME;
    s->text = (weft_str){text.ptr + 1, text.len - 2};
    if (s->text.len > 3 && memcmp(s->text.ptr + s->text.len - 3, "...", 3) == 0) {
        s->kind = SEGMENT_REST;
        s->text.len -= 3;
    }
    if (s->text.len == 0 || memchr(s->text.ptr, '{', s->text.len) ||
        memchr(s->text.ptr, '.', s->text.len))
        return "a parameter needs a name";
    for (struct segment *other = route->segments; other < s; other++)
        if (other->kind != SEGMENT_TEXT && weft_str_eq(other->text, s->text))
            return "a parameter's name occurs twice";
    return NULL;
}

static const char *route_parse(struct route *route)
{
    weft_str rest = weft_cstr(route->pattern), text;
    int params = 0;
    if (rest.len == 0 || rest.ptr[0] != '/')
        return "it must begin with a slash";
    while (segment_next(&rest, &text)) {
        if (route->n_segments == ROUTER_MAX_SEGMENTS)
            return "it has too many segments";
        const char *wrong = segment_parse(route, text);
        if (wrong)
            return wrong;
        params += route->segments[route->n_segments - 1].kind != SEGMENT_TEXT;
    }
    return params > ROUTER_MAX_PARAMS ? "it has too many parameters" : NULL;
}

/* Whether a request can have the methods of both: HEAD goes to GET as well. */
static bool methods_overlap(const char *a, const char *b)
{
    bool is_head_get = (strcmp(a, "GET") == 0 && strcmp(b, "HEAD") == 0) ||
                       (strcmp(a, "HEAD") == 0 && strcmp(b, "GET") == 0);
    return !*a || !*b || strcmp(a, b) == 0 || is_head_get;
}

/* Whether two patterns fit a common path and neither fits only paths that the other fits too. For
 * the same paths it is none when the methods differ: the method decides then. */
static bool is_conflict(const struct route *a, const struct route *b)
{
    if (!methods_overlap(a->method, b->method))
        return false;
    bool a_is_narrower = false, b_is_narrower = false;
    int i = 0;
    for (;; i++) {
        const struct segment *x = i < a->n_segments ? &a->segments[i] : NULL;
        const struct segment *y = i < b->n_segments ? &b->segments[i] : NULL;
        bool x_is_rest = x && x->kind == SEGMENT_REST, y_is_rest = y && y->kind == SEGMENT_REST;
        if (x_is_rest || y_is_rest) {
            if (!x || !y)
                return false; /* a rest needs its slash: the shorter one does not have it */
            a_is_narrower |= !x_is_rest;
            b_is_narrower |= !y_is_rest;
            break;
        }
        if (!x || !y) {
            if (x || y)
                return false;
            break;
        }
        if (x->kind == SEGMENT_TEXT && y->kind == SEGMENT_TEXT) {
            if (!weft_str_eq(x->text, y->text))
                return false;
        } else {
            const struct segment *text = x->kind == SEGMENT_TEXT ? x : y;
            if (text->kind == SEGMENT_TEXT && text->text.len == 0)
                return false; /* {name} is never empty */
            a_is_narrower |= x->kind == SEGMENT_TEXT;
            b_is_narrower |= y->kind == SEGMENT_TEXT;
        }
    }
    if (!a_is_narrower && !b_is_narrower)
        return strcmp(a->method, b->method) == 0;
    return a_is_narrower == b_is_narrower;
}

/* ---- the tree ---- */

static struct node *child_find(const struct node *node, weft_str text, size_t *ret_at)
{
    size_t low = 0, high = node->n_children;
    while (low < high) {
        size_t middle = (low + high) / 2;
        weft_str other = node->children[middle]->text;
        int order = other.len < text.len ? -1 : other.len > text.len;
        if (order == 0)
            order = memcmp(other.ptr, text.ptr, text.len);
        if (order == 0)
            return node->children[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (ret_at)
        *ret_at = low;
    return NULL;
}

static struct node *child_add(struct node *node, const struct segment *s)
{
    struct node **wild = s->kind == SEGMENT_NAME ? &node->name : &node->rest;
    size_t at = 0;
    if (s->kind == SEGMENT_TEXT) {
        struct node *there = child_find(node, s->text, &at);
        if (there)
            return there;
    } else if (*wild) {
        return *wild;
    }
    struct node *child = calloc(1, sizeof *child);
    if (!child)
        return NULL;
    child->text = s->text;
    if (s->kind != SEGMENT_TEXT)
        return *wild = child;
    struct node **children = realloc(node->children, (node->n_children + 1) * sizeof *children);
    if (!children) {
        free(child);
        return NULL;
    }
    node->children = children;
    memmove(children + at + 1, children + at, (node->n_children - at) * sizeof *children);
    children[at] = child;
    node->n_children++;
    return child;
}

static int tree_add(struct router *r, struct route *route)
{
    struct node *node = r->root;
    for (int i = 0; i < route->n_segments && node; i++)
        node = child_add(node, &route->segments[i]);
    struct here *here = node ? malloc(sizeof *here) : NULL;
    if (!here)
        return -ENOMEM; /* nodes without a route are harmless */
    *here = (struct here){NULL, route};
    struct here **at = &node->here;
    while (*at)
        at = &(*at)->next;
    *at = here;
    return 0;
}

static void node_free(struct node *node)
{
    if (!node)
        return;
    for (size_t i = 0; i < node->n_children; i++)
        node_free(node->children[i]);
    node_free(node->name);
    node_free(node->rest);
    while (node->here) {
        struct here *next = node->here->next;
        free(node->here);
        node->here = next;
    }
    free(node->children);
    free(node);
}

struct router *router_new(void)
{
    struct router *r = calloc(1, sizeof *r);
    if (r && !(r->root = calloc(1, sizeof *r->root))) {
        free(r);
        r = NULL;
    }
    return r;
}

static void route_free(struct route *route)
{
    if (!route)
        return;
    free(route->pattern);
    free(route->method);
    free(route);
}

void router_free(struct router *r)
{
    if (!r)
        return;
    node_free(r->root);
    while (r->routes) {
        struct route *next = r->routes->next;
        route_free(r->routes);
        r->routes = next;
    }
    free(r);
}

int router_add(struct router *r, weft_str method, weft_str pattern, void *target, char *err,
               size_t err_size)
{
    struct route *route = calloc(1, sizeof *route);
    if (!route)
        return -ENOMEM;
    route->pattern = strndup(pattern.ptr, pattern.len);
    route->method = strndup(method.ptr ? method.ptr : "", method.len);
    route->target = target;
    int rc = route->pattern && route->method ? 0 : -ENOMEM;
    const char *wrong = rc == 0 ? route_parse(route) : NULL;
    if (wrong)
        rc = fail(err, err_size, -EINVAL, route->pattern, wrong);
    for (struct route *other = r->routes; other && rc == 0; other = other->next) {
        if (is_conflict(other, route)) {
            snprintf(err, err_size,
                     "route patterns '%s %s' and '%s %s' fit the same path and neither is more "
                     "specific",
                     *other->method ? other->method : "any", other->pattern,
                     *route->method ? route->method : "any", route->pattern);
            rc = -EEXIST;
        }
    }
    if (rc == 0)
        rc = tree_add(r, route);
    if (rc < 0) {
        route_free(route);
        return rc;
    }
    route->next = r->routes;
    r->routes = route;
    return 0;
}

/* ---- looking up ---- */

struct search {
    weft_str method;
    bool is_head, is_encoded;      /* the path has a '%' */
    const struct route *path_fits; /* the first pattern that fits the path, with any method */
    int depth;
    weft_str values[ROUTER_MAX_PARAMS];
};

static bool method_is(const char *name, weft_str method)
{
    return strncmp(name, method.ptr, method.len) == 0 && name[method.len] == '\0';
}

/* The route that ends at a node and has the method: named, then GET for HEAD, then any. */
static const struct route *route_here(const struct node *node, struct search *s)
{
    const struct route *get = NULL, *any = NULL;
    for (const struct here *h = node->here; h; h = h->next) {
        if (!s->path_fits)
            s->path_fits = h->route;
        if (method_is(h->route->method, s->method))
            return h->route;
        if (s->is_head && strcmp(h->route->method, "GET") == 0)
            get = h->route;
        if (!*h->route->method)
            any = h->route;
    }
    return get ? get : any;
}

/* The child for a segment that has escapes. A function of its own: its buffer is not for every
 * level of the search. */
static __attribute__((noinline)) struct node *encoded_child(const struct node *node,
                                                            weft_str segment)
{
    char decoded[3 * SEGMENT_MAX];
    if (segment.len > sizeof decoded)
        return NULL; /* longer than any pattern's */
    ssize_t n = url_decode(decoded, segment, false);
    return n < 0 ? NULL : child_find(node, (weft_str){decoded, (size_t)n}, NULL);
}

static struct node *text_child(const struct node *node, weft_str segment, const struct search *s)
{
    if (weft_unlikely(s->is_encoded) && url_needs_decode(segment))
        return encoded_child(node, segment);
    return child_find(node, segment, NULL);
}

/* Every node is visited at most once: the tree's size bounds the search, whatever the path. */
static const struct route *search_node(const struct node *node, weft_str path, struct search *s)
{
    weft_str rest = path, segment;
    const struct route *found;
    if (!segment_next(&rest, &segment))
        return node->here ? route_here(node, s) : NULL;

    const struct node *child = node->n_children ? text_child(node, segment, s) : NULL;
    if (child && (found = search_node(child, rest, s)))
        return found;
    if (node->name && segment.len) {
        s->values[s->depth++] = segment;
        if ((found = search_node(node->name, rest, s)))
            return found;
        s->depth--;
    }
    if (node->rest && (found = route_here(node->rest, s))) {
        s->values[s->depth++] = (weft_str){path.ptr + 1, path.len - 1};
        return found;
    }
    return NULL;
}

enum router_result router_find(const struct router *r, weft_str method, weft_str path,
                               struct router_match *ret)
{
    struct search s;
    s.method = method;
    s.is_head = method.len == 4 && memcmp(method.ptr, "HEAD", 4) == 0;
    s.is_encoded = url_needs_decode(path);
    s.path_fits = NULL;
    s.depth = 0;
    if (path.len == 0 || path.ptr[0] != '/')
        return ROUTER_NO_PATH;
    const struct route *route = search_node(r->root, path, &s);
    if (!route && !s.path_fits)
        return ROUTER_NO_PATH;
    ret->target = route ? route->target : s.path_fits->target;
    ret->n_params = 0;
    if (!route)
        return ROUTER_NO_METHOD;
    for (int i = 0; i < route->n_segments && ret->n_params < s.depth; i++) {
        if (route->segments[i].kind == SEGMENT_TEXT)
            continue;
        ret->params[ret->n_params] = (struct router_param){route->segments[i].text,
                                                           s.values[ret->n_params]};
        ret->n_params++;
    }
    return ROUTER_FOUND;
}

/* ---- Allow ---- */

void allow_add(char *buf, size_t size, const char *method)
{
    size_t len = strlen(buf), wanted = strlen(method);
    for (const char *at = buf; (at = strstr(at, method)); at += wanted) {
        bool begins = at == buf || at[-1] == ' ';
        if (begins && (at[wanted] == ',' || at[wanted] == '\0'))
            return;
    }
    if (len + wanted + 3 <= size)
        snprintf(buf + len, size - len, "%s%s", len ? ", " : "", method);
}

/* As search_node, but goes to every node that fits. */
static void allow_node(const struct node *node, weft_str path, const struct search *s, char *buf,
                       size_t size)
{
    weft_str rest = path, segment;
    const struct here *here = NULL;
    if (segment_next(&rest, &segment)) {
        const struct node *child = node->n_children ? text_child(node, segment, s) : NULL;
        if (child)
            allow_node(child, rest, s, buf, size);
        if (node->name && segment.len)
            allow_node(node->name, rest, s, buf, size);
        if (node->rest)
            here = node->rest->here;
    } else {
        here = node->here;
    }
    for (; here; here = here->next) {
        if (!*here->route->method)
            continue;
        allow_add(buf, size, here->route->method);
        if (strcmp(here->route->method, "GET") == 0)
            allow_add(buf, size, "HEAD");
    }
}

void router_allow(const struct router *r, weft_str path, char *buf, size_t size)
{
    struct search s = {.is_encoded = url_needs_decode(path)};
    if (path.len && path.ptr[0] == '/')
        allow_node(r->root, path, &s, buf, size);
}
