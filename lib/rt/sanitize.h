/* sanitize.h: tells the sanitizers and Valgrind of every stack and every switch, in builds that
 * have them; nothing in the others. */
#ifndef RT_SANITIZE_H
#define RT_SANITIZE_H

#include <stddef.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define SAN_ADDRESS 1
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define SAN_THREAD 1
#include <sanitizer/tsan_interface.h>
enum { SAN_THREADS = 2 }; /* of its own, at most: a forked process has two */
#else
enum { SAN_THREADS = 0 };
#endif
#ifdef WEFT_VALGRIND /* ./dev build valgrind */
#include <valgrind/valgrind.h>
#endif

/* Memory that was mapped and points to what was allocated, for the leak detector. */
static inline void san_root(const void *from, size_t bytes)
{
    (void)from, (void)bytes;
#ifdef SAN_ADDRESS
    __lsan_register_root_region(from, bytes);
#endif
}

/* What is known of one context: a coroutine's, or a machine's own stack. */
struct san_fiber {
#ifdef SAN_ADDRESS
    void *fake_stack;
    const void *low;
    size_t bytes;
#endif
#ifdef SAN_THREAD
    void *tsan;
#endif
#ifdef WEFT_VALGRIND
    unsigned valgrind; /* the stack's number */
#endif
    char nothing[0];
};

static inline void san_fiber_init(struct san_fiber *f, const void *low, size_t bytes)
{
    (void)f, (void)low, (void)bytes;
#ifdef SAN_ADDRESS
    f->fake_stack = NULL;
    f->low = low;
    f->bytes = bytes;
    __asan_unpoison_memory_region(low, bytes); /* redzones of the frames that were here before */
#endif
#ifdef SAN_THREAD
    f->tsan = __tsan_create_fiber(0);
#endif
#ifdef WEFT_VALGRIND
    f->valgrind = VALGRIND_STACK_REGISTER(low, (const char *)low + bytes);
#endif
}

static inline void san_fiber_done(struct san_fiber *f)
{
    (void)f;
#ifdef SAN_THREAD
    __tsan_destroy_fiber(f->tsan);
#endif
#ifdef WEFT_VALGRIND
    VALGRIND_STACK_DEREGISTER(f->valgrind);
#endif
}

/* The machine's own stack, which is not made but found. */
static inline void san_fiber_init_thread(struct san_fiber *f, const void *low, size_t bytes)
{
    (void)f, (void)low, (void)bytes;
#ifdef SAN_ADDRESS
    f->fake_stack = NULL;
    f->low = low;
    f->bytes = bytes;
#endif
#ifdef SAN_THREAD
    f->tsan = __tsan_get_current_fiber();
#endif
}

/* Right before a switch. is_last: `from` is never entered again. */
static inline void san_switch_begin(struct san_fiber *from, struct san_fiber *to, int is_last)
{
    (void)from, (void)to, (void)is_last;
#ifdef SAN_ADDRESS
    __sanitizer_start_switch_fiber(is_last ? NULL : &from->fake_stack, to->low, to->bytes);
#endif
#ifdef SAN_THREAD
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
}

/* First thing in the context that was entered. */
static inline void san_switch_end(struct san_fiber *now)
{
    (void)now;
#ifdef SAN_ADDRESS
    __sanitizer_finish_switch_fiber(now->fake_stack, NULL, NULL);
#endif
}

#endif
