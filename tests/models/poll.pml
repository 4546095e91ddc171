/* poll.pml: a descriptor's poll word, with its deadline, an interrupt and the close.
 *
 * Models lib/net/poll.c: poll_fire, wait_put, wait_take, wake_if_past, on_timer, poll_set_deadline,
 * poll_interrupt, poll_open_timer, poll_close and the loop of poll_park, for one direction; of
 * lib/rt/timer.c what timers_run, timer_hasten and timer_stop do to one timer. A coroutine waits for
 * data in ROUNDS rounds, each with the deadline it had, a new one, or none. Bytes arrive, time passes,
 * one edge too many comes (an event may be late, and meet who has the record next), one interrupt is
 * tried. A park's commit runs beside the coroutine, on one of two machines: once its task is in the
 * word, the coroutine may go on and park again before the commit has come to its end.
 *
 * Sizes: -DROUNDS=2 -DARRIVALS=1
 * Sizes: -DROUNDS=1 -DARRIVALS=2
 *
 * Checked: a task is readied only when it is parked, and so at most once; nobody is told of a
 * deadline that is still to come; an interrupt that found the task ends the wait; the timer does not
 * fire after the close. When nothing moves any more, no coroutine waits for data that are there, nor
 * past its deadline.
 *
 * Caught when broken:
 *   BROKEN_NO_MARK          the timer leaves no mark when it finds the deadline passed and nobody
 *                           waiting
 *   BROKEN_MARK_LATE        it leaves the mark after it has looked at the word
 *   BROKEN_STORE_READY      an edge is noted by a store, not by a swap
 *   BROKEN_TAKE_BY_STORE    who takes the task does not need to win a swap
 *   BROKEN_WHY_LATE         why it was woken is written after the task was readied
 *   BROKEN_HASTEN_ORDER     the timer's time is read before the new deadline is stored
 *   BROKEN_CLOSE_NO_STOP    the close does not stop the timer
 */
#define NIL 0
#define READY 1
#define TASK 2

#define EVENT 0
#define DEADLINE 1
#define INTERRUPTED 2

#define NEVER 9
#define LAST 3 /* time ends here */

byte word = NIL, why, deadline = NEVER, now;
bool is_past;
byte timer_when = NEVER; /* of the armed timer */
bool heap_lock;
bool is_running = true, is_parking, is_done, is_closed, must_end;
byte data, edges, arrivals = ARRIVALS, stray = 1;

inline lock() { atomic { !heap_lock -> heap_lock = true } }
inline unlock() { heap_lock = false }

inline ready() { atomic { assert(!is_running && !is_parking); is_running = true } }

inline wake(reason) { /* by who has moved the word from TASK to NIL */
#ifdef BROKEN_WHY_LATE
    ready();
    why = reason
#else
    why = reason;
    ready()
#endif
}

inline swap_task() { /* TASK -> NIL, into `won` */
    atomic { won = word == TASK; word = (won -> NIL : word) }
}

inline wait_take(reason) {
    if
    :: word == TASK ->
#ifdef BROKEN_TAKE_BY_STORE
       word = NIL; won = true;
#else
       swap_task();
#endif
       if
       :: won -> wake(reason); won = false
       :: else
       fi
    :: else
    fi
}

/* ---- the world ---- */

active proctype network() {
end:
    do
    :: atomic { arrivals > 0 -> arrivals--; data++; edges++ }
    :: atomic { stray > 0 -> stray--; edges++ }
    od
}

active proctype clock() {
end:
    do
    :: now < LAST -> now++
    od
}

/* ---- who wakes ---- */

active proctype poller() {
    bool won;
    byte seen;
end:
    do
    :: atomic { edges > 0 -> edges-- };
fire:  seen = word;
       if
       :: seen == READY
       :: seen == NIL ->
#ifdef BROKEN_STORE_READY
          word = READY
#else
          atomic {
              if
              :: word == NIL -> word = READY
              :: else -> goto fire
              fi
          }
#endif
       :: seen == TASK ->
          swap_task();
          if
          :: won -> won = false; wake(EVENT)
          :: else -> goto fire
          fi
       fi
    od
}

active proctype timers() {
    bool won;
    byte at, until, next;
end:
    do
    :: atomic { timer_when <= now && !heap_lock -> at = now; heap_lock = true };
       if
       :: timer_when <= at ->
          assert(!is_closed);
          timer_when = NEVER;
          until = deadline;
          next = NEVER;
          if
          :: until > at -> next = until
          :: else ->
#if !defined(BROKEN_NO_MARK) && !defined(BROKEN_MARK_LATE)
             is_past = true;
#endif
             wait_take(DEADLINE);
#ifdef BROKEN_MARK_LATE
             is_past = true;
#endif
          fi;
          timer_when = next
       :: else
       fi;
       d_step { until = 0; next = 0; at = 0 };
       unlock()
    od
}

active proctype interrupter() {
    bool won;
    if
    :: word == TASK -> swap_task()
    :: is_done
    fi;
    if
    :: won -> must_end = true; wake(INTERRUPTED)
    :: else
    fi
}

/* ---- who waits ---- */

active [2] proctype commit() {
    bool won;
    byte until;
end:
    do
    :: atomic { is_parking -> is_parking = false };
       until = deadline;
       why = EVENT;
       atomic {
           if
           :: word == NIL -> word = TASK; won = false
           :: else -> won = true
           fi
       };
       if
       :: won -> assert(word == READY); word = NIL; won = false; ready()
       :: else -> /* wake_if_past */
          if
          :: !is_past || now < until
          :: is_past && now >= until ->
             swap_task();
             if
             :: won -> won = false; wake(DEADLINE)
             :: else
             fi
          fi
       fi;
       until = 0
    od
}

inline set_deadline(when) {
    if
    :: when != deadline ->
       is_past = false;
#ifdef BROKEN_HASTEN_ORDER
       seen = timer_when;
       deadline = when;
#else
       deadline = when;
       seen = timer_when;
#endif
       if
       :: when < seen ->
          lock();
          if
          :: when < timer_when -> timer_when = when
          :: else
          fi;
          unlock()
       :: else
       fi;
       seen = 0
    :: else
    fi
}

active proctype coroutine() {
    byte round, until, seen;
    do
    :: round < ROUNDS ->
       round++;
       if
       :: until = NEVER
       :: until = deadline
       :: until = 1
       :: until = 2
       fi;
       set_deadline(until);
       do
       :: atomic { data > 0 -> data = 0; break }
       :: else ->
          atomic { is_running = false; is_parking = true };
end_waits:
          is_running; /* at_rest says whether it may wait for ever */
          if
          :: must_end -> assert(why == INTERRUPTED)
          :: else
          fi;
          if
          :: why == INTERRUPTED -> must_end = false; break
          :: why == DEADLINE && now >= deadline -> break
          :: else
          fi
       od
    :: else -> break
    od;
    lock(); /* poll_close */
#ifndef BROKEN_CLOSE_NO_STOP
    timer_when = NEVER;
#endif
    is_closed = true;
    unlock();
    is_done = true
}

active proctype at_rest() {
    timeout;
    assert(is_done || (data == 0 && deadline > now));
    assert(!is_done || word != TASK)
}
