#include "slashes.h"

enum { STEP_MERGE, STEP_TOGGLE, STEP_BOTH, STEP_END };

static size_t merge(char *buf, weft_str path)
{
    size_t len = 0;
    for (size_t i = 0; i < path.len; i++)
        if (path.ptr[i] != '/' || len == 0 || buf[len - 1] != '/')
            buf[len++] = path.ptr[i];
    return len;
}

bool slashes_next(struct slashes_try *try, weft_str path, char *buf, weft_str *ret_other)
{
    while (try->step < STEP_END) {
        int step = try->step++;
        bool merges = step != STEP_TOGGLE, toggles = step != STEP_MERGE;
        if ((merges && !try->duplicate) || (toggles && !try->trailing))
            continue;
        size_t len = path.len;
        if (merges)
            len = merge(buf, path);
        else
            memcpy(buf, path.ptr, len);
        if (merges && len == path.len)
            continue; /* nothing was double: the step without merging is the same */
        if (toggles && len < 2)
            continue; /* "/" has no other form */
        if (toggles && buf[len - 1] == '/')
            len--;
        else if (toggles)
            buf[len++] = '/';
        try->merged = merges;
        try->toggled = toggles;
        *ret_other = (weft_str){buf, len};
        return true;
    }
    return false;
}

bool slashes_is_local(weft_str path)
{
    return path.len && path.ptr[0] == '/' &&
           (path.len == 1 || (path.ptr[1] != '/' && path.ptr[1] != '\\'));
}
