/* weft/module.h: a handler module: a shared object that the standalone server mounts at a path.
 *
 *     #include <weft/module.h>
 *
 *     static int greet(weft_http *h, void *arg) { ... }
 *
 *     static int setup(weft_app *app, const weft_module_config *cfg)
 *     {
 *         return weft_get(app, "/{name}", greet, NULL);
 *     }
 *
 *     WEFT_MODULE("greet", setup)
 *
 * cc -shared -fPIC greet.c -o greet.so $(pkg-config --cflags weft)
 *
 * It links nothing: the server has the library's symbols. A module runs in the server's process and
 * can do all that the server can: load only what you trust. */
#ifndef WEFT_MODULE_H
#define WEFT_MODULE_H

#include <weft/weft.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the configuration says of the module; valid during setup, its texts until the server ends.
 */
typedef struct weft_module_config weft_module_config;

/* The path at which the module is mounted, "/greet"; "" for the root. Any thread; does not park. */
WEFT_API const char *weft_module_path(const weft_module_config *cfg);

/* The value of an option, terminated, or `by_default` when the configuration does not have it. Any
 * thread; does not park. */
WEFT_API const char *weft_module_option(const weft_module_config *cfg, const char *name,
                                        const char *by_default);

/* Called once before the server accepts connections, outside of coroutines. Routes go to `app`, a
 * group at the module's path. Returns 0, or a negative errno: then the server does not start (or
 * does not take the new configuration) and says that the module's setup failed. */
typedef int weft_module_setup(weft_app *app, const weft_module_config *cfg);

/* Changes when a module built before would not work any more. */
#define WEFT_MODULE_ABI 1

/* What the server looks for, by the name weft_module_definition. */
typedef struct weft_module {
    uint32_t abi;
    uint32_t size;       /* of this struct */
    const char *version; /* of the headers it was built with */
    const char *name;
    weft_module_setup *setup;
} weft_module;

/* Makes this shared object a module. Once an object, at file level. */
#define WEFT_MODULE(name_, setup_)                                                                 \
    WEFT_API extern const weft_module weft_module_definition;                                      \
    WEFT_API const weft_module weft_module_definition = {WEFT_MODULE_ABI, sizeof(weft_module),     \
                                                         WEFT_HEADER_VERSION, name_, setup_};

#ifdef __cplusplus
}
#endif
#endif
