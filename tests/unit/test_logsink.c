/* tests/unit/test_logsink.c - monitor/logsink.c */
#include "monitor/logsink.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "suites_monitor.h"

static void
read_file(const char *path, char *out, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = 0;

    CU_ASSERT_TRUE_FATAL(fd != -1);
    got = read(fd, out, room - 1);
    out[got < 0 ? 0 : got] = '\0';
    fd_close(&fd);
}

/* "log" in a directory of its own; the caller removes both. */
static void
make_path(char dir[64], char path[96])
{
    (void)snprintf(dir, 64, "/tmp/sallyport-unit-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    (void)snprintf(path, 96, "%s/log", dir);
}

static void
form_of_a_line(void)
{
    struct logsink s = LOGSINK_EMPTY;
    char dir[64], path[96], text[512];
    struct stat st;

    make_path(dir, path);
    CU_ASSERT_EQUAL_FATAL(logsink_open(&s, path), SP_OK);
    logsink_write(&s, LOG_LEVEL_NOTICE, "event key=value");
    logsink_write(&s, LOG_LEVEL_ERROR, "other");
    read_file(path, text, sizeof text);
    /* 2026-11-21T07:33:38.123Z notice event key=value */
    CU_ASSERT_EQUAL(text[10], 'T');
    CU_ASSERT_EQUAL(text[23], 'Z');
    CU_ASSERT_EQUAL(strncmp(text + 24, " notice event key=value\n", 24), 0);
    CU_ASSERT_STRING_EQUAL(text + 24 + 24 + 24, " error other\n");
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0640);
    logsink_close(&s);
    (void)unlink(path);
    (void)rmdir(dir);
}

static void
opened_anew_after_a_rename(void)
{
    struct logsink s = LOGSINK_EMPTY;
    char dir[64], path[96], old[104], text[512];

    make_path(dir, path);
    (void)snprintf(old, sizeof old, "%s.1", path);
    CU_ASSERT_EQUAL_FATAL(logsink_open(&s, path), SP_OK);
    logsink_write(&s, LOG_LEVEL_NOTICE, "first");
    CU_ASSERT_EQUAL(rename(path, old), 0);
    CU_ASSERT_EQUAL(logsink_open(&s, path), SP_OK);
    logsink_write(&s, LOG_LEVEL_NOTICE, "second");
    read_file(old, text, sizeof text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "first"));
    CU_ASSERT_PTR_NULL(strstr(text, "second"));
    read_file(path, text, sizeof text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "second"));
    logsink_close(&s);
    (void)unlink(path);
    (void)unlink(old);
    (void)rmdir(dir);
}

static void
a_bad_path_changes_nothing(void)
{
    static const char *const bad[] = { "/nonexistent/log", "/tmp" };
    struct logsink s = LOGSINK_EMPTY;
    char dir[64], path[96], text[512];

    make_path(dir, path);
    CU_ASSERT_EQUAL_FATAL(logsink_open(&s, path), SP_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CU_ASSERT_EQUAL(logsink_open(&s, bad[i]), SP_OS);
    logsink_write(&s, LOG_LEVEL_NOTICE, "still");
    read_file(path, text, sizeof text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "still"));
    logsink_close(&s);
    (void)unlink(path);
    (void)rmdir(dir);
}

static void
a_full_disk_is_counted(void)
{
    struct logsink s = LOGSINK_EMPTY;
    char dir[64], path[96], text[512];

    CU_ASSERT_EQUAL_FATAL(logsink_open(&s, "/dev/full"), SP_OK);
    for (unsigned i = 0; i < 3; i++)
        logsink_write(&s, LOG_LEVEL_NOTICE, "lost");
    CU_ASSERT_EQUAL(s.dropped, 3);
    make_path(dir, path);
    CU_ASSERT_EQUAL(logsink_open(&s, path), SP_OK);
    logsink_write(&s, LOG_LEVEL_NOTICE, "found");
    CU_ASSERT_EQUAL(s.dropped, 0);
    read_file(path, text, sizeof text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, " warning log.dropped lines=3\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, " notice found\n"));
    logsink_close(&s);
    (void)unlink(path);
    (void)rmdir(dir);
}

/* Reads all that is there; the number of lines with this text in them. */
static unsigned
count_lines(int fd, const char *text)
{
    static char some[1 << 16];
    static char line[512];
    static size_t len = 0;
    unsigned found = 0;
    ssize_t got = 0;

    while ((got = read(fd, some, sizeof some)) > 0)
        for (ssize_t i = 0; i < got; i++) {
            if (len < sizeof line - 1)
                line[len++] = some[i] == '\r' ? ' ' : some[i];
            if (some[i] != '\n')
                continue;
            line[len] = '\0';
            len = 0;
            found += strstr(line, text) != NULL;
        }
    return found;
}

#define SOME_LINE "a line of some length, again and again"

static void
reads_nothing_and_loses_nothing(struct logsink *s, int reader)
{
    unsigned found = 0;

    (void)alarm(UNIT_HANGS);    /* a write that blocks ends the test */
    for (unsigned i = 0; i < 5000; i++)
        logsink_write(s, LOG_LEVEL_NOTICE, SOME_LINE);
    CU_ASSERT_EQUAL(s->dropped, 0);
    CU_ASSERT_TRUE(logsink_waits(s));
    CU_ASSERT_TRUE(logsink_is_behind(s));
    for (unsigned turns = 0; turns < 5000 && logsink_waits(s); turns++) {
        found += count_lines(reader, SOME_LINE);
        logsink_flush(s);
    }
    found += count_lines(reader, SOME_LINE);
    CU_ASSERT_EQUAL(found, 5000);
    CU_ASSERT_FALSE(logsink_is_behind(s));
    (void)alarm(0);
}

/* What a mebibyte does not hold is lost, counted and said. */
static void
loses_and_counts(struct logsink *s, int reader)
{
    uint64_t lost = 0;
    unsigned found = 0, said = 0;
    char note[64];

    (void)alarm(UNIT_HANGS);
    for (unsigned i = 0; i < 30000; i++)
        logsink_write(s, LOG_LEVEL_NOTICE, SOME_LINE);
    CU_ASSERT_TRUE((lost = s->dropped) > 0);
    for (unsigned turns = 0; turns < 5000 && logsink_waits(s); turns++) {
        found += count_lines(reader, SOME_LINE);
        logsink_flush(s);
    }
    found += count_lines(reader, SOME_LINE);
    CU_ASSERT_EQUAL(found + lost, 30000);
    logsink_write(s, LOG_LEVEL_NOTICE, "room again");
    (void)snprintf(note, sizeof note, " warning log.dropped lines=%llu",
                   (unsigned long long)lost);
    said = count_lines(reader, note);
    CU_ASSERT_EQUAL(said, 1);
    CU_ASSERT_EQUAL(s->dropped, 0);
    (void)alarm(0);
}

static void
a_full_pipe_is_waited_for_and_does_not_block(void)
{
    struct logsink s = LOGSINK_EMPTY;
    int ends[2] = { -1, -1 }, kept = dup(STDERR_FILENO);

    CU_ASSERT_EQUAL_FATAL(pipe2(ends, O_CLOEXEC), 0);
    CU_ASSERT_TRUE_FATAL(dup2(ends[1], STDERR_FILENO) != -1);
    CU_ASSERT_TRUE_FATAL(fcntl(ends[0], F_SETFL, O_NONBLOCK) != -1);
    CU_ASSERT_EQUAL(logsink_open(&s, "stderr"), SP_OK);
    reads_nothing_and_loses_nothing(&s, ends[0]);
    loses_and_counts(&s, ends[0]);
    logsink_close(&s);
    (void)dup2(kept, STDERR_FILENO);
    fd_close(&kept);
    fd_close(&ends[0]);
    fd_close(&ends[1]);
}

/* Room for half a line is room to poll(2), and a write that blocks waits for the rest. */
static void
a_stopped_terminal_does_not_block(void)
{
    struct logsink s = LOGSINK_EMPTY;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK), terminal = -1;
    int kept = dup(STDERR_FILENO);

    CU_ASSERT_TRUE_FATAL(master != -1 && grantpt(master) == 0 && unlockpt(master) == 0);
    terminal = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    CU_ASSERT_TRUE_FATAL(terminal != -1 && dup2(terminal, STDERR_FILENO) != -1);
    CU_ASSERT_EQUAL(logsink_open(&s, "stderr"), SP_OK);
    reads_nothing_and_loses_nothing(&s, master);
    CU_ASSERT_EQUAL(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0);
    logsink_close(&s);
    (void)dup2(kept, STDERR_FILENO);
    fd_close(&kept);
    fd_close(&terminal);
    fd_close(&master);
}

/* systemd hands a service one end of a stream, and says in JOURNAL_STREAM which one it is. */
static void
the_journal_gets_priorities_and_no_second_time(void)
{
    struct logsink s = LOGSINK_EMPTY;
    int ends[2] = { -1, -1 }, kept = dup(STDERR_FILENO);
    char stream[64], other[72], got[256] = "";
    struct stat st;

    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    CU_ASSERT_TRUE_FATAL(dup2(ends[1], STDERR_FILENO) != -1);
    CU_ASSERT_EQUAL_FATAL(fstat(STDERR_FILENO, &st), 0);
    (void)snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
                   (unsigned long long)st.st_ino);
    (void)snprintf(other, sizeof other, "%s1", stream);
    CU_ASSERT_FALSE(logsink_is_journal(NULL));
    CU_ASSERT_FALSE(logsink_is_journal(""));
    CU_ASSERT_FALSE(logsink_is_journal(other));
    CU_ASSERT_TRUE((s.journal = logsink_is_journal(stream)));
    CU_ASSERT_EQUAL(logsink_open(&s, "stderr"), SP_OK);
    logsink_write(&s, LOG_LEVEL_ERROR, "one");
    logsink_write(&s, LOG_LEVEL_WARNING, "two");
    logsink_write(&s, LOG_LEVEL_NOTICE, "three");
    logsink_write(&s, LOG_LEVEL_DEBUG, "four");
    CU_ASSERT_TRUE(read(ends[0], got, sizeof got - 1) > 0);
    CU_ASSERT_STRING_EQUAL(got, "<3>one\n<4>two\n<5>three\n<7>four\n");
    logsink_close(&s);
    (void)dup2(kept, STDERR_FILENO);
    fd_close(&kept);
    fd_close(&ends[0]);
    fd_close(&ends[1]);
}

/* The daemon's end of /dev/log, in a /dev that only this process sees; -1: not allowed. */
static int
listen_as_syslog(void)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    (void)unlink("/dev/log");
    if (fd != -1 && bind(fd, (struct sockaddr *)&at, sizeof at) == -1)
        fd_close(&fd);
    return fd;
}

/* "<29>Nov 21 12:00:00 sallyportd[12]: text", in one datagram. */
static bool
syslog_got(int daemon, const char *priority, const char *text)
{
    char got[2048] = "";
    ssize_t len = recv(daemon, got, sizeof got - 1, 0);
    char end[1024];

    (void)snprintf(end, sizeof end, " sallyportd[%ld]: %s", (long)getpid(), text);
    return len > 0 && strncmp(got, priority, strlen(priority)) == 0
        && (size_t)len >= strlen(end) && strcmp(got + len - strlen(end), end) == 0;
}

/* The child's exit code: the number of the step that failed, or 0. */
static int
speak_to_syslog(void)
{
    struct logsink s = LOGSINK_EMPTY;
    int daemon = -1;

    if (logsink_open(&s, "syslog") != SP_OK)
        return 1;
    logsink_write(&s, LOG_LEVEL_ERROR, "nobody there");
    if (!logsink_is_unheard(&s) || !logsink_waits(&s))
        return 2;
    daemon = listen_as_syslog();
    logsink_write(&s, LOG_LEVEL_ERROR, "first");
    if (s.dropped != 0 || logsink_is_unheard(&s)
        || !syslog_got(daemon, "<27>", "nobody there") || !syslog_got(daemon, "<27>", "first"))
        return 3;
    logsink_write(&s, LOG_LEVEL_NOTICE, "second");
    logsink_write(&s, LOG_LEVEL_DEBUG, "third");
    if (!syslog_got(daemon, "<29>", "second") || !syslog_got(daemon, "<31>", "third"))
        return 4;
    fd_close(&daemon);          /* restarted: the next line finds the new one */
    daemon = listen_as_syslog();
    logsink_write(&s, LOG_LEVEL_NOTICE, "fourth");
    if (!syslog_got(daemon, "<29>", "fourth"))
        return 5;
    (void)alarm(UNIT_HANGS);    /* one that does not read does not stop us */
    for (unsigned i = 0; i < 5000; i++)
        logsink_write(&s, LOG_LEVEL_NOTICE, SOME_LINE);
    if (s.dropped != 0 || !logsink_is_behind(&s))
        return 6;
    for (unsigned i = 0; i < 5000; i++)
        if (!syslog_got(daemon, "<29>", SOME_LINE)) {
            logsink_flush(&s);
            if (!syslog_got(daemon, "<29>", SOME_LINE))
                return 7;
        }
    logsink_close(&s);
    fd_close(&daemon);
    return 0;
}

static unsigned char
speak_in_a_dev_of_our_own(void)
{
    if (unshare(CLONE_NEWNS) == -1
        || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1
        || mount("none", "/dev", "tmpfs", 0, NULL) == -1)
        return 77;
    return (unsigned char)speak_to_syslog();
}

/* The step comes by a pipe: under valgrind an exit code is valgrind's. */
static void
syslog_comes_and_goes(void)
{
    unsigned char step = 255;
    int ends[2] = { -1, -1 };
    pid_t pid = -1;

    CU_ASSERT_EQUAL_FATAL(pipe2(ends, O_CLOEXEC), 0);
    CU_ASSERT_TRUE_FATAL((pid = fork()) != -1);
    if (pid == 0) {
        step = speak_in_a_dev_of_our_own();
        _exit(write(ends[1], &step, 1) == 1 ? 0 : 1);
    }
    fd_close(&ends[1]);
    CU_ASSERT_EQUAL(read(ends[0], &step, 1), 1);
    fd_close(&ends[0]);
    CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
    if (step == 77)
        puts("skipped aloud: a /dev of our own needs root");
    else
        CU_ASSERT_EQUAL(step, 0);
}

static void
foreign_lines(void)
{
    static const struct { const char *in, *out; } cases[] = {
        { "event key=value", "event key=value" },
        { "event key=\"a b\"", "event key='a b'" },
        { "x\" user=root y=\"", "x' user=root y='" },
        { "ends in \\", "ends in \\x5c" },
        { "\\\" \\x \\x2 \\x2g \\x22", "\\x5c' \\x5cx \\x5cx2 \\x5cx2g \\x22" },
        { "a\nb", "a\\x0ab" },
        { "a\r\033[2Jb", "a\\x0d\\x1b[2Jb" },
        { "path=/x\\x0ay", "path=/x\\x0ay" },
        { "name=\xc3\xa9", "name=\xc3\xa9" },
        { "name=\xff\xc3", "name=\\xff\\xc3" },
        { "two  spaces ", "two  spaces " },
        { "", "" },
    };
    char out[LOGSINK_TEXT_MAX];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CU_ASSERT_STRING_EQUAL(logsink_line(slice_of(cases[i].in), out), cases[i].out);
}

static void
long_foreign_lines(void)
{
    char in[4096], out[LOGSINK_TEXT_MAX];

    memset(in, 'a', sizeof in);
    CU_ASSERT_EQUAL(
        strlen(logsink_line(slice_from(in, sizeof in), out)) + 1 <= sizeof out, true);
    CU_ASSERT_TRUE(strlen(out) > sizeof out - 128);
    memset(in, '\n', sizeof in);
    CU_ASSERT_TRUE(strlen(logsink_line(slice_from(in, sizeof in), out)) < sizeof out);
    /* a character at every possible place of a cut stays whole */
    for (size_t at = 50; at < 80; at++) {
        memset(in, 'a', 200);
        in[200] = '\0';
        memcpy(in + at, "\xe2\x82\xac", 3);
        CU_ASSERT_STRING_EQUAL(logsink_line(slice_of(in), out), in);
    }
}

static const struct unit_test tests[] = {
    { "a line has a time, a level and a text", form_of_a_line },
    { "a file is opened anew after it was renamed", opened_anew_after_a_rename },
    { "a path that cannot be opened changes nothing", a_bad_path_changes_nothing },
    { "lines that a full disk does not take are counted", a_full_disk_is_counted },
    { "a full pipe is waited for, and does not block",
      a_full_pipe_is_waited_for_and_does_not_block },
    { "the journal gets priorities and no second time",
      the_journal_gets_priorities_and_no_second_time },
    { "a stopped terminal does not block", a_stopped_terminal_does_not_block },
    { "syslog may come, go and not read", syslog_comes_and_goes },
    { "a line of another process cannot become two", foreign_lines },
    { "a long line of another process is cut", long_foreign_lines },
    { NULL, NULL }
};
const struct unit_suite suite_logsink = { "logsink", tests };
