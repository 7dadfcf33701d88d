/*
 * process/seccomp.h - a system call allowlist, compiled once and loaded often
 *
 * Runs in: templates (compile), and their children (load).   Blocks: never.
 *
 * The list belongs to the program (its sandbox.c); this module only turns a list into a
 * filter by libseccomp, keeps the compiled BPF, and loads it. What is not on the list traps:
 * the SIGSYS handler tells the monitor the number of the call by one SANDBOX message on the
 * given channel descriptor, and ends the process.
 */
#ifndef SP_PROCESS_SECCOMP_H
#define SP_PROCESS_SECCOMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* How one allowed call is narrowed by an argument. */
enum seccomp_test {
    SECCOMP_ANY,                /* every argument                             */
    SECCOMP_EQUAL,              /* argument == value                          */
    SECCOMP_MASKED,             /* (argument & mask) == value                 */
    SECCOMP_PAIR,               /* argument == mask, and the next one == value */
};

/* A call may stand several times: one match is enough. */
struct seccomp_rule {
    int call;                   /* SCMP_SYS(name); negative pseudo numbers are skipped */
    enum seccomp_test test;
    unsigned argument;          /* 0 to 5 */
    uint64_t mask, value;
};

#define ALLOW(name) { SCMP_SYS(name), SECCOMP_ANY, 0, 0, 0 }
#define ALLOW_EQUAL(name, arg, value) { SCMP_SYS(name), SECCOMP_EQUAL, (arg), 0, (value) }
#define ALLOW_MASKED(name, arg, mask, value) \
    { SCMP_SYS(name), SECCOMP_MASKED, (arg), (mask), (value) }
/*
 * Of an int full of flags: these bits, and no other. A call that every argument is allowed of
 * the kernel lets pass without running the filter (from Linux 5.11 on): of receive(2) and its
 * kind, made all the time, the flags are not worth that.
 */
#define ALLOW_BITS(name, arg, bits) ALLOW_MASKED(name, arg, UINT32_MAX & ~(uint64_t)(bits), 0)
#define ALLOW_PAIR(name, arg, first, second) \
    { SCMP_SYS(name), SECCOMP_PAIR, (arg), (first), (second) }

/* program: struct sock_filter[count]; reporting: see seccomp_report */
struct seccomp_filter { void *program; size_t count; bool reporting; };

#define SECCOMP_FILTER_EMPTY { NULL, 0, false }

/*
 * Compile. The BPF is heap memory owned by *out. SP_OS, SP_NOMEM. Costs about a millisecond:
 * done in the template, before the first fork.
 */
SP_CHECK enum sp_err seccomp_compile(const struct seccomp_rule *rules, size_t count,
                                     struct seccomp_filter *out);
/*
 * Makes a compiled filter report what is not on the list instead of ending the process: the
 * SANDBOX message is sent (once for each call), then the call is made. Threads and vfork
 * cannot be made from a handler: ENOSYS. The same process, or one forked from it, has to load
 * it. SP_NOMEM. No effect on machines other than x86-64 and arm64: what is off the list ends
 * the process there, too.
 */
SP_CHECK enum sp_err seccomp_report(struct seccomp_filter *f);
/*
 * Install the handler and load the filter (needs no_new_privs). channel_fd: where the
 * SANDBOX message goes. From here on only the calls of the list exist. SP_OS.
 */
SP_CHECK enum sp_err seccomp_enter(const struct seccomp_filter *f, int channel_fd);
void seccomp_filter_free(struct seccomp_filter *f);

#endif
