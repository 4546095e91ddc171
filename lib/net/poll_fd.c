/* poll_fd.c: waiting for any descriptor: somebody else's socket, a pipe, a device. It is registered
 * for one readiness at a time and not kept: nobody tells when it is closed. */
#include <errno.h>
#include <sys/poll.h> /* poll.h is ours */
#include <unistd.h>
#include <weft/net.h>

#include "poll.h"
#include "poll_backend.h"

/* What fd is ready for now; 0: nothing. */
static int ready_now(int fd, int events)
{
    struct pollfd p = {.fd = fd};
    if (events & WEFT_READABLE)
        p.events |= POLLIN;
    if (events & WEFT_WRITABLE)
        p.events |= POLLOUT;
    int n = poll(&p, 1, 0);
    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    if (p.revents & POLLNVAL)
        return -EBADF;
    int ready = 0;
    if (p.revents & (POLLIN | POLLHUP | POLLERR))
        ready |= WEFT_READABLE;
    if (p.revents & (POLLOUT | POLLHUP | POLLERR))
        ready |= WEFT_WRITABLE;
    return p.revents & (POLLHUP | POLLERR) ? WEFT_READABLE | WEFT_WRITABLE : ready & events;
}

/* Asks for one readiness. Another coroutine may wait for the same descriptor: then a copy of it is
 * watched, which is another one to the poller. */
static int watch(struct poll_desc *desc, struct proc *p, int events, bool is_again)
{
    int fd = desc->fd;
    int rc = poll_backend_watch(p, desc, events, is_again);
    if (rc != -EEXIST)
        return rc;
    desc->fd = dup(fd);
    return desc->fd < 0 ? -errno : poll_backend_watch(p, desc, events, false);
}

static int wait_for(struct poll_desc *desc, struct proc *p, int fd, int events)
{
    for (bool is_again = false;; is_again = true) {
        int rc = watch(desc, p, events, is_again);
        if (rc == 0)
            rc = poll_park(desc, POLL_READ);
        if (rc < 0)
            return rc;
        if ((rc = ready_now(fd, events)) != 0)
            return rc;
    }
}

int weft_poll(int fd, int events, int64_t timeout)
{
    if (!events || events & ~(WEFT_READABLE | WEFT_WRITABLE))
        return -EINVAL;
    int rc = ready_now(fd, events);
    if (rc != 0)
        return rc;
    if (timeout <= 0)
        return -ETIMEDOUT;
    struct poll_desc *desc = poll_new(fd);
    if (!desc)
        return -ENOMEM;
    int64_t now = weft_now();
    struct proc *p = proc_near();
    atomic_store_explicit(&desc->is_watched, true, memory_order_relaxed); /* not shared yet */
    poll_set_deadline(desc, POLL_READ,
                      timeout < WEFT_NO_DEADLINE - now ? now + timeout : WEFT_NO_DEADLINE);
    rc = poll_open_timer(desc, p);
    if (rc == 0) {
        rc = wait_for(desc, p, fd, events);
        poll_backend_unwatch(p, desc);
        poll_close(desc);
    }
    if (desc->fd >= 0 && desc->fd != fd)
        close(desc->fd);
    poll_free(desc);
    return rc;
}
