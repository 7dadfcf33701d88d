/*
 * tests/unit/test_check.c - src/config/check.c: what only the machine can tell
 *
 * Runs with and without root; checks that need either one ask privilege_is_root().
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/privilege.h"
#include "config/load.h"
#include "unit.h"

struct heard { unsigned count; char text[16384]; };

static void
hear(void *context, enum config_weight weight, const char *text)
{
    struct heard *h = context;
    size_t len = strlen(h->text);

    h->count += weight == CONFIG_FAULT ? 1 : 0;
    (void)snprintf(h->text + len, sizeof h->text - len, "%s\n", text);
}

static void
set(char **text, const char *value)
{
    CU_ASSERT_EQUAL_FATAL(setting_text(text, slice_of(value)), SP_OK);
}

static void
add(struct text_list *list, const char *value)
{
    CU_ASSERT_EQUAL_FATAL(text_list_add(list, slice_of(value)), SP_OK);
}

/* Is there a fault that begins with the key and has the words? */
static bool
told(struct settings *s, const char *key, const char *words)
{
    struct heard h = { 0, "" };
    enum sp_err rc = config_check_machine(s, hear, &h);
    char start[128] = "";
    bool found = false;

    CU_ASSERT_EQUAL(rc, h.count == 0 ? SP_OK : SP_INPUT);
    (void)snprintf(start, sizeof start, "settings%s%s", *key == ':' ? "" : ": ", key);
    for (char *line = h.text; *line != '\0'; line += strcspn(line, "\n") + 1) {
        const char *at = strstr(line, words);

        if (strncmp(line, start, strlen(start)) == 0 && at != NULL
            && at <= line + strcspn(line, "\n"))
            found = true;
    }
    return found;
}

static void
a_missing_certificate_is_told(void)
{
    struct settings s;

    CU_ASSERT_EQUAL_FATAL(settings_init(&s), SP_OK);
    CU_ASSERT_TRUE(told(&s, "certificate: ", "TLS is required"));
    s.tls_required = false;
    CU_ASSERT_FALSE(told(&s, "certificate: ", ""));
    add(&s.listen_implicit, "127.0.0.1:990");
    CU_ASSERT_TRUE(told(&s, "certificate: ", "listen_implicit requires a certificate"));
    add(&s.certificate, "/nowhere/cert.pem");
    CU_ASSERT_TRUE(told(&s, "certificate: ", "cannot read /nowhere/cert.pem: "));
    settings_clear(&s);
}

static void
a_key_that_others_can_read_is_told(void)
{
    char path[] = "/tmp/sallyport-check-XXXXXX";
    int fd = mkstemp(path);
    struct settings s;

    CU_ASSERT_FATAL(fd != -1);
    CU_ASSERT_EQUAL_FATAL(settings_init(&s), SP_OK);
    add(&s.certificate, path);
    add(&s.certificate_key, path);
    CU_ASSERT_TRUE(told(&s, "certificate_key: ", "is empty"));
    CU_ASSERT_EQUAL(write(fd, "x", 1), 1);
    CU_ASSERT_FALSE(told(&s, "certificate", ""));
    CU_ASSERT_EQUAL(fchmod(fd, 0640), 0);
    CU_ASSERT_TRUE(told(&s, "certificate_key: ", "(mode 640); run chmod 600"));
    CU_ASSERT_EQUAL(fchmod(fd, 0604), 0);
    CU_ASSERT_TRUE(told(&s, "certificate_key: ", "(mode 604); run chmod 600"));
    fd_close(&fd);
    (void)unlink(path);
    settings_clear(&s);
}

static void
a_server_without_a_port_is_told(void)
{
    struct settings s;

    CU_ASSERT_EQUAL_FATAL(settings_init(&s), SP_OK);
    text_list_clear(&s.listen);
    CU_ASSERT_TRUE(told(&s, "listen: ", "no address to listen on"));
    settings_clear(&s);
}

static void
missing_programs_and_directories_are_told(void)
{
    struct settings s;

    CU_ASSERT_EQUAL_FATAL(settings_init(&s), SP_OK);
    set(&s.libexec_directory, "/nowhere");
    set(&s.users_database, "/nowhere/users.db");
    set(&s.run_directory, "/nowhere/run");
    set(&s.log, "/nowhere/log");
    CU_ASSERT_TRUE(told(&s, "libexec_directory: ", "cannot run /nowhere/sallyport-worker: "));
    CU_ASSERT_TRUE(told(&s, "users_database: ", "mkdir -p -m 700"));
    CU_ASSERT_TRUE(told(&s, "run_directory: ", "/nowhere: No such file"));
    CU_ASSERT_TRUE(told(&s, "log: ", "/nowhere: No such file"));
    set(&s.log, "/sallyport.log");
    CU_ASSERT_FALSE(told(&s, "log: ", ""));
    settings_clear(&s);
}

/* A directory of programs that root may execute, below one that is made for it. */
struct way { char top[64], below[128], programs[192]; struct settings s; };

static void
way_make(struct way *w)
{
    char path[256];

    CU_ASSERT_TRUE_FATAL(text_copy(w->top, sizeof w->top, "/tmp/sallyport-way-XXXXXX"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(w->top));
    CU_ASSERT_TRUE_FATAL(text_printf(w->below, sizeof w->below, "%s/below", w->top));
    CU_ASSERT_TRUE_FATAL(text_printf(w->programs, sizeof w->programs, "%s/link", w->top));
    CU_ASSERT_EQUAL_FATAL(mkdir(w->below, 0755), 0);
    CU_ASSERT_EQUAL_FATAL(symlink("below/../below", w->programs), 0);
    for (size_t i = 0; i < 5; i++) {
        static const char *const names[] = { "worker", "broker", "login", "keyholder",
                                             "ledger" };
        int fd = -1;

        CU_ASSERT_TRUE_FATAL(text_printf(path, sizeof path, "%s/sallyport-%s", w->below,
                                         names[i]));
        CU_ASSERT_TRUE_FATAL((fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0755)) != -1);
        fd_close(&fd);
    }
    CU_ASSERT_EQUAL_FATAL(settings_init(&w->s), SP_OK);
    set(&w->s.libexec_directory, w->programs);
}

static void
way_remove(struct way *w)
{
    char command[128];

    settings_clear(&w->s);
    CU_ASSERT_TRUE_FATAL(text_printf(command, sizeof command, "rm -r %s", w->top));
    CU_ASSERT_EQUAL(system(command), 0);     /* NOLINT(cert-env33-c): a name of our own */
}

static bool
refused(struct way *w, const char *words)
{
    return told(&w->s, "libexec_directory: ", "is not safe to run as root")
        && told(&w->s, "libexec_directory: ", words);
}

/* Whoever may put another program there would be root with it. */
static void
a_way_to_the_programs_that_others_may_change_is_told(void)
{
    static const mode_t open_to_others[] = { 0777, 0775, 0757, 02775 };
    char ledger[256];
    struct way w;

    if (!privilege_is_root()) {
        printf("skipped aloud: without root they run as who has built them\n");
        return;
    }
    way_make(&w);
    CU_ASSERT_FALSE(told(&w.s, "libexec_directory: ", ""));
    for (size_t i = 0; i < sizeof open_to_others / sizeof *open_to_others; i++) {
        CU_ASSERT_EQUAL(chmod(w.top, open_to_others[i]), 0);
        CU_ASSERT_TRUE(refused(&w, " is writable by group or others (mode "));
        CU_ASSERT_EQUAL(chmod(w.top, 0755), 0);
        CU_ASSERT_EQUAL(chmod(w.below, open_to_others[i]), 0);
        CU_ASSERT_TRUE(refused(&w, "/below is writable by group or others (mode "));
        CU_ASSERT_TRUE(refused(&w, "run chmod go-w on it"));
        CU_ASSERT_EQUAL(chmod(w.below, 0755), 0);
    }
    CU_ASSERT_EQUAL(chmod(w.top, 01777), 0);    /* as /tmp: what is root's stays there */
    CU_ASSERT_FALSE(told(&w.s, "libexec_directory: ", ""));
    CU_ASSERT_EQUAL(lchown(w.programs, 61234, 0), 0);   /* but a link may lead elsewhere */
    CU_ASSERT_TRUE(refused(&w, "/link is owned by uid 61234"));
    CU_ASSERT_EQUAL(lchown(w.programs, 0, 0), 0);
    CU_ASSERT_EQUAL(chown(w.below, 61234, 0), 0);
    CU_ASSERT_TRUE(refused(&w, "/below is owned by uid 61234"));
    CU_ASSERT_EQUAL(chown(w.below, 0, 0), 0);
    CU_ASSERT_TRUE_FATAL(text_printf(ledger, sizeof ledger, "%s/sallyport-ledger", w.below));
    CU_ASSERT_EQUAL(chmod(ledger, 0775), 0);
    CU_ASSERT_TRUE(refused(&w, "/sallyport-ledger is writable by group or others (mode 0775)"));
    CU_ASSERT_EQUAL(chmod(ledger, 0755), 0);
    CU_ASSERT_EQUAL(chown(ledger, 61234, 0), 0);
    CU_ASSERT_TRUE(refused(&w, "/sallyport-ledger is owned by uid 61234; run chown root"));
    CU_ASSERT_EQUAL(unlink(ledger), 0);         /* the service goes on without it */
    CU_ASSERT_FALSE(told(&w.s, "libexec_directory: ", ""));
    way_remove(&w);
}

static void
backends_are_checked_when_they_are_asked(void)
{
    struct settings s;

    CU_ASSERT_EQUAL_FATAL(settings_init(&s), SP_OK);
    set(&s.anonymous_root, "/nowhere");
    set(&s.pam_service, "sallyport-no-such-service");
    CU_ASSERT_FALSE(told(&s, "anonymous", ""));
    CU_ASSERT_FALSE(told(&s, "pam_service: ", ""));
    add(&s.auth, "anonymous");
    add(&s.auth, "pam");
    CU_ASSERT_TRUE(told(&s, "anonymous_root: ", "create it"));
    if (privilege_is_root())
        CU_ASSERT_TRUE(told(&s, "pam_service: ", "install etc/sallyport.pam"))
    else
        CU_ASSERT_TRUE(told(&s, "auth: ", "pam requires root"))
    settings_clear(&s);
}

static void
users_are_checked_as_root_alone(void)
{
    struct settings s;

    CU_ASSERT_EQUAL_FATAL(settings_init(&s), SP_OK);
    set(&s.worker_user, "sallyport-no-such-user");
    set(&s.guest_user, "root");
    if (!privilege_is_root()) {
        CU_ASSERT_FALSE(told(&s, "worker_user: ", ""));
        settings_clear(&s);
        return;
    }
    CU_ASSERT_TRUE(told(&s, "worker_user: ", "useradd --system"));
    CU_ASSERT_TRUE(told(&s, "guest_user: ", "uid or gid 0"));
    set(&s.worker_user, "nobody");
    set(&s.keyholder_user, "nobody");
    CU_ASSERT_TRUE(told(&s, "keyholder_user: ", "same user as worker_user"));
    settings_clear(&s);
}

static void
directories_and_files_in_each_others_place_are_told(void)
{
    char path[] = "/tmp/sallyport-check-XXXXXX", inside[64];
    int fd = mkstemp(path);
    struct settings s;

    CU_ASSERT_FATAL(fd != -1);
    fd_close(&fd);
    CU_ASSERT_EQUAL_FATAL(settings_init(&s), SP_OK);
    set(&s.log, "/tmp");
    CU_ASSERT_TRUE(told(&s, "log: ", "/tmp is a directory; use a file in it"));
    set(&s.run_directory, path);
    CU_ASSERT_TRUE(told(&s, "run_directory: ", "Not a directory; remove it"));
    (void)snprintf(inside, sizeof inside, "%s/log", path);
    set(&s.log, inside);
    CU_ASSERT_TRUE(told(&s, "log: ", "Not a directory"));
    set(&s.users_database, inside);
    CU_ASSERT_TRUE(told(&s, "users_database: ", "is not a directory"));
    set(&s.log, path);
    CU_ASSERT_FALSE(told(&s, "log: ", ""));
    (void)unlink(path);
    settings_clear(&s);
}

static void
the_line_is_told_and_nothing_of_what_is_faulty_already(void)
{
    struct settings s;

    CU_ASSERT_EQUAL_FATAL(settings_init(&s), SP_OK);
    set(&s.log, "/tmp");
    setting_place(&s, "log")->line = 7;
    CU_ASSERT_TRUE(told(&s, ":7: log: ", "/tmp is a directory"));
    CU_ASSERT_TRUE(setting_place(&s, "log")->told);
    setting_place(&s, "log")->faulty = true;
    CU_ASSERT_FALSE(told(&s, ":7: log: ", ""));
    settings_clear(&s);
}

static void
a_passive_range_that_is_too_small_is_a_warning_with_the_figure(void)
{
    struct heard h = { 0, "" };
    struct settings s;

    CU_ASSERT_EQUAL_FATAL(settings_init(&s), SP_OK);
    s.passive_port_least = 50000;
    s.passive_port_most = 50009;
    s.max_sessions = 11;
    SP_IGNORE(config_check_machine(&s, hear, &h));
    CU_ASSERT_PTR_NOT_NULL(strstr(h.text, "warning: 10 ports (50000 to 50009) for up to 11 "));
    CU_ASSERT_PTR_NOT_NULL(strstr(h.text, "open the ports 50000 to 50010"));
    CU_ASSERT_FALSE(setting_place(&s, "passive_port_least")->told);
    s.passive_port_most = 65535;
    s.passive_port_least = 65530;
    h = (struct heard){ 0, "" };
    SP_IGNORE(config_check_machine(&s, hear, &h));
    CU_ASSERT_PTR_NOT_NULL(strstr(h.text, "open the ports 65525 to 65535"));
    s.max_sessions = 6;
    h = (struct heard){ 0, "" };
    SP_IGNORE(config_check_machine(&s, hear, &h));
    CU_ASSERT_PTR_NULL(strstr(h.text, "warning: 6 ports"));
    settings_clear(&s);
}

/* Of one address list; the port is one that the test has, or one that nobody has. */
static bool
address_told(const char *address, unsigned port, const char *words)
{
    struct heard h = { 0, "" };
    struct settings s;
    char text[64];
    bool found = false;

    CU_ASSERT_EQUAL_FATAL(settings_init(&s), SP_OK);
    set(&s.run_directory, "/nowhere");
    text_list_clear(&s.listen);
    (void)snprintf(text, sizeof text, "%s:%u", address, port);
    add(&s.listen, text);
    CU_ASSERT_EQUAL(config_check_addresses(&s, hear, &h), h.count == 0 ? SP_OK : SP_INPUT);
    found = strstr(h.text, words) != NULL && h.count == 1;
    settings_clear(&s);
    return found;
}

static void
addresses_that_cannot_be_had_are_told(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    struct heard h = { 0, "" };
    struct settings s;
    char own[80], name[16] = "";
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unsigned port = 0;

    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&at, len), 0);
    CU_ASSERT_EQUAL_FATAL(listen(fd, 1), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    port = ntohs(at.sin_port);
    (void)prctl(PR_GET_NAME, name, 0, 0, 0);    /* under valgrind another one */
    (void)snprintf(own, sizeof own, "is already in use by %s (pid %ld)", name, (long)getpid());
    CU_ASSERT_TRUE(address_told("127.0.0.1", port, own));
    CU_ASSERT_TRUE(address_told("0.0.0.0", port, "is already in use by"));
    CU_ASSERT_TRUE(address_told("192.0.2.77", 2121, "this machine has no address 192.0.2.77"));
    fd_close(&fd);
    CU_ASSERT_FALSE(address_told("127.0.0.1", port, ""));
    CU_ASSERT_EQUAL_FATAL(settings_init(&s), SP_OK);
    text_list_clear(&s.listen);
    add(&s.listen, "0.0.0.0:21210");
    add(&s.listen_implicit, "127.0.0.1:21210");
    CU_ASSERT_EQUAL(config_check_addresses(&s, hear, &h), SP_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(h.text, "listen_implicit: 0.0.0.0:21210 and 127.0.0.1:21210 "
                                  "cannot both be used"));
    settings_clear(&s);
}

static void
a_file_that_others_may_change_is_told_to_root(void)
{
    char path[] = "/tmp/sallyport-check-XXXXXX";
    int fd = mkstemp(path);
    struct heard h = { 0, "" };
    struct settings s;

    CU_ASSERT_FATAL(fd != -1);
    CU_ASSERT_EQUAL_FATAL(settings_init(&s), SP_OK);
    set(&s.file, path);
    (void)!config_check_machine(&s, hear, &h);
    CU_ASSERT_PTR_NULL(strstr(h.text, "others than root"));
    CU_ASSERT_EQUAL(fchmod(fd, 0664), 0);
    h = (struct heard){ 0, "" };
    CU_ASSERT_EQUAL(config_check_machine(&s, hear, &h), SP_INPUT);
    CU_ASSERT_EQUAL(strstr(h.text, "chmod go-w") != NULL, privilege_is_root());
    fd_close(&fd);
    (void)unlink(path);
    settings_clear(&s);
}

static const struct unit_test tests[] = {
    { "a missing certificate is told", a_missing_certificate_is_told },
    { "a key that others can read is told", a_key_that_others_can_read_is_told },
    { "a server without a port is told", a_server_without_a_port_is_told },
    { "missing programs and directories are told", missing_programs_and_directories_are_told },
    { "a way to the programs that others may change is told",
      a_way_to_the_programs_that_others_may_change_is_told },
    { "backends are checked when they are asked", backends_are_checked_when_they_are_asked },
    { "users are checked as root alone", users_are_checked_as_root_alone },
    { "directories and files in each other's place are told",
      directories_and_files_in_each_others_place_are_told },
    { "the line is told, and nothing of what is faulty already",
      the_line_is_told_and_nothing_of_what_is_faulty_already },
    { "a passive range that is too small is a warning with the figure",
      a_passive_range_that_is_too_small_is_a_warning_with_the_figure },
    { "addresses that cannot be had are told", addresses_that_cannot_be_had_are_told },
    { "a file that others may change is told to root",
      a_file_that_others_may_change_is_told_to_root },
    { NULL, NULL }
};
const struct unit_suite suite_check = { "check", tests };
