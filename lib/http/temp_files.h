/* temp_files.h: files that live as long as a request, in a folder of its own. */
#ifndef HTTP_TEMP_FILES_H
#define HTTP_TEMP_FILES_H

#include <weft/http.h>

struct temp_files;

/* Makes the folder, below `parent` (NULL: $TMPDIR, else /tmp), for its owner only. It goes with its
 * files when the request ends. Returns 0; -ENOMEM; the errors of mkdir(2). */
int temp_files_open(weft_http *h, const char *parent, struct temp_files **ret_files);

/* A new file in it, open for writing. The path lives as long as the request. Returns the
 * descriptor, the caller's; -ENOMEM; the errors of open(2). */
int temp_files_new(struct temp_files *files, const char **ret_path);

#endif
