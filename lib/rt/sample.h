/* sample.h: where the coroutines that run are at the moment. */
#ifndef RT_SAMPLE_H
#define RT_SAMPLE_H

#include <stdint.h>

enum { SAMPLE_FRAMES = 48 };

struct sample {
    uint64_t id; /* the coroutine's */
    int frame_count;
    const void *frames[SAMPLE_FRAMES]; /* the first is where it is, the others return addresses */
};

/* Interrupts each machine for a moment, and gives what runs in at most `most` samples; returns how
 * many. A machine that cannot be interrupted soon is left out. One caller at a time; blocks for at
 * most some 200 ms. */
int sample_all(struct sample *samples, int most);

/* Prepares for it, unless the program has use for SIGURG itself. */
void sample_install(void);
void sample_uninstall(void);

/* Lets the calling thread, a machine, be interrupted. */
void sample_allow(void);

#endif
