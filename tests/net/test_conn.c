#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
#include <weft/weft.h>

#include "address.h"
#include "conn.h"
#include "listener.h"

enum { MUCH = 4 << 20 };

static char in_bytes[MUCH], out_bytes[MUCH];

/* Tells back what comes until the peer ends. */
static void echo(weft_conn *c, enum conn_wake why)
{
    char buf[8192];
    ssize_t n = why == CONN_READABLE ? weft_conn_read(c, buf, sizeof buf) : 0;
    while (n > 0 && weft_conn_write_all(c, buf, (size_t)n) == 0)
        n = weft_conn_read(c, buf, sizeof buf);
    weft_conn_close(c);
}

static void on_conn(weft_conn *c, void *arg)
{
    (void)arg;
    conn_idle(c, echo, WEFT_NO_DEADLINE);
}

struct listening {
    struct listener *listener;
    const char *network, *address;
};

static struct listening listen_on(const char *address)
{
    struct listening l = {.network = "tcp"};
    cr_assert_eq(listener_open(address, &l.listener), 0);
    cr_assert_eq(listener_start(l.listener, on_conn, NULL), 0);
    l.address = listener_address(l.listener);
    if (strncmp(l.address, "unix:", 5) == 0) {
        l.network = "unix";
        l.address += 5;
    }
    return l;
}

static void stop(struct listening *l)
{
    listener_stop(l->listener);
    listener_free(l->listener);
}

struct sender {
    weft_conn *conn;
    weft_wg done;
};

static void send_much(void *arg)
{
    struct sender *s = arg;
    cr_assert_eq(weft_conn_write_all(s->conn, out_bytes, MUCH), 0);
    cr_assert_eq(weft_conn_shutdown_write(s->conn), 0);
    weft_wg_done(&s->done);
}

static int exchange_much(void *arg)
{
    weft_conn *c;
    struct listening l = listen_on(arg);
    for (int i = 0; i < MUCH; i++)
        out_bytes[i] = (char)(i * 7 + i / 1000);
    cr_assert_eq(weft_dial(l.network, l.address, &c), 0);
    struct sender sender = {c, WEFT_WG_INIT};
    weft_wg_add(&sender.done, 1);
    weft_go(send_much, &sender); /* one writes while the other reads: both wait for the echo */
    size_t len = 0;
    for (ssize_t n; (n = weft_conn_read(c, in_bytes + len, MUCH - len)) > 0 && len < MUCH;)
        len += (size_t)n;
    cr_assert_eq(len, MUCH);
    cr_assert_eq(memcmp(in_bytes, out_bytes, MUCH), 0);
    cr_assert_eq(weft_conn_read(c, in_bytes, 1), 0, "the end of the stream follows");
    weft_wg_wait(&sender.done);
    weft_conn_close(c);
    stop(&l);
    return 0;
}

Test(conn, bytes_arrive_whole_with_both_sides_waiting, .timeout = 120)
{
    static char address[64];
    static const int sizes[] = {1, 2, 8};
    snprintf(address, sizeof address, "unix:/tmp/weft-conn-%d.sock", (int)getpid());
    for (int i = 0; i < 3; i++) {
        weft_run_opts opts = {.procs = sizes[i]};
        cr_assert_eq(weft_run_with(&opts, exchange_much, (void *)"127.0.0.1:0"), 0);
        cr_assert_eq(weft_run_with(&opts, exchange_much, address), 0);
    }
}

/* An event may come for a connection that is only being registered. */
static _Atomic(int) unended; /* connections of the server's */

static void echo_or_wait_on(weft_conn *c, enum conn_wake why)
{
    if (why == CONN_READABLE) {
        echo(c, why);
        atomic_fetch_sub(&unended, 1);
    } else {
        conn_idle(c, echo_or_wait_on, WEFT_NO_DEADLINE);
    }
}

static void on_conn_disturbed(weft_conn *c, void *arg)
{
    (void)arg;
    atomic_fetch_add(&unended, 1);
    conn_idle(c, echo_or_wait_on, WEFT_NO_DEADLINE);
}

static void disturb(weft_conn *c, void *arg)
{
    (void)arg;
    conn_interrupt(c);
}

static void disturb_all(void *has_ended)
{
    while (!atomic_load((_Atomic(bool) *)has_ended)) {
        conn_each(disturb, NULL);
        weft_yield();
    }
}

static int connect_disturbed(void *arg)
{
    enum { CONNECTIONS = 100 };
    struct listener *l;
    static _Atomic(bool) has_ended;
    (void)arg;
    atomic_store(&has_ended, false);
    cr_assert_eq(listener_open("127.0.0.1:0", &l), 0);
    cr_assert_eq(listener_start(l, on_conn_disturbed, NULL), 0);
    weft_go(disturb_all, &has_ended);
    for (int i = 0; i < CONNECTIONS; i++) {
        weft_conn *c;
        char byte = 0;
        cr_assert_eq(weft_dial("tcp", listener_address(l), &c), 0);
        cr_assert_eq(weft_conn_write_all(c, "x", 1), 0);
        cr_assert_eq(weft_conn_read(c, &byte, 1), 1);
        cr_assert_eq(byte, 'x');
        weft_conn_close(c);
    }
    while (atomic_load(&unended))
        weft_yield();
    atomic_store(&has_ended, true);
    listener_stop(l);
    listener_free(l);
    return 0;
}

Test(conn, an_interrupt_while_it_is_registered_loses_nothing, .timeout = 120)
{
    for (int procs = 1; procs <= 4; procs++) {
        weft_run_opts opts = {.procs = procs};
        cr_assert_eq(weft_run_with(&opts, connect_disturbed, NULL), 0);
    }
}

/* Those that only yield keep a processor busy, and each of their turns is short. */
static void yield_until(void *has_ended)
{
    while (!atomic_load((_Atomic(bool) *)has_ended))
        weft_yield();
}

static void *write_later(void *fd)
{
    usleep(5000);
    cr_assert_eq(write(*(int *)fd, "x", 1), 1);
    return NULL;
}

static int wait_beside_busy_ones(void *arg)
{
    static _Atomic(bool) has_ended;
    int fds[2];
    pthread_t writer;
    (void)arg;
    atomic_store(&has_ended, false);
    cr_assert_eq(pipe(fds), 0);
    weft_go(yield_until, &has_ended);
    for (int i = 0; i < 3; i++) {
        char byte;
        cr_assert_eq(pthread_create(&writer, NULL, write_later, &fds[1]), 0);
        cr_assert_eq(weft_poll(fds[0], WEFT_READABLE, 20 * WEFT_SEC), WEFT_READABLE);
        cr_assert_eq(read(fds[0], &byte, 1), 1);
        pthread_join(writer, NULL);
    }
    atomic_store(&has_ended, true);
    weft_yield();
    close(fds[0]);
    close(fds[1]);
    return 0;
}

Test(poll, a_processor_that_is_never_idle_looks_into_its_poller_too, .timeout = 120)
{
    weft_run_opts opts = {.procs = 1, .leaks = WEFT_LEAKS_IGNORE};
    cr_assert_eq(weft_run_with(&opts, wait_beside_busy_ones, NULL), 0);
}

static int wait_in_vain(void *arg)
{
    weft_conn *c;
    char byte;
    struct listening l = listen_on("127.0.0.1:0");
    (void)arg;
    cr_assert_eq(weft_dial(l.network, l.address, &c), 0);
    weft_conn_set_read_deadline(c, weft_now() + 3600 * WEFT_SEC);
    int64_t until = weft_now() + 20 * WEFT_MS;
    weft_conn_set_read_deadline(c, until); /* earlier than the timer was armed for */
    cr_assert_eq(weft_conn_read(c, &byte, 1), -ETIMEDOUT);
    cr_assert_geq(weft_now(), until);
    weft_conn_set_read_deadline(c, WEFT_NO_DEADLINE);
    cr_assert_eq(weft_conn_write_all(c, "x", 1), 0);
    cr_assert_eq(weft_conn_read(c, &byte, 1), 1, "a deadline ends a wait, not the connection");
    weft_conn_close(c);
    stop(&l);
    return 0;
}

/* The deadline passes, and its timer fires, while nobody waits. */
static int wait_too_late(void *arg)
{
    weft_conn *c;
    char byte;
    struct listening l = listen_on("127.0.0.1:0");
    (void)arg;
    cr_assert_eq(weft_dial(l.network, l.address, &c), 0);
    for (int i = 0; i < 3; i++) {
        weft_conn_set_read_deadline(c, weft_now() + WEFT_MS);
        cr_assert_eq(weft_sleep(5 * WEFT_MS), 0);
        cr_assert_eq(weft_conn_read(c, &byte, 1), -ETIMEDOUT);
        cr_assert_eq(weft_conn_read(c, &byte, 1), -ETIMEDOUT, "and stays passed");
    }
    weft_conn_set_read_deadline(c, weft_now() + 60 * WEFT_SEC);
    cr_assert_eq(weft_conn_write_all(c, "x", 1), 0);
    cr_assert_eq(weft_conn_read(c, &byte, 1), 1, "until there is a new one");
    weft_conn_close(c);
    stop(&l);
    return 0;
}

Test(conn, a_deadline_that_passed_before_the_wait_ends_it, .timeout = 20)
{
    weft_run_opts opts = {.procs = 2};
    cr_assert_eq(weft_run_with(&opts, wait_too_late, NULL), 0);
}

Test(conn, a_read_deadline_ends_the_wait, .timeout = 60)
{
    cr_assert_eq(weft_run(wait_in_vain, NULL), 0);
}

static int dial_wrongly(void *arg)
{
    weft_conn *c = NULL;
    char address[64];
    struct listening l = listen_on("127.0.0.1:0");
    (void)arg;
    snprintf(address, sizeof address, "%s", l.address);
    stop(&l);
    cr_assert_eq(weft_dial("tcp", address, &c), -ECONNREFUSED);
    cr_assert_eq(weft_dial("unix", "/nonexistent/socket", &c), -ENOENT);
    cr_assert_eq(weft_dial("tcp", "nonsense", &c), -EINVAL);
    cr_assert_eq(weft_dial("carrier pigeon", "127.0.0.1:1", &c), -EINVAL);
    cr_assert_null(c);
    weft_conn_close(NULL);
    return 0;
}

Test(conn, dialling_says_what_is_wrong, .timeout = 60)
{
    cr_assert_eq(weft_run(dial_wrongly, NULL), 0);
}

Test(address, reads_and_writes_all_forms)
{
    static const char *const good[][2] = {
        {"127.0.0.1:80", "127.0.0.1:80"}, {"localhost:1", "127.0.0.1:1"},
        {"[::1]:8080", "[::1]:8080"},     {":80", "[::]:80"},
        {"unix:/a/b", "unix:/a/b"},
    };
    static const char *const bad[] = {
        "",      "80",      "127.0.0.1", "127.0.0.1:", "a.b:80", "1.2.3.4:65536",
        "[::1]", "[::g]:1", "::1:80",    "unix:",      ":-1",    ":1x"};
    union address a;
    char text[64];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        cr_assert_gt(address_parse(good[i][0], &a), 0, "%s", good[i][0]);
        address_format(&a, text, sizeof text);
        cr_assert_str_eq(text, good[i][1]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_eq(address_parse(bad[i], &a), -EINVAL, "%s", bad[i]);
}
