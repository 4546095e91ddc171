/* sys.h: the one seam for system calls that can fail in a way we must survive.
 *
 * Each returns the result or a negative errno. They are functions of their own, never inlined:
 * glibc declares the address of errno constant within a function, so in a function that parks the
 * compiler may use the address of the thread it was in before. Built with WEFT_FAULTS, each asks
 * sys_fault_hook first, so that a test can fail the Nth of them. */
#ifndef BASE_SYS_H
#define BASE_SYS_H

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef WEFT_FAULTS
/* Set by a test: the negative errno that this call shall give, or 0 to let it through. */
extern int (*sys_fault_hook)(const char *call);
#endif

ssize_t sys_recv(int fd, void *buf, size_t len);

/* The same without taking the bytes off. */
ssize_t sys_peek(int fd, void *buf, size_t len);

/* Never raises SIGPIPE. */
ssize_t sys_send(int fd, const void *buf, size_t len);
ssize_t sys_sendmsg(int fd, const struct msghdr *msg, int flags);

ssize_t sys_sendfile(int to, int from, off_t *offset, size_t len);

ssize_t sys_pread(int fd, void *buf, size_t len, off_t offset);

/* The new descriptor is non-blocking and closed on exec. */
int sys_accept(int fd, struct sockaddr *addr, socklen_t *len);

int sys_connect(int fd, const struct sockaddr *addr, socklen_t len);

/* How a connect that was under way ended: 0 or its error. */
int sys_connect_result(int fd);

int sys_shutdown_write(int fd);

/* Any thread; addr and len as the calls say. */
int sys_madvise(void *addr, size_t len, int advice);
ssize_t sys_process_madvise(int pid_fd, const struct iovec *parts, size_t count, int advice);
int sys_mprotect(void *addr, size_t len, int prot);

/* Both ways: who waits for it wakes up. */
int sys_shutdown(int fd);

#endif
