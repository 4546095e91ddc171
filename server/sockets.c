#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <weft/net.h>

enum { SYSTEMD_FIRST_FD = 3 };

static const char *const kinds[] = {"plain", "tls", "admin"};

static struct listening *find(const struct sockets *s, const char *address)
{
    for (int i = 0; s && i < s->count; i++)
        if (strcmp(s->items[i].address, address) == 0)
            return (struct listening *)(uintptr_t)&s->items[i];
    return NULL;
}

/* ---- systemd's ---- */

/* Whether the socket that systemd bound is at an address as it is written in the file. */
static bool is_at(int fd, const char *address)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    } bound;
    socklen_t len = sizeof bound;
    char host[INET6_ADDRSTRLEN] = "", text[200] = "";
    memset(&bound, 0, sizeof bound);
    if (getsockname(fd, &bound.any, &len) < 0)
        return false;
    if (bound.any.sa_family == AF_UNIX) {
        snprintf(text, sizeof text, "unix:%s", bound.un.sun_path);
    } else if (bound.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &bound.in.sin_addr, host, sizeof host);
        snprintf(text, sizeof text, "%s:%u", host, ntohs(bound.in.sin_port));
    } else if (bound.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &bound.in6.sin6_addr, host, sizeof host);
        const char *shown = IN6_IS_ADDR_UNSPECIFIED(&bound.in6.sin6_addr) && address[0] == ':'
                                ? ""
                                : host;
        snprintf(text, sizeof text, *shown ? "[%s]:%u" : "%s:%u", shown,
                 ntohs(bound.in6.sin6_port));
    }
    return strcmp(text, address) == 0;
}

/* The descriptor that systemd passed for an address, or -1 (sd_listen_fds(3)). */
static int systemd_fd(const char *address)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    if (!pid || !count || strtol(pid, NULL, 10) != getpid())
        return -1;
    for (int i = 0; i < (int)strtol(count, NULL, 10); i++) {
        int fd = SYSTEMD_FIRST_FD + i;
        if (is_at(fd, address)) {
            fcntl(fd, F_SETFD, FD_CLOEXEC);
            return fd;
        }
    }
    return -1;
}

/* ---- opening ---- */

static int add(struct sockets *s, const struct config *config, const char *place,
               const char *address, enum socket_kind kind, const struct sockets *old)
{
    const struct listening *known = find(old, address);
    if (find(s, address))
        return config_wrong(config, place, "'%s' is listened on already", address);
    if (s->count == SOCKETS_MAX || strlen(address) >= sizeof s->items[0].address)
        return config_wrong(config, place, "too many addresses, or too long a one");
    struct listening *l = &s->items[s->count];
    snprintf(l->address, sizeof l->address, "%s", address);
    l->kind = kind;
    l->is_ours = known && known->is_ours;
    l->fd = known ? known->fd : systemd_fd(address);
    if (l->fd < 0) {
        /* An admin socket's file is nobody else's even before restrict_admin. */
        mode_t old_mask = kind == SOCKET_ADMIN ? umask(0177) : 0;
        int rc = weft_listen(address, &l->fd);
        if (kind == SOCKET_ADMIN)
            umask(old_mask);
        if (rc < 0)
            return config_wrong(config, place, "cannot listen on '%s': %s", address, strerror(-rc));
        l->is_ours = true;
    }
    s->count++;
    return 0;
}

static int add_list(struct sockets *s, const struct config *config, const char *place,
                    const struct config_list *list, enum socket_kind kind,
                    const struct sockets *old)
{
    char item[64];
    int rc = 0;
    for (unsigned i = 0; i < list->count && rc == 0; i++) {
        snprintf(item, sizeof item, "%s[%u]", place, i);
        rc = add(s, config, item, list->items[i], kind, old);
    }
    return rc;
}

/* The admin pages' socket is for who may use it only. */
static void restrict_admin(const struct sockets *s, const struct config_admin *admin)
{
    const struct listening *l = find(s, admin->listen);
    if (l && l->is_ours && strncmp(l->address, "unix:", 5) == 0)
        chmod(l->address + 5, admin->mode);
}

int sockets_open(struct sockets *s, const struct config *config, const struct sockets *old)
{
    static char local[] = "127.0.0.1:8080";
    static char *local_items[] = {local};
    struct config_list by_default = {.items = local_items, .count = 1};
    bool has_any = config->listen.count || config->tls;
    s->count = 0;
    int rc = add_list(s, config, "listen", has_any ? &config->listen : &by_default, SOCKET_PLAIN,
                      old);
    if (rc == 0 && config->tls)
        rc = add_list(s, config, "tls.listen", &config->tls->listen, SOCKET_TLS, old);
    if (rc == 0 && config->admin) {
        rc = add(s, config, "admin.listen", config->admin->listen, SOCKET_ADMIN, old);
        if (rc == 0)
            restrict_admin(s, config->admin);
    }
    if (rc < 0)
        sockets_close_except(s, old);
    return rc;
}

void sockets_close_except(struct sockets *s, const struct sockets *kept)
{
    for (int i = 0; i < s->count; i++) {
        struct listening *l = &s->items[i];
        if (find(kept, l->address))
            continue;
        close(l->fd);
        if (l->is_ours && strncmp(l->address, "unix:", 5) == 0)
            unlink(l->address + 5);
    }
    s->count = 0;
}

/* ---- handing on ---- */

void sockets_write(const struct sockets *s, char text[SOCKETS_TEXT_MAX])
{
    size_t len = 0;
    text[0] = '\0';
    for (int i = 0; i < s->count && len < SOCKETS_TEXT_MAX; i++)
        len += (size_t)snprintf(text + len, SOCKETS_TEXT_MAX - len, "%d %s %d %s\n", s->items[i].fd,
                                kinds[s->items[i].kind], s->items[i].is_ours, s->items[i].address);
}

int sockets_read(struct sockets *s, const char *text)
{
    char kind[16];
    s->count = 0;
    while (*text && s->count < SOCKETS_MAX) {
        struct listening *l = &s->items[s->count];
        int is_ours, used = 0;
        if (sscanf(text, "%d %15s %d %159[^\n]\n%n", &l->fd, kind, &is_ours, l->address, &used) !=
                4 ||
            !used)
            return -EINVAL;
        l->is_ours = is_ours;
        l->kind = strcmp(kind, "tls") == 0     ? SOCKET_TLS
                  : strcmp(kind, "admin") == 0 ? SOCKET_ADMIN
                                               : SOCKET_PLAIN;
        fcntl(l->fd, F_SETFD, FD_CLOEXEC);
        s->count++;
        text += used;
    }
    return 0;
}

void sockets_inherit(const struct sockets *s, bool does_inherit)
{
    for (int i = 0; i < s->count; i++)
        fcntl(s->items[i].fd, F_SETFD, does_inherit ? 0 : FD_CLOEXEC);
}
