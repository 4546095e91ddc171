/* address.h: "host:port", "[ipv6]:port", ":port" and "unix:PATH" to and from socket addresses.
 * Hosts are numeric, or "localhost"; names are resolved elsewhere (resolve.h): that waits. */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <weft/base.h>

union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
};

/* Reads an address; ":port" is every address of both families. Returns its length, or -EINVAL. */
int address_parse(const char *text, union address *ret_address);

/* Splits "host:port" or "[ipv6]:port"; the host comes without brackets. Returns 0, or -EINVAL also
 * for an empty host. */
int address_split(const char *text, weft_str *ret_host, in_port_t *ret_port);

/* The length of an IPv4 or IPv6 address. */
socklen_t address_len(const union address *address);

/* Writes an address, terminated, at most `size` bytes. Returns its length. */
size_t address_format(const union address *address, char *buf, size_t size);

#endif
