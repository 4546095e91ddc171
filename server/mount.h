/* mount.h: one route of the configuration put into an application. */
#ifndef SERVER_MOUNT_H
#define SERVER_MOUNT_H

#include <weft/weft.h>

#include "config.h"

struct mounted; /* what the routes need is kept there; see mounted.h */

/* Mounts the route at `place` ("routes[2]") in `app`. Says what is wrong there. Returns 0, -EINVAL
 * or -ENOMEM. */
int mount_route(const struct config *config, const char *place, const struct config_route *route,
                weft_app *app, struct mounted **list);

/* Calls visit(proxy, arg) for each proxy that was mounted. */
void mount_each_proxy(const struct mounted *list, void (*visit)(void *proxy, void *arg), void *arg);

/* Adds the middleware that `use`, at `place`, asks for. Returns as mount_route. */
int mount_middleware(const struct config *config, const char *place, const struct config_use *use,
                     weft_app *app, struct mounted **list);

#endif
