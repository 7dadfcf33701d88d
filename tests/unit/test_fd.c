/* tests/unit/test_fd.c - src/base/fd.c (what rearranges descriptors runs in a child) */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "suites.h"

static void
closing_leaves_the_empty_value_and_errno(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int number = fd;

    errno = EXDEV;
    fd_close(&fd);
    CU_ASSERT_EQUAL(fd, -1);
    CU_ASSERT_EQUAL(errno, EXDEV);
    CU_ASSERT_EQUAL(fcntl(number, F_GETFD), -1);
    fd_close(&fd);
}

static void
moving_leaves_nothing_behind(void)
{
    int fd = 77;

    CU_ASSERT_EQUAL(fd_move(&fd), 77);
    CU_ASSERT_EQUAL(fd, -1);
}

static void
nonblocking_goes_on_and_off(void)
{
    int pair[2] = { -1, -1 };

    CU_ASSERT_EQUAL_FATAL(pipe(pair), 0);
    CU_ASSERT_EQUAL(fd_set_nonblocking(pair[0], true), SP_OK);
    CU_ASSERT((fcntl(pair[0], F_GETFL) & O_NONBLOCK) != 0);
    CU_ASSERT_EQUAL(fd_set_nonblocking(pair[0], false), SP_OK);
    CU_ASSERT((fcntl(pair[0], F_GETFL) & O_NONBLOCK) == 0);
    fd_close(&pair[0]);
    fd_close(&pair[1]);
    CU_ASSERT_EQUAL(fd_set_nonblocking(-1, true), SP_OS);
}

/* A pipe with the number in it, readable at the returned descriptor. */
static int
numbered(unsigned char number)
{
    int pair[2] = { -1, -1 };

    if (pipe2(pair, O_CLOEXEC) != 0 || write(pair[1], &number, 1) != 1)
        _exit(90);
    (void)close(pair[1]);
    return pair[0];
}

static bool
has_number(int fd, unsigned char number)
{
    unsigned char got = 0;

    return read(fd, &got, 1) == 1 && got == number && fcntl(fd, F_GETFD) == 0;
}

static int
swap_neighbours(void)
{
    int fds[3] = { -1, -1, -1 };

    if (fd_close_from(3) != SP_OK)
        return 1;
    for (unsigned char i = 0; i < 3; i++)
        fds[i] = numbered(i);
    /* 3 goes to 5, 4 stays, 5 goes to 3: each stands where another is to go. */
    if (fd_arrange((int[]){ fds[2], fds[1], fds[0] }, 3, 3) != SP_OK)
        return 2;
    if (!has_number(3, 2) || !has_number(4, 1) || !has_number(5, 0))
        return 3;
    return fcntl(6, F_GETFD) == -1 && fcntl(7, F_GETFD) == -1
        && fcntl(8, F_GETFD) == -1 ? 0 : 4;
}

static int
down_from_far(void)
{
    int near = numbered(1), fds[2] = { -1, -1 };

    if ((fds[0] = fcntl(near, F_DUPFD, 50)) != 50 || (fds[1] = numbered(2)) == -1)
        return 1;
    if (fd_arrange(fds, 2, 20) != SP_OK || fds[0] != 20 || fds[1] != 21)
        return 2;
    if (!has_number(20, 1) || !has_number(21, 2) || fcntl(50, F_GETFD) != -1)
        return 3;
    return fd_arrange((int[]){ -1 }, 1, 30) == SP_OS ? 0 : 4;
}

static void
descriptors_are_arranged_without_losing_one_to_another(void)
{
    CU_ASSERT_EQUAL(run_in_child(swap_neighbours), 0);
    CU_ASSERT_EQUAL(run_in_child(down_from_far), 0);
}

static int
close_all_but_standard(void)
{
    for (int i = 0; i < 20; i++)
        if (open("/dev/null", O_RDONLY | O_CLOEXEC) == -1)
            return 1;
    if (fd_close_from(5) != SP_OK)
        return 2;
    for (int fd = 5; fd < 64; fd++)
        if (fcntl(fd, F_GETFD) != -1)
            return 3;
    return fcntl(0, F_GETFD) != -1 ? 0 : 4;
}

static void
everything_from_a_number_upwards_is_closed(void)
{
    CU_ASSERT_EQUAL(run_in_child(close_all_but_standard), 0);
}

static bool
is_null(int fd)
{
    struct stat a = {0}, b = {0};

    return fstat(fd, &a) == 0 && stat("/dev/null", &b) == 0 && a.st_rdev == b.st_rdev
        && fcntl(fd, F_GETFD) == 0;
}

static int
fill_what_is_closed(void)
{
    size_t before = 0;

    if (fd_close_from(3) != SP_OK)
        return 1;
    (void)close(0);
    (void)close(2);
    if (fd_null_std(false) != SP_OK || !is_null(0) || !is_null(2))
        return 2;
    for (int fd = 0; fd < 32; fd++)
        before += fcntl(fd, F_GETFD) != -1;
    return before == 3 ? 0 : 3;
}

static int
force_all(void)
{
    return fd_null_std(true) == SP_OK && is_null(0) && is_null(1) && is_null(2) ? 0 : 1;
}

static void
closed_standard_descriptors_are_filled_with_dev_null(void)
{
    CU_ASSERT_EQUAL(run_in_child(fill_what_is_closed), 0);
    CU_ASSERT_EQUAL(run_in_child(force_all), 0);
}

static void
all_of_it_is_written(void)
{
    int pair[2] = { -1, -1 };
    char got[8] = "";

    CU_ASSERT_EQUAL_FATAL(pipe(pair), 0);
    CU_ASSERT_EQUAL(fd_write_all(pair[1], "hello", 5), SP_OK);
    CU_ASSERT_EQUAL(read(pair[0], got, sizeof got), 5);
    CU_ASSERT_EQUAL(memcmp(got, "hello", 5), 0);
    fd_close(&pair[0]);
    fd_close(&pair[1]);
    CU_ASSERT_EQUAL(fd_write_all(-1, "x", 1), SP_OS);
}

static const struct unit_test tests[] = {
    { "closing leaves the empty value, and errno",
      closing_leaves_the_empty_value_and_errno },
    { "moving leaves nothing behind", moving_leaves_nothing_behind },
    { "non-blocking goes on and off", nonblocking_goes_on_and_off },
    { "descriptors are arranged without losing one to another",
      descriptors_are_arranged_without_losing_one_to_another },
    { "everything from a number upwards is closed",
      everything_from_a_number_upwards_is_closed },
    { "closed standard descriptors are filled with /dev/null",
      closed_standard_descriptors_are_filled_with_dev_null },
    { "all of it is written", all_of_it_is_written },
    { NULL, NULL }
};
const struct unit_suite suite_fd = { "fd", tests };
