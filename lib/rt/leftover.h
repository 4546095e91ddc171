/* leftover.h: what was spawned and had not run when the runtime stopped. */
#ifndef RT_LEFTOVER_H
#define RT_LEFTOVER_H

#include "spawn.h"

typedef void visit_spawn(const struct spawn *s, void *arg);

/* Takes everything off the queues, calls visit (may be NULL) for each spawn, and frees those. Only
 * when no machine runs any more; parked coroutines stay where they are. */
void leftovers_take(visit_spawn *visit, void *arg);

#endif
