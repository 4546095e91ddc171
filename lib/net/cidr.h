/* cidr.h: ranges of addresses, "10.0.0.0/8", "2001:db8::/32", "192.0.2.1", and "unix:" for who
 * connects through a unix socket. */
#ifndef NET_CIDR_H
#define NET_CIDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <weft/base.h>

/* An address without a port. IPv4 in IPv6 (::ffff:a.b.c.d) does not occur: it is IPv4. */
struct ip {
    uint8_t family;        /* AF_INET, AF_INET6, AF_UNIX (no bytes), AF_UNSPEC: not known */
    struct in6_addr bytes; /* v4 in its first four */
};

struct cidr {
    struct ip first;
    uint8_t bits; /* that have to be the same */
};

/* Reads an address, terminated or not, without brackets. Returns false when it is none. */
bool ip_parse(weft_str text, struct ip *ret_ip);

/* Reads an address and perhaps a port behind it, which is dropped: "1.2.3.4:5", "[::1]:5", "::1".
 */
bool ip_parse_with_port(weft_str text, struct ip *ret_ip);

/* Writes it, terminated; INET6_ADDRSTRLEN bytes are enough. Returns its length. */
size_t ip_format(const struct ip *ip, char *buf, size_t size);

/* Returns 0, or -EINVAL also when bits outside of the mask are set: a slip of the pen. */
int cidr_parse(const char *text, struct cidr *ret_cidr);

bool cidr_has(const struct cidr *cidr, const struct ip *ip);

#endif
