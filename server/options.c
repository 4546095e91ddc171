#include "options.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "nearest.h"

const char options_help[] =
    "usage: weft serve -c FILE    serves what a configuration file says\n"
    "       weft serve [options]  serves the demo site, and files below --root at /static/\n"
    "       weft check FILE       says what is wrong with a configuration file\n"
    "       weft routes FILE      lists what it leads where\n"
    "       weft reload FILE      has the server of that file read it again (SIGHUP)\n"
    "       weft upgrade FILE     has it replaced by the binary on disk, no request lost "
    "(SIGUSR2)\n"
    "       weft stop FILE        has it finish what it does and end (SIGTERM)\n"
    "       weft cert [--out PREFIX] [--days N] [NAME...]\n"
    "       weft --help | --version\n"
    "\n"
    "reload, upgrade and stop find the server by pid_file, a key of the configuration.\n"
    "\n"
    "  --listen ADDR           host:port, [ipv6]:port, :port or unix:PATH; may be given up to 16\n"
    "                          times; 127.0.0.1:8080 when it is not given\n"
    "  --root DIR              the files to serve at /static/\n"
    "  --threads N             processors that run coroutines, 1 to 256; the CPUs this process\n"
    "                          may use when it is not given\n"
    "  --tls-cert FILE         serve HTTPS with this certificate (PEM, its chain behind it); with\n"
    "  --tls-key FILE          its key; both up to 16 times, for more names or kinds of keys\n"
    "  --tls-client-ca FILE    ask every client for a certificate of these authorities\n"
    "  --tls-redirect ADDR     answer plain HTTP there with a redirect to HTTPS; up to 4 times\n"
    "  --hsts VALUE            send Strict-Transport-Security, for example max-age=31536000\n"
    "  --drain-timeout SECONDS how long requests in flight may take after SIGTERM or SIGINT; 10\n"
    "\n"
    "weft cert makes a key and a self-signed certificate for development, PREFIX-cert.pem and\n"
    "PREFIX-key.pem (PREFIX is weft, N is 365), for localhost, 127.0.0.1, ::1 and the names "
    "given.\n"
    "\n"
    "SIGHUP, and a change of a certificate's file, has certificates read again.\n"
    "SIGTERM and SIGINT drain: accepting stops, requests in flight finish, idle connections\n"
    "close, exit status 0. A second signal ends it at once. What is wrong on the command line, an\n"
    "address in use or an unreadable folder is said in one line, exit status 2.\n";

static const char *const names[] = {"--listen",   "--root",    "--threads",       "--drain-timeout",
                                    "--tls-cert", "--tls-key", "--tls-client-ca", "--tls-redirect",
                                    "--hsts",     "--help"};

static void wrong_option(const char *given)
{
    struct nearest nearest = nearest_to(given);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        nearest_offer(&nearest, names[i]);
    if (nearest.best)
        fprintf(stderr, "weft: unknown option '%s' (did you mean '%s'?)\n", given, nearest.best);
    else
        fprintf(stderr, "weft: unknown option '%s'; weft --help lists them\n", given);
}

static int parse_number(const char *name, const char *text, long least, long most, long *ret)
{
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (!*text || *end || errno || n < least || n > most) {
        fprintf(stderr, "weft: %s wants a number from %ld to %ld, not '%s'\n", name, least, most,
                text);
        return -EINVAL;
    }
    *ret = n;
    return 0;
}

static int check_folder(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir) {
        fprintf(stderr, "weft: cannot read the folder '%s': %s\n", path, strerror(errno));
        return -EINVAL;
    }
    closedir(dir);
    return 0;
}

/* Takes the next place of a list. */
static int append(const char *name, const char **list, int max, int *n, const char *value)
{
    if (*n == max) {
        fprintf(stderr, "weft: %s may be given %d times at most\n", name, max);
        return -EINVAL;
    }
    list[(*n)++] = value;
    return 0;
}

/* Takes an option of TLS; -ENOENT when it is none. */
static int apply_tls(struct options *o, const char *name, const char *value)
{
    weft_tls_opts *tls = &o->serve.tls;
    bool is_cert = strcmp(name, "--tls-cert") == 0;
    if (is_cert || strcmp(name, "--tls-key") == 0) {
        for (int i = 0; i < WEFT_TLS_MAX_CERTS; i++) {
            const char **place = is_cert ? &tls->certs[i].cert : &tls->certs[i].key;
            if (!*place) {
                *place = value;
                return 0;
            }
        }
        fprintf(stderr, "weft: %s may be given %d times at most\n", name, WEFT_TLS_MAX_CERTS);
        return -EINVAL;
    }
    if (strcmp(name, "--tls-client-ca") == 0)
        tls->client_ca = value;
    else if (strcmp(name, "--hsts") == 0)
        tls->hsts = value;
    else if (strcmp(name, "--tls-redirect") == 0)
        return append(name, tls->redirect, WEFT_TLS_MAX_REDIRECT, &o->n_redirect, value);
    else
        return -ENOENT;
    return 0;
}

/* Options that need each other. */
static int check_tls(const struct options *o)
{
    const weft_tls_opts *tls = &o->serve.tls;
    bool is_on = tls->certs[0].cert || tls->certs[0].key;
    for (int i = 0; i < WEFT_TLS_MAX_CERTS; i++)
        if (!tls->certs[i].cert != !tls->certs[i].key) {
            fprintf(stderr, "weft: --tls-cert and --tls-key go together, a key for each\n");
            return -EINVAL;
        }
    if (!is_on && (tls->client_ca || tls->hsts || tls->redirect[0])) {
        fprintf(stderr, "weft: the options of TLS want --tls-cert and --tls-key\n");
        return -EINVAL;
    }
    return 0;
}

/* Takes one option with its value. Returns 0 or an error that has been said. */
static int apply(struct options *o, int *n_listen, const char *name, const char *value)
{
    long n;
    int rc = apply_tls(o, name, value);
    if (rc != -ENOENT)
        return rc;
    rc = 0;
    if (strcmp(name, "--listen") == 0) {
        rc = append(name, o->serve.listen, WEFT_MAX_LISTEN, n_listen, value);
    } else if (strcmp(name, "--root") == 0) {
        o->root = value;
        rc = check_folder(value);
    } else if (strcmp(name, "--threads") == 0) {
        if ((rc = parse_number(name, value, 1, 256, &n)) == 0)
            o->serve.threads = (int)n;
    } else if ((rc = parse_number(name, value, 1, 3600, &n)) == 0) {
        o->serve.drain_timeout = n * WEFT_SEC;
    }
    return rc;
}

static int parse_serve(struct options *o, int argc, char **argv)
{
    int n_listen = 0;
    for (int i = 0; i < argc; i++) {
        char name[32];
        const char *equals = strchr(argv[i], '='), *value = equals ? equals + 1 : NULL;
        int len = (int)(equals ? (size_t)(equals - argv[i]) : strlen(argv[i]));
        snprintf(name, sizeof name, "%.*s", len, argv[i]);
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            o->command = COMMAND_HELP;
            return 0;
        }
        bool is_known = false;
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            is_known |= strcmp(name, names[k]) == 0;
        if (!is_known) {
            wrong_option(argv[i]);
            return -EINVAL;
        }
        if (!value && i + 1 < argc)
            value = argv[++i];
        if (!value) {
            fprintf(stderr, "weft: %s wants a value\n", name);
            return -EINVAL;
        }
        int rc = apply(o, &n_listen, name, value);
        if (rc < 0)
            return rc;
    }
    if (n_listen == 0)
        o->serve.listen[0] = "127.0.0.1:8080";
    return check_tls(o);
}

/* The commands that take a configuration's file and nothing else. */
static enum command file_command(const char *name)
{
    static const struct {
        const char *name;
        enum command command;
    } commands[] = {{"check", COMMAND_CHECK},   {"routes", COMMAND_ROUTES},
                    {"reload", COMMAND_RELOAD}, {"upgrade", COMMAND_UPGRADE},
                    {"stop", COMMAND_STOP},     {"worker", COMMAND_WORKER}};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].command;
    return COMMAND_WRONG;
}

static bool is_config_option(const char *text)
{
    return strcmp(text, "-c") == 0 || strcmp(text, "--config") == 0;
}

struct options options_parse(int argc, char **argv)
{
    struct options o = {.command = COMMAND_SERVE};
    const char *first = argc > 1 ? argv[1] : NULL;
    if (!first) {
        fputs(options_help, stderr);
        o.command = COMMAND_WRONG;
    } else if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0 ||
               strcmp(first, "help") == 0) {
        o.command = COMMAND_HELP;
    } else if (strcmp(first, "--version") == 0 || strcmp(first, "-V") == 0) {
        o.command = COMMAND_VERSION;
    } else if ((o.command = file_command(first)) != COMMAND_WRONG) {
        o.config = argv[2];
        if (argc != 3) {
            fprintf(stderr, "weft: %s wants one file: weft %s FILE\n", first, first);
            o.command = COMMAND_WRONG;
        }
    } else if (strcmp(first, "serve") == 0 && argc > 2 && is_config_option(argv[2])) {
        o.command = argc == 4 ? COMMAND_SUPERVISE : COMMAND_WRONG;
        o.config = argv[3];
        if (argc != 4)
            fprintf(stderr, "weft: serve -c wants one file, which says the rest\n");
    } else if (strcmp(first, "cert") == 0) {
        o.command = COMMAND_CERT;
    } else if (strcmp(first, "serve") != 0) {
        fprintf(stderr, "weft: unknown %s '%s'; weft --help lists what there is\n",
                first[0] == '-' ? "option" : "command", first);
        o.command = COMMAND_WRONG;
    } else {
        o.command = COMMAND_SERVE;
        if (parse_serve(&o, argc - 2, argv + 2) < 0)
            o.command = COMMAND_WRONG;
    }
    return o;
}
