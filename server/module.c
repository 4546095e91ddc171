#include "module.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS_MAX = 256, PLACE_MAX = 256 };

struct weft_module_config {
    const char *path;
    const char *names[OPTIONS_MAX], *values[OPTIONS_MAX]; /* the tree's */
    size_t count;
};

struct module {
    struct weft_module_config config; /* kept: modules keep its texts */
};

const char *weft_module_path(const weft_module_config *cfg)
{
    return cfg->path;
}

const char *weft_module_option(const weft_module_config *cfg, const char *name,
                               const char *by_default)
{
    for (size_t i = 0; i < cfg->count; i++)
        if (strcmp(cfg->names[i], name) == 0)
            return cfg->values[i];
    return by_default;
}

static int read_options(const struct config *config, const char *place,
                        struct weft_module_config *to)
{
    char options[PLACE_MAX];
    snprintf(options, sizeof options, "%s.options", place);
    const struct tree_node *node = tree_find(config->tree, options);
    for (; tree_entry(config->tree, node, to->count, &to->names[to->count], &to->values[to->count]);
         to->count++) {
        if (!to->values[to->count])
            return config_wrong(config, options, "'%s' is no text", to->names[to->count]);
        if (to->count + 1 == OPTIONS_MAX)
            return config_wrong(config, options, "more than %d options", OPTIONS_MAX - 1);
    }
    return 0;
}

/* The module's definition, if it is one that this server can use. */
static int find_definition(const struct config *config, const char *place, const char *path,
                           const weft_module **ret_definition)
{
    const char *why;
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!object) {
        why = dlerror();
        return config_wrong(config, place, "cannot load: %s", why ? why : path);
    }
    const weft_module *m = dlsym(object, "weft_module_definition");
    if (!m) {
        dlclose(object);
        return config_wrong(config, place, "'%s' is no weft module: it has no WEFT_MODULE(...)",
                            path);
    }
    if (m->abi != WEFT_MODULE_ABI || m->size != sizeof *m) {
        int rc = config_wrong(config, place,
                              "'%s' was built for another weft (module interface %u, this is %d); "
                              "build it again with the headers of weft %s",
                              path, m->abi, WEFT_MODULE_ABI, weft_version());
        dlclose(object);
        return rc;
    }
    *ret_definition = m;
    return 0;
}

int module_load(const struct config *config, const char *place, const struct config_route *route,
                weft_app *app, struct module **ret_module)
{
    char at[PLACE_MAX];
    const weft_module *definition = NULL;
    const char *path = route->module;
    char with_slash[PLACE_MAX];
    if (!strchr(path, '/')) { /* a file of this folder, not one of the library path */
        snprintf(with_slash, sizeof with_slash, "./%s", path);
        path = with_slash;
    }
    snprintf(at, sizeof at, "%s.module", place);
    struct module *module = calloc(1, sizeof *module);
    if (!module)
        return -ENOMEM;
    module->config.path = strcmp(route->path, "/") == 0 ? "" : route->path;
    int rc = find_definition(config, at, path, &definition);
    if (rc == 0)
        rc = read_options(config, place, &module->config);
    if (rc == 0) {
        rc = definition->setup(app, &module->config);
        if (rc < 0)
            rc = config_wrong(config, at, "the setup of module '%s' failed: %s", definition->name,
                              strerror(-rc));
    }
    if (rc < 0) {
        free(module);
        return rc;
    }
    *ret_module = module;
    return 0;
}

void module_free(struct module *module)
{
    free(module);
}
