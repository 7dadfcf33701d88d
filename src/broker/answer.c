/* broker/answer.c - see broker/answer.h */
#include "broker/answer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/heap.h"
#include "base/log.h"
#include "broker/broker.h"
#include "broker/files.h"
#include "broker/lines.h"
#include "broker/listing.h"
#include "broker/takeover.h"
#include "broker/upload.h"
#include "wire/pack.h"

#define LINE_MOST 5120          /* of FACT_LINE */
#define PIPE_LEAST 65536        /* what a pipe holds anyway */
#define PIPE_MOST (1 << 20)
#define TURN_MS 10              /* where descriptors on their way are too many: */
#define TURNS_MOST 500          /* 5 s, then the session ends                   */
#define WORKER_END_MS 5000      /* for a worker that the monitor ends with its session */

/*
 * Decodes in, asks the module, fills reply. SP_INPUT and SP_CLOSED end the session; any
 * other failure of the module has become a FAILED.
 */
typedef enum sp_err answer(struct broker *b, const struct message *in,
                           struct message *reply);

static enum sp_err
pack_failed(struct broker *b, struct message *reply, enum sp_err rc)
{
    enum fail_code code = FAIL_OS;
    int error = 0;

    if (rc == SP_CLOSED)
        return rc;
    broker_failure(b, rc, &code, &error);
    msg_failed_pack(reply, &(struct msg_failed){ .code = (uint8_t)code,
                                                 .error = (uint32_t)error });
    return SP_OK;
}

static enum sp_err
pack_done(struct broker *b, struct message *reply, enum sp_err rc)
{
    if (rc != SP_OK)
        return pack_failed(b, reply, rc);
    msg_done_pack(reply, &(struct msg_done){ 0 });
    return SP_OK;
}

/* Who changed what: text from outside, escaped, once it has been done. */
static void
note(enum sp_err rc, enum log_event event, struct slice path)
{
    struct log_escaped text;

    if (rc == SP_OK)
        log_event(event, "path=%s", log_text(path, &text));
}

static enum sp_err
pack_opened(struct message *reply, int *fd, const struct statx *st)
{
    msg_opened_pack(reply, &(struct msg_opened){
        .size = st->stx_size > INT64_MAX ? INT64_MAX : st->stx_size });
    reply->fds[0] = fd_move(fd);
    reply->nfds = 1;
    return SP_OK;
}

static enum sp_err
answer_open_read(struct broker *b, const struct message *in, struct message *reply)
{
    struct msg_open_read ask;
    struct statx st;
    int fd = -1;
    enum sp_err rc;

    if ((rc = msg_open_read_unpack(in, &ask)) != SP_OK)
        return rc;
    if ((rc = files_open_read(b, ask.path, &fd, &st)) != SP_OK)
        return pack_failed(b, reply, rc);
    return pack_opened(reply, &fd, &st);
}

static enum sp_err
answer_open_resumed(struct broker *b, const struct message *in, struct message *reply)
{
    struct msg_open_resumed ask;
    struct statx st;
    int fd = -1;
    enum sp_err rc;

    if ((rc = msg_open_resumed_unpack(in, &ask)) != SP_OK)
        return rc;
    if ((rc = files_open_resumed(b, ask.path, &fd, &st)) != SP_OK)
        return pack_failed(b, reply, rc);
    return pack_opened(reply, &fd, &st);
}

static enum sp_err
answer_open_restart(struct broker *b, const struct message *in, struct message *reply)
{
    struct msg_open_restart ask;
    struct statx st;
    int fd = -1;
    enum sp_err rc;

    if ((rc = msg_open_restart_unpack(in, &ask)) != SP_OK)
        return rc;
    if ((rc = files_open_restart(b, ask.path, &fd, &st)) != SP_OK)
        return pack_failed(b, reply, rc);
    return pack_opened(reply, &fd, &st);
}

static enum sp_err
answer_open_write(struct broker *b, const struct message *in, struct message *reply)
{
    struct msg_open_write ask;
    char path[PATH_MAX];
    enum sp_err rc;

    if ((rc = msg_open_write_unpack(in, &ask)) != SP_OK)
        return rc;
    if ((rc = upload_begin(b, &ask, path)) != SP_OK)
        return pack_failed(b, reply, rc);
    msg_uploading_pack(reply, &(struct msg_uploading){ .path = slice_of(path),
                                                       .offset = b->upload.offset });
    reply->fds[0] = b->upload.fd;       /* it is to be published, too */
    reply->nfds = 1;
    reply->lent = true;
    return SP_OK;
}

static enum sp_err
answer_commit(struct broker *b, const struct message *in, struct message *reply)
{
    struct msg_commit ask;
    enum sp_err rc;

    if ((rc = msg_commit_unpack(in, &ask)) != SP_OK)
        return rc;
    return pack_done(b, reply, upload_commit(b, ask.bytes));
}

static enum sp_err
answer_abandon(struct broker *b, const struct message *in, struct message *reply)
{
    struct msg_abandon ask;
    enum sp_err rc;

    if ((rc = msg_abandon_unpack(in, &ask)) != SP_OK)
        return rc;
    upload_settle(b);
    return pack_done(b, reply, SP_OK);
}

/*
 * A worker that asks and does not read holds up nobody but itself: not the other sessions
 * of this uid either, with which the kernel counts together what descriptors are on their
 * way. One waits until those before it were read (the channel's small buffer says so:
 * broker_bound_unread); and where all are too many, each waits its turn.
 */
static enum sp_err
send_reply(struct broker *b, struct message *reply)
{
    enum sp_err rc = SP_OK;

    if (reply->nfds > 0 && (rc = broker_await(b, b->worker.fd, POLLOUT)) != SP_OK)
        return rc;
    for (unsigned turns = 0;;) {
        rc = channel_send(&b->worker, reply);
        if (rc == SP_AGAIN)
            rc = broker_await(b, b->worker.fd, POLLOUT);
        else if (rc == SP_OS && errno == ETOOMANYREFS && turns++ < TURNS_MOST)
            rc = broker_pause(b, TURN_MS);
        else
            return rc;
        if (rc != SP_OK)
            return rc;
    }
}

/* The reading end goes to the worker before the first line is written. */
static enum sp_err
send_listing(struct broker *b, struct listing *l, int *writing)
{
    int ends[2] = { -1, -1 };
    size_t size = listing_size(l);
    struct message m;
    enum sp_err rc = SP_OK;

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1)
        return SP_OS;
    /* Fewer turns between the two of us. A kernel that refuses gives an ordinary pipe. */
    if (size > PIPE_LEAST || l->more)
        (void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_MOST);
    msg_listing_pack(&m, &(struct msg_listing){ 0 });
    m.fds[0] = fd_move(&ends[0]);
    m.nfds = 1;
    if ((rc = send_reply(b, &m)) == SP_OK)
        *writing = fd_move(&ends[1]);
    else
        rc = SP_CLOSED;
    message_clear(&m);
    fd_close(&ends[1]);
    return rc;
}

static enum sp_err
answer_list(struct broker *b, const struct message *in, struct message *reply)
{
    struct msg_list ask;
    struct listing l;
    int writing = -1;
    enum sp_err rc;

    if ((rc = msg_list_unpack(in, &ask)) != SP_OK)
        return rc;
    if ((rc = listing_prepare(&l, b, &ask)) == SP_OK
        && (rc = send_listing(b, &l, &writing)) == SP_OK)
        rc = lines_write(&l, writing);
    if (rc == SP_OK)
        msg_listed_pack(reply, &(struct msg_listed){ .entries = l.entries });
    else
        rc = pack_failed(b, reply, rc);
    fd_close(&writing);
    listing_clear(&l);
    return rc;
}

static enum sp_err
answer_facts(struct broker *b, const struct message *in, struct message *reply)
{
    struct buf line = BUF_EMPTY(LINE_MOST);
    struct msg_facts ask;
    enum sp_err rc;

    if ((rc = msg_facts_unpack(in, &ask)) != SP_OK)
        return rc;
    if ((rc = files_facts(b, ask.path, ask.facts, &line)) == SP_OK)
        msg_fact_line_pack(reply, &(struct msg_fact_line){ .line = buf_slice(&line) });
    else
        rc = pack_failed(b, reply, rc);
    buf_free(&line);
    return rc;
}

static enum sp_err
answer_status_of(struct broker *b, const struct message *in, struct message *reply)
{
    struct msg_status_of ask;
    struct msg_status found = { 0 };
    enum sp_err rc;

    if ((rc = msg_status_of_unpack(in, &ask)) != SP_OK)
        return rc;
    if ((rc = files_status(b, ask.path, &found)) != SP_OK)
        return pack_failed(b, reply, rc);
    msg_status_pack(reply, &found);
    return SP_OK;
}

static enum sp_err
answer_size_of(struct broker *b, const struct message *in, struct message *reply)
{
    struct msg_size_of ask;
    struct msg_status found = { 0 };
    enum sp_err rc;

    if ((rc = msg_size_of_unpack(in, &ask)) != SP_OK)
        return rc;
    if ((rc = files_size(b, ask.path, &found)) != SP_OK)
        return pack_failed(b, reply, rc);
    msg_status_pack(reply, &found);
    return SP_OK;
}

static enum sp_err
answer_chdir(struct broker *b, const struct message *in, struct message *reply)
{
    struct msg_chdir ask;
    enum sp_err rc;

    if ((rc = msg_chdir_unpack(in, &ask)) != SP_OK)
        return rc;
    return pack_done(b, reply, files_chdir(b, ask.path));
}

static enum sp_err
answer_mkdir(struct broker *b, const struct message *in, struct message *reply)
{
    struct msg_mkdir ask;
    enum sp_err rc;

    if ((rc = msg_mkdir_unpack(in, &ask)) != SP_OK)
        return rc;
    rc = files_mkdir(b, ask.path);
    note(rc, EVENT_DIRECTORY_MADE, ask.path);
    return pack_done(b, reply, rc);
}

static enum sp_err
answer_rmdir(struct broker *b, const struct message *in, struct message *reply)
{
    struct msg_rmdir ask;
    enum sp_err rc;

    if ((rc = msg_rmdir_unpack(in, &ask)) != SP_OK)
        return rc;
    rc = files_rmdir(b, ask.path);
    note(rc, EVENT_DIRECTORY_REMOVED, ask.path);
    return pack_done(b, reply, rc);
}

static enum sp_err
answer_delete(struct broker *b, const struct message *in, struct message *reply)
{
    struct msg_delete ask;
    enum sp_err rc;

    if ((rc = msg_delete_unpack(in, &ask)) != SP_OK)
        return rc;
    rc = files_delete(b, ask.path);
    note(rc, EVENT_FILE_DELETED, ask.path);
    return pack_done(b, reply, rc);
}

static enum sp_err
answer_rename(struct broker *b, const struct message *in, struct message *reply)
{
    struct log_escaped from, to;
    struct msg_rename ask;
    enum sp_err rc;

    if ((rc = msg_rename_unpack(in, &ask)) != SP_OK)
        return rc;
    if ((rc = files_rename(b, ask.from, ask.to)) == SP_OK)
        log_event(EVENT_FILE_RENAMED, "from=%s to=%s", log_text(ask.from, &from),
                  log_text(ask.to, &to));
    return pack_done(b, reply, rc);
}

static enum sp_err
answer_chmod(struct broker *b, const struct message *in, struct message *reply)
{
    struct log_escaped text;
    struct msg_chmod ask;
    enum sp_err rc;

    if ((rc = msg_chmod_unpack(in, &ask)) != SP_OK)
        return rc;
    if ((rc = files_chmod(b, ask.path, ask.mode)) == SP_OK)
        log_event(EVENT_FILE_MODE, "mode=%03o path=%s", (unsigned)ask.mode,
                  log_text(ask.path, &text));
    return pack_done(b, reply, rc);
}

static enum sp_err
answer_utime(struct broker *b, const struct message *in, struct message *reply)
{
    struct log_escaped text;
    struct msg_utime ask;
    enum sp_err rc;

    if ((rc = msg_utime_unpack(in, &ask)) != SP_OK)
        return rc;
    if ((rc = files_utime(b, ask.path, ask.seconds, ask.nanos)) == SP_OK)
        log_event(EVENT_FILE_TIME, "time=%lld path=%s", (long long)ask.seconds,
                  log_text(ask.path, &text));
    return pack_done(b, reply, rc);
}

static enum sp_err
answer_umask(struct broker *b, const struct message *in, struct message *reply)
{
    struct msg_umask ask;
    enum sp_err rc;

    if ((rc = msg_umask_unpack(in, &ask)) != SP_OK)
        return rc;
    return pack_done(b, reply, files_umask(b, ask.mask));
}

static enum sp_err
answer_space(struct broker *b, const struct message *in, struct message *reply)
{
    struct msg_space ask;
    uint64_t bytes = 0;
    enum sp_err rc;

    if ((rc = msg_space_unpack(in, &ask)) != SP_OK)
        return rc;
    if ((rc = files_space(b, ask.path, &bytes)) != SP_OK)
        return pack_failed(b, reply, rc);
    msg_available_pack(reply, &(struct msg_available){ .bytes = bytes });
    return SP_OK;
}

static const struct { unsigned type; answer *run; } rows[] = {
    { MSG_OPEN_READ, answer_open_read },
    { MSG_OPEN_WRITE, answer_open_write },
    { MSG_COMMIT, answer_commit },
    { MSG_ABANDON, answer_abandon },
    { MSG_LIST, answer_list },
    { MSG_FACTS, answer_facts },
    { MSG_STATUS_OF, answer_status_of },
    { MSG_CHDIR, answer_chdir },
    { MSG_MKDIR, answer_mkdir },
    { MSG_RMDIR, answer_rmdir },
    { MSG_DELETE, answer_delete },
    { MSG_RENAME, answer_rename },
    { MSG_CHMOD, answer_chmod },
    { MSG_UTIME, answer_utime },
    { MSG_UMASK, answer_umask },
    { MSG_SPACE, answer_space },
    { MSG_SIZE_OF, answer_size_of },
    { MSG_OPEN_RESUMED, answer_open_resumed },
    { MSG_OPEN_RESTART, answer_open_restart },
};

static enum sp_err
run(struct broker *b, const struct message *in, struct message *reply)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].type == in->type)
            return rows[i].run(b, in, reply);
    return SP_INPUT;            /* the wire lets a type through that nobody answers */
}

enum sp_err
answer_one(struct broker *b)
{
    struct message in, reply;
    const char *fault = "wrong-fields";
    enum sp_err rc = SP_OK;

    message_init(&in);
    message_init(&reply);
    while ((rc = broker_await_request(b)) == SP_AGAIN)
        if ((rc = takeover_hear(b)) != SP_OK)
            break;
    if (rc != SP_OK)
        return rc;
    if ((rc = channel_wait(&b->worker, &in, -1)) != SP_OK)
        fault = b->worker.fault != NULL ? b->worker.fault : "?";
    else if ((rc = run(b, &in, &reply)) == SP_OK)
        rc = send_reply(b, &reply);
    if (rc == SP_INPUT)
        log_event(EVENT_BREACH, "by=worker fault=%s message=%s", fault,
                  message_name(in.type));
    /* The one place where the state moves: the upload alone says what may come next. */
    channel_enter(&b->worker, b->upload.open ? ST_UPLOAD : ST_USER);
    message_clear(&in);
    message_clear(&reply);
    return rc;
}

enum sp_err
answer_serve(struct broker *b)
{
    enum sp_err rc = answer_one(b);     /* the first belongs to the login */

    stack_give_back();
    while (rc == SP_OK)
        rc = answer_one(b);
    /*
     * The next one is not to have the file while a last write of this one is under way. A
     * worker that broke a rule is killed when we have ended, so that is not waited for.
     */
    if (b->upload.open && rc != SP_INPUT)
        broker_await_worker_end(b, WORKER_END_MS);
    upload_settle(b);
    return rc;
}
