/* admin_events.h: the state of the server each second, as the dashboard draws it. */
#ifndef SERVER_ADMIN_EVENTS_H
#define SERVER_ADMIN_EVENTS_H

#include "site.h"

/* Answers with server-sent events until the client goes, or the server drains. Parks. */
int admin_events(weft_http *h, const struct site *site);

#endif
