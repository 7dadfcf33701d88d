/* tests/unit/test_keyholder.c - the built sallyport-keyholder, we are its monitor */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "tests/peers/sides.h"
#include "tls_pair.h"
#include "unit.h"
#include "wire/channel.h"
#include "wire/pack.h"

#define NOBODY 65534
#define WAIT_MS UNIT_HANGS_MS

struct holder {
    pid_t pid;
    struct channel channel;
    struct message m;
    char directory[64], empty[80];
};

/* False: the program is not built here. */
static bool
holder_start(struct holder *h)
{
    char id[16];
    char *const argv[] = { (char[]){ SP_TEST_KEYHOLDER }, id, id, NULL };
    int ours = -1;

    memset(h, 0, sizeof *h);
    if (access(SP_TEST_KEYHOLDER, X_OK) != 0)
        return false;
    SP_ASSERT(text_copy(h->directory, sizeof h->directory, "/tmp/sallyport-test-XXXXXX"));
    SP_ASSERT(mkdtemp(h->directory) != NULL && chmod(h->directory, 0755) == 0);
    SP_ASSERT(text_printf(h->empty, sizeof h->empty, "%s/empty", h->directory));
    SP_ASSERT(mkdir(h->empty, 0755) == 0);
    SP_ASSERT(text_printf(id, sizeof id, "%u", geteuid() == 0 ? NOBODY : geteuid()));
    SP_ASSERT((h->pid = side_execute(SP_TEST_KEYHOLDER, argv, &ours)) != -1);
    channel_init(&h->channel, ours, MONITOR, KEYHOLDER, ST_START);
    return true;
}

/* Its exit code; 256 and a signal. */
static int
holder_end(struct holder *h)
{
    int status = 0;

    channel_clear(&h->channel);
    CU_ASSERT_EQUAL(waitpid(h->pid, &status, 0), h->pid);
    (void)rmdir(h->empty);
    (void)rmdir(h->directory);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

/* The next message that is no log line; 0: none. */
static unsigned
hear(struct holder *h)
{
    do {
        if (channel_wait(&h->channel, &h->m, WAIT_MS) != SP_OK)
            return 0;
    } while (h->m.type == MSG_LOG);
    return h->m.type;
}

static void
say(struct holder *h)
{
    CU_ASSERT_EQUAL(channel_send_wait(&h->channel, &h->m), SP_OK);
}

static void
say_settings(struct holder *h)
{
    struct settings set;

    SP_ASSERT(settings_init(&set) == SP_OK);
    free(set.run_directory);
    set.run_directory = strdup(h->directory);
    CU_ASSERT_EQUAL(side_settings(&h->channel, KEYHOLDER, &set), SP_OK);
    settings_clear(&set);
}

static void
say_key(struct holder *h, unsigned index, int fd)
{
    msg_key_pack(&h->m, &(struct msg_key){ .index = (uint8_t)index,
                                           .file = slice_of("/etc/a.key") });
    h->m.fds[0] = fd;
    h->m.nfds = 1;
    say(h);
}

static void
say_certificate(struct holder *h, unsigned index, int fd)
{
    msg_certificate_pack(&h->m,
                         &(struct msg_certificate){ .index = (uint8_t)index,
                                                    .file = slice_of("/etc/a.pem") });
    h->m.fds[0] = fd;
    h->m.nfds = 1;
    say(h);
}

static void
say_sign(struct holder *h, uint64_t number, unsigned scheme, struct slice tbs)
{
    msg_key_sign_pack(&h->m, &(struct msg_key_sign){
        .number = number, .key = 1, .scheme = (uint16_t)scheme, .tbs = tbs });
    say(h);
}

static void
say_start(struct holder *h)
{
    msg_start_pack(&h->m, &(struct msg_start){0});
    say(h);
    CU_ASSERT_EQUAL(hear(h), MSG_READY);
    channel_enter(&h->channel, ST_READY);
}

static bool
begin(struct holder *h)
{
    struct msg_key_loaded loaded;
    struct msg_key_failed failed;

    if (!holder_start(h)) {
        printf("\nskipped: %s is not built\n", SP_TEST_KEYHOLDER);
        return false;
    }
    say_settings(h);
    say_key(h, 0, pair_text_file("no key"));
    CU_ASSERT_EQUAL(hear(h), MSG_KEY_FAILED);
    CU_ASSERT_EQUAL(msg_key_failed_unpack(&h->m, &failed), SP_OK);
    CU_ASSERT_EQUAL(failed.index, 0);
    say_key(h, 1, pair_key_file(PAIR_EC, NULL));
    CU_ASSERT_EQUAL(hear(h), MSG_KEY_LOADED);
    CU_ASSERT_EQUAL(msg_key_loaded_unpack(&h->m, &loaded), SP_OK);
    CU_ASSERT_TRUE(loaded.index == 1 && loaded.bits == 256);
    CU_ASSERT_TRUE(loaded.from == 0 && loaded.until == 0);
    say_certificate(h, 2, pair_certificate_file(PAIR_EC, "DNS:a", -86400, 7200));
    say_key(h, 2, pair_key_file(PAIR_EC, NULL));
    CU_ASSERT_EQUAL(hear(h), MSG_KEY_LOADED);
    CU_ASSERT_EQUAL(msg_key_loaded_unpack(&h->m, &loaded), SP_OK);
    CU_ASSERT_EQUAL(loaded.until - loaded.from, 86400 + 7200);
    CU_ASSERT_TRUE(llabs(loaded.until - clock_seconds() - 7200) < 600);
    say_start(h);
    return true;
}

static void
signs_and_refuses(void)
{
    static struct holder h;
    unsigned char tbs[64 + 4 + 32] = { [64] = 3, [66] = 29, [67] = 32 };
    struct msg_key_signed signature;
    struct msg_key_refused refused;
    EVP_MD_CTX *md = EVP_MD_CTX_new();

    if (!begin(&h))
        goto out;
    for (uint64_t i = 1; i <= 200; i++) {
        say_sign(&h, i, 0x0403, slice_from(tbs, sizeof tbs));
        CU_ASSERT_EQUAL_FATAL(hear(&h), MSG_KEY_SIGNED);
        CU_ASSERT_EQUAL(msg_key_signed_unpack(&h.m, &signature), SP_OK);
        CU_ASSERT_EQUAL(signature.number, i);
        CU_ASSERT_EQUAL(EVP_DigestVerifyInit_ex(md, NULL, "SHA256", NULL, NULL,
                                                pair_key(PAIR_EC), NULL), 1);
        CU_ASSERT_EQUAL(EVP_DigestVerify(md, signature.signature.at,
                                         signature.signature.len, tbs, sizeof tbs),
                        1);
    }
    say_sign(&h, 900, 0x0403, slice_from(tbs, sizeof tbs - 1));
    CU_ASSERT_EQUAL(hear(&h), MSG_KEY_REFUSED);
    CU_ASSERT_EQUAL(msg_key_refused_unpack(&h.m, &refused), SP_OK);
    CU_ASSERT_TRUE(refused.number == 900 && refused.text.len > 0);
    CU_ASSERT_EQUAL(holder_end(&h), 0);
out:
    EVP_MD_CTX_free(md);
}

/* A line of /proc/PID/status: its value, or "". */
static void
status_line(pid_t pid, const char *name, char out[128])
{
    char path[64], line[256];
    FILE *in = NULL;

    out[0] = '\0';
    SP_ASSERT(text_printf(path, sizeof path, "/proc/%d/status", (int)pid));
    if ((in = fopen(path, "re")) == NULL)
        return;
    while (fgets(line, sizeof line, in) != NULL)
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':') {
            char *value = line + strlen(name) + 1;

            value += strspn(value, " \t");
            value[strcspn(value, "\n")] = '\0';
            SP_ASSERT(text_copy(out, 128, value));
        }
    (void)fclose(in);
}

static void
stands_behind_its_walls(void)
{
    static struct holder h;
    char value[128], path[64], root[256] = "";
    unsigned files = 0;
    DIR *dir = NULL;

    if (!begin(&h))
        return;
    status_line(h.pid, "Seccomp", value);
    CU_ASSERT_STRING_EQUAL(value, "2");
    status_line(h.pid, "NoNewPrivs", value);
    CU_ASSERT_STRING_EQUAL(value, "1");
    status_line(h.pid, "CapEff", value);
    CU_ASSERT_STRING_EQUAL(value, "0000000000000000");
    status_line(h.pid, "CapPrm", value);
    CU_ASSERT_STRING_EQUAL(value, "0000000000000000");
    if (geteuid() == 0) {
        status_line(h.pid, "CapBnd", value);
        CU_ASSERT_STRING_EQUAL(value, "0000000000000000");
        status_line(h.pid, "Uid", value);
        CU_ASSERT_STRING_EQUAL(value, "65534\t65534\t65534\t65534");
        status_line(h.pid, "Groups", value);
        CU_ASSERT_STRING_EQUAL(value, "");
        SP_ASSERT(text_printf(path, sizeof path, "/proc/%d/root", (int)h.pid));
        CU_ASSERT_TRUE(readlink(path, root, sizeof root - 1) > 0);
        CU_ASSERT_STRING_EQUAL(root, h.empty);
        SP_ASSERT(text_printf(path, sizeof path, "/proc/%d/fd", (int)h.pid));
        CU_ASSERT_PTR_NOT_NULL_FATAL(dir = opendir(path));
        for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
            files += e->d_name[0] != '.';
        (void)closedir(dir);
        CU_ASSERT_EQUAL(files, 4);
    }
    CU_ASSERT_EQUAL(holder_end(&h), 0);
}

static void
a_message_out_of_place_ends_it(void)
{
    static struct holder h;

    if (!begin(&h))
        return;
    channel_enter(&h.channel, ST_READY);
    say_key(&h, 2, pair_key_file(PAIR_RSA, NULL));     /* after START */
    CU_ASSERT_EQUAL(hear(&h), 0);
    CU_ASSERT_EQUAL(holder_end(&h), 1);
}

static void
ends_with_the_monitor(void)
{
    static struct holder h;

    if (!holder_start(&h))
        return;
    CU_ASSERT_EQUAL(holder_end(&h), 0);
}

static const struct unit_test tests[] = {
    { "it signs handshakes and refuses the rest", signs_and_refuses },
    { "it stands behind its walls", stands_behind_its_walls },
    { "a message out of place ends it", a_message_out_of_place_ends_it },
    { "it ends with the monitor", ends_with_the_monitor },
    { NULL, NULL }
};
const struct unit_suite suite_keyholder = { "keyholder: process", tests };
