/* auth/posture.c - see include/auth/posture.h */
#include "auth/posture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

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

enum sp_err
posture_enter(void)
{
    struct rlimit none = { 0, 0 };
    enum sp_err rc = SP_OK;

    if (clearenv() != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1
            || setrlimit(RLIMIT_CORE, &none) == -1)
        return SP_OS;
    (void)umask(077);
    if ((rc = null_input_and_output()) != SP_OK)
        return rc;
    return catch_signals();
}
