/* seize.pml: the watchdog takes a processor from a machine that holds it long.
 *
 * Models lib/rt/watch.c (machine_keeps_proc, seize, hand_off), lib/rt/proc.h (machine_enter_runtime,
 * proc_pin, proc_unpin), the hand-off of weft_blocking and, of lib/rt/machine.c, take_proc,
 * machine_obtain, machine_give and machine_rest. There is one processor and MACHINES machines. A
 * coroutine enters the runtime, uses the processor and leaves, TURNS times in all, and may give the
 * processor away. A machine's plain stores to in_runtime stay in a store buffer of one until it is
 * flushed: by a swap of its own, by the watchdog's membarrier, or by chance; so they may be seen
 * after the load of seize that follows. A release store of false is seen no sooner.
 *
 * Sizes: -DMACHINES=2 -DTURNS=5 -DLOOKS=3
 * Sizes: -DMACHINES=3 -DTURNS=3 -DLOOKS=2
 *
 * Checked: no two use the processor at once, so a machine that has lost it knows so before it would
 * use it; the processor is never lost: when nothing moves
 * any more some machine holds it, or all work is done; no machine is given two things.
 *
 * Caught when broken:
 *   BROKEN_NO_MEMBARRIER   the watchdog looks at in_runtime without the barrier
 *   BROKEN_LOAD_FIRST      a machine looks at seize before it says that it is in the runtime
 *   BROKEN_STORE_TAKEN     the watchdog takes by a store, not by a swap
 *   BROKEN_KEEP_BY_STORE   a machine that is asked keeps it by a store
 *   BROKEN_NO_ASK          the watchdog looks at in_runtime before it asks
 *
 * With one processor the watchdog's second look at p->machine has nothing to catch: whoever is not
 * AWAY has it.
 */
#define AWAY 0
#define NONE 1
#define ASKED 2
#define TAKEN 3

#define NOBODY 9
#define WATCHDOG 8

byte seize[MACHINES];
bool in_runtime[MACHINES];       /* as others see it */
byte late[MACHINES];             /* 0: nothing is in the store buffer; 1: false; 2: true */
bool has_proc[MACHINES];         /* m->proc: its own knowledge */
bool is_resting[MACHINES];
bool is_given[MACHINES];         /* the futex word has moved */
byte holder = NOBODY;            /* p->machine */
byte user = NOBODY;              /* who is using the processor: the property */
byte turns = TURNS, looks = LOOKS;

inline flush(m) { /* inside an atomic */
    in_runtime[m] = (late[m] == 0 -> in_runtime[m] : late[m] == 2);
    late[m] = 0
}

inline store_in_runtime(m, value) { d_step { flush(m); late[m] = value + 1 } }

inline use(who) {
    atomic { assert(user == NOBODY); user = who };
    atomic { assert(user == who); user = NOBODY }
}

inline give(m) { /* take_proc, by who holds the processor */
    has_proc[m] = true;
    seize[m] = NONE;
    holder = m;
    atomic { assert(!is_given[m]); is_given[m] = true }
}

inline obtain() { /* machine_obtain: a resting machine, into `next` */
    atomic {
        next = 0;
        do
        :: next < MACHINES && !is_resting[next] -> next++
        :: else -> break
        od;
        if
        :: next < MACHINES -> is_resting[next] = false
        :: else
        fi
    }
}

/* machine_enter_runtime; has_proc tells */
inline enter(m) {
#ifdef BROKEN_LOAD_FIRST
    asked = seize[m];
    store_in_runtime(m, true);
#else
    store_in_runtime(m, true);
    asked = seize[m];
#endif
    if
    :: asked > NONE -> /* machine_keeps_proc */
#ifdef BROKEN_KEEP_BY_STORE
       if
       :: asked == ASKED -> seize[m] = NONE
       :: else -> has_proc[m] = false; seize[m] = AWAY
       fi
#else
       d_step {
           flush(m);
           asked = seize[m];
           if
           :: asked == ASKED -> seize[m] = NONE
           :: else
           fi
       };
       if
       :: asked == TAKEN -> has_proc[m] = false; seize[m] = AWAY
       :: else
       fi
#endif
    :: else
    fi;
    asked = 0
}

active [MACHINES] proctype machine() {
    byte asked, next;
    in_runtime[_pid] = true;
    if
    :: _pid == 0 -> atomic { has_proc[0] = true; seize[0] = NONE; holder = 0 }
    :: else -> goto rest
    fi;

scheduler: /* in the runtime, with the processor */
    use(_pid);
    store_in_runtime(_pid, false); /* coro_enter */

coroutine:
    if
    :: atomic { turns > 0 -> turns-- }
    :: else -> goto end_computes
    fi;
    if
    :: true -> /* proc_pin, use, proc_unpin */
        enter(_pid);
        if
        :: has_proc[_pid] -> use(_pid)
        :: else
        fi;
        store_in_runtime(_pid, false);
        goto coroutine
    :: true -> /* it parks */
        enter(_pid);
        if
        :: has_proc[_pid] -> goto scheduler
        :: else -> goto rest
        fi
    :: true -> /* weft_blocking */
        enter(_pid);
        if
        :: has_proc[_pid] ->
            obtain();
            if
            :: next < MACHINES ->
                has_proc[_pid] = false;
                seize[_pid] = AWAY;
                give(next)
            :: else
            fi;
            next = 0
        :: else
        fi;
        store_in_runtime(_pid, false);
        /* the call; then weft_yield */
        enter(_pid);
        if
        :: has_proc[_pid] -> goto scheduler
        :: else -> goto rest
        fi
    fi;

rest:
    is_resting[_pid] = true;
end_rest:
    atomic { is_given[_pid] -> is_given[_pid] = false };
    goto scheduler;

end_computes: /* for ever */
    false
}

active proctype watchdog() {
    byte m, next, asked;
    bool is_safe;
end:
    do
    :: looks > 0 ->
       looks--;
       m = holder;
       if
       :: m == NOBODY || in_runtime[m] -> goto next_look
       :: else
       fi;
       obtain();
       if
       :: next == MACHINES -> next = 0; goto next_look
       :: else
       fi;
#ifdef BROKEN_NO_ASK
       is_safe = !in_runtime[m];
#endif
       atomic {
           if
           :: seize[m] == NONE -> seize[m] = ASKED; asked = ASKED
           :: else -> asked = NONE
           fi
       };
       if
       :: asked == ASKED ->
#ifndef BROKEN_NO_MEMBARRIER
          d_step { flush(0); flush(1); flush(MACHINES - 1) };
#endif
#ifndef BROKEN_NO_ASK
          is_safe = !in_runtime[m];
#endif
          is_safe = is_safe && holder == m;
#ifdef BROKEN_STORE_TAKEN
          seize[m] = (is_safe -> TAKEN : NONE);
#else
          atomic {
              if
              :: seize[m] == ASKED -> seize[m] = (is_safe -> TAKEN : NONE)
              :: else -> is_safe = false
              fi
          }
#endif
       :: else -> is_safe = false
       fi;
       if
       :: is_safe -> use(WATCHDOG); give(next)
       :: else -> is_resting[next] = true
       fi;
next_look:
       skip;
       d_step { is_safe = false; m = 0; next = 0; asked = 0 }
    od
}

active proctype store_buffers() {
end:
    do
    :: atomic { late[0] -> flush(0) }
    :: atomic { late[1] -> flush(1) }
    :: atomic { MACHINES > 2 && late[MACHINES - 1] -> flush(MACHINES - 1) }
    od
}

active proctype at_rest() {
    timeout;
    assert(turns == 0 && user == NOBODY);
    assert(holder < MACHINES && !is_resting[holder])
}
