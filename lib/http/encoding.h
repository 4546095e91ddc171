/* encoding.h: content codings and their negotiation (RFC 9110 section 12.5.3). */
#ifndef HTTP_ENCODING_H
#define HTTP_ENCODING_H

#include <weft/base.h>

/* In the order of our preference where the client has none, the last first. */
enum encoding { ENCODING_IDENTITY, ENCODING_GZIP, ENCODING_ZSTD, ENCODING_BR, ENCODING_COUNT };

/* What Content-Encoding has for it: "br"; NULL for identity. */
const char *encoding_name(enum encoding e);

/* The coding that the client likes best among those whose bit (1 << encoding) is in `available`;
 * identity when it takes none of them. accept: Accept-Encoding, may be {NULL, 0}. */
enum encoding encoding_choose(weft_str accept, unsigned available);

#endif
