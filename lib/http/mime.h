/* mime.h: content types by a file name's ending. */
#ifndef HTTP_MIME_H
#define HTTP_MIME_H

#include <weft/base.h>

/* The type for a name; application/octet-stream when its ending is unknown. A static string. */
const char *mime_type(weft_str name);

#endif
