/* client.c: clients: their options, and their table of origins. */
#include "client.h"

#include <errno.h>
#include <stdlib.h>

enum { CHAINS = 64, ORIGINS_MAX = 1024 };

struct entry {
    struct entry *next;
    struct origin *origin; /* a reference */
};

struct weft_client {
    weft_client_opts opts; /* the defaults filled in; immutable */
    struct idle_budget budget;
    struct lock lock;
    struct entry *chains[CHAINS]; /* under the lock, like the count */
    int count;
};

/* What NULL means, and what a zero option means. */
static weft_client shared = {
    .opts = {.max_idle_per_host = 32,
             .max_idle = 256,
             .max_per_host = 256,
             .keep_timeout = 30 * WEFT_SEC,
             .connect_timeout = 10 * WEFT_SEC,
             .max_header_bytes = 16 * 1024,
             .user_agent = "weft/" WEFT_VERSION},
    .budget = {.max = 256},
};

weft_client *client_or_shared(weft_client *client)
{
    return client ? client : &shared;
}

const weft_client_opts *client_opts(const weft_client *client)
{
    return &client->opts;
}

weft_client *weft_client_new(const weft_client_opts *opts)
{
    static const weft_client_opts none = {0};
    const weft_client_opts *given = opts ? opts : &none;
    const weft_client_opts *defaults = &shared.opts;
    weft_client_opts o = *given;
    o.max_idle_per_host = o.max_idle_per_host ? o.max_idle_per_host : defaults->max_idle_per_host;
    o.max_idle = o.max_idle ? o.max_idle : defaults->max_idle;
    o.max_per_host = o.max_per_host ? o.max_per_host : defaults->max_per_host;
    o.keep_timeout = o.keep_timeout ? o.keep_timeout : defaults->keep_timeout;
    o.connect_timeout = o.connect_timeout ? o.connect_timeout : defaults->connect_timeout;
    o.max_header_bytes = o.max_header_bytes ? o.max_header_bytes : defaults->max_header_bytes;
    o.user_agent = o.user_agent ? o.user_agent : defaults->user_agent;
    bool is_valid = o.max_idle_per_host > 0 && o.max_idle > 0 && o.max_per_host > 0 &&
                    o.keep_timeout > 0 && o.connect_timeout > 0 &&
                    o.max_header_bytes <= REPLY_MAX_BYTES;
    weft_client *client = is_valid ? calloc(1, sizeof *client) : NULL;
    if (!client)
        return NULL;
    client->opts = o;
    client->budget.max = o.max_idle;
    return client;
}

static struct entry **chain_of(weft_client *client, const char *network, const char *address)
{
    uint32_t hash = 2166136261U;
    for (const char *at = network; *at; at++)
        hash = (hash ^ (uint32_t)(unsigned char)*at) * 16777619U;
    for (const char *at = address; *at; at++)
        hash = (hash ^ (uint32_t)(unsigned char)*at) * 16777619U;
    return &client->chains[hash % CHAINS];
}

/* Takes the chain's last entry, the one made first, out of a table that is full. */
static struct entry *evict_locked(weft_client *client, struct entry **chain)
{
    if (client->count < ORIGINS_MAX || !*chain)
        return NULL;
    while ((*chain)->next)
        chain = &(*chain)->next;
    struct entry *e = *chain;
    *chain = NULL;
    client->count--;
    return e;
}

static void entry_free(struct entry *e)
{
    if (!e)
        return;
    origin_close(e->origin);
    origin_unref(e->origin);
    free(e);
}

static struct entry *entry_new(weft_client *client, const char *network, const char *address)
{
    struct origin_limits limits = {
        .max_idle = client->opts.max_idle_per_host,
        .max_in_use = client->opts.max_per_host,
        .idle_timeout = client->opts.keep_timeout,
        .connect_timeout = client->opts.connect_timeout,
        .tls = &client->opts.tls,
    };
    struct entry *e = malloc(sizeof *e);
    if (!e)
        return NULL;
    e->origin = origin_new(network, address, &limits, &client->budget);
    if (e->origin)
        return e;
    free(e);
    return NULL;
}

struct origin *client_origin(weft_client *client, const char *network, const char *address)
{
    struct entry **chain = chain_of(client, network, address), *e, *evicted = NULL;
    struct origin *o = NULL;
    lock_take(&client->lock);
    for (e = *chain; e; e = e->next)
        if (strcmp(e->origin->address, address) == 0 && strcmp(e->origin->network, network) == 0)
            break;
    if (!e && (e = entry_new(client, network, address))) {
        evicted = evict_locked(client, chain);
        e->next = *chain;
        *chain = e;
        client->count++;
    }
    if (e)
        o = origin_ref(e->origin);
    lock_release(&client->lock);
    entry_free(evicted);
    return o;
}

static void close_all(weft_client *client)
{
    struct entry *all = NULL;
    lock_take(&client->lock);
    for (int i = 0; i < CHAINS; i++)
        while (client->chains[i]) {
            struct entry *e = client->chains[i];
            client->chains[i] = e->next;
            e->next = all;
            all = e;
        }
    client->count = 0;
    lock_release(&client->lock);
    while (all) {
        struct entry *next = all->next;
        entry_free(all);
        all = next;
    }
}

void weft_client_close_idle(weft_client *client)
{
    close_all(client_or_shared(client));
}

void weft_client_free(weft_client *client)
{
    if (!client)
        return;
    close_all(client);
    free(client);
}
