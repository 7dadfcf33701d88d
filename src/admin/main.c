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
#include "admin/reload.h"
#include "admin/say.h"
#include "admin/site.h"
#include "admin/user.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "(unversioned build)"
#endif

static const char usage[] =
    "usage: sallyport [-c FILE] [-d DATABASE] COMMAND\n"
    "\n"
    "  user add NAME --jail DIR [OPTION...]   make an account\n"
    "  user passwd NAME                       give it another password\n"
    "  user set NAME OPTION...                change it\n"
    "  user del NAME                          remove it (not its files)\n"
    "  user list                              all accounts\n"
    "  user show NAME                         all about one\n"
    "  check                                  look for faults in the configuration\n"
    "  check --settings                       every setting, its default, what it means\n"
    "  reload                                 the server takes its configuration anew\n"
    "  clean [--older-than TIME] [NAME...]    unfinished uploads, of all accounts or of some\n"
    "  clean --remove [...]                   remove those that nobody goes on with\n"
    "  ban list                               who is shut out, why, and how long\n"
    "  ban add ADDRESS[/BITS] [SECONDS]       shut somebody out, and end the sessions\n"
    "  ban remove ADDRESS[/BITS]|BACKEND:ACCOUNT  let somebody in again\n"
    "\n"
    "  -c FILE       the configuration (" SITE_CONFIG ")\n"
    "  -d DATABASE   the users database (what users_database in the configuration says)\n"
    "\n"
    "options of add and set:\n"
    "  --jail DIR              what the account sees as /; %u %g %h: name, group, home\n"
    "  --start DIR             where it starts, inside the jail (/)\n"
    "  --uid USER --gid GROUP  who owns its files, by name or number (those of "
    "guest_user)\n"
    "  --groups A,B            further groups\n"
    "  --guest                 back to the ids of guest_user\n"
    "  --read-only --writable  may it change anything? (writable)\n"
    "  --umask 022|default     taken from the mode of new files\n"
    "  --expires DATE|never    its last day, such as 2027-01-31 (never)\n"
    "  --disable --enable      may it log in? (enabled)\n"
    "  --networks A,B          from where only, such as 192.0.2.0/24; \"\": from "
    "anywhere\n"
    "  --sessions N            at the same time; 0: no limit\n"
    "  --no-resumption on|off --no-close-notify on|off --cleartext on|off --ccc on|off\n"
    "                          exceptions for old clients: see sallyport(8)\n"
    "options of add and passwd:\n"
    "  --password-stdin        the password is a line of standard input\n"
    "  --random                make a password up and print it\n"
    "options of clean:\n"
    "  --remove                remove what is old; without it nothing is changed\n"
    "  --older-than TIME       old is what nobody has touched for 90, 15m, 12h, 7d\n"
    "                          (what unfinished_keep in the configuration says)\n";

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
            fputs(usage, stdout);
            return SAY_DONE;
        case 'V':
            puts("sallyport " PACKAGE_VERSION);
            return SAY_DONE;
        default:
            return SAY_USAGE;
        }
    }
    if (sodium_init() == -1)
        return (int)say_end(SAY_FAILED, "libsodium does not start");
    argc -= optind;
    argv += optind;
    if (argc > 0 && strcmp(argv[0], "user") == 0)
        return (int)user_run(&site, argc - 1, argv + 1);
    if (argc > 0 && strcmp(argv[0], "check") == 0)
        return (int)check_run(&site, argc, argv);
    if (argc > 0 && strcmp(argv[0], "reload") == 0)
        return (int)reload_run(&site, argc, argv);
    if (argc > 0 && strcmp(argv[0], "clean") == 0)
        return (int)clean_run(&site, argc, argv);
    if (argc > 0 && strcmp(argv[0], "ban") == 0)
        return (int)ban_run(&site, argc - 1, argv + 1);
    fputs(usage, stderr);
    return SAY_USAGE;
}
