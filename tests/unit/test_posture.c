/* tests/unit/test_posture.c - auth/posture.c, in a process of its own */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "auth/posture.h"
#include "unit.h"

extern char **environ;

/* The number of the first thing that is not as it should be; 0: none. */
static int
look(void)
{
    struct rlimit core = { 1, 1 };
    struct stat null = { 0 }, in = { 0 }, out = { 0 };

    if (setenv("SECRET", "x", 1) != 0 || posture_enter() != SP_OK)
        return 1;
    if (environ != NULL && environ[0] != NULL)
        return 2;
    if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
        return 3;
    if (getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_cur != 0 || core.rlim_max != 0)
        return 4;
    if (umask(0) != 077)
        return 5;
    if (stat("/dev/null", &null) != 0 || fstat(STDIN_FILENO, &in) != 0
            || fstat(STDOUT_FILENO, &out) != 0 || in.st_rdev != null.st_rdev
            || out.st_rdev != null.st_rdev)
        return 6;
    if (raise(SIGINT) != 0 || raise(SIGTERM) != 0 || raise(SIGPIPE) != 0)
        return 7;
    return 0;
}

static void
run_in_child(int (*what)(void))
{
    int status = -1;
    pid_t pid = -1;

    (void)fflush(NULL);
    if ((pid = fork()) == 0)
        _exit(what());
    CU_ASSERT_EQUAL_FATAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT_EQUAL(status, 0);
}

static void
nothing_left(void)
{
    run_in_child(look);
}

/* Within them a module and its helper go on; what leaks does not. */
static int
stay(void)
{
    const size_t some = (size_t)64 << 20, much = (size_t)512 << 20;
    struct rlimit limit = { 0, 0 };
    pid_t helper = -1;
    int status = -1;
    void *taken = NULL;

    if (posture_enter() != SP_OK || getrlimit(RLIMIT_NOFILE, &limit) != 0
            || limit.rlim_cur > 1024)
        return 1;
    for (unsigned i = 0; i < 2; i++)        /* a second time changes nothing */
        if (posture_stay() != SP_OK)
            return 2;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur != 256
            || limit.rlim_max != 256)
        return 3;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_max != (rlim_t)1 << 30)
        return 4;
    if ((helper = fork()) == 0) {
        (void)execl("/bin/sh", "sh", "-c", "exec /bin/true", NULL);
        _exit(126);
    }
    if (waitpid(helper, &status, 0) != helper || status != 0)
        return 5;
    if ((taken = malloc(some)) == NULL)
        return 6;
    free(taken);
#ifndef SP_SANITIZERS
    taken = mmap(NULL, much, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (taken != MAP_FAILED)
        return 7;
#endif
    /* address space that a thread of a module only reserves is no memory yet */
    taken = mmap(NULL, much, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return taken == MAP_FAILED ? 8 : 0;
}

static void
little_for_who_stays(void)
{
    run_in_child(stay);
}

static const struct unit_test tests[] = {
    { "a login process has no environment, no core, no terminal", nothing_left },
    { "one that stays until logout has few descriptors and little memory",
      little_for_who_stays },
    { NULL, NULL }
};
const struct unit_suite suite_posture = { "posture", tests };
