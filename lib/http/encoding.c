#include "encoding.h"

#include "token.h"

static const char *const names[ENCODING_COUNT] = {NULL, "gzip", "zstd", "br"};

const char *encoding_name(enum encoding e)
{
    return names[e];
}

/* A weight (section 12.4.2) in thousandths: "q=0.5"; -1 for what is none. */
static int weight_parse(weft_str text)
{
    int weight, unit = 1000;
    if (text.len < 3 || (text.ptr[0] | 32) != 'q' || text.ptr[1] != '=' ||
        (text.ptr[2] != '0' && text.ptr[2] != '1'))
        return -1;
    weight = (text.ptr[2] - '0') * 1000;
    if (text.len > 7 || (text.len > 3 && text.ptr[3] != '.'))
        return -1;
    for (size_t i = 4; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return -1;
        unit /= 10;
        weight += (text.ptr[i] - '0') * unit;
    }
    return weight > 1000 ? -1 : weight;
}

/* Splits "coding ; q=weight". Returns its weight. */
static int element_parse(weft_str element, weft_str *ret_coding)
{
    const char *mark = memchr(element.ptr, ';', element.len);
    *ret_coding = element;
    if (!mark)
        return 1000;
    ret_coding->len = (size_t)(mark - element.ptr);
    *ret_coding = token_trim(*ret_coding);
    int weight = weight_parse(
        token_trim((weft_str){mark + 1, (size_t)(element.ptr + element.len - mark - 1)}));
    return weight < 0 ? 0 : weight; /* what cannot be read is not asked for */
}

enum encoding encoding_choose(weft_str accept, unsigned available)
{
    int weights[ENCODING_COUNT] = {-1, -1, -1, -1}, others = 0;
    weft_str element, coding;
    while (token_list_next(&accept, &element)) {
        int weight = element_parse(element, &coding);
        if (token_eq(coding, WEFT_STR("*")))
            others = weight;
        else if (token_eq(coding, WEFT_STR("identity")))
            weights[ENCODING_IDENTITY] = weight;
        else if (token_eq(coding, WEFT_STR("x-gzip"))) /* section 8.4.1.3 */
            weights[ENCODING_GZIP] = weight;
        for (int e = ENCODING_GZIP; e < ENCODING_COUNT; e++)
            if (token_eq(coding, weft_cstr(names[e])))
                weights[e] = weight;
    }
    /* Identity is there for those who do not name it, but below what they do name. */
    enum encoding best = ENCODING_IDENTITY;
    int best_weight = weights[ENCODING_IDENTITY] > 0 ? weights[ENCODING_IDENTITY] : 0;
    for (int e = ENCODING_GZIP; e < ENCODING_COUNT; e++) {
        int weight = weights[e] < 0 ? others : weights[e];
        if ((available & 1U << e) && weight > 0 && weight >= best_weight) {
            best = (enum encoding)e;
            best_weight = weight;
        }
    }
    return best;
}
