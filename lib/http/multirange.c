#include "multirange.h"

#include <stdio.h>
#include <sys/random.h>

void range_format(char buf[80], struct range r, int64_t size)
{
    snprintf(buf, 80, "bytes %lld-%lld/%lld", (long long)r.from, (long long)(r.from + r.len - 1),
             (long long)size);
}

void multirange_init(struct multirange *m, const struct range *ranges, int count, int64_t size,
                     const char *type)
{
    char head[MULTIRANGE_HEAD_MAX];
    uint64_t random = 0;
    *m = (struct multirange){.ranges = ranges, .count = count, .size = size, .type = type};
    /* It must not be in the content: 64 bits that nobody can foresee will not be. */
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
        random = (uint64_t)weft_now() * UINT64_C(0x9e3779b97f4a7c15);
    snprintf(m->boundary, sizeof m->boundary, "weft%016llx", (unsigned long long)random);
    for (int i = 0; i <= count; i++)
        m->length += (int64_t)multirange_head(m, i, head) + (i < count ? ranges[i].len : 0);
}

size_t multirange_head(const struct multirange *m, int i, char buf[MULTIRANGE_HEAD_MAX])
{
    char range[80];
    if (i == m->count)
        return (size_t)snprintf(buf, MULTIRANGE_HEAD_MAX, "\r\n--%s--\r\n", m->boundary);
    range_format(range, m->ranges[i], m->size);
    return (size_t)snprintf(buf, MULTIRANGE_HEAD_MAX,
                            "%s--%s\r\nContent-Type: %s\r\nContent-Range: %s\r\n\r\n",
                            i ? "\r\n" : "", m->boundary, m->type, range);
}
