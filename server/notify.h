/* notify.h: telling systemd how the service is: its notify protocol, sd_notify(3). */
#ifndef SERVER_NOTIFY_H
#define SERVER_NOTIFY_H

#include <stdint.h>

/* Sends a state like "READY=1\nSTATUS=..."; nothing where no service manager asked for it. */
void notify_send(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How often "WATCHDOG=1" is wanted, in nanoseconds: half of what systemd waits; 0: it is not. */
int64_t notify_watchdog_interval(void);

#endif
