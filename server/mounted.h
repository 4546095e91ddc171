/* mounted.h: what routes and middleware need as long as their application lives; a list. */
#ifndef SERVER_MOUNTED_H
#define SERVER_MOUNTED_H

struct mounted;

/* Keeps `what`, which `drop` frees when the list is freed; at once when this fails. Returns 0 or
 * -ENOMEM, also for a NULL `what`. */
int mounted_keep(struct mounted **list, void *what, void (*drop)(void *what));

/* Calls visit(what, arg) for each that `drop` would free: it tells of what kind they are. */
void mounted_each(const struct mounted *list, void (*drop)(void *what),
                  void (*visit)(void *what, void *arg), void *arg);

/* After weft_app_free; the last kept goes first. */
void mounted_free(struct mounted *list);

#endif
