/* tests/unit/test_conversation.c - auth/conversation.c, driven as PAM modules would */
#include <security/pam_appl.h>
#include <stdlib.h>
#include <string.h>

#include "auth/conversation.h"
#include "unit.h"

/* A client that answers "A1", "A2", ... and remembers what it was asked. */
struct client { int count, leaves_at; char asked[256]; };

static struct client client;
static struct secret password;

static enum sp_err
ask(void *context, const char *prompt, struct secret *answer)
{
    struct client *c = context;
    char text[8] = "";

    if (++c->count == c->leaves_at)
        return SP_CLOSED;
    strncat(c->asked, prompt, sizeof c->asked - 1 - strlen(c->asked));
    (void)text_printf(text, sizeof text, "A%d", c->count);
    return secret_set(answer, slice_of(text));
}

static struct conversation
begin(void)
{
    client = (struct client){ .count = 0 };
    secret_init(&password);
    CU_ASSERT_EQUAL_FATAL(secret_set(&password, slice_of("open sesame")), SP_OK);
    return (struct conversation){ .user = "bob", .password = &password, .ask = ask,
                                  .context = &client };
}

static void
expect(struct conversation *c, int style, const char *text, const char *expected)
{
    struct secret answer;
    bool wanted = false;

    secret_init(&answer);
    CU_ASSERT_EQUAL(conversation_answer(c, style, text, &answer, &wanted), SP_OK);
    CU_ASSERT_EQUAL(wanted, expected != NULL);
    if (expected != NULL)
        CU_ASSERT_STRING_EQUAL(secret_text(&answer), expected);
    secret_clear(&answer);
}

static void
order(void)
{
    struct conversation c = begin();

    expect(&c, PAM_TEXT_INFO, "Welcome", NULL);
    expect(&c, PAM_PROMPT_ECHO_ON, "login: ", "bob");
    expect(&c, PAM_PROMPT_ECHO_OFF, "Password: ", "open sesame");
    expect(&c, PAM_PROMPT_ECHO_ON, "Code? ", "A1");
    expect(&c, PAM_PROMPT_ECHO_OFF, "PIN? ", "A2");
    expect(&c, PAM_ERROR_MSG, "Expires soon", NULL);
    CU_ASSERT_STRING_EQUAL(client.asked, "Code? PIN? ");
    CU_ASSERT_STRING_EQUAL(c.notes, "Welcome; Expires soon");
}

static void
gone_away(void)
{
    struct conversation c = begin();
    struct pam_message m = { PAM_PROMPT_ECHO_OFF, "?" };
    const struct pam_message *messages[1] = { &m };
    struct pam_response *responses = NULL;

    expect(&c, PAM_PROMPT_ECHO_OFF, "Password: ", "open sesame");
    client.leaves_at = 1;
    CU_ASSERT_EQUAL(conversation_pam(1, messages, &responses, &c), PAM_CONV_ERR);
    CU_ASSERT_PTR_NULL(responses);
    CU_ASSERT_TRUE(c.over);
    /* and a module that insists is not answered either */
    CU_ASSERT_EQUAL(conversation_pam(1, messages, &responses, &c), PAM_CONV_ERR);
    CU_ASSERT_EQUAL(client.count, 1);
}

static void
several_at_once(void)
{
    struct conversation c = begin();
    struct pam_message m[] = { { PAM_PROMPT_ECHO_ON, "login: " },
                               { PAM_TEXT_INFO, "Hello" },
                               { PAM_PROMPT_ECHO_OFF, "Password: " },
                               { PAM_TEXT_INFO, NULL },
                               { PAM_PROMPT_ECHO_OFF, "Code: " } };
    const struct pam_message *messages[] = { &m[0], &m[1], &m[2], &m[3], &m[4] };
    struct pam_response *responses = NULL;

    CU_ASSERT_EQUAL(conversation_pam(5, messages, &responses, &c), PAM_SUCCESS);
    CU_ASSERT_PTR_NOT_NULL_FATAL(responses);
    CU_ASSERT_STRING_EQUAL(responses[0].resp, "bob");
    CU_ASSERT_PTR_NULL(responses[1].resp);
    CU_ASSERT_STRING_EQUAL(responses[2].resp, "open sesame");
    CU_ASSERT_PTR_NULL(responses[3].resp);
    CU_ASSERT_STRING_EQUAL(responses[4].resp, "A1");
    for (int i = 0; i < 5; i++)
        free(responses[i].resp);
    free(responses);
}

static void
odd_calls(void)
{
    struct conversation c = begin();
    struct pam_message m[] = { { PAM_PROMPT_ECHO_OFF, "Password: " }, { 77, "what?" } };
    const struct pam_message *messages[] = { &m[0], &m[1] };
    struct pam_response *responses = NULL;

    CU_ASSERT_EQUAL(conversation_pam(0, messages, &responses, &c), PAM_CONV_ERR);
    CU_ASSERT_EQUAL(conversation_pam(-1, messages, &responses, &c), PAM_CONV_ERR);
    CU_ASSERT_EQUAL(conversation_pam(PAM_MAX_NUM_MSG + 1, messages, &responses, &c),
                    PAM_CONV_ERR);
    CU_ASSERT_EQUAL(conversation_pam(2, messages, &responses, &c), PAM_CONV_ERR);
    CU_ASSERT_PTR_NULL(responses);
}

static void
many_notes(void)
{
    struct conversation c = begin();

    for (int i = 0; i < 100; i++)
        expect(&c, PAM_TEXT_INFO, "a text of some length", NULL);
    CU_ASSERT_TRUE(strlen(c.notes) < sizeof c.notes);
}

static const struct unit_test tests[] = {
    { "name, password, then the client answers", order },
    { "a client that goes away ends the conversation", gone_away },
    { "several prompts at once are answered in their order", several_at_once },
    { "a call that PAM would never make is refused", odd_calls },
    { "notes are cut, never overrun", many_notes },
    { NULL, NULL }
};
const struct unit_suite suite_conversation = { "conversation", tests };
