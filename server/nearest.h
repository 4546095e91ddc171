/* nearest.h: "did you mean?" */
#ifndef SERVER_NEAREST_H
#define SERVER_NEAREST_H

#include <stddef.h>

/* Keeps the word nearest to a given one among those offered. */
struct nearest {
    const char *given;
    const char *best; /* NULL: none is near enough to be a help */
    size_t distance;
};

struct nearest nearest_to(const char *given);
void nearest_offer(struct nearest *n, const char *word);

#endif
