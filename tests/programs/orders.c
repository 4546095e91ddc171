#include <stdio.h>
#include <weft/weft.h>

struct order { int id; weft_wg *wg; };

static void process_order(void *arg)
{
    struct order *o = arg;
    weft_sleep(100 * WEFT_MS);
    printf("order %d complete\n", o->id);
    weft_wg_done(o->wg);
}

static int weft_main(void *arg)
{
    (void)arg;
    weft_wg wg = WEFT_WG_INIT;
    for (int i = 1; i <= 100; i++) {
        weft_wg_add(&wg, 1);
        weft_go_copy(process_order, &(struct order){i, &wg}, sizeof(struct order));   /* the coroutine owns its copy */
    }
    return weft_wg_wait(&wg);                              /* all 100 in about 100 ms */
}

int main(void) { return weft_run(weft_main, NULL); }
