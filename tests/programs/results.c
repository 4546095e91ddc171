#include <stdio.h>
#include <weft/weft.h>

struct result { int number; };
struct quit { int why; };

static void producer(void *arg)
{
    weft_chan *results = arg;
    for (int i = 1; i <= 3; i++)
        if (weft_chan_send(results, &(struct result){i}) < 0)
            return;
    weft_chan_close(results);
}

static void stopper(void *arg)
{
    weft_sleep(100 * WEFT_MS);
    if (weft_chan_send(arg, &(struct quit){1}) < 0)
        printf("nobody listened\n");
}

static int weft_main(void *arg)
{
    (void)arg;
    weft_chan *results = weft_chan_new(sizeof(struct result), 16);
    weft_chan *stop = weft_chan_new(sizeof(struct quit), 0);
    weft_go(producer, results);
    struct result r;  struct quit q;
    int is_over = 0, timeouts = 0;
    while (!is_over) {
        switch (weft_select(WEFT_RECV(results, &r), WEFT_RECV(stop, &q), WEFT_AFTER(20 * WEFT_MS))) {   /* index, or -ECANCELED */
        case 0: printf("result %d\n", r.number); break;
        case 1: printf("quit\n"); is_over = 1; break;
        case 2:
            if (timeouts++ == 0) {
                printf("timed out\n");
                weft_go(stopper, stop);
            }
            break;
        case WEFT_CLOSED(0):
            printf("no more results\n");
            weft_chan_free(results);
            results = NULL;                                    /* a case without a channel never comes */
            break;
        default: return 1;
        }
    }
    weft_chan_free(stop);
    return 0;
}

int main(void) { return weft_run(weft_main, NULL); }
