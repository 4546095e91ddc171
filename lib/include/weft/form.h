/* weft/form.h: what a client sends as names and values: query strings, forms, and files.
 *
 *     static int sign(weft_http *h, void *arg)
 *     {
 *         int rc = weft_form_read(h, NULL);
 *         if (rc < 0)
 *             return rc;
 *         weft_str name = weft_form(h, "name");
 *         const weft_field *photo = weft_form_file(h, "photo");
 *         ...
 *     }
 *
 * All of it is untrusted input. Text that a client sends may hold any byte but NUL. */
#ifndef WEFT_FORM_H
#define WEFT_FORM_H

#include <weft/http.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- names and values, one after the other ---- */

/* A place in a list of names and values. */
typedef struct weft_pairs {
    weft_http *h;
    weft_str rest; /* what is left, as sent */
} weft_pairs;

/* The query's names and values, from the first on. Never parks. */
WEFT_API weft_pairs weft_query_pairs(weft_http *h);

/* The next pair, decoded; names may come several times. Returns 1; 0 when there is none left;
 * -EINVAL for an escape that is none (400); -ENOMEM. Never parks. */
WEFT_API int weft_pairs_next(weft_pairs *pairs, weft_str *ret_name, weft_str *ret_value);

/* ---- forms as a whole ---- */

/* What a form may hold; a zero field means its default. The body's limit (weft_set_max_body) holds
 * for all of it together. */
typedef struct weft_form_opts {
    int max_fields;          /* fields and files; default 256 */
    size_t max_name;         /* bytes of a field's or file's name; default 256 */
    size_t max_part_headers; /* bytes of the headers of a part; default 4096, at most 16384 */
    size_t max_value;        /* bytes of a field's value; default 64 KB */
    int64_t max_file;        /* bytes of a file; default as the body */
    const char *temp_dir;    /* where files go; default $TMPDIR, else /tmp */
} weft_form_opts;

/* A field of a form. */
typedef struct weft_field {
    weft_str name;
    weft_str value;        /* of a file: {NULL, 0} */
    weft_str filename;     /* of a file, as the client calls it, without folders, "" when none was
                            * chosen; of another field {NULL, 0} */
    weft_str content_type; /* as the client says; {NULL, 0} when it does not */
    const char *path;      /* where a file is until the request's end; rename(2) it to keep it.
                            * NULL: no file, or none chosen */
    int64_t size;          /* bytes of the file */
} weft_field;

/* Reads a form, application/x-www-form-urlencoded or multipart/form-data (RFC 7578), to its end,
 * its files to files of their own in a folder that goes with the request. opts may be NULL. Once it
 * has been read, it returns what it returned.
 * Returns 0; -ERANGE for an option out of its range; -EPROTO for another content type (answers
 * 415); -EINVAL for a body that is no such form; -E2BIG for too many fields, too long names or
 * headers, and -EMSGSIZE for too long values, files or too long a body (413); -ENOSPC (507) and the
 * other errors of writing files; weft_body_read's errors; -ENOMEM. Parks. */
WEFT_API int weft_form_read(weft_http *h, const weft_form_opts *opts);

/* The value of the first field of that name; {NULL, 0} when there is none, and when the form cannot
 * be read. Reads the form if that has not been done; then it parks. */
WEFT_API weft_str weft_form(weft_http *h, const char *name);

/* The first file of that name, or NULL. Else as weft_form. */
WEFT_API const weft_field *weft_form_file(weft_http *h, const char *name);

/* Field number i from 0, as sent; NULL past the last. Only after weft_form_read. Never parks. */
WEFT_API const weft_field *weft_form_at(weft_http *h, size_t i);

/* ---- multipart bodies part by part, in constant memory ---- */

/* A body in parts, as it is read. */
typedef struct weft_multipart weft_multipart;

/* Begins to read a multipart/form-data body; of the options, max_fields, max_name and
 * max_part_headers count. It lives as long as the request. Returns 0; -EPROTO; -EINVAL; -ERANGE;
 * -ENOMEM. Does not park. */
WEFT_API int weft_multipart_begin(weft_http *h, const weft_form_opts *opts,
                                  weft_multipart **ret_multipart);

/* Goes on to the next part, past what is unread of the last, and describes it: path, value and size
 * are empty. Returns 1; 0 at the end; errors as weft_form_read. Parks. */
WEFT_API int weft_multipart_next(weft_multipart *m, weft_field *ret_part);

/* The current part's header of that name, in any case; {NULL, 0} when absent. Never parks. */
WEFT_API weft_str weft_part_header(weft_multipart *m, const char *name);

/* Reads what is there of the current part, at least one byte, at most `len`.
 * Returns the count; 0 at the part's end; errors as weft_form_read. Parks. */
WEFT_API ssize_t weft_part_read(weft_multipart *m, void *buf, size_t len);

/* Reads the rest of the current part into the request's memory. Returns 0; -EMSGSIZE past `max`
 * bytes; else as weft_part_read. Parks. */
WEFT_API int weft_part_all(weft_multipart *m, size_t max, weft_str *ret_content);

/* Writes the rest of the current part to a descriptor, which stays the caller's. ret_size may be
 * NULL. Returns 0; -EMSGSIZE past `max` bytes; write(2)'s errors; else as weft_part_read. Parks. */
WEFT_API int weft_part_save(weft_multipart *m, int fd, int64_t max, int64_t *ret_size);

#ifdef __cplusplus
}
#endif
#endif
