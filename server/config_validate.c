/* config_validate.c: a tree against the table of keys.
 *
 * libcyaml checks types too, but stops at the first mistake, takes any word for a boolean and knows
 * where a value stands only roughly. So the tree, which knows exactly, is checked first, with all
 * mistakes said; libcyaml then loads what fits. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_schema.h"
#include "nearest.h"

enum { PLACE_MAX = 256, WORDS_MAX = 256 };

struct walk {
    const struct tree *tree;
    unsigned mistakes;
};

void config_say(const struct tree *tree, struct tree_mark mark, const char *format, ...)
{
    char text[TREE_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "%s:%zu:%zu: %s\n", tree_path(tree), mark.line, mark.column, text);
}

#define SAY(walk, mark, ...)                                                                       \
    do {                                                                                           \
        (walk)->mistakes++;                                                                        \
        config_say((walk)->tree, mark, __VA_ARGS__);                                               \
    } while (0)

static void check_value(struct walk *w, const char *place, const cyaml_schema_value_t *schema);

static const cyaml_schema_field_t *field_of(const cyaml_schema_field_t *fields, const char *key)
{
    for (; fields->key; fields++)
        if (strcmp(fields->key, key) == 0)
            return fields;
    return NULL;
}

static void unknown_key(struct walk *w, struct tree_mark mark, const char *place, const char *key,
                        const cyaml_schema_field_t *fields)
{
    struct nearest nearest = nearest_to(key);
    for (; fields->key; fields++)
        nearest_offer(&nearest, fields->key);
    if (nearest.best)
        SAY(w, mark, "unknown key '%s'; did you mean '%s'?", key, nearest.best);
    else
        SAY(w, mark, "unknown key '%s' in %s", key, *place ? place : "the file");
}

/* What is wrong with the nth key of a mapping, if anything. */
static void check_key(struct walk *w, const struct tree_node *node, const char *place, size_t i,
                      const cyaml_schema_field_t *fields)
{
    const char *key, *value, *other, *ignored;
    unsigned before = 0;
    struct tree_mark mark = {1, 1};
    tree_entry(w->tree, node, i, &key, &value);
    for (size_t j = 0; j < i; j++)
        if (tree_entry(w->tree, node, j, &other, &ignored) && strcmp(other, key) == 0)
            before++;
    tree_key_mark(w->tree, node, key, before, &mark);
    const cyaml_schema_field_t *field = field_of(fields, key);
    if (!field) {
        unknown_key(w, mark, place, key, fields);
    } else if (before) {
        struct tree_mark first = {1, 1};
        tree_key_mark(w->tree, node, key, 0, &first);
        SAY(w, mark, "the key '%s' stands twice; first in line %zu", key, first.line);
    } else {
        char below[PLACE_MAX];
        snprintf(below, sizeof below, "%s%s%s", place, *place ? "." : "", key);
        check_value(w, below, &field->value);
    }
}

static void check_mapping(struct walk *w, const char *place, const struct tree_node *node,
                          const cyaml_schema_field_t *fields)
{
    const char *key, *value;
    char found[80];
    if (!tree_entry(w->tree, node, 0, &key, &value) &&
        strcmp(tree_describe(node, found, sizeof found), "a mapping") != 0) {
        SAY(w, tree_mark(node), "%s is %s; expected a mapping (key: value)",
            *place ? place : "the file", tree_describe(node, found, sizeof found));
        return;
    }
    for (size_t i = 0; tree_entry(w->tree, node, i, &key, &value); i++)
        check_key(w, node, place, i, fields);
    for (; fields->key; fields++) {
        struct tree_mark ignored;
        if (!(fields->value.flags & CYAML_FLAG_OPTIONAL) &&
            !tree_key_mark(w->tree, node, fields->key, 0, &ignored))
            SAY(w, tree_mark(node), "the key '%s' is missing in %s", fields->key,
                *place ? place : "the file");
    }
}

static void check_list(struct walk *w, const char *place, const struct tree_node *node,
                       const cyaml_schema_value_t *schema)
{
    char below[PLACE_MAX], found[80];
    unsigned count = 0;
    if (strcmp(tree_describe(node, found, sizeof found), "a list") != 0) {
        SAY(w, tree_mark(node), "%s is %s; expected a list, [ a, b ]", place,
            tree_describe(node, found, sizeof found));
        return;
    }
    for (;; count++) {
        snprintf(below, sizeof below, "%s[%u]", place, count);
        if (!tree_find(w->tree, below))
            break;
        check_value(w, below, schema->sequence.entry);
    }
    if (count < schema->sequence.min || count > schema->sequence.max)
        SAY(w, tree_mark(node), "%s has %u entries; expected %u to %u", place, count,
            schema->sequence.min, schema->sequence.max);
}

static void check_word(struct walk *w, const char *place, const struct tree_node *node,
                       const char *value, const cyaml_schema_value_t *schema)
{
    char words[WORDS_MAX] = "";
    struct nearest nearest = nearest_to(value);
    for (uint32_t i = 0; i < schema->enumeration.count; i++) {
        const char *word = schema->enumeration.strings[i].str;
        if (strcmp(word, value) == 0)
            return;
        nearest_offer(&nearest, word);
        size_t len = strlen(words);
        snprintf(words + len, sizeof words - len, "%s%s", i ? ", " : "", word);
    }
    SAY(w, tree_mark(node), "%s is '%s'; expected one of %s", place, value, words);
}

static void check_number(struct walk *w, const char *place, const struct tree_node *node,
                         const char *value, const cyaml_schema_value_t *schema)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(value, &end, 10);
    bool is_number = *value >= '0' && *value <= '9' && !*end && errno == 0;
    if (!is_number || (schema->data_size == sizeof(uint32_t) && n > UINT32_MAX))
        SAY(w, tree_mark(node), "%s is '%s'; expected a number from 0 to %u", place, value,
            UINT32_MAX);
}

static void check_value(struct walk *w, const char *place, const cyaml_schema_value_t *schema)
{
    const struct tree_node *node = tree_find(w->tree, place);
    char found[80];
    if (schema->type == CYAML_IGNORE)
        return;
    if (schema->type == CYAML_MAPPING) {
        check_mapping(w, place, node, schema->mapping.fields);
        return;
    }
    if (schema->type == CYAML_SEQUENCE) {
        check_list(w, place, node, schema);
        return;
    }
    const char *value = tree_scalar(w->tree, node);
    if (!value)
        SAY(w, tree_mark(node), "%s is %s; expected %s", place,
            tree_describe(node, found, sizeof found),
            schema->type == CYAML_UINT ? "a number" : "a text");
    else if (schema->type == CYAML_ENUM)
        check_word(w, place, node, value, schema);
    else if (schema->type == CYAML_UINT)
        check_number(w, place, node, value, schema);
}

unsigned config_validate(const struct tree *tree)
{
    struct walk w = {.tree = tree};
    check_value(&w, "", &config_schema);
    return w.mistakes;
}
