/* mbedtls_context.c: what a server's and a client's contexts have in common. */
#include "mbedtls_context.h"

#include <errno.h>
#include <mbedtls/error.h>
#include <psa/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "assert.h"
#include "mbedtls_session.h"

/* AEAD with forward secrecy only. ChaCha20 stands first: mbedtls encrypts 16 KB with it in 40 us
 * and with AES-128-GCM in 53 (bench/tls_primitives.c). */
#define SUITES_1_2                                                                                 \
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,                                         \
        MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,                                       \
        MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,                                           \
        MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,                                             \
        MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,                                           \
        MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, 0

static const int cipher_suites[] = {MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
                                    MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
                                    MBEDTLS_TLS1_3_AES_256_GCM_SHA384, SUITES_1_2};

static const int chacha20_suites[] = {MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256, SUITES_1_2};
static const int aes_128_suites[] = {MBEDTLS_TLS1_3_AES_128_GCM_SHA256, SUITES_1_2};
static const int aes_256_suites[] = {MBEDTLS_TLS1_3_AES_256_GCM_SHA384, SUITES_1_2};

/* The cheapest first: a key exchange takes mbedtls 1.4 ms on P-256 and 1.8 ms on X25519
 * (bench/tls_primitives). */
static const uint16_t groups[] = {
    MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1, MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
    MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1, MBEDTLS_SSL_IANA_TLS_GROUP_SECP521R1,
    MBEDTLS_SSL_IANA_TLS_GROUP_NONE,
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static int library_status;

static void library_init(void)
{
    library_status = psa_crypto_init() == PSA_SUCCESS ? 0 : -ENOMEM; /* TLS 1.3 stands on it */
}

int context_library_init(void)
{
    pthread_once(&library_once, library_init);
    return library_status;
}

int context_random(void *unused, unsigned char *buf, size_t len)
{
    (void)unused;
    while (len) {
        ssize_t n = getrandom(buf, len, 0);
        if (n > 0) {
            buf += n;
            len -= (size_t)n;
        } else if (errno != EINTR) {
            return MBEDTLS_ERR_ERROR_GENERIC_ERROR;
        }
    }
    return 0;
}

struct tls_context *context_new(int endpoint)
{
    struct tls_context *ctx = calloc(1, sizeof *ctx);
    if (!ctx || context_library_init() < 0) {
        free(ctx);
        return NULL;
    }
    atomic_init(&ctx->refs, 1);
    mbedtls_ssl_config_init(&ctx->config);
    mbedtls_x509_crt_init(&ctx->authorities);
    ctx->computing = (weft_sem)WEFT_SEM_INIT(INT64_MAX);
    if (mbedtls_ssl_config_defaults(&ctx->config, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM,
                                    MBEDTLS_SSL_PRESET_DEFAULT) != 0) {
        tls_context_unref(ctx);
        return NULL;
    }
    mbedtls_ssl_conf_rng(&ctx->config, context_random, NULL);
    mbedtls_ssl_conf_ciphersuites(&ctx->config, cipher_suites);
    mbedtls_ssl_conf_groups(&ctx->config, groups);
    mbedtls_ssl_conf_renegotiation(&ctx->config, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
    /* A resumption without a key exchange of its own would have no forward secrecy. */
    mbedtls_ssl_conf_tls13_key_exchange_modes(
        &ctx->config, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL |
                          MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL);
    return ctx;
}

int context_set_common(struct tls_context *ctx, int min_version, const char *const *alpn)
{
    size_t used = 0;
    int n = 0;
    if (min_version != 0 && min_version != WEFT_TLS_1_2 && min_version != WEFT_TLS_1_3)
        return -EINVAL;
    mbedtls_ssl_conf_min_tls_version(&ctx->config, min_version == WEFT_TLS_1_3
                                                       ? MBEDTLS_SSL_VERSION_TLS1_3
                                                       : MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_max_tls_version(&ctx->config, MBEDTLS_SSL_VERSION_TLS1_3);
    for (; n < WEFT_TLS_MAX_ALPN && alpn[n]; n++) {
        size_t len = strlen(alpn[n]);
        if (len == 0 || used + len + 1 > sizeof ctx->alpn_text)
            return -EINVAL;
        ctx->alpn[n] = memcpy(ctx->alpn_text + used, alpn[n], len + 1);
        used += len + 1;
    }
    ctx->alpn[n] = NULL;
    if (n && mbedtls_ssl_conf_alpn_protocols(&ctx->config, ctx->alpn) != 0)
        return -EINVAL;
    return 0;
}

void context_split_by_cipher(struct tls_context *ctx)
{
    static const int *const suites[HELLO_UNKNOWN] = {
        [HELLO_CHACHA20] = chacha20_suites,
        [HELLO_AES_128] = aes_128_suites,
        [HELLO_AES_256] = aes_256_suites,
    };
    for (int i = 0; i < HELLO_UNKNOWN; i++) {
        ctx->by_cipher[i] = ctx->config;
        mbedtls_ssl_conf_ciphersuites(&ctx->by_cipher[i], suites[i]);
    }
}

struct tls_context *tls_context_ref(struct tls_context *ctx)
{
    atomic_fetch_add_explicit(&ctx->refs, 1, memory_order_relaxed); /* the caller has one */
    return ctx;
}

static void tickets_unref(struct tls_tickets *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) > 1)
        return;
    mbedtls_ssl_ticket_free(&t->keys);
    free(t);
}

void tls_context_unref(struct tls_context *ctx)
{
    /* pairs with itself: the last one sees what the others did */
    if (!ctx || atomic_fetch_sub_explicit(&ctx->refs, 1, memory_order_acq_rel) > 1)
        return;
    mbedtls_ssl_config_free(&ctx->config);
    for (int i = 0; i < ctx->n_pairs; i++) {
        mbedtls_x509_crt_free(&ctx->pairs[i]->chain);
        mbedtls_pk_free(&ctx->pairs[i]->key);
        free(ctx->pairs[i]);
    }
    mbedtls_x509_crt_free(&ctx->authorities);
    tickets_unref(ctx->tickets);
    free(ctx);
}
