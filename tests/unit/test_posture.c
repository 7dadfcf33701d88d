/* tests/unit/test_posture.c - auth/posture.c, in a process of its own */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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
nothing_left(void)
{
    int status = -1;
    pid_t pid = -1;

    (void)fflush(NULL);
    if ((pid = fork()) == 0)
        _exit(look());
    CU_ASSERT_EQUAL_FATAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT_EQUAL(status, 0);
}

static const struct unit_test tests[] = {
    { "a login process has no environment, no core, no terminal", nothing_left },
    { NULL, NULL }
};
const struct unit_suite suite_posture = { "posture", tests };
