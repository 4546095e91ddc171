#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int privileges_drop(const char *user, const char *group)
{
    const struct passwd *to = getpwnam(user);
    if (!to) {
        fprintf(stderr, "weft: this machine has no user '%s'\n", user);
        return -ENOENT;
    }
    uid_t uid = to->pw_uid;
    gid_t gid = to->pw_gid;
    if (group) {
        const struct group *entry = getgrnam(group);
        if (!entry) {
            fprintf(stderr, "weft: this machine has no group '%s'\n", group);
            return -ENOENT;
        }
        gid = entry->gr_gid;
    }
    if (getuid() == uid && geteuid() == uid && getgid() == gid)
        return 0;
    if (initgroups(user, gid) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0) {
        int err = errno;
        fprintf(stderr, "weft: cannot become user '%s': %s\n", user, strerror(err));
        return -err;
    }
    if (uid != 0 && setuid(0) == 0) {
        fprintf(stderr, "weft: could become root again after dropping privileges\n");
        return -EPERM;
    }
    prctl(PR_SET_DUMPABLE, 1, 0, 0,
          0); /* back traces and cores, which a change of user turns off */
    return 0;
}
