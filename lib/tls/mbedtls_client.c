/* mbedtls_client.c: a client's context. */
#include <errno.h>

#include "mbedtls_context.h"

static int configure(struct tls_context *ctx, const weft_tls_dial_opts *opts)
{
    char why[TLS_WHY_BYTES];
    int rc = context_set_common(ctx, opts->min_version, opts->alpn);
    if (rc < 0)
        return rc;
    ctx->is_insecure = opts->insecure;
    mbedtls_ssl_conf_authmode(&ctx->config, opts->insecure ? MBEDTLS_SSL_VERIFY_NONE
                                                           : MBEDTLS_SSL_VERIFY_REQUIRED);
    if (!opts->insecure && (rc = context_add_authorities(ctx, opts->ca_file, why)) < 0)
        return rc;
    if (!opts->cert)
        return 0;
    rc = context_add_pair(ctx, opts->cert, opts->key, why);
    if (rc == 0 &&
        mbedtls_ssl_conf_own_cert(&ctx->config, &ctx->pairs[0]->chain, &ctx->pairs[0]->key) != 0)
        rc = -ENOMEM;
    return rc;
}

int tls_client_new(const weft_tls_dial_opts *opts, struct tls_context **ret_ctx)
{
    struct tls_context *ctx = context_new(MBEDTLS_SSL_IS_CLIENT);
    int rc = ctx ? configure(ctx, opts) : -ENOMEM;
    if (rc < 0) {
        tls_context_unref(ctx);
        return rc;
    }
    *ret_ctx = ctx;
    return 0;
}
