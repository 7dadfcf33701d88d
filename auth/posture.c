/* auth/posture.c - see auth/posture.h */
#include "auth/posture.h"

#include <fcntl.h>
#include <malloc.h>
#include <shadow.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/privilege.h"
#include "base/secret.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#ifdef SP_SANITIZERS
#define HEAP_CAN_BE_SEARCHED false      /* their shadow: terabytes without a name */
#else
#define HEAP_CAN_BE_SEARCHED true
#endif
#define ATTEMPT_FILES 1024      /* descriptors: what Linux gives any process          */
#define STAY_FILES 256
#define STAY_FILE_BYTES ((rlim_t)1 << 30)   /* a module may add to wtmp at logout     */
#define STAY_MEMORY ((rlim_t)256 << 20)     /* of data, of which few MiB are used     */
#define PAGES_AT_ONCE 256
#define PAGE_WRITTEN (UINT64_C(3) << 62)    /* of /proc/PID/pagemap: present, or swapped */
#define MAPS_ROOM 8192          /* a line with a path of PATH_MAX bytes, and more   */
#define SHADOW_LINE 4096        /* a line of /etc/shadow, on the stack              */
#define SHADOW_LEAST 13         /* the shortest hash; "!", "*" and "x" are shorter  */

/* Woken, and that is all. Not SIG_IGN, which the helpers of PAM modules would inherit
 * across exec. */
static void
woken(int number)
{
    (void)number;
}

static enum sp_err
catch_signals(void)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
    struct sigaction act = { .sa_handler = woken, .sa_flags = SA_RESTART };

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (sigaction(numbers[i], &act, NULL) == -1)
            return SP_OS;
    return SP_OK;
}

static enum sp_err
null_input_and_output(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    enum sp_err rc = SP_OS;

    if (fd != -1 && dup2(fd, STDIN_FILENO) != -1 && dup2(fd, STDOUT_FILENO) != -1)
        rc = SP_OK;
    if (fd > STDERR_FILENO)
        fd_close(&fd);
    return rc;
}

/* The hexadecimal number at *at, which moves behind it. */
static uintptr_t
take_number(const char **at)
{
    uintptr_t number = 0;

    for (;; (*at)++) {
        char c = **at;

        if (c >= '0' && c <= '9')
            number = number << 4 | (uintptr_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            number = number << 4 | (uintptr_t)(c - 'a' + 10);
        else
            return number;
    }
}

/*
 * Of the rw-p mappings those that malloc and its kind use: [heap], and what has no name.
 * Not the stack, which has none in a process made by clone(2): the text lies on it that
 * is looked for, and so does the line. False: the line is about another one. By hand:
 * sscanf(3) of all lines was a twentieth of a login.
 */
static bool
is_heap(const char *line, uintptr_t *low, uintptr_t *high)
{
    const char *at = line;

    *low = take_number(&at);
    if (*at++ != '-')
        return false;
    *high = take_number(&at);
    if (strncmp(at, " rw-p ", 6) != 0)
        return false;
    at += 6;
    for (unsigned field = 0; field < 3; field++) {      /* offset, device, inode */
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    return (*at == '\0' || strcmp(at, "[heap]") == 0)
        && !((uintptr_t)line >= *low && (uintptr_t)line < *high);
}

/* Every copy in one range but the text itself, which is still looked for in the next. */
static void
wipe_copies(uintptr_t from, uintptr_t to, const char *text, size_t len)
{
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel printed it */
    char *at = (char *)from, *found = NULL;

    while ((found = memmem(at, to - (uintptr_t)at, text, len)) != NULL) {
        if (found != text)
            wipe(found, len);
        at = found + len;
    }
}

/*
 * Only pages that were ever written: to read the others, most of the .bss of libraries,
 * would give each of them a page. What the kernel does not tell is searched.
 */
static void
wipe_written(int pagemap, uintptr_t from, uintptr_t to, const char *text, size_t len)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uint64_t pages[PAGES_AT_ONCE];

    for (uintptr_t at = from; at < to;) {
        size_t want = (to - at) / page < PAGES_AT_ONCE ? (to - at) / page : PAGES_AT_ONCE;
        ssize_t got = pread(pagemap, pages, want * sizeof *pages,
                            (off_t)(at / page * sizeof *pages));

        if (got <= 0)
            break;
        for (size_t i = 0; i < (size_t)got / sizeof *pages; i++, at += page) {
            if ((pages[i] & PAGE_WRITTEN) != 0)
                continue;
            wipe_copies(from, at, text, len);
            from = at + page;
        }
    }
    wipe_copies(from, to, text, len);
}

static void
wipe_everywhere(const char *text, size_t len)
{
    char lines[MAPS_ROOM + 1];
    size_t have = 0;
    ssize_t got = 0;
    int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

    while (maps != -1 && have < MAPS_ROOM
           && (got = read(maps, lines + have, MAPS_ROOM - have)) > 0) {
        char *line = lines, *end = NULL;
        uintptr_t low = 0, high = 0;

        have += (size_t)got;
        for (; (end = memchr(line, '\n', have - (size_t)(line - lines))) != NULL;
             line = end + 1) {
            *end = '\0';
            if (is_heap(line, &low, &high))
                wipe_written(pagemap, low, high, text, len);
        }
        have -= (size_t)(line - lines);
        memmove(lines, line, have);
    }
    fd_close(&maps);
    fd_close(&pagemap);
}

void
posture_forget_shadow(const char *user)
{
    char text[SHADOW_LINE];
    struct spwd entry = { 0 }, *found = NULL;
    size_t len = 0;

    if (!HEAP_CAN_BE_SEARCHED)
        return;
    if (getspnam_r(user, &entry, text, sizeof text, &found) == 0 && found != NULL
        && (len = strlen(found->sp_pwdp)) >= SHADOW_LEAST)
        wipe_everywhere(found->sp_pwdp, len);
    wipe(text, sizeof text);
}

void
posture_overwrite_freed(void)
{
    (void)mallopt(M_PERTURB, 0xa5);
}

/*
 * Modules and their helpers (pam_mount, pam_exec) live within these, and what they leak does
 * not: of each session of a user of the system one such process waits. RLIMIT_NPROC would bound
 * nothing: it does not count for root. RLIMIT_DATA and not RLIMIT_AS, which would also count
 * what threads of a module only reserve.
 */
enum sp_err
posture_stay(void)
{
    static const struct { __rlimit_resource_t which; rlim_t most; } rows[] = {
        { RLIMIT_NOFILE, STAY_FILES }, { RLIMIT_FSIZE, STAY_FILE_BYTES },
#ifndef SP_SANITIZERS                   /* their shadow is data, and larger than any limit */
        { RLIMIT_DATA, STAY_MEMORY },
#endif
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rlimit limit = { rows[i].most, rows[i].most }, now;

        if (getrlimit(rows[i].which, &now) == 0 && now.rlim_max < limit.rlim_max)
            limit.rlim_cur = limit.rlim_max = now.rlim_max;
        if (setrlimit(rows[i].which, &limit) == -1)
            return SP_OS;
    }
    return SP_OK;
}

enum sp_err
posture_enter(void)
{
    struct rlimit none = { 0, 0 };
    enum sp_err rc = SP_OK;

    if (clearenv() != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1
            || setrlimit(RLIMIT_CORE, &none) == -1)
        return SP_OS;
    (void)umask(077);
    /*
     * Else as many as the monitor has: some helpers close all that could be open. The hard
     * limit stays: pam_limits refuses a login where it cannot set what it is to set.
     */
    if ((rc = privilege_limit_less(RLIMIT_NOFILE, ATTEMPT_FILES)) != SP_OK)
        return rc;
    if ((rc = null_input_and_output()) != SP_OK)
        return rc;
    return catch_signals();
}
