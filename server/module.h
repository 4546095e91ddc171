/* module.h: handler modules, loaded from shared objects (weft/module.h). */
#ifndef SERVER_MODULE_H
#define SERVER_MODULE_H

#include <weft/module.h>

#include "config.h"

struct module;

/* Loads the module of the route at `place` ("routes[2]") and lets it set up its routes in `app`.
 * Says what is wrong at the place. Returns 0 and *ret_module, or -EINVAL, -ENOMEM. */
int module_load(const struct config *config, const char *place, const struct config_route *route,
                weft_app *app, struct module **ret_module);

/* Forgets a list of modules. Their code stays mapped: a coroutine may still be in it. */
void module_free(struct module *module);

#endif
