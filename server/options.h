/* options.h: the command line. */
#ifndef SERVER_OPTIONS_H
#define SERVER_OPTIONS_H

#include <weft/weft.h>

enum command {
    COMMAND_SERVE,
    COMMAND_SUPERVISE, /* serve -c FILE */
    COMMAND_WORKER,    /* what a supervisor starts */
    COMMAND_CHECK,
    COMMAND_ROUTES,
    COMMAND_RELOAD,
    COMMAND_UPGRADE,
    COMMAND_STOP,
    COMMAND_CERT,
    COMMAND_HELP,
    COMMAND_VERSION,
    COMMAND_WRONG,
};

struct options {
    enum command command;
    const char *config; /* the configuration's file; NULL: none */
    const char *root;   /* NULL: none */
    weft_serve_opts serve;
    int n_redirect; /* of serve.tls.redirect */
};

/* Reads the command line. What is wrong is said in one line on stderr (COMMAND_WRONG). The strings
 * stay argv's. */
struct options options_parse(int argc, char **argv);

/* The text of --help. */
extern const char options_help[];

#endif
