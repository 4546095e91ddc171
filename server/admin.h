/* admin.h: the pages for who looks after the server: metrics, probes, the dashboard. */
#ifndef SERVER_ADMIN_H
#define SERVER_ADMIN_H

#include "site.h"

struct admin;

/* The admin application that shows `site`, which it borrows and which is measured. NULL when memory
 * is out. */
struct admin *admin_new(struct site *site);
void admin_free(struct admin *admin);
weft_app *admin_app(const struct admin *admin);

#endif
