/* mw_auth.c: who the request comes from: names with passwords (RFC 7617) and tokens (RFC 6750). */
#include <errno.h>
#include <stdbool.h>
#include <strings.h>
#include <weft/middleware.h>

enum { CREDENTIALS_MAX = 1024 }; /* bytes of base64; what is longer is nobody's */

static const char user_key; /* its address is unique */

weft_str weft_user(weft_http *h)
{
    const weft_str *user = weft_value(h, &user_key);
    return user ? *user : (weft_str){NULL, 0};
}

int weft_set_user(weft_http *h, weft_str user)
{
    weft_str *kept = weft_alloc(h, sizeof *kept);
    if (!kept)
        return -ENOMEM;
    *kept = user;
    return weft_set_value(h, &user_key, kept);
}

int weft_str_eq_secret(weft_str given, weft_str secret)
{
    volatile size_t differences = given.len ^ secret.len;
    size_t at = 0;
    for (size_t i = 0; i < given.len; i++) {
        unsigned char other = secret.len ? (unsigned char)secret.ptr[at] : 0;
        differences |= (size_t)((unsigned char)given.ptr[i] ^ other);
        at = at + 1 < secret.len ? at + 1 : 0;
    }
    return differences == 0;
}

/* What follows the scheme in Authorization, or {NULL, 0}. */
static weft_str credentials(weft_http *h, const char *scheme)
{
    weft_str value = weft_header(h, "Authorization");
    size_t len = strlen(scheme);
    if (value.len <= len || strncasecmp(value.ptr, scheme, len) != 0 || value.ptr[len] != ' ')
        return (weft_str){NULL, 0};
    value.ptr += len;
    value.len -= len;
    while (value.len && value.ptr[0] == ' ') {
        value.ptr++;
        value.len--;
    }
    return value;
}

/* ---- names and passwords ---- */

static int base64_digit(char ch)
{
    if (ch >= 'A' && ch <= 'Z')
        return ch - 'A';
    if (ch >= 'a' && ch <= 'z')
        return ch - 'a' + 26;
    if (ch >= '0' && ch <= '9')
        return ch - '0' + 52;
    return ch == '+' ? 62 : ch == '/' ? 63 : -1;
}

/* Decodes base64, with its padding or without (RFC 4648 section 4). Returns the length or -EINVAL.
 */
static ssize_t base64_decode(char *to, weft_str from)
{
    size_t len = 0, padding = 0;
    unsigned bits = 0, count = 0;
    while (padding < 2 && from.len && from.ptr[from.len - 1] == '=') {
        from.len--;
        padding++;
    }
    for (size_t i = 0; i < from.len; i++) {
        int digit = base64_digit(from.ptr[i]);
        if (digit < 0)
            return -EINVAL;
        bits = bits << 6 | (unsigned)digit;
        count += 6;
        if (count >= 8) {
            count -= 8;
            to[len++] = (char)(bits >> count);
        }
    }
    return count < 6 && (bits & ((1U << count) - 1)) == 0 ? (ssize_t)len : -EINVAL;
}

/* Every user is compared, right or wrong, so that the time does not tell who exists. */
static bool is_listed(const weft_basic_user *users, weft_str name, weft_str password)
{
    int found = 0;
    for (; users && users->name; users++)
        found |= weft_str_eq_secret(name, weft_cstr(users->name)) &
                 weft_str_eq_secret(password, weft_cstr(users->password));
    return found;
}

static int refuse_basic(weft_http *h, const weft_basic_auth_opts *opts)
{
    int rc = weft_set_header_fmt(h, "WWW-Authenticate", "Basic realm=\"%s\", charset=\"UTF-8\"",
                                 opts->realm ? opts->realm : "restricted");
    return rc < 0 ? rc : 401;
}

int weft_mw_basic_auth(weft_http *h, void *arg)
{
    const weft_basic_auth_opts *opts = arg;
    weft_str encoded = credentials(h, "Basic");
    if (!encoded.len || encoded.len > CREDENTIALS_MAX)
        return refuse_basic(h, opts);
    char *text = weft_alloc(h, encoded.len);
    ssize_t len = text ? base64_decode(text, encoded) : -ENOMEM;
    if (!text)
        return -ENOMEM;
    const char *colon = len > 0 ? memchr(text, ':', (size_t)len) : NULL;
    if (!colon)
        return refuse_basic(h, opts);
    weft_str name = {text, (size_t)(colon - text)};
    weft_str password = {colon + 1, (size_t)len - name.len - 1};
    int is_right = opts->check ? opts->check(h, name, password, opts->arg)
                               : is_listed(opts->users, name, password);
    if (is_right < 0)
        return is_right;
    if (!is_right)
        return refuse_basic(h, opts);
    int rc = weft_set_user(h, name);
    return rc < 0 ? rc : weft_next(h);
}

/* ---- tokens ---- */

static bool is_token_listed(const char *const *tokens, weft_str token)
{
    int found = 0;
    for (; tokens && *tokens; tokens++)
        found |= weft_str_eq_secret(token, weft_cstr(*tokens));
    return found;
}

static int refuse_bearer(weft_http *h, const weft_bearer_opts *opts, bool was_given)
{
    int rc = weft_set_header_fmt(h, "WWW-Authenticate", "Bearer realm=\"%s\"%s",
                                 opts->realm ? opts->realm : "restricted",
                                 was_given ? ", error=\"invalid_token\"" : "");
    return rc < 0 ? rc : 401;
}

int weft_mw_bearer(weft_http *h, void *arg)
{
    const weft_bearer_opts *opts = arg;
    weft_str token = credentials(h, "Bearer");
    if (!token.len)
        return refuse_bearer(h, opts, false);
    int is_right = opts->check ? opts->check(h, token, opts->arg)
                               : is_token_listed(opts->tokens, token);
    if (is_right < 0)
        return is_right;
    return is_right ? weft_next(h) : refuse_bearer(h, opts, true);
}
