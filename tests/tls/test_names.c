/* Which names a certificate is for. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <weft/tls.h>

#include "mbedtls_context.h"

static mbedtls_x509_crt cert;

static void make(void)
{
    static const char *const names[] = {"example.test", "*.wild.test", "10.0.0.1"};
    char folder[] = "/tmp/weft-names-XXXXXX", cert_path[64], key_path[64];
    cr_assert(mkdtemp(folder) != NULL);
    snprintf(cert_path, sizeof cert_path, "%s/c.pem", folder);
    snprintf(key_path, sizeof key_path, "%s/k.pem", folder);
    cr_assert_eq(weft_tls_self_signed(cert_path, key_path, names, 3, 1), 0);
    cr_expect_eq(weft_tls_self_signed(cert_path, key_path, names, 3, 1), -EEXIST);
    mbedtls_x509_crt_init(&cert);
    cr_assert_eq(mbedtls_x509_crt_parse_file(&cert, cert_path), 0);
    unlink(cert_path);
    unlink(key_path);
    rmdir(folder);
}

static bool is_for(const char *name, bool exact)
{
    return context_cert_matches(&cert, name, strlen(name), exact);
}

Test(names, match_exactly_or_by_a_whole_first_label)
{
    make();
    cr_expect(is_for("example.test", true));
    cr_expect(is_for("EXAMPLE.Test", true));
    cr_expect_not(is_for("a.example.test", true));
    cr_expect_not(is_for("example.test", false));
    cr_expect(is_for("a.wild.test", false));
    cr_expect(is_for("A.WILD.TEST", false));
    cr_expect_not(is_for("wild.test", false));
    cr_expect_not(is_for(".wild.test", false));
    cr_expect_not(is_for("a.b.wild.test", false));
    cr_expect_not(is_for("awild.test", false));
    cr_expect_not(is_for("10.0.0.1", true)); /* an address is no name */
    cr_expect_not(is_for("", true));
    mbedtls_x509_crt_free(&cert);
}

Test(names, of_a_certificate_to_make_are_checked)
{
    static const char *const bad[] = {"a,CN=b", "", "a b", "a=b"};
    static const char *const good[] = {"a"};
    for (int i = 0; i < 4; i++)
        cr_expect_eq(weft_tls_self_signed("/tmp/none", "/tmp/none", &bad[i], 1, 1), -EINVAL);
    cr_expect_eq(weft_tls_self_signed("/tmp/none", "/tmp/none", good, 0, 1), -EINVAL);
    cr_expect_eq(weft_tls_self_signed("/tmp/none", "/tmp/none", good, 1, 0), -EINVAL);
    cr_expect_eq(weft_tls_self_signed("/no/such/a", "/no/such/b", good, 1, 1), -ENOENT);
}
