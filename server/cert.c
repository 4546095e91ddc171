#include "cert.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "options.h"

enum { NAMES_MAX = 32, DAYS_DEFAULT = 365, DAYS_MAX = 3650 };

struct wish {
    const char *prefix;
    int days;
    const char *names[NAMES_MAX];
    int n_names;
};

/* Reads one argument, and its value if it has one. Returns how many were used, or -EINVAL, said. */
static int take(struct wish *w, char **argv, int argc)
{
    const char *name = argv[0], *value = argc > 1 ? argv[1] : NULL;
    if (strcmp(name, "--out") == 0 && value) {
        w->prefix = value;
        return 2;
    }
    if (strcmp(name, "--days") == 0 && value) {
        char *end;
        long days = strtol(value, &end, 10);
        if (*value && !*end && days >= 1 && days <= DAYS_MAX) {
            w->days = (int)days;
            return 2;
        }
        fprintf(stderr, "weft: --days wants a number from 1 to %d, not '%s'\n", DAYS_MAX, value);
        return -EINVAL;
    }
    if (name[0] == '-') {
        fprintf(stderr, "weft: cert knows --out PREFIX and --days N, not '%s'\n", name);
        return -EINVAL;
    }
    if (w->n_names == NAMES_MAX) {
        fprintf(stderr, "weft: a certificate for %d names at most\n", NAMES_MAX);
        return -EINVAL;
    }
    w->names[w->n_names++] = name;
    return 1;
}

int cert_command(int argc, char **argv)
{
    struct wish w = {"weft", DAYS_DEFAULT, {"localhost", "127.0.0.1", "::1"}, 3};
    char cert[4096], key[4096];
    for (int i = 0; i < argc;) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(options_help, stdout);
            return 0;
        }
        int used = take(&w, argv + i, argc - i);
        if (used < 0)
            return 2;
        i += used;
    }
    snprintf(cert, sizeof cert, "%s-cert.pem", w.prefix);
    snprintf(key, sizeof key, "%s-key.pem", w.prefix);
    int rc = weft_tls_self_signed(cert, key, w.names, w.n_names, w.days);
    if (rc < 0) {
        fprintf(stderr, "weft: cannot make '%s' and '%s': %s\n", cert, key,
                rc == -EINVAL ? "a name is no host name and no IP address" : strerror(-rc));
        return 2;
    }
    printf("%s and %s are good for %d days\n"
           "try: weft serve --tls-cert %s --tls-key %s\n"
           "     curl --cacert %s https://localhost:8080/\n",
           cert, key, w.days, cert, key, cert);
    return 0;
}
