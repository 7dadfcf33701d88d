/* monitor/report.c - see report.h */
#include "monitor/report.h"

#include <seccomp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "monitor/generation.h"
#include "monitor/logsink.h"
#include "monitor/session.h"
#include "wire/pack.h"

static const unsigned senders[] = {
#define EVENT(NAME, name, level, senders, fields, meaning) (senders),
#include "base/log.def"
};

#define BEFORE_MAX (64 + NET_TEXT_MAX + LOG_TEXT_MAX)

static const char *
before_session(const struct session *s, char out[BEFORE_MAX])
{
    (void)snprintf(out, BEFORE_MAX, "session=%s peer=%s ", s->id, s->peer_text);
    return out;
}

/*
 * No line is left out because there are many: whoever causes more than its share is not
 * heard for a moment (monitor/supervise.c).
 */
static void
count_line(struct session *s)
{
    (void)bucket_take(&s->lines, clock_us());
}

void
report_session(struct session *s, enum log_event event, const char *format, ...)
{
    char before[BEFORE_MAX];
    va_list args;

    if (!log_wants(log_event_level(event)))
        return;
    count_line(s);
    va_start(args, format);
    log_after(before_session(s, before), event, format, args);
    va_end(args);
}

/* What another process says: an event that it may say, or it broke a rule. */
static enum sp_err
take_line(const struct message *m, unsigned sender, struct msg_log *in)
{
    return msg_log_unpack(m, in) == SP_OK && in->event < LOG_EVENTS
            && (senders[in->event] & sender) != 0
        ? SP_OK : SP_INPUT;
}

/*
 * The event's name stands in the quoted text, with what else the process says: fields outside
 * of the quotes are our own.
 */
static void
write_said(const char *before, const char *side, const char *kind, const struct msg_log *in)
{
    enum log_event event = (enum log_event)in->event;
    char line[LOG_LINE_MAX], text[LOGSINK_TEXT_MAX];

    if (!log_wants(log_event_level(event)))
        return;
    (void)snprintf(line, sizeof line, "%sside=%s%s%s text=\"%s%s%.1200s\"", before, side,
                   kind == NULL ? "" : " kind=", kind == NULL ? "" : kind,
                   log_event_name(event), in->text.len == 0 ? "" : " ",
                   logsink_line(in->text, text));
    log_whole(event, line);
}

/* Of whom a process speaks: a broker is one account's for all its life. */
static const char *
user_of(const struct part *part, struct log_escaped *out)
{
    const char *name = part->account == NULL ? NULL : strchr(part->account, ':');

    if (part->kind == BROKER)
        return name == NULL ? NULL : log_text(slice_of(name + 1), out);
    return part->kind == WORKER ? part->session->user : NULL;
}

enum sp_err
report_log(struct part *part, const struct message *m)
{
    struct session *s = part->session;
    struct msg_log in = { 0 };
    struct log_escaped escaped;
    const char *user = NULL;
    char before[BEFORE_MAX];
    int len = 0;

    if (take_line(m, part->kind, &in) != SP_OK)
        return SP_INPUT;
    count_line(s);
    len = snprintf(before, sizeof before, "session=%s peer=%s ", s->id, s->peer_text);
    if (len > 0 && (user = user_of(part, &escaped)) != NULL)
        (void)snprintf(before + len, sizeof before - (size_t)len, "user=%s ", user);
    write_said(before, peer_name(part->kind), NULL, &in);
    return SP_OK;
}

/* out has room for 64 bytes. */
static const char *
call_name(uint32_t arch, uint32_t call, char *out)
{
    char *name = seccomp_syscall_resolve_num_arch(arch, (int)call);

    if (name == NULL)
        (void)snprintf(out, 64, "%lu", (unsigned long)call);
    else
        (void)snprintf(out, 64, "%.60s", name);
    free(name);
    return out;
}

static enum log_event
sandbox_event(bool reporting)
{
    return reporting ? EVENT_SANDBOX_REPORT : EVENT_SANDBOX_VIOLATION;
}

enum sp_err
report_sandbox(struct part *part, const struct message *m)
{
    struct msg_sandbox in = { 0 };
    char name[64];

    if (msg_sandbox_unpack(m, &in) != SP_OK)
        return SP_INPUT;
    report_session(part->session,
                   sandbox_event(settings_reporting(&part->session->generation->settings)),
                   "side=%s call=%s pid=%ld", peer_name(part->kind),
                   call_name(in.arch, in.call, name), (long)part->child.process.pid);
    return SP_OK;
}

void
report_breach(const struct part *part, unsigned type, const char *fault)
{
    report_session(part->session, EVENT_BREACH, "side=%s message=%s fault=%s",
                   peer_name(part->kind), message_name(type), fault);
}

void
report_crash(const struct part *part, const struct process_end *how)
{
    report_session(part->session, part->kind == WORKER ? EVENT_WORKER_CRASHED
                   : part->kind == BROKER ? EVENT_BROKER_CRASHED : EVENT_LOGIN_CRASHED,
                   "signal=%d pid=%ld", how->signal, (long)how->pid);
}

enum sp_err
report_transfer(struct session *s, const struct message *m, bool *next)
{
    struct msg_transfer in = { 0 };
    struct log_escaped verb, path, tls;
    double seconds = 0, rate = 0;

    if (msg_transfer_unpack(m, &in) != SP_OK)
        return SP_INPUT;
    *next = in.next == 1;
    s->transfers++;
    s->bytes += in.bytes;
    if (!log_wants(log_event_level(EVENT_TRANSFER)))
        return SP_OK;
    seconds = (double)in.micros / 1e6;
    rate = in.micros == 0 ? 0 : (double)in.bytes / seconds;
    report_session(s, EVENT_TRANSFER, "user=%s verb=%s path=%s bytes=%llu "
                   "seconds=%.3f rate=%.0f reply=%u tls=%s resumed=%s",
                   s->user == NULL ? "-" : s->user, log_text(in.verb, &verb),
                   log_text(in.path, &path), (unsigned long long)in.bytes, seconds, rate,
                   (unsigned)in.reply, in.tls.len == 0 ? "no" : log_text(in.tls, &tls),
                   in.resumed ? "yes" : "no");
    return SP_OK;
}

enum sp_err
report_helper_log(unsigned sender, const char *side, const char *kind,
                  const struct message *m)
{
    struct msg_log in = { 0 };

    if (take_line(m, sender, &in) != SP_OK)
        return SP_INPUT;
    write_said("", side, kind, &in);
    return SP_OK;
}

enum sp_err
report_helper_sandbox(const char *side, const char *kind, bool reporting,
                      const struct message *m)
{
    struct msg_sandbox in = { 0 };
    char name[64];

    if (msg_sandbox_unpack(m, &in) != SP_OK)
        return SP_INPUT;
    log_event(sandbox_event(reporting), "side=%s%s%s call=%s", side,
              kind == NULL ? "" : " kind=", kind == NULL ? "" : kind,
              call_name(in.arch, in.call, name));
    return SP_OK;
}
