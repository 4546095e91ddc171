/* client_request.c: a client's request: what its options say, its head, where redirects lead it. */
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "client.h"
#include "token.h"

enum { HEADERS_MAX = 100, HEADER_BYTES_MAX = 32 * 1024 };

static bool is_one_of(weft_str name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (token_eq(name, weft_cstr(names[i])))
            return true;
    return false;
}

#define IS_ONE_OF(name, names) is_one_of(name, names, sizeof(names) / sizeof *(names))

static bool is_ours(weft_str name)
{
    static const char *const ours[] = {"content-length", "transfer-encoding", "connection",
                                       "keep-alive",     "proxy-connection",  "te",
                                       "trailer",        "upgrade",           "expect"};
    return IS_ONE_OF(name, ours);
}

static bool is_credential(weft_str name)
{
    static const char *const credentials[] = {"authorization", "cookie", "proxy-authorization"};
    return IS_ONE_OF(name, credentials);
}

static bool is_content(weft_str name)
{
    return name.len > 8 && strncasecmp(name.ptr, "content-", 8) == 0;
}

static bool is_value(weft_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char ch = (unsigned char)value.ptr[i];
        if ((ch < 32 && ch != '\t') || ch == 127)
            return false;
    }
    return true;
}

static int check_headers(const char *const *headers)
{
    size_t count = 0, bytes = 0, hosts = 0;
    for (const char *const *at = headers; at && at[0]; at += 2) {
        weft_str name = weft_cstr(at[0]), value = weft_cstr(at[1]);
        bytes += name.len + value.len;
        if (++count > HEADERS_MAX || bytes > HEADER_BYTES_MAX || !value.ptr || !token_is(name) ||
            is_ours(name) || !is_value(value))
            return -EINVAL;
        if (token_eq(name, WEFT_STR("host")) && (++hosts > 1 || value.len == 0))
            return -EINVAL;
    }
    return 0;
}

/* RFC 9110 section 9.2.2. */
static bool is_idempotent(weft_str method)
{
    static const char *const known[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (weft_str_eq(method, weft_cstr(known[i])))
            return true;
    return false;
}

static void set_default(int64_t *value, int64_t by_default)
{
    if (*value == 0)
        *value = by_default;
}

int request_check(weft_response *res)
{
    weft_fetch_opts *o = &res->opts;
    set_default(&o->timeout, 60 * WEFT_SEC);
    set_default(&o->header_timeout, 30 * WEFT_SEC);
    set_default(&o->idle_timeout, 30 * WEFT_SEC);
    set_default(&o->max_body, 16 << 20);
    if (o->max_redirects == 0)
        o->max_redirects = 10;
    res->has_stream = o->read_body != NULL;
    res->body = o->body;
    bool has_body = res->has_stream || o->body.ptr;
    res->method = weft_cstr(o->method ? o->method : has_body ? "POST" : "GET");
    if (!o->url || o->timeout < 0 || o->header_timeout < 0 || o->idle_timeout < 0 ||
        o->max_body < 0 || o->max_redirects < -1 || o->body_length < 0)
        return -EINVAL;
    if ((res->has_stream && o->body.ptr) || !token_is(res->method) || res->method.len > 32 ||
        weft_str_eq(res->method, WEFT_STR("CONNECT")))
        return -EINVAL;
    if (has_body && weft_str_eq(res->method, WEFT_STR("TRACE"))) /* RFC 9110 section 9.3.8 */
        return -EINVAL;
    res->is_repeatable = !res->has_stream && (o->is_repeatable || is_idempotent(res->method));
    return check_headers(o->headers);
}

/* ---- the head ---- */

struct text {
    char *at, *end;
};

static void put(struct text *t, weft_str piece)
{
    if (piece.len > (size_t)(t->end - t->at)) { /* cannot be: it has been measured */
        t->at = t->end;
        return;
    }
    memcpy(t->at, piece.ptr, piece.len);
    t->at += piece.len;
}

#define PUT(text, literal) put(text, WEFT_STR(literal))

static void put_header(struct text *t, weft_str name, weft_str value)
{
    put(t, name);
    PUT(t, ": ");
    put(t, value);
    PUT(t, "\r\n");
}

/* Framing. A method that usually has a body says that it has none (RFC 9110 section 8.6). */
static void put_framing(struct text *t, const weft_response *res)
{
    char number[32];
    int64_t length = res->has_stream ? res->opts.body_length : (int64_t)res->body.len;
    bool has_body = res->has_stream || res->body.ptr;
    bool expects_body = weft_str_eq(res->method, WEFT_STR("POST")) ||
                        weft_str_eq(res->method, WEFT_STR("PUT")) ||
                        weft_str_eq(res->method, WEFT_STR("PATCH"));
    if (res->has_stream && length == 0) {
        PUT(t, "Transfer-Encoding: chunked\r\n");
    } else if (has_body || expects_body) {
        snprintf(number, sizeof number, "%lld", (long long)length);
        put_header(t, WEFT_STR("Content-Length"), weft_cstr(number));
    }
}

static bool is_dropped(const weft_response *res, weft_str name)
{
    if (res->drops_credentials && (is_credential(name) || token_eq(name, WEFT_STR("host"))))
        return true;
    return res->drops_content && is_content(name);
}

int request_head(weft_response *res, weft_str *ret_head)
{
    weft_str agent = weft_cstr(client_opts(res->client)->user_agent);
    size_t room = res->method.len + res->url.target.len + res->url.authority.len + agent.len + 160;
    bool has_host = false, has_agent = false;
    for (const char *const *at = res->opts.headers; at && at[0]; at += 2)
        room += strlen(at[0]) + strlen(at[1]) + 4;
    char *start = arena_alloc(&res->arena, room);
    if (!start)
        return -ENOMEM;
    struct text t = {start, start + room};
    put(&t, res->method);
    PUT(&t, " ");
    put(&t, res->url.target);
    PUT(&t, " HTTP/1.1\r\n");
    for (const char *const *at = res->opts.headers; at && at[0]; at += 2) {
        weft_str name = weft_cstr(at[0]);
        has_host = has_host || (token_eq(name, WEFT_STR("host")) && !is_dropped(res, name));
        has_agent = has_agent || token_eq(name, WEFT_STR("user-agent"));
    }
    if (!has_host)
        put_header(&t, WEFT_STR("Host"), res->url.authority);
    if (!has_agent && agent.len)
        put_header(&t, WEFT_STR("User-Agent"), agent);
    for (const char *const *at = res->opts.headers; at && at[0]; at += 2)
        if (!is_dropped(res, weft_cstr(at[0])))
            put_header(&t, weft_cstr(at[0]), weft_cstr(at[1]));
    put_framing(&t, res);
    PUT(&t, "\r\n");
    *ret_head = (weft_str){start, (size_t)(t.at - start)};
    return 0;
}

/* ---- redirects ---- */

/* Whether it becomes a GET without a body. */
static bool becomes_get(weft_str method, int status)
{
    if (status == 303)
        return !weft_str_eq(method, WEFT_STR("HEAD")) && !weft_str_eq(method, WEFT_STR("GET"));
    return (status == 301 || status == 302) && weft_str_eq(method, WEFT_STR("POST"));
}

int request_redirect(weft_response *res)
{
    struct weburl next;
    int status = reply_status(&res->call.reply);
    weft_str location = reply_find(&res->call.reply, WEFT_STR("location"));
    bool is_redirect = status == 301 || status == 302 || status == 303 || status == 307 ||
                       status == 308;
    if (!is_redirect || !location.len || res->opts.max_redirects < 0)
        return 0;
    bool is_get = becomes_get(res->method, status);
    if (res->has_stream && !is_get)
        return 0;                                        /* what the stream gave is gone */
    char *copy = arena_alloc(&res->arena, location.len); /* the buffer will hold another answer */
    if (!copy)
        return -ENOMEM;
    memcpy(copy, location.ptr, location.len);
    int rc = weburl_resolve(&res->url, (weft_str){copy, location.len}, &res->arena, &next);
    if (rc < 0)
        return rc;
    bool is_same = weburl_same_origin(&res->url, &next);
    if (!is_same && res->opts.unix_path)
        return 0; /* the socket is of one server */
    res->drops_credentials = res->drops_credentials || !is_same;
    if (is_get) {
        res->method = WEFT_STR("GET");
        res->body = (weft_str){NULL, 0};
        res->has_stream = false;
        res->drops_content = true;
        res->is_repeatable = true;
    }
    res->url = next;
    return 1;
}
