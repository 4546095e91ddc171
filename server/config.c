/* config.c: from a file to a configuration: tree, table, libcyaml, checks. */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "config_check.h"
#include "config_schema.h"

/* libcyaml's words, in case it refuses what the table's walk has let through. */
static void on_cyaml(cyaml_log_t level, void *tree, const char *format, va_list args)
{
    (void)level;
    fprintf(stderr, "%s: ", tree_path(tree));
    vfprintf(stderr, format, args);
}

static cyaml_config_t cyaml_config(struct tree *tree)
{
    return (cyaml_config_t){
        .log_fn = on_cyaml, .log_ctx = tree, .mem_fn = cyaml_mem, .log_level = CYAML_LOG_ERROR};
}

static struct config *load_typed(struct tree *tree)
{
    struct config *config = NULL;
    cyaml_config_t how = cyaml_config(tree);
    size_t len;
    const char *text = tree_text(tree, &len);
    cyaml_err_t err = cyaml_load_data((const uint8_t *)text, len, &how, &config_schema,
                                      (cyaml_data_t **)&config, NULL);
    if (err != CYAML_OK) {
        fprintf(stderr, "%s: %s\n", tree_path(tree), cyaml_strerror(err));
        return NULL;
    }
    config->tree = tree;
    return config;
}

struct config *config_load(const char *path)
{
    char error[TREE_MESSAGE_MAX];
    struct tree *tree = tree_load(path, error);
    if (!tree) {
        fprintf(stderr, "%s\n", error);
        return NULL;
    }
    struct config *config = config_validate(tree) == 0 ? load_typed(tree) : NULL;
    if (!config) {
        tree_free(tree);
        return NULL;
    }
    if (config_check(config) == 0)
        return config;
    config_free(config);
    return NULL;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    struct tree *tree = config->tree;
    cyaml_config_t how = cyaml_config(tree);
    cyaml_free(&how, &config_schema, config, 0);
    tree_free(tree);
}

int config_wrong(const struct config *config, const char *place, const char *format, ...)
{
    char text[TREE_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    config_say(config->tree, tree_mark(tree_find(config->tree, place)), "%s%s%s", place,
               *place ? ": " : "", text);
    return -EINVAL;
}
