/* sys.h: the one seam for system calls that can fail in a way we must survive.
 *
 * Each returns the result or a negative errno (errno is read on the very next line, so that no
 * thread-local's address lives across a park). Built with WEFT_FAULTS, each asks sys_fault() first,
 * so that a test can fail the Nth of them; in other builds the seam costs nothing. */
#ifndef BASE_SYS_H
#define BASE_SYS_H

#include <errno.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#ifdef WEFT_FAULTS
/* Set by a test: the negative errno that this call shall give, or 0 to let it through. */
extern int (*sys_fault_hook)(const char *call);
#define SYS_FAULT(call)                                                                            \
    do {                                                                                           \
        int fault = sys_fault_hook ? sys_fault_hook(call) : 0;                                     \
        if (fault)                                                                                 \
            return fault;                                                                          \
    } while (0)
#else
#define SYS_FAULT(call) ((void)0)
#endif

static inline ssize_t sys_recv(int fd, void *buf, size_t len)
{
    SYS_FAULT("recv");
    ssize_t n = recv(fd, buf, len, 0);
    return n < 0 ? -errno : n;
}

static inline ssize_t sys_send(int fd, const void *buf, size_t len)
{
    SYS_FAULT("send");
    ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
}

static inline ssize_t sys_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    SYS_FAULT("sendmsg");
    ssize_t n = sendmsg(fd, msg, flags | MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
}

static inline ssize_t sys_sendfile(int to, int from, off_t *offset, size_t len)
{
    SYS_FAULT("sendfile");
    ssize_t n = sendfile(to, from, offset, len);
    return n < 0 ? -errno : n;
}

static inline int sys_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
    SYS_FAULT("accept4");
    int got = accept4(fd, addr, len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return got < 0 ? -errno : got;
}

static inline int sys_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    SYS_FAULT("connect");
    return connect(fd, addr, len) < 0 ? -errno : 0;
}

#endif
