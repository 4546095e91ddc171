/* faults.c: every allocation and system call fails in turn, once and from then on, with each errno
 * that it may have, and short counts.
 *
 * usage: faults [STRIDE]: every STRIDE-th of the calls, default every one.
 *
 * The calls are caught where the program is linked (--wrap), so that the library has no trace of
 * it. A trial is a process of its own: it starts a runtime and a server, asks it some requests
 * while the Nth call fails, and asks again when nothing fails any more. It must then answer right,
 * and have no more descriptors than before; or it has ended with a line on stderr that says why. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/weft.h>

enum { NEVER = -1, SHORT = -1000, CALLS_MAX = 400, PATIENCE_S = 60 };

/* ---- which call fails ---- */

static const char *failing; /* the name of the call, or NULL: none */
static int fault;           /* its errno, or SHORT */
static bool from_then_on;
static _Atomic(long) calls, fails_at = NEVER;

/* Whether this call is the one. Sets errno. */
static bool fails(const char *call)
{
    if (!failing || strcmp(failing, call) != 0)
        return false;
    long at = atomic_load(&fails_at), n = atomic_fetch_add(&calls, 1);
    if (at == NEVER || (from_then_on ? n < at : n != at))
        return false;
    if (fault != SHORT)
        errno = fault;
    return true;
}

#define WRAP(result, name, params, args, on_fault)                                                 \
    result __real_##name params;                                                                   \
    result __wrap_##name params;                                                                   \
    result __wrap_##name params                                                                    \
    {                                                                                              \
        return fails(#name) ? (on_fault) : __real_##name args;                                     \
    }

WRAP(void *, malloc, (size_t n), (n), NULL)
WRAP(void *, calloc, (size_t n, size_t size), (n, size), NULL)
WRAP(void *, realloc, (void *p, size_t n), (p, n), NULL)
WRAP(void *, aligned_alloc, (size_t to, size_t n), (to, n), NULL)
WRAP(void *, mmap, (void *at, size_t n, int prot, int how, int fd, off_t from),
     (at, n, prot, how, fd, from), MAP_FAILED)
WRAP(int, madvise, (void *at, size_t n, int what), (at, n, what), -1)
WRAP(int, eventfd, (unsigned n, int how), (n, how), -1)
WRAP(int, epoll_create1, (int how), (how), -1)
WRAP(int, epoll_ctl, (int fd, int op, int of, struct epoll_event *e), (fd, op, of, e), -1)
WRAP(int, epoll_wait, (int fd, struct epoll_event *e, int n, int ms), (fd, e, n, ms), -1)
WRAP(int, epoll_pwait2,
     (int fd, struct epoll_event *e, int n, const struct timespec *t, const sigset_t *s),
     (fd, e, n, t, s), -1)
WRAP(int, accept4, (int fd, struct sockaddr *a, socklen_t *n, int how), (fd, a, n, how), -1)
WRAP(int, socketpair, (int family, int type, int protocol, int *fds), (family, type, protocol, fds),
     -1)
WRAP(ssize_t, recv, (int fd, void *p, size_t n, int how), (fd, p, n, how),
     fault == SHORT ? __real_recv(fd, p, n > 1 ? 1 : n, how) : -1)
WRAP(ssize_t, send, (int fd, const void *p, size_t n, int how), (fd, p, n, how),
     fault == SHORT ? __real_send(fd, p, n > 1 ? 1 : n, how) : -1)
WRAP(ssize_t, sendfile, (int to, int from, off_t *at, size_t n), (to, from, at, n),
     fault == SHORT ? __real_sendfile(to, from, at, n > 1 ? 1 : n) : -1)
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *m, int how), (fd, m, how), -1)
WRAP(ssize_t, pread, (int fd, void *p, size_t n, off_t at), (fd, p, n, at),
     fault == SHORT ? __real_pread(fd, p, n > 1 ? 1 : n, at) : -1)
WRAP(int, pthread_create, (pthread_t * t, const pthread_attr_t *a, void *(*fn)(void *), void *arg),
     (t, a, fn, arg), fault)

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
    long a[6];
    va_list args;
    va_start(args, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if ((number == SYS_openat2 && fails("openat2")) || (number == SYS_futex && fails("futex")) ||
        (number == SYS_process_madvise && fails("process_madvise")))
        return -1;
    return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* Not EAGAIN for what the netpoller waits for: a kernel that says so without a reason would also
 * owe the edge that says when to try again. */
static const struct plan {
    const char *call;
    int faults[5];
} plans[] = {
    {"malloc", {ENOMEM}},
    {"calloc", {ENOMEM}},
    {"realloc", {ENOMEM}},
    {"aligned_alloc", {ENOMEM}},
    {"mmap", {ENOMEM}},
    {"madvise", {EINVAL, ENOMEM}},
    {"process_madvise", {ENOSYS, EINVAL, ENOMEM}},
    {"eventfd", {EMFILE, ENOMEM}},
    {"epoll_create1", {EMFILE, ENOMEM}},
    {"epoll_ctl", {ENOMEM, ENOSPC}},
    {"epoll_wait", {EINTR}},
    {"epoll_pwait2", {EINTR, ENOSYS}},
    {"accept4", {EMFILE, ENFILE, ENOMEM, ECONNABORTED, EINTR}},
    {"socketpair", {EMFILE}},
    {"recv", {EINTR, ECONNRESET, ENOMEM, SHORT}},
    {"send", {EINTR, EPIPE, ENOBUFS, SHORT}},
    {"sendmsg", {EINTR, ECONNRESET}},
    {"sendfile", {EINTR, EIO, SHORT}},
    {"pread", {EIO, SHORT}},
    {"openat2", {EMFILE, ENOMEM, EAGAIN, ENOSYS}},
    {"futex", {EINTR, EAGAIN}},
    {"pthread_create", {EAGAIN}},
};

/* ---- what is asked meanwhile ---- */

static char folder[] = "/tmp/weft-faults-XXXXXX";

static int echo(weft_http *h, void *arg)
{
    weft_str body;
    (void)arg;
    int rc = weft_body_all(h, &body);
    return rc < 0 ? rc : weft_bytes(h, 200, "text/plain", body.ptr, body.len);
}

static int stream(weft_http *h, void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        int rc = weft_writef(h, "part %d\n", i);
        if (rc == 0)
            rc = weft_flush(h);
        if (rc < 0)
            return rc;
        weft_sleep(100 * WEFT_US);
    }
    return 0;
}

static weft_app *site(void)
{
    weft_app *app = weft_app_new();
    if (!app)
        return NULL;
    weft_post(app, "/echo", echo, NULL);
    weft_get(app, "/stream", stream, NULL);
    weft_get(app, "/f/{path...}", weft_static, folder);
    weft_use(app, weft_mw_request_id, NULL);
    return app;
}

static const char requests[] = "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"
                               "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
                               "GET /f/large HTTP/1.1\r\nHost: x\r\n\r\n"
                               "GET /f/small HTTP/1.1\r\nHost: x\r\nRange: bytes=1-3\r\n\r\n"
                               "GET /none HTTP/1.1\r\nHost: x\r\n\r\n";

/* Asks a server on a port of its own, so that it listens and accepts. */
static bool ask_port(weft_app *app, int64_t timeout)
{
    static const char request[] = "GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    weft_test_server *server = weft_test_server_start(app, NULL);
    struct timeval patience = {.tv_sec = timeout / WEFT_SEC, .tv_usec = timeout % WEFT_SEC / 1000};
    char answer[1024] = "";
    if (!server)
        return false;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((in_port_t)weft_test_server_port(server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_sent = fd >= 0 &&
                   setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
                   connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
                   write(fd, request, sizeof request - 1) == (ssize_t)sizeof request - 1;
    ssize_t n = is_sent ? read(fd, answer, sizeof answer - 1) : 0;
    if (fd >= 0)
        close(fd);
    bool has_stopped = weft_test_server_stop(server) == 0;
    return has_stopped && n > 0 && strstr(answer, "HTTP/1.1 404 ");
}

/* Asks by the server's whole way. Returns whether everything was right. */
static bool ask(int64_t timeout)
{
    weft_app *app = site();
    if (!app)
        return false;
    bool is_accepting = ask_port(app, timeout);
    weft_test_opts opts = {.timeout = timeout, .piece = 64};
    weft_test_response r = weft_test_request_opts(app, requests, &opts);
    const weft_test_response *at = &r;
    static const int statuses[] = {200, 200, 200, 206, 404};
    bool is_right = r.error == 0;
    for (size_t i = 0; is_right && i < sizeof statuses / sizeof *statuses; i++) {
        is_right = at && at->status == statuses[i];
        at = is_right ? at->next : NULL;
    }
    weft_test_response_free(&r);
    weft_app_free(app);
    return is_right && is_accepting;
}

static int count_descriptors(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count;
}

/* ---- a trial ---- */

enum { ALIVE = 0, WRONG = 10, LEAKS = 11, NOT_REACHED = 12 };

static int trial(const struct plan *plan, int with, bool on, long at)
{
    if (!ask(20 * WEFT_SEC)) /* also fills what is kept: pools, the cache of files */
        return WRONG;
    int before = count_descriptors();
    fault = with;
    from_then_on = on;
    atomic_store(&fails_at, at);
    failing = plan->call;
    ask(300 * WEFT_MS);
    failing = NULL;
    bool is_reached = atomic_load(&calls) > at;
    for (int i = 0; i < 3; i++) /* what was late may still be under way in the first */
        if (ask(20 * WEFT_SEC) && count_descriptors() <= before)
            return is_reached ? ALIVE : NOT_REACHED;
    return count_descriptors() > before ? LEAKS : WRONG;
}

/* Returns whether the trial went as it must; *ret_reached tells whether the call came so often. */
static bool run(const struct plan *plan, int with, bool on, long at, bool *ret_reached)
{
    char said[4096];
    size_t len = 0;
    ssize_t n;
    int fds[2], status = 0;
    if (pipe(fds) < 0)
        abort();
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        alarm(PATIENCE_S);
        exit(trial(plan, with, on, at));
    }
    close(fds[1]);
    while (len < sizeof said - 1 && (n = read(fds[0], said + len, sizeof said - 1 - len)) > 0)
        len += (size_t)n;
    said[len] = '\0';
    close(fds[0]);
    waitpid(child, &status, 0);
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    *ret_reached = code != NOT_REACHED;
    bool has_said_why = strstr(said, "weft: ") && !WIFEXITED(status) && WTERMSIG(status) == SIGABRT;
    if (code == ALIVE || code == NOT_REACHED || has_said_why)
        return true;
    printf("%s number %ld %s with %s: %s\n%s\n", plan->call, at, on ? "and all after" : "alone",
           with == SHORT ? "one byte" : strerror(with),
           code == WRONG   ? "does not serve any more"
           : code == LEAKS ? "left a descriptor open"
           : code < 0      ? strsignal(WTERMSIG(status))
                           : "ended",
           said);
    return false;
}

static void write_file(const char *name, size_t bytes)
{
    char path[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    for (size_t i = 0; file && i < bytes; i++)
        fputc('x', file);
    if (file)
        fclose(file);
}

static void remove_folder(void)
{
    static const char *const names[] = {"small", "large"};
    char path[64];
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

int main(int argc, char **argv)
{
    long stride = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
    int passed = 0, failed = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!mkdtemp(folder))
        return 1;
    write_file("small", 10);
    write_file("large", 300000);
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        const struct plan *plan = &plans[i];
        int before = passed + failed, most = 0;
        for (int j = 0; j < 5 && plan->faults[j]; j++)
            for (int on = 0; on < 2; on++) {
                if (on && plan->faults[j] == EINTR)
                    continue; /* interrupted for ever: nothing could be done but try again */
                bool is_reached = true;
                for (long at = 0; at < CALLS_MAX && is_reached; at += stride) {
                    bool is_good = run(plan, plan->faults[j], on, at, &is_reached);
                    passed += is_good;
                    failed += !is_good;
                    most = is_reached && at > most ? (int)at : most;
                }
            }
        printf("%-16s %4d trials, up to call %d\n", plan->call, passed + failed - before, most);
    }
    remove_folder();
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
