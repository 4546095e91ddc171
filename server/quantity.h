/* quantity.h: durations and sizes as people write them. */
#ifndef SERVER_QUANTITY_H
#define SERVER_QUANTITY_H

#include <stdint.h>

/* "1500ms", "10s", "5m", "2h", "1d", "250us" to nanoseconds. Returns 0; -EINVAL without a unit or
 * for anything else; -ERANGE past 292 years. */
int quantity_duration(const char *text, int64_t *ret_ns);

/* "4096", "16KB", "1MB", "2GB" (powers of 1024; KiB, MiB, GiB are the same) to bytes. Returns as
 * quantity_duration. */
int quantity_size(const char *text, int64_t *ret_bytes);

#endif
