// The runtime from C++: the same calls, with C++'s ways of writing a struct in place.
#include <cerrno>
#include <cstdio>
#include <weft/weft.h>

struct number { int value; };

WEFT_CHAN_DEFINE(numbers, number)

static void produce(void *arg)
{
    numbers ch = *static_cast<numbers *>(arg);
    for (int i = 1; i <= 10; i++) {
        number n{i};
        if (numbers_send(ch, &n) < 0)
            return;
    }
    numbers_close(ch);
}

static int fail(void *) { return -EIO; }
static int wait_long(void *) { return weft_sleep(3600 * WEFT_SEC); }

static weft_mutex mutex = WEFT_MUTEX_INIT;
static weft_rwlock rwlock = WEFT_RWLOCK_INIT;
static weft_cond cond = WEFT_COND_INIT;
static weft_once once = WEFT_ONCE_INIT;
static weft_sem sem = WEFT_SEM_INIT(1);
static weft_barrier barrier = WEFT_BARRIER_INIT(1);
static weft_wg wg = WEFT_WG_INIT;

static int weft_main(void *)
{
    numbers ch = numbers_new(2), never = numbers_new(0);
    number n{}, m{};
    int sum = 0, rc;
    weft_go_copy(produce, &ch, sizeof ch);
    while ((rc = weft_select(numbers_recv_case(ch, &n), WEFT_RECV(never.chan, &m))) == 0)
        sum += n.value;
    if (rc != WEFT_CLOSED(0))
        return 1;
    std::printf("sum %d\n", sum);
    if (weft_select(numbers_recv_case(never, &m), WEFT_AFTER(WEFT_MS)) == 1)
        std::printf("timed out\n");
    weft_group g;
    weft_group_opts opts{};
    opts.limit = 2;
    weft_group_init(&g, opts);
    weft_group_go(&g, wait_long, nullptr);
    weft_group_go(&g, fail, nullptr);
    std::printf("group %d\n", weft_group_wait(&g));
    weft_mutex_lock(&mutex);
    weft_cond_broadcast(&cond);
    weft_mutex_unlock(&mutex);
    weft_rwlock_read_lock(&rwlock);
    weft_rwlock_read_unlock(&rwlock);
    weft_once_do(&once, [](void *) {}, nullptr);
    numbers_free(ch);
    numbers_free(never);
    return weft_sem_acquire(&sem, 1) + weft_barrier_wait(&barrier) - 1 + weft_wg_wait(&wg);
}

int main() { return weft_run(weft_main, nullptr); }
