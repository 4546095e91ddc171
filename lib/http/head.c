#include "head.h"

#include <string.h>
#include <strings.h>

#include "assert.h"
#include "token.h"
#include "trailer.h"

static struct head *head_of(llhttp_t *parser)
{
    return (struct head *)((char *)parser - offsetof(struct head, parser));
}

static void span_add(const struct head *head, struct head_span *span, const char *at, size_t len)
{
    if (span->len == 0)
        span->at = (uint16_t)(at - head->base);
    span->len = (uint16_t)(span->len + len);
}

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    struct head *head = head_of(parser);
    span_add(head, &head->target, at, len);
    if (head->target.len <= HEAD_MAX_TARGET)
        return 0;
    head->is_target_too_long = true;
    return HPE_USER;
}

static int on_header_field(llhttp_t *parser, const char *at, size_t len)
{
    struct head *head = head_of(parser);
    if (head->is_value_next || head->header_count == 0) {
        if (head->header_count == head->max_headers) {
            head->has_too_many = true;
            return HPE_USER;
        }
        head->headers[head->header_count++] = (struct head_header){{0, 0}, {0, 0}};
        head->is_value_next = false;
    }
    span_add(head, &head->headers[head->header_count - 1].name, at, len);
    return 0;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t len)
{
    struct head *head = head_of(parser);
    head->is_value_next = true;
    span_add(head, &head->headers[head->header_count - 1].value, at, len);
    return 0;
}

static int on_value_complete(llhttp_t *parser)
{
    head_of(parser)->is_value_next = true; /* an empty value has no span */
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    head_of(parser)->is_complete = true;
    return HPE_PAUSED;
}

/* Chunk data, and trailers: the callbacks of a body that body.c drives. */
static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    head_of(parser)->body_span = (weft_str){at, len};
    return HPE_PAUSED;
}

static int on_message_complete(llhttp_t *parser)
{
    head_of(parser)->is_message_complete = true;
    return HPE_PAUSED;
}

/* Trailers come as headers once more. */
static int on_field_or_trailer(llhttp_t *parser, const char *at, size_t len)
{
    struct head *head = head_of(parser);
    if (!head->is_complete)
        return on_header_field(parser, at, len);
    return trailers_add_name(head->trailers, head->arena, at, len) < 0 ? HPE_USER : 0;
}

static int on_value_or_trailer(llhttp_t *parser, const char *at, size_t len)
{
    struct head *head = head_of(parser);
    if (!head->is_complete)
        return on_header_value(parser, at, len);
    return trailers_add_value(head->trailers, head->arena, at, len) < 0 ? HPE_USER : 0;
}

/* Chunk extensions mean nothing here, and may be no more than what they extend (as in Go): a budget
 * that data refills. */
static int on_chunk_header(llhttp_t *parser)
{
    enum { A_CHUNK = 16 };
    struct head *head = head_of(parser);
    uint64_t refill = A_CHUNK + 2 * (parser->content_length < UINT32_MAX ? parser->content_length
                                                                         : UINT32_MAX);
    head->extension_bytes -= refill < head->extension_bytes ? (uint32_t)refill
                                                            : head->extension_bytes;
    return 0;
}

static int on_chunk_extension(llhttp_t *parser, const char *at, size_t len)
{
    struct head *head = head_of(parser);
    (void)at;
    if (len > HEAD_MAX_EXTENSIONS - head->extension_bytes)
        return HPE_USER;
    head->extension_bytes += (uint32_t)len;
    return 0;
}

static const llhttp_settings_t settings = {
    .on_chunk_header = on_chunk_header,
    .on_chunk_extension_name = on_chunk_extension,
    .on_chunk_extension_value = on_chunk_extension,
    .on_url = on_url,
    .on_header_field = on_field_or_trailer,
    .on_header_value = on_value_or_trailer,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

void head_begin(struct head *head, uint32_t max_bytes, uint16_t max_headers)
{
    llhttp_init(&head->parser, HTTP_REQUEST, &settings);
    head->fed = 0;
    head->max_bytes = max_bytes;
    head->max_headers = max_headers;
    head->header_count = 0;
    head->is_value_next = false;
    head->is_complete = false;
    head->is_refused = false;
    head->has_too_many = false;
    head->is_target_too_long = false;
    head->is_message_complete = false;
    head->extension_bytes = 0;
    head->target = (struct head_span){0, 0};
    head->body_span = (weft_str){NULL, 0};
}

/* A first word that is no method is 501 if it could be one (RFC 9110 section 9.1), else 400. */
static int refuse_method(const struct head *head, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!token_has(head->base[i]))
            return i > 0 && head->base[i] == ' ' ? 501 : 400;
    return HEAD_PARTIAL;
}

/* A version of another major number is 505 (RFC 9110 section 15.6.6), what is none 400. */
static int refuse_version(const struct head *head, size_t len)
{
    const char *end = memchr(head->base, '\n', len);
    if (!end)
        return HEAD_PARTIAL;
    const char *version = memmem(head->base, (size_t)(end - head->base), " HTTP/", 6);
    const char *v = version ? version + 6 : end; /* DIGIT "." DIGIT CR LF */
    bool is_well_formed = end - v == 4 && v[0] >= '0' && v[0] <= '9' && v[1] == '.' &&
                          v[2] >= '0' && v[2] <= '9' && v[3] == '\r';
    return is_well_formed ? 505 : 400;
}

/* The status for what the parser refused: the same however the bytes come, so that it may take more
 * of them to tell (HEAD_PARTIAL). */
static int refusal(const struct head *head, size_t len)
{
    switch (llhttp_get_errno(&head->parser)) {
    case HPE_INVALID_METHOD: return refuse_method(head, len);
    case HPE_INVALID_VERSION: return refuse_version(head, len);
    case HPE_PAUSED_H2_UPGRADE: return 505;
    case HPE_USER: return head->is_target_too_long ? 414 : 431;
    default: return 400;
    }
}

int head_parse(struct head *head, const char *base, size_t len, uint32_t *ret_len)
{
    size_t bounded = len < head->max_bytes ? len : head->max_bytes;
    head->base = base;
    if (weft_unlikely(head->is_refused)) {
        int rc = refusal(head, bounded);
        return rc != HEAD_PARTIAL || bounded < head->max_bytes ? rc : 400;
    }
    if (bounded > head->fed) {
        size_t fresh = bounded - head->fed;
        llhttp_errno_t err = llhttp_execute(&head->parser, base + head->fed, fresh);
        if (head->is_complete) {
            *ret_len = (uint32_t)(llhttp_get_error_pos(&head->parser) - base);
            return HEAD_COMPLETE;
        }
        head->fed = (uint32_t)bounded;
        if (err != HPE_OK) {
            head->is_refused = true;
            int rc = refusal(head, bounded);
            return rc != HEAD_PARTIAL || bounded < head->max_bytes ? rc : 400;
        }
    }
    if (bounded < head->max_bytes)
        return HEAD_PARTIAL;
    return memchr(base, '\n', bounded) ? 431 : 414;
}

weft_str head_find(const struct head *head, const char *name, size_t name_len)
{
    for (unsigned i = 0; i < head->header_count; i++) {
        const struct head_header *h = &head->headers[i];
        if (h->name.len == name_len && strncasecmp(head->base + h->name.at, name, name_len) == 0) {
            weft_str value = head_slice(head, h->value);
            return value.ptr == head->base ? WEFT_STR("") : value; /* empty: it had no span */
        }
    }
    return (weft_str){NULL, 0};
}

bool head_lists(const struct head *head, const char *name, weft_str token)
{
    size_t name_len = strlen(name);
    for (unsigned i = 0; i < head->header_count; i++) {
        const struct head_header *h = &head->headers[i];
        if (h->name.len != name_len || strncasecmp(head->base + h->name.at, name, name_len) != 0)
            continue;
        weft_str rest = head_slice(head, h->value), element;
        while (token_list_next(&rest, &element))
            if (token_eq(element, token))
                return true;
    }
    return false;
}

/* uri-host [ ":" port ] (RFC 9110 section 7.2), or empty where there is no authority. */
bool head_host_is_valid(weft_str host)
{
    size_t i = 0;
    if (host.len == 0)
        return false;
    if (host.ptr[0] == '[') { /* IP-literal */
        const char *end = memchr(host.ptr, ']', host.len);
        if (!end || end == host.ptr + 1)
            return false;
        for (i = 1; host.ptr + i < end; i++)
            if (!strchr("0123456789abcdefABCDEF:.vV", host.ptr[i]))
                return false;
        i++;
    } else {
        while (i < host.len && host.ptr[i] != ':') {
            unsigned char ch = (unsigned char)host.ptr[i];
            bool is_alnum = (ch >= '0' && ch <= '9') || ((ch | 32) >= 'a' && (ch | 32) <= 'z');
            if (!is_alnum && (ch == 0 || !strchr("-._~!$&'()*+,;=%", ch)))
                return false;
            i++;
        }
        if (i == 0)
            return false;
    }
    if (i == host.len)
        return true;
    if (host.ptr[i++] != ':')
        return false;
    for (; i < host.len; i++)
        if (host.ptr[i] < '0' || host.ptr[i] > '9')
            return false;
    return true;
}

/* What no client leaves as it is in a target (RFC 3986 section 2): a number sign anywhere, and in
 * the path what others may read as a slash or as the end of the text. Browsers do send a few others
 * that they should not, | and ^ among them. */
static bool is_suspect(char ch)
{
    static const uint64_t low = UINT64_C(1) << '#' | UINT64_C(1) << '"' | UINT64_C(1) << '<' |
                                UINT64_C(1) << '>';
    unsigned char byte = (unsigned char)ch;
    return byte < 64 ? low >> byte & 1 : byte == '\\';
}

static bool is_target_clean(weft_str t)
{
    for (size_t i = 0; i < t.len; i++)
        if (weft_unlikely(is_suspect(t.ptr[i])) &&
            (t.ptr[i] == '#' || !memchr(t.ptr, '?', i))) /* a query may have the others */
            return false;
    return t.len > 0;
}

/* The target's form fits the method (RFC 9112 section 3.2): origin-form, absolute-form with a valid
 * authority, asterisk-form for OPTIONS only. CONNECT is for proxies: 501. */
static int check_target(const struct head *head)
{
    weft_str t = head_slice(head, head->target);
    if (head->parser.method == HTTP_CONNECT)
        return 501;
    if (!is_target_clean(t))
        return 400;
    if (t.ptr[0] == '/')
        return 0;
    if (t.len == 1 && t.ptr[0] == '*')
        return head->parser.method == HTTP_OPTIONS ? 0 : 400;
    const char *slashes = memmem(t.ptr, t.len, "://", 3);
    size_t scheme = slashes ? (size_t)(slashes - t.ptr) : 0;
    bool is_http = (scheme == 4 && strncasecmp(t.ptr, "http", 4) == 0) ||
                   (scheme == 5 && strncasecmp(t.ptr, "https", 5) == 0);
    if (!is_http)
        return 400;
    weft_str authority = {slashes + 3, t.len - scheme - 3};
    for (size_t i = 0; i < authority.len; i++)
        if (authority.ptr[i] == '/' || authority.ptr[i] == '?')
            authority.len = i;
    return head_host_is_valid(authority) ? 0 : 400;
}

/* One space on both sides of the target (RFC 9112 section 3); llhttp skips several. */
static bool is_line_exact(const struct head *head)
{
    const char *before = head->base + head->target.at - 1;
    const char *after = head->base + head->target.at + head->target.len;
    return head->target.at >= 2 && before[0] == ' ' && before[-1] != ' ' && after[0] == ' ' &&
           after[1] == 'H';
}

static bool name_is(const struct head *head, const struct head_header *h, const char *name)
{
    size_t len = strlen(name);
    return h->name.len == len && strncasecmp(head->base + h->name.at, name, len) == 0;
}

/* The name, or the name with an underscore for its dash, which gateways to older worlds (CGI) take
 * for the same: a message has one framing only. */
static bool is_like(const struct head *head, const struct head_header *h, const char *name)
{
    for (unsigned i = 0; i < h->name.len; i++) {
        char ch = head->base[h->name.at + i];
        if ((ch | 32) != name[i] && !(name[i] == '-' && (ch == '-' || ch == '_')))
            return false;
    }
    return true;
}

/* Slices lose the white space at their end (RFC 9110 section 5.5). */
static void trim(const struct head *head, struct head_span *span)
{
    while (span->len && (head->base[span->at + span->len - 1] == ' ' ||
                         head->base[span->at + span->len - 1] == '\t'))
        span->len--;
}

int head_check(struct head *head)
{
    const llhttp_t *p = &head->parser;
    unsigned hosts = 0, codings = 0;
    weft_str host = {NULL, 0};

    if (p->http_major == 0 || !is_line_exact(head)) /* 0.9 has no version */
        return 400;
    if (p->http_major != 1 || p->http_minor > 1)
        return 505;
    for (unsigned i = 0; i < head->header_count; i++) {
        struct head_header *h = &head->headers[i];
        trim(head, &h->value);
        if (h->name.len == 4 && name_is(head, h, "host")) {
            hosts++;
            host = h->value.len ? head_slice(head, h->value) : WEFT_STR("");
        } else if (h->name.len == 14 && is_like(head, h, "content-length")) {
            weft_str value = head_slice(head, h->value);
            if (value.len > 1 && value.ptr[0] == '0')
                return 400; /* octal to some */
            if (!name_is(head, h, "content-length"))
                return 400;
        } else if (h->name.len == 17 && is_like(head, h, "transfer-encoding")) {
            codings++;
            if (!name_is(head, h, "transfer-encoding"))
                return 400;
            /* In HTTP/1.0 it means that the framing is not to be trusted (RFC 9112 section 6.1). */
            if (p->http_minor == 0 || codings > 1)
                return 400;
            weft_str value = head_slice(head, h->value);
            if (value.len == 0)
                return 400;
            if (value.len != 7 || strncasecmp(value.ptr, "chunked", 7) != 0)
                return 501;
        }
    }
    if (hosts > 1 || (hosts == 0 && p->http_minor == 1) ||
        (hosts == 1 && !head_host_is_valid(host)))
        return 400;
    /* The smuggler's pair (RFC 9112 section 6.1), and a coding that is chunked to one reader of the
     * line only. */
    if (codings && ((p->flags & F_CONTENT_LENGTH) || !(p->flags & F_CHUNKED)))
        return 400;
    return check_target(head);
}
