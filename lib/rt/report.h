/* report.h: what a runtime says of itself: who is there, who has been left behind, who waits for
 * whom. */
#ifndef RT_REPORT_H
#define RT_REPORT_H

#include <stdbool.h>

#include "coro.h"

/* SIGQUIT lists the coroutines, unless the program has use for it. */
void report_install(void);
void report_uninstall(void);

/* A walk over the coroutines, which may pin them: one at a time. */
void report_walk_begin(void);
void report_walk_end(void);

/* Whether SIGQUIT came; the watchdog looks, and calls report_all. */
bool report_is_wanted(void);
void report_all(void);

/* All processors are idle. When nothing can end that, lists the coroutines and returns true. */
bool report_deadlock(void);

/* Lists the coroutines that are left when the runtime has stopped. Returns how many. */
int report_leaks(void);

/* c has ended, or waits for an outer group, with its innermost group open: ends the program. */
__attribute__((noreturn)) void report_open_group(const struct coro *c);

#endif
