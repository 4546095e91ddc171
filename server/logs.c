#include "logs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct logs {
    const struct config *config;
    weft_access_log *access;
    pthread_t reopener;
    _Atomic(bool) is_closing;
};

int logs_redirect_errors(const struct config *config)
{
    const char *path = config->log.error;
    if (!path || strcmp(path, "stderr") == 0)
        return 0;
    bool is_off = strcmp(path, "off") == 0, is_stdout = strcmp(path, "stdout") == 0;
    int fd = is_stdout ? dup(STDOUT_FILENO)
                       : open(is_off ? "/dev/null" : path,
                              O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0 || dup2(fd, STDERR_FILENO) < 0) {
        int err = errno;
        config_wrong(config, "log.error", "cannot write to '%s': %s", path, strerror(err));
        if (fd >= 0)
            close(fd);
        return -err;
    }
    close(fd);
    return 0;
}

/* A thread, because opening blocks, and may block long. */
static void *reopen_on_signal(void *arg)
{
    struct logs *logs = arg;
    sigset_t wanted;
    int sig;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGUSR1);
    while (sigwait(&wanted, &sig) == 0 &&
           !atomic_load_explicit(&logs->is_closing, memory_order_acquire)) {
        logs_redirect_errors(logs->config);
        int rc = logs->access ? weft_access_log_reopen(logs->access) : 0;
        if (rc < 0)
            fprintf(stderr, "weft: cannot open '%s' again: %s; the old file stays in use\n",
                    logs->config->log.access, strerror(-rc));
    }
    return NULL;
}

static int open_access(struct logs *logs)
{
    static const int formats[] = {[FORMAT_COMMON] = WEFT_LOG_COMMON,
                                  [FORMAT_COMBINED] = WEFT_LOG_COMBINED,
                                  [FORMAT_JSON] = WEFT_LOG_JSON};
    const struct config_log *log = &logs->config->log;
    const char *path = log->access;
    if (!path || strcmp(path, "off") == 0)
        return 0;
    weft_access_log_opts opts = {.path = strcmp(path, "stdout") == 0   ? NULL
                                         : strcmp(path, "stderr") == 0 ? "/dev/stderr"
                                                                       : path,
                                 .format = formats[log->format]};
    int rc = weft_access_log_open(&opts, &logs->access);
    if (rc < 0)
        config_wrong(logs->config, "log.access", "cannot write to '%s': %s", path, strerror(-rc));
    return rc;
}

int logs_open(const struct config *config, struct logs **ret_logs)
{
    sigset_t reopen;
    sigemptyset(&reopen);
    sigaddset(&reopen, SIGUSR1);
    struct logs *logs = calloc(1, sizeof *logs);
    if (!logs)
        return -ENOMEM;
    logs->config = config;
    int rc = open_access(logs);
    pthread_sigmask(SIG_BLOCK, &reopen, NULL);
    if (rc == 0)
        rc = -pthread_create(&logs->reopener, NULL, reopen_on_signal, logs);
    if (rc < 0) {
        weft_access_log_close(logs->access);
        free(logs);
        return rc;
    }
    *ret_logs = logs;
    return 0;
}

weft_access_log *logs_access(const struct logs *logs)
{
    return logs->access;
}

void logs_close(struct logs *logs)
{
    if (!logs)
        return;
    atomic_store_explicit(&logs->is_closing, true, memory_order_release);
    pthread_kill(logs->reopener, SIGUSR1);
    pthread_join(logs->reopener, NULL);
    weft_access_log_close(logs->access);
    free(logs);
}
