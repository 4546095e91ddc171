/* The context switch for x86-64, System V calling convention. See switch.h.
 *
 * What a context that was left looks like, from its saved stack pointer up:
 *
 *      sp +  0   r15
 *      sp +  8   r14
 *      sp + 16   r13
 *      sp + 24   r12
 *      sp + 32   rbx
 *      sp + 40   rbp
 *      sp + 48   return address, into the caller of context_switch or context_start
 *
 * The way back is a jump, not a ret: the CPU's return stack belongs to the context that was left,
 * and a ret would be mispredicted every time. */

        .text

        .globl  context_switch
        .hidden context_switch
        .type   context_switch, @function
        .p2align 4
context_switch:
        .cfi_startproc
        pushq   %rbp                    /* the six registers a callee keeps */
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r15, 0
        movq    %rsp, (%rdi)            /* left: *save_sp */
        movq    %rsi, %rsp              /* entered: the same layout on the other stack */
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore rbp
        popq    %rcx                    /* where it goes on */
        .cfi_adjust_cfa_offset -8
        .cfi_register rip, rcx
        jmp     *%rcx
        .cfi_endproc
        .size   context_switch, . - context_switch

        .globl  context_start
        .hidden context_start
        .type   context_start, @function
        .p2align 4
context_start:
        .cfi_startproc
        pushq   %rbp                    /* the layout that context_switch takes off again */
        pushq   %rbx
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        movq    %rsp, (%rdi)            /* left: *save_sp */
        movq    %rsi, %rsp              /* the fresh stack */
        .cfi_undefined rip              /* the outermost frame: unwinding ends here */
        xorl    %ebp, %ebp              /* and so do frame pointer walks */
        movq    %rcx, %rdi              /* entry(arg) */
        callq   *%rdx
        ud2                             /* entry does not return */
        .cfi_endproc
        .size   context_start, . - context_start

        .globl  context_visit
        .hidden context_visit
        .type   context_visit, @function
        .p2align 4
context_visit:
        .cfi_startproc
        pushq   %rbp
        pushq   %rbx
        subq    $8, %rsp                /* aligned for the call */
        movq    %rdi, %rbx              /* the context that was left */
        .cfi_def_cfa rbx, 56            /* and from here on: our caller, says the unwinder */
        .cfi_offset r15, -56
        .cfi_offset r14, -48
        .cfi_offset r13, -40
        .cfi_offset r12, -32
        .cfi_offset rbx, -24
        .cfi_offset rbp, -16
        movq    %rdx, %rdi              /* fn(arg) */
        callq   *%rsi
        addq    $8, %rsp
        popq    %rbx
        popq    %rbp
        ret
        .cfi_endproc
        .size   context_visit, . - context_visit

        .section .note.GNU-stack, "", @progbits
