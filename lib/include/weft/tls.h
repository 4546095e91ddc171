/* weft/tls.h: TLS 1.2 and 1.3, for servers (weft_serve_opts.tls) and by hand (weft_dial_tls).
 *
 * A connection over TLS is a weft_conn like any other: reads, writes, half-close and deadlines mean
 * the same. What is negotiated: AEAD ciphers and ephemeral keys only (forward secrecy), no
 * renegotiation, no compression, no early data. */
#ifndef WEFT_TLS_H
#define WEFT_TLS_H

#include <weft/base.h>
#include <weft/net.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { WEFT_TLS_MAX_CERTS = 16, WEFT_TLS_MAX_ALPN = 8, WEFT_TLS_MAX_REDIRECT = 4 };

enum { WEFT_TLS_1_2 = 0x0303, WEFT_TLS_1_3 = 0x0304 };

enum {
    WEFT_TLS_CLIENT_NONE,
    WEFT_TLS_CLIENT_OPTIONAL, /* a client may send a certificate; one that does not verify is
                                 refused */
    WEFT_TLS_CLIENT_REQUIRED,
};

/* A certificate and its key: paths of PEM files. The certificate's file holds its chain, the
 * server's own first; both may be one file. */
typedef struct weft_tls_cert {
    const char *cert, *key;
} weft_tls_cert;

/* How a server speaks TLS; all zero: it does not. Else a zero field means its default. Files are
 * read at start, and again on SIGHUP and a few seconds after one has changed: connections that are
 * open keep what they have, and files that are wrong are said on stderr and change nothing. */
typedef struct weft_tls_opts {
    const char *cert, *key;                  /* the certificate for clients that name no other */
    weft_tls_cert certs[WEFT_TLS_MAX_CERTS]; /* more, ended by one without `cert`: chosen by the
                                              * name that the client asks for (SNI), wildcards
                                              * included; of several for a name (ECDSA and RSA) the
                                              * first that the client can use */
    const char *client_ca; /* PEM file of the authorities that client certificates come from */
    int client_auth;       /* WEFT_TLS_CLIENT_...; REQUIRED by default when client_ca is set */
    int min_version;       /* WEFT_TLS_1_2 (default) or WEFT_TLS_1_3 */
    const char *alpn[WEFT_TLS_MAX_ALPN]; /* protocols in order of preference; default "http/1.1" */
    int no_tickets;                      /* 1: no session tickets, so no resumption */
    int64_t ticket_lifetime;   /* of a ticket, and between new ticket keys; at least 1 s, at most 7
                                * days; default 12 hours. With client certificates there are no
                                * tickets: each connection proves who it is. */
    int64_t handshake_timeout; /* from the first byte to the handshake's end; default 10 s */
    int max_handshakes; /* how many compute at the same time; the others wait their turn; default
                         * half the processors, at least one, so that others are served quickly */
    int no_watch;       /* 1: do not look for changed files; SIGHUP still reads them again */
    const char *hsts;   /* the value of Strict-Transport-Security (RFC 6797), as
                         * "max-age=31536000"; default: the header is not sent */
    const char *redirect[WEFT_TLS_MAX_REDIRECT]; /* addresses where plain HTTP is answered with a
                                                  * redirect (308) to the first TLS address */
} weft_tls_opts;

/* What was negotiated. The text belongs to the connection and lives as long as it. */
typedef struct weft_tls_info {
    const char *version;      /* "TLSv1.3" */
    const char *cipher;       /* "TLS1-3-CHACHA20-POLY1305-SHA256" */
    const char *alpn;         /* NULL: none */
    const char *server_name;  /* what the client asked for (SNI); NULL: none */
    const char *peer_subject; /* the peer's verified certificate: "C=.., O=.., CN=.."; NULL: none */
    const char *peer_sha256;  /* its fingerprint, 64 hexadecimal digits; NULL: none */
} weft_tls_info;

/* Gives what TLS has negotiated on a connection. Returns 0; -ENOTCONN for one without TLS. Does not
 * park; any thread that holds the connection. */
WEFT_API int weft_conn_tls(const weft_conn *c, weft_tls_info *ret_info);

/* How a connection is dialled; a zero field means its default. */
typedef struct weft_tls_dial_opts {
    const char *server_name; /* asked for (SNI) and verified; default: the address's host */
    const char *ca_file;     /* PEM file of authorities; default: SSL_CERT_FILE in the environment,
                              * else the system's store */
    const char *cert, *key;  /* a client certificate; default none */
    int min_version;         /* WEFT_TLS_1_2 (default) or WEFT_TLS_1_3 */
    const char *alpn[WEFT_TLS_MAX_ALPN]; /* default none */
    int insecure;    /* 1: whoever answers is believed; for tests on one's own machine only */
    int64_t timeout; /* for all of it, the name's look-up included; default 30 s */
} weft_tls_dial_opts;

/* Connects to host:port over TCP and shakes hands; weft_dial("tls", address, ...) is this with
 * default options. The peer's certificate must chain to an authority of the store, be in its time,
 * and be for server_name. Authorities are read once and kept; they are read again when their file
 * has changed.
 *
 * opts: may be NULL. Nothing of it is kept.
 * Returns 0 and the connection, which the caller closes; -EKEYREJECTED when the certificate does
 * not verify; -EPROTO when no agreement was reached; -ENOENT, -EACCES when a file cannot be read,
 * -EBADMSG when it holds no certificate or key, or the key is of another certificate; else
 * weft_dial's errors. Parks. */
WEFT_API int weft_dial_tls(const char *address, const weft_tls_dial_opts *opts,
                           weft_conn **ret_conn);

/* Makes a key (ECDSA, P-256) and a certificate signed by itself, for development, and writes them
 * as PEM files; the key's can be read by its owner only.
 *
 * names: n_names host names and IP addresses that it is for; the first is its subject.
 * days: how long from now, at most 3650.
 * Returns 0; -EEXIST when a file is there already (none is overwritten); the errors of open(2) and
 * write(2); -EINVAL; -ENOMEM. Blocks the thread for some milliseconds; any thread. */
WEFT_API int weft_tls_self_signed(const char *cert_path, const char *key_path,
                                  const char *const *names, int n_names, int days);

#ifdef __cplusplus
}
#endif
#endif
