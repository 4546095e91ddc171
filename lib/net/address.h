/* address.h: "host:port", "[ipv6]:port", ":port" and "unix:PATH" to and from socket addresses.
 * Hosts are numeric, or "localhost"; names are resolved elsewhere, because that waits. */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
};

/* Reads an address; ":port" is every address of both families. Returns its length, or -EINVAL. */
int address_parse(const char *text, union address *ret_address);

/* Writes an address, terminated, at most `size` bytes. Returns its length. */
size_t address_format(const union address *address, char *buf, size_t size);

#endif
