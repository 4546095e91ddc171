/* logs.h: where a process's lines go: the error log (its stderr) and a worker's access log. */
#ifndef SERVER_LOGS_H
#define SERVER_LOGS_H

#include <weft/weft.h>

#include "config.h"

/* Makes the error log's file this process's stderr; nothing when it is stderr already. Again after
 * the file was moved away. What fails is said on the stderr there was. Returns 0 or a negative
 * errno. */
int logs_redirect_errors(const struct config *config);

struct logs;

/* Opens the access log, if there is one, and from then on reopens both logs at SIGUSR1, in a thread
 * of its own. Before other threads are started, which inherit its signal mask. Returns 0 and
 * *ret_logs, or an error that has been said. */
int logs_open(const struct config *config, struct logs **ret_logs);

/* The access log for weft_mw_access_log; NULL: off. */
weft_access_log *logs_access(const struct logs *logs);

/* Writes what is left and closes. NULL-safe. */
void logs_close(struct logs *logs);

#endif
