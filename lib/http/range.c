#include "range.h"

#include <stdbool.h>
#include <strings.h>

#include "token.h"

/* Takes a number off a slice; one past what fits is as good as the largest. Returns whether there
 * was one. */
static bool number_next(weft_str *s, int64_t *ret)
{
    int64_t n = 0;
    size_t i = 0;
    for (; i < s->len && s->ptr[i] >= '0' && s->ptr[i] <= '9'; i++)
        n = n > (INT64_MAX - 9) / 10 ? INT64_MAX : n * 10 + (s->ptr[i] - '0');
    s->ptr += i;
    s->len -= i;
    *ret = n;
    return i > 0;
}

/* Reads "first-last", "first-" or "-length". Returns 206, 416 for one that does not fit, 200 for
 * nonsense. */
static int range_one(weft_str text, int64_t size, struct range *ret)
{
    int64_t from, to;
    bool has_from = number_next(&text, &from);
    if (!text.len || text.ptr[0] != '-')
        return 200;
    text.ptr++;
    text.len--;
    bool has_to = number_next(&text, &to);
    if (text.len || (!has_from && !has_to) || (has_from && has_to && to < from))
        return 200;
    if (!has_from) { /* the last `to` bytes */
        if (to == 0 || size == 0)
            return 416;
        from = to < size ? size - to : 0;
        to = size - 1;
    } else if (!has_to || to >= size) {
        to = size - 1;
    }
    if (from >= size)
        return 416;
    *ret = (struct range){from, to - from + 1};
    return 206;
}

static bool is_near(struct range a, struct range b)
{
    return a.from <= b.from + b.len + RANGE_MIN_GAP && b.from <= a.from + a.len + RANGE_MIN_GAP;
}

/* Makes those one that overlap or nearly touch, until none do: at most RANGE_MAX rounds. */
static int coalesce(struct range *ranges, int count)
{
    for (bool has_merged = true; has_merged;) {
        has_merged = false;
        for (int i = 0; i < count; i++) {
            for (int k = i + 1; k < count; k++) {
                if (!is_near(ranges[i], ranges[k]))
                    continue;
                int64_t a = ranges[i].from + ranges[i].len, b = ranges[k].from + ranges[k].len;
                if (ranges[k].from < ranges[i].from)
                    ranges[i].from = ranges[k].from;
                ranges[i].len = (a > b ? a : b) - ranges[i].from;
                memmove(&ranges[k], &ranges[k + 1], (size_t)(--count - k) * sizeof *ranges);
                has_merged = true;
                k--;
            }
        }
    }
    return count;
}

int range_parse(weft_str text, int64_t size, struct range ret[RANGE_MAX], int *ret_count)
{
    static const char unit[] = "bytes=";
    struct range ranges[RANGE_MAX];
    int count = 0, seen = 0;
    weft_str spec;
    if (text.len < sizeof unit - 1 || strncasecmp(text.ptr, unit, sizeof unit - 1) != 0)
        return 200;
    text.ptr += sizeof unit - 1;
    text.len -= sizeof unit - 1;
    while (token_list_next(&text, &spec)) {
        if (++seen > RANGE_MAX)
            return 200;
        int status = range_one(spec, size, &ranges[count]);
        if (status == 200)
            return 200;
        count += status == 206;
    }
    if (count == 0)
        return seen ? 416 : 200;
    *ret_count = coalesce(ranges, count);
    memcpy(ret, ranges, (size_t)*ret_count * sizeof *ret);
    return 206;
}
