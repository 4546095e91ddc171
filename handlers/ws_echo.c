/* ws_echo.c: a WebSocket that gives back each message. */
#include "handlers.h"

int handler_ws_echo(weft_http *h, void *arg)
{
    static const weft_ws_opts opts = {.compress = 1};
    weft_ws *ws;
    weft_ws_message m;
    (void)arg;
    int rc = weft_ws_accept(h, &opts, &ws);
    if (rc)
        return rc;
    while (weft_ws_recv(ws, &m) > 0)
        if (weft_ws_send(ws, m.type, m.data.ptr, m.data.len) < 0)
            break;
    return 0;
}
