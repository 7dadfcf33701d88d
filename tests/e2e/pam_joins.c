/*
 * pam_joins.so - a PAM module for the tests: agrees, and adds group=GID to the groups of the
 * process that asks for credentials, as pam_group does by /etc/security/group.conf
 */
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <security/pam_modules.h>

int pam_sm_authenticate(pam_handle_t *, int, int, const char **);
int pam_sm_setcred(pam_handle_t *, int, int, const char **);

int
pam_sm_authenticate(pam_handle_t *pam, int flags, int argc, const char **argv)
{
    (void)pam;
    (void)flags;
    (void)argc;
    (void)argv;
    return PAM_SUCCESS;
}

int
pam_sm_setcred(pam_handle_t *pam, int flags, int argc, const char **argv)
{
    gid_t groups[256];
    int count = getgroups(255, groups);

    (void)pam;
    if ((flags & PAM_ESTABLISH_CRED) == 0)
        return PAM_SUCCESS;
    for (int i = 0; i < argc && count >= 0; i++)
        if (strncmp(argv[i], "group=", 6) == 0)
            groups[count++] = (gid_t)atoi(argv[i] + 6);
    return count >= 0 && setgroups((size_t)count, groups) == 0 ? PAM_SUCCESS : PAM_CRED_ERR;
}
