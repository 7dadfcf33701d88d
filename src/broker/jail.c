/* broker/jail.c - see broker/jail.h */
#include "broker/jail.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/enter.h"
#include "base/landlock.h"
#include "base/log.h"
#include "base/privilege.h"
#include "broker/broker.h"
#include "broker/permit.h"
#include "wire/pack.h"

/*
 * Descriptors. A request needs five; but against this limit the kernel counts also those
 * that all brokers of this uid have sent and no worker has read yet (unix(7)): of each
 * session a few at most. See send_reply in answer.c.
 */
#define FILES_MOST 1024
#define MEMORY_MOST ((size_t)1 << 30)   /* mapped; the names of a huge directory need most */

/* The account as the grant has it, into *b. */
static enum sp_err
adopt(struct broker *b, const struct msg_grant *grant)
{
    struct unpacker groups = { grant->groups.at, grant->groups.len };
    uint32_t gid = 0;
    enum sp_err rc = SP_OK;

    if ((rc = slice_to_text(grant->user, b->user, sizeof b->user)) != SP_OK
        || (rc = slice_to_text(grant->group, b->group, sizeof b->group)) != SP_OK
        || (rc = slice_to_text(grant->session, b->session, sizeof b->session)) != SP_OK)
        return rc;
    if (grant->groups.len > BROKER_GROUPS * sizeof gid)
        return SP_INPUT;
    while (groups.left > 0) {
        if ((rc = get_u32(&groups, &gid)) != SP_OK)
            return rc;
        b->groups[b->group_count++] = (gid_t)gid;
    }
    b->uid = (uid_t)grant->uid;
    b->gid = (gid_t)grant->gid;
    b->permits = grant->permits;
    b->umask = (mode_t)grant->umask;
    b->file_bound = grant->file_bound;
    /* without root, group 0 may be our own, as that of a container's arbitrary uid is */
    if (b->uid == 0 || (b->gid == 0 && privilege_is_root()) || b->uid == (uid_t)-1
        || b->gid == (gid_t)-1)
        return SP_REFUSED;
    if (!privilege_is_root() && (b->uid != getuid() || b->gid != getgid()))
        return SP_REFUSED;
    return SP_OK;
}

/* Without root it takes a user namespace; without that, the root descriptor alone jails. */
static enum sp_err
change_root(const struct broker *b, bool became)
{
    if (!became && privilege_enter_userns() != SP_OK) {
        log_event(EVENT_JAIL_WITHOUT, "what=chroot error=%d", errno);
        return SP_OK;
    }
    return privilege_chroot_fd(b->root);
}

/*
 * Root becomes the user first, with all of its ids: the way to the jail and the jail itself
 * may be closed to all others, and a file server, or FUSE, takes root for one of these.
 */
static enum sp_err
become(const struct broker *b, bool root)
{
    const uint64_t keep = (uint64_t)1 << CAP_SYS_CHROOT;

    return root ? privilege_become(b->uid, b->gid, b->groups, b->group_count, keep) : SP_OK;
}

/*
 * The processor time is over: a client is told 421. Not the kernel's hard limit, by which this
 * would die as if it had been attacked.
 */
static void
end_of_time(int number)
{
    (void)number;
    _exit(0);
}

/* What PAM has set for this user, where it is less than what a broker has. */
static enum sp_err
limit(const struct msg_grant *grant)
{
    const struct sigaction end = { .sa_handler = end_of_time };
    enum sp_err rc = SP_OK;

    if (grant->file_bound > 0
        && (rc = privilege_limit_less(RLIMIT_FSIZE, grant->file_bound - 1)) != SP_OK)
        return rc;
    if (grant->memory > 0
        && (rc = privilege_limit_less(RLIMIT_AS, grant->memory)) != SP_OK)
        return rc;
    if (grant->files > 0
        && (rc = privilege_limit_less(RLIMIT_NOFILE, grant->files)) != SP_OK)
        return rc;
    if (grant->cpu > 0) {
        if (sigaction(SIGXCPU, &end, NULL) == -1
            || (rc = privilege_limit_less(RLIMIT_CPU, grant->cpu)) != SP_OK)
            return rc == SP_OK ? SP_OS : rc;
    }
    if (grant->nice > 0 && getpriority(PRIO_PROCESS, 0) < grant->nice
        && setpriority(PRIO_PROCESS, 0, grant->nice) == -1)
        return SP_OS;
    return SP_OK;
}

enum sp_err
jail_enter(struct broker *b, const struct msg_grant *grant)
{
    char path[PATH_MAX];
    const bool root = privilege_is_root();
    enum sp_err rc = SP_OK;

    if ((rc = adopt(b, grant)) != SP_OK)
        return rc;
    if ((rc = slice_to_text(grant->jail, path, sizeof path)) != SP_OK)
        return rc;
    b->whole = strcmp(path, "/") == 0;
    if ((rc = become(b, root)) != SP_OK || (rc = enter_open(path, &b->root)) != SP_OK
        || (rc = change_root(b, root)) != SP_OK
        || (rc = privilege_drop(b->uid, b->gid, b->groups, b->group_count)) != SP_OK)
        return rc;
    rc = landlock_enter(b->root, permit_writes(b->permits));
    if (rc == SP_REFUSED)
        log_event(EVENT_JAIL_WITHOUT, "what=landlock");
    else if (rc != SP_OK)
        return rc;
    (void)umask(b->umask);
    if ((rc = privilege_limit_processes()) != SP_OK
        || (rc = privilege_limit_memory(MEMORY_MOST)) != SP_OK
        || (rc = privilege_limit_files(FILES_MOST)) != SP_OK)
        return rc;
    return limit(grant);
}
