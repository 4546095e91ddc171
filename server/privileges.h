/* privileges.h: from root to a user that can do little. */
#ifndef SERVER_PRIVILEGES_H
#define SERVER_PRIVILEGES_H

/* Becomes `user` and `group` (NULL: the user's own) for good, with no supplementary groups but the
 * user's. A process that is not root already and is that user stays as it is. Says what fails.
 * Returns 0 or a negative errno. All threads change. */
int privileges_drop(const char *user, const char *group);

#endif
