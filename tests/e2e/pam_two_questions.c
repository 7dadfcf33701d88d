/*
 * pam_two_questions.so - a PAM module for the tests: asks a password, then a code
 *
 * "open sesame" and "424242" are right. With the argument log=FILE it notes when sessions
 * are opened and closed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <security/pam_appl.h>
#include <security/pam_modules.h>

#include "pam_agrees.h"

static int
ask(pam_handle_t *pam, const char *question, const char *right)
{
    const struct pam_conv *conv = NULL;
    struct pam_message message = { PAM_PROMPT_ECHO_OFF, question };
    const struct pam_message *messages = &message;
    struct pam_response *answer = NULL;
    int equal = 0;

    if (pam_get_item(pam, PAM_CONV, (const void **)&conv) != PAM_SUCCESS || conv == NULL)
        return PAM_AUTH_ERR;
    if (conv->conv(1, &messages, &answer, conv->appdata_ptr) != PAM_SUCCESS || answer == NULL)
        return PAM_CONV_ERR;
    equal = answer->resp != NULL && strcmp(answer->resp, right) == 0;
    free(answer->resp);
    free(answer);
    return equal ? PAM_SUCCESS : PAM_AUTH_ERR;
}

static void
note(pam_handle_t *pam, int argc, const char **argv, const char *what)
{
    const char *user = NULL;

    for (int i = 0; i < argc; i++)
        if (strncmp(argv[i], "log=", 4) == 0 && pam_get_user(pam, &user, NULL) == PAM_SUCCESS) {
            FILE *f = fopen(argv[i] + 4, "ae");
            if (f != NULL) {
                fprintf(f, "%s %s\n", what, user);
                fclose(f);
            }
        }
}

int
pam_sm_authenticate(pam_handle_t *pam, int flags, int argc, const char **argv)
{
    int first = ask(pam, "Password: ", "open sesame");
    int second = ask(pam, "One-time code: ", "424242");

    (void)flags;
    (void)argc;
    (void)argv;
    return first == PAM_SUCCESS && second == PAM_SUCCESS ? PAM_SUCCESS : PAM_AUTH_ERR;
}

int
pam_sm_open_session(pam_handle_t *pam, int flags, int argc, const char **argv)
{
    (void)flags;
    note(pam, argc, argv, "open");
    return PAM_SUCCESS;
}

int
pam_sm_close_session(pam_handle_t *pam, int flags, int argc, const char **argv)
{
    (void)flags;
    note(pam, argc, argv, "close");
    return PAM_SUCCESS;
}
