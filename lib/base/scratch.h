/* scratch.h: large buffers that are wanted for a moment: between a read and the write of what it
 * gave. The one used last is the next one used, so that it is in the cache still; a few are kept,
 * and what a burst needs beyond them goes back to the heap. */
#ifndef BASE_SCRATCH_H
#define BASE_SCRATCH_H

enum { SCRATCH_BYTES = 32 * 1024, SCRATCH_KEPT = 64 };

/* A buffer of SCRATCH_BYTES, not cleared; NULL when memory is out. Any thread. */
void *scratch_take(void);

/* Gives it back; NULL is nothing. Any thread. */
void scratch_give(void *buffer);

#endif
