/* mbedtls_files.c: certificates, keys and authorities from PEM files, with what may be wrong with
 * them said by name. */
#include <errno.h>
#include <fcntl.h>
#include <mbedtls/error.h>
#include <mbedtls/pem.h>
#include <mbedtls/platform_util.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mbedtls_context.h"

enum { FILE_MAX = 4 << 20 };

/* The whole of a file, terminated: mbedtls counts the terminator of PEM. The caller frees it. */
static int read_file(const char *path, const char *what, unsigned char **ret_text, size_t *ret_len,
                     char *why)
{
    int rc = 0;
    struct stat st = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        rc = -errno;
    else if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
        rc = -EBADMSG;
    unsigned char *text = rc == 0 ? malloc((size_t)st.st_size + 1) : NULL;
    if (rc == 0 && !text)
        rc = -ENOMEM;
    ssize_t n = rc == 0 ? read(fd, text, (size_t)st.st_size) : 0;
    if (rc == 0 && n != st.st_size)
        rc = n < 0 ? -errno : -EBADMSG;
    if (fd >= 0)
        close(fd);
    if (rc < 0) {
        snprintf(why, TLS_WHY_BYTES, "cannot read the %s '%s': %s", what, path,
                 rc == -EBADMSG ? "it is no ordinary file" : strerror(-rc));
        free(text);
        return rc;
    }
    text[n] = '\0';
    *ret_text = text;
    *ret_len = (size_t)n + 1;
    return 0;
}

static int parse_certs(mbedtls_x509_crt *chain, const char *path, const char *what, char *why)
{
    unsigned char *text;
    size_t len;
    int rc = read_file(path, what, &text, &len, why);
    if (rc < 0)
        return rc;
    rc = mbedtls_x509_crt_parse(chain, text, len);
    free(text);
    if (rc == 0)
        return 0;
    if (rc > 0)
        snprintf(why, TLS_WHY_BYTES, "%d of the certificates in '%s' cannot be read", rc, path);
    else
        snprintf(why, TLS_WHY_BYTES, "the %s '%s' holds no PEM certificate", what, path);
    return -EBADMSG;
}

static int parse_key(mbedtls_pk_context *key, const char *path, char *why)
{
    unsigned char *text;
    size_t len;
    int rc = read_file(path, "key", &text, &len, why);
    if (rc < 0)
        return rc;
    rc = mbedtls_pk_parse_key(key, text, len, NULL, 0, context_random, NULL);
    mbedtls_platform_zeroize(text, len);
    free(text);
    if (rc == 0)
        return 0;
    bool is_locked = rc == MBEDTLS_ERR_PK_PASSWORD_REQUIRED ||
                     rc == MBEDTLS_ERR_PEM_PASSWORD_REQUIRED;
    snprintf(why, TLS_WHY_BYTES,
             is_locked ? "the key '%s' is protected by a password"
                       : "the key '%s' holds no PEM private key",
             path);
    return -EBADMSG;
}

static void say_time(const mbedtls_x509_crt *cert, const char *path, const char *what,
                     const mbedtls_x509_time *t, char *why)
{
    char name[200];
    if (mbedtls_x509_dn_gets(name, sizeof name, &cert->subject) < 0)
        snprintf(name, sizeof name, "unnamed");
    snprintf(why, TLS_WHY_BYTES, "the certificate '%s' (%s) %s %04d-%02d-%02d %02d:%02d:%02d UTC",
             path, name, what, t->year, t->mon, t->day, t->hour, t->min, t->sec);
}

/* Every certificate of a chain in its time. */
static int check_times(const mbedtls_x509_crt *chain, const char *path, char *why)
{
    for (const mbedtls_x509_crt *cert = chain; cert; cert = cert->next) {
        if (mbedtls_x509_time_is_past(&cert->valid_to)) {
            say_time(cert, path, "expired on", &cert->valid_to, why);
            return -EBADMSG;
        }
        if (mbedtls_x509_time_is_future(&cert->valid_from)) {
            say_time(cert, path, "is not valid before", &cert->valid_from, why);
            return -EBADMSG;
        }
    }
    return 0;
}

int context_add_pair(struct tls_context *ctx, const char *cert, const char *key, char *why)
{
    if (!key) {
        snprintf(why, TLS_WHY_BYTES, "the certificate '%s' is given without its key", cert);
        return -EBADMSG;
    }
    struct tls_pair *pair = calloc(1, sizeof *pair);
    if (!pair) {
        snprintf(why, TLS_WHY_BYTES, "out of memory");
        return -ENOMEM;
    }
    mbedtls_x509_crt_init(&pair->chain);
    mbedtls_pk_init(&pair->key);
    ctx->pairs[ctx->n_pairs++] = pair; /* freed with the context, whatever comes */
    int rc = parse_certs(&pair->chain, cert, "certificate", why);
    if (rc == 0)
        rc = check_times(&pair->chain, cert, why);
    if (rc == 0)
        rc = parse_key(&pair->key, key, why);
    if (rc < 0)
        return rc;
    if (mbedtls_pk_check_pair(&pair->chain.pk, &pair->key, context_random, NULL) != 0) {
        snprintf(why, TLS_WHY_BYTES, "the key '%s' does not belong to the certificate '%s'", key,
                 cert);
        return -EBADMSG;
    }
    return 0;
}

int context_add_authorities(struct tls_context *ctx, const char *path, char *why)
{
    int rc = parse_certs(&ctx->authorities, path, "authorities' file", why);
    if (rc == 0)
        mbedtls_ssl_conf_ca_chain(&ctx->config, &ctx->authorities, NULL);
    return rc;
}
