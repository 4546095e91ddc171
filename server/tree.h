/* tree.h: a YAML file as a tree of nodes that know where they stand.
 *
 * The configuration's types are libcyaml's business (config.c). What it does not keep is kept here:
 * the line and column of everything, for messages about what only we can judge, and mappings with
 * keys of the user's own (a module's options). */
#ifndef SERVER_TREE_H
#define SERVER_TREE_H

#include <stdbool.h>
#include <stddef.h>

enum { TREE_MESSAGE_MAX = 1024 };

struct tree;
struct tree_node;

/* Where something stands: counted from 1, as editors do. */
struct tree_mark {
    size_t line, column;
};

/* Reads `path`. ${NAME} in a scalar becomes the environment's value, ${NAME:-text} has a default,
 * $$ is a dollar sign. Returns the tree, or NULL with "path:line:column: what is wrong" in `error`.
 */
struct tree *tree_load(const char *path, char error[TREE_MESSAGE_MAX]);
void tree_free(struct tree *tree);

/* The document with its substitutions made, as YAML of `*ret_len` bytes. The tree's. */
const char *tree_text(const struct tree *tree, size_t *ret_len);

/* The file's name as given. */
const char *tree_path(const struct tree *tree);

/* The node at a path like "routes[2].proxy[0]", counted from 0; "" is the root. NULL when there is
 * none. */
const struct tree_node *tree_find(const struct tree *tree, const char *path);

/* Entry number `i` of a mapping, in the file's order. Returns false past the last. Values that are
 * no scalar are given as NULL. */
bool tree_entry(const struct tree *tree, const struct tree_node *mapping, size_t i,
                const char **ret_key, const char **ret_value);

/* A scalar's text, substitutions made; NULL for what is none. The tree's. */
const char *tree_scalar(const struct tree *tree, const struct tree_node *node);

/* Where a node begins; where its `nth` (from 0) key `key` does, if it is a mapping that has one. */
struct tree_mark tree_mark(const struct tree_node *node);
bool tree_key_mark(const struct tree *tree, const struct tree_node *mapping, const char *key,
                   unsigned nth, struct tree_mark *ret_mark);

/* What a node is, in words: "a list", "a mapping", "'text'", written into `buf`. */
const char *tree_describe(const struct tree_node *node, char *buf, size_t size);

#endif
