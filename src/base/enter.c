/* src/base/enter.c - see base/enter.h */
#include "base/enter.h"

#include <errno.h>
#include <fcntl.h>

#include "base/fd.h"
#include "base/privilege.h"

enum sp_err
enter_open(const char *path, int *fd)
{
    int got = -1, inside = -1, error = 0;

    SP_ASSERT(!privilege_is_root());
    /* O_PATH asks for no right to the directory itself; looking up "." in it does. */
    if ((got = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)) == -1
        || (inside = openat(got, ".", O_PATH | O_DIRECTORY | O_CLOEXEC)) == -1)
        error = errno;
    fd_close(&got);
    if (inside == -1) {
        errno = error;
        return SP_OS;
    }
    *fd = inside;
    return SP_OK;
}
