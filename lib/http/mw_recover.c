/* mw_recover.c: a handler's error becomes one log line and one answer that tells nothing of the
 * inside. */
#include <stdio.h>
#include <weft/middleware.h>

#include "exchange.h"

static void log_to_stderr(weft_http *h, int status, const char *what, int64_t took_ns)
{
    weft_str method = weft_method(h), target = weft_target(h), id = weft_request_id(h);
    if (target.len > 200)
        target.len = 200;
    fprintf(stderr, "weft: " WEFT_FMT " " WEFT_FMT ": %s; %d%s after %.1f ms%s" WEFT_FMT "\n",
            WEFT_ARG(method), WEFT_ARG(target), what, status, h->is_cut ? ", cut," : "",
            (double)took_ns / (double)WEFT_MS, id.ptr ? ", request " : "", WEFT_ARG(id));
}

static int answer_problem(weft_http *h, int status)
{
    weft_str id = weft_request_id(h), title = weft_cstr(status_reason(status));
    int rc = weft_set_header(h, "Content-Type", "application/problem+json");
    if (rc < 0)
        return rc;
    if (!id.ptr)
        return weft_json(h, status, "{\"title\":%J,\"status\":%d}", title, status);
    return weft_json(h, status, "{\"title\":%J,\"status\":%d,\"request_id\":%J}", title, status,
                     id);
}

int weft_mw_recover(weft_http *h, void *arg)
{
    static const weft_recover_opts defaults;
    const weft_recover_opts *opts = arg ? arg : &defaults;
    int64_t start = weft_now();
    bool was_logged = h->is_failure_logged;
    h->is_failure_logged = true;
    int rc = weft_next(h);
    h->is_failure_logged = was_logged;
    if (!h->failure)
        return rc;
    const char *what = h->failure;
    int status = h->status;
    if (opts->log)
        opts->log(h, status, what, opts->arg);
    else
        log_to_stderr(h, status, what, weft_now() - start);
    h->failure = NULL;
    if (!opts->plain && h->answer == ANSWER_HELD) {
        answer_drop(h);
        int failed = answer_problem(h, status);
        if (failed < 0)
            return failed;
    }
    return rc;
}
