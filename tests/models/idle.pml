/* idle.pml: no wake-up is lost between who queues work and who is about to block.
 *
 * Models lib/rt/ready.c (proc_wake_one, wake_one_slow), lib/rt/seek.c (spin_begin, spin_end, steal)
 * and lib/rt/sched.c (idle_declare, idle_retract, block, find, the order of sched_next); the
 * poller's eventfd is a token a processor.
 * A queue is a count (runq.pml has the ring): a push is a store that stays in its processor's store
 * buffer until a fence, a swap of the same thread or chance flushes it, and so is the store of
 * is_idle. Each machine starts with a coroutine; a coroutine queues work, as long as there is any,
 * and then ends or never gives its processor back, so that what it queued must be taken by others.
 * EVENTS times a blocked machine is woken by its network.
 *
 * What the scheduler leaves to its owner on purpose is not modelled: a task alone in run-next, a
 * spawned one that is alone. The watchdog wakes somebody for those (watch.c, wake_for).
 *
 * Sizes: -DPUSHES=3 -DPROCS=2 -DEVENTS=2
 * Sizes: -DPUSHES=2 -DPROCS=3 -DEVENTS=0
 *
 * Checked, when nothing moves any more: no machine is blocked while a queue holds work; nobody is
 * counted as spinning; the count of idle processors is right.
 *
 * Caught when broken:
 *   BROKEN_NO_FENCE_PUSH    proc_wake_one without its fence
 *   BROKEN_NO_FENCE_IDLE    idle_declare without its fence
 *   BROKEN_NO_RECHECK       a machine blocks without looking over the queues once more
 *   BROKEN_SECOND_CHECK     after it has tried to steal, it blocks without looking once more
 *   BROKEN_SPINNER_SILENT   a spinner that found work wakes nobody in its place
 *   BROKEN_WAKER_GIVES_UP   a waker that finds nobody idle does not look whether that is still so
 *   BROKEN_COUNT_NOT_TAKEN  who was claimed while it declared itself idle is not counted as spinning
 */
/* PUSHES: tasks queued in all; EVENTS: of the network */
byte q[PROCS];        /* what others see of a queue */
byte unseen[PROCS];   /* pushed, still in the store buffer */
bool is_idle[PROCS];
bool idle_unseen[PROCS]; /* is_idle = true, still in the store buffer */
bool token[PROCS];
bool is_blocked[PROCS];
short idle;
byte spinning;
byte pushes = PUSHES;
byte events = EVENTS;

inline flush(p) { /* inside an atomic */
    q[p] = q[p] + unseen[p];
    unseen[p] = 0;
    is_idle[p] = is_idle[p] || idle_unseen[p];
#ifdef BROKEN_NO_FENCE_IDLE
    idle = idle + idle_unseen[p];
#endif
    idle_unseen[p] = false
}

inline fence(p) { d_step { flush(p) } }

inline look_for_work(me) { /* is_work_anywhere: one queue after the other; into `found` */
    found = false;
    i = 0;
    do
    :: d_step { i < PROCS && !found -> found = q[i] > 0 || (i == me && unseen[i] > 0); i++ }
    :: else -> break
    od;
    i = 0
}

inline wake_one_slow(me) {
    do
    :: d_step {
           found = spinning == 0;
           if
           :: found -> spinning = 1; flush(me)
           :: else
           fi
       };
       if
       :: !found -> break
       :: else
       fi;
       i = 0;
       found = false;
       do
       :: d_step {
              i < PROCS && !found -> /* the swap of is_idle */
              found = is_idle[i];
              is_idle[i] = false;
              i = (found -> i : i + 1)
          }
       :: else -> break
       od;
       if
       :: found -> idle--; token[i] = true; i = 0; break
       :: else -> i = 0; spinning--
       fi;
#ifdef BROKEN_WAKER_GIVES_UP
       break
#else
       fence(me);
       look_for_work(me);
       if
       :: idle > 0 && found -> found = false
       :: else -> break
       fi
#endif
    od;
    found = false
}

inline wake_one(me) {
#ifndef BROKEN_NO_FENCE_PUSH
    fence(me);
#endif
    if
    :: idle > 0 ->
       if
       :: spinning == 0 -> wake_one_slow(me)
       :: else
       fi
    :: else
    fi
}

inline spin_begin(me) {
    if
    :: !spins -> d_step { spins = true; spinning++; flush(me) }
    :: else
    fi
}

inline spin_end(me) { /* because it gives up */
    d_step { assert(spinning > 0); spins = false; spinning--; flush(me) }
}

inline spin_end_found(me) {
    d_step { assert(spinning > 0); spins = false; spinning--; was_last = spinning == 0; flush(me) };
#ifndef BROKEN_SPINNER_SILENT
    if
    :: was_last -> was_last = false; look_for_work(me);
       if
       :: found -> found = false; wake_one(me)
       :: else
       fi
    :: else
    fi
#endif
}

inline steal(me) { /* into `has_task` */
    if
    :: !spins && 2 * spinning >= PROCS - idle
    :: else ->
       spin_begin(me);
       i = (me + 1) % PROCS;
       do
       :: d_step { i != me && !has_task ->
              n = q[i] - q[i] / 2;
              if
              :: n > 0 -> q[i] = q[i] - n; unseen[me] = unseen[me] + n - 1; has_task = true; n = 0
              :: else
              fi;
              i = (i + 1) % PROCS
          }
       :: else -> break
       od;
       i = 0
    fi
}

inline idle_declare(me) {
    idle_unseen[me] = true;
#ifndef BROKEN_NO_FENCE_IDLE
    idle++; /* without the fence this may be late, too: flush */
    fence(me)
#endif
}

inline idle_retract(me) {
    d_step {
        flush(me);
        if
        :: is_idle[me] -> is_idle[me] = false; idle--
        :: else ->
#ifndef BROKEN_COUNT_NOT_TAKEN
            spins = true
#endif
        fi
    }
}

active [PROCS] proctype machine() {
    byte i, n;
    bool spins, found, was_last, has_task;

run_task:
    has_task = false;
    if
    :: spins -> spin_end_found(_pid)
    :: else
    fi;
    do
    :: atomic { pushes > 0 -> pushes--; unseen[_pid] = unseen[_pid] + 1 };
       wake_one(_pid)
    :: break
    :: goto end_stuck /* it computes for ever */
    od;

sched_next:
    skip;
    d_step { /* runq_pop, whose swap flushes */
        if
        :: q[_pid] + unseen[_pid] > 0 -> flush(_pid); q[_pid] = q[_pid] - 1; has_task = true
        :: else
        fi
    };
    if
    :: has_task -> goto run_task
    :: else
    fi;
    look_for_work(_pid); /* find */
    if
    :: spins || found -> found = false; steal(_pid)
    :: else
    fi;
    if
    :: has_task -> goto run_task
    :: spins -> spin_end(_pid)
    :: else
    fi;

    idle_declare(_pid); /* block */
#ifndef BROKEN_NO_RECHECK
    look_for_work(_pid);
    if
    :: found ->
       found = false;
       idle_retract(_pid);
       spin_begin(_pid);
       steal(_pid);
       if
       :: has_task -> goto run_task
       :: else
       fi;
       spin_end(_pid);
       idle_declare(_pid);
#ifndef BROKEN_SECOND_CHECK
       look_for_work(_pid);
       if
       :: found -> found = false; idle_retract(_pid); goto sched_next
       :: else
       fi
#endif
    :: else
    fi;
#endif
    is_blocked[_pid] = true;
end_blocked:
    if
    :: atomic { token[_pid] -> token[_pid] = false; is_blocked[_pid] = false }
    :: atomic { events > 0 -> events--; is_blocked[_pid] = false }
    fi;
    idle_retract(_pid);
    goto sched_next;

end_stuck:
    false
}

active proctype store_buffers() {
    byte p;
end:
    do
    :: atomic {
           unseen[0] > 0 || idle_unseen[0] -> flush(0)
       }
    :: atomic { unseen[1] > 0 || idle_unseen[1] -> flush(1) }
    :: atomic { PROCS > 2 && (unseen[PROCS - 1] > 0 || idle_unseen[PROCS - 1]) -> flush(PROCS - 1) }
    od
}

active proctype at_rest() {
    byte p, count;
    timeout;
    d_step {
        do
        :: p < PROCS ->
            assert(!is_blocked[p] || q[0] + q[1] + q[PROCS - 1] == 0);
            count = count + is_idle[p];
            p++
        :: else -> break
        od;
        assert(count == idle && spinning == 0)
    }
}
