/* resolve.c: the cache of looked-up names, and who looks them up.
 *
 *   a name   is asked for -> PENDING -> being looked up -> done, fresh until `until` -> stale
 *
 * An entry is in the table from the moment it is asked for, so that there is one look-up of a name
 * at a time. Who waits holds a reference, and gives up without disturbing the look-up, which goes
 * on for the next who asks. The system's resolver tells no time to live: answers are kept for
 * GOOD_NS, as long as a name that moves may be missed, and failures for BAD_NS, so that a name that
 * does not exist is not asked for at each request. */
#include "resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <weft/context.h>
#include <weft/rt.h>
#include <weft/sync.h>

#include "assert.h"
#include "lock.h"
#include "proc.h"

enum {
    CHAINS = 64,
    NAMES_MAX = 1024,  /* in the table */
    LOOKERS_MAX = 16,  /* look-ups at once; each holds a thread */
    PENDING_MAX = 1024 /* names that wait for one of those */
};

static const int64_t GOOD_NS = 10 * WEFT_SEC;
static const int64_t BAD_NS = 1 * WEFT_SEC;

struct name {
    struct name *next;         /* in its chain */
    struct name *next_pending; /* until a looker takes it */
    int refs;                  /* the table's, the looker's, one a waiter */
    int waiting;
    bool is_done;
    bool is_in_table;
    int64_t until; /* when done: fresh until then */
    int result;    /* when done: the count or an error; immutable then, like found */
    weft_sem answered;
    union address found[RESOLVE_MAX];
    char host[];
};

static int look_up_by_system(const char *host, union address *ret, int max);

/* All of it under the lock, and of one weft_run: see forget_earlier_run. */
static struct {
    struct lock lock;
    uint64_t run;
    int lookers, pending_count, count;
    struct name *pending, **pending_end;
    struct name *chains[CHAINS];
    struct name *lost;
} names;

static _Atomic(resolve_fn *) looker = look_up_by_system;

void resolve_with(resolve_fn *fn)
{
    atomic_store_explicit(&looker, fn ? fn : look_up_by_system, memory_order_release);
}

/* ---- the system's resolver ---- */

static int error_of(int code, int system_error)
{
    switch (code) {
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY: return -ENOENT;
    case EAI_AGAIN: return -EAGAIN;
    case EAI_MEMORY: return -ENOMEM;
    case EAI_SYSTEM: return system_error ? -system_error : -EIO;
    default: return -EIO;
    }
}

/* Its answer is in the order of RFC 6724; the families take turns from the first one on, so that a
 * family without a route costs one attempt and no more (RFC 8305 section 4). */
static int interleave(const struct addrinfo *all, union address *ret, int max)
{
    const struct addrinfo *next[2] = {all, all};
    int first = all->ai_family, count = 0;
    for (int turn = 0; count < max && (next[0] || next[1]); turn ^= 1) {
        const struct addrinfo **at = &next[turn];
        while (*at && ((*at)->ai_family == first) != (turn == 0))
            *at = (*at)->ai_next;
        if (!*at)
            continue;
        memset(&ret[count], 0, sizeof *ret);
        memcpy(&ret[count++], (*at)->ai_addr, (*at)->ai_addrlen);
        *at = (*at)->ai_next;
    }
    return count;
}

static int look_up_by_system(const char *host, union address *ret, int max)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
    errno = 0;
    int code = getaddrinfo(host, NULL, &hints, &found);
    if (code != 0)
        return error_of(code, errno);
    int count = interleave(found, ret, max);
    freeaddrinfo(found);
    return count ? count : -ENOENT;
}

/* ---- the table; all _locked ---- */

static void unref_locked(struct name *n)
{
    weft_assert(n->refs > 0);
    if (--n->refs == 0)
        free(n);
}

static struct name **chain_of(weft_str host)
{
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < host.len; i++)
        hash = (hash ^ (uint32_t)(host.ptr[i] | 32)) * 16777619U;
    return &names.chains[hash % CHAINS];
}

static void remove_locked(struct name **at)
{
    struct name *n = *at;
    *at = n->next;
    n->is_in_table = false;
    names.count--;
    unref_locked(n);
}

/* What a runtime that has ended was looking up will never be answered: nobody waits for it any
 * more. Its looker's thread may write to it still, so it is put aside, not freed: a few hundred
 * bytes a weft_run at most. */
static void forget_earlier_run_locked(void)
{
    if (names.run == rt_run_id())
        return;
    names.run = rt_run_id();
    names.lookers = names.pending_count = 0;
    names.pending = NULL;
    names.pending_end = &names.pending;
    for (int i = 0; i < CHAINS; i++)
        for (struct name **at = &names.chains[i]; *at;) {
            if ((*at)->is_done) {
                at = &(*at)->next;
                continue;
            }
            struct name *n = *at;
            n->refs++;
            remove_locked(at);
            n->next = names.lost;
            names.lost = n;
        }
}

/* Makes room in a full table: what is stale goes, and of this chain the oldest. */
static void make_room_locked(struct name **chain)
{
    int64_t now = weft_now();
    for (int i = 0; i < CHAINS; i++)
        for (struct name **at = &names.chains[i]; *at;) {
            if ((*at)->is_done && (*at)->until <= now)
                remove_locked(at);
            else
                at = &(*at)->next;
        }
    if (names.count < NAMES_MAX || !*chain)
        return;
    while ((*chain)->next)
        chain = &(*chain)->next;
    remove_locked(chain);
}

/* The entry of a host that is fresh or being looked up; stale ones leave. */
static struct name *find_locked(struct name **chain, weft_str host)
{
    int64_t now = weft_now();
    for (struct name **at = chain; *at;) {
        struct name *n = *at;
        bool is_it = strlen(n->host) == host.len && strncasecmp(n->host, host.ptr, host.len) == 0;
        if (is_it && (!n->is_done || n->until > now))
            return n;
        if (is_it)
            remove_locked(at);
        else
            at = &n->next;
    }
    return NULL;
}

/* ---- looking up ---- */

static struct name *pending_take(void)
{
    lock_take(&names.lock);
    struct name *n = names.pending;
    if (n) {
        names.pending = n->next_pending;
        if (!names.pending)
            names.pending_end = &names.pending;
        names.pending_count--;
    } else {
        names.lookers--;
    }
    lock_release(&names.lock);
    return n;
}

static void answer(struct name *n, int result)
{
    lock_take(&names.lock);
    n->is_done = true;
    n->result = result;
    n->until = weft_now() + (result > 0 ? GOOD_NS : BAD_NS);
    int waiting = n->waiting;
    lock_release(&names.lock);
    if (waiting)
        weft_sem_release(&n->answered, waiting);
    lock_take(&names.lock);
    unref_locked(n);
    lock_release(&names.lock);
}

static int call_looker(void *arg)
{
    struct name *n = arg;
    resolve_fn *fn = atomic_load_explicit(&looker, memory_order_acquire);
    return fn(n->host, n->found, RESOLVE_MAX);
}

/* Not under the context of who asked: others may wait for the answer, too. */
static void look_up_pending(void *arg)
{
    (void)arg;
    weft_ctx *askers = weft_ctx_enter(NULL);
    for (struct name *n; (n = pending_take());)
        answer(n, weft_blocking(call_looker, n));
    weft_ctx_leave(askers);
}

/* Puts a new name into the table and sees to it that it is looked up. */
static struct name *ask_locked(struct name **chain, weft_str host)
{
    static const weft_go_opts opts = {.name = "look-up of a host"};
    struct name *n = calloc(1, sizeof *n + host.len + 1);
    if (!n || names.pending_count == PENDING_MAX) {
        free(n);
        return NULL;
    }
    if (names.lookers < LOOKERS_MAX) {
        if (weft_go_with(&opts, look_up_pending, NULL) < 0) {
            free(n);
            return NULL;
        }
        names.lookers++;
    }
    if (names.count >= NAMES_MAX)
        make_room_locked(chain);
    n->refs = 2; /* the table's and the looker's */
    n->is_in_table = true;
    memcpy(n->host, host.ptr, host.len);
    n->next = *chain;
    *chain = n;
    names.count++;
    *names.pending_end = n;
    names.pending_end = &n->next_pending;
    names.pending_count++;
    return n;
}

/* ---- asking ---- */

static bool read_numeric(const char *host, union address *ret)
{
    memset(ret, 0, sizeof *ret);
    if (inet_pton(AF_INET, host, &ret->in.sin_addr) == 1)
        ret->in.sin_family = AF_INET;
    else if (inet_pton(AF_INET6, host, &ret->in6.sin6_addr) == 1)
        ret->in6.sin6_family = AF_INET6;
    return ret->any.sa_family != AF_UNSPEC;
}

/* Both loopbacks (RFC 6761 section 6.3): servers differ in which of them they listen on. */
static int localhost(union address *ret)
{
    (void)read_numeric("127.0.0.1", &ret[0]);
    (void)read_numeric("::1", &ret[1]);
    return 2;
}

static bool is_name(weft_str host)
{
    for (size_t i = 0; i < host.len; i++) {
        unsigned char ch = (unsigned char)host.ptr[i];
        bool is_alnum = (ch >= '0' && ch <= '9') || ((ch | 32) >= 'a' && (ch | 32) <= 'z');
        if (!is_alnum && (ch < 33 || !strchr("-._", ch)))
            return false;
    }
    return host.len > 0;
}

static int wait_for(struct name *n, int64_t deadline, union address *ret)
{
    int rc = weft_sem_acquire_until(&n->answered, 1, deadline);
    lock_take(&names.lock);
    n->waiting--;
    if (n->is_done) {
        rc = n->result;
        memcpy(ret, n->found, sizeof n->found);
    }
    unref_locked(n);
    lock_release(&names.lock);
    return rc;
}

static int look_up(weft_str host, int64_t deadline, union address *ret)
{
    lock_take(&names.lock);
    forget_earlier_run_locked();
    struct name **chain = chain_of(host), *n = find_locked(chain, host);
    if (n && n->is_done) {
        int result = n->result;
        memcpy(ret, n->found, sizeof n->found);
        lock_release(&names.lock);
        return result;
    }
    if (!n)
        n = ask_locked(chain, host);
    if (n) {
        n->refs++;
        n->waiting++;
    }
    lock_release(&names.lock);
    return n ? wait_for(n, deadline, ret) : -ENOMEM;
}

int resolve(weft_str host, in_port_t port, int64_t deadline, union address *ret)
{
    char text[RESOLVE_HOST_MAX + 1];
    int count = 1;
    if (host.len == 0 || host.len > RESOLVE_HOST_MAX)
        return -EINVAL;
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    if (strlen(text) != host.len)
        return -EINVAL;
    if (strcasecmp(text, "localhost") == 0)
        count = localhost(ret);
    else if (!read_numeric(text, ret))
        count = is_name(host) ? look_up(host, deadline, ret) : -EINVAL;
    for (int i = 0; i < count; i++) {
        if (ret[i].any.sa_family == AF_INET6)
            ret[i].in6.sin6_port = port;
        else
            ret[i].in.sin_port = port;
    }
    return count;
}
