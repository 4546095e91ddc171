/* trim.h: giving back the memory of stacks that once were deep. */
#ifndef RT_TRIM_H
#define RT_TRIM_H

#include <stdint.h>

/* How long a stack has not run before it is trimmed; a test shortens it. */
extern int64_t trim_after_ns;

/* Looks at some more of the stacks. Returns when it wants to be called again, a point of
 * weft_now(), or WEFT_NO_DEADLINE while nothing runs. The watchdog only. */
int64_t trim_some(int64_t now);

/* Forgets where it was: another runtime begins. */
void trim_init(void);

#endif
