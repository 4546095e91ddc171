/* proxy_balance.c: which upstream is next.
 *
 * In turn: an array in which each stands as often as it weighs, spread out, and a counter. Least:
 * the fewest requests under way for its weight, ties broken in turn. Two choices: the better of two
 * drawn from the array of turns. Hash: a ring of points, many for each upstream by its weight; a
 * key belongs to the next point whose upstream can be asked. */
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "proxy.h"
#include "token.h"

enum { POINTS_A_WEIGHT = 64 };

/* ---- prepared once ---- */

/* Nginx's smooth order: each gains its weight, the richest goes and pays the sum. */
static int prepare_turns(weft_proxy *p)
{
    int64_t credit[WEFT_PROXY_MAX_UPSTREAMS] = {0};
    int total = 0;
    for (int i = 0; i < p->count; i++)
        total += p->upstreams[i].weight;
    p->turns = malloc((size_t)total * sizeof *p->turns);
    if (!p->turns)
        return -ENOMEM;
    for (int t = 0; t < total; t++) {
        int best = 0;
        for (int i = 0; i < p->count; i++) {
            credit[i] += p->upstreams[i].weight;
            if (credit[i] > credit[best])
                best = i;
        }
        credit[best] -= total;
        p->turns[t] = (uint16_t)best;
    }
    p->turn_count = (uint32_t)total;
    return 0;
}

static uint32_t mix(uint32_t h)
{
    h ^= h >> 16;
    h *= 0x85ebca6bU;
    h ^= h >> 13;
    h *= 0xc2b2ae35U;
    return h ^ h >> 16;
}

static uint32_t hash_bytes(const char *bytes, size_t len)
{
    uint32_t h = 2166136261U;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)bytes[i]) * 16777619U;
    return mix(h);
}

static int by_point(const void *a, const void *b)
{
    const struct ring_point *x = a, *y = b;
    return x->at != y->at ? (x->at < y->at ? -1 : 1) : x->upstream - y->upstream;
}

/* Points depend on the upstream's URL alone, so that they are the same in every proxy. */
static int prepare_ring(weft_proxy *p)
{
    p->ring_count = p->turn_count * POINTS_A_WEIGHT;
    p->ring = malloc(p->ring_count * sizeof *p->ring);
    if (!p->ring)
        return -ENOMEM;
    uint32_t n = 0;
    for (int i = 0; i < p->count; i++) {
        const struct upstream *u = &p->upstreams[i];
        uint32_t h = hash_bytes(u->url, strlen(u->url));
        for (int k = 0; k < u->weight * POINTS_A_WEIGHT; k++)
            p->ring[n++] = (struct ring_point){mix(h + (uint32_t)k * 0x9e3779b9U), (uint16_t)i};
    }
    qsort(p->ring, p->ring_count, sizeof *p->ring, by_point);
    return 0;
}

int balance_prepare(weft_proxy *p)
{
    int rc = prepare_turns(p);
    return rc == 0 && p->opts.balance == WEFT_BALANCE_HASH ? prepare_ring(p) : rc;
}

/* ---- a request ---- */

static bool can_ask(weft_proxy *p, int i, uint64_t tried)
{
    return !(tried >> i & 1) && health_may_ask(p, &p->upstreams[i]);
}

static uint32_t next_turn(weft_proxy *p)
{
    if (p->turn_count == 1)
        return 0;
    /* relaxed: any order of turns is one */
    return atomic_fetch_add_explicit(&p->turn, 1, memory_order_relaxed) % p->turn_count;
}

static int choose_in_turn(weft_proxy *p, uint64_t tried)
{
    uint32_t turn = next_turn(p);
    for (uint32_t i = 0; i < p->turn_count; i++) {
        int upstream = p->turns[(turn + i) % p->turn_count];
        if (can_ask(p, upstream, tried))
            return upstream;
    }
    return -1;
}

/* Whether a is less busy than b for its weight. */
static bool is_less_busy(const weft_proxy *p, int a, int b)
{
    const struct upstream *x = &p->upstreams[a], *y = &p->upstreams[b];
    int64_t n = atomic_load_explicit(&x->in_flight, memory_order_relaxed); /* both: a guess */
    int64_t m = atomic_load_explicit(&y->in_flight, memory_order_relaxed);
    return n * y->weight < m * x->weight;
}

static int choose_least(weft_proxy *p, uint64_t tried)
{
    int best = -1, start = (int)(next_turn(p) % (uint32_t)p->count);
    for (int i = 0; i < p->count; i++) {
        int upstream = (start + i) % p->count;
        bool is_out = (tried >> upstream & 1) || !health_is_up(&p->upstreams[upstream]);
        if (!is_out && (best < 0 || is_less_busy(p, upstream, best)))
            best = upstream;
    }
    /* One that comes back from a rest is asked once, whatever it has under way. */
    return best >= 0 && can_ask(p, best, tried) ? best : choose_in_turn(p, tried);
}

static uint32_t random_of(weft_http *h)
{
    return mix((uint32_t)weft_now() ^ (uint32_t)((uintptr_t)h->conn >> 4));
}

static int choose_of_two(weft_proxy *p, weft_http *h, uint64_t tried)
{
    uint32_t chance = random_of(h);
    int a = p->turns[(chance & 0xffff) % p->turn_count];
    int b = p->turns[(chance >> 16) % p->turn_count];
    int better = is_less_busy(p, b, a) ? b : a;
    if (can_ask(p, better, tried))
        return better;
    int other = better == a ? b : a;
    return can_ask(p, other, tried) ? other : choose_least(p, tried);
}

static weft_str key_of(weft_proxy *p, weft_http *h)
{
    if (p->hash_on == HASH_HEADER)
        return head_find(&h->head, p->hash_name, strlen(p->hash_name));
    if (p->hash_on == HASH_COOKIE) {
        weft_str rest = head_find(&h->head, "cookie", 6), wanted = weft_cstr(p->hash_name);
        while (rest.len) { /* name=value; name=value (RFC 6265 section 4.2.1) */
            const char *end = memchr(rest.ptr, ';', rest.len);
            size_t len = end ? (size_t)(end - rest.ptr) : rest.len;
            weft_str pair = token_trim((weft_str){rest.ptr, len});
            if (pair.len > wanted.len && pair.ptr[wanted.len] == '=' &&
                memcmp(pair.ptr, wanted.ptr, wanted.len) == 0)
                return (weft_str){pair.ptr + wanted.len + 1, pair.len - wanted.len - 1};
            len += end ? 1 : 0;
            rest = (weft_str){rest.ptr + len, rest.len - len};
        }
    }
    return (weft_str){NULL, 0};
}

static int choose_by_hash(weft_proxy *p, weft_http *h, uint64_t tried)
{
    weft_str key = key_of(p, h);
    if (!key.len && p->hash_on == HASH_CLIENT)
        key = weft_client_address(h);
    if (!key.len)
        return choose_in_turn(p, tried); /* nothing to be faithful to */
    uint32_t at = hash_bytes(key.ptr, key.len), low = 0, high = p->ring_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (p->ring[middle].at < at)
            low = middle + 1;
        else
            high = middle;
    }
    uint64_t out = 0; /* looked at already */
    for (uint32_t i = 0; i < p->ring_count; i++) {
        int upstream = p->ring[(low + i) % p->ring_count].upstream;
        if (out >> upstream & 1)
            continue;
        if (can_ask(p, upstream, tried))
            return upstream;
        out |= UINT64_C(1) << upstream;
    }
    return -1;
}

int balance_choose(weft_proxy *p, weft_http *h, uint64_t tried)
{
    switch (p->opts.balance) {
    case WEFT_BALANCE_LEAST: return choose_least(p, tried);
    case WEFT_BALANCE_TWO_CHOICES: return choose_of_two(p, h, tried);
    case WEFT_BALANCE_HASH: return choose_by_hash(p, h, tried);
    default: return choose_in_turn(p, tried);
    }
}
