/* fetch.c: fetches the URLs of the command line at once, and says how long their bodies are. */
#include <stdio.h>
#include <weft/weft.h>

enum { PARTS_MAX = 16 };

struct part {
    const char *url;
    size_t len;
};

static int fetch_part(void *arg)
{
    struct part *p = arg;
    weft_response *res;
    weft_str body;
    int rc = weft_fetch(&(weft_fetch_opts){.url = p->url}, &res);
    if (rc < 0)
        return rc;
    rc = weft_response_all(res, &body);
    p->len = rc < 0 ? 0 : body.len;
    weft_response_free(res);
    return rc;
}

static int weft_main(void *arg)
{
    char **urls = arg;
    struct part parts[PARTS_MAX];
    int count = 0;
    weft_group g;
    weft_group_init(&g, (weft_group_opts){.timeout = 10 * WEFT_SEC});
    for (; urls[count] && count < PARTS_MAX; count++) {
        parts[count] = (struct part){urls[count], 0};
        weft_group_go(&g, fetch_part, &parts[count]);
    }
    int rc = weft_group_wait(&g);
    for (int i = 0; i < count && rc == 0; i++)
        printf("%s: %zu bytes\n", parts[i].url, parts[i].len);
    return rc;
}

int main(int argc, char **argv)
{
    (void)argc;
    int rc = weft_run(weft_main, argv + 1);
    if (rc < 0)
        fprintf(stderr, "fetch: %s\n", strerror(-rc));
    return rc < 0;
}
