/* listener.h: a listening socket and the coroutine that accepts from it. */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include <weft/net.h>

struct listener;

/* Binds and listens on host:port, [ipv6]:port, :port (all addresses, both families) or unix:PATH.
 * A stale unix socket file (nobody listens behind it) is replaced. Sets *ret_listener. Returns 0;
 * -EINVAL for an address that cannot be read; -EADDRINUSE, -EACCES and the others of bind(2).
 * On any thread; does not park. */
WEFT_MUST_USE int listener_open(const char *address, struct listener **ret_listener);

/* Takes over a descriptor that listens already: of a supervisor, of systemd. Who else has it goes
 * on accepting: it is neither shut down nor, if it is a unix socket, unlinked by us. Returns 0;
 * -EINVAL for a descriptor that does not listen for a stream; -ENOTSOCK, -EBADF, -ENOMEM (it stays
 * the caller's). On any thread; does not park. */
WEFT_MUST_USE int listener_adopt(int fd, struct listener **ret_listener);

/* The address as bound, with the port that the kernel chose for port 0: "127.0.0.1:8080",
 * "[::]:8080", "unix:/run/x.sock". Lives as long as the listener. */
const char *listener_address(const struct listener *l);

/* Starts accepting: `on_conn(c, arg)` is called in the accepting coroutine for each connection; it
 * must not park, and usually sets owner and calls conn_idle. A full descriptor table is logged once
 * and waited out. Returns 0, -ENOMEM. In a coroutine. */
int listener_start(struct listener *l, void (*on_conn)(weft_conn *c, void *arg), void *arg);

/* Stops accepting and waits until the accepting coroutine has ended; closes the socket and
 * removes a unix socket file (of its own). In a coroutine; parks. */
void listener_stop(struct listener *l);

/* Frees a listener that was stopped or never started. */
void listener_free(struct listener *l);

#endif
