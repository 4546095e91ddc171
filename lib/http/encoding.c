#include "encoding.h"

#include <string.h>

#include "accept.h"

static const char *const names[ENCODING_COUNT] = {NULL, "gzip", "zstd", "br"};

const char *encoding_name(enum encoding e)
{
    return names[e];
}

enum encoding encoding_choose(weft_str accept, unsigned available)
{
    char offered[sizeof "br, zstd, gzip, "] = "", *end = offered;
    bool must; /* there is always the file as it is, and it is better than a refusal (12.5.3) */
    for (int e = ENCODING_COUNT - 1; e > ENCODING_IDENTITY; e--)
        if (available & 1U << e)
            end = stpcpy(stpcpy(end, names[e]), ", ");
    weft_str chosen = accept_coding(accept, offered, &must);
    for (int e = ENCODING_GZIP; e < ENCODING_COUNT; e++)
        if (weft_str_eq(chosen, weft_cstr(names[e])))
            return (enum encoding)e;
    return ENCODING_IDENTITY;
}
