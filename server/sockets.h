/* sockets.h: the listening sockets, which outlive workers, configurations and binaries.
 *
 * The supervisor holds them; a worker gets them by inheritance, named in its environment. A socket
 * that is known by its address is used again instead of being bound anew: after a reload, after an
 * upgrade, and when systemd has bound it. */
#ifndef SERVER_SOCKETS_H
#define SERVER_SOCKETS_H

#include "config.h"

enum socket_kind { SOCKET_PLAIN, SOCKET_TLS, SOCKET_ADMIN };

enum { SOCKETS_MAX = 48, SOCKETS_TEXT_MAX = 8192 };

struct listening {
    char address[160];
    enum socket_kind kind;
    int fd;
    bool is_ours; /* bound by weft: a unix socket's file is to be removed in the end */
};

struct sockets {
    struct listening items[SOCKETS_MAX];
    int count;
};

/* The sockets that `config` asks for: those of `old` with the same address, systemd's (LISTEN_FDS),
 * else new ones. Says what cannot be had in a line with its place in the file. Returns 0 or
 * -EINVAL, and then nothing has been opened. */
int sockets_open(struct sockets *s, const struct config *config, const struct sockets *old);

/* Closes those of `s` that are not in `kept` (may be NULL) as well. */
void sockets_close_except(struct sockets *s, const struct sockets *kept);

/* The sockets as text for an environment, "fd kind ours address" separated by newlines, and back.
 */
void sockets_write(const struct sockets *s, char text[SOCKETS_TEXT_MAX]);
int sockets_read(struct sockets *s, const char *text);

/* Lets the sockets pass through the next exec, or not. Only fcntl: also between fork and exec. */
void sockets_inherit(const struct sockets *s, bool does_inherit);

#endif
