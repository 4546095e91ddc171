/* main.c: the standalone server. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

#include "cert.h"
#include "config.h"
#include "demo.h"
#include "options.h"
#include "routes.h"
#include "supervisor.h"
#include "worker.h"

enum { STATUS_OK = 0, STATUS_WRONG = 2 };

/* Called when connections are accepted: says where, and what to try. */
static void announce(void *arg)
{
    const weft_serve_opts *opts = arg;
    const char *first = opts->listen[0];
    int procs = weft_num_procs();
    bool is_unix = strncmp(first, "unix:", 5) == 0;
    const char *scheme = opts->tls.certs[0].cert ? "https" : "http";

    printf("weft %s serves the demo site with %d processor%s on\n", weft_version(), procs,
           procs == 1 ? "" : "s");
    for (int i = 0; i < WEFT_MAX_LISTEN && opts->listen[i]; i++) {
        const char *address = opts->listen[i];
        bool is_path = strncmp(address, "unix:", 5) == 0;
        printf("  %s%s%s%s\n", is_path ? "" : scheme, is_path ? "" : "://",
               address[0] == ':' ? "localhost" : "", address);
    }
    if (is_unix)
        printf("try: curl --unix-socket %s %s://localhost/\n", first + 5, scheme);
    else
        printf("try: wrk -t2 -c64 -d5s %s://%s%s/plaintext\n", scheme,
               first[0] == ':' ? "localhost" : "", first);
    fflush(stdout);
}

static int serve(struct options *o)
{
    weft_app *app = demo_new(o->root);
    if (!app) {
        fprintf(stderr, "weft: out of memory\n");
        return STATUS_WRONG;
    }
    o->serve.quiet = 1;
    o->serve.on_ready = announce;
    o->serve.on_ready_arg = &o->serve;
    int status = weft_app_main_opts(app, &o->serve);
    weft_app_free(app);
    return status;
}

/* Says what is wrong with a configuration, or that nothing is. */
static int check(const char *path)
{
    struct config *config = config_load(path);
    if (!config)
        return STATUS_WRONG;
    config_free(config);
    printf("%s: no mistake found\n", path);
    return STATUS_OK;
}

static int routes(const char *path)
{
    struct config *config = config_load(path);
    if (!config)
        return STATUS_WRONG;
    routes_print(config);
    config_free(config);
    return STATUS_OK;
}

/* Signals the server that serves a configuration. */
static int signal_server(const char *path, int sig)
{
    long pid = 0;
    struct config *config = config_load(path);
    if (!config)
        return STATUS_WRONG;
    FILE *file = config->pid_file ? fopen(config->pid_file, "re") : NULL;
    if (file && fscanf(file, "%ld", &pid) != 1)
        pid = 0;
    int status = STATUS_WRONG;
    if (!config->pid_file)
        config_wrong(config, "", "pid_file is missing: it is where the server is found");
    else if (!file)
        fprintf(stderr, "weft: nobody serves %s: cannot read %s: %s\n", path, config->pid_file,
                strerror(errno));
    else if (pid <= 1 || kill((pid_t)pid, sig) < 0)
        fprintf(stderr, "weft: nobody serves %s: %s is of a process that has ended\n", path,
                config->pid_file);
    else
        status = STATUS_OK;
    if (file)
        fclose(file);
    config_free(config);
    return status;
}

int main(int argc, char **argv)
{
    struct options o = options_parse(argc, argv);
    switch (o.command) {
    case COMMAND_SERVE: return serve(&o);
    case COMMAND_SUPERVISE: return supervise(o.config);
    case COMMAND_WORKER: return worker_main(o.config);
    case COMMAND_CHECK: return check(o.config);
    case COMMAND_CERT: return cert_command(argc - 2, argv + 2);
    case COMMAND_ROUTES: return routes(o.config);
    case COMMAND_RELOAD: return signal_server(o.config, SIGHUP);
    case COMMAND_UPGRADE: return signal_server(o.config, SIGUSR2);
    case COMMAND_STOP: return signal_server(o.config, SIGTERM);
    case COMMAND_HELP: fputs(options_help, stdout); return STATUS_OK;
    case COMMAND_VERSION: printf("weft %s\n", weft_version()); return STATUS_OK;
    case COMMAND_WRONG: break;
    }
    return STATUS_WRONG;
}
