/* park.pml: a coroutine parks, and the first thing that comes wakes it, once.
 *
 * Models lib/rt/wait.c and wait.h (waiter_park, arm, disarm, publish, commit, waiter_claim,
 * end_early_or_late), as lib/rt/chan.c and select.c use them (wait_locked, unlock_all, leave_queues,
 * done_locked), and of lib/rt/sched.c and coro.c the park's commit after the switch. One coroutine
 * waits in QUEUES queues, each under its lock; a sender a queue tries to wake it; where IS_SHARED,
 * a timer and the end of its context do, too. Its frame, which holds the waiter, is gone when the
 * wait is over.
 *
 * Sizes: -DQUEUES=1 -DIS_SHARED=0
 * Sizes: -DQUEUES=1 -DIS_SHARED=1
 * Sizes: -DQUEUES=2 -DIS_SHARED=1
 *
 * Checked: it is entered only when it is off its stack and has been readied, and once; at most one
 * sender delivers, and the one that the word names; nobody touches the frame when it is gone. When
 * nothing moves any more it has gone on, or is still queued and its sender was there before it.
 *
 * Caught when broken:
 *   BROKEN_COMMIT_ON_STACK     the commit runs before the switch
 *   BROKEN_UNLOCK_FIRST        the commit gives the locks back before the word says PARKED
 *   BROKEN_CLAIM_BY_STORE      a sender claims a shared waiter by a store
 *   BROKEN_END_BY_STORE        the timer and the context end the wait by a store
 *   BROKEN_PUBLISH_BY_STORE    the commit says PARKED by a store, though the timer may have been
 *                              first
 *   BROKEN_NO_DISARM           the coroutine goes on without having stopped timer and watch
 *   BROKEN_NO_LEAVE            it leaves no queue but that in which it was woken
 *   BROKEN_TOUCH_AFTER_UNLOCK  the commit looks at the waiter after the last unlock
 */
#define RUNNING 0
#define PARKED 1
#define TIMED_OUT 2
#define CANCELED 3
#define WOKEN 4 /* and above: by which queue */

byte word = RUNNING;
bool queue_lock[2], is_queued[2];
bool heap_lock, is_armed;
bool ctx_lock, is_watching, has_ended; /* the context */
bool on_stack = true, is_committing, is_entered, is_gone, is_done;
byte delivered;

inline touch() { assert(!is_gone) }
inline lock(l) { atomic { !l -> l = true } }
inline enter() { atomic { assert(!on_stack && !is_done); on_stack = true; is_entered = true } }

inline end_early_or_late(code) {
    touch();
    was = word;
    do
    :: was > PARKED -> break
    :: else ->
#ifdef BROKEN_END_BY_STORE
       word = code;
       if
       :: was == PARKED -> enter()
       :: else
       fi;
       break
#else
       atomic {
           touch();
           if
           :: word == was -> word = code; won = true
           :: else -> was = word; won = false
           fi
       };
       if
       :: won && was == PARKED -> won = false; touch(); enter(); break
       :: won && was == RUNNING -> won = false; break
       :: else
       fi
#endif
    od;
    was = 0
}

active proctype coroutine() {
    byte was;
    bool won;

    lock(queue_lock[0]);
    is_queued[0] = true;
    if
    :: QUEUES > 1 -> lock(queue_lock[1]); is_queued[1] = true
    :: else
    fi;
    if
    :: IS_SHARED -> /* arm */
        if
        :: end_early_or_late(TIMED_OUT) /* the deadline had passed */
        :: lock(heap_lock); is_armed = true; heap_lock = false
        fi;
        lock(ctx_lock);
        if
        :: has_ended -> ctx_lock = false; end_early_or_late(CANCELED)
        :: else -> is_watching = true; ctx_lock = false
        fi
    :: else
    fi;
#ifdef BROKEN_COMMIT_ON_STACK
    is_committing = true;
    on_stack = false;
#else
    on_stack = false;
    is_committing = true;
#endif
end_parked:
    is_entered;
    if
    :: IS_SHARED -> /* disarm */
#ifndef BROKEN_NO_DISARM
        lock(heap_lock); is_armed = false; heap_lock = false;
        lock(ctx_lock); is_watching = false; ctx_lock = false
#endif
    :: else
    fi;
    assert(word > PARKED);
    if
    :: word >= WOKEN -> assert(delivered == 1)
    :: else -> assert(delivered == 0)
    fi;
#ifndef BROKEN_NO_LEAVE
    if
    :: word != WOKEN -> lock(queue_lock[0]); is_queued[0] = false; queue_lock[0] = false
    :: else
    fi;
    if
    :: QUEUES > 1 && word != WOKEN + 1 ->
        lock(queue_lock[1]); is_queued[1] = false; queue_lock[1] = false
    :: else
    fi;
#endif
    is_gone = true;
    is_done = true
}

active proctype commit() { /* on the scheduler's stack */
    bool is_parked;
end:
    is_committing;
#ifdef BROKEN_UNLOCK_FIRST
    queue_lock[0] = false;
    queue_lock[1] = false;
#endif
    touch();
#ifdef BROKEN_PUBLISH_BY_STORE
    word = PARKED; is_parked = true;
#else
    atomic {
        if
        :: word == RUNNING -> word = PARKED; is_parked = true
        :: else
        fi
    };
#endif
#ifndef BROKEN_UNLOCK_FIRST
    queue_lock[0] = false;
    if
    :: QUEUES > 1 -> queue_lock[1] = false
    :: else
    fi;
#endif
#ifdef BROKEN_TOUCH_AFTER_UNLOCK
    touch();
#endif
    if
    :: !is_parked -> enter()
    :: else
    fi
}

active [QUEUES] proctype sender() {
    byte q = _pid - 2;
    bool won;
    lock(queue_lock[q]);
    if
    :: is_queued[q] ->
        is_queued[q] = false;
        touch();
#ifdef BROKEN_CLAIM_BY_STORE
        word = WOKEN + q; won = true;
#else
        if
        :: IS_SHARED ->
            atomic {
                if
                :: word == PARKED -> word = WOKEN + q; won = true
                :: else
                fi
            }
        :: else -> assert(word == PARKED); word = WOKEN + q; won = true
        fi;
#endif
        if
        :: won -> touch(); delivered++ /* the value is copied under the lock */
        :: else
        fi
    :: else
    fi;
    queue_lock[q] = false;
    if
    :: won -> touch(); enter()
    :: else
    fi
}

active proctype timers() {
    byte was;
    bool won;
end:
    do
    :: atomic { is_armed && !heap_lock -> heap_lock = true };
       if
       :: is_armed -> is_armed = false; end_early_or_late(TIMED_OUT)
       :: else
       fi;
       heap_lock = false
    od
}

active proctype canceler() {
    byte was;
    bool won;
    if
    :: IS_SHARED ->
        lock(ctx_lock);
        has_ended = true;
        if
        :: is_watching -> is_watching = false; end_early_or_late(CANCELED)
        :: else
        fi;
        ctx_lock = false
    :: else
    fi
}

active proctype at_rest() {
    timeout;
    assert(is_done || (!IS_SHARED && word == PARKED && is_queued[0])); /* else the context ended it */
    assert(!is_done || (!heap_lock && !ctx_lock && !queue_lock[0] && !queue_lock[1]))
}
