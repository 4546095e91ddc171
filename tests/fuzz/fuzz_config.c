/* fuzz_config.c: any file is either taken or refused with a place for each mistake; nothing else.
 */
#include <unistd.h>
#include <sys/mman.h>
#include <weft/weft.h>

#include "config.h"
#include "fuzz.h"

static int file;
static char path[64];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    file = memfd_create("weft.yaml", 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096 || ftruncate(file, 0) < 0 || pwrite(file, data, size, 0) != (ssize_t)size)
        return 0;
    struct config *config = config_load(path);
    FUZZ_PLANTED(!config || config->n_routes == 0);
    config_free(config);
    return 0;
}
