/* jsonfmt.h: JSON text from a format; the conversions are listed at weft_json in weft/http.h. */
#ifndef HTTP_JSONFMT_H
#define HTTP_JSONFMT_H

#include <weft/base.h>

/* As vsnprintf, but not terminated. Returns the length it needs, or -EINVAL for a conversion that
 * it does not know. */
ssize_t jsonfmt(char *buf, size_t size, const char *format, va_list args);

/* Writes `text` quoted and escaped (RFC 8259 section 7); what is not UTF-8 becomes U+FFFD. Returns
 * the length it needs. */
size_t json_quote(char *buf, size_t size, weft_str text);

#endif
