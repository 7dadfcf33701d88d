/*
 * tests/sandbox/outside.c - Landlock alone: what is reached without chroot and seccomp
 *
 * DIRECTORY holds jail/, with the file "in" and the directories "a" and "b", and beside
 * it the file "out" and the program "run"; the modes let everybody do everything, so that
 * only Landlock is left to refuse it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/landlock.h"
#include "base/privilege.h"
#include "sides.h"

#define NOBODY 61234
#define NAME "sallyport-outside"

static const char *top = NULL;
static struct sockaddr_un abstract_name = { .sun_family = AF_UNIX };
static socklen_t abstract_len = sizeof(sa_family_t) + 1 + sizeof NAME;
static struct sockaddr_in tcp = { .sin_family = AF_INET };
static int listening[2] = { -1, -1 };
static unsigned refused = 0, allowed = 0, bad = 0;

/* ---- judging ----------------------------------------------------------------------- */

static void
close_if_open(long result, bool opens)
{
    if (opens && result >= 0)
        (void)close((int)result);
}

static void
no(const char *what, long result, bool opens)
{
    int error = errno;

    refused++;
    if (result == -1 && (error == EACCES || error == EPERM || error == EXDEV))
        return;
    close_if_open(result, opens);
    printf("%s: %s: not refused (%ld, %s)\n", the_side.name, what, result,
           result == -1 ? strerror(error) : "it worked");
    bad++;
}

static void
yes(const char *what, long result, bool opens)
{
    allowed++;
    if (result == -1) {
        printf("%s: %s: %s\n", the_side.name, what, strerror(errno));
        bad++;
    }
    close_if_open(result, opens);
}

static const char *
at(const char *name)
{
    static char paths[4][4096];
    static unsigned next = 0;
    char *path = paths[next++ % 4];

    (void)snprintf(path, sizeof paths[0], "%s/%s", top, name);
    return path;
}

/* ---- what is tried ----------------------------------------------------------------- */

static long
run(const char *path)
{
    char *const argv[] = { NULL }, *const env[] = { NULL };

    return execve(path, argv, env);
}

static void
try_files_outside(void)
{
    no("read /etc/passwd", open("/etc/passwd", O_RDONLY | O_CLOEXEC), true);
    no("list /", open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), true);
    no("read a file", open(at("out"), O_RDONLY | O_CLOEXEC), true);
    no("write a file", open(at("out"), O_WRONLY | O_CLOEXEC), true);
    no("cut a file", truncate(at("out"), 0), false);
    no("make a file", open(at("new"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600), true);
    no("make a directory", mkdir(at("new"), 0700), false);
    no("make a link", symlink("/", at("new")), false);
    no("make a FIFO", mkfifo(at("new"), 0600), false);
    no("make a second name", link(at("out"), at("new")), false);
    no("rename", rename(at("out"), at("new")), false);
    no("remove a file", unlink(at("out")), false);
    no("remove a directory", rmdir(at("empty")), false);
    no("run a program", run(at("run")), false);
    no("run /bin/true", run("/bin/true"), false);
    no("read a device", open("/dev/zero", O_RDONLY | O_CLOEXEC), true);
    no("read /proc", open("/proc/self/status", O_RDONLY | O_CLOEXEC), true);
}

static void
try_across(void)
{
    no("rename out of the jail", rename(at("jail/in"), at("new")), false);
    no("rename into the jail", rename(at("out"), at("jail/new")), false);
    no("a second name out of the jail", link(at("jail/in"), at("new")), false);
    no("a second name into the jail", link(at("out"), at("jail/new")), false);
    no("through ..", open(at("jail/a/../../out"), O_RDONLY | O_CLOEXEC), true);
    no("through a link", open(at("jail/way"), O_RDONLY | O_CLOEXEC), true);
    no("run a program of the jail", run(at("jail/run")), false);
    no("a FIFO in the jail", mkfifo(at("jail/fifo"), 0600), false);
}

static void
try_reading_inside(void)
{
    yes("read in the jail", open(at("jail/in"), O_RDONLY | O_CLOEXEC), true);
    yes("list the jail", open(at("jail"), O_RDONLY | O_DIRECTORY | O_CLOEXEC), true);
}

static void
try_writing_inside(void)
{
    yes("write in the jail", open(at("jail/in"), O_WRONLY | O_TRUNC | O_CLOEXEC), true);
    yes("make a file", open(at("jail/new"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600), true);
    yes("rename", rename(at("jail/new"), at("jail/a/new")), false);
    yes("a second name", link(at("jail/a/new"), at("jail/b/new")), false);
    yes("remove a file", unlink(at("jail/b/new")), false);
    yes("make a directory", mkdir(at("jail/d"), 0700), false);
    yes("remove a directory", rmdir(at("jail/d")), false);
}

static void
try_no_writing_inside(void)
{
    no("write in the jail", open(at("jail/in"), O_WRONLY | O_CLOEXEC), true);
    no("cut in the jail", truncate(at("jail/in"), 0), false);
    no("make a file", open(at("jail/x"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600), true);
    no("make a directory", mkdir(at("jail/x"), 0700), false);
    no("make a link", symlink("in", at("jail/x")), false);
    no("rename", rename(at("jail/in"), at("jail/x")), false);
    no("a second name", link(at("jail/in"), at("jail/x")), false);
    no("remove a file", unlink(at("jail/in")), false);
    no("remove a directory", rmdir(at("jail/a")), false);
}

/* One of the same user, outside: only Landlock keeps a signal from it. */
static pid_t
neighbour(void)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        if (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) != 0)
            _exit(1);
        (void)raise(SIGSTOP);   /* it is who it is to be: on with the test */
        _exit(0);
    }
    if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
        return -1;
    return pid;
}

/* Sockets are made before: making one is the filter's business. */
static void
try_network(int abi, int stream, int other, int local, pid_t near)
{
    const struct sockaddr_in any = { .sin_family = AF_INET };

    if (abi >= 4) {
        no("connect", connect(stream, (struct sockaddr *)&tcp, sizeof tcp), false);
        no("bind", bind(other, (const struct sockaddr *)&any, sizeof any), false);
    } else {
        printf("skip: TCP, which Landlock knows from ABI 4 on\n");
    }
    if (abi >= 6) {
        no("an abstract socket", connect(local, (struct sockaddr *)&abstract_name,
                                         abstract_len), false);
        no("a signal to a process of the same user", kill(near, 0), false);
        yes("a signal to itself", kill(getpid(), 0), false);
    } else {
        printf("skip: abstract sockets, signals: Landlock knows them from ABI 6 on\n");
    }
}

static void
child(bool writable, pid_t near)
{
    char jail[4096];
    int abi = landlock_abi();
    int stream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int local = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    /* the keyholder's limit of descriptors leaves no room for them */
    fd_close(&listening[0]);
    fd_close(&listening[1]);
    (void)alarm(20);
    (void)snprintf(jail, sizeof jail, "%s/jail", top);
    if (!the_side.has_jail && geteuid() == 0
        && (setresgid(NOBODY, NOBODY, NOBODY) != 0
            || setresuid(NOBODY, NOBODY, NOBODY) != 0))
        _exit(90);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
        || side_landlock(jail, writable) != SP_OK)
        _exit(91);
    try_files_outside();
    try_across();
    if (!the_side.has_jail)
        no("read in a jail", open(at("jail/in"), O_RDONLY | O_CLOEXEC), true);
    else
        try_reading_inside();
    if (writable)
        try_writing_inside();
    else
        try_no_writing_inside();
    try_network(abi, stream, other, local, near);
    printf("tried %u things that Landlock alone refuses a %s%s\n", refused, the_side.name,
           the_side.has_jail && !writable ? " for reading" : "");
    if (allowed > 1)
        printf("tried %u things that Landlock lets a %s do\n", allowed, the_side.name);
    (void)fflush(stdout);
    _exit(bad == 0 ? 0 : 1);
}

static unsigned
in_child(bool writable)
{
    int status = 0;
    pid_t pid = -1, near = -1;

    (void)fflush(stdout);
    if ((near = neighbour()) == -1)
        return 1;
    if ((pid = fork()) == 0)
        child(writable, near);
    if (pid == -1 || waitpid(pid, &status, 0) != pid)
        status = -1;
    (void)kill(near, SIGKILL);
    (void)waitpid(near, NULL, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
        printf("%s: the child could not begin, or broke (status %04x)\n", the_side.name,
               (unsigned)status);
    return status == 0 ? 0 : 1;
}

/* Somebody has to be there for a connection to be refused by Landlock alone. */
static bool
listen_for_children(void)
{
    int fd = listening[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int local = listening[1] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof tcp;

    tcp.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memcpy(abstract_name.sun_path + 1, NAME, sizeof NAME);
    return bind(fd, (struct sockaddr *)&tcp, sizeof tcp) == 0 && listen(fd, 4) == 0
        && getsockname(fd, (struct sockaddr *)&tcp, &len) == 0
        && bind(local, (struct sockaddr *)&abstract_name, abstract_len) == 0
        && listen(local, 4) == 0;
}

unsigned
try_outside(const char *directory)
{
    top = directory;
    if (landlock_abi() == 0) {
        printf("skip: this kernel has no Landlock\n");
        return 0;
    }
    if (!listen_for_children() || side_prepare() != SP_OK)
        return 1;
    return in_child(the_side.has_jail) + (the_side.has_jail ? in_child(false) : 0);
}
