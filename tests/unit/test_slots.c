/* tests/unit/test_slots.c - auth/slots.c, with holders in processes of their own */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth_fixture.h"
#include "unit.h"

/* A process that holds a slot until it is killed; it has it when this returns. */
static pid_t
hold(const struct fixture *f, int64_t count)
{
    int ready[2] = { -1, -1 };
    char byte = 0;
    pid_t pid = -1;

    CU_ASSERT_EQUAL_FATAL(pipe(ready), 0);
    (void)fflush(NULL);
    if ((pid = fork()) == 0) {
        struct slots s = SLOTS_EMPTY;

        if (slots_open(&s, f->directory, count) != SP_OK || slots_take(&s) != SP_OK
                || write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    (void)close(ready[1]);
    CU_ASSERT_EQUAL(read(ready[0], &byte, 1), 1);
    (void)close(ready[0]);
    return pid;
}

static void
end(pid_t pid)
{
    CU_ASSERT_EQUAL(kill(pid, SIGKILL), 0);
    CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
}

static void
no_more_than_count(void)
{
    struct fixture f;
    struct slots s = SLOTS_EMPTY;
    pid_t holders[2] = { -1, -1 }, killer = -1;
    _Atomic bool *killed = mmap(NULL, sizeof *killed, PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    CU_ASSERT_NOT_EQUAL_FATAL(killed, MAP_FAILED);

    fixture_begin(&f);
    holders[0] = hold(&f, 2);
    CU_ASSERT_EQUAL_FATAL(slots_open(&s, f.directory, 2), SP_OK);
    CU_ASSERT_EQUAL(slots_take(&s), SP_OK);     /* the other one is free */
    slots_release(&s);
    slots_release(&s);                          /* harmless */
    holders[1] = hold(&f, 2);
    (void)fflush(NULL);
    if ((killer = fork()) == 0) {
        (void)usleep(300000);
        *killed = true;
        (void)kill(holders[0], SIGKILL);
        (void)kill(holders[1], SIGKILL);
        _exit(0);
    }
    CU_ASSERT_EQUAL(slots_take(&s), SP_OK);     /* waits for the dead to let go */
    CU_ASSERT_TRUE(*killed);
    slots_close(&s);
    slots_close(&s);
    CU_ASSERT_EQUAL(waitpid(killer, NULL, 0), killer);
    CU_ASSERT_EQUAL(waitpid(holders[0], NULL, 0), holders[0]);
    CU_ASSERT_EQUAL(waitpid(holders[1], NULL, 0), holders[1]);
    (void)munmap(killed, sizeof *killed);
    fixture_end(&f);
}

static void
killed_holder(void)
{
    struct fixture f;
    struct slots s = SLOTS_EMPTY;

    fixture_begin(&f);
    CU_ASSERT_EQUAL_FATAL(slots_open(&s, f.directory, 1), SP_OK);
    for (int i = 0; i < 3; i++) {
        end(hold(&f, 1));
        CU_ASSERT_EQUAL(slots_take(&s), SP_OK);
        slots_release(&s);
    }
    slots_close(&s);
    fixture_end(&f);
}

static void
bad_directory(void)
{
    struct slots s = SLOTS_EMPTY;

    CU_ASSERT_EQUAL(slots_open(&s, "/nonexistent/directory", 2), SP_OS);
    CU_ASSERT_EQUAL(s.fd, -1);
}

static const struct unit_test tests[] = {
    { "no more slots are held than there are", no_more_than_count },
    { "a killed holder frees its slot", killed_holder },
    { "a missing run directory is told", bad_directory },
    { NULL, NULL }
};
const struct unit_suite suite_slots = { "slots", tests };
