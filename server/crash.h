/* crash.h: a worker that crashes says where. */
#ifndef SERVER_CRASH_H
#define SERVER_CRASH_H

/* From now on a fatal signal prints its name, the address and the back trace of who got it on
 * stderr, and then ends the process as it would have. Before weft_run. */
void crash_report_install(void);

#endif
