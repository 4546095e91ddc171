/* proxy.c: a reverse proxy: proxy ADDRESS UPSTREAM... */
#include <stdio.h>
#include <weft/weft.h>

int main(int argc, char **argv)
{
    weft_proxy_opts opts = {.balance = WEFT_BALANCE_LEAST};
    if (argc < 3) {
        fprintf(stderr, "usage: proxy ADDRESS UPSTREAM...\n");
        return 2;
    }
    for (int i = 2; i < argc && i - 2 < WEFT_PROXY_MAX_UPSTREAMS; i++)
        opts.upstreams[i - 2].url = argv[i];
    weft_proxy *proxy = weft_proxy_new(&opts, NULL, 0);
    if (!proxy)
        return 2;
    weft_app *app = weft_app_new();
    weft_any(app, "/{path...}", weft_proxy_handler, proxy);
    int status = weft_app_main(app, argv[1]);
    weft_app_free(app);
    weft_proxy_free(proxy);
    return status;
}
