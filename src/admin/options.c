/* admin/options.c - see admin/options.h */
#include "admin/options.h"

#include <getopt.h>
#include <stddef.h>
#include <string.h>

#include "admin/say.h"
#include "admin/site.h"

enum option_number {
    OPTION_JAIL = 256, OPTION_START, OPTION_UID, OPTION_GID, OPTION_GROUPS, OPTION_GUEST,
    OPTION_READ_ONLY, OPTION_WRITABLE, OPTION_UMASK, OPTION_EXPIRES, OPTION_DISABLE,
    OPTION_ENABLE, OPTION_NETWORKS, OPTION_SESSIONS, OPTION_NO_RESUMPTION,
    OPTION_NO_CLOSE_NOTIFY, OPTION_CLEARTEXT, OPTION_CCC, OPTION_RANDOM,
    OPTION_PASSWORD_STDIN
};

static const struct option table[] = {
    { "jail", required_argument, NULL, OPTION_JAIL },
    { "start", required_argument, NULL, OPTION_START },
    { "uid", required_argument, NULL, OPTION_UID },
    { "gid", required_argument, NULL, OPTION_GID },
    { "groups", required_argument, NULL, OPTION_GROUPS },
    { "guest", no_argument, NULL, OPTION_GUEST },
    { "read-only", no_argument, NULL, OPTION_READ_ONLY },
    { "writable", no_argument, NULL, OPTION_WRITABLE },
    { "umask", required_argument, NULL, OPTION_UMASK },
    { "expires", required_argument, NULL, OPTION_EXPIRES },
    { "disable", no_argument, NULL, OPTION_DISABLE },
    { "enable", no_argument, NULL, OPTION_ENABLE },
    { "networks", required_argument, NULL, OPTION_NETWORKS },
    { "sessions", required_argument, NULL, OPTION_SESSIONS },
    { "no-resumption", required_argument, NULL, OPTION_NO_RESUMPTION },
    { "no-close-notify", required_argument, NULL, OPTION_NO_CLOSE_NOTIFY },
    { "cleartext", required_argument, NULL, OPTION_CLEARTEXT },
    { "ccc", required_argument, NULL, OPTION_CCC },
    { "random", no_argument, NULL, OPTION_RANDOM },
    { "password-stdin", no_argument, NULL, OPTION_PASSWORD_STDIN },
    { NULL, 0, NULL, 0 }
};

static enum sp_err
on_or_off(const char *option, const char *word, int *out)
{
    if (strcmp(word, "on") == 0) {
        *out = 1;
    } else if (strcmp(word, "off") == 0) {
        *out = 0;
    } else {
        say("--%s: \"%s\" is not valid; use on or off", option, word);
        return SP_INPUT;
    }
    return SP_OK;
}

int
options_next(int argc, char **argv, const char *letters, const struct option *longs)
{
    static char program[] = "sallyport";
    char *command = argv[0];
    int option = 0;

    argv[0] = program;
    option = getopt_long(argc, argv, letters, longs, NULL);
    argv[0] = command;
    return option;
}

bool
options_place(struct site *site, int option)
{
    if (option == 'c')
        site->config = optarg;
    else if (option == 'd')
        site->database = optarg;
    return option == 'c' || option == 'd';
}

static enum sp_err
take(struct user_options *o, struct site *site, int option)
{
    if (options_place(site, option))
        return SP_OK;
    switch (option) {
    case OPTION_JAIL: o->jail = optarg; break;
    case OPTION_START: o->start = optarg; break;
    case OPTION_UID: o->uid = optarg; break;
    case OPTION_GID: o->gid = optarg; break;
    case OPTION_GROUPS: o->groups = optarg; break;
    case OPTION_GUEST: o->guest = true; break;
    case OPTION_READ_ONLY: o->writable = 0; break;
    case OPTION_WRITABLE: o->writable = 1; break;
    case OPTION_UMASK: o->umask = optarg; break;
    case OPTION_EXPIRES: o->expires = optarg; break;
    case OPTION_DISABLE: o->disabled = 1; break;
    case OPTION_ENABLE: o->disabled = 0; break;
    case OPTION_NETWORKS: o->networks = optarg; break;
    case OPTION_SESSIONS: o->sessions = optarg; break;
    case OPTION_NO_RESUMPTION:
        return on_or_off("no-resumption", optarg, &o->no_resumption);
    case OPTION_NO_CLOSE_NOTIFY:
        return on_or_off("no-close-notify", optarg, &o->no_close_notify);
    case OPTION_CLEARTEXT: return on_or_off("cleartext", optarg, &o->cleartext);
    case OPTION_CCC: return on_or_off("ccc", optarg, &o->ccc);
    case OPTION_RANDOM: o->random = true; break;
    case OPTION_PASSWORD_STDIN: o->password_stdin = true; break;
    default: return SP_INPUT;   /* getopt has said it */
    }
    return SP_OK;
}

enum sp_err
options_parse(struct user_options *o, struct site *site, int argc, char **argv)
{
    int option = 0;

    *o = (struct user_options){ .writable = -1, .disabled = -1, .no_resumption = -1,
                                .no_close_notify = -1, .cleartext = -1, .ccc = -1 };
    optind = 0;                 /* a second list of words, in GNU's way */
    while ((option = options_next(argc, argv, OPTIONS_PLACE, table)) != -1)
        if (take(o, site, option) != SP_OK)
            return SP_INPUT;
    if (optind < argc)
        o->name = argv[optind++];
    if (optind < argc) {
        /* not repeated: it could be a password that somebody tried to give here */
        say("too many arguments (a password is never given as an argument)");
        return SP_INPUT;
    }
    if (o->random && o->password_stdin) {
        say("--random and --password-stdin cannot be combined");
        return SP_INPUT;
    }
    return SP_OK;
}

enum say_exit
options_words(struct site *site, int argc, char **argv, int most, char ***words,
              int *count)
{
    static const struct option none[] = { { NULL, 0, NULL, 0 } };
    int option = 0;

    optind = 0;                 /* a second list of words, in GNU's way */
    while ((option = options_next(argc, argv, OPTIONS_PLACE, none)) != -1)
        if (!options_place(site, option))
            return SAY_USAGE;
    if (argc - optind > most)
        return say_end(SAY_USAGE, "%s: too many arguments", argv[0]);
    *words = argv + optind;
    *count = argc - optind;
    return SAY_DONE;
}

bool
options_change(const struct user_options *o)
{
    return o->jail != NULL || o->start != NULL || o->uid != NULL || o->gid != NULL
           || o->groups != NULL || o->umask != NULL || o->expires != NULL
           || o->networks != NULL || o->sessions != NULL || o->writable != -1
           || o->disabled != -1 || o->no_resumption != -1 || o->no_close_notify != -1
           || o->cleartext != -1 || o->ccc != -1 || o->guest;
}
