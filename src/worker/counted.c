/* worker/counted.c - see counted.h */
#include "worker/counted.h"

#include <errno.h>
#include <unistd.h>

#include "base/fd.h"
#include "ftp/ascii.h"
#include "wire/fail.h"
#include "worker/ask_broker.h"
#include "worker/presence.h"
#include "worker/worker.h"

#define PIECE 65536
#define LOOK_EVERY 16           /* pieces between two looks at the client */

static enum sp_err
refuse(struct fail *fail, unsigned code, int error)
{
    *fail = (struct fail){ .code = code, .error = error };
    return SP_REFUSED;
}

/*
 * Reads until count->net reaches target, or to the end. *at: bytes of the file up to there.
 * Of a file that grows meanwhile no more than of any other.
 */
static enum sp_err
count_to(struct worker *w, int fd, uint64_t target, struct ascii_count *count,
         uint64_t *at, struct fail *fail)
{
    unsigned char piece[PIECE];
    uint64_t most = (uint64_t)w->settings.ascii_size_most;
    ssize_t n = 0;

    for (unsigned pieces = 1; count->net < target; pieces++) {
        if ((n = read(fd, piece, sizeof piece)) == -1)
            return refuse(fail, FAIL_OS, errno);
        if (n == 0)
            break;
        *at += ascii_locate(count, slice_from(piece, (size_t)n), target);
        if (*at > most)
            return refuse(fail, FAIL_TOO_LONG, 0);
        if (pieces % LOOK_EVERY == 0 && !presence_waits(w))
            return refuse(fail, FAIL_ABORTED, 0);
    }
    return SP_OK;
}

enum sp_err
counted_size(struct worker *w, const char *path, uint64_t *size, struct fail *fail)
{
    struct ascii_count count = ASCII_EMPTY;
    uint64_t length = 0, at = 0;
    int fd = -1;
    enum sp_err rc = ask_open_resumed(w, path, &fd, &length, fail);

    if (rc == SP_OK && length > (uint64_t)w->settings.ascii_size_most)
        rc = refuse(fail, FAIL_TOO_LONG, 0);
    if (rc == SP_OK)
        rc = count_to(w, fd, UINT64_MAX, &count, &at, fail);
    if (rc == SP_OK)
        *size = count.net;
    fd_close(&fd);
    return rc;
}

enum sp_err
counted_offset(struct worker *w, const char *path, uint64_t *offset, struct fail *fail)
{
    struct ascii_count count = ASCII_EMPTY;
    uint64_t length = 0, at = 0;
    int fd = -1;
    enum sp_err rc = ask_open_restart(w, path, &fd, &length, fail);

    /* no octet is more than one byte, and no byte more than two octets */
    if (rc == SP_OK && *offset / 2 > length)
        rc = refuse(fail, FAIL_OFFSET, 0);
    if (rc == SP_OK && *offset / 2 > (uint64_t)w->settings.ascii_size_most)
        rc = refuse(fail, FAIL_TOO_LONG, 0);
    if (rc == SP_OK)
        rc = count_to(w, fd, *offset, &count, &at, fail);
    if (rc == SP_OK && count.net < *offset)
        rc = refuse(fail, FAIL_OFFSET, 0);
    if (rc == SP_OK)
        *offset = at;
    fd_close(&fd);
    return rc;
}
