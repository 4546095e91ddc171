#include <stdio.h>
#include <weft/test.h>
#include <weft/weft.h>

struct part { const char *name; int64_t takes; char body; };

static int fetch_part(void *arg)
{
    struct part *p = arg;
    int rc = weft_sleep(p->takes);                         /* as long as another server would take */
    if (rc < 0)
        return rc;
    p->body = p->name[0];
    return 0;
}

static int fetch_all(weft_http *h, void *arg)
{
    int64_t slow = weft_query(h, "slow").ptr ? 3600 * WEFT_SEC : 0;
    struct part parts[3] = {{"a", WEFT_MS, 0}, {"b", WEFT_MS + slow, 0}, {"c", WEFT_MS, 0}};
    weft_group g;
    (void)arg;
    weft_group_init(&g, (weft_group_opts){ .limit = 2, .timeout = 500 * WEFT_MS });
    for (int i = 0; i < 3; i++)
        weft_group_go(&g, fetch_part, &parts[i]);          /* int fetch_part(void *); waits here while 2 are running */
    int rc = weft_group_wait(&g);                          /* first error cancels the others; none can be left behind */
    if (rc < 0)
        return rc;
    return weft_textf(h, 200, "%c,%c,%c", parts[0].body, parts[1].body, parts[2].body);
}

int main(void)
{
    weft_app *app = weft_app_new();
    weft_get(app, "/all", fetch_all, NULL);
    weft_test_response r = weft_test_request(app, "GET /all HTTP/1.1\r\nHost: x\r\n\r\n");
    printf(WEFT_FMT "\n", WEFT_ARG(r.body));
    weft_test_response_free(&r);
    r = weft_test_request(app, "GET /all?slow=1 HTTP/1.1\r\nHost: x\r\n\r\n");
    printf("status %d\n", r.status);
    weft_test_response_free(&r);
    weft_app_free(app);
    return 0;
}
