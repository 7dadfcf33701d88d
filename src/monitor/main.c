/*
 * monitor/main.c - sallyportd: ROOT. Decides and supervises; parses no byte of a client
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "base/buf.h"
#include "base/fd.h"
#include "config/load.h"
#include "monitor/monitor.h"
#include "monitor/options.h"
#include "monitor/prepare.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

#define EXIT_FAULT 1            /* the configuration, or a process that does not start */
#define EXIT_USAGE 2

static void
print_fault(void *context, enum config_weight weight, const char *text)
{
    (void)context;
    (void)weight;
    (void)fprintf(stderr, "%s\n", text);
}

static enum sp_err
load(struct settings *s, const char *file)
{
    enum sp_err rc = SP_OK;

    if ((rc = config_load(s, file, print_fault, NULL)) != SP_OK)
        return rc;
    if ((rc = config_check_machine(s, print_fault, NULL)) != SP_OK)
        settings_clear(s);
    return rc;
}

/*
 * What the child says when it is ready, or the end of its pipe when it died before that.
 */
static int
await_child(int pipe_end)
{
    unsigned char code = EXIT_FAULT;
    ssize_t got = 0;

    while ((got = read(pipe_end, &code, 1)) == -1 && errno == EINTR)
        continue;
    if (got != 1)
        code = EXIT_FAULT;
    if (code != 0)
        (void)fprintf(stderr, "sallyportd: the start failed; see the log, or run it with -F "
                              "to see the errors here\n");
    return code;
}

/*
 * SP_OK in the process that goes on, *parent is where it reports. SP_CLOSED in the one
 * that was started: *code is to be its exit code.
 */
static enum sp_err
become_daemon(int *parent, int *code)
{
    int ends[2] = { -1, -1 };
    pid_t pid = 0;

    if (pipe2(ends, O_CLOEXEC) == -1)
        return SP_OS;
    if ((pid = fork()) == -1) {
        fd_close(&ends[0]);
        fd_close(&ends[1]);
        return SP_OS;
    }
    if (pid != 0) {
        fd_close(&ends[1]);
        *code = await_child(ends[0]);
        fd_close(&ends[0]);
        return SP_CLOSED;
    }
    fd_close(&ends[0]);
    *parent = ends[1];
    return setsid() == -1 ? SP_OS : SP_OK;
}

static int
serve(const struct options *o, const struct notify *notify)
{
    struct settings s = { 0 };
    int parent = -1, code = EXIT_FAULT;
    enum sp_err rc = SP_OK;

    if (load(&s, o->file) != SP_OK)
        return EXIT_FAULT;
    if (o->what == OPTIONS_CHECK) {
        (void)printf("%s: no errors found\n", o->file);
        settings_clear(&s);
        return 0;
    }
    if (!o->foreground && (rc = become_daemon(&parent, &code)) != SP_OK) {
        if (rc != SP_CLOSED)
            (void)fprintf(stderr, "sallyportd: %s\n", strerror(errno));
        settings_clear(&s);
        return code;
    }
    return monitor_run(&s, o->foreground, parent, notify);
}

/* We leave the directory we were started in, and may read the file again much later. */
static enum sp_err
absolute(const char *file, char out[PATH_MAX])
{
    char here[PATH_MAX];

    if (file[0] == '/')
        return text_copy(out, PATH_MAX, file) ? SP_OK : SP_INPUT;
    if (getcwd(here, sizeof here) == NULL)
        return SP_OS;
    return text_printf(out, PATH_MAX, "%s/%s", here, file) ? SP_OK : SP_INPUT;
}

int
main(int argc, char **argv)
{
    struct options o = { OPTIONS_RUN, false, NULL };
    struct notify notify;
    char file[PATH_MAX];

    notify_init(&notify, getenv("NOTIFY_SOCKET"));  /* before the environment goes */
    if (options_parse(&o, argc, argv, stderr) != SP_OK)
        return EXIT_USAGE;
    switch (o.what) {
    case OPTIONS_VERSION:
        (void)printf("sallyportd %s\n", PACKAGE_VERSION);
        return 0;
    case OPTIONS_HELP:
        options_usage(stdout);
        return 0;
    case OPTIONS_RUN:
    case OPTIONS_CHECK:
        break;
    }
    if (absolute(o.file, file) != SP_OK) {
        (void)fprintf(
            stderr, "sallyportd: %s: the path is too long, or the current directory "
            "does not exist\n", o.file);
        return EXIT_FAULT;
    }
    o.file = file;
    if (prepare_process() != SP_OK) {
        (void)fprintf(stderr, "sallyportd: cannot start: %s\n", strerror(errno));
        return EXIT_FAULT;
    }
    return serve(&o, &notify);
}
