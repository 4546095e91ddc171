#include <stdio.h>
#include <weft/weft.h>

static int hello(weft_http *h, void *arg)
{
    (void)arg;
    weft_tls_info tls;
    int rc = weft_tls(h, &tls);
    if (rc < 0)
        return rc;
    return weft_textf(h, 200, "Hello over %s, %s!\n", tls.version,
                      tls.peer_subject ? tls.peer_subject : "stranger");
}

int main(void)
{
    weft_app *app = weft_app_new();
    weft_get(app, "/", hello, NULL);
    weft_serve_opts o = {.listen = {"127.0.0.1:8443"},
                         .tls = {.cert = "server-cert.pem", .key = "server-key.pem"},
                         .max_body = 1 << 20};
    return weft_app_main_opts(app, &o); /* runs until SIGTERM; SIGHUP reads the files again */
}
