/* auth/posture.c - see include/auth/posture.h */
#include "auth/posture.h"

#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <shadow.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/secret.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#ifdef SP_SANITIZERS
#define HEAP_CAN_BE_SEARCHED false      /* their shadow: terabytes without a name */
#else
#define HEAP_CAN_BE_SEARCHED true
#endif
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

/*
 * Of the rw-p mappings those that malloc and its kind use: [heap], and what has no name.
 * Not the stack, which has none in a process made by clone3(2): the text lies on it that
 * is looked for. False: the line is about another one.
 */
static bool
is_heap(const char *line, uintptr_t *low, uintptr_t *high)
{
    char mode[5] = "", name[8] = "";
    /* NOLINTNEXTLINE(cert-err34-c): the kernel's own line; fields are counted */
    int fields = sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %*s %7s", low, high,
                        mode, name);

    return fields >= 3 && strcmp(mode, "rw-p") == 0
        && (fields == 3 || strcmp(name, "[heap]") == 0)
        && !((uintptr_t)line >= *low && (uintptr_t)line < *high);
}

/* Every copy in one mapping but the text itself, which is still looked for in the next. */
static void
wipe_copies(char *at, size_t size, const char *text, size_t len)
{
    const char *end = at + size;
    char *found = NULL;

    while ((found = memmem(at, (size_t)(end - at), text, len)) != NULL) {
        if (found != text)
            wipe(found, len);
        at = found + len;
    }
}

static void
wipe_everywhere(const char *text, size_t len)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    uintptr_t low = 0, high = 0;

    if (maps == NULL)
        return;
    while (fgets(line, sizeof line, maps) != NULL)
        if (is_heap(line, &low, &high))
            /* NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel printed it */
            wipe_copies((char *)low, high - low, text, len);
    (void)fclose(maps);
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

enum sp_err
posture_enter(void)
{
    struct rlimit none = { 0, 0 };
    enum sp_err rc = SP_OK;

    /* what modules and libraries free (lines of /etc/shadow) is overwritten at once */
    (void)mallopt(M_PERTURB, 0xa5);
    if (clearenv() != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1
            || setrlimit(RLIMIT_CORE, &none) == -1)
        return SP_OS;
    (void)umask(077);
    if ((rc = null_input_and_output()) != SP_OK)
        return rc;
    return catch_signals();
}
