#include "stack_pages.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "assert.h"
#include "sys.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

/* This process as the kernel names it to process_madvise(2); -1: not to be had. Immutable while the
 * runtime runs. */
static int self_fd = -1;

/* relaxed, both: facts about the kernel, found again if missed */
static atomic_bool lacks_batches; /* process_madvise refuses these advices before Linux 6.13 */
static atomic_bool lacks_marker;  /* no MADV_GUARD_INSTALL */

void stack_pages_init(void)
{
    self_fd = (int)syscall(SYS_pidfd_open, getpid(), 0); /* closed on exec */
}

void stack_pages_done(void)
{
    if (self_fd >= 0)
        close(self_fd);
    self_fd = -1;
}

void stack_say_exhausted(const char *what, const char *hint)
{
    static atomic_flag is_said = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set_explicit(&is_said, memory_order_relaxed))
        fprintf(stderr, "weft: no memory for another coroutine stack: %s; %s\n", what, hint);
}

/* Gives advice about the same part of each stack. Returns 0 or a negative errno. */
static int advise(char *const low[], int count, size_t offset, size_t bytes, int advice)
{
    struct iovec parts[STACK_BATCH];
    weft_assert(count >= 1 && count <= STACK_BATCH);
    if (count > 1 && self_fd >= 0 && !atomic_load_explicit(&lacks_batches, memory_order_relaxed)) {
        for (int i = 0; i < count; i++)
            parts[i] = (struct iovec){low[i] + offset, bytes};
        ssize_t done = sys_process_madvise(self_fd, parts, (size_t)count, advice);
        if (done == (ssize_t)(bytes * (size_t)count))
            return 0;
        if (done < 0 && done != -ENOMEM)
            atomic_store_explicit(&lacks_batches, true, memory_order_relaxed);
    }
    for (int i = 0; i < count; i++) { /* again where it was done already: that does no harm */
        int rc = sys_madvise(low[i] + offset, bytes, advice);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Where the kernel's marker is missing, mprotect splits the mapping in two, and the number of
 * mappings a process may have (vm.max_map_count) bounds the number of stacks. */
int stack_guard(char *const low[], int count, size_t bytes)
{
    if (!atomic_load_explicit(&lacks_marker, memory_order_relaxed)) {
        int rc = advise(low, count, 0, bytes, MADV_GUARD_INSTALL);
        if (rc != -EINVAL)
            return rc < 0 ? rc : count;
        atomic_store_explicit(&lacks_marker, true, memory_order_relaxed);
    }
    int rc = sys_mprotect(low[0], bytes, PROT_NONE);
    if (rc < 0)
        stack_say_exhausted("the kernel's limit on memory mappings is reached",
                            "raise it with sysctl vm.max_map_count, or use Linux 6.13, which needs "
                            "none; until others end, new coroutines wait");
    return rc < 0 ? rc : 1; /* no more than are needed: each takes a mapping */
}

void stack_drop(char *const low[], int count, size_t offset, size_t end)
{
    (void)advise(low, count, offset, end - offset, MADV_DONTNEED); /* failing costs memory */
}
