/* trace_buffer.h: what trace.c records and trace_write.c writes. */
#ifndef RT_TRACE_BUFFER_H
#define RT_TRACE_BUFFER_H

#include <stdatomic.h>
#include <stdint.h>

enum { EVENTS_MAX = 1 << 20 };

enum trace_kind { RUN, PARK, EXIT, READY, STEAL, HAND_OFF };

struct trace_event {
    int64_t at;
    uint64_t id;              /* of the coroutine; STEAL: the victim's index */
    uint32_t kind_and_reason; /* reason << 8: what it waits, or has waited for */
};

/* Written by the processor's holder; `round` is the trace that `count` belongs to. */
struct trace_buffer {
    _Atomic(uint32_t) round;
    _Atomic(uint32_t) count;
    _Atomic(uint64_t) dropped;
    struct trace_event events[EVENTS_MAX];
};

/* Writes what has been recorded in `round`, which began at the point `began`, to a file. Returns 0
 * or a negative errno. Others may still be recording. */
int trace_write(const char *path, int64_t began, uint32_t round);

#endif
