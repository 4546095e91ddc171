/* form.c: query strings and forms: names and values, in the order sent. */
#include "form.h"

#include <errno.h>
#include <unistd.h>

#include "exchange.h"
#include "params.h"
#include "temp_files.h"
#include "token.h"
#include "url.h"

enum { FIELDS_AT_ONCE = 16, NAME_MAX_BYTES = 4096, PART_HEADERS_MAX = 16 * 1024 };

/* A form that has been read; hung on the request under the address of form_key. */
struct form {
    int result;
    size_t count, room;
    weft_field *fields;
    struct temp_files *files; /* NULL: none yet */
};

static const char form_key;

/* ---- limits ---- */

int form_limits(const weft_form_opts *opts, struct form_limits *ret)
{
    static const weft_form_opts none;
    const weft_form_opts *o = opts ? opts : &none;
    if (o->max_fields < 0 || o->max_file < 0 || o->max_name > NAME_MAX_BYTES ||
        o->max_part_headers > PART_HEADERS_MAX)
        return -ERANGE;
    *ret = (struct form_limits){
        .max_fields = o->max_fields ? o->max_fields : 256,
        .max_name = o->max_name ? o->max_name : 256,
        .max_part_headers = o->max_part_headers ? o->max_part_headers : 4096,
        .max_value = o->max_value ? o->max_value : 64 * 1024,
        .max_file = o->max_file ? o->max_file : INT64_MAX,
        .temp_dir = o->temp_dir,
    };
    return 0;
}

int form_refuse(weft_http *h, int error)
{
    switch (error) {
    case -EPROTO: answer_fault(h, error, 415); break;
    case -EINVAL: answer_fault(h, error, 400); break;
    case -E2BIG:
    case -EMSGSIZE: answer_fault(h, error, 413); break;
    }
    return error;
}

/* ---- pairs ---- */

weft_pairs weft_query_pairs(weft_http *h)
{
    return (weft_pairs){h, weft_query_string(h)};
}

static int decode(weft_http *h, weft_str raw, weft_str *ret)
{
    *ret = raw;
    if (!url_needs_decode(raw) && !(raw.len && memchr(raw.ptr, '+', raw.len)))
        return 0;
    char *text = arena_alloc(&h->arena, raw.len + 1);
    if (!text)
        return -ENOMEM;
    ssize_t n = url_decode(text, raw, true);
    if (n < 0)
        return form_refuse(h, (int)n);
    *ret = (weft_str){text, (size_t)n};
    return 0;
}

int weft_pairs_next(weft_pairs *pairs, weft_str *ret_name, weft_str *ret_value)
{
    weft_str name, value;
    if (!url_query_next(&pairs->rest, &name, &value))
        return 0;
    int rc = decode(pairs->h, name, ret_name);
    if (rc == 0)
        rc = decode(pairs->h, value, ret_value);
    return rc < 0 ? rc : 1;
}

/* ---- reading a form ---- */

static int add_field(weft_http *h, struct form *form, const weft_field *field)
{
    if (form->count == form->room) {
        size_t room = form->room ? form->room * 2 : FIELDS_AT_ONCE;
        weft_field *larger = arena_alloc(&h->arena, room * sizeof *larger);
        if (!larger)
            return -ENOMEM;
        if (form->count)
            memcpy(larger, form->fields, form->count * sizeof *larger);
        form->fields = larger;
        form->room = room;
    }
    form->fields[form->count++] = *field;
    return 0;
}

static int read_urlencoded(weft_http *h, struct form *form, const struct form_limits *limits)
{
    weft_pairs pairs = {.h = h};
    weft_field field = {.path = NULL};
    int rc = weft_body_all(h, &pairs.rest);
    while (rc == 0 && (rc = weft_pairs_next(&pairs, &field.name, &field.value)) > 0) {
        if (form->count == (size_t)limits->max_fields || field.name.len > limits->max_name)
            return form_refuse(h, -E2BIG);
        if (field.value.len > limits->max_value)
            return form_refuse(h, -EMSGSIZE);
        rc = add_field(h, form, &field);
    }
    return rc;
}

static int save_file(weft_http *h, struct form *form, weft_multipart *m, weft_field *field,
                     const struct form_limits *limits)
{
    int rc = form->files ? 0 : temp_files_open(h, limits->temp_dir, &form->files);
    if (rc < 0)
        return rc;
    int fd = temp_files_new(form->files, &field->path);
    if (fd < 0)
        return fd;
    rc = weft_part_save(m, fd, limits->max_file, &field->size);
    if (close(fd) < 0 && rc == 0)
        rc = -errno;
    return rc;
}

static int read_multipart(weft_http *h, struct form *form, const weft_form_opts *opts,
                          const struct form_limits *limits)
{
    weft_multipart *m;
    weft_field field;
    int rc = weft_multipart_begin(h, opts, &m);
    while (rc == 0 && (rc = weft_multipart_next(m, &field)) > 0) {
        if (!field.filename.ptr)
            rc = weft_part_all(m, limits->max_value, &field.value);
        else if (field.filename.len)
            rc = save_file(h, form, m, &field, limits);
        else /* no file was chosen: nothing is in it, and not worth a file */
            rc = 0;
        if (rc == 0)
            rc = add_field(h, form, &field);
    }
    return rc;
}

static int read_form(weft_http *h, struct form *form, const weft_form_opts *opts)
{
    weft_str type;
    struct form_limits limits;
    int rc = form_limits(opts, &limits);
    if (rc < 0)
        return rc;
    params_begin(weft_header(h, "content-type"), &type);
    if (token_eq(type, WEFT_STR("application/x-www-form-urlencoded")))
        return read_urlencoded(h, form, &limits);
    return read_multipart(h, form, opts, &limits);
}

int weft_form_read(weft_http *h, const weft_form_opts *opts)
{
    struct form *form = weft_value(h, &form_key);
    if (form)
        return form->result;
    form = arena_alloc(&h->arena, sizeof *form);
    if (!form)
        return -ENOMEM;
    *form = (struct form){.result = 0};
    int rc = weft_set_value(h, &form_key, form);
    if (rc == 0)
        rc = form->result = read_form(h, form, opts);
    return rc;
}

const weft_field *weft_form_at(weft_http *h, size_t i)
{
    const struct form *form = weft_value(h, &form_key);
    return form && form->result == 0 && i < form->count ? &form->fields[i] : NULL;
}

static const weft_field *find(weft_http *h, const char *name, bool is_file)
{
    weft_str wanted = weft_cstr(name);
    const weft_field *field;
    if (weft_form_read(h, NULL) < 0)
        return NULL;
    for (size_t i = 0; (field = weft_form_at(h, i)); i++)
        if ((field->filename.ptr != NULL) == is_file && weft_str_eq(field->name, wanted))
            return field;
    return NULL;
}

weft_str weft_form(weft_http *h, const char *name)
{
    const weft_field *field = find(h, name, false);
    return field ? field->value : (weft_str){NULL, 0};
}

const weft_field *weft_form_file(weft_http *h, const char *name)
{
    return find(h, name, true);
}
