/* worker/ask_broker.c - see ask_broker.h */
#include "worker/ask_broker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "ftp/listing.h"
#include "wire/fail.h"
#include "wire/pack.h"
#include "worker/presence.h"
#include "worker/worker.h"

#define LOOK_MS 500             /* so often, whether the client still waits */

/* Waits for the answer `want`; a FAILED becomes SP_REFUSED. */
static enum sp_err
answer(struct worker *w, unsigned want, struct fail *fail)
{
    struct msg_failed failed = { 0 };

    if (channel_wait(&w->broker, &w->m, -1) != SP_OK)
        return SP_CLOSED;
    if (w->m.type == want)
        return SP_OK;
    if (w->m.type != MSG_FAILED || msg_failed_unpack(&w->m, &failed) != SP_OK) {
        message_clear(&w->m);
        return SP_CLOSED;
    }
    *fail = (struct fail){ .code = failed.code, .error = (int)failed.error };
    return SP_REFUSED;
}

/* The question stands in w->m. */
static enum sp_err
ask(struct worker *w, unsigned want, struct fail *fail)
{
    if (channel_send_wait(&w->broker, &w->m) != SP_OK)
        return SP_CLOSED;
    return answer(w, want, fail);
}

/* The question that is answered by OPENED stands in w->m. */
static enum sp_err
ask_opened(struct worker *w, int *fd, uint64_t *size, struct fail *fail)
{
    struct msg_opened in = { 0 };
    enum sp_err rc = ask(w, MSG_OPENED, fail);

    if (rc != SP_OK)
        return rc;
    if (msg_opened_unpack(&w->m, &in) != SP_OK) {
        message_clear(&w->m);
        return SP_CLOSED;
    }
    *size = in.size;
    *fd = message_take_fd(&w->m, 0);
    return SP_OK;
}

enum sp_err
ask_open_read(struct worker *w, const char *path, int *fd, uint64_t *size, struct fail *fail)
{
    msg_open_read_pack(&w->m, &(struct msg_open_read){ .path = slice_of(path) });
    return ask_opened(w, fd, size, fail);
}

enum sp_err
ask_open_resumed(struct worker *w, const char *path, int *fd, uint64_t *size,
                 struct fail *fail)
{
    msg_open_resumed_pack(&w->m, &(struct msg_open_resumed){ .path = slice_of(path) });
    return ask_opened(w, fd, size, fail);
}

enum sp_err
ask_open_restart(struct worker *w, const char *path, int *fd, uint64_t *size,
                 struct fail *fail)
{
    msg_open_restart_pack(&w->m, &(struct msg_open_restart){ .path = slice_of(path) });
    return ask_opened(w, fd, size, fail);
}

enum sp_err
ask_open_write(struct worker *w, const char *path, const struct upload_ask *how,
               struct upload_answer *out, struct fail *fail)
{
    struct msg_uploading in = { 0 };
    enum sp_err rc = SP_OK;

    msg_open_write_pack(&w->m, &(struct msg_open_write){
        .path = slice_of(path), .how = (uint8_t)how->how, .offset = how->offset,
        .size = how->size });
    if ((rc = ask(w, MSG_UPLOADING, fail)) != SP_OK)
        return rc;
    if (msg_uploading_unpack(&w->m, &in) != SP_OK
        || slice_to_text(in.path, out->path, sizeof out->path) != SP_OK) {
        message_clear(&w->m);
        return SP_CLOSED;
    }
    out->offset = in.offset;
    out->fd = message_take_fd(&w->m, 0);
    return SP_OK;
}

/*
 * Until the broker answers: is the client still there? If not, our end is closed for
 * writing, which the broker sees between sync and publishing. It may have published already:
 * its answer says so.
 */
static void
watch_client(struct worker *w)
{
    struct pollfd p[] = { { .fd = w->broker.fd, .events = POLLIN },
                          { .fd = w->client_gone ? -1 : w->control.fd, .events = POLLRDHUP } };

    while (poll(p, 2, -1) == -1)
        if (errno != EINTR)
            return;
    if (p[1].revents != 0 && presence_is_lost(w, 0))
        (void)shutdown(w->broker.fd, SHUT_WR);
}

enum sp_err
ask_commit(struct worker *w, uint64_t bytes, struct fail *fail)
{
    msg_commit_pack(&w->m, &(struct msg_commit){ .bytes = bytes });
    if (channel_send_wait(&w->broker, &w->m) != SP_OK)
        return SP_CLOSED;
    if (transfer_needs_client(w))
        watch_client(w);
    return answer(w, MSG_DONE, fail);
}

enum sp_err
ask_abandon(struct worker *w, struct fail *fail)
{
    msg_abandon_pack(&w->m, &(struct msg_abandon){ 0 });
    return ask(w, MSG_DONE, fail);
}

/*
 * The end of a listing that is read: all of it is waited for (STAT), or nothing is. With the
 * flags of any other descriptor the sandbox would take the next call for a breach of ours.
 */
static bool
set_up_pipe(int fd, bool blocks)
{
    int flags = fcntl(fd, F_GETFL), want = blocks ? O_RDONLY : O_RDONLY | O_NONBLOCK;

    return flags != -1 && (flags & ~O_NONBLOCK) == O_RDONLY
        && (flags == want || fcntl(fd, F_SETFL, want) == 0);
}

enum sp_err
ask_list(struct worker *w, const struct list_ask *what, int *fd, struct fail *fail)
{
    enum sp_err rc = SP_OK;

    msg_list_pack(&w->m, &(struct msg_list){
        .path = slice_of(what->path), .shown = slice_of(what->shown),
        .kind = (uint8_t)what->kind, .options = what->options, .facts = what->facts });
    if ((rc = ask(w, MSG_LISTING, fail)) != SP_OK)
        return rc;
    *fd = message_take_fd(&w->m, 0);
    if (!set_up_pipe(*fd, what->kind == LISTING_STAT)) {
        fd_close(fd);
        return SP_CLOSED;
    }
    return SP_OK;
}

enum sp_err
ask_listed(struct worker *w, uint64_t *entries, struct fail *fail)
{
    struct msg_listed in = { 0 };
    enum sp_err rc = answer(w, MSG_LISTED, fail);

    if (rc != SP_OK)
        return rc;
    if (msg_listed_unpack(&w->m, &in) != SP_OK)
        return SP_CLOSED;
    *entries = in.entries;
    return SP_OK;
}

enum sp_err
ask_facts(struct worker *w, const char *path, struct buf *line, struct fail *fail)
{
    struct msg_fact_line in = { 0 };
    enum sp_err rc = SP_OK;

    msg_facts_pack(&w->m, &(struct msg_facts){ .path = slice_of(path), .facts = w->facts });
    if ((rc = ask(w, MSG_FACT_LINE, fail)) != SP_OK)
        return rc;
    if (msg_fact_line_unpack(&w->m, &in) != SP_OK)
        return SP_CLOSED;
    return buf_add(line, in.line.at, in.line.len) == SP_OK ? SP_OK : SP_CLOSED;
}

/* The question that is answered by STATUS stands in w->m. */
static enum sp_err
ask_for_status(struct worker *w, struct file_status *out, struct fail *fail)
{
    struct msg_status in = { 0 };
    enum sp_err rc = ask(w, MSG_STATUS, fail);

    if (rc != SP_OK)
        return rc;
    if (msg_status_unpack(&w->m, &in) != SP_OK)
        return SP_CLOSED;
    *out = (struct file_status){ .kind = in.kind, .size = in.size, .mtime = in.mtime,
                                 .nanos = in.nanos, .mode = in.mode };
    return SP_OK;
}

enum sp_err
ask_status(struct worker *w, const char *path, struct file_status *out, struct fail *fail)
{
    msg_status_of_pack(&w->m, &(struct msg_status_of){ .path = slice_of(path) });
    return ask_for_status(w, out, fail);
}

enum sp_err
ask_size(struct worker *w, const char *path, struct file_status *out, struct fail *fail)
{
    msg_size_of_pack(&w->m, &(struct msg_size_of){ .path = slice_of(path) });
    return ask_for_status(w, out, fail);
}

/* The questions that are a path and are answered by DONE. */
#define ASK_PATH(name) \
    enum sp_err \
    ask_##name(struct worker *w, const char *path, struct fail *fail) \
    { \
        msg_##name##_pack(&w->m, &(struct msg_##name){ .path = slice_of(path) }); \
        return ask(w, MSG_DONE, fail); \
    }

ASK_PATH(chdir)
ASK_PATH(mkdir)
ASK_PATH(rmdir)
ASK_PATH(delete)

/* Until the broker answers: false, the client does not want it any more, or has left. */
static bool
client_waits(struct worker *w)
{
    struct pollfd p = { .fd = w->broker.fd, .events = POLLIN };

    while (poll(&p, 1, LOOK_MS) == 0)
        if (!presence_waits(w))
            return false;
    return true;
}

/* The answer to it comes first: it may have been too late. */
static enum sp_err
give_up_rename(struct worker *w, struct fail *fail)
{
    struct fail none = { 0 };
    enum sp_err rc = SP_OK, given_up = SP_OK;

    msg_abandon_pack(&w->m, &(struct msg_abandon){ 0 });
    if (channel_send_wait(&w->broker, &w->m) != SP_OK
        || (rc = answer(w, MSG_DONE, fail)) == SP_CLOSED)
        return SP_CLOSED;
    given_up = answer(w, MSG_DONE, &none);
    if (rc == SP_REFUSED && fail->code == FAIL_UNWANTED)
        fail->code = FAIL_ABORTED;
    return given_up == SP_CLOSED ? SP_CLOSED : rc;
}

/* To another file system it is a copy, which takes long. */
enum sp_err
ask_rename(struct worker *w, const char *from, const char *to, struct fail *fail)
{
    msg_rename_pack(&w->m, &(struct msg_rename){ .from = slice_of(from), .to = slice_of(to) });
    if (channel_send_wait(&w->broker, &w->m) != SP_OK)
        return SP_CLOSED;
    return client_waits(w) ? answer(w, MSG_DONE, fail) : give_up_rename(w, fail);
}

enum sp_err
ask_chmod(struct worker *w, const char *path, unsigned mode, struct fail *fail)
{
    msg_chmod_pack(&w->m, &(struct msg_chmod){ .path = slice_of(path),
                                               .mode = (uint16_t)mode });
    return ask(w, MSG_DONE, fail);
}

enum sp_err
ask_utime(struct worker *w, const char *path, int64_t seconds, uint32_t nanos,
          struct fail *fail)
{
    msg_utime_pack(&w->m, &(struct msg_utime){ .path = slice_of(path), .seconds = seconds,
                                               .nanos = nanos });
    return ask(w, MSG_DONE, fail);
}

enum sp_err
ask_umask(struct worker *w, unsigned mask, struct fail *fail)
{
    msg_umask_pack(&w->m, &(struct msg_umask){ .mask = (uint16_t)mask });
    return ask(w, MSG_DONE, fail);
}

enum sp_err
ask_space(struct worker *w, const char *path, uint64_t *bytes, struct fail *fail)
{
    struct msg_available in = { 0 };
    enum sp_err rc = SP_OK;

    msg_space_pack(&w->m, &(struct msg_space){ .path = slice_of(path) });
    if ((rc = ask(w, MSG_AVAILABLE, fail)) != SP_OK)
        return rc;
    if (msg_available_unpack(&w->m, &in) != SP_OK)
        return SP_CLOSED;
    *bytes = in.bytes;
    return SP_OK;
}
