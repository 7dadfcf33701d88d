/*
 * tests/fuzz/fuzz_broker.c - a broker in the hands of its worker (broker/answer.h)
 *
 * The real modules in a scratch jail, without chroot, Landlock and seccomp: the resolver
 * and the permits have to hold alone. Beside the jail lies a file that no path may reach.
 *
 * Input: the permits (two bytes), then requests: 255 and a raw record (how many
 * descriptors, length, bytes); 254 and bytes for the open upload; else the number of a
 * request and its fields (paths and texts up to LF).
 * Holds: each request has one answer, which the worker's side of the wire accepts;
 * nothing is opened outside the jail and nothing there changes; nothing is done without
 * its permit; a listing is lines; no descriptor is left.
 */
#include "broker/answer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "broker/broker.h"
#include "fuzz_wire.h"
#include "wire/grant.h"
#include "wire/pack.h"

#define REQUESTS_MOST 24
#define NOBODY 65534

struct play {
    char top[64];               /* the scratch directory: jail, outside/secret */
    struct channel worker;      /* our end                                     */
    struct broker b;
    int listing, upload;
    struct stat secret;
    unsigned asked, answers, listings;
    bool line_open;             /* the last byte of a listing was no LF        */
};

static struct play play;

int __real_poll(struct pollfd *p, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *p, nfds_t n, int timeout);
int __wrap___poll_chk(struct pollfd *p, nfds_t n, int timeout, size_t room);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

/* ---- the scratch directory --------------------------------------------------------- */

static void
make_file(int dir, const char *name, const char *content)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

    FUZZ_HOLDS(fd != -1 && fd_write_all(fd, content, strlen(content)) == SP_OK);
    fd_close(&fd);
}

static void
make_jail(void)
{
    int top = -1, jail = -1;

    (void)umask(022);
    FUZZ_HOLDS(text_copy(play.top, sizeof play.top, "/tmp/sallyport-fuzz-XXXXXX"));
    FUZZ_HOLDS(mkdtemp(play.top) != NULL);
    FUZZ_HOLDS((top = open(play.top, O_PATH | O_DIRECTORY | O_CLOEXEC)) != -1);
    FUZZ_HOLDS(mkdirat(top, "jail", 0755) == 0 && mkdirat(top, "outside", 0755) == 0);
    FUZZ_HOLDS((jail = openat(top, "jail", O_PATH | O_DIRECTORY | O_CLOEXEC)) != -1);
    make_file(top, "outside/secret", "secret");
    FUZZ_HOLDS(fstatat(top, "outside/secret", &play.secret, 0) == 0);
    make_file(jail, "a", "one\r\ntwo\nthree\r\n");
    FUZZ_HOLDS(mkdirat(jail, "d", 0755) == 0 && mkdirat(jail, "d/e", 0755) == 0);
    make_file(jail, "d/b", "b");
    make_file(jail, "c\r\n-rwx forged", "");
    FUZZ_HOLDS(symlinkat("../outside/secret", jail, "l1") == 0);
    FUZZ_HOLDS(symlinkat("../outside", jail, "l2") == 0);
    FUZZ_HOLDS(symlinkat("/d", jail, "l3") == 0 && symlinkat("l4", jail, "l4") == 0);
    FUZZ_HOLDS(symlinkat("/etc/passwd", jail, "l5") == 0);
    FUZZ_HOLDS(mkfifoat(jail, "p", 0644) == 0);
    play.b.root = jail;
    fd_close(&top);
}

/*
 * Takes a directory away, deepest first. Names come from the input, depth is bounded by
 * it.
 */
static void
remove_tree(int at, const char *name, unsigned depth)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = NULL;

    if (fd == -1 || depth > 200)
        return;
    (void)!fchmod(fd, 0700);
    if ((d = fdopendir(fd)) == NULL) {
        fd_close(&fd);
        return;
    }
    for (struct dirent *e = NULL; (e = readdir(d)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (unlinkat(fd, e->d_name, 0) == -1) {
            (void)!fchmodat(fd, e->d_name, 0700, 0);
            remove_tree(fd, e->d_name, depth + 1);
            (void)unlinkat(fd, e->d_name, AT_REMOVEDIR);
        }
    }
    (void)closedir(d);
}

static void
check_outside(void)
{
    char path[PATH_MAX], content[16] = "";
    struct stat st;
    struct dirent *e = NULL;
    DIR *d = NULL;
    unsigned names = 0;
    int fd = -1;

    FUZZ_HOLDS(text_printf(path, sizeof path, "%s/outside", play.top));
    FUZZ_HOLDS((d = opendir(path)) != NULL);
    while ((e = readdir(d)) != NULL)
        names++;
    (void)closedir(d);
    FUZZ_HOLDS(names == 3);
    FUZZ_HOLDS(text_printf(path, sizeof path, "%s/outside/secret", play.top));
    FUZZ_HOLDS(stat(path, &st) == 0 && st.st_ino == play.secret.st_ino
               && st.st_mode == play.secret.st_mode && st.st_nlink == 1
               && st.st_mtim.tv_sec == play.secret.st_mtim.tv_sec
               && st.st_mtim.tv_nsec == play.secret.st_mtim.tv_nsec);
    FUZZ_HOLDS((fd = open(path, O_RDONLY | O_CLOEXEC)) != -1);
    FUZZ_HOLDS(read(fd, content, sizeof content) == 6 && strcmp(content, "secret") == 0);
    fd_close(&fd);
}

/* ---- what the worker's end hears --------------------------------------------------- */

/* A descriptor that came is a regular file below the jail. */
static void
check_file(int fd)
{
    char link[64], path[PATH_MAX] = "", jail[96];
    struct stat st;

    FUZZ_HOLDS(fstat(fd, &st) == 0 && S_ISREG(st.st_mode));
    FUZZ_HOLDS(st.st_dev != play.secret.st_dev || st.st_ino != play.secret.st_ino);
    FUZZ_HOLDS(text_printf(link, sizeof link, "/proc/self/fd/%d", fd));
    FUZZ_HOLDS(text_printf(jail, sizeof jail, "%s/jail/", play.top));
    /* one that has no name, or one too long for the link, is told by its device alone */
    if (readlink(link, path, sizeof path - 1) > 0)
        FUZZ_HOLDS(strncmp(path, jail, strlen(jail)) == 0);
}

static void
read_listing(void)
{
    unsigned char bytes[4096];
    ssize_t n = 0;

    while (play.listing != -1 && (n = read(play.listing, bytes, sizeof bytes)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            FUZZ_HOLDS(bytes[i] != '\0');
            FUZZ_HOLDS(!play.line_open || (bytes[i] == '\n'));
            play.line_open = bytes[i] == '\r';
            /* CR and LF stand at the end of a line, together */
            FUZZ_HOLDS(bytes[i] != '\n' || i == 0 || bytes[i - 1] == '\r');
        }
    }
    if (play.listing != -1 && n == 0)
        fd_close(&play.listing);
}

static void
hear_answer(struct message *m, unsigned asked)
{
    unsigned permits = play.b.permits;

    play.answers++;
    switch (m->type) {
    case MSG_OPENED:
        FUZZ_HOLDS((asked == MSG_OPEN_READ || asked == MSG_OPEN_RESUMED
                    || asked == MSG_OPEN_RESTART)
                   && (permits & PERMIT_DOWNLOAD) != 0);
        FUZZ_HOLDS(asked != MSG_OPEN_RESTART
                   || (permits & (PERMIT_UPLOAD | PERMIT_APPEND)) != 0);
        check_file(m->fds[0]);
        FUZZ_HOLDS((fcntl(m->fds[0], F_GETFL) & O_ACCMODE) == O_RDONLY);
        break;
    case MSG_UPLOADING:
        FUZZ_HOLDS(asked == MSG_OPEN_WRITE
                   && (permits & (PERMIT_UPLOAD | PERMIT_APPEND)) != 0);
        check_file(m->fds[0]);
        fd_close(&play.upload);
        play.upload = message_take_fd(m, 0);
        break;
    case MSG_LISTING:
        FUZZ_HOLDS(asked == MSG_LIST && (permits & PERMIT_LIST) != 0);
        fd_close(&play.listing);
        play.listing = message_take_fd(m, 0);
        FUZZ_HOLDS(fd_set_nonblocking(play.listing, true) == SP_OK);
        play.listings++;
        play.answers--;                 /* LISTED or FAILED follows */
        break;
    case MSG_DONE:
        FUZZ_HOLDS(asked != MSG_DELETE || (permits & PERMIT_DELETE) != 0);
        FUZZ_HOLDS(asked != MSG_MKDIR || (permits & PERMIT_MKDIR) != 0);
        FUZZ_HOLDS(asked != MSG_RMDIR || (permits & PERMIT_RMDIR) != 0);
        FUZZ_HOLDS(asked != MSG_RENAME || (permits & PERMIT_RENAME) != 0);
        FUZZ_HOLDS(asked != MSG_CHMOD || (permits & PERMIT_CHMOD) != 0);
        FUZZ_HOLDS(asked != MSG_UTIME || (permits & PERMIT_UTIME) != 0);
        break;
    default:
        FUZZ_HOLDS(m->type == MSG_FAILED || m->nfds == 0);
        break;
    }
}

static void
check_fields(const struct message *m)
{
    struct msg_fact_line line = { 0 };
    struct msg_failed failed = { 0 };
    struct msg_status status = { 0 };

    if (m->type == MSG_FACT_LINE)
        FUZZ_HOLDS(msg_fact_line_unpack(m, &line) == SP_OK
                   && !slice_has_line_break(line.line));
    if (m->type == MSG_FAILED)
        FUZZ_HOLDS(msg_failed_unpack(m, &failed) == SP_OK && failed.code > 0
                   && failed.code < FAIL_COUNT);
    if (m->type == MSG_STATUS)
        FUZZ_HOLDS(msg_status_unpack(m, &status) == SP_OK);
}

static void
hear(void)
{
    struct message m;
    enum sp_err rc = SP_OK;

    while (play.worker.fd != -1 && (rc = channel_receive(&play.worker, &m)) == SP_OK) {
        check_fields(&m);
        hear_answer(&m, play.asked);
        message_clear(&m);
        read_listing();
    }
    FUZZ_HOLDS(play.worker.fd == -1 || rc == SP_AGAIN);
    read_listing();
}

/* The broker waits for its worker: that is us. */
int
__wrap_poll(struct pollfd *p, nfds_t n, int timeout)
{
    int ready = __real_poll(p, n, 0);

    if (ready != 0 || timeout == 0)
        return ready;
    hear();
    ready = __real_poll(p, n, 0);
    FUZZ_HOLDS(ready != 0);             /* it would wait for ever */
    return ready;
}

int
__wrap___poll_chk(struct pollfd *p, nfds_t n, int timeout, size_t room)
{
    (void)room;
    return __wrap_poll(p, n, timeout);
}

/*
 * Valgrind knows no openat2. Whoever counts instructions with it (bench/instructions.py)
 * has every path opened without the jail's bounds: the same instructions outside the
 * kernel, and no wall is shown.
 */
long
__wrap_syscall(long number, ...)
{
    long a[5];                  /* nobody here passes more; these come in registers */
    long got = -1;
    va_list args;

    va_start(args, number);
    for (size_t i = 0; i < sizeof a / sizeof *a; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    got = __real_syscall(number, a[0], a[1], a[2], a[3], a[4]);
    if (number == SYS_openat2 && got == -1 && errno == ENOSYS
        && getenv("SALLYPORT_COUNTED") != NULL) {
        const struct open_how *how = (const void *)(uintptr_t)a[2];
        const char *path = (const char *)(uintptr_t)a[1];

        path += strspn(path, "/");
        got = openat((int)a[0], *path == '\0' ? "." : path, (int)how->flags,
                     (mode_t)how->mode);
    }
    return got;
}

/* ---- what it says ------------------------------------------------------------------ */

/* false: the session has ended. */
static bool
ask(struct fuzz_input *in)
{
    static struct forged body;
    struct slice raw = SLICE_EMPTY;
    unsigned what = fuzz_u8(in), descriptors = 0, before = play.answers;
    enum sp_err rc = SP_OK;

    play.asked = MSG_NONE;
    if (what == 254) {
        struct slice s = fuzz_bytes(in, fuzz_u8(in));

        if (play.upload != -1 && s.len > 0)
            (void)!write(play.upload, s.at, s.len);
        return true;
    }
    if (what == 255) {
        descriptors = fuzz_u8(in) % 4;
        raw = fuzz_bytes(in, (size_t)fuzz_number(in, 2));
        if (raw.len == 0 || raw.len > MESSAGE_HEADER + MESSAGE_MAX)
            return true;
        if (raw.len >= MESSAGE_HEADER)
            play.asked = (unsigned)(raw.at[0] | raw.at[1] << 8);
    } else {
        play.asked = fuzz_choose(WORKER, BROKER, what);
        fuzz_body(in, message_row(play.asked), &body);
    }
    if (what == 255 ? !fuzz_send(play.worker.fd, raw, descriptors)
                    : !forge_send(play.worker.fd, play.asked, body.body, body.len, 0,
                                  MSG_DONTWAIT))
        return true;
    rc = answer_one(&play.b);
    hear();
    FUZZ_HOLDS(rc == SP_OK || rc == SP_INPUT);
    FUZZ_HOLDS(play.answers == before + (rc == SP_OK));
    return rc == SP_OK;
}

static void
open_channels(int *monitor)
{
    int ours = -1, theirs = -1;

    FUZZ_HOLDS(channel_pair(&ours, &theirs) == SP_OK);
    channel_init(&play.worker, ours, WORKER, BROKER, ST_USER);
    channel_init(&play.b.worker, theirs, BROKER, WORKER, ST_USER);
    FUZZ_HOLDS(channel_pair(&ours, &theirs) == SP_OK);
    *monitor = ours;
    channel_init(&play.b.monitor, theirs, BROKER, MONITOR, ST_USER);
}

/* A wall that is taken away to see this go red must not cost root's own files. */
static void
become(uid_t uid)
{
    if (getuid() == 0)
        FUZZ_HOLDS(seteuid(uid) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = { data, size };
    unsigned before = fuzz_open_descriptors();
    int monitor = -1;

    fuzz_ignore_sigpipe();
    become(NOBODY);
    log_set_sink(fuzz_log_line, NULL);
    play = (struct play){ .listing = -1, .upload = -1 };
    broker_init(&play.b);
    FUZZ_HOLDS(settings_init(&play.b.settings) == SP_OK);
    make_jail();
    open_channels(&monitor);
    play.b.settings.durable = false;
    play.b.permits = (unsigned)fuzz_number(&in, 2) & PERMIT_ALL;
    play.b.uid = geteuid();
    play.b.gid = getegid();
    FUZZ_HOLDS(text_copy(play.b.user, sizeof play.b.user, "alice"));
    FUZZ_HOLDS(text_copy(play.b.group, sizeof play.b.group, "staff"));
    for (unsigned i = 0; i < REQUESTS_MOST && in.len > 0 && ask(&in); i++)
        continue;
    channel_clear(&play.worker);
    FUZZ_HOLDS(answer_serve(&play.b) == SP_CLOSED);
    FUZZ_HOLDS(!play.b.upload.open);
    check_outside();
    broker_clear(&play.b);
    fd_close(&monitor);
    fd_close(&play.listing);
    fd_close(&play.upload);
    remove_tree(AT_FDCWD, play.top, 0);
    FUZZ_HOLDS(rmdir(play.top) == 0);
    become(0);
    FUZZ_HOLDS(fuzz_open_descriptors() == before);
    return 0;
}
