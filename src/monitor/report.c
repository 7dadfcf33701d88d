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

static void
write_line(enum log_level level, const char *line)
{
    switch (level) {
    case LOG_LEVEL_ERROR: log_error("%s", line); break;
    case LOG_LEVEL_WARNING: log_warning("%s", line); break;
    case LOG_LEVEL_NOTICE: log_notice("%s", line); break;
    case LOG_LEVEL_DEBUG: log_debug("%s", line); break;
    }
}

void
report_session(const struct session *s, enum log_level level, const char *format, ...)
{
    char line[LOG_LINE_MAX];
    va_list args;
    int len = 0;

    if (!log_wants(level))
        return;
    len = snprintf(line, sizeof line, "session=%s peer=%s ", s->id, s->peer_text);

    if (len < 0)
        return;
    va_start(args, format);
    (void)vsnprintf(line + len, sizeof line - (size_t)len, format, args);
    va_end(args);
    write_line(level, line);
}

bool
report_may(struct session *s)
{
    if (!bucket_take(&s->lines, clock_us())) {
        s->suppressed++;
        return false;
    }
    report_suppressed(s);
    return true;
}

enum sp_err
report_log(struct part *part, const struct message *m)
{
    struct session *s = part->session;
    struct msg_log in = { 0 };
    char text[LOGSINK_TEXT_MAX];

    if (msg_log_unpack(m, &in) != SP_OK)
        return SP_INPUT;
    if (report_may(s))
        report_session(s, (enum log_level)in.level, "side=%s text=\"%.1800s\"", peer_name(part->kind),
                       logsink_line(in.text, text));
    return SP_OK;
}

void
report_suppressed(struct session *s)
{
    if (s->suppressed == 0)
        return;
    report_session(s, LOG_LEVEL_WARNING, "log.suppressed lines=%u", s->suppressed);
    s->suppressed = 0;
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

static const char *
sandbox_event(const struct settings *s)
{
    return settings_reporting(s) ? "report" : "violation";
}

enum sp_err
report_sandbox(struct part *part, const struct message *m)
{
    struct msg_sandbox in = { 0 };
    char name[64];

    if (msg_sandbox_unpack(m, &in) != SP_OK)
        return SP_INPUT;
    report_session(part->session, LOG_LEVEL_ERROR,
                   "sandbox.%s side=%s call=%s pid=%ld",
                   sandbox_event(&part->session->generation->settings),
                   peer_name(part->kind),
                   call_name(in.arch, in.call, name), (long)part->process.pid);
    return SP_OK;
}

void
report_breach(const struct part *part, unsigned type, const char *fault)
{
    report_session(part->session, LOG_LEVEL_ERROR, "breach side=%s message=%s fault=%s",
                   peer_name(part->kind), message_name(type), fault);
}

void
report_crash(const struct part *part, const struct process_end *how)
{
    report_session(part->session, LOG_LEVEL_ERROR, "%s.crashed signal=%d pid=%ld",
                   peer_name(part->kind), how->signal, (long)how->pid);
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
    if (!log_wants(LOG_LEVEL_NOTICE))
        return SP_OK;
    seconds = (double)in.micros / 1e6;
    rate = in.micros == 0 ? 0 : (double)in.bytes / seconds;
    if (!bucket_take(&s->transfer_lines, clock_us())) {
        s->suppressed++;
        return SP_OK;
    }
    report_session(s, LOG_LEVEL_NOTICE, "transfer user=%s verb=%s path=%s bytes=%llu "
                   "seconds=%.3f rate=%.0f reply=%u tls=%s resumed=%s",
                   s->user == NULL ? "-" : s->user, log_text(in.verb, &verb),
                   log_text(in.path, &path), (unsigned long long)in.bytes, seconds, rate,
                   (unsigned)in.reply, in.tls.len == 0 ? "no" : log_text(in.tls, &tls),
                   in.resumed ? "yes" : "no");
    return SP_OK;
}

enum sp_err
report_helper_log(const char *side, const char *kind, const struct message *m)
{
    struct msg_log in = { 0 };
    char text[LOGSINK_TEXT_MAX], line[LOG_LINE_MAX];

    if (msg_log_unpack(m, &in) != SP_OK)
        return SP_INPUT;
    (void)snprintf(line, sizeof line, "side=%s%s%s text=\"%.1800s\"", side,
                   kind == NULL ? "" : " kind=", kind == NULL ? "" : kind,
                   logsink_line(in.text, text));
    write_line((enum log_level)in.level, line);
    return SP_OK;
}

enum sp_err
report_helper_sandbox(const char *side, const char *kind,
                      const struct settings *settings, const struct message *m)
{
    struct msg_sandbox in = { 0 };
    char name[64];

    if (msg_sandbox_unpack(m, &in) != SP_OK)
        return SP_INPUT;
    log_error("sandbox.%s side=%s%s%s call=%s", sandbox_event(settings), side,
              kind == NULL ? "" : " kind=", kind == NULL ? "" : kind,
              call_name(in.arch, in.call, name));
    return SP_OK;
}
