/* poll_epoll.c: the netpoller on Linux's epoll. */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/poll.h> /* poll.h is ours */
#include <time.h>
#include <unistd.h>

#include "poll_backend.h"
#include "poller.h"
#include "proc.h"

enum { EVENTS_AT_ONCE = 256 };

int poller_init(struct proc *p)
{
    p->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (p->poll_fd < 0)
        return -errno;
    p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->wake_fd < 0)
        return -errno;
    /* Edge-triggered and never read: each write is an edge, and the counter only overflows after
     * more wake-ups than there is time for. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    return epoll_ctl(p->poll_fd, EPOLL_CTL_ADD, p->wake_fd, &event) < 0 ? -errno : 0;
}

void poller_done(struct proc *p)
{
    if (p->wake_fd >= 0)
        close(p->wake_fd);
    if (p->poll_fd >= 0)
        close(p->poll_fd);
    p->poll_fd = p->wake_fd = -1;
}

void poller_wake(struct proc *p)
{
    uint64_t one = 1;
    ssize_t ignored = write(p->wake_fd, &one, sizeof one); /* cannot fail short of 2^64 */
    (void)ignored;
}

int poll_backend_add(struct proc *p, struct poll_desc *desc)
{
    struct epoll_event event = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        .data.ptr = desc,
    };
    return epoll_ctl(p->poll_fd, EPOLL_CTL_ADD, desc->fd, &event) < 0 ? -errno : 0;
}

int poll_backend_watch(struct proc *p, struct poll_desc *desc, int events, bool is_again)
{
    struct epoll_event event = {.events = EPOLLONESHOT, .data.ptr = desc};
    if (events & WEFT_READABLE)
        event.events |= EPOLLIN | EPOLLRDHUP;
    if (events & WEFT_WRITABLE)
        event.events |= EPOLLOUT;
    int op = is_again ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    return epoll_ctl(p->poll_fd, op, desc->fd, &event) < 0 ? -errno : 0;
}

void poll_backend_unwatch(struct proc *p, struct poll_desc *desc)
{
    (void)epoll_ctl(p->poll_fd, EPOLL_CTL_DEL, desc->fd, NULL); /* it may have been closed */
}

bool poll_backend_has_ended(const struct poll_desc *desc)
{
    struct pollfd p = {.fd = desc->fd, .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0;
}

/* epoll_wait with nanoseconds, where the kernel has it (Linux 5.11); rounded up where not. */
static int wait_for(int fd, struct epoll_event *events, int64_t timeout_ns)
{
    static _Atomic(bool) lacks_pwait2; /* relaxed: a fact about the kernel, found again if missed */
    if (timeout_ns > 0 && !atomic_load_explicit(&lacks_pwait2, memory_order_relaxed)) {
        struct timespec t = {timeout_ns / WEFT_SEC, timeout_ns % WEFT_SEC};
        int n = epoll_pwait2(fd, events, EVENTS_AT_ONCE, &t, NULL);
        if (n >= 0 || errno != ENOSYS)
            return n;
        atomic_store_explicit(&lacks_pwait2, true, memory_order_relaxed);
    }
    int64_t ms = timeout_ns < 0 ? -1 : (timeout_ns + WEFT_MS - 1) / WEFT_MS;
    return epoll_wait(fd, events, EVENTS_AT_ONCE, ms > INT32_MAX ? INT32_MAX : (int)ms);
}

bool poller_wait(struct proc *p, int64_t timeout_ns, struct task_list *ready)
{
    bool is_woken = false;
    struct epoll_event events[EVENTS_AT_ONCE];
    int n = wait_for(p->poll_fd, events, timeout_ns); /* interrupted: as if nothing came */
    (void)atomic_load_explicit(&p->registered, memory_order_acquire); /* pairs: poll_open_timer */
    for (int i = 0; i < n; i++) {
        struct poll_desc *desc = events[i].data.ptr;
        uint32_t what = events[i].events;
        if (!desc) {
            is_woken = true;
            continue;
        }
        if (weft_unlikely(atomic_load_explicit(&desc->is_watched, memory_order_relaxed))) {
            poll_fire(desc, POLL_READ, ready);
            continue;
        }
        if (what & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
            poll_end(desc);
        if (what & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
            poll_fire(desc, POLL_READ, ready);
        if (what & (EPOLLOUT | EPOLLHUP | EPOLLERR))
            poll_fire(desc, POLL_WRITE, ready);
    }
    return is_woken;
}
