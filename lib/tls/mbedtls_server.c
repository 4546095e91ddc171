/* mbedtls_server.c: a server's context, and which certificate a client gets. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <weft/rt.h>

#include "mbedtls_session.h"

static const int64_t TICKET_LIFETIME_NS = 12 * 3600 * WEFT_SEC;
static const int64_t TICKET_LIFETIME_MAX_NS = 7 * 24 * 3600 * WEFT_SEC; /* RFC 8446 4.6.1 */

/* "*.example.com" is for "a.example.com", and neither for "example.com" nor for "a.b.example.com".
 */
static bool name_matches(const char *pattern, size_t pattern_len, const char *name, size_t len,
                         bool exact)
{
    if (exact)
        return pattern_len == len && strncasecmp(pattern, name, len) == 0;
    const char *dot = memchr(name, '.', len);
    if (pattern_len < 3 || pattern[0] != '*' || pattern[1] != '.' || !dot || dot == name)
        return false;
    size_t rest = len - (size_t)(dot - name);
    return rest == pattern_len - 1 && strncasecmp(pattern + 1, dot, rest) == 0;
}

bool context_cert_matches(const mbedtls_x509_crt *cert, const char *name, size_t len, bool exact)
{
    const mbedtls_x509_sequence *at = &cert->subject_alt_names;
    for (; at && at->buf.p; at = at->next) {
        bool is_dns = (at->buf.tag & 0x1f) == MBEDTLS_X509_SAN_DNS_NAME;
        if (is_dns && name_matches((const char *)at->buf.p, at->buf.len, name, len, exact))
            return true;
    }
    return false;
}

static int offer_matching(struct tls_context *ctx, mbedtls_ssl_context *ssl, const char *name,
                          size_t len, bool exact)
{
    int found = 0;
    for (int i = 0; i < ctx->n_pairs; i++) {
        struct tls_pair *pair = ctx->pairs[i];
        if (!context_cert_matches(&pair->chain, name, len, exact))
            continue;
        if (mbedtls_ssl_set_hs_own_cert(ssl, &pair->chain, &pair->key) != 0)
            return -ENOMEM;
        found++;
    }
    return found;
}

int context_choose(void *context, mbedtls_ssl_context *ssl, const unsigned char *name, size_t len)
{
    struct tls_session *s = mbedtls_ssl_get_user_data_p(ssl);
    const char *text = (const char *)name;
    if (len == 0 || len >= SESSION_NAME_BYTES || memchr(text, '\0', len))
        return -1;        /* mbedtls says unrecognized_name */
    free(s->server_name); /* a second hello may have come */
    s->server_name = strndup(text, len);
    int found = s->server_name ? offer_matching(context, ssl, text, len, true) : -ENOMEM;
    if (found == 0)
        found = offer_matching(context, ssl, text, len, false);
    return found < 0 ? -1 : 0; /* none: the default's, as a client without a name gets */
}

static bool names_one_of(const mbedtls_x509_crt *cert, const mbedtls_x509_crt *other)
{
    const mbedtls_x509_sequence *at = &other->subject_alt_names;
    for (; at && at->buf.p; at = at->next)
        if ((at->buf.tag & 0x1f) == MBEDTLS_X509_SAN_DNS_NAME &&
            context_cert_matches(cert, (const char *)at->buf.p, at->buf.len, true))
            return true;
    return false;
}

/* The default's certificate, and its siblings of another kind: for one of its names. */
static int set_default_certs(struct tls_context *ctx)
{
    const struct tls_pair *first = ctx->pairs[0];
    for (int i = 0; i < ctx->n_pairs; i++) {
        struct tls_pair *pair = ctx->pairs[i];
        if (i > 0 && !names_one_of(&pair->chain, &first->chain))
            continue;
        if (mbedtls_ssl_conf_own_cert(&ctx->config, &pair->chain, &pair->key) != 0)
            return -ENOMEM;
    }
    return 0;
}

static int set_tickets(struct tls_context *ctx, const weft_tls_opts *opts,
                       const struct tls_context *before)
{
    int64_t lifetime = opts->ticket_lifetime ? opts->ticket_lifetime : TICKET_LIFETIME_NS;
    if (lifetime < WEFT_SEC || lifetime > TICKET_LIFETIME_MAX_NS)
        return -EINVAL;
    if (opts->no_tickets || opts->client_auth) {
        mbedtls_ssl_conf_session_tickets(&ctx->config, MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
        return 0;
    }
    if (before && before->tickets) {
        ctx->tickets = before->tickets;
        atomic_fetch_add_explicit(&ctx->tickets->refs, 1, memory_order_relaxed);
    } else {
        ctx->tickets = calloc(1, sizeof *ctx->tickets);
        if (!ctx->tickets)
            return -ENOMEM;
        atomic_init(&ctx->tickets->refs, 1);
        mbedtls_ssl_ticket_init(&ctx->tickets->keys);
        if (mbedtls_ssl_ticket_setup(&ctx->tickets->keys, context_random, NULL,
                                     MBEDTLS_CIPHER_AES_256_GCM,
                                     (uint32_t)(lifetime / WEFT_SEC)) != 0)
            return -ENOMEM;
    }
    mbedtls_ssl_conf_session_tickets_cb(&ctx->config, mbedtls_ssl_ticket_write,
                                        mbedtls_ssl_ticket_parse, &ctx->tickets->keys);
    return 0;
}

static int set_client_auth(struct tls_context *ctx, const weft_tls_opts *opts, char *why)
{
    if (opts->client_auth == WEFT_TLS_CLIENT_NONE) {
        mbedtls_ssl_conf_authmode(&ctx->config, MBEDTLS_SSL_VERIFY_NONE);
        return 0;
    }
    if (!opts->client_ca) {
        snprintf(why, TLS_WHY_BYTES, "client certificates are asked for without client_ca");
        return -EINVAL;
    }
    mbedtls_ssl_conf_authmode(&ctx->config, opts->client_auth == WEFT_TLS_CLIENT_REQUIRED
                                                ? MBEDTLS_SSL_VERIFY_REQUIRED
                                                : MBEDTLS_SSL_VERIFY_OPTIONAL);
    return context_add_authorities(ctx, opts->client_ca, why);
}

static int read_pairs(struct tls_context *ctx, const weft_tls_opts *opts, char *why)
{
    int rc = opts->cert ? context_add_pair(ctx, opts->cert, opts->key, why) : 0;
    for (int i = 0; i < WEFT_TLS_MAX_CERTS && opts->certs[i].cert && rc == 0; i++)
        rc = context_add_pair(ctx, opts->certs[i].cert, opts->certs[i].key, why);
    return rc;
}

static int configure(struct tls_context *ctx, const weft_tls_opts *opts,
                     const struct tls_context *before, char *why)
{
    static const char *const http[WEFT_TLS_MAX_ALPN] = {"http/1.1"};
    int rc = read_pairs(ctx, opts, why);
    if (rc == 0)
        rc = set_client_auth(ctx, opts, why);
    if (rc < 0)
        return rc;
    snprintf(why, TLS_WHY_BYTES, "an option is out of its range");
    rc = context_set_common(ctx, opts->min_version, opts->alpn[0] ? opts->alpn : http);
    if (rc == 0)
        rc = set_default_certs(ctx);
    if (rc == 0)
        rc = set_tickets(ctx, opts, before);
    mbedtls_ssl_conf_sni(&ctx->config, context_choose, ctx);
    context_split_by_cipher(ctx);
    return rc;
}

int tls_server_new(const weft_tls_opts *opts, const struct tls_context *before, char *why,
                   struct tls_context **ret_ctx)
{
    weft_tls_opts o = *opts;
    if (o.client_ca && o.client_auth == WEFT_TLS_CLIENT_NONE)
        o.client_auth = WEFT_TLS_CLIENT_REQUIRED;
    struct tls_context *ctx = context_new(MBEDTLS_SSL_IS_SERVER);
    int rc = ctx ? configure(ctx, &o, before, why) : -ENOMEM;
    if (rc < 0) {
        if (rc == -ENOMEM)
            snprintf(why, TLS_WHY_BYTES, "out of memory");
        tls_context_unref(ctx);
        return rc == -ENOMEM ? rc : -EINVAL;
    }
    int procs = weft_default_procs();
    int most = o.max_handshakes ? o.max_handshakes : procs > 1 ? procs / 2 : 1;
    ctx->computing = (weft_sem)WEFT_SEM_INIT(most);
    *ret_ctx = ctx;
    return 0;
}
