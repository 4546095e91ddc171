/* Which content coding a client gets. */
#include <criterion/criterion.h>

#include "encoding.h"

enum {
    ALL = 1 << ENCODING_GZIP | 1 << ENCODING_ZSTD | 1 << ENCODING_BR,
    GZIP = 1 << ENCODING_GZIP
};

static const struct {
    const char *accept;
    unsigned available;
    enum encoding chosen;
} rows[] = {
    {NULL, ALL, ENCODING_IDENTITY},
    {"", ALL, ENCODING_IDENTITY},
    {"gzip, deflate, br, zstd", ALL, ENCODING_BR},
    {"gzip, deflate, br, zstd", GZIP, ENCODING_GZIP},
    {"gzip, deflate, br, zstd", 0, ENCODING_IDENTITY},
    {"GZIP", ALL, ENCODING_GZIP},
    {"x-gzip", ALL, ENCODING_GZIP},
    {"deflate", ALL, ENCODING_IDENTITY},
    {"gzip;q=1, br;q=0.5", ALL, ENCODING_GZIP},
    {"gzip;q=0.001", ALL, ENCODING_GZIP},
    {"gzip; q=0", ALL, ENCODING_IDENTITY},
    {"gzip;q=0, *;q=0.5", ALL, ENCODING_BR},
    {"*", GZIP, ENCODING_GZIP},
    {"*;q=0", ALL, ENCODING_IDENTITY},
    {"identity, gzip;q=0.5", ALL, ENCODING_IDENTITY},
    {"identity;q=0.2, gzip;q=0.5", ALL, ENCODING_GZIP},
    {"br;q=1.5, gzip", ALL, ENCODING_GZIP},
    {"br;q=x, gzip;q=0.1", ALL, ENCODING_GZIP},
    {"br;q=0.1234, gzip;q=0.1", ALL, ENCODING_GZIP},
    {"br ; q=0.9 , gzip ; q=0.8", ALL, ENCODING_BR},
};

Test(encoding, the_client_gets_what_it_weighs_most)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum encoding got = encoding_choose(weft_cstr(rows[i].accept), rows[i].available);
        cr_expect_eq(got, rows[i].chosen, "%s: %d", rows[i].accept, got);
    }
}
