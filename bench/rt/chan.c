/* chan.c: channels and select. */
#include "bench.h"

enum { ROUND_TRIPS = 1000000, ELEMENTS = 5000000, SELECTS = 1000000, ROOM = 128, CASES = 3 };

struct pair {
    weft_chan *there, *back;
};

static void echo(void *arg)
{
    struct pair *p = arg;
    int64_t value;
    while (weft_chan_recv(p->there, &value) == 0)
        if (weft_chan_send(p->back, &value) != 0)
            break;
    weft_chan_close(p->back);
}

/* There and back over two channels without a buffer. */
static int64_t chan_unbuffered(void)
{
    struct pair p = {weft_chan_new(sizeof(int64_t), 0), weft_chan_new(sizeof(int64_t), 0)};
    int64_t result = ROUND_TRIPS, back = 0;
    weft_go(echo, &p);
    for (int64_t i = 0; i < ROUND_TRIPS; i++)
        if (weft_chan_send(p.there, &i) != 0 || weft_chan_recv(p.back, &back) != 0 || back != i)
            result = -1;
    weft_chan_close(p.there);
    if (weft_chan_recv(p.back, &back) == 0) /* until the echo has ended */
        result = -1;
    weft_chan_free(p.there);
    weft_chan_free(p.back);
    return result;
}

static void send_elements(void *arg)
{
    for (int64_t i = 0; i < ELEMENTS; i++)
        if (weft_chan_send(arg, &i) != 0)
            break;
    weft_chan_close(arg);
}

/* One sends, one receives, with room for 128 in between. */
static int64_t chan_buffered(void)
{
    weft_chan *ch = weft_chan_new(sizeof(int64_t), ROOM);
    int64_t value, sum = 0;
    weft_go(send_elements, ch);
    while (weft_chan_recv(ch, &value) == 0)
        sum += value;
    weft_chan_free(ch);
    return sum == (int64_t)ELEMENTS * (ELEMENTS - 1) / 2 ? ELEMENTS : -1;
}

struct sender {
    weft_chan *ch;
    int count;
    weft_wg *left;
};

static void send_some(void *arg)
{
    struct sender *s = arg;
    for (int64_t i = 0; i < s->count; i++)
        if (weft_chan_send(s->ch, &i) != 0)
            break;
    weft_wg_done(s->left);
}

static int64_t select_from(int room)
{
    weft_chan *ch[CASES];
    int64_t sum = 0, count = 0;
    weft_wg left = WEFT_WG_INIT;
    weft_wg_add(&left, CASES);
    for (int i = 0; i < CASES; i++) {
        ch[i] = weft_chan_new(sizeof(int64_t), (size_t)room);
        struct sender s = {ch[i], SELECTS / CASES, &left};
        weft_go_copy(send_some, &s, sizeof s);
    }
    for (; count < SELECTS / CASES * CASES; count++) {
        int64_t a, b, c;
        switch (weft_select(WEFT_RECV(ch[0], &a), WEFT_RECV(ch[1], &b), WEFT_RECV(ch[2], &c))) {
        case 0: sum += a; break;
        case 1: sum += b; break;
        case 2: sum += c; break;
        default: return -1;
        }
    }
    weft_wg_wait(&left);
    for (int i = 0; i < CASES; i++)
        weft_chan_free(ch[i]);
    int64_t each = SELECTS / CASES;
    return sum == CASES * (each * (each - 1) / 2) ? count : -1;
}

/* Three send, each on a channel of its own; one selects over the three. */
static int64_t select3(void)
{
    return select_from(0);
}

static int64_t select3_buffered(void)
{
    return select_from(ROOM);
}

const struct bench chan_benches[] = {
    {"chan_unbuffered", chan_unbuffered},
    {"chan_buffered", chan_buffered},
    {"select3", select3},
    {"select3_buffered", select3_buffered},
    {NULL, NULL},
};
