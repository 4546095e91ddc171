#include "conditional.h"

#include <errno.h>
#include <strings.h>

#include "exchange.h"

struct known {
    const char *name;
    weft_str *value;
    bool is_list;
};

static int join(weft_http *h, weft_str *first, weft_str second)
{
    char *both = arena_alloc(&h->arena, first->len + second.len + 1);
    if (!both)
        return -ENOMEM;
    memcpy(both, first->ptr, first->len);
    both[first->len] = ',';
    memcpy(both + first->len + 1, second.ptr, second.len);
    *first = (weft_str){both, first->len + second.len + 1};
    return 0;
}

int conditions_read(weft_http *h, struct conditions *ret)
{
    static const weft_str absent = {NULL, 0};
    *ret = (struct conditions){absent, absent, absent, absent, absent, absent, absent};
    const struct known knowns[] = {
        {"range", &ret->range, false},
        {"if-match", &ret->match, true},
        {"if-range", &ret->if_range, false},
        {"if-none-match", &ret->none_match, true},
        {"accept-encoding", &ret->accept_encoding, true},
        {"if-modified-since", &ret->modified_since, false},
        {"if-unmodified-since", &ret->unmodified_since, false},
    };
    weft_str name, value;
    for (size_t i = 0; weft_header_at(h, i, &name, &value); i++) {
        char first = (char)(name.ptr[0] | 32);
        if (first != 'i' && first != 'a' && first != 'r')
            continue;
        for (size_t k = 0; k < sizeof knowns / sizeof *knowns; k++) {
            if (strncasecmp(name.ptr, knowns[k].name, name.len) != 0 || knowns[k].name[name.len])
                continue;
            if (!knowns[k].value->ptr)
                *knowns[k].value = value;
            else if (knowns[k].is_list && join(h, knowns[k].value, value) < 0)
                return -ENOMEM;
        }
    }
    return 0;
}

/* Takes the next entity tag off a list. Returns false at the end, and for what is none. */
static bool etag_next(weft_str *list, weft_str *ret_opaque, bool *ret_is_weak)
{
    while (list->len && memchr(", \t", list->ptr[0], 3)) {
        list->ptr++;
        list->len--;
    }
    *ret_is_weak = list->len > 2 && memcmp(list->ptr, "W/", 2) == 0;
    const char *from = list->ptr + (*ret_is_weak ? 2 : 0), *all_end = list->ptr + list->len;
    if (from >= all_end || *from != '"')
        return false;
    const char *end = memchr(from + 1, '"', (size_t)(all_end - from - 1));
    if (!end)
        return false;
    *ret_opaque = (weft_str){from, (size_t)(end + 1 - from)};
    list->ptr = end + 1;
    list->len = (size_t)(all_end - list->ptr);
    return true;
}

/* Whether a list of entity tags, or "*", names ours (section 8.8.3.2): by the strong comparison, in
 * which no weak tag equals any, or the weak one. */
static bool names_ours(weft_str list, const struct validators *v, bool is_strong)
{
    weft_str opaque;
    bool is_weak;
    if (list.len == 1 && list.ptr[0] == '*')
        return true;
    while (etag_next(&list, &opaque, &is_weak))
        if (weft_str_eq(opaque, v->etag) && !(is_strong && (is_weak || v->is_weak)))
            return true;
    return false;
}

int conditions_check(const struct conditions *c, const struct validators *v)
{
    int64_t since;
    if (c->match.ptr) {
        if (!names_ours(c->match, v, true))
            return 412;
    } else if (c->unmodified_since.ptr && date_parse(c->unmodified_since, &since) &&
               v->modified > since) {
        return 412;
    }
    if (c->none_match.ptr)
        return names_ours(c->none_match, v, false) ? 304 : 0;
    if (c->modified_since.ptr && date_parse(c->modified_since, &since) && v->modified <= since)
        return 304;
    return 0;
}

bool conditions_allow_range(const struct conditions *c, const struct validators *v)
{
    int64_t date;
    if (!c->if_range.ptr)
        return true;
    if (c->if_range.len && (c->if_range.ptr[0] == '"' || c->if_range.ptr[0] == 'W'))
        return names_ours(c->if_range, v, true);
    return !v->is_weak && date_parse(c->if_range, &date) && date == v->modified;
}
