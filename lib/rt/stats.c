/* stats.c: the counters. */
#include <errno.h>
#include <weft/debug.h>

#include "machine.h"
#include "proc.h"

static void add(weft_stats *sum, const struct proc *p)
{
    /* relaxed: statistics */
    sum->spawned += atomic_load_explicit(&p->stats.spawned, memory_order_relaxed);
    sum->switches += atomic_load_explicit(&p->tick, memory_order_relaxed);
    sum->steals += atomic_load_explicit(&p->stats.steals, memory_order_relaxed);
    sum->hand_offs += atomic_load_explicit(&p->stats.hand_offs, memory_order_relaxed);
    sum->polls += atomic_load_explicit(&p->stats.polls, memory_order_relaxed);
    sum->queued += runq_length(&p->runq) + spawnq_length(&p->spawnq);
}

int weft_get_stats(int proc, weft_stats *ret_stats)
{
    int count = proc_count();
    weft_stats sum = {0};
    if (count == 0)
        return -ESRCH;
    if (proc < -1 || proc >= count)
        return -EINVAL;
    if (proc >= 0) {
        add(&sum, &rt.procs[proc]);
    } else {
        for (int i = 0; i < count; i++)
            add(&sum, &rt.procs[i]);
        sum.queued += atomic_load_explicit(&rt.global_count, memory_order_relaxed);
        sum.threads = machines_count();
    }
    *ret_stats = sum;
    return 0;
}
