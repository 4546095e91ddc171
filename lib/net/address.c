#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool parse_port(const char *text, in_port_t *ret_port)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    unsigned long port = strtoul(text, &end, 10);
    if (*end || port > 65535)
        return false;
    *ret_port = htons((uint16_t)port);
    return true;
}

static int parse_unix(const char *path, union address *ret)
{
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof ret->un.sun_path)
        return -EINVAL;
    ret->un.sun_family = AF_UNIX;
    memcpy(ret->un.sun_path, path, len + 1);
    return (int)(offsetof(struct sockaddr_un, sun_path) + len + 1);
}

int address_parse(const char *text, union address *ret)
{
    char host[64];
    memset(ret, 0, sizeof *ret);
    if (strncmp(text, "unix:", 5) == 0)
        return parse_unix(text + 5, ret);
    const char *colon = strrchr(text, ':');
    in_port_t port;
    if (!colon || !parse_port(colon + 1, &port) || (size_t)(colon - text) >= sizeof host)
        return -EINVAL;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';

    size_t len = strlen(host);
    bool is_bracketed = len > 2 && host[0] == '[' && host[len - 1] == ']';
    if (len == 0 || is_bracketed) {
        ret->in6.sin6_family = AF_INET6;
        ret->in6.sin6_port = port;
        if (len == 0)
            return sizeof ret->in6; /* in6addr_any is all zero */
        host[len - 1] = '\0';
        return inet_pton(AF_INET6, host + 1, &ret->in6.sin6_addr) == 1 ? (int)sizeof ret->in6
                                                                       : -EINVAL;
    }
    ret->in.sin_family = AF_INET;
    ret->in.sin_port = port;
    const char *numeric = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    return inet_pton(AF_INET, numeric, &ret->in.sin_addr) == 1 ? (int)sizeof ret->in : -EINVAL;
}

int address_split(const char *text, weft_str *ret_host, in_port_t *ret_port)
{
    const char *colon = strrchr(text, ':');
    if (!colon || !parse_port(colon + 1, ret_port))
        return -EINVAL;
    weft_str host = {text, (size_t)(colon - text)};
    bool is_bracketed = host.len > 2 && text[0] == '[' && host.ptr[host.len - 1] == ']';
    if (is_bracketed)
        host = (weft_str){text + 1, host.len - 2};
    bool has_colon = host.len && memchr(host.ptr, ':', host.len);
    if (host.len == 0 || has_colon != is_bracketed)
        return -EINVAL;
    *ret_host = host;
    return 0;
}

socklen_t address_len(const union address *address)
{
    return address->any.sa_family == AF_INET6 ? sizeof address->in6 : sizeof address->in;
}

size_t address_format(const union address *address, char *buf, size_t size)
{
    char host[INET6_ADDRSTRLEN];
    int n;
    if (address->any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &address->in.sin_addr, host, sizeof host);
        n = snprintf(buf, size, "%s:%u", host, ntohs(address->in.sin_port));
    } else if (address->any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &address->in6.sin6_addr, host, sizeof host);
        n = snprintf(buf, size, "[%s]:%u", host, ntohs(address->in6.sin6_port));
    } else {
        n = snprintf(buf, size, "unix:%s", address->un.sun_path);
    }
    return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}
