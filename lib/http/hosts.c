/* hosts.c: a sorted array. A wildcard's key is its pattern without the star, ".example.org", so
 * that each dot of a request's host is one more search. */
#include "hosts.h"

#include <stdlib.h>

struct host {
    char *key; /* in lower case */
    size_t len;
    struct router *router;
};

struct hosts {
    struct host *sorted;
    size_t count;
};

static char lower(char ch)
{
    return ch >= 'A' && ch <= 'Z' ? (char)(ch | 32) : ch;
}

struct hosts *hosts_new(void)
{
    return calloc(1, sizeof(struct hosts));
}

void hosts_free(struct hosts *hosts)
{
    if (!hosts)
        return;
    for (size_t i = 0; i < hosts->count; i++) {
        free(hosts->sorted[i].key);
        router_free(hosts->sorted[i].router);
    }
    free(hosts->sorted);
    free(hosts);
}

/* Labels of letters, digits, '-' and '_' between single dots. */
static bool is_name(const char *name)
{
    char before = '.';
    for (; *name; name++) {
        char ch = lower(*name);
        bool is_of_label = (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '-' ||
                           ch == '_';
        if (!is_of_label && (ch != '.' || before == '.'))
            return false;
        before = ch;
    }
    return before != '.';
}

static bool is_literal(const char *text)
{
    size_t len = strlen(text);
    return text[0] == '[' && len > 3 && text[len - 1] == ']' &&
           strspn(text + 1, "0123456789abcdefABCDEF:.") == len - 2;
}

bool hosts_is_pattern(const char *pattern)
{
    if (strlen(pattern) > HOST_MAX)
        return false;
    if (pattern[0] == '[')
        return is_literal(pattern);
    return is_name(pattern[0] == '*' && pattern[1] == '.' ? pattern + 2 : pattern);
}

/* The host of that key, or NULL, and then where it would stand. */
static struct host *find(const struct hosts *hosts, const char *key, size_t len, size_t *ret_at)
{
    size_t low = 0, high = hosts->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        struct host *h = &hosts->sorted[middle];
        int order = h->len < len ? -1 : h->len > len;
        if (order == 0)
            order = memcmp(h->key, key, len);
        if (order == 0)
            return h;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (ret_at)
        *ret_at = low;
    return NULL;
}

struct router *hosts_add(struct hosts *hosts, const char *pattern)
{
    char key[HOST_MAX + 1];
    size_t len = 0, at = 0;
    for (const char *from = pattern + (*pattern == '*'); *from && len < HOST_MAX; from++)
        key[len++] = lower(*from);
    key[len] = '\0';
    struct host *there = find(hosts, key, len, &at);
    if (there)
        return there->router;
    struct host *sorted = realloc(hosts->sorted, (hosts->count + 1) * sizeof *sorted);
    if (sorted)
        hosts->sorted = sorted;
    struct host made = {strdup(key), len, router_new()};
    if (!sorted || !made.key || !made.router) {
        free(made.key);
        router_free(made.router);
        return NULL;
    }
    memmove(sorted + at + 1, sorted + at, (hosts->count - at) * sizeof *sorted);
    sorted[at] = made;
    hosts->count++;
    return made.router;
}

void hosts_walk(struct host_walk *walk, weft_str host)
{
    size_t len = 0;
    walk->at = walk->len = 0;
    if (host.len && host.ptr[0] == '[') {
        const char *end = memchr(host.ptr, ']', host.len);
        len = end ? (size_t)(end + 1 - host.ptr) : 0;
    } else if (host.len) {
        const char *colon = memchr(host.ptr, ':', host.len);
        len = colon ? (size_t)(colon - host.ptr) : host.len;
        if (len && host.ptr[len - 1] == '.') /* the root's empty label */
            len--;
    }
    if (len > HOST_MAX || (len && host.ptr[0] == '.'))
        return;
    for (size_t i = 0; i < len; i++)
        walk->name[i] = lower(host.ptr[i]);
    walk->len = len;
}

const struct router *hosts_next(const struct hosts *hosts, struct host_walk *walk)
{
    while (walk->at < walk->len) {
        const char *key = walk->name + walk->at;
        size_t len = walk->len - walk->at;
        const char *dot = memchr(key + 1, '.', len - 1);
        walk->at = dot ? (size_t)(dot - walk->name) : walk->len;
        const struct host *found = find(hosts, key, len, NULL);
        if (found)
            return found->router;
    }
    return NULL;
}
