/* router.c: what finding a route costs in the GitHub-sized API, every route of a scenario asked in
 * turn, its parameters filled in. Prints "scenario<TAB>ns" a match; with a scenario's name, asks
 * once each, for an instruction counter, and prints "scenario<TAB>matches". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "github.h"
#include "router.h"

enum { ROUTES = sizeof github_routes / sizeof *github_routes, PATH_MAX_BYTES = 200 };

/* The best of several short runs counts: all else is other people's load. */
enum { TRIES = 9, ROUNDS = 2000 };

enum { ALL, PLAIN, DEEP, NONE, SCENARIOS };

struct question {
    weft_str method, path;
    const void *answer;
};

struct scenario {
    const char *name;
    int count;
    struct question questions[ROUTES];
};

/* A path that fits the pattern: parameters become values of an ordinary length. */
static void fill_in(const char *pattern, char *path)
{
    while (*pattern) {
        if (*pattern != '{') {
            *path++ = *pattern++;
            continue;
        }
        const char *end = strchr(pattern, '}');
        path = stpcpy(path, end[-1] == '.' ? "heads/feature" : "octocat42");
        pattern = end + 1;
    }
    *path = '\0';
}

static void ask(const struct router *r, const struct question *q)
{
    struct router_match match = {.n_params = 0};
    router_find(r, q->method, q->path, &match);
    if (match.target != q->answer) {
        fprintf(stderr, "a wrong answer for %s\n", q->path.ptr);
        exit(1);
    }
}

static double measure(const struct router *r, const struct scenario *s)
{
    double best = 0;
    for (int try = 0; try < TRIES; try++) {
        int64_t start = weft_now();
        for (int round = 0; round < ROUNDS; round++)
            for (int i = 0; i < s->count; i++)
                ask(r, &s->questions[i]);
        double ns = (double)(weft_now() - start) / ((double)ROUNDS * s->count);
        best = try == 0 || ns < best ? ns : best;
    }
    return best;
}

static void add_question(struct scenario *s, struct question q)
{
    s->questions[s->count++] = q;
}

static struct router *make(struct scenario scenarios[])
{
    static char paths[ROUTES][PATH_MAX_BYTES];
    char err[512];
    struct router *r = router_new();
    for (int i = 0; r && i < ROUTES; i++) {
        const char *pattern = github_routes[i].pattern;
        struct question q = {weft_cstr(github_routes[i].method), {NULL, 0}, paths[i]};
        if (router_add(r, q.method, weft_cstr(pattern), paths[i], err, sizeof err) < 0) {
            fprintf(stderr, "%s\n", err);
            exit(1);
        }
        fill_in(pattern, paths[i]);
        q.path = weft_cstr(paths[i]);
        add_question(&scenarios[ALL], q);
        if (!strchr(pattern, '{'))
            add_question(&scenarios[PLAIN], q);
        if (strncmp(pattern, "/repos/{owner}/{repo}/", 22) == 0)
            add_question(&scenarios[DEEP], q);
    }
    add_question(
        &scenarios[NONE],
        (struct question){WEFT_STR("GET"), WEFT_STR("/repos/octocat/hello/none/of/it"), NULL});
    return r;
}

int main(int argc, char **argv)
{
    static struct scenario scenarios[SCENARIOS] = {[ALL].name = "all",
                                                   [PLAIN].name = "without parameters",
                                                   [DEEP].name = "below a repository",
                                                   [NONE].name = "no route"};
    struct router *r = make(scenarios);
    for (struct scenario *s = scenarios; r && s < scenarios + SCENARIOS; s++) {
        if (argc == 1) {
            printf("%s\t%.1f\n", s->name, measure(r, s));
        } else if (strcmp(argv[1], s->name) == 0) {
            for (int i = 0; i < s->count; i++)
                ask(r, &s->questions[i]);
            printf("%s\t%d\n", s->name, s->count);
        }
    }
    router_free(r);
    return !r;
}
