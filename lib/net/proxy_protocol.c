#include "proxy_protocol.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "assert.h"
#include "sys.h"

enum {
    LINE_MAX_BYTES = 107, /* version 1, its end included */
    SIGNATURE_LEN = 12,
    FIXED_LEN = 16, /* version 2: signature, command, family, length */
    ADDRESSES_TCP4 = 12,
    ADDRESSES_TCP6 = 36,
    ADDRESSES_UNIX = 216,
};

static const char signature[] = "\r\n\r\n\0\r\nQUIT\n"; /* SIGNATURE_LEN bytes */

/* ---- version 1 ---- */

/* Takes a word up to the next space off the line. Returns false when there is none. */
static bool word_next(weft_str *line, weft_str *ret_word)
{
    const char *space = memchr(line->ptr, ' ', line->len);
    size_t len = space ? (size_t)(space - line->ptr) : line->len;
    *ret_word = (weft_str){line->ptr, len};
    line->ptr += space ? len + 1 : len;
    line->len -= space ? len + 1 : len;
    return len > 0;
}

static bool parse_host(weft_str word, int family, void *ret)
{
    char copy[INET6_ADDRSTRLEN];
    if (word.len >= sizeof copy || memchr(word.ptr, 0, word.len))
        return false;
    memcpy(copy, word.ptr, word.len);
    copy[word.len] = '\0';
    return inet_pton(family, copy, ret) == 1;
}

/* Without leading zeros. */
static bool parse_port(weft_str word, in_port_t *ret)
{
    unsigned port = 0;
    if (word.len > 5 || (word.len > 1 && word.ptr[0] == '0'))
        return false;
    for (size_t i = 0; i < word.len; i++) {
        if (word.ptr[i] < '0' || word.ptr[i] > '9')
            return false;
        port = port * 10 + (unsigned)(word.ptr[i] - '0');
    }
    *ret = htons((uint16_t)port);
    return word.len > 0 && port <= 65535;
}

/* "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443"; ret is all zero. */
static bool parse_line(weft_str line, union address *ret)
{
    weft_str word[6];
    struct in6_addr destination;
    in_port_t destination_port;
    if (!word_next(&line, &word[0]) || !word_next(&line, &word[1]))
        return false;
    if (weft_str_eq(word[1], WEFT_STR("UNKNOWN")))
        return true; /* the rest is to be ignored */
    for (int i = 2; i < 6; i++)
        if (!word_next(&line, &word[i]))
            return false;
    if (line.len || line.ptr[-1] == ' ' || !parse_port(word[5], &destination_port))
        return false;
    if (weft_str_eq(word[1], WEFT_STR("TCP4"))) {
        ret->in.sin_family = AF_INET;
        return parse_host(word[2], AF_INET, &ret->in.sin_addr) &&
               parse_host(word[3], AF_INET, &destination) && parse_port(word[4], &ret->in.sin_port);
    }
    if (!weft_str_eq(word[1], WEFT_STR("TCP6")))
        return false;
    ret->in6.sin6_family = AF_INET6;
    return parse_host(word[2], AF_INET6, &ret->in6.sin6_addr) &&
           parse_host(word[3], AF_INET6, &destination) && parse_port(word[4], &ret->in6.sin6_port);
}

static int parse_v1(const char *text, size_t len, union address *ret)
{
    const char *lf = memchr(text, '\n', len < LINE_MAX_BYTES ? len : LINE_MAX_BYTES);
    if (!lf)
        return len < LINE_MAX_BYTES ? 0 : -EINVAL;
    size_t line_len = (size_t)(lf - text);
    if (text[line_len - 1] != '\r' || memchr(text, '\r', line_len) != lf - 1)
        return -EINVAL;
    return parse_line((weft_str){text, line_len - 1}, ret) ? (int)line_len + 1 : -EINVAL;
}

/* ---- version 2 ---- */

/* What may be appended: type, length, value, one behind the other. */
static bool are_extensions(const unsigned char *at, size_t len)
{
    while (len >= 3) {
        size_t size = 3 + ((size_t)at[1] << 8 | at[2]);
        if (size > len)
            return false;
        at += size;
        len -= size;
    }
    return len == 0;
}

static int parse_v2(const unsigned char *bytes, size_t len, union address *ret)
{
    if (len < FIXED_LEN)
        return 0;
    unsigned command = bytes[12], family = bytes[13];
    size_t size = (size_t)bytes[14] << 8 | bytes[15], addresses = 0;
    const unsigned char *body = bytes + FIXED_LEN;
    if (command != 0x20 && command != 0x21) /* LOCAL, PROXY */
        return -EINVAL;
    if (size > PROXY_HEADER_MAX - FIXED_LEN)
        return -EINVAL;
    if (family == 0x11)
        addresses = ADDRESSES_TCP4;
    else if (family == 0x21)
        addresses = ADDRESSES_TCP6;
    else if (family == 0x31)
        addresses = ADDRESSES_UNIX;
    else if (family != 0 && command == 0x21)
        return -EINVAL; /* datagrams, and what is not defined */
    if (command == 0x21 && size < addresses)
        return -EINVAL;
    if (len < FIXED_LEN + size)
        return 0;
    if (command == 0x21 && family != 0 && !are_extensions(body + addresses, size - addresses))
        return -EINVAL;
    if (command == 0x21 && family == 0x11) {
        ret->in.sin_family = AF_INET;
        memcpy(&ret->in.sin_addr, body, 4);
        memcpy(&ret->in.sin_port, body + 8, 2);
    } else if (command == 0x21 && family == 0x21) {
        ret->in6.sin6_family = AF_INET6;
        memcpy(&ret->in6.sin6_addr, body, 16);
        memcpy(&ret->in6.sin6_port, body + 32, 2);
    }
    return (int)(FIXED_LEN + size);
}

/* ---- both ---- */

static bool begins_as(const void *bytes, size_t len, const char *with, size_t with_len)
{
    return memcmp(bytes, with, len < with_len ? len : with_len) == 0;
}

int proxy_header_parse(const void *bytes, size_t len, union address *ret_source)
{
    union address source;
    int rc = -EINVAL;
    memset(&source, 0, sizeof source);
    if (begins_as(bytes, len, "PROXY ", 6))
        rc = len < 6 ? 0 : parse_v1(bytes, len, &source);
    else if (begins_as(bytes, len, signature, SIGNATURE_LEN))
        rc = len < SIGNATURE_LEN ? 0 : parse_v2(bytes, len, &source);
    if (rc > 0)
        *ret_source = source;
    return rc;
}

/* Takes `len` bytes that were seen off the socket. */
static int take(weft_conn *c, void *buf, size_t len)
{
    while (len) {
        ssize_t n = sys_recv(c->desc.fd, buf, len);
        if (n == -EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? (int)n : -ECONNRESET;
        len -= (size_t)n;
    }
    return 0;
}

int proxy_header_read(weft_conn *c)
{
    char bytes[PROXY_HEADER_MAX];
    union address source;
    for (ssize_t seen = 0;;) {
        /* Looked at only: what follows belongs to another layer. Each arrival is an edge. */
        ssize_t n = sys_peek(c->desc.fd, bytes, sizeof bytes);
        if (n == -EINTR)
            continue;
        if (n == 0 || (n < 0 && n != -EAGAIN))
            return n < 0 ? (int)n : -ECONNRESET;
        int len = n > 0 ? proxy_header_parse(bytes, (size_t)n, &source) : 0;
        if (len < 0)
            return len;
        if (len > 0) {
            int rc = take(c, bytes, (size_t)len);
            if (rc == 0 && source.any.sa_family != AF_UNSPEC)
                conn_set_peer(c, &source.any);
            c->is_drained = false;
            return rc;
        }
        /* More is needed, and may never come: the peer's end is an edge of its own. */
        if (atomic_load_explicit(&c->desc.is_ending, memory_order_acquire)) {
            if (n <= seen)
                return -ECONNRESET;
            seen = n; /* there may be some that came with the end */
            continue;
        }
        int rc = poll_park(&c->desc, POLL_READ);
        if (rc < 0)
            return rc;
    }
}
