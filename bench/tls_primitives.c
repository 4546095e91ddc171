/* tls_primitives.c: what the pure work of TLS costs with the mbedtls that is installed: a line
 * "name<tab>ns" each. The handshake is mbedtls's own, server's side only, over memory: no sockets,
 * no runtime, nothing of weft. */
#include <mbedtls/chachapoly.h>
#include <mbedtls/ecdsa.h>
#include <mbedtls/gcm.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/x509_crt.h>
#include <psa/crypto.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { RECORD = 16384, SMALL = 150, TAG = 16, PIPE = 65536 };

static unsigned char buf[RECORD + TAG], out[RECORD + TAG];

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void say(const char *name, double since, int n)
{
    printf("%s\t%.1f\n", name, (now_ns() - since) / n);
}

static int rng(void *unused, unsigned char *to, size_t len)
{
    (void)unused;
    return getrandom(to, len, 0) == (ssize_t)len ? 0 : -1;
}

/* A server's half of an ephemeral key exchange: a key of its own, and the secret. */
static void exchange(const char *name, psa_ecc_family_t family, size_t bits)
{
    enum { N = 150 };
    psa_key_attributes_t a = PSA_KEY_ATTRIBUTES_INIT;
    psa_set_key_type(&a, PSA_KEY_TYPE_ECC_KEY_PAIR(family));
    psa_set_key_bits(&a, bits);
    psa_set_key_usage_flags(&a, PSA_KEY_USAGE_DERIVE);
    psa_set_key_algorithm(&a, PSA_ALG_ECDH);
    unsigned char peer[133], own[133], secret[66];
    size_t peer_len, len;
    mbedtls_svc_key_id_t key;
    psa_generate_key(&a, &key);
    psa_export_public_key(key, peer, sizeof peer, &peer_len);
    psa_destroy_key(key);
    double since = now_ns();
    for (int i = 0; i < N; i++) {
        psa_generate_key(&a, &key);
        psa_export_public_key(key, own, sizeof own, &len);
        psa_raw_key_agreement(PSA_ALG_ECDH, key, peer, peer_len, secret, sizeof secret, &len);
        psa_destroy_key(key);
    }
    say(name, since, N);
}

static void sign(void)
{
    enum { N = 300 };
    mbedtls_ecdsa_context key;
    unsigned char signature[MBEDTLS_ECDSA_MAX_LEN];
    size_t len;
    mbedtls_ecdsa_init(&key);
    mbedtls_ecdsa_genkey(&key, MBEDTLS_ECP_DP_SECP256R1, rng, NULL);
    double since = now_ns();
    for (int i = 0; i < N; i++)
        mbedtls_ecdsa_write_signature(&key, MBEDTLS_MD_SHA256, buf, 32, signature, sizeof signature,
                                      &len, rng, NULL);
    say("sign_p256", since, N);
    mbedtls_ecdsa_free(&key);
}

static void seal(void)
{
    enum { N = 2000, N_SMALL = 50000 };
    unsigned char tag[TAG], nonce[12] = {0}, key[32] = {0};
    mbedtls_chachapoly_context chacha;
    mbedtls_chachapoly_init(&chacha);
    mbedtls_chachapoly_setkey(&chacha, key);
    double since = now_ns();
    for (int i = 0; i < N; i++)
        mbedtls_chachapoly_encrypt_and_tag(&chacha, RECORD, nonce, buf, 13, buf, out, tag);
    say("seal_chacha20_16k", since, N);
    since = now_ns();
    for (int i = 0; i < N_SMALL; i++)
        mbedtls_chachapoly_encrypt_and_tag(&chacha, SMALL, nonce, buf, 13, buf, out, tag);
    say("seal_chacha20_150", since, N_SMALL);
    for (unsigned bits = 128; bits <= 256; bits += 128) {
        mbedtls_gcm_context gcm;
        mbedtls_gcm_init(&gcm);
        mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key, bits);
        since = now_ns();
        for (int i = 0; i < N; i++)
            mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, RECORD, nonce, 12, buf, 13, buf,
                                      out, TAG, tag);
        say(bits == 128 ? "seal_aes128gcm_16k" : "seal_aes256gcm_16k", since, N);
        since = now_ns();
        for (int i = 0; i < N_SMALL; i++)
            mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, SMALL, nonce, 12, buf, 13, buf,
                                      out, TAG, tag);
        say(bits == 128 ? "seal_aes128gcm_150" : "seal_aes256gcm_150", since, N_SMALL);
        mbedtls_gcm_free(&gcm);
    }
    mbedtls_chachapoly_free(&chacha);
}

/* ---- a handshake over memory ---- */

struct pipe {
    unsigned char bytes[PIPE];
    size_t from, to;
};

struct end {
    struct pipe *in, *out;
};

static int end_send(void *arg, const unsigned char *data, size_t len)
{
    struct pipe *p = ((struct end *)arg)->out;
    if (p->from == p->to)
        p->from = p->to = 0;
    if (len > PIPE - p->to)
        return MBEDTLS_ERR_SSL_WANT_WRITE;
    memcpy(p->bytes + p->to, data, len);
    p->to += len;
    return (int)len;
}

static int end_recv(void *arg, unsigned char *data, size_t len)
{
    struct pipe *p = ((struct end *)arg)->in;
    size_t n = p->to - p->from < len ? p->to - p->from : len;
    if (n == 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    memcpy(data, p->bytes + p->from, n);
    p->from += n;
    return (int)n;
}

struct side {
    mbedtls_ssl_config config;
    mbedtls_ssl_ticket_context tickets;
};

static void side_init(struct side *s, int endpoint, mbedtls_ssl_protocol_version version,
                      const uint16_t *groups)
{
    static const int suites[] = {MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
                                 MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, 0};
    mbedtls_ssl_config_init(&s->config);
    mbedtls_ssl_ticket_init(&s->tickets);
    mbedtls_ssl_config_defaults(&s->config, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM,
                                MBEDTLS_SSL_PRESET_DEFAULT);
    mbedtls_ssl_conf_rng(&s->config, rng, NULL);
    mbedtls_ssl_conf_authmode(&s->config, MBEDTLS_SSL_VERIFY_NONE);
    mbedtls_ssl_conf_min_tls_version(&s->config, version);
    mbedtls_ssl_conf_max_tls_version(&s->config, version);
    mbedtls_ssl_conf_groups(&s->config, groups);
    mbedtls_ssl_conf_ciphersuites(&s->config, suites);
    if (endpoint != MBEDTLS_SSL_IS_SERVER)
        return;
    mbedtls_ssl_ticket_setup(&s->tickets, rng, NULL, MBEDTLS_CIPHER_AES_256_GCM, 3600);
    mbedtls_ssl_conf_session_tickets_cb(&s->config, mbedtls_ssl_ticket_write,
                                        mbedtls_ssl_ticket_parse, &s->tickets);
}

/* One handshake. Returns the CPU time of the server's side in nanoseconds. */
static double shake(struct side *server, struct side *client, mbedtls_ssl_session *session,
                    int resumes)
{
    static struct pipe up, down;
    struct end server_end = {&up, &down}, client_end = {&down, &up};
    mbedtls_ssl_context s, c;
    up.from = up.to = down.from = down.to = 0;
    mbedtls_ssl_init(&c);
    mbedtls_ssl_setup(&c, &client->config);
    mbedtls_ssl_set_hostname(&c, "localhost");
    mbedtls_ssl_set_bio(&c, &client_end, end_send, end_recv, NULL);
    if (resumes)
        mbedtls_ssl_set_session(&c, session);
    double since = now_ns(), spent;
    mbedtls_ssl_init(&s);
    mbedtls_ssl_setup(&s, &server->config);
    mbedtls_ssl_set_bio(&s, &server_end, end_send, end_recv, NULL);
    spent = now_ns() - since;
    int done_c, done_s;
    do {
        done_c = mbedtls_ssl_handshake(&c);
        since = now_ns();
        done_s = mbedtls_ssl_handshake(&s);
        spent += now_ns() - since;
    } while ((done_c == MBEDTLS_ERR_SSL_WANT_READ || done_s == MBEDTLS_ERR_SSL_WANT_READ));
    if (done_c || done_s) {
        fprintf(stderr, "handshake over memory failed: %d, %d\n", done_c, done_s);
        exit(1);
    }
    if (!resumes)
        mbedtls_ssl_get_session(&c, session);
    mbedtls_ssl_free(&c);
    since = now_ns();
    mbedtls_ssl_free(&s);
    return spent + now_ns() - since;
}

static void handshakes(const char *cert, const char *key)
{
    enum { N = 100 };
    static const uint16_t p256[] = {MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1, 0};
    static const uint16_t x25519[] = {MBEDTLS_SSL_IANA_TLS_GROUP_X25519, 0};
    static const struct {
        const char *name;
        mbedtls_ssl_protocol_version version;
        const uint16_t *groups;
        int resumes;
    } kinds[] = {{"handshake_1.3_x25519", MBEDTLS_SSL_VERSION_TLS1_3, x25519, 0},
                 {"handshake_1.3_p256", MBEDTLS_SSL_VERSION_TLS1_3, p256, 0},
                 {"handshake_1.2_p256", MBEDTLS_SSL_VERSION_TLS1_2, p256, 0},
                 {"handshake_1.2_resumed", MBEDTLS_SSL_VERSION_TLS1_2, p256, 1}};
    mbedtls_x509_crt chain;
    mbedtls_pk_context pk;
    mbedtls_x509_crt_init(&chain);
    mbedtls_pk_init(&pk);
    if (mbedtls_x509_crt_parse_file(&chain, cert) != 0 ||
        mbedtls_pk_parse_keyfile(&pk, key, NULL, rng, NULL) != 0) {
        fprintf(stderr, "cannot read %s and %s\n", cert, key);
        exit(1);
    }
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        struct side server, client;
        mbedtls_ssl_session session;
        double spent = 0;
        mbedtls_ssl_session_init(&session);
        side_init(&server, MBEDTLS_SSL_IS_SERVER, kinds[k].version, kinds[k].groups);
        side_init(&client, MBEDTLS_SSL_IS_CLIENT, kinds[k].version, kinds[k].groups);
        mbedtls_ssl_conf_own_cert(&server.config, &chain, &pk);
        shake(&server, &client, &session, 0);
        for (int i = 0; i < N; i++) {
            mbedtls_ssl_session fresh;
            mbedtls_ssl_session_init(&fresh);
            spent += shake(&server, &client, kinds[k].resumes ? &session : &fresh,
                           kinds[k].resumes);
            mbedtls_ssl_session_free(&fresh);
        }
        printf("%s\t%.1f\n", kinds[k].name, spent / N);
        mbedtls_ssl_session_free(&session);
        mbedtls_ssl_config_free(&server.config);
        mbedtls_ssl_ticket_free(&server.tickets);
        mbedtls_ssl_config_free(&client.config);
    }
    mbedtls_pk_free(&pk);
    mbedtls_x509_crt_free(&chain);
}

int main(int argc, char **argv)
{
    if (argc != 3 || psa_crypto_init() != PSA_SUCCESS) {
        fprintf(stderr, "usage: tls_primitives CERT KEY\n");
        return 2;
    }
    exchange("exchange_p256", PSA_ECC_FAMILY_SECP_R1, 256);
    exchange("exchange_x25519", PSA_ECC_FAMILY_MONTGOMERY, 255);
    sign();
    seal();
    handshakes(argv[1], argv[2]);
    return 0;
}
