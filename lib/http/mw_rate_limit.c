/* mw_rate_limit.c: a bucket of tokens a client, in a table of fixed size.
 *
 * A bucket is one time: when it will be full again (the generic cell rate algorithm). A request
 * moves it an interval on; it may not lie further ahead than the burst. A bucket that is full says
 * nothing, so a slot whose time has passed is as good as free.
 *
 * The table is an array of sets of eight slots, a client's set by a seeded hash, so that nobody can
 * choose to meet another. When a set is full of others, the one nearest to full is forgotten. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/random.h>
#include <weft/middleware.h>

#include "exchange.h"
#include "lock.h"

enum { WAYS = 8, LOCKS = 64, CLIENTS = 16384, CLIENTS_MAX = 1 << 24, BURST = 20 };

static const double PER_SECOND = 10;
static const int64_t AHEAD_MAX_NS = INT64_MAX / 4; /* so that no sum of times overflows */

struct slot {
    uint64_t key[2]; /* the client's address or the hash of its key; all zero: never used */
    int64_t full_at; /* a point of weft_now() */
};

struct table {
    uint64_t seed[2];
    size_t sets;
    struct lock locks[LOCKS]; /* a set's is that of its number */
    struct slot slots[];
};

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93U;
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93U;
    return x ^ x >> 32;
}

static uint64_t hash(const struct table *t, const uint64_t key[2])
{
    return mix(mix(key[0] ^ t->seed[0]) ^ key[1] ^ t->seed[1]);
}

static struct table *table_new(int max_clients)
{
    size_t clients = max_clients > 0 ? (size_t)max_clients : CLIENTS;
    if (clients > CLIENTS_MAX)
        clients = CLIENTS_MAX;
    size_t sets = (clients + WAYS - 1) / WAYS;
    struct table *t = calloc(1, sizeof *t + sets * WAYS * sizeof *t->slots);
    if (!t)
        return NULL;
    t->sets = sets;
    if (getrandom(t->seed, sizeof t->seed, 0) != sizeof t->seed) {
        t->seed[0] = mix((uint64_t)weft_now());
        t->seed[1] = mix((uint64_t)(uintptr_t)t);
    }
    return t;
}

/* The table, made by who comes first. NULL when memory is out. */
static struct table *table_get(weft_rate_limit_opts *opts)
{
    _Atomic(void *) *state = (_Atomic(void *) *)&opts->state;
    struct table *t = atomic_load_explicit(state, memory_order_acquire), *none = NULL;
    if (t)
        return t;
    t = table_new(opts->max_clients);
    void *expected = none;
    /* release: pairs with the load above, which shows the table's fields */
    if (t && !atomic_compare_exchange_strong_explicit(state, &expected, t, memory_order_acq_rel,
                                                      memory_order_acquire)) {
        free(t);
        t = expected;
    }
    return t;
}

void weft_rate_limit_free(weft_rate_limit_opts *opts)
{
    if (!opts)
        return;
    free(opts->state);
    opts->state = NULL;
}

/* The slot of a key in its set, or the one to give it. */
static struct slot *slot_find(struct slot *set, const uint64_t key[2])
{
    struct slot *oldest = set;
    for (struct slot *s = set; s < set + WAYS; s++) {
        if (s->key[0] == key[0] && s->key[1] == key[1])
            return s;
        if (s->full_at < oldest->full_at)
            oldest = s;
    }
    *oldest = (struct slot){{key[0], key[1]}, 0};
    return oldest;
}

/* Takes a token. Returns 0, or the nanoseconds until there is one. */
static int64_t take(struct table *t, const uint64_t key[2], int64_t interval, int64_t ahead)
{
    size_t number = (size_t)(hash(t, key) % t->sets);
    struct lock *lock = &t->locks[number % LOCKS];
    int64_t now = weft_now(), wait;
    lock_take(lock);
    struct slot *s = slot_find(&t->slots[number * WAYS], key);
    int64_t full_at = s->full_at > now ? s->full_at : now;
    wait = full_at - now - ahead;
    if (wait <= 0)
        s->full_at = full_at + interval;
    lock_release(lock);
    return wait > 0 ? wait : 0;
}

/* A text's hash under the table's seed, 128 bits of it. */
static void hash_text(const struct table *t, weft_str text, uint64_t key[2])
{
    key[0] = text.len;
    key[1] = 1;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        key[0] = mix(key[0] ^ byte ^ t->seed[0]);
        key[1] = mix(key[1] + byte + t->seed[1]);
    }
}

/* Which client it is. Returns false for one that is not limited. */
static bool client_key(weft_http *h, const weft_rate_limit_opts *opts, const struct table *t,
                       uint64_t key[2])
{
    weft_str text = opts->key ? opts->key(h, opts->arg) : weft_client_address(h);
    struct in6_addr v6;
    char address[64];
    if (!text.len)
        return !opts->key; /* an address that is unknown is one client as well */
    if (!opts->key && text.len < sizeof address && memchr(text.ptr, ':', text.len)) {
        memcpy(address, text.ptr, text.len);
        address[text.len] = '\0';
        if (inet_pton(AF_INET6, address, &v6) == 1) { /* who has one has all of its /64 */
            memcpy(key, &v6, sizeof key[0]);
            key[1] = 2;
            return true;
        }
    }
    hash_text(t, text, key);
    return true;
}

int weft_mw_rate_limit(weft_http *h, void *arg)
{
    weft_rate_limit_opts *opts = arg;
    double per_second = opts->per_second > 0 ? opts->per_second : PER_SECOND;
    int64_t burst = opts->burst > 0 ? opts->burst : BURST;
    double exact = (double)WEFT_SEC / per_second;
    int64_t interval = exact < 1 ? 1 : exact > 1e15 ? (int64_t)1e15 : (int64_t)exact;
    struct table *t = table_get(opts);
    uint64_t key[2] = {0, 0};
    if (!t)
        return -ENOMEM;
    if (!client_key(h, opts, t, key))
        return weft_next(h);
    int64_t ahead = burst - 1 < AHEAD_MAX_NS / interval ? (burst - 1) * interval : AHEAD_MAX_NS;
    int64_t wait = take(t, key, interval, ahead);
    if (wait == 0)
        return weft_next(h);
    int rc = weft_set_header_fmt(h, "Retry-After", "%lld",
                                 (long long)((wait + WEFT_SEC - 1) / WEFT_SEC));
    return rc < 0 ? rc : 429;
}
