/* monitor/logsink.c - see logsink.h */
#include "monitor/logsink.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/fd.h"

#define LINE_ROOM (LOG_LINE_MAX + 128)
#define SYSLOG_DAEMON (3u << 3)         /* the facility, RFC 3164 */
#define WAITING_MOST ((size_t)1 << 20)  /* bytes of lines that wait for room */
#define WAITING_MUCH ((size_t)1 << 16)
#define CLOSE_TURNS 50
#define CLOSE_TURN_MS 20
#define DEAD_MS 10000                   /* nothing was taken for so long: do not wait for it */

static enum sp_err
open_file(const char *path, int *fd)
{
    struct stat st;
    int made = -1;

    /* O_NONBLOCK for a FIFO that nobody reads; it does nothing to a regular file. */
    made = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK
                | O_NOFOLLOW, 0640);
    if (made == -1)
        return SP_OS;
    if (fstat(made, &st) == -1 || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode)) {
        fd_close(&made);
        errno = EINVAL;
        return SP_OS;
    }
    /* our umask is 077, but the group may read a log that we make */
    if (S_ISREG(st.st_mode) && st.st_size == 0 && fchmod(made, 0640) == -1)
        errno = 0;              /* somebody else's file: it is written all the same */
    *fd = made;
    return SP_OK;
}

/*
 * Standard error once more, for ourselves: its flags are shared with whoever started us,
 * and only O_NONBLOCK keeps a terminal that somebody has stopped from stopping us. -1:
 * there is no other one to be had (a socket, a file that cannot block, no /proc).
 */
static int
open_standard_error(void)
{
    struct stat st;

    if (fstat(STDERR_FILENO, &st) == -1 || (!S_ISCHR(st.st_mode) && !S_ISFIFO(st.st_mode)))
        return -1;
    return open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* Our own socket and not syslog(3), which waits for a daemon that does not read. */
static int
connect_syslog(void)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd != -1 && connect(fd, (struct sockaddr *)&at, sizeof at) == -1)
        fd_close(&fd);
    return fd;
}

bool
logsink_is_journal(const char *stream)
{
    char own[64];
    struct stat st;

    return stream != NULL && fstat(STDERR_FILENO, &st) == 0 && S_ISSOCK(st.st_mode)
        && text_printf(own, sizeof own, "%llu:%llu", (unsigned long long)st.st_dev,
                       (unsigned long long)st.st_ino)
        && strcmp(stream, own) == 0;
}

enum sp_err
logsink_open(struct logsink *s, const char *where)
{
    struct logsink new = LOGSINK_EMPTY;

    new.journal = s->journal;
    if (strcmp(where, "stderr") == 0) {
        new.kind = s->journal ? LOGSINK_JOURNAL : LOGSINK_STDERR;
        new.fd = open_standard_error();
    } else if (strcmp(where, "syslog") == 0) {
        new.kind = LOGSINK_SYSLOG;
        new.fd = connect_syslog();      /* not there yet: tried again for each line */
    } else {
        new.kind = LOGSINK_FILE;
        if (open_file(where, &new.fd) != SP_OK)
            return SP_OS;
    }
    logsink_flush(s);
    new.dropped = s->dropped;
    if (new.kind == s->kind) {          /* its lines wait on, in the same form */
        new.waiting = s->waiting;
        new.lines = s->lines;
        new.sent = s->sent;
        new.stuck = s->stuck;
    } else {
        new.dropped += s->lines;
        buf_free(&s->waiting);
    }
    fd_close(&s->fd);
    *s = new;
    return SP_OK;
}

bool
logsink_is_unheard(const struct logsink *s)
{
    return s->kind == LOGSINK_SYSLOG && s->fd == -1;
}

void
logsink_close(struct logsink *s)
{
    logsink_flush(s);
    for (unsigned turns = 0; turns < CLOSE_TURNS && s->waiting.len > 0; turns++) {
        (void)poll(NULL, 0, CLOSE_TURN_MS);
        logsink_flush(s);
    }
    buf_free(&s->waiting);
    fd_close(&s->fd);
    *s = (struct logsink)LOGSINK_EMPTY;
}

/* ---- one line ------------------------------------------------------------------------- */

/* SP_OK: written; SP_AGAIN: not now; SP_OS: not, and it is lost. *put: bytes of it that are. */

/* What we could not open for ourselves may block, and its flags are not ours. */
static bool
has_room(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };

    return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0;
}

static enum sp_err
put_text(struct logsink *s, const char *text, size_t len, size_t *put)
{
    int fd = s->fd != -1 ? s->fd : STDERR_FILENO;
    ssize_t n = 0;

    if (s->fd == -1 && !has_room(fd))
        return SP_AGAIN;
    if (s->torn && write(fd, "\n", 1) != 1)
        return SP_OS;
    s->torn = false;
    while ((n = write(fd, text, len)) == -1 && errno == EINTR)
        continue;
    if (n == -1)
        return errno == EAGAIN ? SP_AGAIN : SP_OS;
    *put = (size_t)n;
    if ((size_t)n == len)
        return SP_OK;
    s->torn = s->kind == LOGSINK_FILE;  /* its disk is full; others take the rest later */
    return s->torn ? SP_OS : SP_AGAIN;
}

static enum sp_err
put_syslog(struct logsink *s, const char *text, size_t len)
{
    for (unsigned tries = 0; tries < 2; tries++) {
        if (s->fd == -1 && (s->fd = connect_syslog()) == -1)
            return SP_AGAIN;            /* it may be about to start */
        if (send(s->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len)
            return SP_OK;
        if (errno == EAGAIN || errno == ENOBUFS)
            return SP_AGAIN;
        fd_close(&s->fd);               /* the daemon was restarted */
    }
    return SP_AGAIN;
}

static enum sp_err
put(struct logsink *s, const char *text, size_t len, size_t *done)
{
    enum sp_err rc = SP_OK;

    *done = 0;
    if (s->kind == LOGSINK_SYSLOG)
        rc = put_syslog(s, text, len);
    else
        rc = put_text(s, text, len, done);
    if (rc == SP_OK || *done > 0)
        s->stuck = 0;
    else if (rc == SP_AGAIN && s->stuck == 0)
        s->stuck = clock_ms();
    return rc;
}

static unsigned
severity(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_ERROR: return 3;
    case LOG_LEVEL_WARNING: return 4;
    case LOG_LEVEL_NOTICE: return 5;
    case LOG_LEVEL_DEBUG: return 7;
    }
    return 3;
}

/* As its reader wants it: the journal and syslog have a clock and levels of their own. */
static size_t
make_line(const struct logsink *s, enum log_level level, const char *line,
          char text[LINE_ROOM])
{
    char stamp[32] = "";
    time_t now = 0;
    struct tm local;
    int len = 0;

    switch (s->kind) {
    case LOGSINK_JOURNAL:
        len = snprintf(text, LINE_ROOM, "<%u>%s\n", severity(level), line);
        break;
    case LOGSINK_SYSLOG:
        now = time(NULL);
        if (localtime_r(&now, &local) != NULL)
            (void)strftime(stamp, sizeof stamp, "%b %e %H:%M:%S ", &local);
        len = snprintf(text, LINE_ROOM, "<%u>%ssallyportd[%ld]: %s",
                       SYSLOG_DAEMON | severity(level), stamp, (long)getpid(), line);
        break;
    case LOGSINK_STDERR: case LOGSINK_FILE:
        clock_stamp(stamp);
        len = snprintf(text, LINE_ROOM, "%s %s %s\n", stamp, log_level_text(level), line);
        break;
    }
    if (len < 0)
        return 0;
    if (len >= LINE_ROOM) {
        len = LINE_ROOM - 1;
        if (s->kind != LOGSINK_SYSLOG)
            text[len - 1] = '\n';
    }
    return (size_t)len;
}

/* ---- lines that wait ------------------------------------------------------------------ */

/* In waiting: two bytes of length, then the line. sent: bytes of the first that are out. */
void
logsink_flush(struct logsink *s)
{
    size_t at = 0, done = 0;

    while (s->waiting.len > at) {
        const unsigned char *head = s->waiting.at + at;
        size_t len = (size_t)bytes_get_little(head, 2);
        enum sp_err rc = put(s, (const char *)head + 2 + s->sent, len - s->sent, &done);

        if (rc == SP_AGAIN) {
            s->sent += done;
            break;
        }
        s->dropped += rc != SP_OK;
        s->lines--;
        s->sent = 0;
        at += 2 + len;
    }
    buf_consume(&s->waiting, at);
}

static bool
wait_in_line(struct logsink *s, const char *text, size_t len)
{
    unsigned char head[2];

    bytes_put_little(head, len, sizeof head);
    if (s->waiting.len + sizeof head + len > WAITING_MOST
        || buf_reserve(&s->waiting, sizeof head + len) != SP_OK
        || buf_add(&s->waiting, head, sizeof head) != SP_OK
        || buf_add(&s->waiting, text, len) != SP_OK)
        return false;
    s->lines++;
    return true;
}

/* Writes it, or has it wait. False: neither. */
static bool
write_or_wait(struct logsink *s, enum log_level level, const char *line)
{
    char text[LINE_ROOM];
    size_t len = make_line(s, level, line, text), done = 0;
    enum sp_err rc = SP_AGAIN;

    if (s->waiting.len == 0)
        rc = put(s, text, len, &done);
    if (rc != SP_AGAIN)
        return rc == SP_OK;
    if (!wait_in_line(s, text, len))
        return false;
    s->sent = s->lines == 1 ? done : s->sent;
    return true;
}

void
logsink_write(void *sink, enum log_level level, const char *line)
{
    struct logsink *s = sink;
    char note[64];
    int saved = errno;

    logsink_flush(s);
    if (s->dropped > 0) {
        (void)snprintf(note, sizeof note, "%s lines=%llu",
                       log_event_name(EVENT_LOG_DROPPED), (unsigned long long)s->dropped);
        if (write_or_wait(s, log_event_level(EVENT_LOG_DROPPED), note))
            s->dropped = 0;
    }
    if (!write_or_wait(s, level, line))
        s->dropped++;
    errno = saved;
}

bool
logsink_waits(const struct logsink *s)
{
    return s->waiting.len > 0;
}

bool
logsink_is_behind(const struct logsink *s)
{
    return s->waiting.len > WAITING_MUCH
        && (s->stuck == 0 || clock_ms() - s->stuck < DEAD_MS);
}

/* ---- what other processes say ---------------------------------------------------------- */

static bool
is_kept(unsigned char c)
{
    return c == ' ' || c == '"' || c == '\'' || c == '\\';
}

/* Words go to log_text in pieces that fit there escaped, never cut inside a character. */
static bool
word_ends(unsigned char next, size_t len)
{
    return is_kept(next) || (len >= 64 && (next & 0xc0) != 0x80) || len >= 120;
}

/* Has log_text made it, in the process that speaks? */
static bool
is_escape(struct slice s)
{
    return s.len >= 4 && s.at[1] == 'x' && isxdigit(s.at[2]) && isxdigit(s.at[3]);
}

const char *
logsink_line(struct slice s, char out[LOGSINK_TEXT_MAX])
{
    struct log_escaped word;
    size_t len = 0;

    /* log_text knows what is harmless; only the space and the quotes are kept besides */
    while (s.len > 0) {
        struct slice part = { s.at, 0 };
        bool keep = is_kept(s.at[0]) && (s.at[0] != '\\' || is_escape(s));
        size_t need = 1;

        if (!keep) {
            while (part.len == 0
                   || (part.len < s.len && !word_ends(s.at[part.len], part.len)))
                part.len++;
            need = strlen(log_text(part, &word));
        }
        if (len + need > LOGSINK_TEXT_MAX - 1)
            break;
        if (keep)
            out[len] = (char)(s.at[0] == '"' ? '\'' : s.at[0]);
        else
            memcpy(out + len, word.text, need);
        len += need;
        s.at += keep ? 1 : part.len;
        s.len -= keep ? 1 : part.len;
    }
    out[len] = '\0';
    return out;
}
