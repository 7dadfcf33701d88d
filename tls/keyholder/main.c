/*
 * tls/keyholder/main.c - sallyport-keyholder UID GID
 *
 * Runs as: root until the keys are read, then its own user in an empty root, sandboxed.
 * Reads:   keys from descriptors that the monitor opened; then only KEY_SIGN messages,
 *          whose bytes a captured worker may have chosen.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/privilege.h"
#include "config/settings.h"
#include "process/start.h"
#include "tls/keyholder/keys.h"
#include "tls/keyholder/sandbox.h"
#include "wire/channel.h"
#include "wire/pack.h"

struct keyholder {
    uid_t uid;                  /* who it becomes */
    gid_t gid;
    struct settings settings;
    struct channel monitor;
    struct keys keys;
    struct message m;           /* the one in use */
};

static enum sp_err
fail(const char *step, enum sp_err rc)
{
    int why = errno;

    log_event(EVENT_KEYHOLDER_FAILED, "step=%s code=%s fault=\"%s\"", step,
              sp_err_text(rc), rc == SP_OS ? strerror(why) : "");
    return rc;
}

/* 3 is the channel, every other one is closed. No key has come; none may be dumped. */
static enum sp_err
keyholder_adopt(struct keyholder *k, int argc, char **argv)
{
    const struct rlimit none = { 0, 0 };
    enum sp_err rc = start_adopt(argc, argv, "sallyport-keyholder", &k->monitor,
                                 KEYHOLDER, &k->uid, &k->gid);

    if (rc != SP_OK)
        return rc;
    if (setrlimit(RLIMIT_CORE, &none) != 0)
        return fail("limits", SP_OS);
    /* Rootless this waits for the drop: it would take /proc/self, and with it the way
     * into a user namespace. */
    if (privilege_is_root() && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return fail("dumpable", SP_OS);
    if (keys_prepare() != SP_OK)
        log_event(EVENT_WALL_MISSING, "what=locked-memory reason=RLIMIT_MEMLOCK");
    return SP_OK;
}

/* Comes before its key, which has to belong to it. */
static enum sp_err
take_certificate(struct keyholder *k, struct message *m)
{
    struct msg_certificate in = {0};
    int fd = -1;
    enum sp_err rc = msg_certificate_unpack(m, &in);

    if (rc != SP_OK)
        return rc;
    fd = message_take_fd(m, 0);
    keys_expect(&k->keys, in.index, fd);
    fd_close(&fd);
    return SP_OK;
}

/* A key that cannot be served is the monitor's to judge: it is told, and we go on. */
static enum sp_err
take_key(struct keyholder *k, struct message *m)
{
    struct msg_key in = {0};
    char fault[KEY_FAULT_MAX] = "";
    unsigned index = 0;
    int fd = -1;
    enum sp_err rc = SP_OK;

    if ((rc = msg_key_unpack(m, &in)) != SP_OK)
        return rc;
    fd = message_take_fd(m, 0);
    index = in.index;
    if (keys_load(&k->keys, index, fd, in.file, fault) == SP_OK)
        msg_key_loaded_pack(&k->m, &(struct msg_key_loaded){
            .index = (uint8_t)index,
            .kind = slice_of(key_kind_text(k->keys.all[index].kind)),
            .bits = k->keys.all[index].bits, .from = k->keys.all[index].from,
            .until = k->keys.all[index].until });
    else
        msg_key_failed_pack(&k->m, &(struct msg_key_failed){
            .index = (uint8_t)index, .text = slice_of(fault) });
    rc = channel_send_wait(&k->monitor, &k->m);
    fd_close(&fd);
    return rc;
}

static enum sp_err
take_any(void *context, struct message *m)
{
    if (m->type == MSG_CERTIFICATE)
        return take_certificate(context, m);
    return m->type == MSG_KEY ? take_key(context, m) : SP_INPUT;
}

static enum sp_err
keyholder_learn(struct keyholder *k)
{
    enum sp_err rc = start_receive(&k->monitor, KEYHOLDER, &k->settings, take_any, k);

    return rc == SP_OK || rc == SP_CLOSED ? rc : fail("start", rc);
}

static enum sp_err
keyholder_drop(struct keyholder *k)
{
    char empty[4096];
    enum sp_err rc = SP_OK;

    if (!text_printf(empty, sizeof empty, "%s/empty", k->settings.run_directory))
        return fail("root", SP_INPUT);
    /* OpenSSL keeps copies of private numbers of its own: no page of them to swap. */
    (void)mlockall(MCL_CURRENT | MCL_ONFAULT);
    rc = start_leave_privileges(empty, k->uid, k->gid);
    return rc == SP_OK ? SP_OK : fail("drop", rc);
}

/* From here on only the calls listed in sandbox.c. */
static enum sp_err
keyholder_enter(struct keyholder *k)
{
    enum sp_err rc = sandbox_enter(k->monitor.fd, settings_reporting(&k->settings));

    return rc == SP_OK ? SP_OK : fail("sandbox", rc);
}

static enum sp_err
answer_key_sign(struct keyholder *k)
{
    struct msg_key_sign in = {0};
    unsigned char signature[1024];
    size_t len = 0;
    const char *why = "";
    uint64_t number = 0;
    enum sp_err rc = SP_OK;

    if ((rc = msg_key_sign_unpack(&k->m, &in)) != SP_OK)
        return rc;
    number = in.number;
    rc = keys_sign(&k->keys, in.key, in.scheme, in.tbs, signature, sizeof signature, &len,
                   &why);
    if (rc == SP_OK)
        msg_key_signed_pack(&k->m, &(struct msg_key_signed){
            .number = number, .signature = slice_from(signature, len) });
    else
        msg_key_refused_pack(&k->m, &(struct msg_key_refused){
            .number = number, .text = slice_of(why) });
    return channel_send_wait(&k->monitor, &k->m);
}

static enum sp_err
keyholder_serve(struct keyholder *k)
{
    enum sp_err rc = SP_OK;

    msg_ready_pack(&k->m, &(struct msg_ready){0});
    if ((rc = channel_send_wait(&k->monitor, &k->m)) != SP_OK)
        return rc;
    channel_enter(&k->monitor, ST_READY);
    while ((rc = channel_wait(&k->monitor, &k->m, -1)) == SP_OK) {
        rc = k->m.type == MSG_KEY_SIGN ? answer_key_sign(k) : SP_INPUT;
        message_clear(&k->m);
        if (rc != SP_OK)
            break;
    }
    return rc == SP_CLOSED ? SP_OK : fail("serve", rc);
}

int
main(int argc, char **argv)
{
    static struct keyholder k;
    enum sp_err rc = SP_OK;

    message_init(&k.m);
    channel_init(&k.monitor, -1, KEYHOLDER, MONITOR, ST_START);
    if ((rc = keyholder_adopt(&k, argc, argv)) == SP_OK
        && (rc = keyholder_learn(&k)) == SP_OK
        && (rc = keyholder_drop(&k)) == SP_OK
        && (rc = keyholder_enter(&k)) == SP_OK)
        rc = keyholder_serve(&k);
    keys_clear(&k.keys);
    settings_clear(&k.settings);
    log_set_sink(NULL, NULL);
    channel_clear(&k.monitor);
    return rc == SP_OK || rc == SP_CLOSED ? 0 : 1;
}
