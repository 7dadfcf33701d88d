/* broker/sandbox.c - see broker/sandbox.h */
#include "broker/sandbox.h"

#include <fcntl.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* Linux 6.6; the same number on every architecture, newer than our oldest headers. */
#define CALL_FCHMODAT2 452

static const struct seccomp_rule rules[] = {
    /* ---- the two channels, and waiting ---- */
    /* MSG_FASTOPEN is a connect(2), and a worker may have passed a socket */
    ALLOW_MASKED(sendmsg, 2, MSG_FASTOPEN, 0), /* answers with a descriptor */
    ALLOW_MASKED(sendto, 3, MSG_FASTOPEN, 0),  /* all others, log lines, SANDBOX */
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
    ALLOW(fadvise64),       /* a download is read from front to back */
    ALLOW(fstatfs),         /* AVBL, ALLO */
    ALLOW(pipe2),           /* a listing on its way */
    ALLOW_EQUAL(fcntl, 1, F_SETPIPE_SZ),      /* long listings */
    ALLOW_EQUAL(fcntl, 1, F_GETFL),           /* fdopendir checks what it is given */
    ALLOW_EQUAL(fcntl, 1, F_SETFD),           /* and sets close-on-exec once more */

    /* ---- memory, time, the end ---- */
    ALLOW(brk),             /* malloc */
    ALLOW_MASKED(mmap, 2, PROT_EXEC, 0),      /* malloc; never executable */
    ALLOW(munmap),          /* free */
    ALLOW(mremap),          /* realloc of long listings */
    ALLOW(madvise),         /* free gives memory back */
    ALLOW(sysinfo),         /* qsort_r asks how much memory it may sort in */
    ALLOW(getrandom),       /* malloc's own guards */
    ALLOW(clock_gettime),   /* where the vDSO has none */
    ALLOW(exit_group),      /* the end */

    /* ---- of accounts that may change something: they stay the last ones ---- */
    ALLOW(mkdirat),         /* MKD */
    ALLOW(unlinkat),        /* DELE, RMD, and partials that are given up */
    ALLOW(renameat2),       /* RNTO, and giving an upload its final name */
    ALLOW(linkat),          /* the same where NOREPLACE is not known (NFS) */
    { CALL_FCHMODAT2, SECCOMP_ANY, 0, 0, 0 }, /* SITE CHMOD, by descriptor */
    ALLOW(fchmod),          /* the same before Linux 6.6; the mode of a replaced file */
    ALLOW(fchown),          /* the group of a replaced file */
    ALLOW(utimensat),       /* MFMT, SITE UTIME */
    ALLOW(read),            /* copying where the kernel cannot */
    ALLOW(copy_file_range), /* the kept part of a file that is gone on with */
    ALLOW(lseek),           /* where the worker is to begin */
    ALLOW(ftruncate),       /* REST within an unfinished upload; what is left of ALLO's */
    ALLOW_EQUAL(fallocate, 1, FALLOC_FL_KEEP_SIZE),   /* what ALLO announced */
    ALLOW(fsync),           /* durable */
    ALLOW(flistxattr),      /* what a replaced file has besides its mode */
    ALLOW(fgetxattr),       /* its access list, labels, the user's attributes */
    ALLOW_EQUAL(fsetxattr, 4, 0),             /* the same for the new file */
    ALLOW(flock),           /* one writer for each upload */
};

#define FOR_WRITING 18

enum sp_err
sandbox_compile(bool writes, struct seccomp_filter *out)
{
    return seccomp_compile(rules, sizeof rules / sizeof *rules - (writes ? 0 : FOR_WRITING),
                           out);
}
