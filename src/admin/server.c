/* admin/server.c - see admin/server.h */
#include "admin/server.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/site.h"
#include "base/clock.h"
#include "base/fd.h"
#include "wire/channel.h"
#include "wire/pack.h"

#define PATH_ROOM 2048

const char *
server_refusal(enum admin_refusal refusal)
{
    switch (refusal) {
    case ADMIN_REFUSAL_RELOAD: return "the server keeps its configuration";
    case ADMIN_REFUSAL_STOPPING: return "the server is stopping";
    case ADMIN_REFUSAL_FULL: return "the list of bans is full; remove some";
    case ADMIN_REFUSAL_ABSENT: return "not found";
    case ADMIN_REFUSAL_MEMORY: return "the server is out of memory";
    case ADMIN_REFUSAL_NONE: case ADMIN_REFUSAL_COUNT: break;
    }
    return "the server refused the request";
}

/* From inside its directory: a whole path may be longer than an address can be. */
static enum sp_err
connect_in(const char *path, int fd)
{
    const struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = ADMIN_SOCKET };
    int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC), error = 0;

    if (here == -1)
        return SP_OS;
    if (chdir(path) == -1 || connect(fd, (const struct sockaddr *)&at, sizeof at) == -1)
        error = errno;
    if (fchdir(here) == -1 && error == 0)
        error = errno;
    fd_close(&here);
    errno = error;
    return error == 0 ? SP_OK : SP_OS;
}

static bool
is_absent(int error)
{
    return error == ENOENT || error == ENOTDIR || error == ECONNREFUSED;
}

static enum say_exit
open_channel(const struct site *site, struct channel *c, int seconds, bool *absent)
{
    const struct timeval most = { seconds, 0 };
    const char *directory = site->settings.run_directory;
    char path[PATH_ROOM];
    int fd = -1, error = ENAMETOOLONG;

    if (!text_printf(path, sizeof path, "%s/" ADMIN_DIRECTORY, directory))
        return say_end(SAY_FAILED, "run_directory: %s", strerror(error));
    if ((fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) != -1
        && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most) == 0
        && connect_in(path, fd) == SP_OK) {
        channel_init(c, fd_move(&fd), ADMIN, MONITOR, ST_READY);
        return SAY_DONE;
    }
    error = errno;
    fd_close(&fd);
    if (absent != NULL && is_absent(error)) {
        *absent = true;
        return SAY_FAILED;
    }
    if (is_absent(error))
        return say_end(SAY_FAILED, "no server is running (%s/" ADMIN_SOCKET ": %s); use -c FILE"
                       " to name the configuration of another server", path,
                       strerror(error));
    return say_end(SAY_FAILED, "%s/" ADMIN_SOCKET ": %s%s", path, strerror(error),
                   error == EACCES || error == EPERM
                       ? "; only root, or the user who started the server, has access" : "");
}

/* SP_AGAIN: more rows come. */
static enum sp_err
take_row(const struct message *m, server_row *row, void *context,
         struct server_answer *answer)
{
    struct msg_admin_done done = { 0 };
    struct msg_admin_refused refused = { 0 };
    enum sp_err rc = SP_INPUT;

    switch (m->type) {
    case MSG_ADMIN_DONE:
        if ((rc = msg_admin_done_unpack(m, &done)) != SP_OK)
            return rc;
        answer->done = true;
        answer->count = done.count;
        return SP_OK;
    case MSG_ADMIN_REFUSED:
        if ((rc = msg_admin_refused_unpack(m, &refused)) != SP_OK)
            return rc;
        answer->refusal = (enum admin_refusal)refused.reason;
        return SP_OK;
    default:
        if (row == NULL || (rc = row(context, m)) != SP_OK)
            return SP_INPUT;
        return SP_AGAIN;
    }
}

static enum sp_err
read_answer(struct channel *c, struct message *m, int seconds, server_row *row,
            void *context, struct server_answer *answer)
{
    int64_t end = clock_ms() + (int64_t)seconds * 1000;
    enum sp_err rc = SP_AGAIN;

    while (rc == SP_AGAIN) {
        int64_t left = end - clock_ms();

        if (left <= 0 || (rc = channel_wait(c, m, (int)left)) == SP_AGAIN)
            return SP_AGAIN;
        if (rc == SP_OK)
            rc = take_row(m, row, context, answer);
        message_clear(m);
    }
    return rc;
}

enum say_exit
server_ask(const struct site *site, struct message *request, int seconds,
           server_row *row, void *context, struct server_answer *answer, bool *absent)
{
    struct channel c = CHANNEL_EMPTY;
    enum say_exit code = SAY_DONE;
    enum sp_err rc = SP_OK;

    *answer = (struct server_answer){ .done = false };
    if ((code = open_channel(site, &c, seconds, absent)) != SAY_DONE)
        return code;
    if ((rc = channel_send_wait(&c, request)) == SP_OK)
        rc = read_answer(&c, request, seconds, row, context, answer);
    channel_clear(&c);
    switch (rc) {
    case SP_OK:
        return SAY_DONE;
    case SP_AGAIN:
        return say_end(SAY_FAILED, "the server did not answer within %d seconds", seconds);
    case SP_CLOSED:
        return say_end(SAY_FAILED, "the server closed the connection; see its log");
    case SP_INPUT: case SP_REFUSED: case SP_NOMEM: case SP_OS:
        return say_end(SAY_FAILED, "cannot read the server's answer; it may be a different version"
                       " than this tool");
    }
    return SAY_FAILED;
}
