/* tests/unit/suites.c - see suites.h */
#include "suites.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

size_t
open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(dir);
    while (readdir(dir) != NULL)
        count++;
    CU_ASSERT_EQUAL(closedir(dir), 0);
    return count - 3;           /* ".", ".." and the directory itself */
}

int
run_in_child(int (*test)(void))
{
    int status = 0;
    pid_t pid = 0;

    (void)fflush(NULL);
    if ((pid = fork()) == 0)
        _exit(test());
    CU_ASSERT_FATAL(pid > 0);
    CU_ASSERT_EQUAL_FATAL(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}

void
skip(const char *test, const char *why)
{
    printf("SKIP %s: %s\n", test, why);
}
