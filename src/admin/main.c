/*
 * admin/main.c - sallyport: the administrator's tool
 *
 * Runs as whoever calls it; what it may do is decided by who may write the files.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "admin/ban.h"
#include "admin/check.h"
#include "admin/clean.h"
#include "admin/effective.h"
#include "admin/help.h"
#include "admin/reload.h"
#include "admin/say.h"
#include "admin/site.h"
#include "admin/user.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "(unversioned build)"
#endif

static const struct option table[] = {
    { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, 'V' },
    { NULL, 0, NULL, 0 }
};

int
main(int argc, char **argv)
{
    struct site site = { .config = NULL };
    int option = 0;

    umask(077);
    while ((option = getopt_long(argc, argv, "+c:d:hV", table, NULL)) != -1) {
        switch (option) {
        case 'c':
            site.config = optarg;
            break;
        case 'd':
            site.database = optarg;
            break;
        case 'h':
            help_print(stdout, 0, NULL);
            return fflush(stdout) == 0 ? SAY_DONE : SAY_FAILED;
        case 'V':
            puts("sallyport " PACKAGE_VERSION);
            return SAY_DONE;
        default:
            return SAY_USAGE;
        }
    }
    argc -= optind;
    argv += optind;
    if (help_is_asked(argc, argv)) {
        help_print(stdout, argc, argv);
        return fflush(stdout) == 0 ? SAY_DONE : SAY_FAILED;
    }
    if (sodium_init() == -1)
        return (int)say_end(SAY_FAILED, "cannot initialize libsodium");
    if (argc > 0 && strcmp(argv[0], "user") == 0)
        return (int)user_run(&site, argc - 1, argv + 1);
    if (argc > 0 && strcmp(argv[0], "check") == 0)
        return (int)check_run(&site, argc, argv);
    if (argc > 0 && strcmp(argv[0], "config") == 0)
        return (int)effective_run(&site, argc, argv);
    if (argc > 0 && strcmp(argv[0], "reload") == 0)
        return (int)reload_run(&site, argc, argv);
    if (argc > 0 && strcmp(argv[0], "clean") == 0)
        return (int)clean_run(&site, argc, argv);
    if (argc > 0 && strcmp(argv[0], "ban") == 0)
        return (int)ban_run(&site, argc - 1, argv + 1);
    if (argc > 0)
        return (int)say_end(SAY_USAGE, "unknown command %s; see `sallyport --help`", argv[0]);
    help_print(stderr, 0, NULL);
    return SAY_USAGE;
}
