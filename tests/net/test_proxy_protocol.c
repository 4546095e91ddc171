/* The PROXY protocol's headers, whole, broken, and in pieces. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <weft/weft.h>

#include "proxy_protocol.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define TCP4 "\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x01\xdc\x04\x01\xbb"
#define TCP6_ADDRESSES                                                                             \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"         \
    "\xdc\x04\x01\xbb"

struct header {
    const char *bytes;
    size_t len;
    const char *source; /* NULL: refused; "": none */
};

#define H(bytes, source)                                                                           \
    {                                                                                              \
        bytes, sizeof(bytes) - 1, source                                                           \
    }

static const struct header headers[] = {
    H("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", "192.0.2.1:56324"),
    H("PROXY TCP6 2001:db8::1 2001:db8::2 0 65535\r\n", "[2001:db8::1]:0"),
    H("PROXY UNKNOWN\r\n", ""), H("PROXY UNKNOWN ffff::1 what ever 1\r\n", ""),
    H(SIGNATURE "\x21" TCP4, "192.0.2.1:56324"),
    H(SIGNATURE "\x21\x21\x00\x24" TCP6_ADDRESSES, "[2001:db8::1]:56324"),
    H(SIGNATURE "\x20" TCP4, ""), /* LOCAL: what it says is to be ignored */
    H(SIGNATURE "\x20\x00\x00\x00", ""), H(SIGNATURE "\x21\x00\x00\x03xyz", ""), /* UNSPEC */
    H(SIGNATURE "\x21\x11\x00\x11\xc0\x00\x02\x01\xc6\x33\x64\x01\xdc\x04\x01\xbb\x04\x00\x02zz",
      "192.0.2.1:56324"), /* with an extension */
    /* refused */
    H("GET / HTTP/1.1\r\n", NULL), H("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\n", NULL),
    H("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\r\n", NULL),
    H("PROXY TCP4  192.0.2.1 198.51.100.1 56324 443\r\n", NULL),
    H("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443 \r\n", NULL),
    H("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443 1\r\n", NULL),
    H("PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n", NULL),
    H("PROXY TCP4 192.0.2.1 198.51.100.1 56324 65536\r\n", NULL),
    H("PROXY TCP4 192.0.2.1 198.51.100.1 056 443\r\n", NULL),
    H("PROXY TCP4 192.0.2.1 198.51.100.1 -1 443\r\n", NULL),
    H("PROXY TCP4 192.0.2.256 198.51.100.1 1 443\r\n", NULL),
    H("PROXY TCP4 192.0.2.1 x 1 443\r\n", NULL),
    H("PROXY TCP4 2001:db8::1 2001:db8::2 1 443\r\n", NULL),
    H("PROXY TCP6 192.0.2.1 198.51.100.1 1 443\r\n", NULL),
    H("PROXY UDP4 192.0.2.1 198.51.100.1 1 443\r\n", NULL), H("PROXY \r\n", NULL),
    H("proxy TCP4 192.0.2.1 198.51.100.1 1 443\r\n", NULL),
    H("PROXY UNKNOWN                                                                              "
      "                                        \r\n",
      NULL),                        /* past 107 bytes */
    H(SIGNATURE "\x11" TCP4, NULL), /* version 1 in binary */
    H(SIGNATURE "\x22" TCP4, NULL), /* no such command */
    H(SIGNATURE "\x21\x12\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x01\xdc\x04\x01\xbb", NULL), /* UDP */
    H(SIGNATURE "\x21\x11\x00\x0b\xc0\x00\x02\x01\xc6\x33\x64\x01\xdc\x04\x01\xbb",
      NULL),                               /* short */
    H(SIGNATURE "\x21\x11\xff\xff", NULL), /* long */
    H(SIGNATURE "\x21\x11\x00\x0e\xc0\x00\x02\x01\xc6\x33\x64\x01\xdc\x04\x01\xbb\x04\x00", NULL),
    H(SIGNATURE "\x21\x11\x00\x0f\xc0\x00\x02\x01\xc6\x33\x64\x01\xdc\x04\x01\xbb\x04\x00\x01",
      NULL), /* extensions that do not fit */
};

static const char *text_of(const union address *source)
{
    static char buf[64];
    if (source->any.sa_family == AF_UNSPEC)
        return "";
    address_format(source, buf, sizeof buf);
    return buf;
}

Test(proxy_protocol, headers_are_read_or_refused)
{
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        const struct header *h = &headers[i];
        union address source;
        char bytes[512];
        memcpy(bytes, h->bytes, h->len);
        memcpy(bytes + h->len, "GET /", 5); /* what follows is left alone */
        int rc = proxy_header_parse(bytes, h->len + 5, &source);
        cr_expect_eq(rc, h->source ? (int)h->len : -EINVAL, "%zu: %d", i, rc);
        if (h->source && rc > 0)
            cr_expect_str_eq(text_of(&source), h->source, "%zu", i);
    }
}

Test(proxy_protocol, each_part_of_a_header_asks_for_more)
{
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        union address source;
        for (size_t len = 0; headers[i].source && len < headers[i].len; len++)
            cr_expect_eq(proxy_header_parse(headers[i].bytes, len, &source), 0, "%zu, %zu", i, len);
    }
}

struct pieces {
    const struct header *header;
    size_t split;
    int peer;
};

static void send_pieces(void *arg)
{
    const struct pieces *p = arg;
    cr_assert_eq(write(p->peer, p->header->bytes, p->split), (ssize_t)p->split);
    weft_sleep(100 * WEFT_US); /* a wait is likely between them; it works either way */
    size_t rest = p->header->len - p->split;
    cr_assert_eq(write(p->peer, p->header->bytes + p->split, rest), (ssize_t)rest);
    cr_assert_eq(write(p->peer, "rest", 4), 4);
}

static weft_conn *connected(int *ret_peer)
{
    int pair[2];
    weft_conn *c;
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    cr_assert_eq(conn_new(pair[0], NULL, &c), 0);
    cr_assert_eq(conn_register(c), 0);
    *ret_peer = pair[1];
    return c;
}

static int read_in_pieces(void *arg)
{
    char peer_text[64], rest[4];
    (void)arg;
    for (size_t i = 0; i < 10; i++) {
        for (size_t split = 0; split <= headers[i].len; split++) {
            int peer;
            weft_conn *c = connected(&peer);
            struct pieces pieces = {&headers[i], split, peer};
            cr_assert_eq(weft_go_copy(send_pieces, &pieces, sizeof pieces), 0);
            cr_expect_eq(proxy_header_read(c), 0);
            weft_conn_peer(c, peer_text, sizeof peer_text);
            cr_expect_str_eq(peer_text, *headers[i].source ? headers[i].source : "unix:");
            size_t len = 0;
            for (ssize_t n; len < 4 && (n = weft_conn_read(c, rest + len, 4 - len)) > 0;)
                len += (size_t)n;
            cr_expect(len == 4 && memcmp(rest, "rest", 4) == 0);
            weft_conn_close(c);
            close(peer);
        }
    }
    return 0;
}

Test(proxy_protocol, a_header_is_read_off_a_connection_at_every_split, .timeout = 120)
{
    cr_assert_eq(weft_run(read_in_pieces, NULL), 0);
}

static int ends_early(void *arg)
{
    int peer;
    weft_conn *c = connected(&peer);
    (void)arg;
    cr_assert_eq(write(peer, "PROXY TCP4", 10), 10);
    close(peer);
    cr_expect_eq(proxy_header_read(c), -ECONNRESET);
    weft_conn_close(c);
    c = connected(&peer);
    weft_conn_set_read_deadline(c, weft_now() + 5 * WEFT_MS);
    cr_assert_eq(write(peer, "PROXY TCP4", 10), 10);
    cr_expect_eq(proxy_header_read(c), -ETIMEDOUT);
    weft_conn_close(c);
    close(peer);
    return 0;
}

Test(proxy_protocol, a_header_that_does_not_come_ends_the_wait, .timeout = 60)
{
    cr_assert_eq(weft_run(ends_early, NULL), 0);
}
