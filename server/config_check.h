/* config_check.h: what a table of types cannot say of a configuration. */
#ifndef SERVER_CONFIG_CHECK_H
#define SERVER_CONFIG_CHECK_H

#include "config.h"

/* Reads quantities, resolves paths against the file's folder, and checks what depends on more than
 * one key or on the machine (files, users). Says each mistake on stderr. Returns how many. */
unsigned config_check(struct config *config);

#endif
