/* When a server's files count as changed, and what a failed reading leaves. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store.h"

static char folder[64], cert[96], key[96], other_cert[96], other_key[96];

static void make(void)
{
    static const char *const names[] = {"localhost"};
    snprintf(folder, sizeof folder, "/tmp/weft-store-XXXXXX");
    cr_assert(mkdtemp(folder) != NULL);
    snprintf(cert, sizeof cert, "%s/c.pem", folder);
    snprintf(key, sizeof key, "%s/k.pem", folder);
    snprintf(other_cert, sizeof other_cert, "%s/oc.pem", folder);
    snprintf(other_key, sizeof other_key, "%s/ok.pem", folder);
    cr_assert_eq(weft_tls_self_signed(cert, key, names, 1, 1), 0);
    cr_assert_eq(weft_tls_self_signed(other_cert, other_key, names, 1, 1), 0);
}

static void clean(void)
{
    unlink(cert);
    unlink(key);
    unlink(other_cert);
    unlink(other_key);
    rmdir(folder);
}

Test(store, sees_a_change_once_it_has_settled)
{
    struct tls_store store;
    char why[TLS_WHY_BYTES];
    make();
    cr_assert_eq(store_open(&store, &(weft_tls_opts){.cert = cert, .key = key}, why), 0);
    cr_expect_not(store_has_changed(&store));
    cr_assert_eq(rename(other_cert, cert), 0);
    cr_expect_not(store_has_changed(&store)); /* the key may come yet */
    cr_assert_eq(rename(other_key, key), 0);
    cr_expect_not(store_has_changed(&store));
    cr_expect(store_has_changed(&store));
    struct tls_context *before = store_get(&store);
    cr_assert_eq(store_reload(&store, why), 0);
    struct tls_context *after = store_get(&store);
    cr_expect(before != after);
    cr_expect_not(store_has_changed(&store));
    tls_context_unref(before);
    tls_context_unref(after);
    store_close(&store);
    clean();
}

Test(store, keeps_what_it_has_when_the_files_are_wrong)
{
    struct tls_store store;
    char why[TLS_WHY_BYTES];
    make();
    cr_assert_eq(store_open(&store, &(weft_tls_opts){.cert = cert, .key = key}, why), 0);
    struct tls_context *before = store_get(&store);
    cr_assert_eq(rename(other_key, key), 0);
    cr_expect_eq(store_reload(&store, why), -EINVAL);
    cr_expect(strstr(why, "does not belong") != NULL);
    struct tls_context *after = store_get(&store);
    cr_expect(before == after);
    cr_expect_not(store_has_changed(&store)); /* said once, not every two seconds */
    tls_context_unref(before);
    tls_context_unref(after);
    store_close(&store);
    clean();
}

Test(store, refuses_options_out_of_range)
{
    struct tls_store store;
    char why[TLS_WHY_BYTES];
    make();
    weft_tls_opts bad[] = {
        {.cert = cert},
        {.cert = cert, .key = key, .min_version = 0x0301},
        {.cert = cert, .key = key, .ticket_lifetime = 1},
        {.cert = cert, .key = key, .ticket_lifetime = 8 * 24 * 3600 * WEFT_SEC},
        {.cert = cert, .key = key, .client_auth = WEFT_TLS_CLIENT_REQUIRED},
        {.cert = cert, .key = key, .alpn = {""}},
        {.cert = cert, .key = key, .client_ca = "/no/such"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        why[0] = '\0';
        cr_expect_eq(store_open(&store, &bad[i], why), -EINVAL);
        cr_expect(why[0] != '\0');
    }
    clean();
}
