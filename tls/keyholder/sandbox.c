/* tls/keyholder/sandbox.c - see sandbox.h */
#include "tls/keyholder/sandbox.h"

#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/landlock.h"
#include "base/log.h"
#include "base/privilege.h"
#include "base/seccomp.h"

static const struct seccomp_rule allowed[] = {
    ALLOW(recvmsg),             /* questions                                            */
    ALLOW_MASKED(sendto, 3, MSG_FASTOPEN, 0),   /* answers, log lines; never connects   */
    ALLOW(poll), ALLOW(ppoll),  /* waiting for either                                   */
    ALLOW(close),               /* descriptors that came with a message against rules   */
    ALLOW(getrandom),           /* OpenSSL reseeds from it: nonces, salts, blinding     */
    ALLOW(getpid),              /* OpenSSL asks before each random number: forked?      */
    ALLOW(futex),               /* OpenSSL's locks                                      */
    ALLOW(clock_gettime), ALLOW(gettimeofday),  /* where the vDSO has no clock to read  */
    ALLOW(time),                /* the same: age of OpenSSL's seed                      */
    ALLOW(brk), ALLOW(munmap), ALLOW(mremap), ALLOW(madvise),       /* malloc           */
    ALLOW_MASKED(mmap, 2, PROT_EXEC, 0),        /* malloc; never executable             */
    ALLOW_MASKED(mprotect, 2, PROT_EXEC, 0),    /* the same                             */
    ALLOW(rt_sigreturn), ALLOW(restart_syscall),    /* an interrupted wait goes on      */
    ALLOW(exit_group),          /* the end                                              */
};

#define FILES_MOST 8            /* the standard three, the channel, what it can bring */

enum sp_err
sandbox_enter(int channel_fd, bool reporting)
{
    struct seccomp_filter filter = SECCOMP_FILTER_EMPTY;
    enum sp_err rc = SP_OS;

    if (privilege_limit_files(FILES_MOST) != SP_OK || privilege_limit_processes() != SP_OK)
        goto out;
    /* An older kernel has no Landlock; the empty root and the filter stand without it. */
    if ((rc = landlock_enter(-1, false)) == SP_REFUSED)
        log_warning("wall.missing what=landlock why=\"this kernel has none\"");
    else if (rc != SP_OK)
        goto out;
    rc = seccomp_compile(allowed, sizeof allowed / sizeof *allowed, &filter);
    if (rc != SP_OK || (reporting && (rc = seccomp_report(&filter)) != SP_OK))
        goto out;
    rc = seccomp_enter(&filter, channel_fd);
out:
    seccomp_filter_free(&filter);
    return rc;
}
