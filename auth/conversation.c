/* auth/conversation.c - see auth/conversation.h */
#include "auth/conversation.h"

#include <security/pam_appl.h>
#include <stdlib.h>
#include <string.h>

static void
note(struct conversation *c, const char *text)
{
    size_t len = strlen(c->notes);

    /* a note that does not fit is cut: it is for the log */
    (void)text_printf(c->notes + len, sizeof c->notes - len, "%s%s", len > 0 ? "; " : "",
                      text);
}

enum sp_err
conversation_answer(struct conversation *c, int style, const char *text,
                    struct secret *answer, bool *wanted)
{
    *wanted = false;
    switch (style) {
    case PAM_TEXT_INFO:
    case PAM_ERROR_MSG:
        note(c, text);
        return SP_OK;
    case PAM_PROMPT_ECHO_ON:
    case PAM_PROMPT_ECHO_OFF:
        break;
    default:
        return SP_INPUT;
    }
    if (c->over)
        return SP_CLOSED;
    *wanted = true;
    if (c->password != NULL) {
        const struct secret *password = c->password;

        if (style == PAM_PROMPT_ECHO_ON)
            return secret_set(answer, slice_of(c->user));
        c->password = NULL;
        return secret_set(answer, slice_from(password->bytes, password->len));
    }
    return c->ask(c->context, text, answer);
}

/* Answers as PAM wants them: on the heap, where its modules free them. */
static void
free_responses(struct pam_response *responses, int count)
{
    for (int i = 0; i < count; i++)
        if (responses[i].resp != NULL) {
            wipe(responses[i].resp, strlen(responses[i].resp));
            free(responses[i].resp);
        }
    free(responses);
}

static int
answer_one(struct conversation *c, const struct pam_message *m, struct pam_response *r)
{
    struct secret answer;
    bool wanted = false;
    int result = PAM_CONV_ERR;

    secret_init(&answer);
    if (conversation_answer(c, m->msg_style, m->msg != NULL ? m->msg : "", &answer,
                            &wanted)
        != SP_OK) {
        c->over = true;         /* a module that tries again gets nothing either */
        goto out;
    }
    if (wanted && (r->resp = strdup(secret_text(&answer))) == NULL) {
        result = PAM_BUF_ERR;
        goto out;
    }
    result = PAM_SUCCESS;
out:
    secret_clear(&answer);
    return result;
}

int
conversation_pam(int count, const struct pam_message **messages,
                 struct pam_response **responses, void *conversation)
{
    struct pam_response *made = NULL;
    int result = PAM_SUCCESS;

    if (count < 1 || count > PAM_MAX_NUM_MSG || messages == NULL || responses == NULL)
        return PAM_CONV_ERR;
    if ((made = calloc((size_t)count, sizeof *made)) == NULL)
        return PAM_BUF_ERR;
    for (int i = 0; i < count && result == PAM_SUCCESS; i++)
        result = answer_one(conversation, messages[i], &made[i]);
    if (result != PAM_SUCCESS) {
        free_responses(made, count);
        return result;
    }
    *responses = made;
    return PAM_SUCCESS;
}
