/* worker/sandbox.c - see sandbox.h: each line with its reason */
#include "worker/sandbox.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/tls.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/landlock.h"
#include "base/log.h"

#define LENGTH(a) (sizeof (a) / sizeof (a)[0])

static const struct seccomp_rule rules[] = {
    /* bytes of the client, and of files the broker has opened */
    ALLOW(read),                        /* TLS from the socket; listings from the pipe   */
    ALLOW(write),                       /* to an upload's file                            */
    ALLOW(pread64),                     /* from a download's file                         */
    /* what was sent of a large file is not kept */
    ALLOW_EQUAL(fadvise64, 3, POSIX_FADV_DONTNEED), /* and nothing else is advised        */
    ALLOW(sendfile),                    /* download in clear                              */
    ALLOW(splice),                      /* upload in clear                                */
    ALLOW(recvfrom),                    /* recv: commands and uploads in clear            */
    /* replies, TLS records, questions; MSG_FASTOPEN is a connect(2) to wherever one likes */
    ALLOW_BITS(sendto, 3, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE), /* of send(2)          */
    ALLOW(recvmsg),                     /* answers of monitor and broker                  */
    ALLOW(close),                       /* of what was passed to us                       */
    ALLOW_EQUAL(shutdown, 1, SHUT_WR),  /* FIN at the end of a data connection            */
    ALLOW_EQUAL(accept4, 3, SOCK_NONBLOCK | SOCK_CLOEXEC), /* on the monitor's listener   */
    ALLOW_PAIR(getsockopt, 1, SOL_SOCKET, SO_ERROR), /* of an active connection           */
    ALLOW_PAIR(setsockopt, 1, SOL_TCP, TCP_QUICKACK), /* who waits for our ACK has it at once */
    ALLOW_EQUAL(fcntl, 1, F_SETPIPE_SZ), /* the size is what makes splice worth it        */
    ALLOW_EQUAL(fcntl, 1, F_GETFL),     /* a listing's pipe blocks for STAT, or does not  */
    ALLOW_PAIR(fcntl, 1, F_SETFL, O_RDONLY), /* as above: the reading end                 */
    ALLOW_PAIR(fcntl, 1, F_SETFL, O_RDONLY | O_NONBLOCK), /* as above                     */
    ALLOW_EQUAL(pipe2, 1, O_CLOEXEC | O_NONBLOCK), /* between socket and file             */
    ALLOW(poll),                        /* waiting                                        */
    ALLOW(ppoll),                       /* poll(2) of libc on arm64                       */

    /* memory: never executable */
    ALLOW(brk),                         /* malloc                                         */
    ALLOW(munmap),                      /* malloc                                         */
    ALLOW_MASKED(mmap, 2, PROT_EXEC, 0), /* malloc                                        */
    ALLOW_MASKED(mprotect, 2, PROT_EXEC, 0), /* malloc's arenas                           */
    ALLOW_EQUAL(mremap, 3, MREMAP_MAYMOVE), /* realloc of large buffers                   */
    ALLOW_EQUAL(madvise, 2, MADV_DONTNEED), /* free gives memory back; nothing is merged  */
    ALLOW(mlock),                       /* a password (struct secret)                     */
    ALLOW(munlock),                     /* as above                                       */

    /* time, randomness, ourselves */
    ALLOW(clock_gettime),               /* where the vDSO has no clock                    */
    ALLOW(gettimeofday),                /* as above, in libc                              */
    ALLOW(time),                        /* as above                                       */
    ALLOW(getrandom),                   /* OpenSSL reseeds from it                        */
    ALLOW(getpid),                      /* OpenSSL: have we forked?                       */
    ALLOW(gettid),                      /* abort                                          */
    /* OpenSSL's locks, never contended: one thread. FUTEX_WAIT or FUTEX_WAKE */
    ALLOW_BITS(futex, 1, FUTEX_WAKE | FUTEX_PRIVATE_FLAG), /* and no other                */
    ALLOW(rt_sigprocmask),              /* abort                                          */
    ALLOW(restart_syscall),             /* a poll(2) that was stopped goes on             */
    ALLOW(exit_group),                  /* the end                                        */
    ALLOW(exit),                        /* as above                                       */

    /* with tls_kernel alone: they stay the last ones */
    ALLOW_PAIR(setsockopt, 1, SOL_TCP, TCP_ULP), /* the module joins a data connection    */
    ALLOW_PAIR(setsockopt, 1, SOL_TLS, TLS_TX), /* its keys, for what is sent             */
};

#define FOR_KERNEL_TLS 2

enum sp_err
sandbox_prepare(bool kernel_tls, struct seccomp_filter *out)
{
    return seccomp_compile(rules, LENGTH(rules) - (kernel_tls ? 0 : FOR_KERNEL_TLS), out);
}

enum sp_err
sandbox_enter(const struct seccomp_filter *f, int channel_fd)
{
    enum sp_err rc = landlock_enter(-1, false);

    /* without Landlock the other walls stand; the monitor said so at start */
    if (rc != SP_OK && rc != SP_REFUSED)
        return rc;
    return seccomp_enter(f, channel_fd);
}
