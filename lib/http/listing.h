/* listing.h: a folder as a page. */
#ifndef HTTP_LISTING_H
#define HTTP_LISTING_H

#include <weft/files.h>

/* Entries of one folder that are shown; the page says when there are more. */
enum { LISTING_MAX = 10000 };

/* Answers with the list of the folder `name`, relative to o->root, which ends in a slash or is
 * empty: folders first, names in the order of a human. Entries that the server would not serve
 * (hidden ones, links out of the root, devices) are left out.
 * Returns 0; -ENOENT, -EACCES and the other errors of beneath_open; -ENOMEM. Parks. */
int listing_answer(weft_http *h, const weft_static_opts *o, const char *name);

#endif
