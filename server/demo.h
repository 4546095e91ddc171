/* demo.h: the site that `weft serve` shows when it is given nothing else. */
#ifndef SERVER_DEMO_H
#define SERVER_DEMO_H

#include <weft/weft.h>

/* The demo site; `root` is what /static/ shows, NULL for nothing. root is not copied. NULL when
 * memory is out. */
weft_app *demo_new(const char *root);

#endif
