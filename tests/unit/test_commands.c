/* tests/unit/test_commands.c - src/worker: what a client says, and what it hears */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "rig.h"
#include "suites_worker.h"
#include "unit.h"
#include "wire/fail.h"
#include "wire/message.h"

static const struct rig_plan plain = { 0 };

struct exchange { const char *line; unsigned code; };

/* Runs lines of one session in order; each is answered by its code. */
static void
converse(const struct rig_plan *plan, bool logged_in, const struct exchange *e, size_t count)
{
    struct rig r;

    if (!(logged_in ? rig_start_logged_in(&r, plan) : rig_start(&r, plan))) {
        CU_FAIL("the session did not begin");
        rig_stop(&r);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        unsigned code = rig_command(&r, e[i].line);

        if (code != e[i].code)
            printf("\n  %s: %u instead of %u (%s)", e[i].line, code, e[i].code, rig_text(&r));
        CU_ASSERT_EQUAL(code, e[i].code);
    }
    rig_stop(&r);
}

#define CONVERSE(plan, in, e) converse((plan), (in), (e), sizeof (e) / sizeof (e)[0])

static void
before_login(void)
{
    static const struct exchange e[] = {
        { "NOOP", 200 }, { "SYST", 215 }, { "FEAT", 211 }, { "HELP", 214 },
        { "HELP RETR", 214 }, { "HELP NIXX", 501 }, { "HELP SMNT", 502 },
        { "PWD", 530 }, { "LIST", 530 }, { "RETR x", 530 }, { "STAT", 211 }, { "STAT x", 530 },
        { "SITE HELP", 214 }, { "SITE CHMOD 644 x", 530 }, { "OPTS UTF8 ON", 200 },
        { "opts utf8 on", 200 }, { "CLNT me", 200 }, { "PASS x", 503 }, { "ACCT x", 503 },
        { "USER", 501 }, { "NIXX", 500 }, { "SMNT /", 502 }, { "MIC x", 502 },
        { "", 500 }, { "@#!", 500 }, { "PBSZ 0", 503 }, { "PROT P", 503 }, { "CCC", 533 },
        { "CCC x", 501 },
        { "AUTH TLS", 534 }, { "AUTH GSSAPI", 504 }, { "ABOR", 226 }, { "QUIT", 221 },
    };

    CONVERSE(&plain, false, e);
}

static void
tls_required(void)
{
    static const struct rig_plan plan = { .tls_required = true };
    static const struct exchange e[] = { { "USER guest", 533 }, { "PASS x", 503 } };

    CONVERSE(&plan, false, e);
}

static void
refused(void)
{
    static const struct rig_plan wrong = { .around.refuse_login = REFUSE_CREDENTIALS };
    static const struct rig_plan disabled = { .around.refuse_login = REFUSE_DISABLED };
    static const struct rig_plan fault = { .around.refuse_login = REFUSE_BUSY };
    static const struct exchange e[] = { { "USER a", 331 }, { "PASS b", 530 },
                                         { "PASS b", 503 }, { "USER c", 331 } };
    static const struct exchange told[] = { { "USER a", 331 }, { "PASS b", 421 } };
    struct rig r;
    char first[256] = "";

    CONVERSE(&wrong, false, e);
    CONVERSE(&disabled, false, e);
    CONVERSE(&fault, false, told);
    if (rig_start(&r, &wrong) && rig_command(&r, "USER a") == 331
        && rig_command(&r, "PASS b") == 530)
        (void)snprintf(first, sizeof first, "%s", rig_text(&r));
    rig_stop(&r);
    if (rig_start(&r, &disabled) && rig_command(&r, "USER a") == 331
        && rig_command(&r, "PASS b") == 530)
        CU_ASSERT_STRING_EQUAL(first, rig_text(&r));
    rig_stop(&r);
}

static void
question(void)
{
    static const struct rig_plan plan = { .around.question = "One-time code" };
    static const struct exchange by_acct[] = {
        { "USER a", 331 }, { "PASS b", 332 }, { "PWD", 530 }, { "ACCT 123456", 230 },
        { "PWD", 257 }, { "ACCT x", 202 } };
    static const struct exchange by_pass[] = {
        { "USER a", 331 }, { "PASS b", 332 }, { "PASS 123456", 230 } };

    CONVERSE(&plan, false, by_acct);
    CONVERSE(&plan, false, by_pass);
}

/* Blanks behind the verb are none. */
static void
no_parameter(void)
{
    static const struct exchange before[] = {
        { "NOOP x", 501 }, { "FEAT x", 501 }, { "SYST x", 501 }, { "ABOR x", 501 },
        { "REIN x", 501 }, { "QUIT x", 501 }, { "PWD x", 530 }, { "PASV 1", 530 },
        { "NOOP  \t", 200 }, { "FEAT ", 211 }, { "ABOR ", 226 }, { "QUIT ", 221 } };
    static const struct exchange after[] = {
        { "PWD x", 501 }, { "XPWD x", 501 }, { "CDUP x", 501 }, { "XCUP x", 501 },
        { "PASV 1", 501 }, { "CCC", 533 }, { "PWD ", 257 }, { "CDUP ", 250 },
        { "PASV ", 227 }, { "ABOR x", 501 }, { "ABOR", 225 } };

    CONVERSE(&plain, false, before);
    CONVERSE(&plain, true, after);
}

static void
parameters(void)
{
    static const struct exchange e[] = {
        { "TYPE A", 200 }, { "type a n", 200 }, { "TYPE I", 200 }, { "TYPE L 8", 200 },
        { "TYPE L 7", 504 }, { "TYPE E", 504 }, { "STRU F", 200 }, { "STRU R", 504 },
        { "MODE S", 200 }, { "MODE B", 504 }, { "REST 100", 350 }, { "REST -1", 501 },
        { "REST 18446744073709551616", 501 }, { "REST 9223372036854775807", 350 },
        { "REST 0", 350 },
        { "PORT 127,0,0,1,200,1", 200 }, { "PORT 10,0,0,1,200,1", 501 },
        { "PORT 127,0,0,1,0,80", 501 }, { "PORT 127,0,0,1,3,255", 501 },
        { "PORT 1,2,3", 501 }, { "EPRT |1|127.0.0.1|50000|", 200 },
        { "EPRT |1|127.0.0.2|50000|", 501 }, { "EPRT |2|::1|50000|", 522 },
        { "EPRT |3|x|50000|", 522 }, { "EPRT x", 501 }, { "PASV", 227 }, { "EPSV", 229 },
        { "EPSV 1", 229 }, { "EPSV 2", 522 }, { "EPSV 9", 522 }, { "EPSV ALL", 200 },
        { "PASV", 503 }, { "PORT 127,0,0,1,200,1", 503 }, { "EPSV", 229 },
        { "SITE UMASK", 200 }, { "SITE UMASK 077", 200 }, { "SITE UMASK 999", 501 },
        { "SITE IDLE", 200 }, { "SITE IDLE 60", 200 }, { "SITE IDLE 1", 501 },
        { "SITE EXEC id", 504 }, { "SITE CHMOD 644 x", 200 }, { "SITE CHMOD 4755 x", 550 },
        { "SITE CHMOD x", 501 }, { "OPTS MLST type;size;", 200 }, { "OPTS X", 501 },
        { "ALLO 1 R 99999999999999999999", 501 }, { "ALLO 1 R -1", 501 }, { "ALLO 1 R", 501 },
        { "ALLO 1 1", 501 }, { "ALLO 99999999999999999999", 501 },
        { "USER other", 503 }, { "RETR x", 150 },
    };

    CONVERSE(&plain, true, e);
}

static void
halves(void)
{
    static const struct exchange e[] = {
        { "RNTO b", 503 }, { "RNFR a", 350 }, { "RNTO b", 250 }, { "RNTO c", 503 },
        { "RNFR a", 350 }, { "NOOP", 200 }, { "RNTO b", 503 }, { "RETR x", 425 },
        { "STOR x", 425 }, { "LIST", 425 },
    };

    CONVERSE(&plain, true, e);
}

static void
paths(void)
{
    static const struct { const char *line, *path; unsigned question; } cases[] = {
        { "CWD a//b/./c", "/a/b/c", MSG_CHDIR }, { "CWD ../../..", "/", MSG_CHDIR },
        { "CWD /x", "/x", MSG_CHDIR }, { "MKD ../y", "/y", MSG_MKDIR },
        { "DELE  leading", "/x/ leading", MSG_DELETE }, { "RMD -r", "/x/-r", MSG_RMDIR },
        { "XMKD a\"b", "/x/a\"b", MSG_MKDIR },
    };
    struct rig r;

    CU_ASSERT_TRUE_FATAL(rig_start_logged_in(&r, &plain));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        (void)rig_command(&r, cases[i].line);
        CU_ASSERT_EQUAL(r.around.last_question, cases[i].question);
        CU_ASSERT_STRING_EQUAL(r.around.last_path, cases[i].path);
    }
    CU_ASSERT_EQUAL(rig_command(&r, "MKD a\"b"), 257);
    CU_ASSERT_PTR_NOT_NULL(strstr(rig_text(&r), "\"/x/a\"\"b\""));
    /* Telnet takes 0xFF for a command: it comes doubled, and goes back doubled */
    CU_ASSERT_EQUAL(rig_command(&r, "MKD a\377\377\364b"), 257);
    CU_ASSERT_PTR_NOT_NULL(strstr(rig_text(&r), "\"/x/a\377\377\364b\""));
    rig_stop(&r);
}

static void
failures(void)
{
    static const struct { unsigned code; int error; const char *line; unsigned reply; } cases[] = {
        { FAIL_OS, ENOENT, "DELE x", 550 }, { FAIL_OS, EACCES, "MKD x", 550 },
        { FAIL_OS, ENOSPC, "MKD x", 552 }, { FAIL_OS, EIO, "SIZE x", 451 },
        { FAIL_PERMIT, 0, "DELE x", 550 }, { FAIL_NAME, 0, "MKD x", 553 },
        { FAIL_NOT_DIRECTORY, 0, "CWD x", 550 }, { FAIL_BUSY, 0, "DELE x", 450 },
        { FAIL_SPACE, 0, "MKD x", 552 }, { FAIL_OS, 4000, "DELE x", 451 },
        /* what the file system will not do the next time either, and what it may do then */
        { FAIL_OS, EOPNOTSUPP, "SITE CHMOD 644 x", 550 }, { FAIL_OS, ENOSYS, "MKD x", 550 },
        { FAIL_OS, EXDEV, "DELE x", 550 }, { FAIL_OS, EINVAL, "MKD x", 553 },
        { FAIL_OS, EILSEQ, "MKD x", 553 }, { FAIL_OS, ENOKEY, "MKD x", 550 },
        { FAIL_OS, ENOTCONN, "MKD x", 450 }, { FAIL_OS, ETIMEDOUT, "SIZE x", 450 },
        { FAIL_OS, EAGAIN, "SIZE x", 450 }, { FAIL_OS, ESTALE, "SIZE x", 450 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rig_plan plan = { .fail_broker = cases[i].code, .fail_error = cases[i].error };
        struct rig r;

        CU_ASSERT_TRUE(rig_start_logged_in(&r, &plan));
        CU_ASSERT_EQUAL(rig_command(&r, cases[i].line), cases[i].reply);
        rig_stop(&r);
    }
}

static void
lines(void)
{
    struct rig r;
    static char big[20000];

    CU_ASSERT_TRUE_FATAL(rig_start(&r, &plain));
    rig_send(&r, "noop\n", 5);
    CU_ASSERT_EQUAL(rig_reply(&r), 200);
    rig_send(&r, "NOOP\r\nSYST\r\nNOOP\r\n", 18);
    CU_ASSERT_EQUAL(rig_reply(&r), 200);
    CU_ASSERT_EQUAL(rig_reply(&r), 215);
    CU_ASSERT_EQUAL(rig_reply(&r), 200);
    rig_send(&r, "NO\0OP\r\n", 7);
    CU_ASSERT_EQUAL(rig_reply(&r), 500);
    memset(big, 'A', sizeof big);
    rig_send(&r, big, sizeof big);
    rig_send(&r, "\r\nNOOP\r\n", 8);
    CU_ASSERT_EQUAL(rig_reply(&r), 500);
    CU_ASSERT_EQUAL(rig_reply(&r), 200);
    rig_send(&r, "\377\364\377\362NOOP\r\n", 10);
    CU_ASSERT_EQUAL(rig_reply(&r), 200);
    rig_send(&r, "GET / HTTP/1.1\r\nNOOP\r\n", 22);
    CU_ASSERT_EQUAL(rig_reply(&r), 421);
    CU_ASSERT_TRUE(rig_ends(&r));
    rig_stop(&r);
}

static void
unreadable_lines(void)
{
    static const char nul[] = "NO\0OP\r\n";
    static char big[5000];
    struct rig r;

    memset(big, 'A', sizeof big - 1);
    big[sizeof big - 1] = '\n';
    CU_ASSERT_TRUE_FATAL(rig_start_logged_in(&r, &plain));
    CU_ASSERT_EQUAL(rig_command(&r, "RNFR a"), 350);
    rig_send(&r, nul, sizeof nul - 1);
    CU_ASSERT_EQUAL(rig_reply(&r), 500);
    CU_ASSERT_EQUAL(rig_command(&r, "RNTO b"), 503);
    CU_ASSERT_EQUAL(rig_command(&r, "RNFR a"), 350);
    rig_send(&r, big, sizeof big);
    CU_ASSERT_EQUAL(rig_reply(&r), 500);
    CU_ASSERT_EQUAL(rig_command(&r, "RNTO b"), 503);
    rig_stop(&r);
}

/* Its lines fill all the room there is, so nobody reads on to find that it is gone. */
static void
client_reset(void)
{
    static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    struct rig r;

    CU_ASSERT_TRUE_FATAL(rig_start_logged_in(&r, &plain));
    CU_ASSERT_EQUAL(rig_command(&r, "PASV"), 227);
    CU_ASSERT_EQUAL(rig_command(&r, "RETR x"), 150);
    for (unsigned i = 0; i < 4000; i++)
        rig_send(&r, "PWD\r\n", 5);
    CU_ASSERT_TRUE(rig_settles(&r));
    CU_ASSERT_EQUAL(setsockopt(r.client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    fd_close(&r.client);
    CU_ASSERT_TRUE(rig_reports(&r, 1));
    CU_ASSERT_EQUAL(r.around.transfer_reply, 426);
    rig_stop(&r);
}

static void
long_pipeline(void)
{
    struct rig r;
    unsigned count = 0;

    /* their replies are more than may wait to be sent, so the lines wait in between */
    CU_ASSERT_TRUE_FATAL(rig_start(&r, &plain));
    for (unsigned i = 0; i < 80; i++)
        rig_send(&r, "HELP\r\n", 6);
    while (count < 80 && rig_reply(&r) == 214)
        count++;
    CU_ASSERT_EQUAL(count, 80);
    rig_stop(&r);
}

static void
restart_is_kept(void)
{
    static const struct rig_plan plan = { .around.content = "abc" };
    static const struct exchange e[] = {
        { "REST 5", 350 }, { "PORT 127,0,0,1,200,1", 200 }, { "RETR x", 554 },
        { "REST 5", 350 }, { "EPRT |1|127.0.0.1|51201|", 200 }, { "RETR x", 554 },
        { "REST 5", 350 }, { "EPSV", 229 }, { "NOOP", 200 }, { "RETR x", 554 },
        { "REST 5", 350 }, { "EPSV", 229 }, { "TYPE I", 200 }, { "CWD x", 250 },
        { "XYZZY", 500 }, { "RETR x", 554 }, { "REST 5", 350 }, { "EPSV", 229 },
        { "ABOR", 225 }, { "EPSV", 229 }, { "RETR x", 150 },
    };

    CONVERSE(&plan, true, e);
}

static void
no_directory(void)
{
    static const struct rig_plan plan = { .fail_broker = FAIL_NOT_DIRECTORY };
    static const struct exchange e[] = {
        { "EPSV", 229 }, { "MLSD x", 501 }, { "EPSV", 229 }, { "LIST x", 550 },
        { "CWD x", 550 },
    };

    CONVERSE(&plan, true, e);
}

static void
reinitialise(void)
{
    static const struct exchange e[] = {
        { "CWD a", 250 }, { "REIN", 220 }, { "PWD", 530 }, { "USER guest", 331 },
        { "PASS x", 230 }, { "PWD", 257 },
    };

    CONVERSE(&plain, true, e);
}

static void
clocks(void)
{
    static const struct rig_plan plan = { .idle_seconds = 1, .login_seconds = 1 };
    struct rig r;

    CU_ASSERT_TRUE(rig_start(&r, &plan));
    rig_advance(&r, 1000);
    CU_ASSERT_EQUAL(rig_reply(&r), 421);
    CU_ASSERT_TRUE(rig_ends(&r));
    rig_stop(&r);
    CU_ASSERT_TRUE(rig_start_logged_in(&r, &plan));
    rig_advance(&r, 1000);
    CU_ASSERT_EQUAL(rig_reply(&r), 421);
    CU_ASSERT_TRUE(rig_ends(&r));
    rig_stop(&r);
}

static void
broker_gone(void)
{
    static const struct rig_plan plan = { .vanish_broker = true };
    struct rig r;

    CU_ASSERT_TRUE(rig_start_logged_in(&r, &plan));
    CU_ASSERT_EQUAL(rig_command(&r, "DELE x"), 421);
    CU_ASSERT_TRUE(rig_ends(&r));
    rig_stop(&r);
}

static const struct unit_test tests[] = {
    { "commands before a login have their codes", before_login },
    { "USER in clear is refused where TLS is required", tls_required },
    { "every refused login reads the same", refused },
    { "a question of the chain is 332, answered by ACCT or PASS", question },
    { "a parameter where none is known is 501", no_parameter },
    { "parameters are taken and refused by RFC 959 and RFC 2428", parameters },
    { "RNTO follows RNFR directly, transfers need a data connection", halves },
    { "paths reach the broker absolute and normal", paths },
    { "what the broker refuses has the right code", failures },
    { "odd lines: bare LF, pipelining, NUL, too long, Telnet, HTTP", lines },
    { "a line that cannot be read leaves no half command behind", unreadable_lines },
    { "a client that resets behind a full pipeline is seen to go", client_reset },
    { "a pipeline whose replies are many is served whole", long_pipeline },
    { "REST outlives what is no transfer, but not ABOR", restart_is_kept },
    { "MLSD of what is no directory is 501, LIST of it 550", no_directory },
    { "REIN is the state after the greeting", reinitialise },
    { "a session that does not log in, or idles, ends with 421", clocks },
    { "a broker that is gone ends the session with 421", broker_gone },
    { NULL, NULL }
};

const struct unit_suite suite_commands = { "commands", tests };
