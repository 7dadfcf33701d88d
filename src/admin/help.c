/* admin/help.c - see admin/help.h */
#include "admin/help.h"

#include <string.h>

#include "admin/site.h"

static const char tool[] =
    "usage: sallyport [-c FILE] [-d DATABASE] COMMAND [ARGUMENT...]\n"
    "\n"
    "Manage the sallyport FTP server.\n"
    "\n"
    "Accounts:\n"
    "  user add NAME --jail DIR [OPTION...]       create an account\n"
    "  user passwd NAME [OPTION]                  set a new password\n"
    "  user set NAME OPTION...                    change an account\n"
    "  user del NAME                              delete an account, but not its files\n"
    "  user list                                  list all accounts\n"
    "  user show NAME                             show one account in detail\n"
    "Configuration:\n"
    "  check                                      check the configuration for errors\n"
    "  check --settings                           list all settings and their defaults\n"
    "  config                                     print every setting, and where it is set\n"
    "  reload                                     make the server read its configuration\n"
    "                                             and certificates again\n"
    "Unfinished uploads:\n"
    "  clean [--older-than TIME] [NAME...]        list unfinished uploads\n"
    "  clean --remove [...]                       remove the old ones\n"
    "Bans:\n"
    "  ban list                                   list all bans\n"
    "  ban add ADDRESS[/BITS] [TIME]              ban an address and end its sessions\n"
    "  ban remove ADDRESS[/BITS]|BACKEND:ACCOUNT  remove a ban\n"
    "\n"
    "Options:\n"
    "  -c FILE        configuration file (default: " SITE_CONFIG ")\n"
    "  -d DATABASE    users database (default: users_database of the configuration)\n"
    "  -h, --help     print this help and exit; after a command: help for that command\n"
    "  -V, --version  print the version and exit\n"
    "\n"
    "See sallyport(8).\n";

#define CONFIG \
    "\n" \
    "  -c FILE                 configuration file (default: " SITE_CONFIG ")\n"

#define PLACE CONFIG \
    "  -d DATABASE             users database (default: users_database of the\n" \
    "                          configuration)\n"

#define PASSWORD \
    "  --password-stdin        read the password from the first line of standard input\n" \
    "  --random                generate a random password and print it\n"

#define ACCOUNT \
    "  --jail DIR              directory that the account sees as /; %u, %g and %h stand\n" \
    "                          for its name, group and home directory\n" \
    "  --start DIR             initial directory, inside the jail (default: /)\n" \
    "  --uid USER              owner of its files, name or number (default: guest_user)\n" \
    "  --gid GROUP             group of its files (default: the group of USER)\n" \
    "  --groups A,B            supplementary groups; \"\" for none\n" \
    "  --guest                 use guest_user again instead of --uid\n" \
    "  --read-only             allow only listing and downloading\n" \
    "  --writable              allow changes too (default)\n" \
    "  --umask MASK|default    umask for new files, in octal\n" \
    "  --expires DATE|never    last day, for example 2027-01-31 (default: never)\n" \
    "  --disable, --enable     forbid or allow logins (default: allowed)\n" \
    "  --networks A,B          allow logins only from these networks, for example\n" \
    "                          192.0.2.0/24; \"\" for any network (default)\n" \
    "  --sessions N            limit of simultaneous sessions (default: 0, no limit)\n" \
    "Exceptions for old clients, see sallyport(8) (default: off):\n" \
    "  --no-resumption on|off  data connections need not resume a TLS session\n" \
    "  --no-close-notify on|off\n" \
    "                          uploads may end without TLS close_notify\n" \
    "  --cleartext on|off      data connections may be unencrypted (PROT C)\n" \
    "  --ccc on|off            CCC may turn off encryption of the control connection\n"

/* A command of two words, or of one; a group is named before its members. */
static const struct row { const char *first, *second, *text; } rows[] = {
    { "user", NULL,
      "usage: sallyport user add NAME --jail DIR [OPTION...]\n"
      "       sallyport user passwd NAME [--password-stdin | --random]\n"
      "       sallyport user set NAME OPTION...\n"
      "       sallyport user del NAME\n"
      "       sallyport user list\n"
      "       sallyport user show NAME\n"
      "\n"
      "Manage the accounts of the users database. For the options of one command, run\n"
      "`sallyport user COMMAND --help`.\n" PLACE },
    { "user", "add",
      "usage: sallyport user add NAME --jail DIR [OPTION...]\n"
      "\n"
      "Create an account. The password is asked for on the terminal, or read from the\n"
      "first line of standard input.\n"
      "\n" ACCOUNT "Password:\n" PASSWORD PLACE },
    { "user", "passwd",
      "usage: sallyport user passwd NAME [--password-stdin | --random]\n"
      "\n"
      "Set a new password and end the account's sessions.\n"
      "\n" PASSWORD PLACE },
    { "user", "set",
      "usage: sallyport user set NAME OPTION...\n"
      "\n"
      "Change an account. What no option names stays as it is.\n"
      "\n" ACCOUNT PLACE },
    { "user", "del",
      "usage: sallyport user del NAME\n"
      "\n"
      "Delete an account and end its sessions. Its files are not deleted.\n" PLACE },
    { "user", "list",
      "usage: sallyport user list\n"
      "\n"
      "List all accounts.\n" PLACE },
    { "user", "show",
      "usage: sallyport user show NAME\n"
      "\n"
      "Show one account in detail.\n" PLACE },
    { "check", NULL,
      "usage: sallyport check [--settings]\n"
      "\n"
      "Check the configuration, the certificates and the users database for errors.\n"
      "\n"
      "  --settings              list all settings and their defaults instead\n" PLACE },
    { "config", NULL,
      "usage: sallyport config\n"
      "\n"
      "Print every setting of the configuration with its value, and the file and line that\n"
      "set it. Defaults are printed as comments. The output is itself a configuration.\n"
      CONFIG },
    { "reload", NULL,
      "usage: sallyport reload\n"
      "\n"
      "Make the server read its configuration and certificates again, and report whether\n"
      "it accepted them.\n" CONFIG },
    { "clean", NULL,
      "usage: sallyport clean [--older-than TIME] [--remove] [NAME...]\n"
      "\n"
      "List the unfinished uploads of the named accounts, or of all accounts.\n"
      "\n"
      "  --remove                remove the old ones\n"
      "  --older-than TIME       an upload is old if it was not touched for this time, for\n"
      "                          example 90s, 15min, 12h or 7d (default: unfinished_keep\n"
      "                          of the configuration)\n" PLACE },
    { "ban", NULL,
      "usage: sallyport ban list\n"
      "       sallyport ban add ADDRESS[/BITS] [TIME]\n"
      "       sallyport ban remove ADDRESS[/BITS]|BACKEND:ACCOUNT\n"
      "\n"
      "List, add or remove bans. A ban ends the sessions of its address. TIME is for\n"
      "example 90s, 15min, 12h or 7d; without it the ban has no end.\n" CONFIG },
};

bool
help_is_asked(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0)
            return true;
    return false;
}

void
help_print(FILE *to, int argc, char **argv)
{
    const char *text = tool;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (argc > 0 && strcmp(argv[0], rows[i].first) == 0
            && (rows[i].second == NULL
                || (argc > 1 && strcmp(argv[1], rows[i].second) == 0)))
            text = rows[i].text;
    (void)fputs(text, to);
}
