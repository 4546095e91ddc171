/* Range headers: what is read, what is refused, what is ignored. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "range.h"

struct row {
    const char *text;
    int64_t size;
    int status;
    const char *ranges; /* "from+len ..." */
};

static const struct row rows[] = {
    {"bytes=0-0", 100, 206, "0+1"},
    {"bytes=0-", 100, 206, "0+100"},
    {"bytes=99-", 100, 206, "99+1"},
    {"bytes=-1", 100, 206, "99+1"},
    {"bytes=-1000", 100, 206, "0+100"},
    {"bytes=10-1000", 100, 206, "10+90"},
    {"BYTES=1-2", 100, 206, "1+2"},
    {"bytes=  1-2 , ,", 100, 206, "1+2"},
    {"bytes=0-99999999999999999999999", 100, 206, "0+100"},
    {"bytes=100-", 100, 416, ""},
    {"bytes=99999999999999999999999-", 100, 416, ""},
    {"bytes=-0", 100, 416, ""},
    {"bytes=0-", 0, 416, ""},
    {"bytes=-5", 0, 416, ""},
    {"bytes=2-1", 100, 200, ""},
    {"bytes=", 100, 200, ""},
    {"bytes=,", 100, 200, ""},
    {"bytes=-", 100, 200, ""},
    {"bytes=a-b", 100, 200, ""},
    {"bytes=1-2-3", 100, 200, ""},
    {"bytes=1 -2", 100, 200, ""},
    {"bytes=+1-2", 100, 200, ""},
    {"bytes 1-2", 100, 200, ""},
    {"lines=1-2", 100, 200, ""},
    {"", 100, 200, ""},
    /* several */
    {"bytes=0-9,500-509", 1000, 206, "0+10 500+10"},
    {"bytes=500-509,0-9", 1000, 206, "500+10 0+10"},
    {"bytes=0-9,2000-", 1000, 206, "0+10"},
    {"bytes=2000-,3000-", 1000, 416, ""},
    {"bytes=0-9,x", 1000, 200, ""},
    {"bytes=0-500,400-600", 1000, 206, "0+601"},
    {"bytes=400-600,0-500", 1000, 206, "0+601"},
    {"bytes=0-9,10-19", 1000, 206, "0+20"},
    {"bytes=0-9,50-59", 1000, 206, "0+60"},           /* the gap is less than a part's head */
    {"bytes=0-9,900-909,10-899", 1000, 206, "0+910"}, /* two rounds of joining */
    {"bytes=0-,0-,0-,0-,0-,0-,0-", 1000, 206, "0+1000"},
    {"bytes=1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8,9-9,10-10,11-11,12-12,13-13,14-14,15-15,16-16", 1000,
     206, "1+16"},
    {"bytes=1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8,9-9,10-10,11-11,12-12,13-13,14-14,15-15,16-16,17-17",
     1000, 200, ""},
};

Test(range, headers_give_the_ranges_of_rfc_9110)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct range ranges[RANGE_MAX];
        char text[256] = "";
        int count = 0;
        int status = range_parse(weft_cstr(rows[i].text), rows[i].size, ranges, &count);
        for (int k = 0, at = 0; status == 206 && k < count; k++)
            at += snprintf(text + at, sizeof text - (size_t)at, "%s%lld+%lld", k ? " " : "",
                           (long long)ranges[k].from, (long long)ranges[k].len);
        cr_expect_eq(status, rows[i].status, "%s: %d", rows[i].text, status);
        cr_expect_str_eq(text, rows[i].ranges, "%s: %s", rows[i].text, text);
    }
}
