/* weft/files.h: answers from files.
 *
 *     static weft_static_opts site = {.root = "./www", .precompressed = 1};
 *     weft_get(app, "/{path...}", weft_static_with, &site);
 *
 * Files are found below a root that neither .. nor links lead out of. Conditional requests and
 * ranges are answered as RFC 9110 sections 13 and 14 have it: 304, 412, 206 with one range or
 * several, 416. Small files are kept in memory for a short time. A file that is changed or cut
 * short while it is sent never breaks the framing: the client sees a broken connection, never a
 * wrong length. */
#ifndef WEFT_FILES_H
#define WEFT_FILES_H

#include <weft/http.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a folder is served; a zero field means its default. Must stay while it is served. */
typedef struct weft_static_opts {
    const char *root;          /* the folder; may be a link, and may be put in another's place */
    const char *index;         /* the file that answers for a folder; "index.html"; "" for none */
    int listing;               /* 1: a folder without that file is answered with a list */
    int precompressed;         /* 1: name.br, name.zst, name.gz beside a file are sent in its
                                * place to who accepts them */
    const char *cache_control; /* Cache-Control's value; none. A handler's own goes first */
    int hidden;                /* 1: names that begin with a dot are served, too. Without it only
                                * /.well-known/ is (RFC 8615) */
    int64_t trust;             /* how long, in nanoseconds, what is held of a small file is good
                                * without asking the disk; 1 s; below 0: not at all */
} weft_static_opts;

/* A handler for a pattern that ends in {path...}: serves the files of `opts`, a weft_static_opts.
 * A folder without its slash is redirected to it with a slash (301).
 * Returns 0 or a status, as a handler does; errors of the disk beyond "not there" and "not allowed"
 * as negative errno. Parks. */
WEFT_API int weft_static_with(weft_http *h, void *opts);

/* A handler that sends the client to the request's path with a slash behind it, and with the query
 * (301): for "/files", beside "/files/{path...}". Returns 0 or -ENOMEM. `arg` is not used. */
WEFT_API int weft_folder_redirect(weft_http *h, void *arg);

/* weft_send_file with options (a root among them). Returns as weft_send_file. Parks. */
WEFT_API int weft_send_file_with(weft_http *h, const weft_static_opts *opts, weft_str path);

#ifdef __cplusplus
}
#endif
#endif
