/* ws_chat.c: a room in which everybody hears everybody, and its page, at one path.
 *
 * A member is two coroutines: the handler's receives what he says and puts it into every member's
 * channel; another one takes what is in his own channel and sends it. So nobody waits for a slow
 * member: one whose channel is full is put out, which ends both. Lines are shared and counted, not
 * copied.
 *
 * The room's lock guards the list, the history and is_out; nothing parks under it. */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "handlers.h"

enum {
    MEMBERS_MAX = 1000,
    NAME_MAX_BYTES = 32,
    SAID_MAX_BYTES = 2000,
    HISTORY_LINES = 50, /* that a newcomer is told */
    QUEUE_LINES = 256,  /* that a member may be behind */
};

static const int64_t SAID_EACH_NS = 50 * WEFT_MS; /* of one member: his next line is read later */
static const int64_t WRITE_TIMEOUT_NS = 10 * WEFT_SEC;

extern const char chat_html[];

struct line {
    _Atomic(int) refs;
    size_t len;
    char json[];
};

struct member {
    struct member *next;
    weft_ws *ws;
    weft_ctx *ctx;    /* his two coroutines'; ends when he is put out */
    weft_chan *lines; /* of struct line *, each a reference */
    weft_str name;
    bool is_out; /* not in the list any more, and `lines` is closed */
};

static struct room {
    weft_mutex lock;
    struct member *first;
    int count;
    struct line *history[HISTORY_LINES]; /* a ring; NULL: none yet */
    unsigned said;
} room = {.lock = WEFT_MUTEX_INIT};

/* ---- lines ---- */

static void line_drop(struct line *l)
{
    /* The last one out sees what the others did with it. */
    if (l && atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) == 1)
        free(l);
}

/* A line as its JSON, with one reference; text {NULL, 0}: none in it. NULL when memory is out. */
static struct line *line_new(const char *type, weft_str name, weft_str text, int here)
{
    struct line *l = malloc(sizeof *l + 128 + 6 * (name.len + text.len));
    struct timespec now;
    if (!l)
        return NULL;
    clock_gettime(CLOCK_REALTIME, &now);
    atomic_init(&l->refs, 1);
    char *at = l->json;
    at += sprintf(at, "{\"type\":\"%s\",\"time\":%lld,\"here\":%d,\"name\":", type,
                  (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000, here);
    at += weft_json_quote(at, name);
    if (text.ptr) {
        at += sprintf(at, ",\"text\":");
        at += weft_json_quote(at, text);
    }
    *at++ = '}';
    l->len = (size_t)(at - l->json);
    return l;
}

/* ---- the room; all of these under its lock ---- */

static void put_out_locked(struct member *m)
{
    struct member **at = &room.first;
    while (*at != m)
        at = &(*at)->next;
    *at = m->next;
    room.count--;
    m->is_out = true;
    weft_chan_close(m->lines);
    weft_ctx_cancel(m->ctx);
}

static bool queue_locked(struct member *m, struct line *l)
{
    /* relaxed: who gives a reference has one */
    atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
    if (weft_chan_try_send(m->lines, &l) == 0)
        return true;
    line_drop(l);
    return false;
}

static void tell_all_locked(struct line *l)
{
    for (struct member *m = room.first, *next; m; m = next) {
        next = m->next;
        if (!queue_locked(m, l))
            put_out_locked(m);
    }
}

static void remember_locked(struct line *l)
{
    struct line **place = &room.history[room.said++ % HISTORY_LINES];
    line_drop(*place);
    atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed); /* as above */
    *place = l;
}

/* Makes a line of it and tells it. Returns 0 or -ENOMEM. */
static int tell_locked(const char *type, weft_str name, weft_str text)
{
    struct line *l = line_new(type, name, text, room.count);
    if (!l)
        return -ENOMEM;
    if (text.ptr)
        remember_locked(l);
    tell_all_locked(l);
    line_drop(l);
    return 0;
}

/* ---- members ---- */

/* Returns 0; -ENOSPC when the room is full; -ENOMEM. */
static int join(struct member *m)
{
    int rc = -ENOSPC;
    m->lines = weft_chan_new(sizeof(struct line *), QUEUE_LINES);
    if (!m->lines)
        return -ENOMEM;
    weft_mutex_lock(&room.lock);
    if (room.count < MEMBERS_MAX) {
        for (unsigned i = 0; i < HISTORY_LINES; i++) {
            struct line *l = room.history[(room.said + i) % HISTORY_LINES];
            if (l)
                queue_locked(m, l); /* there is room for all of them */
        }
        m->next = room.first;
        room.first = m;
        room.count++;
        rc = tell_locked("joined", m->name, (weft_str){NULL, 0});
        if (rc < 0)
            put_out_locked(m);
    }
    weft_mutex_unlock(&room.lock);
    return rc;
}

/* Returns whether he had been put out before. */
static bool leave(struct member *m)
{
    weft_mutex_lock(&room.lock);
    bool was_out = m->is_out;
    if (!was_out)
        put_out_locked(m);
    tell_locked("left", m->name, (weft_str){NULL, 0}); /* without memory nobody is told */
    weft_mutex_unlock(&room.lock);
    return was_out;
}

static int say(struct member *m, weft_str text)
{
    weft_mutex_lock(&room.lock);
    int rc = tell_locked("said", m->name, text);
    weft_mutex_unlock(&room.lock);
    return rc < 0 ? rc : weft_sleep(SAID_EACH_NS);
}

/* Sends a member what is in his channel, until that is closed or he has gone. */
static int deliver(void *arg)
{
    struct member *m = arg;
    struct line *l;
    int rc;
    while ((rc = weft_chan_recv(m->lines, &l)) == 0) {
        rc = weft_ws_send(m->ws, WEFT_WS_TEXT, l->json, l->len);
        line_drop(l);
        if (rc < 0)
            break;
    }
    weft_ctx_cancel(m->ctx); /* nothing reaches him any more: he need not be heard */
    return 0;
}

/* Hears what a member says until he goes. */
static int hear(struct member *m)
{
    weft_ws_message said;
    int rc;
    while ((rc = weft_ws_recv(m->ws, &said)) > 0) {
        if (said.type != WEFT_WS_TEXT)
            weft_ws_close(m->ws, WEFT_WS_UNSUPPORTED, "text only");
        else if (said.data.len && (rc = say(m, said.data)) < 0)
            break;
    }
    return rc;
}

/* Why a member is not heard any more, where the socket has not told him itself. */
static void say_goodbye(struct member *m, int rc, bool was_put_out)
{
    if (was_put_out)
        weft_ws_close(m->ws, WEFT_WS_POLICY, "too slow");
    else if (rc == -ECANCELED)
        weft_ws_close(m->ws, WEFT_WS_GOING_AWAY, NULL);
    else if (rc < 0)
        weft_ws_close(m->ws, WEFT_WS_INTERNAL, NULL);
}

/* In the member's context. */
static int take_part(struct member *m)
{
    weft_group sender;
    int rc = join(m);
    if (rc < 0) {
        weft_ws_close(m->ws, 1013, rc == -ENOSPC ? "the room is full" : NULL); /* try again later */
        return rc == -ENOSPC ? 0 : rc;
    }
    weft_group_init(&sender, (weft_group_opts){.limit = 1});
    rc = weft_group_go(&sender, deliver, m);
    if (rc == 0)
        rc = hear(m);
    bool was_put_out = leave(m);
    weft_ctx_cancel(m->ctx); /* what he has not got, he does not want */
    weft_group_wait(&sender);
    say_goodbye(m, rc, was_put_out);
    return rc == -ENOMEM ? rc : 0;
}

static int member_run(struct member *m)
{
    struct line *l;
    int rc = weft_ctx_new(weft_ctx_current(), WEFT_NO_DEADLINE, &m->ctx);
    if (rc < 0)
        return rc;
    weft_ctx *old = weft_ctx_enter(m->ctx);
    rc = take_part(m);
    weft_ctx_leave(old);
    weft_ctx_unref(m->ctx);
    while (m->lines && weft_chan_try_recv(m->lines, &l) == 0)
        line_drop(l);
    weft_chan_free(m->lines);
    return rc;
}

int handler_ws_chat(weft_http *h, void *arg)
{
    static const weft_ws_opts opts = {
        .max_message = SAID_MAX_BYTES, .compress = 1, .write_timeout = WRITE_TIMEOUT_NS};
    struct member *m;
    (void)arg;
    if (!weft_header(h, "Upgrade").ptr) {
        weft_set_header(h, "Cache-Control", "no-cache");
        return weft_html(h, 200, chat_html);
    }
    weft_str name = weft_query(h, "name");
    if (name.len > NAME_MAX_BYTES)
        return 400;
    m = weft_alloc(h, sizeof *m);
    if (!m)
        return -ENOMEM;
    *m = (struct member){.name = name.len ? name : WEFT_STR("somebody")};
    int rc = weft_ws_accept(h, &opts, &m->ws);
    return rc ? rc : member_run(m);
}
