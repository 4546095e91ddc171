/* date.c: HTTP dates (RFC 9110 section 5.6.7), and the one of this second, ready made.
 *
 * The ready one is four words under a sequence count: whoever meets a new second writes it, all
 * others copy. A count that is odd, or has changed over the copy, means that it is being written,
 * and the reader makes his own. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "exchange.h"

enum { WORDS = 4 };

static struct {
    _Atomic(uint32_t) sequence;
    _Atomic(int64_t) second;
    _Atomic(uint64_t) text[WORDS];
} cached;

static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void date_format(char *buf, int64_t unix_seconds)
{
    char text[64];
    struct tm tm;
    time_t t = (time_t)unix_seconds;
    gmtime_r(&t, &tm);
    snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
             months[tm.tm_mon], (tm.tm_year + 1900) % 10000, tm.tm_hour, tm.tm_min, tm.tm_sec);
    memcpy(buf, text, DATE_LEN);
}

static void publish(const char *buf, int64_t second, uint32_t sequence)
{
    uint64_t words[WORDS] = {0};
    memcpy(words, buf, DATE_LEN);
    if (!atomic_compare_exchange_strong_explicit(&cached.sequence, &sequence, sequence + 1,
                                                 memory_order_acquire, memory_order_relaxed))
        return;                     /* somebody else writes it */
    for (int i = 0; i < WORDS; i++) /* release: the odd count is seen before any word */
        atomic_store_explicit(&cached.text[i], words[i], memory_order_release);
    atomic_store_explicit(&cached.second, second, memory_order_release);
    atomic_store_explicit(&cached.sequence, sequence + 2, memory_order_release);
}

void date_now(char *buf)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    uint32_t sequence = atomic_load_explicit(&cached.sequence, memory_order_acquire);
    if (!(sequence & 1) &&
        atomic_load_explicit(&cached.second, memory_order_acquire) == now.tv_sec) {
        uint64_t words[WORDS];
        for (int i = 0; i < WORDS; i++) /* acquire: none is read after the count below */
            words[i] = atomic_load_explicit(&cached.text[i], memory_order_acquire);
        if (atomic_load_explicit(&cached.sequence, memory_order_relaxed) == sequence) {
            memcpy(buf, words, DATE_LEN);
            return;
        }
    }
    date_format(buf, now.tv_sec);
    if (!(sequence & 1))
        publish(buf, now.tv_sec, sequence);
}

bool date_parse(weft_str text, int64_t *ret_unix_seconds)
{
    static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                        "%a %b %d %H:%M:%S %Y"};
    char copy[64];
    if (text.len == 0 || text.len >= sizeof copy)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct tm tm = {0};
        const char *end = strptime(copy, forms[i], &tm);
        if (end && !*end) {
            *ret_unix_seconds = timegm(&tm);
            return true;
        }
    }
    return false;
}
