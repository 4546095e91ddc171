/* weft/net.h: connections by hand. Every call here may park the coroutine, never the thread. */
#ifndef WEFT_NET_H
#define WEFT_NET_H

#include <sys/uio.h>
#include <weft/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { WEFT_READABLE = 1, WEFT_WRITABLE = 2 };

/* Parks until the descriptor `fd`, anybody's, is ready for one of `events`, or has ended or failed,
 * at most `timeout` nanoseconds (WEFT_NO_DEADLINE: without bound; 0 or less: does not park).
 * Returns what it is ready for, both for one that has ended or failed; -ETIMEDOUT; -ECANCELED;
 * -EBADF; -EINVAL; -ENOMEM. The descriptor must not be closed meanwhile. Only in a coroutine. */
WEFT_API int weft_poll(int fd, int events, int64_t timeout);

/* Binds and listens on host:port, [ipv6]:port, :port (every address) or unix:PATH, and gives the
 * descriptor, non-blocking and closed on exec, in *ret_fd: for weft_serve_opts.listen_fds, after a
 * privileged port was bound, or in a supervisor whose workers come and go. The caller closes it,
 * and removes a unix socket's file. Returns 0; -EINVAL for an address that cannot be read;
 * -EADDRINUSE, -EACCES and the others of bind(2). Any thread; does not park. */
WEFT_API int weft_listen(const char *address, int *ret_fd);

/* A connected byte stream. One coroutine may read while another writes; two must not do the same
 * thing at once. */
typedef struct weft_conn weft_conn;

/* Connects to an address and gives the connection in *ret_conn, which the caller closes.
 *
 * network: "tcp" (address "127.0.0.1:80", "[::1]:80", "example.org:80"), "unix" (address a path) or
 * "tls" (as "tcp"; the peer must prove by a certificate that it is that host: see weft/tls.h).
 * A host's addresses are tried as RFC 8305 has it, and the first that answers wins. Names are
 * looked up beside the processors, and kept for some seconds; "localhost" is the loopback.
 * Returns 0; -EINVAL for an address or network that cannot be read; -ENOENT when there is no such
 * host or path; -EAGAIN when the name service does not answer; -ECONNREFUSED, -EHOSTUNREACH and
 * the other errors of connect(2); -ETIMEDOUT past the timeout, 30 s; -ECANCELED, -ETIMEDOUT when
 * the context ends; -EMFILE; -ENOMEM. Only in a coroutine; parks. */
WEFT_API int weft_dial(const char *network, const char *address, weft_conn **ret_conn);

/* A zero field means its default. */
typedef struct weft_dial_opts {
    int64_t timeout;    /* for all of it, names included; default 30 s */
    int64_t head_start; /* of an address over the host's next one; default 250 ms */
} weft_dial_opts;

/* weft_dial with options; -EINVAL for a negative one. */
WEFT_API int weft_dial_with(const char *network, const char *address, const weft_dial_opts *opts,
                            weft_conn **ret_conn);

/* Reads what is there, at least one byte, at most `len`; parks while there is nothing.
 * Returns the count; 0 at the end of the stream; -ETIMEDOUT past the read deadline; -ECANCELED,
 * -ETIMEDOUT when the context ends while it waits; -ECONNRESET and the other errors of recv(2). */
WEFT_API ssize_t weft_conn_read(weft_conn *c, void *buf, size_t len);

/* Writes all of `len` bytes; parks while the peer does not take them.
 * Returns 0; -ETIMEDOUT past the write deadline; -ECANCELED, -ETIMEDOUT when the context ends while
 * it waits; -EPIPE, -ECONNRESET when the peer has gone. After an error it is unknown how much went
 * out. */
WEFT_API int weft_conn_write_all(weft_conn *c, const void *buf, size_t len);

/* Writes all of the slices, in as few system calls as the kernel allows; the array is used up (its
 * entries change). Else as weft_conn_write_all. */
WEFT_API int weft_conn_writev_all(weft_conn *c, struct iovec *iov, int count);

/* Sends `len` bytes of file `fd` from *offset on and moves *offset past what went out. more: 1 when
 * other bytes will follow at once.
 * Returns 0; -EIO when the file ended early; else as weft_conn_write_all. Parks. */
WEFT_API int weft_conn_sendfile(weft_conn *c, int fd, int64_t *offset, int64_t len, int more);

/* Sets when reads and writes give up, as points of weft_now(); WEFT_NO_DEADLINE for never. Cheap:
 * takes effect at the next wait. Never parks; only from the coroutine that uses that direction. */
WEFT_API void weft_conn_set_read_deadline(weft_conn *c, int64_t when);
WEFT_API void weft_conn_set_write_deadline(weft_conn *c, int64_t when);

/* Tells the peer that no more will be written (half-close). Returns 0 or an error. */
WEFT_API int weft_conn_shutdown_write(weft_conn *c);

/* Closes and frees the connection; NULL is nothing. Only when no coroutine waits on it. */
WEFT_API void weft_conn_close(weft_conn *c);

/* The peer as "203.0.113.7:4711", "[2001:db8::1]:4711" or "unix:"; written into `buf`, terminated,
 * at most `size` bytes (64 are enough). Returns its length. */
WEFT_API size_t weft_conn_peer(const weft_conn *c, char *buf, size_t size);

#ifdef __cplusplus
}
#endif
#endif
