/*
 * pam_agrees.h - what a PAM module of the tests has to export, and where it always agrees
 *
 * Included once by each of them, behind security/pam_modules.h.
 */
#ifndef SP_TESTS_PAM_AGREES_H
#define SP_TESTS_PAM_AGREES_H

int pam_sm_authenticate(pam_handle_t *, int, int, const char **);
int pam_sm_setcred(pam_handle_t *, int, int, const char **);
int pam_sm_acct_mgmt(pam_handle_t *, int, int, const char **);
int pam_sm_open_session(pam_handle_t *, int, int, const char **);
int pam_sm_close_session(pam_handle_t *, int, int, const char **);

int
pam_sm_setcred(pam_handle_t *pam, int flags, int argc, const char **argv)
{
    (void)pam;
    (void)flags;
    (void)argc;
    (void)argv;
    return PAM_SUCCESS;
}

int
pam_sm_acct_mgmt(pam_handle_t *pam, int flags, int argc, const char **argv)
{
    return pam_sm_setcred(pam, flags, argc, argv);
}

#endif
