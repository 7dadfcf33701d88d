/*
 * pam_hangs.so - a PAM module for the tests: hangs as long as somebody else has a file locked
 *
 * lock=FILE is the file. With log=FILE it notes who comes to it. "open sesame" is right.
 */
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include <security/pam_appl.h>
#include <security/pam_ext.h>
#include <security/pam_modules.h>

#include "pam_agrees.h"

static FILE *
open_argument(int argc, const char **argv, const char *key)
{
    for (int i = 0; i < argc; i++)
        if (strncmp(argv[i], key, strlen(key)) == 0)
            return fopen(argv[i] + strlen(key), "ae");
    return NULL;
}

int
pam_sm_authenticate(pam_handle_t *pam, int flags, int argc, const char **argv)
{
    FILE *log = open_argument(argc, argv, "log="), *lock = open_argument(argc, argv, "lock=");
    const char *user = NULL, *password = NULL;
    int status = PAM_AUTH_ERR;

    (void)flags;
    if (log == NULL || lock == NULL || pam_get_user(pam, &user, NULL) != PAM_SUCCESS)
        return PAM_SERVICE_ERR;
    fprintf(log, "%s\n", user);
    fclose(log);
    if (flock(fileno(lock), LOCK_SH) == 0
        && pam_get_authtok(pam, PAM_AUTHTOK, &password, NULL) == PAM_SUCCESS
        && strcmp(password, "open sesame") == 0)
        status = PAM_SUCCESS;
    fclose(lock);
    return status;
}

int
pam_sm_open_session(pam_handle_t *pam, int flags, int argc, const char **argv)
{
    return pam_sm_setcred(pam, flags, argc, argv);
}

int
pam_sm_close_session(pam_handle_t *pam, int flags, int argc, const char **argv)
{
    return pam_sm_setcred(pam, flags, argc, argv);
}
