/* auth/attempt.c - see auth/attempt.h */
#include "auth/attempt.h"

#include <poll.h>
#include <string.h>

#include "wire/channel.h"
#include "wire/pack.h"

#define PROMPT_MAX 1024         /* LINE_BYTES of messages.def */

_Static_assert(PROMPT_MAX <= LINE_BYTES, "a prompt would not fit into QUESTION");

void
attempt_init(struct attempt *a, const struct settings *settings, struct channel *monitor,
             struct slots *slots)
{
    *a = (struct attempt){ .settings = settings, .monitor = monitor, .slots = slots };
    secret_init(&a->password);
}

void
attempt_set(struct attempt *a, struct slice user, struct slice password)
{
    a->well_formed = false;
    a->user[0] = '\0';
    /* an impossible password leaves the empty one, for the same work to be done with */
    if (secret_set(&a->password, password) != SP_OK || !account_name_valid(user))
        return;
    a->well_formed = slice_to_text(user, a->user, sizeof a->user) == SP_OK;
}

enum sp_err
attempt_receive(struct attempt *a, int timeout_ms)
{
    struct msg_attempt in = { 0 };
    struct message m;
    enum sp_err rc = channel_wait(a->monitor, &m, timeout_ms);

    if (rc != SP_OK)
        return rc;
    if (m.type != MSG_ATTEMPT || msg_attempt_unpack(&m, &in) != SP_OK
            || net_unpack(&a->peer, in.peer) != SP_OK) {
        rc = SP_INPUT;
        goto out;
    }
    attempt_set(a, in.user, in.password);
    channel_enter(a->monitor, ST_LOGIN);
out:
    message_wipe(&m);
    return rc;
}

/* A prompt comes from a PAM module, which may have put anything into it. */
static struct slice
one_line(const char *prompt, char out[PROMPT_MAX])
{
    size_t len = strnlen(prompt, PROMPT_MAX);

    for (size_t i = 0; i < len; i++) {
        out[i] = prompt[i];
        if ((unsigned char)prompt[i] < 0x20 || prompt[i] == 0x7f)
            out[i] = ' ';
    }
    return slice_from(out, len);
}

enum sp_err
attempt_ask(struct attempt *a, const char *prompt, struct secret *answer)
{
    char text[PROMPT_MAX];
    struct msg_answer in = { 0 };
    struct message m;
    enum sp_err rc = SP_OK;

    msg_question_pack(&m, &(struct msg_question){ .text = one_line(prompt, text) });
    if ((rc = channel_send_wait(a->monitor, &m)) != SP_OK)
        return rc;
    channel_enter(a->monitor, ST_QUESTION);
    if ((rc = channel_wait(a->monitor, &m, -1)) != SP_OK)
        return rc;
    channel_enter(a->monitor, ST_LOGIN);
    rc = m.type == MSG_ANSWER && msg_answer_unpack(&m, &in) == SP_OK
        ? secret_set(answer, in.answer) : SP_INPUT;
    message_wipe(&m);
    return rc;
}

enum sp_err
attempt_await_place(struct attempt *a)
{
    struct message m;
    enum sp_err rc = SP_OK;

    msg_place_wanted_pack(&m, &(struct msg_place_wanted){ 0 });
    if ((rc = channel_send_wait(a->monitor, &m)) != SP_OK
        || (rc = channel_wait(a->monitor, &m, -1)) != SP_OK)
        return rc;
    rc = m.type == MSG_PLACE ? SP_OK : SP_INPUT;
    message_clear(&m);
    return rc;
}

bool
attempt_abandoned(const struct attempt *a)
{
    struct pollfd p = { .fd = a->monitor->fd, .events = POLLRDHUP };

    return poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

enum refuse_reason
attempt_fault(const struct attempt *a)
{
    return a->first_backend ? REFUSE_ERROR : REFUSE_UNUSABLE;
}

void
attempt_clear(struct attempt *a)
{
    secret_clear(&a->password);
    wipe(a->checked, sizeof a->checked);
}
