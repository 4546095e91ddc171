/* switch.h: the context switch, in assembly, one file a CPU.
 *
 * It saves the registers that the C calling convention lets a callee keep, on the stack that is
 * left, and nothing else: no signal mask, no system call. The floating-point control words (MXCSR
 * and the x87 word, FPCR) belong to the thread: a coroutine that changes them restores them before
 * it parks. */
#ifndef RT_SWITCH_H
#define RT_SWITCH_H

/* Leaves the running context (its stack pointer goes to *save_sp) and goes on where `load_sp` was
 * saved. Returns when somebody switches back. */
void context_switch(void **save_sp, void *load_sp);

/* Leaves the running context and calls `entry(arg)` on a fresh stack that ends at `stack_top`
 * (aligned to 16). entry must not return. */
void context_start(void **save_sp, void *stack_top, void (*entry)(void *arg), void *arg);

/* Calls `fn(arg)` in such a way that an unwinder started in it continues in the context that was
 * left at `sp`, as if that had made the call. That context must not be entered meanwhile; it is
 * only read. */
void context_visit(const void *sp, void (*fn)(void *arg), void *arg);

#endif
