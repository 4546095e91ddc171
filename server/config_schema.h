/* config_schema.h: the one table of the configuration's keys, in libcyaml's form. */
#ifndef SERVER_CONFIG_SCHEMA_H
#define SERVER_CONFIG_SCHEMA_H

#include <cyaml/cyaml.h>

#include "config.h"

extern const cyaml_schema_value_t config_schema;

/* Checks a tree against the table: unknown and repeated keys, types, words, bounds, what is
 * missing. Says each mistake in a line on stderr. Returns how many there are. */
unsigned config_validate(const struct tree *tree);

/* Says one mistake at a mark, in a line on stderr. */
void config_say(const struct tree *tree, struct tree_mark mark, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
