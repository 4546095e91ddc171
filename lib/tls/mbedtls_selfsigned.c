/* mbedtls_selfsigned.c: a key and a certificate for development. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mbedtls/ecp.h>
#include <mbedtls/oid.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/x509_crt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "mbedtls_context.h"

enum { NAMES_MAX = 32, DAYS_MAX = 3650, PEM_BYTES = 8192, TIME_BYTES = 15, SERIAL_BYTES = 16 };

static const int64_t DAY_S = 24 * 3600;
static const int64_t CLOCK_SLACK_S = 300; /* of clients whose clocks are behind */

/* One alternative name; an address keeps its bytes beside it. */
struct alternative {
    mbedtls_x509_san_list item;
    unsigned char address[sizeof(struct in6_addr)];
};

static void alternative_set(struct alternative *a, const char *name)
{
    mbedtls_x509_subject_alternative_name *node = &a->item.node;
    mbedtls_x509_buf *value = &node->san.unstructured_name;
    bool is_v4 = inet_pton(AF_INET, name, a->address) == 1;
    if (is_v4 || inet_pton(AF_INET6, name, a->address) == 1) {
        node->type = MBEDTLS_X509_SAN_IP_ADDRESS;
        value->p = a->address;
        value->len = is_v4 ? sizeof(struct in_addr) : sizeof(struct in6_addr);
    } else {
        node->type = MBEDTLS_X509_SAN_DNS_NAME;
        value->p = (unsigned char *)(uintptr_t)name;
        value->len = strlen(name);
    }
}

static void time_write(char text[TIME_BYTES], int64_t unix_seconds)
{
    time_t t = (time_t)unix_seconds;
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(text, TIME_BYTES, "%Y%m%d%H%M%S", &tm);
}

static mbedtls_asn1_sequence usage(const char *oid)
{
    return (mbedtls_asn1_sequence){
        .buf = {.tag = MBEDTLS_ASN1_OID, .p = (unsigned char *)(uintptr_t)oid, .len = strlen(oid)}};
}

/* What the certificate says besides its names (RFC 5280 section 4.2.1). */
static int set_usage(mbedtls_x509write_cert *cert)
{
    mbedtls_asn1_sequence client = usage(MBEDTLS_OID_CLIENT_AUTH);
    mbedtls_asn1_sequence server = usage(MBEDTLS_OID_SERVER_AUTH);
    server.next = &client;
    int rc = mbedtls_x509write_crt_set_basic_constraints(cert, 0, -1);
    if (rc == 0)
        rc = mbedtls_x509write_crt_set_key_usage(cert, MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
    if (rc == 0)
        rc = mbedtls_x509write_crt_set_ext_key_usage(cert, &server);
    if (rc == 0)
        rc = mbedtls_x509write_crt_set_subject_key_identifier(cert);
    return rc;
}

static int set_names(mbedtls_x509write_cert *cert, const char *const *names, int n,
                     struct alternative *alternatives)
{
    char subject[300];
    snprintf(subject, sizeof subject, "O=weft development,CN=%s", names[0]);
    for (int i = 0; i < n; i++) {
        alternative_set(&alternatives[i], names[i]);
        alternatives[i].item.next = i > 0 ? &alternatives[i - 1].item
                                          : NULL; /* mbedtls writes the last first */
    }
    int rc = mbedtls_x509write_crt_set_subject_name(cert, subject);
    if (rc == 0)
        rc = mbedtls_x509write_crt_set_issuer_name(cert, subject);
    if (rc == 0)
        rc = mbedtls_x509write_crt_set_subject_alternative_name(cert, &alternatives[n - 1].item);
    return rc;
}

static int set_times(mbedtls_x509write_cert *cert, int days)
{
    char from[TIME_BYTES], to[TIME_BYTES];
    unsigned char serial[SERIAL_BYTES];
    int64_t now = (int64_t)time(NULL);
    time_write(from, now - CLOCK_SLACK_S);
    time_write(to, now + days * DAY_S);
    int rc = context_random(NULL, serial, sizeof serial);
    serial[0] = (serial[0] & 0x7f) | 1; /* positive, and not zero */
    if (rc == 0)
        rc = mbedtls_x509write_crt_set_serial_raw(cert, serial, sizeof serial);
    return rc ? rc : mbedtls_x509write_crt_set_validity(cert, from, to);
}

static int make(mbedtls_pk_context *key, const char *const *names, int n, int days,
                unsigned char cert_pem[PEM_BYTES], unsigned char key_pem[PEM_BYTES])
{
    mbedtls_x509write_cert cert;
    struct alternative alternatives[NAMES_MAX];
    memset(alternatives, 0, sizeof alternatives);
    mbedtls_x509write_crt_init(&cert);
    mbedtls_x509write_crt_set_version(&cert, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(&cert, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(&cert, key);
    mbedtls_x509write_crt_set_issuer_key(&cert, key);
    int rc = mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
    if (rc == 0)
        rc = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key), context_random,
                                 NULL);
    if (rc == 0)
        rc = set_names(&cert, names, n, alternatives);
    if (rc == 0)
        rc = set_times(&cert, days);
    if (rc == 0)
        rc = set_usage(&cert);
    if (rc == 0)
        rc = mbedtls_x509write_crt_pem(&cert, cert_pem, PEM_BYTES, context_random, NULL);
    if (rc == 0)
        rc = mbedtls_pk_write_key_pem(key, key_pem, PEM_BYTES);
    mbedtls_x509write_crt_free(&cert);
    return rc == 0 ? 0 : rc == MBEDTLS_ERR_X509_ALLOC_FAILED ? -ENOMEM : -EINVAL;
}

static int write_new(const char *path, const unsigned char *text, mode_t mode)
{
    size_t len = strlen((const char *)text);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, text, len);
    int rc = n == (ssize_t)len ? 0 : n < 0 ? -errno : -ENOSPC;
    if (close(fd) < 0 && rc == 0)
        rc = -errno;
    if (rc < 0)
        unlink(path);
    return rc;
}

int weft_tls_self_signed(const char *cert_path, const char *key_path, const char *const *names,
                         int n_names, int days)
{
    unsigned char cert_pem[PEM_BYTES], key_pem[PEM_BYTES];
    mbedtls_pk_context key;
    struct stat st;
    if (n_names < 1 || n_names > NAMES_MAX || days < 1 || days > DAYS_MAX)
        return -EINVAL;
    for (int i = 0; i < n_names; i++)
        if (!*names[i] || strlen(names[i]) > 253 || strpbrk(names[i], ",=+\\\"<>;# "))
            return -EINVAL;
    if (stat(cert_path, &st) == 0)
        return -EEXIST;
    if (context_library_init() < 0)
        return -ENOMEM;
    mbedtls_pk_init(&key);
    int rc = make(&key, names, n_names, days, cert_pem, key_pem);
    mbedtls_pk_free(&key);
    if (rc == 0)
        rc = write_new(key_path, key_pem, 0600);
    if (rc == 0 && (rc = write_new(cert_path, cert_pem, 0644)) < 0)
        unlink(key_path);
    mbedtls_platform_zeroize(key_pem, sizeof key_pem);
    return rc;
}
