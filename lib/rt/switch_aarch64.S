/* The context switch for aarch64, AAPCS64. See switch.h.
 *
 * What a context that was left looks like, from its saved stack pointer up (160 bytes):
 *
 *      sp +   0  x19 x20      sp +  64  x27 x28      sp + 128  d12 d13
 *      sp +  16  x21 x22      sp +  80  x29 x30      sp + 144  d14 d15
 *      sp +  32  x23 x24      sp +  96  d8  d9
 *      sp +  48  x25 x26      sp + 112  d10 d11
 *
 * x30 is where it goes on; the way back is br, not ret, so that the return predictor of the context
 * that was left is not asked. */

        .text

        .macro  SAVE_CONTEXT
        sub     sp, sp, #160
        stp     x19, x20, [sp, #0]
        stp     x21, x22, [sp, #16]
        stp     x23, x24, [sp, #32]
        stp     x25, x26, [sp, #48]
        stp     x27, x28, [sp, #64]
        stp     x29, x30, [sp, #80]
        stp     d8, d9, [sp, #96]
        stp     d10, d11, [sp, #112]
        stp     d12, d13, [sp, #128]
        stp     d14, d15, [sp, #144]
        .endm

        .globl  context_switch
        .hidden context_switch
        .type   context_switch, %function
        .p2align 4
context_switch:
        .cfi_startproc
        SAVE_CONTEXT
        mov     x9, sp
        str     x9, [x0]                /* left: *save_sp */
        mov     sp, x1                  /* entered: the same layout on the other stack */
        ldp     x19, x20, [sp, #0]
        ldp     x21, x22, [sp, #16]
        ldp     x23, x24, [sp, #32]
        ldp     x25, x26, [sp, #48]
        ldp     x27, x28, [sp, #64]
        ldp     x29, x30, [sp, #80]
        ldp     d8, d9, [sp, #96]
        ldp     d10, d11, [sp, #112]
        ldp     d12, d13, [sp, #128]
        ldp     d14, d15, [sp, #144]
        add     sp, sp, #160
        br      x30                     /* where it goes on */
        .cfi_endproc
        .size   context_switch, . - context_switch

        .globl  context_start
        .hidden context_start
        .type   context_start, %function
        .p2align 4
context_start:
        .cfi_startproc
        SAVE_CONTEXT
        mov     x9, sp
        str     x9, [x0]                /* left: *save_sp */
        mov     sp, x1                  /* the fresh stack */
        .cfi_undefined x30              /* the outermost frame: unwinding ends here */
        mov     x29, xzr
        mov     x30, xzr
        mov     x0, x3                  /* entry(arg) */
        blr     x2
        brk     #1                      /* entry does not return */
        .cfi_endproc
        .size   context_start, . - context_start

        .globl  context_visit
        .hidden context_visit
        .type   context_visit, %function
        .p2align 4
context_visit:
        .cfi_startproc
        stp     x29, x30, [sp, #-32]!
        stp     x19, x20, [sp, #16]
        mov     x19, x0                 /* the context that was left */
        .cfi_def_cfa x19, 160           /* and from here on: our caller, says the unwinder */
        .cfi_offset x19, -160
        .cfi_offset x20, -152
        .cfi_offset x21, -144
        .cfi_offset x22, -136
        .cfi_offset x23, -128
        .cfi_offset x24, -120
        .cfi_offset x25, -112
        .cfi_offset x26, -104
        .cfi_offset x27, -96
        .cfi_offset x28, -88
        .cfi_offset x29, -80
        .cfi_offset x30, -72
        mov     x0, x2                  /* fn(arg) */
        blr     x1
        ldp     x19, x20, [sp, #16]
        ldp     x29, x30, [sp], #32
        ret
        .cfi_endproc
        .size   context_visit, . - context_visit

        .section .note.GNU-stack, "", %progbits
