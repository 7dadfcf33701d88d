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
    { EROFS, 550, "Read-only file system" },
    { ENOTDIR, 550, "Not a directory" },
    { EISDIR, 550, "Is a directory" },
    { EEXIST, 550, "File or directory already exists" },
    { ENOTEMPTY, 550, "Directory not empty" },
    { EBUSY, 450, "In use; try again later" },
    { ETXTBSY, 450, "In use; try again later" },
    { ELOOP, 550, "Too many levels of symbolic links" },
    { EXDEV, 550, "Cannot move it to another file system: only files can be moved" },
    { ENAMETOOLONG, 553, "File name too long" },
    { EINVAL, 553, "The file system does not allow this" },
    { EILSEQ, 553, "The file system does not allow this name" },
    { EOPNOTSUPP, 550, "Not supported by the file system" },
    { ENOSYS, 550, "Not supported by the file system" },
    { ENOKEY, 550, "The file system has no key for this" },
    { EKEYEXPIRED, 550, "The file system's key for this has expired" },
    { EKEYREVOKED, 550, "The file system's key for this was revoked" },
    { EKEYREJECTED, 550, "The file system's key for this was rejected" },
    { ENOSPC, 552, "No space left on device" },
    { EDQUOT, 552, "Disk quota exceeded" },
    { EFBIG, 552, "File too large for the file system or a server limit" },
    { EMLINK, 550, "Too many links" },
    { EMFILE, 451, "Too many open files; try again later" },
    { ENFILE, 451, "Too many open files; try again later" },
    { ENOMEM, 451, "Out of memory; try again later" },
    { EIO, 451, "Input/output error on the server's disk" },
    { EAGAIN, 450, "In use; try again later" },
    { ESTALE, 450, "Stale file handle; try again" },
    { ENOTCONN, 450, "The file server does not answer; try again later" },
    { ETIMEDOUT, 450, "The file server does not answer; try again later" },
    { EHOSTDOWN, 450, "The file server does not answer; try again later" },
    { EHOSTUNREACH, 450, "The file server does not answer; try again later" },
    { ENETUNREACH, 450, "The file server does not answer; try again later" },
    { ECONNABORTED, 450, "The file server does not answer; try again later" },
    { ECONNREFUSED, 450, "The file server does not answer; try again later" },
    { ECONNRESET, 450, "The file server does not answer; try again later" },
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
        return (struct answer){ 0, 550, "Not a regular file" };
    case FAIL_NOT_DIRECTORY:
        return (struct answer){ 0, 550, "Not a directory" };
    case FAIL_EXISTS:
        return (struct answer){ 0, tried == TRIED_FILE ? 550 : 553,
                                "File already exists; this account may not overwrite files" };
    case FAIL_BUSY:
        return (struct answer){ 0, 450, "Another session is writing this file; try again later" };
    case FAIL_NAME:
        return (struct answer){ 0, 553, "Invalid file name: too long, or reserved by the server" };
    case FAIL_OFFSET:
        return (struct answer){ 0, 554, "REST offset is beyond the end of the file" };
    case FAIL_SPACE:
        return (struct answer){ 0, 552, "No space left on device" };
    case FAIL_UNWANTED:
        return (struct answer){ 0, 426, "The client disconnected; the upload was not stored" };
    case FAIL_TOO_MUCH:
        return (struct answer){ 0, 550, "Too many entries to search; use a narrower pattern" };
    case FAIL_CLOSED:
        return (struct answer){ 0, 553, "The directory is not writable, so the file cannot "
                                        "be replaced" };
    case FAIL_ABORTED:
        return (struct answer){ 0, 426, "Aborted before the size for TYPE A was known" };
    case FAIL_TOO_LONG:
        return (struct answer){ 0, tried == TRIED_STORE ? 554 : 550,
                                "File too large for TYPE A; use TYPE I" };
    case FAIL_UNFINISHED:
        if (tried == TRIED_STORE)
            return (struct answer){ 0, 550, "An earlier upload is incomplete; send SIZE "
                                            "before APPE, or upload the whole file with "
                                            "STOR" };
        return (struct answer){ 0, 550, "The upload of this file is incomplete; resume it, "
                                        "upload the file again, or delete it" };
    default:
        break;
    }
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (errors[i].error == fail->error)
            return errors[i];
    return (struct answer){ 0, 451, "Internal error on the server" };
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
