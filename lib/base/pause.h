/* pause.h: tells the CPU that this is a loop that waits. */
#ifndef BASE_PAUSE_H
#define BASE_PAUSE_H

static inline void cpu_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
