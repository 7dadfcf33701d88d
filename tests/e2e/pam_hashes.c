/*
 * pam_hashes.so - a PAM module for the tests: stands behind pam_unix, and asks crypt_r(3) what
 * that has asked, and more
 *
 * With the argument log=FILE it notes the outcome of each call there: "hashed", "known" (no hash
 * was computed: libcrypt, which erases its scratch space, has not been there) or "wrong".
 */
#include <crypt.h>
#include <shadow.h>
#include <stdio.h>
#include <string.h>

#include <security/pam_ext.h>
#include <security/pam_modules.h>

int pam_sm_authenticate(pam_handle_t *, int, int, const char **);
int pam_sm_setcred(pam_handle_t *, int, int, const char **);
int pam_sm_acct_mgmt(pam_handle_t *, int, int, const char **);

static char password[256], setting[CRYPT_OUTPUT_SIZE];

static void
ask(FILE *log, const char *phrase, const char *with)
{
    static struct crypt_data data, right;
    const char *outcome = "known";

    if (crypt_rn(phrase, with, &right, sizeof right) == NULL)
        return;
    memset(&data, 0x5a, sizeof data);
    data.initialized = 0;
    if (strcmp(crypt_r(phrase, with, &data), right.output) != 0)
        outcome = "wrong";
    else if (data.internal[0] == 0)
        outcome = "hashed";
    fprintf(log, "%s\n", outcome);
}

static FILE *
log_of(int argc, const char **argv)
{
    return argc == 1 && strncmp(argv[0], "log=", 4) == 0 ? fopen(argv[0] + 4, "ae") : NULL;
}

int
pam_sm_authenticate(pam_handle_t *pam, int flags, int argc, const char **argv)
{
    FILE *log = log_of(argc, argv);
    const char *user = NULL, *token = NULL;
    struct spwd *shadow = NULL;

    (void)flags;
    if (log == NULL || pam_get_user(pam, &user, NULL) != PAM_SUCCESS
        || pam_get_authtok(pam, PAM_AUTHTOK, &token, NULL) != PAM_SUCCESS
        || (shadow = getspnam(user)) == NULL)
        return PAM_AUTH_ERR;
    snprintf(password, sizeof password, "%s", token);
    snprintf(setting, sizeof setting, "%s", shadow->sp_pwdp);
    ask(log, password, setting);        /* pam_unix has asked that */
    ask(log, password, "$6$othersalt");
    ask(log, password, "$6$othersalt");
    ask(log, "another password", "$6$othersalt");
    fclose(log);
    return PAM_SUCCESS;
}

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
    FILE *log = log_of(argc, argv);

    (void)pam;
    (void)flags;
    if (log == NULL)
        return PAM_AUTH_ERR;
    ask(log, "another password", "$6$othersalt");       /* authentication is over */
    fclose(log);
    return PAM_SUCCESS;
}
