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
#include "monitor/logsink.h"
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
    unsigned *faults = context;

    *faults += weight == CONFIG_FAULT ? 1 : 0;
    (void)fprintf(stderr, "%s\n", text);
}

/*
 * What a start needs is looked at, before one and for -t. Where there is a fault, all others
 * are looked for, too: *s is taken over then.
 */
static enum sp_err
check(struct settings *s, const struct options *o)
{
    unsigned faults = 0;
    enum sp_err rc = config_load_all(s, o->file, print_fault, &faults);

    if (s->file == NULL)
        return rc;              /* nothing could be made of it */
    SP_IGNORE(config_check_machine(s, print_fault, &faults));
    SP_IGNORE(config_check_addresses(s, print_fault, &faults));
    if (o->what == OPTIONS_CHECK || faults > 0)
        (void)monitor_try(s, print_fault, &faults);
    return faults == 0 ? SP_OK : SP_INPUT;
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
        (void)fprintf(stderr, "sallyportd: the start failed; see the lines above, or the log\n");
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

/* Who reads no log has to be told here. */
static void
warn_of_log(const struct settings *s, bool foreground)
{
    struct logsink sink = LOGSINK_EMPTY;

    if (strcmp(s->log, "syslog") != 0 && (foreground || strcmp(s->log, "stderr") != 0))
        return;
    if (logsink_open(&sink, "syslog") == SP_OK && logsink_is_unheard(&sink))
        (void)fprintf(stderr, "sallyportd: warning: %s: log: lines go to syslog, but nothing "
                      "listens on /dev/log; start a syslog daemon, or set log to a file or, "
                      "with -F, to stderr\n", s->file);
    logsink_close(&sink);
}

static int
serve(const struct options *o, const struct notify *notify)
{
    struct settings s = { 0 };
    int parent = -1, code = EXIT_FAULT;
    enum sp_err rc = SP_OK;

    if (check(&s, o) != SP_OK)
        return EXIT_FAULT;
    if (o->what == OPTIONS_CHECK) {
        (void)printf("%s: no errors found\n", o->file);
        return 0;
    }
    warn_of_log(&s, o->foreground);
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
    notify.journal = logsink_is_journal(getenv("JOURNAL_STREAM"));
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
