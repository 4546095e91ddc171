/* stack_pages.h: what stacks ask of the kernel, for many at a time: that takes a third less than
 * one by one. */
#ifndef RT_STACK_PAGES_H
#define RT_STACK_PAGES_H

#include <stddef.h>

enum { STACK_BATCH = 32 }; /* most at a time */

void stack_pages_init(void);
void stack_pages_done(void);

/* Makes the first `bytes` of each of the `count` stacks trap. Returns how many it has done, from
 * the first on, at least one; or a negative errno, after having said once on stderr what ran out.
 */
int stack_guard(char *const low[], int count, size_t bytes);

/* Gives the pages of each back, from `offset` to `end`; they read as zeroes afterwards. */
void stack_drop(char *const low[], int count, size_t offset, size_t end);

/* Says once on stderr that no stack can be had, why, and what to set. */
void stack_say_exhausted(const char *what, const char *hint);

#endif
