/* tree.c: on libyaml, which libcyaml reads with too.
 *
 * The file is parsed twice: once into a document, whose nodes keep their marks, and once event by
 * event into the emitter, with scalars substituted on the way: a value from the environment stays
 * the value of one scalar, whatever characters it has. */
#include "tree.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { FILE_BYTES_MAX = 4 << 20, KEY_MAX = 64 };

struct text {
    char *bytes;
    size_t len, room;
};

struct tree {
    char *path;
    struct text source, resolved;
    yaml_document_t document;          /* of the file as it is: it has the marks */
    yaml_document_t resolved_document; /* its nodes have the same numbers */
    bool has_document, has_resolved;
};

/* libyaml's node, under a name of ours. */
struct tree_node {
    yaml_node_t node;
};

static const struct tree_node *node_of(const yaml_node_t *node)
{
    return (const struct tree_node *)node;
}

static int text_add(struct text *t, const char *bytes, size_t len)
{
    if (t->len + len + 1 > t->room) {
        size_t room = (t->len + len + 1) * 2;
        char *larger = realloc(t->bytes, room);
        if (!larger)
            return -ENOMEM;
        t->bytes = larger;
        t->room = room;
    }
    if (len)
        memcpy(t->bytes + t->len, bytes, len);
    t->len += len;
    t->bytes[t->len] = '\0';
    return 0;
}

/* ---- what is wrong ---- */

static void wrong_at(const struct tree *tree, yaml_mark_t mark, char *error, const char *format,
                     ...) __attribute__((format(printf, 4, 5)));

static void wrong_at(const struct tree *tree, yaml_mark_t mark, char *error, const char *format,
                     ...)
{
    va_list args;
    int n = snprintf(error, TREE_MESSAGE_MAX, "%s:%zu:%zu: ", tree->path, mark.line + 1,
                     mark.column + 1);
    if (n < 0 || n >= TREE_MESSAGE_MAX)
        return;
    va_start(args, format);
    vsnprintf(error + n, TREE_MESSAGE_MAX - (size_t)n, format, args);
    va_end(args);
}

static void wrong_yaml(const struct tree *tree, const yaml_parser_t *parser, char *error)
{
    if (parser->error == YAML_MEMORY_ERROR)
        snprintf(error, TREE_MESSAGE_MAX, "%s: out of memory", tree->path);
    else if (parser->error == YAML_READER_ERROR)
        snprintf(error, TREE_MESSAGE_MAX, "%s: byte %zu: %s", tree->path, parser->problem_offset,
                 parser->problem);
    else
        wrong_at(tree, parser->problem_mark, error, "%s%s%s", parser->problem,
                 parser->context ? ", " : "", parser->context ? parser->context : "");
}

/* ---- reading ---- */

static int read_file(struct tree *tree, char *error)
{
    char buf[16384];
    size_t n;
    FILE *file = fopen(tree->path, "re");
    if (!file) {
        snprintf(error, TREE_MESSAGE_MAX, "%s: %s", tree->path, strerror(errno));
        return -errno;
    }
    int rc = text_add(&tree->source, "", 0);
    while (rc == 0 && (n = fread(buf, 1, sizeof buf, file)) > 0) {
        rc = text_add(&tree->source, buf, n);
        if (tree->source.len > FILE_BYTES_MAX)
            rc = -EFBIG;
    }
    if (rc == 0 && ferror(file))
        rc = -EIO; /* a folder, for instance */
    fclose(file);
    if (rc < 0)
        snprintf(error, TREE_MESSAGE_MAX, "%s: cannot be read: %s", tree->path,
                 rc == -EFBIG ? "it is larger than 4 MB" : strerror(-rc));
    return rc;
}

static int parse(struct tree *tree, const struct text *text, yaml_document_t *ret_document,
                 bool *ret_has_document, char *error)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        snprintf(error, TREE_MESSAGE_MAX, "%s: out of memory", tree->path);
        return -ENOMEM;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text->bytes, text->len);
    int rc = 0;
    if (!yaml_parser_load(&parser, ret_document)) {
        wrong_yaml(tree, &parser, error);
        rc = -EINVAL;
    } else {
        *ret_has_document = true;
        if (!yaml_document_get_root_node(ret_document)) {
            snprintf(error, TREE_MESSAGE_MAX, "%s:1:1: the file is empty", tree->path);
            rc = -EINVAL;
        }
    }
    yaml_parser_delete(&parser);
    return rc;
}

/* ---- the environment ---- */

/* One ${...} that begins at `from`, which ends before `end`. Returns what follows it, or NULL with
 * the error said. */
static const char *substitute_one(const struct tree *tree, yaml_mark_t mark, const char *from,
                                  const char *end, struct text *to, char *error)
{
    char name[128];
    const char *close = memchr(from, '}', (size_t)(end - from));
    if (!close) {
        wrong_at(tree, mark, error, "'${' without its '}'; a dollar sign is written '$$'");
        return NULL;
    }
    const char *begin = from + 2, *name_end = begin;
    while (name_end < close && strncmp(name_end, ":-", 2) != 0)
        name_end++;
    bool has_default = name_end < close;
    size_t len = (size_t)(name_end - begin);
    if (len == 0 || len >= sizeof name) {
        wrong_at(tree, mark, error, "'${' wants the name of an environment variable");
        return NULL;
    }
    snprintf(name, sizeof name, "%.*s", (int)len, begin);
    const char *value = getenv(name);
    int rc;
    if (value && (*value || !has_default)) {
        rc = text_add(to, value, strlen(value));
    } else if (has_default) {
        rc = text_add(to, name_end + 2, (size_t)(close - name_end - 2));
    } else {
        wrong_at(tree, mark, error,
                 "the environment has no '%s'; ${%s:-text} would give it a default", name, name);
        return NULL;
    }
    if (rc < 0) {
        wrong_at(tree, mark, error, "out of memory");
        return NULL;
    }
    return close + 1;
}

/* Gives the scalar with its substitutions made in `to`. Returns 0 or an error that has been said.
 */
static int substitute(const struct tree *tree, const yaml_event_t *event, struct text *to,
                      char *error)
{
    const char *at = (const char *)event->data.scalar.value, *end = at + event->data.scalar.length;
    int rc = text_add(to, "", 0);
    while (rc == 0 && at < end) {
        if (at[0] == '$' && at + 1 < end && at[1] == '{') {
            at = substitute_one(tree, event->start_mark, at, end, to, error);
            if (!at)
                return -EINVAL;
        } else {
            rc = text_add(to, at, 1);
            at += at[0] == '$' && at + 1 < end && at[1] == '$' ? 2 : 1;
        }
    }
    if (rc < 0)
        wrong_at(tree, event->start_mark, error, "out of memory");
    return rc;
}

/* Replaces a scalar event by one with its substitutions made. */
static int resolve_scalar(const struct tree *tree, yaml_event_t *event, char *error)
{
    struct text to = {0};
    if (!memchr(event->data.scalar.value, '$', event->data.scalar.length))
        return 0;
    int rc = substitute(tree, event, &to, error);
    if (rc == 0) {
        yaml_event_t resolved;
        bool is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        if (yaml_scalar_event_initialize(&resolved, event->data.scalar.anchor, NULL,
                                         (unsigned char *)to.bytes, (int)to.len, is_plain, 1,
                                         event->data.scalar.style)) {
            yaml_event_delete(event);
            *event = resolved;
        } else {
            wrong_at(tree, event->start_mark, error, "the value that it gets is not UTF-8");
            rc = -EINVAL;
        }
    }
    free(to.bytes);
    return rc;
}

static int collect(void *text, unsigned char *bytes, size_t len)
{
    return text_add(text, (const char *)bytes, len) == 0;
}

static int resolve_events(struct tree *tree, yaml_parser_t *parser, yaml_emitter_t *emitter,
                          char *error)
{
    for (bool is_end = false; !is_end;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) {
            wrong_yaml(tree, parser, error);
            return -EINVAL;
        }
        is_end = event.type == YAML_STREAM_END_EVENT;
        int rc = event.type == YAML_SCALAR_EVENT ? resolve_scalar(tree, &event, error) : 0;
        if (rc < 0) {
            yaml_event_delete(&event);
            return rc;
        }
        if (!yaml_emitter_emit(emitter, &event)) { /* consumes the event */
            snprintf(error, TREE_MESSAGE_MAX, "%s: %s", tree->path,
                     emitter->problem ? emitter->problem : "out of memory");
            return -EINVAL;
        }
    }
    return 0;
}

static int resolve(struct tree *tree, char *error)
{
    yaml_parser_t parser;
    yaml_emitter_t emitter;
    if (!yaml_parser_initialize(&parser) || !yaml_emitter_initialize(&emitter)) {
        snprintf(error, TREE_MESSAGE_MAX, "%s: out of memory", tree->path);
        return -ENOMEM;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)tree->source.bytes,
                                 tree->source.len);
    yaml_emitter_set_output(&emitter, collect, &tree->resolved);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_emitter_set_width(&emitter, -1);
    int rc = resolve_events(tree, &parser, &emitter, error);
    yaml_emitter_delete(&emitter);
    yaml_parser_delete(&parser);
    return rc;
}

struct tree *tree_load(const char *path, char error[TREE_MESSAGE_MAX])
{
    struct tree *tree = calloc(1, sizeof *tree);
    if (!tree || !(tree->path = strdup(path))) {
        free(tree);
        snprintf(error, TREE_MESSAGE_MAX, "%s: out of memory", path);
        return NULL;
    }
    if (read_file(tree, error) < 0 ||
        parse(tree, &tree->source, &tree->document, &tree->has_document, error) < 0 ||
        resolve(tree, error) < 0 ||
        parse(tree, &tree->resolved, &tree->resolved_document, &tree->has_resolved, error) < 0) {
        tree_free(tree);
        return NULL;
    }
    return tree;
}

void tree_free(struct tree *tree)
{
    if (!tree)
        return;
    if (tree->has_document)
        yaml_document_delete(&tree->document);
    if (tree->has_resolved)
        yaml_document_delete(&tree->resolved_document);
    free(tree->source.bytes);
    free(tree->resolved.bytes);
    free(tree->path);
    free(tree);
}

/* ---- looking ---- */

const char *tree_text(const struct tree *tree, size_t *ret_len)
{
    *ret_len = tree->resolved.len;
    return tree->resolved.bytes;
}

const char *tree_path(const struct tree *tree)
{
    return tree->path;
}

static const yaml_node_t *node_at(const struct tree *tree, int index)
{
    return yaml_document_get_node((yaml_document_t *)(uintptr_t)&tree->document, index);
}

static bool is_key(const yaml_node_t *key, const char *name)
{
    return key && key->type == YAML_SCALAR_NODE &&
           strcmp((const char *)key->data.scalar.value, name) == 0;
}

/* The pair of a mapping's nth key of that name; NULL when there are not so many. */
static const yaml_node_pair_t *pair_of(const struct tree *tree, const yaml_node_t *mapping,
                                       const char *name, unsigned nth)
{
    if (!mapping || mapping->type != YAML_MAPPING_NODE)
        return NULL;
    const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
    for (; pair < mapping->data.mapping.pairs.top; pair++)
        if (is_key(node_at(tree, pair->key), name) && nth-- == 0)
            return pair;
    return NULL;
}

static const yaml_node_t *item_of(const struct tree *tree, const yaml_node_t *list, long index)
{
    if (!list || list->type != YAML_SEQUENCE_NODE || index < 0)
        return NULL;
    const yaml_node_item_t *start = list->data.sequence.items.start;
    return index < list->data.sequence.items.top - start ? node_at(tree, start[index]) : NULL;
}

const struct tree_node *tree_find(const struct tree *tree, const char *path)
{
    const yaml_node_t *node = yaml_document_get_root_node(
        (yaml_document_t *)(uintptr_t)&tree->document);
    while (node && *path) {
        if (*path == '[') {
            char *end;
            node = item_of(tree, node, strtol(path + 1, &end, 10));
            path = *end == ']' ? end + 1 : end;
        } else {
            char key[KEY_MAX];
            path += *path == '.';
            size_t len = strcspn(path, ".[");
            snprintf(key, sizeof key, "%.*s", (int)len, path);
            const yaml_node_pair_t *pair = pair_of(tree, node, key, 0);
            node = pair ? node_at(tree, pair->value) : NULL;
            path += len;
        }
    }
    return node_of(node);
}

/* The text of the node with that number, substituted. */
static const char *scalar_at(const struct tree *tree, int index)
{
    const yaml_node_t *node = yaml_document_get_node(
        (yaml_document_t *)(uintptr_t)&tree->resolved_document, index);
    bool is_scalar = node && node->type == YAML_SCALAR_NODE;
    return is_scalar ? (const char *)node->data.scalar.value : NULL;
}

const char *tree_scalar(const struct tree *tree, const struct tree_node *node)
{
    return node ? scalar_at(tree, (int)(&node->node - tree->document.nodes.start) + 1) : NULL;
}

bool tree_entry(const struct tree *tree, const struct tree_node *mapping, size_t i,
                const char **ret_key, const char **ret_value)
{
    if (!mapping || mapping->node.type != YAML_MAPPING_NODE)
        return false;
    const yaml_node_pair_t *pair = mapping->node.data.mapping.pairs.start + i;
    if (pair >= mapping->node.data.mapping.pairs.top)
        return false;
    const yaml_node_t *key = node_at(tree, pair->key);
    *ret_key = key->type == YAML_SCALAR_NODE ? (const char *)key->data.scalar.value : "";
    *ret_value = scalar_at(tree, pair->value);
    return true;
}

static struct tree_mark mark_of(yaml_mark_t mark)
{
    return (struct tree_mark){mark.line + 1, mark.column + 1};
}

struct tree_mark tree_mark(const struct tree_node *node)
{
    return node ? mark_of(node->node.start_mark) : (struct tree_mark){1, 1};
}

bool tree_key_mark(const struct tree *tree, const struct tree_node *mapping, const char *key,
                   unsigned nth, struct tree_mark *ret_mark)
{
    const yaml_node_pair_t *pair = mapping ? pair_of(tree, &mapping->node, key, nth) : NULL;
    if (!pair)
        return false;
    *ret_mark = mark_of(node_at(tree, pair->key)->start_mark);
    return true;
}

const char *tree_describe(const struct tree_node *node, char *buf, size_t size)
{
    if (!node)
        return "nothing";
    switch (node->node.type) {
    case YAML_MAPPING_NODE: return "a mapping";
    case YAML_SEQUENCE_NODE: return "a list";
    case YAML_SCALAR_NODE:
        if (node->node.data.scalar.length == 0)
            return "nothing";
        snprintf(buf, size, "'%.60s'", (const char *)node->node.data.scalar.value);
        return buf;
    default: return "nothing";
    }
}
