#include "handlers.h"

enum { LONGEST_MS = 60000 };

/* Parks its coroutine, not the thread: a million of these may sleep at once. */
int handler_sleep(weft_http *h, void *arg)
{
    (void)arg;
    weft_str text = weft_param(h, "ms");
    int64_t ms = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || ms > LONGEST_MS)
            return weft_text(h, 400, "how many milliseconds? a number from 0 to 60000\n");
        ms = ms * 10 + (text.ptr[i] - '0');
    }
    if (ms > LONGEST_MS)
        return weft_text(h, 400, "how many milliseconds? a number from 0 to 60000\n");
    int rc = weft_sleep(ms * WEFT_MS);
    return rc < 0 ? rc : weft_textf(h, 200, "slept %lld ms\n", (long long)ms);
}
