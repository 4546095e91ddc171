/* cert.h: weft cert: a key and a self-signed certificate for development. */
#ifndef SERVER_CERT_H
#define SERVER_CERT_H

/* Runs the command with what follows its name. Returns an exit status: 0, or 2 with a line on
 * stderr. */
int cert_command(int argc, char **argv);

#endif
