#include "sys.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef WEFT_FAULTS
int (*sys_fault_hook)(const char *call);
#define SYS_FAULT(call)                                                                            \
    do {                                                                                           \
        int fault = sys_fault_hook ? sys_fault_hook(call) : 0;                                     \
        if (fault)                                                                                 \
            return fault;                                                                          \
    } while (0)
#else
#define SYS_FAULT(call) ((void)0)
#endif

#define SEAM __attribute__((noinline, noclone))

SEAM ssize_t sys_recv(int fd, void *buf, size_t len)
{
    SYS_FAULT("recv");
    ssize_t n = recv(fd, buf, len, 0);
    return n < 0 ? -errno : n;
}

SEAM ssize_t sys_peek(int fd, void *buf, size_t len)
{
    SYS_FAULT("peek");
    ssize_t n = recv(fd, buf, len, MSG_PEEK | MSG_DONTWAIT);
    return n < 0 ? -errno : n;
}

SEAM ssize_t sys_send(int fd, const void *buf, size_t len)
{
    SYS_FAULT("send");
    ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
}

SEAM ssize_t sys_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    SYS_FAULT("sendmsg");
    ssize_t n = sendmsg(fd, msg, flags | MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
}

SEAM ssize_t sys_sendfile(int to, int from, off_t *offset, size_t len)
{
    SYS_FAULT("sendfile");
    ssize_t n = sendfile(to, from, offset, len);
    return n < 0 ? -errno : n;
}

SEAM ssize_t sys_pread(int fd, void *buf, size_t len, off_t offset)
{
    SYS_FAULT("pread");
    ssize_t n = pread(fd, buf, len, offset);
    return n < 0 ? -errno : n;
}

SEAM int sys_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
    SYS_FAULT("accept4");
    int got = accept4(fd, addr, len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return got < 0 ? -errno : got;
}

SEAM int sys_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    SYS_FAULT("connect");
    return connect(fd, addr, len) < 0 ? -errno : 0;
}

SEAM int sys_connect_result(int fd)
{
    SYS_FAULT("getsockopt");
    int err = 0;
    socklen_t size = sizeof err;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size) < 0 ? -errno : -err;
}

SEAM int sys_shutdown_write(int fd)
{
    SYS_FAULT("shutdown");
    return shutdown(fd, SHUT_WR) < 0 ? -errno : 0;
}

SEAM int sys_madvise(void *addr, size_t len, int advice)
{
    SYS_FAULT("madvise");
    return madvise(addr, len, advice) < 0 ? -errno : 0;
}

SEAM int sys_mprotect(void *addr, size_t len, int prot)
{
    SYS_FAULT("mprotect");
    return mprotect(addr, len, prot) < 0 ? -errno : 0;
}

SEAM ssize_t sys_process_madvise(int pid_fd, const struct iovec *parts, size_t count, int advice)
{
    SYS_FAULT("madvise");
    long done = syscall(SYS_process_madvise, pid_fd, parts, count, advice, 0);
    return done < 0 ? -errno : (ssize_t)done;
}

SEAM int sys_shutdown(int fd)
{
    SYS_FAULT("shutdown");
    return shutdown(fd, SHUT_RDWR) < 0 ? -errno : 0;
}
