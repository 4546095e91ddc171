#include "mounted.h"

#include <errno.h>
#include <stdlib.h>

struct mounted {
    struct mounted *next;
    void (*drop)(void *what);
    void *what;
};

int mounted_keep(struct mounted **list, void *what, void (*drop)(void *what))
{
    struct mounted *m = malloc(sizeof *m);
    if (!m || !what) {
        if (what)
            drop(what);
        free(m);
        return -ENOMEM;
    }
    *m = (struct mounted){.next = *list, .drop = drop, .what = what};
    *list = m;
    return 0;
}

void mounted_each(const struct mounted *list, void (*drop)(void *what),
                  void (*visit)(void *what, void *arg), void *arg)
{
    for (; list; list = list->next)
        if (list->drop == drop)
            visit(list->what, arg);
}

void mounted_free(struct mounted *list)
{
    while (list) {
        struct mounted *next = list->next;
        list->drop(list->what);
        free(list);
        list = next;
    }
}
