/* output_of.h: runs a function in a process of its own and keeps what it writes to stderr, for what
 * weft says of itself and for how it dies. */
#ifndef TESTS_OUTPUT_OF_H
#define TESTS_OUTPUT_OF_H

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_BYTES = 64 * 1024 };

static char output_text[OUTPUT_BYTES];

/* Returns the child's wait status; its words are in output_text. The function's result is the exit
 * status; the child is ended after `seconds`. */
static inline int output_of(int (*fn)(void *arg), void *arg, unsigned seconds)
{
    int ends[2], status;
    fflush(NULL);
    cr_assert_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        alarm(seconds);
        signal(SIGSEGV, SIG_DFL);
        signal(SIGABRT, SIG_DFL);
        signal(SIGQUIT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        _exit(fn(arg));
    }
    close(ends[1]);
    size_t len = 0;
    for (ssize_t n; (n = read(ends[0], output_text + len, OUTPUT_BYTES - 1 - len)) > 0;)
        len += (size_t)n;
    output_text[len] = '\0';
    close(ends[0]);
    cr_assert_eq(waitpid(child, &status, 0), child);
    return status;
}

#define output_has(text)                                                                           \
    cr_assert(strstr(output_text, (text)) != NULL, "no '%s' in: %s", (text), output_text)

/* How often a text occurs in the output. */
static inline int output_count(const char *text)
{
    int count = 0;
    for (const char *at = output_text; (at = strstr(at, text)); at += strlen(text))
        count++;
    return count;
}

#endif
