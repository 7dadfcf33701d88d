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

#include "base/clock.h"
#include "base/fd.h"

#define LINE_ROOM (LOG_LINE_MAX + 128)
#define SYSLOG_DAEMON (3u << 3)         /* the facility, RFC 3164 */

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

enum sp_err
logsink_open(struct logsink *s, const char *where)
{
    struct logsink new = LOGSINK_EMPTY;

    new.dropped = s->dropped;
    if (strcmp(where, "stderr") == 0) {
        new.kind = LOGSINK_STDERR;
        new.fd = open_standard_error();
    } else if (strcmp(where, "syslog") == 0) {
        new.kind = LOGSINK_SYSLOG;
        new.fd = connect_syslog();      /* not there yet: tried again for each line */
    } else {
        new.kind = LOGSINK_FILE;
        if (open_file(where, &new.fd) != SP_OK)
            return SP_OS;
    }
    fd_close(&s->fd);
    *s = new;
    return SP_OK;
}

void
logsink_close(struct logsink *s)
{
    fd_close(&s->fd);
    *s = (struct logsink)LOGSINK_EMPTY;
}

/* What we could not open for ourselves may block, and its flags are not ours. */
static bool
has_room(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };

    return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0;
}

static bool
put_text(struct logsink *s, const char *text, size_t len)
{
    int fd = s->fd != -1 ? s->fd : STDERR_FILENO;
    ssize_t put = 0;

    if (s->fd == -1 && !has_room(fd))
        return false;
    if (s->torn && write(fd, "\n", 1) != 1)
        return false;
    s->torn = false;
    while ((put = write(fd, text, len)) == -1 && errno == EINTR)
        continue;
    s->torn = put > 0 && (size_t)put < len;
    return put == (ssize_t)len;
}

static unsigned
syslog_severity(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_ERROR: return 3;
    case LOG_LEVEL_WARNING: return 4;
    case LOG_LEVEL_NOTICE: return 5;
    case LOG_LEVEL_DEBUG: return 7;
    }
    return 3;
}

static bool
put_syslog(struct logsink *s, enum log_level level, const char *line)
{
    char text[LINE_ROOM], stamp[32] = "";
    time_t now = time(NULL);
    struct tm local;
    int len = 0;

    if (localtime_r(&now, &local) != NULL)
        (void)strftime(stamp, sizeof stamp, "%b %e %H:%M:%S ", &local);
    len = snprintf(text, sizeof text, "<%u>%ssallyportd[%ld]: %s",
                   SYSLOG_DAEMON | syslog_severity(level), stamp, (long)getpid(), line);
    if (len < 0)
        return false;
    if ((size_t)len >= sizeof text)
        len = (int)sizeof text - 1;
    for (unsigned tries = 0; tries < 2; tries++) {
        if (s->fd == -1 && (s->fd = connect_syslog()) == -1)
            return false;
        if (send(s->fd, text, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) == len)
            return true;
        if (errno == EAGAIN || errno == ENOBUFS)
            return false;
        fd_close(&s->fd);       /* the daemon was restarted */
    }
    return false;
}

static bool
put_line(struct logsink *s, enum log_level level, const char *line)
{
    char text[LINE_ROOM], stamp[25];
    int len = 0;

    if (s->kind == LOGSINK_SYSLOG)
        return put_syslog(s, level, line);
    clock_stamp(stamp);
    len = snprintf(text, sizeof text, "%s %s %s\n", stamp, log_level_text(level), line);
    if (len < 0)
        return false;
    if ((size_t)len >= sizeof text) {
        len = (int)sizeof text - 1;
        text[len - 1] = '\n';
    }
    return put_text(s, text, (size_t)len);
}

void
logsink_write(void *sink, enum log_level level, const char *line)
{
    struct logsink *s = sink;
    char note[64];
    int saved = errno;

    if (s->dropped > 0) {
        (void)snprintf(note, sizeof note, "%s lines=%llu",
                       log_event_name(EVENT_LOG_DROPPED), (unsigned long long)s->dropped);
        if (put_line(s, LOG_LEVEL_WARNING, note))
            s->dropped = 0;
    }
    if (!put_line(s, level, line))
        s->dropped++;
    errno = saved;
}

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
