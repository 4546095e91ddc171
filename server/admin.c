/* admin.c: what the admin socket serves.
 *
 *   GET /            the dashboard, one page without outside assets (dashboard.html)
 *   GET /events      what it draws, each second, as server-sent events (admin_events.c)
 *   GET /metrics, /healthz, /readyz
 *   GET /coroutines  the list of coroutines, as SIGQUIT has it
 *   POST /trace?seconds=N   records an execution trace, and answers with it
 *
 * A page from elsewhere that a browser on this machine shows must not reach these: a request by TCP
 * has to name this machine, and one that does something has to come from the dashboard itself. */
#include "admin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin_events.h"

extern const char dashboard_html[]; /* made from dashboard.html */

struct admin {
    weft_app *app;
    struct site *site;
};

/* ---- who may ask ---- */

/* An IPv4 address, not a name that begins like one. */
static bool is_number(weft_str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] != '.' && (name.ptr[i] < '0' || name.ptr[i] > '9'))
            return false;
    return true;
}

static bool is_local_name(weft_str host)
{
    const char *end = host.len && host.ptr[0] == '[' ? memchr(host.ptr, ']', host.len)
                                                     : memchr(host.ptr, ':', host.len);
    if (end && host.ptr[0] == '[')
        end++;
    weft_str name = {host.ptr, end ? (size_t)(end - host.ptr) : host.len};
    return weft_str_eq(name, WEFT_STR("localhost")) || weft_str_eq(name, WEFT_STR("[::1]")) ||
           (name.len >= 4 && memcmp(name.ptr, "127.", 4) == 0 && is_number(name));
}

/* Against names of elsewhere that are made to lead here, and forms of other pages. */
static int guard(weft_http *h, void *arg)
{
    weft_str site = weft_header(h, "Sec-Fetch-Site"), peer = weft_peer(h);
    bool is_unix = peer.len >= 5 && memcmp(peer.ptr, "unix:", 5) == 0;
    bool is_same = !site.ptr || weft_str_eq(site, WEFT_STR("same-origin")) ||
                   weft_str_eq(site, WEFT_STR("none"));
    (void)arg;
    if (!is_unix && !is_local_name(weft_host(h)))
        return 403;
    if (!is_same && weft_str_eq(weft_method(h), WEFT_STR("POST")))
        return 403;
    weft_set_header(h, "Cache-Control", "no-store");
    return weft_next(h);
}

/* ---- pages ---- */

static int show_dashboard(weft_http *h, void *arg)
{
    (void)arg;
    weft_set_header(h, "Content-Security-Policy",
                    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
                    "connect-src 'self'; frame-ancestors 'none'");
    return weft_html(h, 200, dashboard_html);
}

/* Writes and reads a file in memory; both may block, but no disk is waited for. */
static int send_memory(weft_http *h, int fd, const char *type)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -EIO;
    if (st.st_size == 0)
        return weft_bytes(h, 200, type, "", 0);
    void *text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (text == MAP_FAILED)
        return -ENOMEM;
    int rc = weft_bytes(h, 200, type, text, (size_t)st.st_size);
    munmap(text, (size_t)st.st_size);
    return rc;
}

static int dump(void *fd)
{
    return weft_dump(*(int *)fd);
}

static int show_coroutines(weft_http *h, void *arg)
{
    int fd = memfd_create("weft-coroutines", MFD_CLOEXEC);
    (void)arg;
    if (fd < 0)
        return -ENOMEM;
    int rc = weft_blocking(dump, &fd);
    if (rc == 0)
        rc = send_memory(h, fd, "text/plain; charset=utf-8");
    close(fd);
    return rc;
}

struct stop {
    char path[64];
};

static int stop_trace(void *stop)
{
    return weft_trace_stop(((struct stop *)stop)->path);
}

static int record_trace(weft_http *h, void *arg)
{
    weft_str asked = weft_query(h, "seconds");
    int64_t seconds = 1;
    struct stop stop;
    (void)arg;
    if (asked.ptr && (asked.len != 1 || asked.ptr[0] < '1' || asked.ptr[0] > '9'))
        return weft_text(h, 400, "seconds is a digit from 1 to 9\n");
    if (asked.ptr)
        seconds = asked.ptr[0] - '0';
    int fd = memfd_create("weft-trace", MFD_CLOEXEC);
    if (fd < 0)
        return -ENOMEM;
    snprintf(stop.path, sizeof stop.path, "/proc/self/fd/%d", fd);
    int rc = weft_trace_start();
    if (rc < 0) {
        close(fd);
        return rc == -EBUSY ? weft_text(h, 409, "a trace is being recorded already\n") : rc;
    }
    (void)weft_sleep(seconds * WEFT_SEC); /* who goes away ends it early */
    rc = weft_blocking(stop_trace, &stop);
    weft_set_header(h, "Content-Disposition", "attachment; filename=\"weft-trace.json\"");
    if (rc == 0)
        rc = send_memory(h, fd, "application/json");
    close(fd);
    return rc;
}

static int send_events(weft_http *h, void *admin)
{
    return admin_events(h, ((struct admin *)admin)->site);
}

struct admin *admin_new(struct site *site)
{
    struct admin *a = calloc(1, sizeof *a);
    if (!a || !(a->app = weft_app_new())) {
        free(a);
        return NULL;
    }
    a->site = site;
    weft_use(a->app, guard, NULL);
    weft_get(a->app, "/", show_dashboard, NULL);
    weft_get(a->app, "/events", send_events, a);
    weft_get(a->app, "/metrics", weft_metrics_handler, site_app(site));
    weft_get(a->app, "/healthz", weft_healthz_handler, NULL);
    weft_get(a->app, "/readyz", weft_readyz_handler, NULL);
    weft_get(a->app, "/coroutines", show_coroutines, NULL);
    weft_post(a->app, "/trace", record_trace, NULL);
    return a;
}

void admin_free(struct admin *admin)
{
    if (!admin)
        return;
    weft_app_free(admin->app);
    free(admin);
}

weft_app *admin_app(const struct admin *admin)
{
    return admin->app;
}
