#include "scratch.h"

#include <stddef.h>
#include <stdlib.h>

#include "spin.h"

struct free_scratch {
    struct free_scratch *next;
};

static struct {
    struct spin lock;
    int count;
    struct free_scratch *first;
} kept;

void *scratch_take(void)
{
    spin_take(&kept.lock);
    struct free_scratch *b = kept.first;
    if (b) {
        kept.first = b->next;
        kept.count--;
    }
    spin_release(&kept.lock);
    return b ? b : malloc(SCRATCH_BYTES);
}

void scratch_give(void *buffer)
{
    struct free_scratch *b = buffer;
    if (!b)
        return;
    spin_take(&kept.lock);
    if (kept.count < SCRATCH_KEPT) {
        b->next = kept.first;
        kept.first = b;
        kept.count++;
        b = NULL;
    }
    spin_release(&kept.lock);
    free(b);
}
