/* supervisor.h: the process that holds the sockets and sees to it that a worker serves. */
#ifndef SERVER_SUPERVISOR_H
#define SERVER_SUPERVISOR_H

/* Supervises workers that serve what the configuration file says, until SIGTERM or SIGINT; returns
 * an exit status: 0; 1 when serving failed; 2 for a configuration that cannot be served.
 *
 *   SIGHUP   reads the file again; a new worker takes over, or the old one stays and it is said why
 *   SIGUSR1  log files are opened again, by the worker
 *   SIGUSR2  the binary on disk takes over: the same process id, a new worker, no request lost
 *   SIGQUIT  the worker lists its coroutines
 *   SIGTERM, SIGINT  the worker drains; a second one ends it at once */
int supervise(const char *config_path);

#endif
