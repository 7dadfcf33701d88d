/*
 * tests/analysis/coverage.c - what a coverage build links into each program
 *
 * gcov writes its counters at exit, by name: not from an empty root, not as a user that may
 * write nowhere, not past a sandbox, and not at all when a process is killed or calls _exit.
 * So they lie in a file that all processes of a program share, mapped before the first line
 * of main; a wall that is put up later does not reach a page that is there already. The
 * program itself is the one that is tested, with every wall in place.
 *
 * With COVERAGE_WRITE in its environment a program writes its .gcda files and ends.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

extern char coverage_begin[], coverage_end[];
void __gcov_dump(void);
void __wrap___gcov_exit(void);

/* A process that ends in order has nothing to write (--wrap). */
void
__wrap___gcov_exit(void)
{
}

__attribute__((noreturn)) static void
fail(const char *what)
{
    perror(what);
    _exit(99);
}

__attribute__((constructor)) static void
share_counters(void)
{
    size_t size = (size_t)(coverage_end - coverage_begin);
    char self[4096] = "", file[4200] = "";
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    const char *name = strrchr(self, '/');
    int fd = -1;

    if (len <= 0 || name == NULL)
        fail("coverage: /proc/self/exe");
    (void)snprintf(file, sizeof file, "%s/%s", COVERAGE_DIRECTORY, name + 1);
    if ((fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0666)) == -1)
        fail(file);
    (void)fchmod(fd, 0666);     /* tests run programs as other users, too */
    if (ftruncate(fd, (off_t)size) != 0
        || mmap(coverage_begin, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0)
            == MAP_FAILED)
        fail(file);
    (void)close(fd);
    if (getenv("COVERAGE_WRITE") != NULL) {
        __gcov_dump();
        _exit(0);
    }
}
