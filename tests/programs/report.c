#define _DEFAULT_SOURCE
#include <stdio.h>
#include <unistd.h>
#include <weft/weft.h>

/* A library that knows nothing of weft, and blocks the thread. */
static int run_slow_query(void *db)
{
    (void)db;
    usleep(60000);
    printf("query done\n");
    return 7;
}

static void keep_serving(void *arg)
{
    int *served = arg;
    for (int i = 0; i < 10; i++, ++*served)
        weft_sleep(2 * WEFT_MS);
}

static void write_later(void *arg)
{
    weft_sleep(5 * WEFT_MS);
    if (write(*(int *)arg, "x", 1) != 1)
        printf("cannot write\n");
}

static int weft_main(void *arg)
{
    int served = 0, ends[2];
    weft_go(keep_serving, &served);
    run_slow_query(arg);         /* blocks the thread: others go on meanwhile */
    if (served == 0)
        return 1;
    int rc = weft_blocking(run_slow_query, arg);               /* the same, handed off at once instead of after 10 ms */
    if (rc != 7 || pipe(ends) < 0)
        return 2;
    weft_go(write_later, &ends[1]);
    int n = weft_poll(ends[0], WEFT_READABLE, 5 * WEFT_SEC);   /* any descriptor parks the coroutine, not the thread */
    if (n == WEFT_READABLE)
        printf("readable\n");
    char byte;
    if (read(ends[0], &byte, 1) == 1 && weft_poll(ends[0], WEFT_READABLE, 5 * WEFT_MS) < 0)
        printf("timed out\n");
    while (served < 10)
        weft_sleep(WEFT_MS);
    close(ends[0]);
    close(ends[1]);
    return 0;
}

int main(void) { return weft_run_with(&(weft_run_opts){ .procs = 1 }, weft_main, NULL); }
