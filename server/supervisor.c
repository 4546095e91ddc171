/* supervisor.c: one thread, one loop, nothing of the runtime.
 *
 * A worker is this binary again, with the sockets inherited and a channel (a socket pair) on which
 * it says 'R' when it serves and 'H' every second. What happens to workers:
 *
 *   STARTING -> SERVING    'R' came: whoever served before drains
 *   STARTING -> gone       it ended before: what served before goes on serving
 *   SERVING  -> DRAINING   another one serves, or the service stops: SIGTERM
 *   SERVING  -> gone       it crashed: another one is started at once
 *   DRAINING -> gone       it is done, or its time was up: SIGKILL
 *
 * An upgrade replaces this process's image (execve): its id, its children and the sockets stay. */
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/base.h>

#include "config.h"
#include "logs.h"
#include "notify.h"
#include "sockets.h"
#include "worker.h"

enum { WORKERS_MAX = 16, STATUS_OK = 0, STATUS_FAILED = 1, STATUS_WRONG = 2 };

static const int64_t CRASH_WINDOW_NS = 10 * WEFT_SEC;
enum { CRASHES_MAX = 5 }; /* within the window: after that restarts wait */
static const int64_t CRASH_PAUSE_NS = 1 * WEFT_SEC;
static const int64_t SILENCE_NS = 30 * WEFT_SEC; /* without a sign of life: hung */
static const int64_t DRAIN_SLACK_NS = 5 * WEFT_SEC;
static const int64_t DRAIN_DEFAULT_NS = 10 * WEFT_SEC;

enum worker_state { WORKER_GONE, WORKER_STARTING, WORKER_SERVING, WORKER_DRAINING };

struct worker {
    enum worker_state state;
    pid_t pid;
    int channel; /* -1: closed */
    int64_t heard_at;
    int64_t kill_at; /* DRAINING: when it has had its time */
};

static struct {
    const char *config_path;
    char exe[4096];
    struct config *config;
    struct sockets sockets;
    struct config *next_config; /* of the worker that is STARTING, when it is another one */
    struct sockets next_sockets;
    struct worker workers[WORKERS_MAX];
    int signals;
    bool is_stopping, wants_reload, has_served;
    int64_t crashes[CRASHES_MAX]; /* times of the last ones, a ring */
    unsigned n_crashes;
    int64_t start_at; /* when the next worker shall start; 0: none */
    int64_t ping_every, ping_at;
    int status;
} sv;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "weft: %s\n", text);
}

static struct worker *worker_in(enum worker_state state)
{
    for (int i = 0; i < WORKERS_MAX; i++)
        if (sv.workers[i].state == state)
            return &sv.workers[i];
    return NULL;
}

/* ---- starting one ---- */

static void unblock_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child: becomes a worker, or ends. */
static void run_worker(const struct sockets *sockets, int channel)
{
    char text[SOCKETS_TEXT_MAX], number[16];
    unblock_signals();
    sockets_inherit(sockets, true);
    fcntl(channel, F_SETFD, 0);
    sockets_write(sockets, text);
    snprintf(number, sizeof number, "%d", channel);
    setenv(WORKER_SOCKETS, text, 1);
    setenv(WORKER_CHANNEL, number, 1);
    unsetenv("LISTEN_PID"); /* the supervisor's */
    unsetenv("LISTEN_FDS");
    unsetenv("NOTIFY_SOCKET");
    /* This image, even when another file lies at its path by now: that waits for an upgrade. */
    execl("/proc/self/exe", "weft", "worker", sv.config_path, (char *)NULL);
    say("cannot start a worker: %s", strerror(errno));
    _exit(STATUS_WRONG);
}

static int worker_start(const struct sockets *sockets)
{
    struct worker *w = worker_in(WORKER_GONE);
    int pair[2];
    sv.start_at = 0;
    if (!w || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return w ? -errno : -EAGAIN;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        run_worker(sockets, pair[1]);
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return -EAGAIN;
    }
    *w = (struct worker){
        .state = WORKER_STARTING, .pid = pid, .channel = pair[0], .heard_at = weft_now()};
    return 0;
}

static void start_or_retry(void)
{
    int rc = worker_start(&sv.sockets);
    if (rc < 0) {
        say("cannot start a worker: %s; trying again", strerror(-rc));
        sv.start_at = weft_now() + CRASH_PAUSE_NS;
    }
}

/* ---- what becomes of them ---- */

static void drain(struct worker *w)
{
    int64_t time = sv.config ? sv.config->timeouts.drain.value : 0;
    w->state = WORKER_DRAINING;
    w->kill_at = weft_now() + (time ? time : DRAIN_DEFAULT_NS) + DRAIN_SLACK_NS;
    kill(w->pid, SIGTERM);
}

/* The new configuration has a worker that serves it. */
static void adopt_next(void)
{
    if (!sv.next_config)
        return;
    struct sockets old = sv.sockets;
    sv.sockets = sv.next_sockets;
    sockets_close_except(&old, &sv.sockets);
    config_free(sv.config);
    sv.config = sv.next_config;
    sv.next_config = NULL;
    say("%s is in force", sv.config_path);
}

static void drop_next(void)
{
    if (!sv.next_config)
        return;
    sockets_close_except(&sv.next_sockets, &sv.sockets);
    config_free(sv.next_config);
    sv.next_config = NULL;
}

static void write_pid_file(void)
{
    if (!sv.config->pid_file)
        return;
    FILE *file = fopen(sv.config->pid_file, "we");
    if (!file || fprintf(file, "%d\n", (int)getpid()) < 0)
        say("cannot write %s: %s", sv.config->pid_file, strerror(errno));
    if (file)
        fclose(file);
}

static void on_serving(struct worker *w)
{
    for (int i = 0; i < WORKERS_MAX; i++)
        if (sv.workers[i].state == WORKER_SERVING)
            drain(&sv.workers[i]);
    w->state = WORKER_SERVING;
    adopt_next();
    sv.has_served = true;
    notify_send("READY=1\nMAINPID=%d\nSTATUS=worker %d serves", (int)getpid(), (int)w->pid);
}

/* Whether workers crash so often that the next one had better wait. */
static bool is_crashing_often(int64_t now)
{
    int64_t oldest = sv.crashes[sv.n_crashes % CRASHES_MAX];
    sv.crashes[sv.n_crashes++ % CRASHES_MAX] = now;
    return oldest && now - oldest < CRASH_WINDOW_NS;
}

static void describe_end(int how, char *text, size_t size)
{
    if (WIFSIGNALED(how))
        snprintf(text, size, "was killed by signal %d (%s)", WTERMSIG(how),
                 strsignal(WTERMSIG(how)));
    else
        snprintf(text, size, "ended with status %d", WEXITSTATUS(how));
}

static void on_end(struct worker *w, int how)
{
    char text[128];
    enum worker_state was = w->state;
    int64_t now = weft_now();
    describe_end(how, text, sizeof text);
    close(w->channel);
    *w = (struct worker){.channel = -1};
    if (was == WORKER_DRAINING)
        return;
    if (was == WORKER_STARTING)
        drop_next();
    if (was == WORKER_STARTING && worker_in(WORKER_SERVING)) {
        say("the new worker %s; the old one goes on, with what it had", text);
        notify_send("READY=1\nSTATUS=the last reload or upgrade failed");
        return;
    }
    if (sv.is_stopping)
        return;
    if (!sv.has_served) { /* it could not start, and has said why */
        sv.is_stopping = true;
        sv.status = WIFEXITED(how) && WEXITSTATUS(how) ? WEXITSTATUS(how) : STATUS_FAILED;
        return;
    }
    bool is_often = is_crashing_often(now);
    say("the worker %s; %s", text, is_often ? "the next one waits a second" : "another one starts");
    sv.start_at = is_often ? now + CRASH_PAUSE_NS : now;
}

static void reap(void)
{
    for (int i = 0; i < WORKERS_MAX; i++) {
        int how;
        if (sv.workers[i].state != WORKER_GONE &&
            waitpid(sv.workers[i].pid, &how, WNOHANG) == sv.workers[i].pid)
            on_end(&sv.workers[i], how);
    }
}

static void on_channel(struct worker *w)
{
    char text[64];
    ssize_t n;
    while ((n = read(w->channel, text, sizeof text)) > 0) {
        w->heard_at = weft_now();
        if (w->state == WORKER_STARTING && memchr(text, WORKER_SAYS_READY, (size_t)n))
            on_serving(w);
    }
    if (n == 0) { /* it ends; SIGCHLD says how */
        close(w->channel);
        w->channel = -1;
    }
}

/* ---- signals ---- */

static void reload(void)
{
    if (worker_in(WORKER_STARTING)) { /* one thing after the other */
        sv.wants_reload = true;
        return;
    }
    sv.wants_reload = false;
    notify_send("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)(weft_now() / WEFT_US));
    struct config *config = config_load(sv.config_path);
    int rc = config ? sockets_open(&sv.next_sockets, config, &sv.sockets) : -EINVAL;
    if (rc == 0) {
        sv.next_config = config;
        rc = worker_start(&sv.next_sockets);
        if (rc == 0)
            return;
        say("cannot start a worker: %s", strerror(-rc));
        drop_next();
    } else {
        config_free(config);
    }
    say("%s is not taken; the old configuration stays in force", sv.config_path);
    notify_send("READY=1\nSTATUS=the last reload failed");
}

static void stop(void)
{
    bool is_second = sv.is_stopping;
    sv.is_stopping = true;
    sv.start_at = 0;
    notify_send("STOPPING=1");
    for (int i = 0; i < WORKERS_MAX; i++) {
        struct worker *w = &sv.workers[i];
        if (w->state == WORKER_DRAINING && is_second)
            kill(w->pid, SIGTERM); /* its second: it ends at once */
        else if (w->state != WORKER_GONE)
            drain(w);
    }
}

static void tell_workers(int sig)
{
    for (int i = 0; i < WORKERS_MAX; i++)
        if (sv.workers[i].state == WORKER_SERVING || sv.workers[i].state == WORKER_DRAINING)
            kill(sv.workers[i].pid, sig);
}

/* Whether the binary on disk reads our configuration: a broken one must not take over. */
static bool is_upgrade_sound(void)
{
    int how;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        unblock_signals();
        int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(nothing, STDOUT_FILENO);
        execl(sv.exe, "weft", "check", sv.config_path, (char *)NULL);
        _exit(STATUS_WRONG);
    }
    return pid > 0 && waitpid(pid, &how, 0) == pid && WIFEXITED(how) && WEXITSTATUS(how) == 0;
}

/* Becomes the binary on disk. Returns when that failed. */
static void upgrade(void)
{
    struct worker *w = worker_in(WORKER_SERVING);
    char text[SOCKETS_TEXT_MAX], state[64];
    if (!w || worker_in(WORKER_STARTING) || sv.is_stopping) {
        say("not upgrading now: a worker is starting or stopping");
        return;
    }
    if (!is_upgrade_sound()) {
        say("not upgrading: %s does not take %s", sv.exe, sv.config_path);
        return;
    }
    say("upgrading to %s", sv.exe);
    sockets_write(&sv.sockets, text);
    snprintf(state, sizeof state, "%d %d", (int)w->pid, w->channel);
    setenv(WORKER_SOCKETS, text, 1);
    setenv(SUPERVISOR_UPGRADE, state, 1);
    sockets_inherit(&sv.sockets, true);
    fcntl(w->channel, F_SETFD, 0);
    execl(sv.exe, "weft", "serve", "-c", sv.config_path, (char *)NULL);
    say("cannot start %s: %s", sv.exe, strerror(errno));
    unsetenv(SUPERVISOR_UPGRADE);
    unsetenv(WORKER_SOCKETS);
    sockets_inherit(&sv.sockets, false);
    fcntl(w->channel, F_SETFD, FD_CLOEXEC);
}

static void on_signals(void)
{
    struct signalfd_siginfo info;
    while (read(sv.signals, &info, sizeof info) == sizeof info) {
        switch (info.ssi_signo) {
        case SIGTERM:
        case SIGINT: stop(); break;
        case SIGHUP: reload(); break;
        case SIGUSR2: upgrade(); break;
        case SIGUSR1:
            logs_redirect_errors(sv.config);
            tell_workers(SIGUSR1);
            break;
        case SIGQUIT: tell_workers(SIGQUIT); break;
        case SIGCHLD: break; /* reap looks anyway */
        }
    }
}

static int open_signals(void)
{
    static const int wanted[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT, SIGCHLD};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        sigaddset(&set, wanted[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    sv.signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return sv.signals < 0 ? -errno : 0;
}

/* ---- the loop ---- */

/* Does what time has brought. Returns when to look again, at the latest. */
static int64_t on_time(int64_t now)
{
    int64_t next = now + WEFT_SEC;
    const struct worker *serving = worker_in(WORKER_SERVING);
    for (int i = 0; i < WORKERS_MAX; i++) {
        struct worker *w = &sv.workers[i];
        if (w->state == WORKER_DRAINING && now >= w->kill_at) {
            say("worker %d did not end in its time; it is killed", (int)w->pid);
            kill(w->pid, SIGKILL);
            w->kill_at = INT64_MAX;
        }
        if ((w->state == WORKER_SERVING || w->state == WORKER_STARTING) &&
            now - w->heard_at > SILENCE_NS) {
            say("worker %d gives no sign of life; it is ended", (int)w->pid);
            kill(w->pid, SIGABRT);
            w->heard_at = now;
        }
    }
    if (sv.start_at && now >= sv.start_at)
        start_or_retry();
    if (sv.wants_reload && !worker_in(WORKER_STARTING))
        reload();
    if (sv.ping_every && now >= sv.ping_at && serving && now - serving->heard_at < SILENCE_NS) {
        notify_send("WATCHDOG=1");
        sv.ping_at = now + sv.ping_every;
    }
    if (sv.start_at && sv.start_at < next)
        next = sv.start_at;
    return sv.ping_every && sv.ping_at < next && sv.ping_at > now ? sv.ping_at : next;
}

static bool has_workers(void)
{
    for (int i = 0; i < WORKERS_MAX; i++)
        if (sv.workers[i].state != WORKER_GONE)
            return true;
    return false;
}

static void loop(void)
{
    while (!sv.is_stopping || has_workers()) {
        struct pollfd fds[WORKERS_MAX + 1] = {{.fd = sv.signals, .events = POLLIN}};
        int64_t now = weft_now(), until = on_time(now);
        for (int i = 0; i < WORKERS_MAX; i++) {
            bool is_open = sv.workers[i].state != WORKER_GONE;
            fds[i + 1] = (struct pollfd){.fd = is_open ? sv.workers[i].channel : -1,
                                         .events = POLLIN};
        }
        int64_t left_ms = (until - now + WEFT_MS - 1) / WEFT_MS;
        int n = poll(fds, WORKERS_MAX + 1, left_ms > 0 ? (int)left_ms : 0);
        for (int i = 0; n > 0 && i < WORKERS_MAX; i++)
            if (fds[i + 1].revents && sv.workers[i].state != WORKER_GONE)
                on_channel(&sv.workers[i]);
        on_signals();
        reap();
    }
}

/* ---- the life of it ---- */

/* After an upgrade: the worker and the sockets of the image before. */
static void take_over(struct sockets *ret_old)
{
    const char *state = getenv(SUPERVISOR_UPGRADE), *text = getenv(WORKER_SOCKETS);
    int pid, channel;
    ret_old->count = 0;
    if (!state || !text || sscanf(state, "%d %d", &pid, &channel) != 2 ||
        sockets_read(ret_old, text) < 0)
        return;
    fcntl(channel, F_SETFD, FD_CLOEXEC);
    sv.workers[0] = (struct worker){
        .state = WORKER_SERVING, .pid = pid, .channel = channel, .heard_at = weft_now()};
    sv.has_served = true;
    unsetenv(SUPERVISOR_UPGRADE);
    unsetenv(WORKER_SOCKETS);
}

/* Where the binary is: what is started after an upgrade is what then lies there. */
static void remember_exe(void)
{
    ssize_t n = readlink("/proc/self/exe", sv.exe, sizeof sv.exe - 1);
    if (n > 0)
        sv.exe[n] = '\0';
    else
        snprintf(sv.exe, sizeof sv.exe, "weft");
}

/* Reads the configuration and has its sockets. Returns 0 or an error that has been said. */
static int begin(void)
{
    struct sockets old = {0};
    int rc = open_signals();
    take_over(&old);
    sv.config = config_load(sv.config_path);
    if (rc == 0)
        rc = sv.config ? sockets_open(&sv.sockets, sv.config, &old) : -EINVAL;
    if (rc == 0)
        sockets_close_except(&old, &sv.sockets);
    return rc;
}

int supervise(const char *config_path)
{
    sv.config_path = config_path;
    remember_exe();
    for (int i = 0; i < WORKERS_MAX; i++)
        sv.workers[i].channel = -1;
    bool has_begun = begin() == 0;
    if (!has_begun) {
        sv.status = STATUS_WRONG;
        stop();
    } else {
        logs_redirect_errors(sv.config);
        write_pid_file();
        sv.ping_every = notify_watchdog_interval();
        sv.start_at = weft_now();
    }
    loop();
    sockets_close_except(&sv.sockets, NULL);
    if (has_begun && sv.config->pid_file)
        unlink(sv.config->pid_file);
    config_free(sv.config);
    close(sv.signals);
    return sv.status;
}
