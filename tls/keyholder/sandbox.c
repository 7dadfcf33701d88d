/* tls/keyholder/sandbox.c - see sandbox.h */
#include "tls/keyholder/sandbox.h"

#include <linux/futex.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "process/confine.h"

static const struct seccomp_rule allowed[] = {
    ALLOW(recvmsg),             /* questions                                            */
    ALLOW_BITS(sendto, 3, MSG_NOSIGNAL | MSG_DONTWAIT),     /* answers, log lines       */
    ALLOW(poll), ALLOW(ppoll),  /* waiting for either                                   */
    ALLOW(close),               /* descriptors that came with a message against rules   */
    ALLOW(getrandom),           /* OpenSSL reseeds from it: nonces, salts, blinding     */
    ALLOW(getpid),              /* OpenSSL asks before each random number: forked?      */
    /* OpenSSL's locks: FUTEX_WAIT or FUTEX_WAKE */
    ALLOW_BITS(futex, 1, FUTEX_WAKE | FUTEX_PRIVATE_FLAG),  /* and no other             */
    ALLOW(clock_gettime), ALLOW(gettimeofday),  /* where the vDSO has no clock to read  */
    ALLOW(time),                /* the same: age of OpenSSL's seed                      */
    ALLOW(brk), ALLOW(munmap),  /* malloc                                               */
    ALLOW_EQUAL(mremap, 3, MREMAP_MAYMOVE),     /* the same                             */
    ALLOW_EQUAL(madvise, 2, MADV_DONTNEED),     /* the same; nothing is merged          */
    ALLOW_MASKED(mmap, 2, PROT_EXEC, 0),        /* malloc; never executable             */
    ALLOW_MASKED(mprotect, 2, PROT_EXEC, 0),    /* the same                             */
    ALLOW(rt_sigreturn), ALLOW(restart_syscall),    /* an interrupted wait goes on      */
    ALLOW(exit_group),          /* the end                                              */
};

#define FILES_MOST 8            /* the standard three, the channel, what it can bring */

enum sp_err
sandbox_enter(int channel_fd, bool reporting)
{
    static const struct confinement how = { allowed, sizeof allowed / sizeof *allowed,
                                            FILES_MOST };

    return confine_enter(&how, -1, channel_fd, reporting);
}
