#include "quantity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <weft/base.h>

struct unit {
    const char *name;
    int64_t value;
};

static int parse(const char *text, const struct unit *units, int64_t *ret)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (*text < '0' || *text > '9')
        return -EINVAL;
    if (errno)
        return -ERANGE;
    while (*end == ' ')
        end++;
    for (; units->name; units++) {
        if (strcasecmp(end, units->name) != 0)
            continue;
        int64_t product;
        if (__builtin_mul_overflow((int64_t)n, units->value, &product))
            return -ERANGE;
        *ret = product;
        return 0;
    }
    return -EINVAL;
}

int quantity_duration(const char *text, int64_t *ret_ns)
{
    static const struct unit units[] = {
        {"us", WEFT_US},         {"ms", WEFT_MS},
        {"s", WEFT_SEC},         {"m", 60 * WEFT_SEC},
        {"min", 60 * WEFT_SEC},  {"h", 3600 * WEFT_SEC},
        {"d", 86400 * WEFT_SEC}, {NULL, 0},
    };
    return parse(text, units, ret_ns);
}

int quantity_size(const char *text, int64_t *ret_bytes)
{
    static const struct unit units[] = {
        {"", 1},          {"B", 1},        {"KB", 1 << 10},  {"K", 1 << 10},
        {"KiB", 1 << 10}, {"MB", 1 << 20}, {"M", 1 << 20},   {"MiB", 1 << 20},
        {"GB", 1 << 30},  {"G", 1 << 30},  {"GiB", 1 << 30}, {NULL, 0},
    };
    return parse(text, units, ret_bytes);
}
