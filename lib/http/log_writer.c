#include "log_writer.h"

#include <errno.h>
#include <sys/poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "futex.h"
#include "lock.h"

/* How long lines gather before they are written together, unless the buffer fills up. */
static const int64_t GATHER_NS = 20 * WEFT_MS;
static const int64_t CLOSE_NS = 1 * WEFT_SEC;

struct log_writer {
    size_t size; /* of a buffer; immutable */

    struct lock lock; /* guards the next four; never held around a system call */
    char *gathering;
    size_t len;
    uint64_t put; /* bytes since it was opened */
    uint64_t dropped_told;

    pthread_mutex_t io; /* held around writes; guards fd and writing. Taken before `lock` */
    char *writing;
    int fd;

    _Atomic(uint64_t) dropped, written;
    _Atomic(int) error;         /* the last write's */
    _Atomic(unsigned) kick;     /* changes when there is something to do */
    _Atomic(unsigned) hurry;    /* changes when it shall be done at once */
    _Atomic(unsigned) progress; /* changes when something was written */
    _Atomic(bool) is_stopping;
    pthread_t thread;
};

static void bump(_Atomic(unsigned) *word)
{
    atomic_fetch_add_explicit(word, 1, memory_order_release); /* pairs: the loads in run, flush */
    futex_wake(word, INT32_MAX);
}

void log_writer_put(struct log_writer *w, const char *line, size_t len)
{
    lock_take(&w->lock);
    size_t before = w->len;
    bool fits = len <= w->size - before;
    if (fits) {
        memcpy(w->gathering + before, line, len);
        w->len = before + len;
        w->put += len;
    }
    lock_release(&w->lock);
    if (!fits)
        atomic_fetch_add_explicit(&w->dropped, 1, memory_order_relaxed); /* a statistic */
    else if (before == 0)
        bump(&w->kick);
    else if (before < w->size / 2 && before + len >= w->size / 2)
        bump(&w->hurry);
}

static int write_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = write(fd, bytes, len);
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            struct pollfd ready = {.fd = fd, .events = POLLOUT};
            poll(&ready, 1, -1);
        } else if (n < 0 && errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

/* Says what was lost, once for each batch that follows. */
static void tell_losses(struct log_writer *w, int rc)
{
    uint64_t dropped = atomic_load_explicit(&w->dropped, memory_order_relaxed), lost;
    lock_take(&w->lock);
    lost = dropped - w->dropped_told;
    w->dropped_told = dropped;
    lock_release(&w->lock);
    if (lost)
        fprintf(stderr,
                "weft: %llu lines of the access log were dropped: it is not written as "
                "fast as they come\n",
                (unsigned long long)lost);
    int before = atomic_exchange_explicit(&w->error, rc, memory_order_relaxed);
    if (rc < 0 && rc != before)
        fprintf(stderr, "weft: the access log cannot be written: %s\n", strerror(-rc));
}

/* Writes what has gathered; with `io` held. */
static void write_out(struct log_writer *w)
{
    lock_take(&w->lock);
    size_t len = w->len;
    uint64_t put = w->put;
    char *full = w->gathering;
    w->gathering = w->writing;
    w->len = 0;
    lock_release(&w->lock);
    w->writing = full;
    int rc = len ? write_all(w->fd, full, len) : 0;
    tell_losses(w, rc);
    atomic_store_explicit(&w->written, put, memory_order_release); /* pairs: log_writer_flush */
    bump(&w->progress);
}

static bool has_lines(struct log_writer *w)
{
    lock_take(&w->lock);
    bool has = w->len > 0;
    lock_release(&w->lock);
    return has;
}

static void *run(void *arg)
{
    struct log_writer *w = arg;
    for (;;) {
        unsigned kick = atomic_load_explicit(&w->kick, memory_order_acquire); /* pairs: bump */
        unsigned hurry = atomic_load_explicit(&w->hurry, memory_order_acquire);
        bool stops = atomic_load_explicit(&w->is_stopping, memory_order_acquire);
        if (!has_lines(w)) {
            if (stops)
                return NULL;
            futex_wait(&w->kick, kick, -1);
            continue;
        }
        if (!stops)
            futex_wait(&w->hurry, hurry, GATHER_NS);
        pthread_mutex_lock(&w->io);
        write_out(w);
        pthread_mutex_unlock(&w->io);
    }
}

static void writer_free(struct log_writer *w)
{
    pthread_mutex_destroy(&w->io);
    free(w->gathering);
    free(w->writing);
    free(w);
}

int log_writer_open(int fd, size_t buffer_bytes, struct log_writer **ret_writer)
{
    struct log_writer *w = calloc(1, sizeof *w);
    sigset_t all, old;
    if (!w)
        return -ENOMEM;
    w->size = buffer_bytes;
    w->fd = fd;
    w->gathering = malloc(buffer_bytes);
    w->writing = malloc(buffer_bytes);
    pthread_mutex_init(&w->io, NULL);
    int rc = w->gathering && w->writing ? 0 : ENOMEM;
    if (rc == 0) { /* signals are the program's affair */
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, &old);
        rc = pthread_create(&w->thread, NULL, run, w);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
    }
    if (rc == 0)
        *ret_writer = w;
    else
        writer_free(w);
    return -rc;
}

void log_writer_switch(struct log_writer *w, int fd)
{
    pthread_mutex_lock(&w->io);
    write_out(w);
    close(w->fd);
    w->fd = fd;
    pthread_mutex_unlock(&w->io);
}

int log_writer_flush(struct log_writer *w, int64_t timeout)
{
    int64_t until = weft_now() + timeout;
    lock_take(&w->lock);
    uint64_t put = w->put;
    lock_release(&w->lock);
    for (;;) {
        unsigned progress = atomic_load_explicit(&w->progress, memory_order_acquire);
        if (atomic_load_explicit(&w->written, memory_order_acquire) >= put)
            return atomic_load_explicit(&w->error, memory_order_relaxed);
        int64_t left = until - weft_now();
        if (left <= 0)
            return -ETIMEDOUT;
        bump(&w->hurry);
        futex_wait(&w->progress, progress, left);
    }
}

uint64_t log_writer_dropped(const struct log_writer *w)
{
    return atomic_load_explicit(&w->dropped, memory_order_relaxed);
}

void log_writer_close(struct log_writer *w)
{
    if (!w)
        return;
    bool is_done = log_writer_flush(w, CLOSE_NS) != -ETIMEDOUT;
    atomic_store_explicit(&w->is_stopping, true, memory_order_release);
    bump(&w->kick);
    bump(&w->hurry);
    if (!is_done) { /* the disk stands still: the thread keeps what it works on, and ends with us */
        pthread_detach(w->thread);
        return;
    }
    pthread_join(w->thread, NULL);
    close(w->fd);
    writer_free(w);
}
