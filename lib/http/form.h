/* form.h: what reading forms and multipart bodies have in common. */
#ifndef HTTP_FORM_H
#define HTTP_FORM_H

#include <weft/form.h>

/* weft_form_opts with the defaults filled in. */
struct form_limits {
    int max_fields;
    size_t max_name, max_part_headers, max_value;
    int64_t max_file;
    const char *temp_dir; /* NULL: not said */
};

/* Fills in defaults; opts may be NULL. Returns 0, or -ERANGE for one out of its range. */
int form_limits(const weft_form_opts *opts, struct form_limits *ret);

/* An error that is the client's fault: gives it the right answer. Returns it. */
int form_refuse(weft_http *h, int error);

#endif
