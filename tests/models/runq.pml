/* runq.pml: a processor's ring and its run-next, under thieves.
 *
 * Models lib/rt/runq.c (runq_push, runq_pop, runq_shed, runq_grab, runq_steal) and of lib/rt/sched.c
 * next_push, next_take and ring_push. Processors pop and steal from each other; SPAWNERS of them
 * queue tasks. Each atomic operation is one step, and each slot is read and written in a
 * step of its own; the stores of runq_push stay in order, as their release demands. What goes to the
 * global queue counts as taken: that queue is under a lock.
 *
 * spawnq.h is not modelled: a lock guards both of its ends.
 *
 * Sizes: -DTASKS=5 -DPROCS=2 -DSPAWNERS=2
 * Sizes: -DTASKS=3 -DPROCS=3 -DSPAWNERS=1
 *
 * Checked: every task is taken once; nothing is taken that was not pushed; at the end no queue holds
 * a task; a ring never holds more than its size.
 *
 * Caught when broken:
 *   BROKEN_READ_AFTER_SWAP   a thief reads the slots after it has moved head
 *   BROKEN_TAIL_FIRST        the owner publishes tail before it has written the slot
 *   BROKEN_STEAL_UNDRAINED   a processor steals while its own ring is not empty
 *   BROKEN_STORE_HEAD        the owner's pop moves head by a store
 */
#define SIZE 4 /* of a ring */

byte head[PROCS], tail[PROCS]; /* only grow; too few tasks to wrap */
byte next[PROCS];
byte slot[PROCS * SIZE];
byte spawned; /* tasks 1 .. spawned exist */
bool seen[TASKS + 1];
byte taken;

#define SLOT(q, i) slot[(q) * SIZE + ((i) % SIZE)]

inline see(task) {
    atomic {
        assert(task != 0 && !seen[task]);
        seen[task] = true;
        taken++;
        task = 0
    }
}

inline forget() { d_step { h = 0; n = 0; i = 0; x = 0; y = 0; victim = 0 } }

inline push(me, task) { /* runq_push; when the ring is full, runq_shed */
    do
    :: h = head[me];
       if
       :: tail[me] - h < SIZE ->
#ifdef BROKEN_TAIL_FIRST
           tail[me] = tail[me] + 1;
           SLOT(me, tail[me] - 1) = task;
#else
           SLOT(me, tail[me]) = task;
           tail[me] = tail[me] + 1;
#endif
           assert(tail[me] - head[me] <= SIZE);
           break
       :: else ->
           x = SLOT(me, h);
           y = SLOT(me, h + 1);
           atomic {
               if
               :: head[me] == h -> head[me] = h + 2; n = 1
               :: else -> n = 0
               fi
           }
           if
           :: n == 1 -> see(x); see(y); see(task); break
           :: else
           fi
       fi
    od;
    task = 0;
    forget()
}

inline pop(me) {
    do
    :: h = head[me];
       if
       :: tail[me] == h -> break
       :: else
       fi;
       x = SLOT(me, h);
#ifdef BROKEN_STORE_HEAD
       head[me] = h + 1; n = 1;
#else
       atomic {
           if
           :: head[me] == h -> head[me] = h + 1; n = 1
           :: else -> n = 0
           fi
       }
#endif
       if
       :: n == 1 -> see(x); break
       :: else -> x = 0
       fi
    od;
    forget()
}

inline copy(me, from) {
    i = 0;
    do
    :: d_step { i < n -> SLOT(me, tail[me] + i) = SLOT(from, h + i); i++ }
    :: else -> break
    od
}

inline steal(me, from) {
    do
    :: h = head[from];
       d_step { n = tail[from] - h; n = n - n / 2 };
       if
       :: n == 0 -> break
       :: n > SIZE / 2 -> goto again /* head and tail of different times */
       :: else
       fi;
#ifndef BROKEN_READ_AFTER_SWAP
       copy(me, from);
#endif
       atomic {
           if
           :: head[from] == h -> head[from] = h + n
           :: else -> goto again
           fi
       };
#ifdef BROKEN_READ_AFTER_SWAP
       copy(me, from);
#endif
       break;
again: skip
    od;
    if
    :: n == 0 -> atomic { x = next[from]; next[from] = 0 }
    :: else ->
        x = SLOT(me, tail[me] + n - 1);
        tail[me] = tail[me] + n - 1
    fi;
    if
    :: x != 0 -> see(x)
    :: else
    fi;
    forget()
}

#ifdef BROKEN_STEAL_UNDRAINED
#define MAY_STEAL(me) true
#else
#define MAY_STEAL(me) (head[me] == tail[me])
#endif

active [PROCS] proctype processor() {
    byte h, n, i, x, y, task, victim;
    do
    :: atomic { _pid < SPAWNERS && spawned < TASKS -> spawned++; task = spawned };
       push(_pid, task)
    :: atomic { _pid < SPAWNERS && spawned < TASKS -> /* next_push: the old one goes to the ring */
           spawned++;
           task = next[_pid];
           next[_pid] = spawned
       };
       if
       :: task != 0 -> push(_pid, task)
       :: else
       fi
    :: atomic { next[_pid] != 0 -> x = next[_pid]; next[_pid] = 0 }; /* next_take */
       see(x)
    :: head[_pid] != tail[_pid] -> pop(_pid)
    :: MAY_STEAL(_pid) ->
       atomic {
           if
           :: victim = (_pid + 1) % PROCS
           :: PROCS > 2 -> victim = (_pid + PROCS - 1) % PROCS
           fi
       };
       steal(_pid, victim)
    :: atomic { taken == TASKS -> break }
    od;
    assert(head[_pid] == tail[_pid] && next[_pid] == 0)
}
