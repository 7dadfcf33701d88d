/* process/start.c - see include/process/start.h */
#include "process/start.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/number.h"
#include "base/privilege.h"
#include "config/settings.h"
#include "process/template.h"
#include "wire/pack.h"

#define SETTINGS_MAX 262144     /* bytes of all settings of one kind of process */

/* Is descriptor 3 a channel, as the monitor lays it? */
static bool
has_channel(void)
{
    int type = 0;
    socklen_t len = sizeof type;

    return getsockopt(TEMPLATE_FD, SOL_SOCKET, SO_TYPE, &type, &len) == 0
        && type == SOCK_SEQPACKET;
}

enum sp_err
start_adopt(int argc, char **argv, const char *program, struct channel *monitor, unsigned self,
            uid_t *uid, gid_t *gid)
{
    uint64_t ids[2] = { 0, 0 };
    enum sp_err rc = SP_OK;

    if (!has_channel()
        || (uid != NULL && (argc != 3
                            || number_parse(slice_of(argv[1]), UINT32_MAX - 1, &ids[0]) != SP_OK
                            || number_parse(slice_of(argv[2]), UINT32_MAX - 1, &ids[1])
                                != SP_OK))) {
        fprintf(stderr, "%s is started by sallyportd, not by hand\n", program);
        return SP_INPUT;
    }
    if (uid != NULL) {
        *uid = (uid_t)ids[0];
        *gid = (gid_t)ids[1];
    }
    /* executed by an open file, the process has the name of that file's number */
    (void)prctl(PR_SET_NAME, program, 0, 0, 0);
    if ((rc = fd_close_from(TEMPLATE_FD + 1)) != SP_OK || (rc = fd_null_std(false)) != SP_OK)
        return rc;
    channel_init(monitor, TEMPLATE_FD, (self & (KEYHOLDER | LEDGER)) != 0 ? self : TEMPLATE,
                 MONITOR, ST_START);
    log_set_sink(channel_log, monitor);
    return privilege_ignore_signals();
}

static void
set_level(const struct settings *s)
{
    static const enum log_level levels[] = { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING,
                                             LOG_LEVEL_NOTICE, LOG_LEVEL_DEBUG };

    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (strcmp(s->log_level, log_level_text(levels[i])) == 0)
            log_set_level(levels[i]);
}

/* The pieces up to the last one, then the whole. */
static enum sp_err
take_settings(struct message *m, struct buf *blob, unsigned receiver, struct settings *s)
{
    struct msg_settings in = { 0 };
    enum sp_err rc = SP_OK;

    if ((rc = msg_settings_unpack(m, &in)) != SP_OK
        || (rc = buf_add(blob, in.part.at, in.part.len)) != SP_OK)
        return rc;
    if (in.last == 0)
        return SP_OK;
    if ((rc = settings_unpack(s, receiver, buf_slice(blob))) == SP_OK)
        set_level(s);
    return rc;
}

enum sp_err
start_receive(struct channel *monitor, unsigned receiver, struct settings *s, start_take *take,
              void *context)
{
    struct buf blob = BUF_EMPTY(SETTINGS_MAX);
    struct message m;
    enum sp_err rc = settings_init(s);

    message_init(&m);
    while (rc == SP_OK && (rc = channel_wait(monitor, &m, -1)) == SP_OK
           && m.type != MSG_START) {
        if (m.type == MSG_SETTINGS)
            rc = take_settings(&m, &blob, receiver, s);
        else
            rc = take == NULL ? SP_INPUT : take(context, &m);
        message_clear(&m);
    }
    buf_free(&blob);
    return rc;
}

enum sp_err
start_leave_privileges(const char *empty_directory, uid_t uid, gid_t gid)
{
    bool root = privilege_is_root();
    enum sp_err rc = SP_OK;

    if (!root && privilege_enter_userns() != SP_OK) {
        log_event(EVENT_WALL_MISSING, "what=chroot reason=no-user-namespace");
        return privilege_drop(uid, gid, NULL, 0);
    }
    rc = privilege_chroot(empty_directory);
    if (rc != SP_OK) {
        log_event(EVENT_WALL_FAILED, "what=chroot directory=%s error=%d", empty_directory,
                  errno);
        return rc;
    }
    return privilege_drop(uid, gid, NULL, 0);
}
