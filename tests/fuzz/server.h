/* server.h: a runtime that runs while a fuzzer does, so that each input only costs its requests. */
#ifndef TESTS_FUZZ_SERVER_H
#define TESTS_FUZZ_SERVER_H

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>
#include <weft/weft.h>

#include "fuzz.h"

static int fuzz_stay(void *arg)
{
    (void)arg;
    for (;;)
        weft_sleep(3600 * WEFT_SEC);
}

static void *fuzz_run(void *arg)
{
    weft_run_opts opts = {.procs = 1, .leaks = WEFT_LEAKS_IGNORE};
    weft_run_with(&opts, fuzz_stay, arg);
    return NULL;
}

static inline void fuzz_start_runtime(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, fuzz_run, NULL);
    while (weft_num_procs() == 0)
        usleep(1000);
    usleep(10000); /* until spawns are taken */
}

#endif
