/* auth/bequest.c - see auth/bequest.h */
#include "auth/bequest.h"

#include <errno.h>
#include <grp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/account.h"

/*
 * By it nothing is seen that 077 would hide: the group that may pass through a directory is
 * root's own. A module that sets just this mask is not heard.
 */
#define NOBODYS_MASK 067
#define OWN_MASK 077
#define NICE_MOST 19

bool
bequest_begin(const struct account *a)
{
    (void)umask(NOBODYS_MASK);
    return setgroups(a->group_count, a->groups) == 0;
}

static enum sp_err
take_groups(struct account *a, const char **why)
{
    int count = getgroups(ACCOUNT_GROUPS_MAX, a->groups);

    *why = "PAM gives it too many groups";
    if (count == -1)
        return errno == EINVAL ? SP_REFUSED : SP_OS;
    a->group_count = (size_t)count;
    return account_check_ids(a, why);
}

/* 0: there is no limit. It is the soft one that holds for a process that asks for no more. */
static uint64_t
limit_of(__rlimit_resource_t which)
{
    struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

    if (getrlimit(which, &limit) == -1 || limit.rlim_cur == RLIM_INFINITY)
        return 0;
    return limit.rlim_cur == 0 ? 1 : limit.rlim_cur;
}

static uint32_t
narrow(uint64_t limit)
{
    return limit > UINT32_MAX ? UINT32_MAX : (uint32_t)limit;
}

static void
take_limits(struct account_limits *l)
{
    struct rlimit size = { RLIM_INFINITY, RLIM_INFINITY };
    int nice = 0;

    *l = (struct account_limits){
        .memory = limit_of(RLIMIT_AS), .cpu = narrow(limit_of(RLIMIT_CPU)),
        .files = narrow(limit_of(RLIMIT_NOFILE)) };
    /* one more, as 0 bytes are a limit, too */
    if (getrlimit(RLIMIT_FSIZE, &size) == 0 && size.rlim_cur != RLIM_INFINITY)
        l->file_bound = (uint64_t)size.rlim_cur + 1;
    errno = 0;
    nice = getpriority(PRIO_PROCESS, 0);
    if (errno == 0 && nice > 0)
        l->nice = (uint8_t)(nice > NICE_MOST ? NICE_MOST : nice);
}

enum sp_err
bequest_take(struct account *a, bool groups, const char **why)
{
    mode_t mask = umask(OWN_MASK);

    a->umask = mask == NOBODYS_MASK ? 0 : mask & 0777;
    take_limits(&a->limits);
    return groups ? take_groups(a, why) : SP_OK;
}
