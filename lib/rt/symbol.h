/* symbol.h: names of functions, for reports. */
#ifndef RT_SYMBOL_H
#define RT_SYMBOL_H

#include <stddef.h>

/* Describes a code address as "function+0x12 (object+0x3456)", also for functions that are not
 * exported, as long as the object was not stripped. Returns buf. Any thread; blocks it (reads the
 * object's file the first time). */
const char *symbol_describe(const void *address, char *buf, size_t size);

/* Forgets the files that were read. */
void symbol_done(void);

#endif
