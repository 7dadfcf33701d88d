/* tests/unit/test_transfer.c - src/worker: transfers in clear between client and fakes */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "rig.h"
#include "suites_worker.h"
#include "unit.h"
#include "wire/fail.h"
#include "wire/message.h"

#define LONG (3u << 20)

/* All that comes over a data connection while the fakes play on. */
static size_t
drain(struct rig *r, int fd, char *out, size_t room)
{
    size_t len = 0;

    for (;;) {
        ssize_t n = recv(fd, out + len, room - len, MSG_DONTWAIT);

        if (n > 0)
            len += (size_t)n;
        else if (n == 0 || errno != EAGAIN || len == room)
            return len;
        (void)rig_turn(r);
    }
}

static void
download(const char *first, const char *content, const char *rest, const char *expected)
{
    struct rig_plan plan = { .around.content = content };
    struct rig r;
    char got[4096];
    size_t len = 0;
    int data = -1;

    CU_ASSERT_TRUE_FATAL(rig_start_logged_in(&r, &plan));
    CU_ASSERT_EQUAL(rig_command(&r, first), 200);
    data = rig_passive(&r);
    CU_ASSERT_NOT_EQUAL(data, -1);
    if (rest != NULL)
        CU_ASSERT_EQUAL(rig_command(&r, rest), 350);
    CU_ASSERT_EQUAL(rig_command(&r, "RETR file"), 150);
    len = drain(&r, data, got, sizeof got);
    CU_ASSERT_EQUAL(len, strlen(expected));
    CU_ASSERT_EQUAL(memcmp(got, expected, len), 0);
    CU_ASSERT_EQUAL(rig_reply(&r), 226);
    CU_ASSERT_TRUE(rig_reports(&r, 1));
    CU_ASSERT_EQUAL(r.around.transfer_reply, 226);
    fd_close(&data);
    rig_stop(&r);
}

static void
downloads(void)
{
    download("TYPE I", "a\nb\r\nc", NULL, "a\nb\r\nc");
    download("TYPE I", "abcdef", "REST 4", "ef");
    download("TYPE I", "", NULL, "");
    download("TYPE A", "a\nb\r\nc\n", NULL, "a\r\nb\r\nc\r\n");
    download("TYPE A", "a\nb\nc", "REST 3", "b\r\nc");
}

static void
upload(const char *type, const char *sent, const char *stored)
{
    static const struct rig_plan plan = { 0 };
    struct rig r;
    char got[256] = "";
    int data = -1;

    CU_ASSERT_TRUE_FATAL(rig_start_logged_in(&r, &plan));
    CU_ASSERT_EQUAL(rig_command(&r, type), 200);
    data = rig_passive(&r);
    CU_ASSERT_EQUAL(rig_command(&r, "STOR file"), 150);
    CU_ASSERT_EQUAL(fd_write_all(data, sent, strlen(sent)), SP_OK);
    fd_close(&data);
    CU_ASSERT_EQUAL(rig_reply(&r), 226);
    CU_ASSERT_EQUAL(r.commits, 1);
    CU_ASSERT_TRUE(rig_reports(&r, 1));
    CU_ASSERT_EQUAL(r.around.transfer_bytes, strlen(sent));
    CU_ASSERT_EQUAL(pread(r.around.upload, got, sizeof got, 0), (ssize_t)strlen(stored));
    CU_ASSERT_STRING_EQUAL(got, stored);
    rig_stop(&r);
}

static void
uploads(void)
{
    upload("TYPE I", "a\r\nb", "a\r\nb");
    upload("TYPE I", "", "");
    upload("TYPE A", "a\r\nb\rc\r\n", "a\nb\rc\n");
}

static void
unique(void)
{
    static const struct rig_plan plan = { 0 };
    struct rig r;
    int data = -1;

    CU_ASSERT_TRUE_FATAL(rig_start_logged_in(&r, &plan));
    data = rig_passive(&r);
    CU_ASSERT_EQUAL(rig_command(&r, "STOU"), 150);
    CU_ASSERT_STRING_EQUAL(rig_text(&r), "150 FILE: unique.1\r\n");
    fd_close(&data);
    CU_ASSERT_EQUAL(rig_reply(&r), 226);
    rig_stop(&r);
}

static void
aborted(void)
{
    static const struct rig_plan plan = { 0 };
    struct rig r;
    int data = -1;

    CU_ASSERT_TRUE_FATAL(rig_start_logged_in(&r, &plan));
    data = rig_passive(&r);
    CU_ASSERT_EQUAL(rig_command(&r, "STOR file"), 150);
    CU_ASSERT_EQUAL(fd_write_all(data, "half", 4), SP_OK);
    CU_ASSERT_EQUAL(rig_command(&r, "NOOP"), 200);
    CU_ASSERT_EQUAL(rig_command(&r, "STAT"), 211);
    CU_ASSERT_PTR_NOT_NULL(strstr(rig_text(&r), "STOR /file"));
    /* a line that waits does not keep ABOR from being heard */
    rig_send(&r, "PWD\r\n\377\364\377\362ABOR\r\n", 15);
    CU_ASSERT_EQUAL(rig_reply(&r), 426);
    CU_ASSERT_EQUAL(rig_reply(&r), 257);
    CU_ASSERT_EQUAL(rig_reply(&r), 226);
    CU_ASSERT_EQUAL(r.around.abandons, 1);
    CU_ASSERT_EQUAL(r.commits, 0);
    fd_close(&data);
    data = rig_passive(&r);
    CU_ASSERT_EQUAL(rig_command(&r, "ABOR"), 225);
    fd_close(&data);
    CU_ASSERT_EQUAL(rig_command(&r, "NOOP"), 200);
    rig_stop(&r);
}

static void
quit_waits(void)
{
    static const struct rig_plan plan = { 0 };
    struct rig r;
    int data = -1;

    CU_ASSERT_TRUE_FATAL(rig_start_logged_in(&r, &plan));
    data = rig_passive(&r);
    CU_ASSERT_EQUAL(rig_command(&r, "STOR file"), 150);
    rig_send(&r, "QUIT\r\n", 6);
    CU_ASSERT_TRUE(rig_settles(&r));
    CU_ASSERT_EQUAL(fd_write_all(data, "whole", 5), SP_OK);
    fd_close(&data);
    CU_ASSERT_EQUAL(rig_reply(&r), 226);
    CU_ASSERT_EQUAL(rig_reply(&r), 221);
    CU_ASSERT_EQUAL(r.commits, 1);
    rig_stop(&r);
}

static void
quit_and_leave(void)
{
    static const struct rig_plan plan = { 0 };
    struct rig r;
    int data = -1;

    CU_ASSERT_TRUE_FATAL(rig_start_logged_in(&r, &plan));
    data = rig_passive(&r);
    rig_send(&r, "STOR file\r\nQUIT\r\n", 17);
    CU_ASSERT_EQUAL(rig_reply(&r), 150);
    CU_ASSERT_EQUAL(shutdown(r.client, SHUT_WR), 0);
    CU_ASSERT_TRUE(rig_settles(&r));
    CU_ASSERT_EQUAL(fd_write_all(data, "abc", 3), SP_OK);
    fd_close(&data);
    CU_ASSERT_EQUAL(rig_reply(&r), 226);
    CU_ASSERT_EQUAL(rig_reply(&r), 221);
    CU_ASSERT_EQUAL(r.commits, 1);
    rig_stop(&r);
}

/* A process that dies closes everything: the end of its data is not the end of the file. */
static void
dying_client(void)
{
    static const struct rig_plan plan = { 0 };
    struct rig r;
    int data = -1;

    CU_ASSERT_TRUE_FATAL(rig_start_logged_in(&r, &plan));
    data = rig_passive(&r);
    CU_ASSERT_EQUAL(rig_command(&r, "STOR file"), 150);
    CU_ASSERT_EQUAL(fd_write_all(data, "abc", 3), SP_OK);
    CU_ASSERT_TRUE(rig_settles(&r));
    CU_ASSERT_EQUAL(kill(r.worker, SIGSTOP), 0);
    CU_ASSERT_EQUAL(shutdown(r.client, SHUT_WR), 0);
    fd_close(&data);
    CU_ASSERT_EQUAL(kill(r.worker, SIGCONT), 0);
    CU_ASSERT_TRUE(rig_ends(&r));
    CU_ASSERT_EQUAL(r.commits, 0);
    CU_ASSERT_EQUAL(r.around.abandons, 1);
    CU_ASSERT_EQUAL(r.around.transfers, 1);
    CU_ASSERT_EQUAL(r.around.transfer_reply, 426);
    rig_stop(&r);
}

/*
 * A kernel that closes the data connection of a dying client first: the worker is at the
 * commit by then, and takes it back. With QUIT on its way the upload was whole.
 */
static void
dying_at_the_commit(void)
{
    static const struct rig_plan plans[] = { { .dies_at_commit = true },
                                             { .quits_at_commit = true } };

    for (size_t i = 0; i < 2; i++) {
        struct rig r;
        int data = -1;

        CU_ASSERT_TRUE_FATAL(rig_start_logged_in(&r, &plans[i]));
        data = rig_passive(&r);
        CU_ASSERT_EQUAL(rig_command(&r, "STOR file"), 150);
        CU_ASSERT_EQUAL(fd_write_all(data, "abc", 3), SP_OK);
        fd_close(&data);
        CU_ASSERT_EQUAL(rig_reply(&r), i == 0 ? 426 : 226);
        CU_ASSERT_EQUAL(r.commits, 1);
        CU_ASSERT_EQUAL(r.withdrawn, i == 0 ? 1 : 0);
        CU_ASSERT_TRUE(rig_reports(&r, 1));
        CU_ASSERT_EQUAL(r.around.transfer_reply, i == 0 ? 426 : 226);
        if (i == 1)
            CU_ASSERT_EQUAL(rig_reply(&r), 221);
        rig_stop(&r);
    }
}

/* It may be stored or not: neither 226 nor 426 would be true. */
static void
unanswered_commit(void)
{
    static const struct rig_plan plan = { .silent_at_commit = true };
    struct rig r;
    int data = -1;

    CU_ASSERT_TRUE_FATAL(rig_start_logged_in(&r, &plan));
    data = rig_passive(&r);
    CU_ASSERT_EQUAL(rig_command(&r, "STOR file"), 150);
    CU_ASSERT_EQUAL(fd_write_all(data, "abc", 3), SP_OK);
    fd_close(&data);
    CU_ASSERT_EQUAL(rig_reply(&r), 421);
    CU_ASSERT_EQUAL(rig_reply(&r), 0);
    CU_ASSERT_EQUAL(r.commits, 1);
    CU_ASSERT_TRUE(rig_reports(&r, 1));
    CU_ASSERT_EQUAL(r.around.transfer_reply, 421);
    rig_stop(&r);
}

/* Reads what was stored until it is so much. */
static size_t
read_stored(int fd, size_t have, size_t until)
{
    static unsigned char bytes[65536];
    ssize_t n = 1;

    while (have < until && n > 0 && (n = read(fd, bytes, sizeof bytes)) > 0)
        have += (size_t)n;
    return have;
}

/*
 * The same while the worker writes to a file that takes its time: the next that it sees is
 * the end of the data. With QUIT on its way the upload was whole.
 */
static void
dying_while_writing(void)
{
    static const struct rig_plan plan = { .around.slow_file = true };
    static unsigned char bytes[1 << 20];
    const bool quits[] = { false, true };

    for (size_t i = 0; i < 2; i++) {
        struct rig r;
        size_t sent = 0, stored = 0;
        int data = -1;

        CU_ASSERT_TRUE_FATAL(rig_start_logged_in(&r, &plan));
        data = rig_passive(&r);
        CU_ASSERT_EQUAL(rig_command(&r, "STOR file"), 150);
        while (sent < sizeof bytes) {
            ssize_t n = send(data, bytes + sent, sizeof bytes - sent, MSG_DONTWAIT);

            sent += n > 0 ? (size_t)n : 0;
            if (sent < sizeof bytes)
                stored = read_stored(r.around.upload, stored, stored + 1);
        }
        /* more than is not spliced */
        stored = read_stored(r.around.upload, stored, 640 << 10);
        CU_ASSERT_TRUE(stored < sizeof bytes);
        CU_ASSERT_TRUE(rig_settles(&r));
        if (quits[i])
            rig_send(&r, "QUIT\r\n", 6);
        CU_ASSERT_EQUAL(shutdown(r.client, SHUT_WR), 0);
        fd_close(&data);
        CU_ASSERT_EQUAL(read_stored(r.around.upload, stored, sizeof bytes), sizeof bytes);
        CU_ASSERT_TRUE(rig_ends(&r));
        CU_ASSERT_EQUAL(r.commits, quits[i] ? 1 : 0);
        CU_ASSERT_EQUAL(r.around.abandons, quits[i] ? 0 : 1);
        CU_ASSERT_EQUAL(r.around.transfer_reply, quits[i] ? 226 : 426);
        rig_stop(&r);
    }
}

static void
never_opened(void)
{
    static const struct rig_plan plan = { .around.content = "x" };
    struct rig r;

    CU_ASSERT_TRUE_FATAL(rig_start_logged_in(&r, &plan));
    CU_ASSERT_EQUAL(rig_command(&r, "EPSV"), 229);
    CU_ASSERT_EQUAL(rig_command(&r, "RETR file"), 150);
    CU_ASSERT_TRUE(rig_settles(&r));
    rig_advance(&r, 3600 * 1000);
    CU_ASSERT_EQUAL(rig_reply(&r), 425);
    CU_ASSERT_EQUAL(rig_command(&r, "RETR file"), 425);
    rig_stop(&r);
}

static void
refused(void)
{
    static const struct rig_plan plan = { .fail_broker = FAIL_SPACE };
    struct rig r;
    int data = -1;

    CU_ASSERT_TRUE_FATAL(rig_start_logged_in(&r, &plan));
    data = rig_passive(&r);
    CU_ASSERT_EQUAL(rig_command(&r, "STOR file"), 552);
    fd_close(&data);
    data = rig_passive(&r);
    CU_ASSERT_EQUAL(rig_command(&r, "RETR file"), 552);
    fd_close(&data);
    CU_ASSERT_EQUAL(r.around.transfers, 0);
    rig_stop(&r);
}

static void
listing(void)
{
    static const struct rig_plan plan = { 0 };
    static const char *const verbs[] = { "LIST", "NLST", "MLSD", "LIST -la" };
    struct rig r;
    char got[512];

    CU_ASSERT_TRUE_FATAL(rig_start_logged_in(&r, &plan));
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        int data = rig_passive(&r);
        size_t len = 0;

        CU_ASSERT_EQUAL(rig_command(&r, verbs[i]), 150);
        len = drain(&r, data, got, sizeof got);
        CU_ASSERT_EQUAL(len, 37);
        CU_ASSERT_EQUAL(rig_reply(&r), 226);
        fd_close(&data);
    }
    CU_ASSERT_EQUAL(rig_command(&r, "STAT x"), 213);
    CU_ASSERT_PTR_NOT_NULL(strstr(rig_text(&r), "-rw-r--r-- 1 a b"));
    rig_stop(&r);
}

/* One file of one byte. */
static void
fetch(struct rig *r)
{
    char got[8];
    int data = rig_passive(r);

    CU_ASSERT_NOT_EQUAL(data, -1);
    CU_ASSERT_EQUAL(rig_command(r, "RETR file"), 150);
    CU_ASSERT_EQUAL(drain(r, data, got, sizeof got), 1);
    CU_ASSERT_EQUAL(rig_reply(r), 226);
    fd_close(&data);
}

static void
one_after_the_other(void)
{
    static const struct rig_plan plan = { .around.content = "x" };
    struct rig r;

    CU_ASSERT_TRUE_FATAL(rig_start_logged_in(&r, &plan));
    for (unsigned i = 0; i < 6; i++)
        fetch(&r);
    CU_ASSERT_TRUE(rig_reports(&r, 6));
    CU_ASSERT_EQUAL(r.around.listens, 2);      /* only the second PASV came soon behind a transfer */
    CU_ASSERT_EQUAL(r.around.aheads, 5);
    CU_ASSERT_EQUAL(rig_command(&r, "REIN"), 220);      /* the last answer is no riddle */
    rig_stop(&r);
}

static void
nothing_to_spare(void)
{
    static const struct rig_plan plan = { .around = { .content = "x", .no_spare = true } };
    struct rig r;

    CU_ASSERT_TRUE_FATAL(rig_start_logged_in(&r, &plan));
    for (unsigned i = 0; i < 6; i++)
        fetch(&r);
    CU_ASSERT_TRUE(rig_reports(&r, 6));
    CU_ASSERT_EQUAL(r.around.listens, 6);
    CU_ASSERT_EQUAL(r.around.aheads, 1);
    rig_stop(&r);
}

static void
guessed(void)
{
    static const struct rig_plan plan = { .around.content = "x" };
    struct rig r;
    int thief = -1;

    CU_ASSERT_TRUE_FATAL(rig_start_logged_in(&r, &plan));
    fetch(&r);
    fetch(&r);
    CU_ASSERT_TRUE(rig_counts(&r, &r.around.aheads, 1));
    CU_ASSERT_NOT_EQUAL(thief = rig_connect(r.around.port), -1);
    fetch(&r);
    CU_ASSERT_TRUE(rig_reports(&r, 3));
    CU_ASSERT_EQUAL(r.around.listens, 3);
    fd_close(&thief);
    rig_stop(&r);
}

static void
given_up(void)
{
    static const struct rig_plan plan = { .around.content = "x" };
    struct rig r;
    int late = -1;

    CU_ASSERT_TRUE_FATAL(rig_start_logged_in(&r, &plan));
    fetch(&r);
    fetch(&r);
    CU_ASSERT_TRUE(rig_counts(&r, &r.around.aheads, 1));
    CU_ASSERT_TRUE(rig_settles(&r));
    CU_ASSERT_NOT_EQUAL(late = rig_connect(r.around.port), -1);
    fd_close(&late);
    for (unsigned i = 0; i < 2; i++) {          /* no PASV, and then nobody takes it back */
        rig_advance(&r, 1000);
        CU_ASSERT_TRUE(rig_settles(&r));
    }
    CU_ASSERT_EQUAL(rig_connect(r.around.port), -1);
    fetch(&r);
    CU_ASSERT_EQUAL(r.around.listens, 3);
    CU_ASSERT_EQUAL(r.around.aheads, 1);       /* nor is the next one asked for: it was long ago */
    rig_stop(&r);
}

/*
 * A client that takes a little and then nothing more: its socket has room for some bytes
 * again, though poll(2) does not call it writable. That is seen soon, and gives no second
 * term.
 */
static void
stalled_download(void)
{
    static char content[24 << 20], got[128 << 10];
    static const struct rig_plan plan = { .around.content = content };
    struct rig r;
    int data = -1;
    unsigned code = 200;
    int64_t waited = 0;

    memset(content, 'x', sizeof content - 1);
    CU_ASSERT_TRUE_FATAL(rig_start_logged_in(&r, &plan));
    data = rig_passive(&r);
    CU_ASSERT_EQUAL(rig_command(&r, "RETR file"), 150);
    CU_ASSERT_TRUE(rig_settles(&r));
    CU_ASSERT_TRUE(recv(data, got, sizeof got, MSG_WAITALL) > 0);
    CU_ASSERT_TRUE(rig_settles(&r));
    /* NOOP wakes it; its reply comes before that of the transfer */
    for (; waited < 1000 && (code = rig_command(&r, "NOOP")) == 200; waited += 10)
        rig_advance(&r, 10 * 1000);
    CU_ASSERT_EQUAL(code, 426);
    CU_ASSERT_EQUAL(r.around.transfer_reply, 426);
    CU_ASSERT_TRUE(waited >= 300 && waited <= 350);
    fd_close(&data);
    rig_stop(&r);
}

/* A disk that fails is not the end of the file. */
static void
unreadable(void)
{
    static const struct rig_plan plan = { .around = { .content = "a\nb\nc\n",
                                                      .unreadable = true } };
    struct rig r;
    int data = -1;

    CU_ASSERT_TRUE_FATAL(rig_start_logged_in(&r, &plan));
    CU_ASSERT_EQUAL(rig_command(&r, "TYPE A"), 200);
    CU_ASSERT_EQUAL(rig_command(&r, "SIZE file"), 451);
    data = rig_passive(&r);
    CU_ASSERT_EQUAL(rig_command(&r, "REST 3"), 350);
    CU_ASSERT_EQUAL(rig_command(&r, "STOR file"), 451);
    CU_ASSERT_EQUAL(r.commits, 0);
    fd_close(&data);
    rig_stop(&r);
}

/* A file that takes more than one look at the client to be counted. */
static char *
long_lines(void)
{
    char *content = malloc(LONG + 1);

    CU_ASSERT_PTR_NOT_NULL_FATAL(content);
    memset(content, '\n', LONG);
    content[LONG] = '\0';
    return content;
}

/* What comes behind a command that counts octets is heard, whatever it is. */
static void
counting_is_given_up(void)
{
    static const struct {
        const char *lines;
        bool leaves;
        unsigned replies[3];
        bool opened;            /* the upload was asked for */
    } rows[] = {
        { "REST 5000000\r\nSTOR x\r\nABOR\r\n", false, { 350, 426, 226 }, false },
        { "REST 5000000\r\nSTOR x\r\nNOOP\r\nABOR\r\n", false, { 350, 426, 200 }, false },
        { "REST 5000000\r\nAPPE x\r\nABOR\r\n", false, { 350, 426, 226 }, false },
        { "SIZE x\r\nABOR\r\n", false, { 426, 225 }, false },
        { "SIZE x\r\nNOOP\r\n", false, { 213, 200 }, false },
        { "REST 5000000\r\nSTOR x\r\nNOOP\r\n", false, { 350, 150 }, true },
        { "REST 5000000\r\nSTOR x\r\n", true, { 350 }, false },
        { "REST 5000000\r\nSTOR x\r\nQUIT\r\n", true, { 350, 150 }, true },
    };
    char *content = long_lines();
    const struct rig_plan plan = { .around.content = content };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig r;
        int data = -1;

        CU_ASSERT_TRUE_FATAL(rig_start_logged_in(&r, &plan));
        CU_ASSERT_EQUAL(rig_command(&r, "TYPE A"), 200);
        data = rig_passive(&r);
        rig_send(&r, rows[i].lines, strlen(rows[i].lines));
        if (rows[i].leaves)
            CU_ASSERT_EQUAL(shutdown(r.client, SHUT_WR), 0);
        for (size_t n = 0; n < 3 && rows[i].replies[n] != 0; n++)
            CU_ASSERT_EQUAL(rig_reply(&r), rows[i].replies[n]);
        if (rows[i].leaves && !rows[i].opened)
            CU_ASSERT_TRUE(rig_ends(&r));
        CU_ASSERT_EQUAL(r.around.last_question == MSG_OPEN_WRITE, rows[i].opened);
        fd_close(&data);
        rig_stop(&r);
    }
    free(content);
}

/* In TYPE A that is found at the end of the file. */
static void
restart_beyond_the_end(void)
{
    static const struct rig_plan plan = { .around.content = "ab\ncd\n" };
    static const struct { const char *rest; unsigned first, last; } rows[] = {
        { "REST 7", 150, 226 }, { "REST 8", 150, 226 }, { "REST 9", 150, 554 },
        { "REST 13", 150, 554 }, { "REST 14", 554, 0 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig r;
        int data = -1;

        CU_ASSERT_TRUE_FATAL(rig_start_logged_in(&r, &plan));
        CU_ASSERT_EQUAL(rig_command(&r, "TYPE A"), 200);
        data = rig_passive(&r);
        CU_ASSERT_EQUAL(rig_command(&r, rows[i].rest), 350);
        CU_ASSERT_EQUAL(rig_command(&r, "RETR x"), rows[i].first);
        if (rows[i].last != 0)
            CU_ASSERT_EQUAL(rig_reply(&r), rows[i].last);
        fd_close(&data);
        rig_stop(&r);
    }
}

/* What is there to be moved is moved, however late: the machine was, and not the client. */
static void
late_but_not_stalled(void)
{
    static const struct rig_plan plan = { 0 };
    struct rig r;
    int data = -1;

    CU_ASSERT_TRUE_FATAL(rig_start_logged_in(&r, &plan));
    data = rig_passive(&r);
    CU_ASSERT_EQUAL(rig_command(&r, "STOR file"), 150);
    CU_ASSERT_EQUAL(fd_write_all(data, "abc", 3), SP_OK);
    CU_ASSERT_TRUE(rig_settles(&r));
    CU_ASSERT_EQUAL(kill(r.worker, SIGSTOP), 0);
    rig_advance(&r, 3600 * 1000);
    CU_ASSERT_EQUAL(fd_write_all(data, "def", 3), SP_OK);
    fd_close(&data);
    CU_ASSERT_EQUAL(kill(r.worker, SIGCONT), 0);
    CU_ASSERT_EQUAL(rig_reply(&r), 226);
    CU_ASSERT_EQUAL(r.commits, 1);
    rig_stop(&r);
}

static void
vanishing_client(void)
{
    static const struct rig_plan plan = { 0 };
    struct rig r;
    int data = -1;

    CU_ASSERT_TRUE_FATAL(rig_start_logged_in(&r, &plan));
    data = rig_passive(&r);
    CU_ASSERT_EQUAL(rig_command(&r, "STOR file"), 150);
    fd_close(&r.client);
    CU_ASSERT_TRUE(rig_settles(&r));
    CU_ASSERT_EQUAL(r.commits, 0);
    fd_close(&data);
    rig_stop(&r);
}

/* It may be a copy. The session goes on behind it. */
static void
a_rename_is_given_up(void)
{
    static const struct rig_plan plan = { .at_rename = "ABOR\r\n" };
    struct rig r;

    CU_ASSERT_TRUE(rig_start_logged_in(&r, &plan));
    CU_ASSERT_EQUAL(rig_command(&r, "RNFR a"), 350);
    CU_ASSERT_EQUAL(rig_command(&r, "RNTO b"), 426);
    CU_ASSERT_PTR_NOT_NULL(strstr(rig_text(&r), "b:"));
    CU_ASSERT_EQUAL(rig_reply(&r), 226);
    CU_ASSERT_EQUAL(r.around.abandons, 1);
    CU_ASSERT_EQUAL(rig_command(&r, "PWD"), 257);
    rig_stop(&r);
}

static const struct unit_test tests[] = {
    { "downloads in TYPE I and A, with REST", downloads },
    { "uploads in TYPE I and A", uploads },
    { "STOU names the file in 150", unique },
    { "ABOR ends an upload, also behind a line that waits", aborted },
    { "QUIT waits for the transfer", quit_waits },
    { "QUIT behind an upload lets it end, also for a client that half closes", quit_and_leave },
    { "an upload in clear whose client dies is not taken for complete", dying_client },
    { "nor where that shows at the commit", dying_at_the_commit },
    { "a commit that was not answered is neither 226 nor 426", unanswered_commit },
    { "nor where it dies while the worker writes", dying_while_writing },
    { "a data connection that never comes is 425 in time", never_opened },
    { "what is refused for good is refused before 150", refused },
    { "listings pass as the broker writes them", listing },
    { "one file after the other: the next listener is there before PASV", one_after_the_other },
    { "a monitor without ports to spare is asked once", nothing_to_spare },
    { "a connection that came before the port was told is not taken", guessed },
    { "a listener that is not used soon is given up", given_up },
    { "a download that stalls ends when the time is up, once", stalled_download },
    { "SIZE and REST in TYPE A: a read error is not the end", unreadable },
    { "a rename that takes long ends with ABOR", a_rename_is_given_up },
    { "counting octets in TYPE A ends with ABOR, and without a client", counting_is_given_up },
    { "REST beyond the end in TYPE A is told", restart_beyond_the_end },
    { "what came late is no stall", late_but_not_stalled },
    { "a client that vanishes commits nothing", vanishing_client },
    { NULL, NULL }
};

const struct unit_suite suite_transfer = { "transfer", tests };
