/* dial.c: connecting out. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "address.h"
#include "conn.h"
#include "sys.h"

static int parse(const char *network, const char *address, union address *ret)
{
    char path[sizeof ret->un.sun_path + 8];
    if (strcmp(network, "tcp") == 0)
        return strncmp(address, "unix:", 5) == 0 ? -EINVAL : address_parse(address, ret);
    if (strcmp(network, "unix") != 0 || strlen(address) >= sizeof ret->un.sun_path)
        return -EINVAL;
    snprintf(path, sizeof path, "unix:%s", address);
    return address_parse(path, ret);
}

int weft_dial(const char *network, const char *address, weft_conn **ret_conn)
{
    union address to;
    int len = parse(network, address, &to);
    if (len < 0)
        return len;
    int fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int on = 1;
    if (to.any.sa_family != AF_UNIX)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on,
                         sizeof on); /* slower without, not wrong */
    weft_conn *c;
    int rc = conn_new(fd, &to.any, &c);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    rc = sys_connect(fd, &to.any, (socklen_t)len);
    bool is_under_way = rc == -EINPROGRESS;
    if (rc == 0 || is_under_way)
        rc = conn_register(c); /* not earlier: a socket that is not connected looks hung up */
    if (rc == 0 && is_under_way) {
        rc = poll_park(&c->desc, POLL_WRITE);
        if (rc == 0)
            rc = sys_connect_result(fd);
    }
    if (rc < 0) {
        weft_conn_close(c);
        return rc;
    }
    *ret_conn = c;
    return 0;
}
