/* worker/fail_reply.c - see fail_reply.h */
#include "worker/fail_reply.h"

#include <errno.h>

#include "ftp/reply.h"
#include "wire/fail.h"
#include "worker/ask_broker.h"

struct answer { int error; unsigned code; const char *text; };

/* The texts are ours: strerror(3) follows a locale. 552 only for space (clients act on it). */
static const struct answer errors[] = {
    { ENOENT, 550, "No such file or directory" },
    { EACCES, 550, "Permission denied" },
    { EPERM, 550, "Operation not permitted" },
    { EROFS, 550, "The file system is read-only" },
    { ENOTDIR, 550, "Not a directory" },
    { EISDIR, 550, "Is a directory" },
    { EEXIST, 550, "The name exists already" },
    { ENOTEMPTY, 550, "The directory is not empty" },
    { EBUSY, 450, "In use, try again later" },
    { ETXTBSY, 450, "In use, try again later" },
    { ELOOP, 550, "Too many symbolic links" },
    { EXDEV, 550, "Not within one file system" },
    { ENAMETOOLONG, 553, "The name is too long" },
    { EINVAL, 553, "The name is not possible here" },
    { ENOSPC, 552, "No space left" },
    { EDQUOT, 552, "The quota is used up" },
    { EFBIG, 552, "Larger than the file system or a limit of the server allows" },
    { EMLINK, 550, "Too many links" },
    { EMFILE, 451, "Too many open files, try again later" },
    { ENFILE, 451, "Too many open files, try again later" },
    { ENOMEM, 451, "Out of memory, try again later" },
    { EIO, 451, "The disk reported an error" },
    { ESTALE, 450, "The file server lost track of it, try again" },
};

static struct answer
answer_for(const struct fail *fail, enum tried tried)
{
    /* RFC 3659 section 7.1: what is no directory is a wrong parameter of MLSD */
    if (tried == TRIED_MLSD && (fail->code == FAIL_NOT_DIRECTORY
                                || (fail->code == FAIL_OS && fail->error == ENOTDIR)))
        return (struct answer){ 0, 501, "Not a directory" };
    switch (fail->code) {
    case FAIL_PERMIT:
        return (struct answer){ 0, 550, "Not permitted for this account" };
    case FAIL_NOT_FILE:
        return (struct answer){ 0, 550, "Not a plain file" };
    case FAIL_NOT_DIRECTORY:
        return (struct answer){ 0, 550, "Not a directory" };
    case FAIL_EXISTS:
        return (struct answer){ 0, tried == TRIED_FILE ? 550 : 553,
                                "It exists already, and this account may not overwrite" };
    case FAIL_BUSY:
        return (struct answer){ 0, 450, "Another session is uploading it, try again later" };
    case FAIL_NAME:
        return (struct answer){ 0, 553, "That name is not allowed here" };
    case FAIL_OFFSET:
        return (struct answer){ 0, 554, "REST is beyond the end of what is there" };
    case FAIL_SPACE:
        return (struct answer){ 0, 552, "No space left" };
    case FAIL_UNWANTED:
        return (struct answer){ 0, 426, "The client left before it was stored" };
    case FAIL_TOO_MUCH:
        return (struct answer){ 0, 550, "Too much to look at; be more precise" };
    case FAIL_CLOSED:
        return (struct answer){ 0, 553, "Its directory is closed to you, so it cannot be "
                                        "replaced" };
    case FAIL_ABORTED:
        return (struct answer){ 0, 426, "Given up; it was not worked out" };
    case FAIL_TOO_LONG:
        return (struct answer){ 0, tried == TRIED_STORE ? 554 : 550,
                                "Too large for TYPE A; use TYPE I" };
    case FAIL_UNFINISHED:
        if (tried == TRIED_STORE)
            return (struct answer){ 0, 550, "An upload over it broke off; ask SIZE before "
                                            "APPE, or send the whole file with STOR" };
        return (struct answer){ 0, 550, "Its upload is not complete; resume it, send the "
                                        "whole file again, or delete it" };
    default:
        break;
    }
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (errors[i].error == fail->error)
            return errors[i];
    return (struct answer){ 0, 451, "The server could not do it" };
}

enum sp_err
fail_reply(struct buf *out, const struct fail *fail, enum tried tried, struct slice name,
           unsigned *code)
{
    struct answer a = answer_for(fail, tried);
    struct reply_escaped shown;

    *code = a.code;
    if (name.len == 0)
        return reply_line(out, a.code, "%s.", a.text);
    return reply_line(out, a.code, "%s: %s.", reply_text(name, &shown), a.text);
}
