/*
 * tests/fuzz/fuzz_login.c - what login reads of a client's name and password, of PAM's
 * prompts and of an account's texts (auth/attempt.h, account.h, accounts.h,
 * conversation.h)
 *
 * Input: what is tried, then the bytes of a message, or a text.
 * Holds: a name that is accepted is one component of a path; a jail that is accepted is
 * absolute and has no ".."; a prompt is one line on its way; no answer is lost or
 * doubled.
 */
#include <security/pam_appl.h>
#include <unistd.h>

#include "auth/accounts.h"
#include "auth/attempt.h"
#include "auth/conversation.h"
#include "auth/verdict.h"
#include "base/fd.h"
#include "config/settings.h"
#include "fuzz.h"
#include "wire/channel.h"
#include "wire/pack.h"

static void
check_name(const char *name)
{
    FUZZ_HOLDS(*name != '\0' && strlen(name) <= ACCOUNT_NAME_MAX);
    FUZZ_HOLDS(strchr(name, '/') == NULL && strcmp(name, ".") != 0
               && strcmp(name, "..") != 0);
    for (; *name != '\0'; name++)
        FUZZ_HOLDS((unsigned char)*name >= 0x20 && *name != 0x7f);
}

/* The bytes are an ATTEMPT from the monitor, then an ANSWER to a question. */
static void
check_attempt(struct fuzz_input *in)
{
    struct channel login = CHANNEL_EMPTY, monitor = CHANNEL_EMPTY;
    static struct message m;
    struct slice body = fuzz_bytes(in, (size_t)fuzz_number(in, 2));
    struct slice answer = fuzz_bytes(in, in->len < 1024 ? in->len : 1024);
    int ours = -1, theirs = -1;
    struct attempt a;
    struct secret reply;
    enum sp_err rc = SP_OK;

    FUZZ_HOLDS(channel_pair(&ours, &theirs) == SP_OK);
    channel_init(&login, ours, LOGIN, MONITOR, ST_START);
    channel_init(&monitor, theirs, MONITOR, LOGIN, ST_LOGIN);
    message_init(&m);
    m.type = MSG_ATTEMPT;
    m.len = body.len;
    if (body.len > 0)
        memcpy(m.body, body.at, body.len);
    if (m.len >= message_row(MSG_ATTEMPT)->least
        && m.len <= message_row(MSG_ATTEMPT)->most)
        FUZZ_HOLDS(channel_send(&monitor, &m) == SP_OK);
    attempt_init(&a, NULL, &login, NULL);
    secret_init(&reply);
    rc = attempt_receive(&a, 0);
    FUZZ_HOLDS(rc == SP_OK || rc == SP_AGAIN || rc == SP_INPUT);
    if (rc == SP_OK && a.well_formed)
        check_name(a.user);
    if (rc == SP_OK) {
        msg_answer_pack(&m, &(struct msg_answer){ .answer = answer });
        FUZZ_HOLDS(channel_send(&monitor, &m) == SP_OK);
        rc = attempt_ask(&a, "Prompt:\r\n\x1b[0m\xff", &reply);
        FUZZ_HOLDS(rc == SP_OK
                   ? slice_equal(slice_from(reply.bytes, reply.len), answer)
                   : rc == SP_INPUT && memchr(answer.at, '\0', answer.len) != NULL);
        FUZZ_HOLDS(channel_receive(&monitor, &m) == SP_OK && m.type == MSG_QUESTION);
    }
    secret_clear(&reply);
    attempt_clear(&a);
    channel_clear(&login);
    channel_clear(&monitor);
}

static void
check_jail(const char *pattern, const char *user)
{
    char out[ACCOUNT_PATH_MAX + 1] = "";
    struct account_names names = { .user = user, .group = "staff", .home = "/home/a" };

    if (account_expand(pattern, &names, out, sizeof out) == SP_OK) {
        FUZZ_HOLDS(out[0] == '/' && strlen(out) <= ACCOUNT_PATH_MAX);
        FUZZ_HOLDS(strstr(out, "//") == NULL && strstr(out, "/../") == NULL);
        FUZZ_HOLDS(strlen(out) < 3 || strcmp(out + strlen(out) - 3, "/..") != 0);
    }
    if (account_normalise(pattern, out, sizeof out) == SP_OK) {
        FUZZ_HOLDS(out[0] == '/' && strlen(out) <= ACCOUNT_PATH_MAX);
        FUZZ_HOLDS(strstr(out, "//") == NULL && strstr(out, "/../") == NULL
                   && strstr(out, "/./") == NULL);
    }
}

static void
check_lists(const char *text)
{
    struct net_addr peer = { .family = AF_INET, .bytes = { 192, 0, 2, 1 } };
    uint32_t groups[8];
    size_t count = 0;
    struct slice rest = slice_of(text), part = SLICE_EMPTY;

    if (accounts_parse_groups(text, groups, 8, &count) == SP_OK) {
        FUZZ_HOLDS(count <= 8);
        for (size_t i = 0; i < count; i++)
            FUZZ_HOLDS(groups[i] != 0);
    }
    while (accounts_next_part(&rest, &part))
        FUZZ_HOLDS(part.len == 0 || (part.at[0] != ' ' && part.at[part.len - 1] != ' '));
    (void)accounts_network_allowed(text, &peer);
}

static enum sp_err
say_no(void *context, const char *prompt, struct secret *answer)
{
    (void)context;
    (void)prompt;
    return secret_set(answer, slice_of("42"));
}

/* Modules' messages: any style, any text. */
static void
check_conversation(struct fuzz_input *in)
{
    struct secret password;
    struct conversation c = { .user = "alice", .password = &password, .ask = say_no };
    struct pam_message messages[8];
    const struct pam_message *at[8];
    struct pam_response *responses = NULL;
    char texts[8][128];
    int count = 0;

    secret_init(&password);
    FUZZ_HOLDS(secret_set(&password, slice_of("secret")) == SP_OK);
    for (; count < 8 && in->len > 0; count++) {
        int style = fuzz_u8(in) % 8;
        struct slice s = fuzz_until(in, '\n');

        s.len = s.len < sizeof texts[0] ? s.len : sizeof texts[0] - 1;
        if (s.len > 0)
            memcpy(texts[count], s.at, s.len);
        texts[count][s.len] = '\0';
        messages[count] = (struct pam_message){ style, style == 7 ? NULL : texts[count] };
        at[count] = &messages[count];
    }
    if (conversation_pam(count, at, &responses, &c) == PAM_SUCCESS) {
        unsigned given = 0;

        for (int i = 0; i < count; i++) {
            bool asks = messages[i].msg_style == PAM_PROMPT_ECHO_ON
                || messages[i].msg_style == PAM_PROMPT_ECHO_OFF;

            FUZZ_HOLDS(asks == (responses[i].resp != NULL));
            given += asks && strcmp(responses[i].resp, "secret") == 0;
            free(responses[i].resp);
        }
        FUZZ_HOLDS(given <= 1);         /* the password is given away once */
        free(responses);
    }
    FUZZ_HOLDS(strnlen(c.notes, sizeof c.notes) < sizeof c.notes);
    secret_clear(&password);
}

static void
check_verdict(const char *text)
{
    struct channel login = CHANNEL_EMPTY, monitor = CHANNEL_EMPTY;
    static struct message m;
    struct msg_refused in = { 0 };
    int ours = -1, theirs = -1;
    static struct verdict v;

    FUZZ_HOLDS(channel_pair(&ours, &theirs) == SP_OK);
    channel_init(&login, ours, LOGIN, MONITOR, ST_LOGIN);
    channel_init(&monitor, theirs, MONITOR, LOGIN, ST_LOGIN);
    verdict_unknown(&v);
    verdict_refuse(&v, REFUSE_ERROR, "%s", text);
    FUZZ_HOLDS(verdict_send(&v, &login) == SP_OK);
    FUZZ_HOLDS(channel_receive(&monitor, &m) == SP_OK && m.type == MSG_REFUSED);
    FUZZ_HOLDS(msg_refused_unpack(&m, &in) == SP_OK && in.reason == REFUSE_ERROR);
    channel_clear(&login);
    channel_clear(&monitor);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = { data, size };
    char text[5000] = "", user[300] = "";
    struct slice s = SLICE_EMPTY;
    unsigned what = fuzz_u8(&in) % 3;

    log_set_sink(fuzz_log_line, NULL);
    if (what == 0) {
        check_attempt(&in);
    } else if (what == 1) {
        check_conversation(&in);
    } else {
        s = fuzz_until(&in, '\n');
        if (account_name_valid(s)) {
            FUZZ_HOLDS(slice_to_text(s, user, sizeof user) == SP_OK);
            check_name(user);
        } else {
            s.len = s.len < sizeof user ? s.len : sizeof user - 1;
            SP_IGNORE(slice_to_text(s, user, sizeof user));
        }
        SP_IGNORE(slice_to_text(fuzz_bytes(&in, sizeof text - 1), text, sizeof text));
        check_jail(text, user);
        check_lists(text);
        check_verdict(text);
    }
    return 0;
}
