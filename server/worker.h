/* worker.h: the process that serves, for a supervisor. */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

#include <stdint.h>

/* In a worker's environment: its sockets (sockets_write), and the descriptor on which it says how
 * it is. In an upgraded supervisor's: the worker it has. */
#define WORKER_SOCKETS "WEFT_SOCKETS"
#define WORKER_CHANNEL "WEFT_CHANNEL"
#define SUPERVISOR_UPGRADE "WEFT_UPGRADE"

/* How long an idle client of a worker that drains may send one more request. */
static const int64_t WORKER_DRAIN_GRACE_NS = 2000000000;

enum { WORKER_SAYS_READY = 'R', WORKER_SAYS_ALIVE = 'H' };

/* Serves what the configuration says on the sockets inherited, until SIGTERM. An exit status. */
int worker_main(const char *config_path);

#endif
