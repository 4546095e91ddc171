/* interim.c: answers before the answer; 100 is the body's, see body.c. */
#include <errno.h>
#include <weft/stream.h>

#include "exchange.h"

int weft_early_hints(weft_http *h, const char *link)
{
    static const weft_str line = {"HTTP/1.1 103 Early Hints\r\n", 26};
    struct answer_header *field;
    if (h->answer != ANSWER_NONE)
        return -EALREADY;
    int rc = answer_field(h, "Link", weft_cstr(link), &field);
    if (rc < 0 || h->head.parser.http_minor == 0) /* RFC 9110 section 15.2: not to HTTP/1.0 */
        return rc;
    rc = wire_reserve(h, line.len + field->len + 2);
    if (rc < 0)
        return rc;
    wire_put(h, line.ptr, line.len);
    wire_put(h, field->line, field->len);
    wire_put(h, "\r\n", 2);
    return wire_flush(h);
}
