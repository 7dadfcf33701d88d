/* tests/unit/test_load.c - src/config/load.c, source.c, meaning.c: faults and where they are */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "config/load.h"
#include "unit.h"

#define FAULTS_ROOM 16384

struct heard { unsigned count; char text[FAULTS_ROOM]; };

static void
hear(void *context, enum config_weight weight, const char *text)
{
    struct heard *h = context;
    size_t len = strlen(h->text);

    h->count += weight == CONFIG_FAULT ? 1 : 0;
    (void)snprintf(h->text + len, sizeof h->text - len, "%s\n", text);
}

/* Loads the text from a file of its own. */
static enum sp_err
load_bytes(struct settings *s, const void *text, size_t len, struct heard *h)
{
    char path[] = "/tmp/sallyport-load-XXXXXX";
    int fd = mkstemp(path);
    enum sp_err rc = SP_OS;

    *h = (struct heard){ 0, "" };
    CU_ASSERT_FATAL(fd != -1);
    CU_ASSERT_EQUAL(fd_write_all(fd, text, len), SP_OK);
    fd_close(&fd);
    rc = config_load(s, path, hear, h);
    (void)unlink(path);
    return rc;
}

static enum sp_err
load(struct settings *s, const char *text, struct heard *h)
{
    return load_bytes(s, text, strlen(text), h);
}

/* One fault each: where it is (what stands behind the file's name) and words of the remedy. */
static const struct { const char *text, *where, *says; } faults[] = {
    /* keys */
    { "max_session = 5\n", ":1: max_session: ", "did you mean max_sessions?" },
    { "\n\nlissten = {\"[::]:21\"}\n", ":3: lissten: ", "did you mean listen?" },
    { "frobnication = {1, 2}\n", ":1: frobnication: ", "see sallyport.conf(5)" },
    { "Umask = 022\n", ":1: Umask: ", "did you mean umask?" },
    { "umask = 022\n# a comment\numask = 027\n", ":3: umask: ", "first on line 1" },
    { "listen = {}\nlisten = {}\n", ":2: listen: ", "first on line 1" },
    /* booleans and numbers */
    { "tls_required = maybe\n", ":1: tls_required: ", "use true or false" },
    { "tls_required = \"\"\n", ":1: tls_required: ", "use true or false" },
    { "\nmax_sessions = 0\n", ":2: max_sessions: ", "from 1 to 100000 (sessions)" },
    { "max_sessions = 100001\n", ":1: max_sessions: ", "from 1 to 100000 (sessions)" },
    { "max_sessions = -1\n", ":1: max_sessions: ", "is not a number" },
    { "max_sessions = ten\n", ":1: max_sessions: ", "is not a number" },
    { "max_sessions = 1k\n", ":1: max_sessions: ", "is not a number" },
    { "max_sessions = 0x10\n", ":1: max_sessions: ", "is not a number" },
    { "max_sessions = 99999999999999999999\n", ":1: max_sessions: ", "is not a number" },
    { "max_sessions = \"\"\n", ":1: max_sessions: ", "is not a number" },
    /* sizes and times */
    { "idle_timeout = 900\n", ":1: idle_timeout: ", "has no unit; did you mean \"15 min\"?" },
    { "\nidle_timeout = 15 min\n", ":2: idle_timeout: ", "must be in double quotes" },
    { "idle_timeout = 15 min # long\n", ":1: idle_timeout: ", "must be in double quotes" },
    { "idle_timeout = \"15 mni\"\n", ":1: idle_timeout: ", "use ms, s, min, h or d" },
    { "idle_timeout = 5s\n", ":1: idle_timeout: ", "use a value from 10 s to 7 d" },
    { "idle_timeout = 8d\n", ":1: idle_timeout: ", "use a value from 10 s to 7 d" },
    { "idle_timeout = 10500ms\n", ":1: idle_timeout: ", "smallest step here is 1 s" },
    { "allocate_most = 5GB\n", ":1: allocate_most: ", "did you mean \"5 GiB\"?" },
    { "argon2_memory = \"7 MiB\"\n", ":1: argon2_memory: ", "from 8 MiB to 4 GiB" },
    { "umask = 8\n", ":1: umask: ", "\"000\" to \"777\"" },
    { "umask = 01777\n", ":1: umask: ", "octal number" },
    { "jail_create_mode = rwx\n", ":1: jail_create_mode: ", "octal number" },
    /* texts */
    { "worker_user = \"\"\n", ":1: worker_user: ", "must not be empty" },
    { "worker_user = root\n", ":1: worker_user: ", "useradd --system" },
    { "tls_minimum = 1.1\n", ":1: tls_minimum: ", "\"1.2\" or \"1.3\"" },
    { "log_level = verbose\n", ":1: log_level: ", "error, warning, notice or debug" },
    /* its length is not what is wrong with a word */
    { "log_level = info\n", ":1: log_level: ", "unknown level \"info\"; use error, " },
    { "sandbox = off\n", ":1: sandbox: ", "use enforce or report" },
    { "tls_minimum = \"\"\n", ":1: tls_minimum: ", "use \"1.2\" or \"1.3\"" },
    { "pam_service = "
      "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklm\n",
      ":1: pam_service: ", "too long: 65 bytes; at most 64" },
    { "log = console\n", ":1: log: ", "absolute path" },
    { "run_directory = run\n", ":1: run_directory: ", "must begin with /" },
    { "pam_service = /etc/pam.d/ftp\n", ":1: pam_service: ", "use only a file name" },
    { "system_user_jail = \"/srv/%q\"\n", ":1: system_user_jail: ", "%u (name)" },
    { "system_user_jail = \"/srv/100%\"\n", ":1: system_user_jail: ", "%u (name)" },
    { "system_user_jail = home\n", ":1: system_user_jail: ", "or %h" },
    /* lists */
    { "auth = {}\n", ":1: auth: ", "at least 1" },
    { "auth = {\n  \"users\",\n  \"ldap\"\n}\n", ":3: auth: ", "users, pam or anonymous" },
    { "auth = {\"users\", \"users\"}\n", ":1: auth: ", "in the list twice" },
    { "cleartext_users = {\"\"}\n", ":1: cleartext_users: ", "empty entry" },
    { "listen = {\"21\"}\n", ":1: listen: ", "is not a valid ADDRESS:PORT" },
    { "listen = {\"*:21\"}\n", ":1: listen: ", "is not a valid ADDRESS:PORT" },
    { "listen = {\"::1:21\"}\n", ":1: listen: ", "\"[::]:21\"" },
    { "listen = {\"127.0.0.1:0\"}\n", ":1: listen: ", "is not a valid ADDRESS:PORT" },
    { "listen = {\"127.0.0.1:65536\"}\n", ":1: listen: ", "is not a valid ADDRESS:PORT" },
    { "cleartext_networks = {\"10.0.0.1/8\"}\n", ":1: cleartext_networks: ", "prefix" },
    { "cleartext_networks = {\"office\"}\n", ":1: cleartext_networks: ", "is not a valid network" },
    { "passive_address = {\"2001:db8::1\"}\n", ":1: passive_address: ", "IPv4" },
    { "passive_address = {\"10.0.0.0/33=10.0.0.1\"}\n", ":1: passive_address: ", "network" },
    /* two settings together */
    { "certificate = {\"/a\", \"/b\"}\ncertificate_key = {\"/a\"}\n", ":2: certificate_key: ",
      "1 keys for 2 certificates" },
    { "certificate = \"/a\"\n", ":1: certificate_key: ", "0 keys for 1 certificates" },
    { "passive_port_least = 2000\npassive_port_most = 1999\n", ":1: passive_port_least: ",
      "greater than passive_port_most" },
    { "listen = {\"[::]:990\"}\nlisten_implicit = {\"[::]:990\"}\n", ":2: listen_implicit: ",
      "either explicit or implicit" },
    /* the form */
    { "/* a\n comment */\n/* b */ umask = x\n", ":3: umask: ", "octal number" },
    { "listen = { # why\n \"[::]:21\", /* and\n this */ \"x\" }\n", ":3: listen: ", "ADDRESS" },
    { "umask = 022\n/* no end\n\n", ":2: ", "has no end" },
    { "\nbanner = \"no end\numask = 022\n", ":2: ", "no closing \"" },
    { "banner = \"${HOME}\"\n", ":1: ", "${...} are not supported" },
    { "banner = ${HOME}\n", ":1: ", "${...} are not supported" },
    { "banner = \"a\\nb\"\n", ":1: ", "backslash" },
    { "banner = \"a\\x00b\"\n", ":1: ", "backslash" },
    { "banner = \"a\tb\001\"\n", ":1: ", "control character (0x01)" },
    { "listen = *:21\n", ":1: ", "double quotes" },
    { "listen += {\"[::]:21\"}\n", ":1: ", "list in one piece" },
    { "umask 022\n", ":1: ", "name = value" },
    { "umask = {022}\n", ":1: umask: ", "name = value" },
    { "umask = 022 }\n", ":1: umask: ", "name = value" },
    { "listen = {\"[::]:21\"\n", ":2: listen: ", "premature end" },
    { "include(\"/etc/passwd\")\n", ":1: ", "no such option 'include'" },
    { "tls {\n umask = 022\n}\n", ":1: ", "no such option 'tls'" },
};

static void
each_fault_names_its_line_and_key(void)
{
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct settings s;
        struct heard h;
        enum sp_err rc = load(&s, faults[i].text, &h);
        bool good = rc == SP_INPUT && h.count == 1 && strstr(h.text, faults[i].where) != NULL
            && strstr(h.text, faults[i].says) != NULL && s.banner == NULL;

        if (!good)
            printf("\n%s -> %s expected '%s' '%s', heard: %s", faults[i].text, sp_err_text(rc),
                   faults[i].where, faults[i].says, h.text);
        CU_ASSERT_TRUE(good);
        settings_clear(&s);
    }
}

static void
every_fault_is_told_not_only_the_first(void)
{
    struct settings s;
    struct heard h;

    CU_ASSERT_EQUAL(load(&s, "max_sessions = 0\nnonsense = 1\nlog_level = loud\n"
                         "listen = {\"x\", \"[::]:21\", \"y\"}\n", &h), SP_INPUT);
    CU_ASSERT_EQUAL(h.count, 5);
    CU_ASSERT_PTR_NOT_NULL(strstr(h.text, ":1: max_sessions: "));
    CU_ASSERT_PTR_NOT_NULL(strstr(h.text, ":2: nonsense: "));
    CU_ASSERT_PTR_NOT_NULL(strstr(h.text, ":3: log_level: "));
    CU_ASSERT_PTR_NOT_NULL(strstr(h.text, ":4: listen: \"x\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(h.text, ":4: listen: \"y\""));
}

static void
every_form_of_value_is_taken(void)
{
    static const char text[] =
        "# one of each form\r\n"
        "listen = {\"127.0.0.1:2121\", '[::1]:2121'}   // two\n"
        "listen_implicit = \"127.0.0.1:2990\"\n"
        "certificate = {/etc/a.pem}\ncertificate_key = {/etc/a.key}\n"
        "tls_required = no\ndurable = OFF\nactive = true\n"
        "umask = 027\njail_create_mode = \"0700\"\n"
        "banner = \"say \\\"hello\\\" # and \\\\ /* stay */\"\n"
        "auth = {users /* first */, # then\n anonymous}\n"
        "tls_ciphers = 'a${b}c'\n"
        "passive_address = {\"10.0.0.0/8=10.1.2.3\", 192.0.2.1}\n"
        "max_sessions = 0009";
    struct settings s;
    struct heard h;

    CU_ASSERT_EQUAL_FATAL(load(&s, text, &h), SP_OK);
    CU_ASSERT_EQUAL(h.count, 0);
    CU_ASSERT_EQUAL_FATAL(s.listen.count, 2);
    CU_ASSERT_STRING_EQUAL(s.listen.texts[1], "[::1]:2121");
    CU_ASSERT_EQUAL_FATAL(s.listen_implicit.count, 1);
    CU_ASSERT_STRING_EQUAL(s.listen_implicit.texts[0], "127.0.0.1:2990");
    CU_ASSERT_STRING_EQUAL(s.certificate.texts[0], "/etc/a.pem");
    CU_ASSERT_FALSE(s.tls_required);
    CU_ASSERT_FALSE(s.durable);
    CU_ASSERT_TRUE(s.active);
    CU_ASSERT_EQUAL(s.umask, 027);
    CU_ASSERT_EQUAL(s.jail_create_mode, 0700);
    CU_ASSERT_STRING_EQUAL(s.banner, "say \"hello\" # and \\ /* stay */");
    CU_ASSERT_EQUAL_FATAL(s.auth.count, 2);
    CU_ASSERT_STRING_EQUAL(s.auth.texts[0], "users");
    CU_ASSERT_STRING_EQUAL(s.auth.texts[1], "anonymous");
    CU_ASSERT_STRING_EQUAL(s.tls_ciphers, "a${b}c");
    CU_ASSERT_EQUAL(s.max_sessions, 9);
    CU_ASSERT_PTR_NOT_NULL(s.file);
    settings_clear(&s);
}

static void
an_empty_list_takes_the_place_of_the_default(void)
{
    struct settings s;
    struct heard h;

    CU_ASSERT_EQUAL_FATAL(load(&s, "listen = {}\n", &h), SP_OK);
    CU_ASSERT_EQUAL(s.listen.count, 0);
    settings_clear(&s);
}

static void
an_empty_file_means_the_defaults(void)
{
    struct settings s;
    struct heard h;

    CU_ASSERT_EQUAL_FATAL(load(&s, "", &h), SP_OK);
    CU_ASSERT_EQUAL(s.listen.count, 2);
    settings_clear(&s);
    CU_ASSERT_EQUAL_FATAL(load(&s, "\n# nothing\n", &h), SP_OK);
    settings_clear(&s);
}

static void
a_file_with_a_nul_is_refused(void)
{
    struct settings s;
    struct heard h;

    CU_ASSERT_EQUAL(load_bytes(&s, "umask = 022\n\0x = 1\n", 19, &h), SP_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(h.text, ":2: control character (0x00)"));
    CU_ASSERT_EQUAL(load_bytes(&s, "banner = \"a\0b\"\n", 15, &h), SP_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(h.text, ":1: "));
}

static void
a_list_with_too_many_entries_is_refused(void)
{
    struct buf text = BUF_EMPTY(65536);
    struct settings s;
    struct heard h;

    CU_ASSERT_EQUAL(buf_add_text(&text, "\nlisten = {"), SP_OK);
    for (int i = 0; i < 33; i++)
        CU_ASSERT_EQUAL(buf_printf(&text, "%s\"127.0.0.1:%d\"", i == 0 ? "" : ",\n", 2000 + i),
                        SP_OK);
    CU_ASSERT_EQUAL(buf_add_text(&text, "}\n"), SP_OK);
    CU_ASSERT_EQUAL(load_bytes(&s, text.at, text.len, &h), SP_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(h.text, ":2: listen: has 33 entries; at most 32"));
    buf_free(&text);
}

static void
a_file_that_cannot_be_read_is_named(void)
{
    struct settings s;
    struct heard h = { 0, "" };

    CU_ASSERT_EQUAL(config_load(&s, "/nowhere/sallyport.conf", hear, &h), SP_OS);
    CU_ASSERT_EQUAL(h.count, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(h.text, "/nowhere/sallyport.conf: cannot be read: No such"));
    h = (struct heard){ 0, "" };
    CU_ASSERT_EQUAL(config_load(&s, "/dev", hear, &h), SP_OS);
    CU_ASSERT_PTR_NOT_NULL(strstr(h.text, "/dev: is not a regular file"));
    h = (struct heard){ 0, "" };
    CU_ASSERT_EQUAL(config_load(&s, "/dev/zero", hear, &h), SP_OS);
    CU_ASSERT_EQUAL(h.count, 1);
}

static void
a_second_load_is_not_disturbed_by_a_broken_first(void)
{
    struct settings s;
    struct heard h;

    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        CU_ASSERT_EQUAL(load(&s, faults[i].text, &h), SP_INPUT);
        CU_ASSERT_EQUAL(load(&s, "umask = 077\n", &h), SP_OK);
        CU_ASSERT_EQUAL(s.umask, 077);
        settings_clear(&s);
    }
}

static const struct unit_test tests[] = {
    { "each fault names its line and key", each_fault_names_its_line_and_key },
    { "every fault is told, not only the first", every_fault_is_told_not_only_the_first },
    { "every form of value is taken", every_form_of_value_is_taken },
    { "an empty list takes the place of the default",
      an_empty_list_takes_the_place_of_the_default },
    { "an empty file means the defaults", an_empty_file_means_the_defaults },
    { "a file with a NUL is refused", a_file_with_a_nul_is_refused },
    { "a list with too many entries is refused", a_list_with_too_many_entries_is_refused },
    { "a file that cannot be read is named", a_file_that_cannot_be_read_is_named },
    { "a second load is not disturbed by a broken first",
      a_second_load_is_not_disturbed_by_a_broken_first },
    { NULL, NULL }
};
const struct unit_suite suite_load = { "load", tests };
