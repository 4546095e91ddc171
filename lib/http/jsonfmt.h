/* jsonfmt.h: JSON text from a format; the conversions are listed at weft_json in weft/http.h. */
#ifndef HTTP_JSONFMT_H
#define HTTP_JSONFMT_H

#include <weft/base.h>

/* As vsnprintf, but not terminated. Returns the length it needs, or -EINVAL for a conversion that
 * it does not know. */
ssize_t jsonfmt(char *buf, size_t size, const char *format, va_list args);

#endif
