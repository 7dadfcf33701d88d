/* auth/verdict.c - see auth/verdict.h */
#include "auth/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wire/channel.h"
#include "wire/pack.h"

void
verdict_unknown(struct verdict *v)
{
    v->kind = VERDICT_UNKNOWN;
    v->text[0] = '\0';
}

void
verdict_grant(struct verdict *v)
{
    v->kind = VERDICT_GRANTED;
    v->text[0] = '\0';
}

void
verdict_refuse(struct verdict *v, enum refuse_reason reason, const char *format, ...)
{
    va_list args;

    v->kind = VERDICT_REFUSED;
    v->reason = reason;
    va_start(args, format);
    (void)vsnprintf(v->text, sizeof v->text, format, args);
    va_end(args);
    for (char *c = v->text; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
}

static void
pack_granted(struct message *m, const struct account *a)
{
    unsigned char groups[ACCOUNT_GROUPS_MAX * 4];
    struct packer p = { groups, 0, sizeof groups };

    for (size_t i = 0; i < a->group_count; i++) {
        enum sp_err rc = put_u32(&p, a->groups[i]);

        SP_ASSERT(rc == SP_OK);
    }
    msg_granted_pack(m, &(struct msg_granted){ .backend = slice_of(a->backend),
                                               .user = slice_of(a->user),
                                               .group = slice_of(a->group),
                                               .uid = a->uid,
                                               .gid = a->gid,
                                               .groups = slice_from(groups, p.len),
                                               .jail = slice_of(a->jail),
                                               .start = slice_of(a->start),
                                               .permits = a->permits,
                                               .flags = a->flags,
                                               .umask = a->umask,
                                               .session_limit = a->session_limit,
                                               .file_bound = a->limits.file_bound,
                                               .memory = a->limits.memory,
                                               .cpu = a->limits.cpu,
                                               .files = a->limits.files,
                                               .nice = a->limits.nice });
}

enum sp_err
verdict_send(const struct verdict *v, struct channel *monitor)
{
    struct message m;

    switch (v->kind) {
    case VERDICT_GRANTED:
        pack_granted(&m, &v->account);
        break;
    case VERDICT_REFUSED:
        msg_refused_pack(&m, &(struct msg_refused){ .reason = (uint8_t)v->reason,
                                                    .text = slice_of(v->text) });
        break;
    case VERDICT_UNKNOWN:
        msg_refused_pack(&m, &(struct msg_refused){ .reason = REFUSE_CREDENTIALS,
                                                    .text = slice_of("unknown name") });
        break;
    }
    return channel_send_wait(monitor, &m);
}

void
verdict_release(struct verdict *v)
{
    if (v->release != NULL)
        v->release(v->held);
    v->release = NULL;
    v->held = NULL;
}
