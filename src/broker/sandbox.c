/* broker/sandbox.c - see broker/sandbox.h */
#include "broker/sandbox.h"

#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* Linux 6.6; the same number on every architecture, newer than our oldest headers. */
#define CALL_FCHMODAT2 452

static const struct seccomp_rule rules[] = {
    /* ---- the two channels, and waiting ---- */
    /* no MSG_FASTOPEN, which is a connect(2): a worker may have passed a socket */
    ALLOW_BITS(sendmsg, 2, MSG_NOSIGNAL | MSG_DONTWAIT),     /* answers with a descriptor */
    ALLOW_BITS(sendto, 3, MSG_NOSIGNAL | MSG_DONTWAIT),      /* all others, log, SANDBOX */
    ALLOW(recvmsg),         /* requests */
    ALLOW(poll),            /* waiting for room; is the worker still there */
    ALLOW(ppoll),           /* the same, where there is no poll (arm64) */
    ALLOW(restart_syscall), /* goes on waiting after the process was stopped */

    /* ---- one path, one name ---- */
    ALLOW(openat2),         /* every opening: it alone can be told to stay in the jail */
    ALLOW(statx),           /* every look at an object */
    ALLOW(newfstatat),      /* fdopendir looks at its descriptor (x86-64, arm64) */
    ALLOW(fstat),           /* the same, older C libraries */
    ALLOW(getdents64),      /* reading a directory */
    ALLOW(readlinkat),      /* "name -> target"; the target of an upload over a link */
    ALLOW(umask),           /* SITE UMASK, which asks for no permit */

    /* ---- an open file ---- */
    ALLOW(close),           /* every descriptor */
    ALLOW(write),           /* a listing into its pipe; copying where the kernel cannot */
    ALLOW_EQUAL(fadvise64, 3, POSIX_FADV_SEQUENTIAL),        /* a download goes forward */
    ALLOW(fstatfs),         /* AVBL, ALLO */
    ALLOW_EQUAL(pipe2, 1, O_CLOEXEC | O_NONBLOCK),           /* a listing on its way */
    ALLOW_EQUAL(fcntl, 1, F_SETPIPE_SZ),      /* long listings */
    ALLOW_EQUAL(fcntl, 1, F_GETFL),           /* fdopendir checks what it is given */
    ALLOW_PAIR(fcntl, 1, F_SETFD, FD_CLOEXEC), /* and sets close-on-exec once more */

    /* ---- memory, time, the end ---- */
    ALLOW(brk),             /* malloc */
    ALLOW_MASKED(mmap, 2, PROT_EXEC, 0),      /* malloc; never executable */
    ALLOW(munmap),          /* free */
    ALLOW_EQUAL(mremap, 3, MREMAP_MAYMOVE),   /* realloc of long listings */
    ALLOW_EQUAL(madvise, 2, MADV_DONTNEED),   /* free gives memory back; nothing is merged */
    ALLOW(sysinfo),         /* qsort_r asks how much memory it may sort in */
    ALLOW(getrandom),       /* malloc's own guards */
    ALLOW(clock_gettime),   /* where the vDSO has none */
    ALLOW(exit_group),      /* the end */

    /* ---- of accounts that may change something: they stay the last ones ---- */
    ALLOW(mkdirat),         /* MKD */
    ALLOW_BITS(unlinkat, 2, AT_REMOVEDIR),    /* DELE, RMD, partials that are given up */
    ALLOW_BITS(renameat2, 4, RENAME_NOREPLACE), /* RNTO, and an upload's final name */
    ALLOW_EQUAL(linkat, 4, 0),                /* the same without NOREPLACE (NFS) */
    { CALL_FCHMODAT2, SECCOMP_ANY, 0, 0, 0 }, /* SITE CHMOD, by descriptor */
    ALLOW(fchmod),          /* the same before Linux 6.6; the mode of a replaced file */
    ALLOW(fchown),          /* the group of a replaced file */
    ALLOW(utimensat),       /* MFMT, SITE UTIME */
    ALLOW(read),            /* copying where the kernel cannot */
    ALLOW_EQUAL(copy_file_range, 5, 0),       /* the kept part of a file */
    ALLOW_EQUAL(lseek, 2, SEEK_SET),          /* where the worker is to begin; rewinddir */
    ALLOW(ftruncate),       /* REST within an unfinished upload; what is left of ALLO's */
    ALLOW_EQUAL(fallocate, 1, FALLOC_FL_KEEP_SIZE),   /* what ALLO announced */
    ALLOW(fsync),           /* durable */
    ALLOW_EQUAL(fcntl, 1, F_DUPFD_CLOEXEC),   /* closed again, to hear what that says */
    ALLOW(flistxattr),      /* what a replaced file has besides its mode */
    ALLOW(fgetxattr),       /* its access list, labels, the user's attributes */
    ALLOW_EQUAL(fsetxattr, 4, 0),             /* the same for the new file */
    ALLOW_EQUAL(flock, 1, LOCK_EX | LOCK_NB), /* one writer for each upload */
    ALLOW_EQUAL(flock, 1, LOCK_UN),           /* the same */
    ALLOW_EQUAL(fadvise64, 3, POSIX_FADV_DONTNEED),          /* an upload is not kept */
};

#define FOR_WRITING 21

enum sp_err
sandbox_compile(bool writes, struct seccomp_filter *out)
{
    return seccomp_compile(rules, sizeof rules / sizeof *rules - (writes ? 0 : FOR_WRITING),
                           out);
}
