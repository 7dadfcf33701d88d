/* src/process/confine.c - see process/confine.h */
#include "process/confine.h"

#include "base/landlock.h"
#include "base/log.h"
#include "base/privilege.h"

enum sp_err
confine_enter(const struct confinement *c, int directory, int channel_fd, bool reporting)
{
    struct seccomp_filter filter = SECCOMP_FILTER_EMPTY;
    enum sp_err rc = SP_OS;

    if ((rc = privilege_limit_files(c->files)) != SP_OK
        || (rc = privilege_limit_processes()) != SP_OK)
        goto out;
    /* An older kernel has no Landlock; the root directory and the filter stand without it. */
    if ((rc = landlock_enter(directory, directory != -1)) == SP_REFUSED)
        log_event(EVENT_WALL_MISSING, "what=landlock fault=\"this kernel has none\"");
    else if (rc != SP_OK)
        goto out;
    rc = seccomp_compile(c->rules, c->count, &filter);
    if (rc != SP_OK || (reporting && (rc = seccomp_report(&filter)) != SP_OK))
        goto out;
    rc = seccomp_enter(&filter, channel_fd);
out:
    seccomp_filter_free(&filter);
    return rc;
}
