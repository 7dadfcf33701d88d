/* ledger/sandbox.c - see ledger/sandbox.h */
#include "ledger/sandbox.h"

#include <linux/futex.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "process/confine.h"

static const struct seccomp_rule allowed[] = {
    ALLOW(recvmsg),             /* rows                                                 */
    ALLOW_BITS(sendto, 3, MSG_NOSIGNAL | MSG_DONTWAIT),     /* rows, log lines          */
    ALLOW(poll), ALLOW(ppoll),  /* waiting for either                                   */
    ALLOW(close),               /* the journal, and descriptors that no row brings      */
    ALLOW(openat), ALLOW(open), /* SQLite: the database and its journal                 */
    ALLOW(stat), ALLOW(lstat), ALLOW(fstat), ALLOW(newfstatat),     /* SQLite: of both  */
    ALLOW(pread64), ALLOW(pwrite64), ALLOW(read), ALLOW(write),     /* pages            */
    ALLOW(lseek),               /* where pread64 is not used                            */
    ALLOW_MASKED(fchmod, 1, 07000, 0),  /* SQLite: its journal has the mode of the database */
    ALLOW(ftruncate),           /* the journal when a transaction is through            */
    ALLOW(fsync), ALLOW(fdatasync),     /* the transaction                              */
    ALLOW(unlink),              /* a journal that was left behind                       */
    ALLOW(access),              /* is there a journal?                                  */
    ALLOW(getcwd), ALLOW(readlink),     /* SQLite makes a full path of its file's name  */
    ALLOW(geteuid), ALLOW(getpid),      /* SQLite: may it give a file away; forked?     */
    ALLOW(getrandom),           /* SQLite: names of journals                            */
    ALLOW(clock_gettime), ALLOW(gettimeofday), ALLOW(time), /* where the vDSO has none  */
    /* the C library's locks: FUTEX_WAIT or FUTEX_WAKE */
    ALLOW_BITS(futex, 1, FUTEX_WAKE | FUTEX_PRIVATE_FLAG),  /* and no other             */
    ALLOW(brk), ALLOW(munmap),  /* malloc                                               */
    ALLOW_EQUAL(mremap, 3, MREMAP_MAYMOVE),     /* the same                             */
    ALLOW_EQUAL(madvise, 2, MADV_DONTNEED),     /* the same; nothing is merged          */
    ALLOW_MASKED(mmap, 2, PROT_EXEC, 0),        /* malloc; never executable             */
    ALLOW_MASKED(mprotect, 2, PROT_EXEC, 0),    /* the same                             */
    ALLOW(rt_sigreturn), ALLOW(restart_syscall),    /* an interrupted wait goes on      */
    ALLOW(exit_group),          /* the end                                              */
};

#define FILES_MOST 16           /* the standard three, channel, directory, SQLite's     */

enum sp_err
sandbox_enter(int channel_fd, int directory, bool reporting)
{
    static const struct confinement how = { allowed, sizeof allowed / sizeof *allowed,
                                            FILES_MOST };

    return confine_enter(&how, directory, channel_fd, reporting);
}
