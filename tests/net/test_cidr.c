/* Ranges of addresses. */
#include <criterion/criterion.h>
#include <errno.h>
#include <sys/socket.h>

#include "cidr.h"

static bool has(const char *range, const char *address)
{
    struct cidr cidr;
    struct ip ip;
    cr_assert_eq(cidr_parse(range, &cidr), 0, "%s", range);
    cr_assert(ip_parse(weft_cstr(address), &ip), "%s", address);
    return cidr_has(&cidr, &ip);
}

Test(cidr, a_range_has_what_begins_as_it)
{
    cr_expect(has("10.0.0.0/8", "10.255.0.1"));
    cr_expect(!has("10.0.0.0/8", "11.0.0.1"));
    cr_expect(has("10.1.2.128/25", "10.1.2.200"));
    cr_expect(!has("10.1.2.128/25", "10.1.2.127"));
    cr_expect(has("0.0.0.0/0", "1.2.3.4"));
    cr_expect(!has("0.0.0.0/0", "::1"));
    cr_expect(has("192.0.2.1", "192.0.2.1"));
    cr_expect(!has("192.0.2.1", "192.0.2.2"));
    cr_expect(has("2001:db8::/33", "2001:db8:7fff::1"));
    cr_expect(!has("2001:db8::/33", "2001:db8:8000::1"));
    cr_expect(has("::/0", "::1"));
    cr_expect(has("10.0.0.0/8", "::ffff:10.1.1.1"));
}

Test(cidr, what_is_no_range_is_refused)
{
    static const char *const wrong[] = {
        "",         "x",           "10.0.0.0/",   "10.0.0.0/33", "10.0.0.1/8",
        "10.0.0/8", "10.0.0.0/8x", "10.0.0.0/-1", "::1/129",     "2001:db8::1/32",
        "unix",     "[::1]"};
    struct cidr cidr;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_expect_eq(cidr_parse(wrong[i], &cidr), -EINVAL, "%s", wrong[i]);
}

static const char *text_of(const char *text)
{
    static char buf[64];
    struct ip ip;
    if (!ip_parse_with_port(weft_cstr(text), &ip))
        return "none";
    ip_format(&ip, buf, sizeof buf);
    return buf;
}

Test(cidr, addresses_come_with_and_without_ports)
{
    cr_expect_str_eq(text_of("1.2.3.4"), "1.2.3.4");
    cr_expect_str_eq(text_of("1.2.3.4:80"), "1.2.3.4");
    cr_expect_str_eq(text_of("2001:DB8::0:1"), "2001:db8::1");
    cr_expect_str_eq(text_of("[2001:db8::1]"), "2001:db8::1");
    cr_expect_str_eq(text_of("[2001:db8::1]:80"), "2001:db8::1");
    cr_expect_str_eq(text_of("::ffff:1.2.3.4"), "1.2.3.4");
    cr_expect_str_eq(text_of("[1.2.3.4]"), "none");
    cr_expect_str_eq(text_of("1.2.3.4:"), "none");
    cr_expect_str_eq(text_of("1.2.3.4:x"), "none");
    cr_expect_str_eq(text_of("[::1]80"), "none");
    cr_expect_str_eq(text_of("[::1"), "none");
    cr_expect_str_eq(text_of("unknown"), "none");
    cr_expect_str_eq(text_of("_hidden"), "none");
    cr_expect_str_eq(text_of(""), "none");
}
