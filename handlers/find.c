/* find.c: the built-in handlers by their names, for the configuration. */
#include "handlers.h"

static const struct {
    const char *name;
    weft_handler *handler;
} handlers[] = {
    {"echo", handler_echo},          {"hello", handler_hello}, {"healthz", weft_healthz_handler},
    {"home", handler_home},          {"json", handler_json},   {"plaintext", handler_plaintext},
    {"readyz", weft_readyz_handler}, {"sleep", handler_sleep}, {"ws_chat", handler_ws_chat},
    {"ws_echo", handler_ws_echo},
};

weft_handler *handlers_find(const char *name)
{
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++)
        if (strcmp(handlers[i].name, name) == 0)
            return handlers[i].handler;
    return NULL;
}

const char *handlers_names(void)
{
    return "echo, healthz, hello, home, json, plaintext, readyz, sleep, ws_chat, ws_echo";
}
