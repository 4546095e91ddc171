/* A fixed number of workers over a channel of jobs: the usual shape of a pipeline. The jobs channel is
 * bounded, so that who makes jobs waits when the workers are behind. */
#include <errno.h>
#include <stdio.h>
#include <weft/weft.h>

struct job { int number; };
struct result { int number, square; };

WEFT_CHAN_DEFINE(jobs, struct job)
WEFT_CHAN_DEFINE(results, struct result)

enum { WORKERS = 3, JOBS = 10 };

struct pool { jobs in; results out; };

static int worker(void *arg)
{
    struct pool *pool = arg;
    struct job job;
    int rc;
    while ((rc = jobs_recv(pool->in, &job)) == 0) {
        weft_sleep(WEFT_MS);                               /* the work */
        struct result r = {job.number, job.number * job.number};
        if ((rc = results_send(pool->out, &r)) < 0)
            return rc;
    }
    return rc == -EPIPE ? 0 : rc;                          /* closed and drained: no more jobs */
}

static int make_jobs(void *arg)
{
    struct pool *pool = arg;
    int rc = 0;
    for (int i = 1; i <= JOBS && rc == 0; i++)
        rc = jobs_send(pool->in, &(struct job){i});
    jobs_close(pool->in);                                  /* the sender closes */
    return rc;
}

/* Everything that works, in a group: the first error cancels all. */
static int run_pool(void *arg)
{
    struct pool *pool = arg;
    WEFT_GROUP_SCOPED(g);
    weft_group_init(&g, (weft_group_opts){ .timeout = 10 * WEFT_SEC });
    weft_group_go(&g, make_jobs, pool);
    for (int i = 0; i < WORKERS; i++)
        weft_group_go(&g, worker, pool);
    int rc = weft_group_wait(&g);
    results_close(pool->out);
    return rc;
}

static int weft_main(void *arg)
{
    struct pool pool = {jobs_new(WORKERS), results_new(WORKERS)};
    struct result r;
    int count = 0, sum = 0;
    (void)arg;
    WEFT_GROUP_SCOPED(g);
    weft_group_init(&g, (weft_group_opts){ .timeout = 0 });
    weft_group_go(&g, run_pool, &pool);
    while (results_recv(pool.out, &r) == 0) {
        count++;
        sum += r.square;
    }
    int rc = weft_group_wait(&g);
    jobs_free(pool.in);
    results_free(pool.out);
    printf("%d jobs done by %d workers\nsum of squares %d\n", count, WORKERS, sum);
    return rc < 0 || sum != 385;
}

int main(void)
{
    return weft_run_with(&(weft_run_opts){ .leaks = WEFT_LEAKS_FAIL }, weft_main, NULL);
}
