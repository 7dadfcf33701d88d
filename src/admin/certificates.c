/* admin/certificates.c - see admin/certificates.h */
#include "admin/certificates.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/say.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "process/template.h"
#include "wire/channel.h"
#include "wire/pack.h"

#define PATH_ROOM 2048
#define ANSWER_MS 30000
#define DAY ((int64_t)24 * 3600)

/* ---- the keyholder ----------------------------------------------------------------- */

static int
add_files(posix_spawn_file_actions_t *files, int channel)
{
    int rc = 0;

    for (int fd = 0; fd <= 2 && rc == 0; fd++)
        rc = posix_spawn_file_actions_addopen(files, fd, "/dev/null", O_RDWR, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(files, channel, TEMPLATE_FD);
    if (rc == 0)
        rc = posix_spawn_file_actions_addclosefrom_np(files, TEMPLATE_FD + 1);
    return rc;
}

/* Never told to start, it stays what we are, and ends when its channel does. */
static enum sp_err
start(const char *path, struct channel *c, pid_t *pid)
{
    static char name[] = "sallyport-keyholder", none[] = "0";
    char *const argv[] = { name, none, none, NULL };
    char *const no_environment[] = { NULL };
    posix_spawn_file_actions_t files;
    int ours = -1, theirs = -1, failed = 0;
    enum sp_err rc = channel_pair(&ours, &theirs);

    if (rc != SP_OK)
        return rc;
    rc = SP_OS;
    if (theirs == TEMPLATE_FD) {        /* dup2 onto itself would leave close-on-exec set */
        int other = fcntl(theirs, F_DUPFD_CLOEXEC, TEMPLATE_FD + 1);

        fd_close(&theirs);
        theirs = other;
    }
    if (theirs != -1 && (failed = posix_spawn_file_actions_init(&files)) == 0) {
        if ((failed = add_files(&files, theirs)) == 0
            && (failed = posix_spawn(pid, path, &files, NULL, argv, no_environment)) == 0)
            rc = SP_OK;
        (void)posix_spawn_file_actions_destroy(&files);
    }
    if (rc == SP_OK)
        channel_init(c, fd_move(&ours), MONITOR, KEYHOLDER, ST_START);
    fd_close(&ours);
    fd_close(&theirs);
    if (failed != 0)
        errno = failed;
    return rc;
}

static enum sp_err
send_file(struct channel *c, struct message *m, const char *file)
{
    enum sp_err rc = SP_OS;

    if ((m->fds[0] = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)) == -1) {
        say("%s: %s", file, strerror(errno));
        message_clear(m);
        return rc;
    }
    m->nfds = 1;
    rc = channel_send_wait(c, m);
    message_clear(m);
    return rc;
}

/* KEY_LOADED or KEY_FAILED; what it logs is for the server. */
static enum sp_err
hear(struct channel *c, struct message *m)
{
    enum sp_err rc = SP_OK;

    while ((rc = channel_wait(c, m, ANSWER_MS)) == SP_OK && m->type == MSG_LOG)
        message_clear(m);
    return rc;
}

/* ---- what it says ------------------------------------------------------------------ */

static enum sp_err
show(const char *file, const struct msg_key_loaded *k, int64_t now)
{
    char kind[32] = "", from[21], until[21];
    long long days = (long long)((k->until - now) / DAY);

    SP_IGNORE(slice_to_text(k->kind, kind, sizeof kind));
    clock_date(k->from, from);
    clock_date(k->until, until);
    if (now > k->until) {
        say("certificate: %s: expired on %s, so clients reject it; renew it, then reload",
            file, until);
        return SP_INPUT;
    }
    if (now < k->from) {
        say("certificate: %s: not valid before %s, so clients reject it; check the "
            "system clock",
            file, from);
        return SP_INPUT;
    }
    printf("certificate: %s: %s, %u bits, valid until %s (%lld day%s)%s\n", file, kind,
           k->bits, until, days, days == 1 ? "" : "s",
           days < 30 ? "; renew it soon" : "");
    return SP_OK;
}

static enum sp_err
show_one(struct channel *c, const struct settings *s, size_t i, int64_t now)
{
    const char *file = s->certificate.texts[i], *key = s->certificate_key.texts[i];
    struct msg_key_loaded loaded = { 0 };
    struct msg_key_failed failed = { 0 };
    struct message m;
    char text[LINE_BYTES + 1] = "";
    enum sp_err rc = SP_OK;

    msg_certificate_pack(&m, &(struct msg_certificate){ .index = (uint8_t)i,
                                                        .file = slice_of(file) });
    if ((rc = send_file(c, &m, file)) != SP_OK)
        return rc;
    msg_key_pack(&m, &(struct msg_key){ .index = (uint8_t)i, .file = slice_of(key) });
    if ((rc = send_file(c, &m, key)) != SP_OK || (rc = hear(c, &m)) != SP_OK)
        return rc;
    if (msg_key_loaded_unpack(&m, &loaded) == SP_OK && loaded.until != 0) {
        rc = show(file, &loaded, now);
    } else if (msg_key_failed_unpack(&m, &failed) == SP_OK) {
        SP_IGNORE(slice_to_text(failed.text, text, sizeof text));
        say("certificate_key: %s", text);
        rc = SP_INPUT;
    } else {
        say("certificate: %s: contains no PEM certificate", file);
        rc = SP_INPUT;
    }
    message_clear(&m);
    return rc;
}

enum sp_err
certificates_show(const struct settings *s)
{
    char path[PATH_ROOM];
    struct channel c = CHANNEL_EMPTY;
    enum sp_err rc = SP_OK, worst = SP_OK;
    int64_t now = clock_seconds();
    pid_t pid = 0;

    if (s->certificate_key.count == 0)
        return SP_OK;
    if (!text_printf(path, sizeof path, "%s/sallyport-keyholder", s->libexec_directory))
        return SP_INPUT;
    if ((rc = start(path, &c, &pid)) != SP_OK) {
        say("%s: %s", path, strerror(errno));
        return rc;
    }
    for (size_t i = 0; i < s->certificate_key.count; i++) {
        rc = show_one(&c, s, i, now);
        if (rc != SP_OK)
            worst = rc;
        if (rc != SP_OK && rc != SP_INPUT)
            break;
    }
    if (rc == SP_AGAIN || rc == SP_CLOSED)
        say("%s: does not answer", path);
    channel_clear(&c);
    while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
        continue;
    return worst;
}
