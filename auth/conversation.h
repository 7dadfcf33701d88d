/*
 * auth/conversation.h - what PAM modules ask, and who answers
 *
 * Runs in: login (root).                 Blocks: as its ask function does.
 * Trusts:  nothing that comes back from the client but its length.
 * Owns:    nothing; user and password are lent.
 *
 * The first prompt without echo gets the password, a prompt with echo before that gets
 * the name, and each later one is put to the client. Texts that only inform are kept for
 * the log.
 */
#ifndef SP_AUTH_CONVERSATION_H
#define SP_AUTH_CONVERSATION_H

#include <stdbool.h>

#include "base/err.h"
#include "base/secret.h"

struct pam_message;
struct pam_response;

/* Puts prompt to the client. Any code but SP_OK ends the conversation. */
typedef enum sp_err conversation_ask(void *context, const char *prompt,
                                     struct secret *answer);

struct conversation {
    const char *user;
    const struct secret *password;      /* given away once, then forgotten (NULL) */
    conversation_ask *ask;
    void *context;
    bool over;                  /* nobody is there to answer any more             */
    char notes[512];            /* what the modules told, joined by "; "          */
};

/*
 * One message of a module (style: PAM_PROMPT_ECHO_OFF, ...). *wanted: an answer is
 * expected and has been put into *answer. SP_CLOSED: nobody answers; SP_INPUT: an unknown
 * style.
 */
SP_CHECK enum sp_err conversation_answer(struct conversation *c, int style,
                                         const char *text, struct secret *answer,
                                         bool *wanted);
/* The function that pam_start(3) wants; conversation is a struct conversation. */
int conversation_pam(int count, const struct pam_message **messages,
                     struct pam_response **responses, void *conversation);

#endif
