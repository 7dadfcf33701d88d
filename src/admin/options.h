/*
 * admin/options.h - the words behind `sallyport user COMMAND`
 *
 * Runs in: the administrator's tool.     Blocks: no.
 * Owns:    nothing; every text is one of argv.
 */
#ifndef SP_ADMIN_OPTIONS_H
#define SP_ADMIN_OPTIONS_H

#include <stdbool.h>

#include "admin/say.h"
#include "base/err.h"

struct site;

/* For -1, 0, 1: not said, off, on. For texts NULL: not said. */
struct user_options {
    const char *name;           /* the one argument that is no option; NULL: none */
    const char *jail, *start, *uid, *gid, *groups, *umask, *expires, *networks, *sessions;
    int writable, disabled, no_resumption, no_close_notify, cleartext, ccc;
    bool guest;                 /* back to the ids of guest_user */
    bool random, password_stdin;
};

struct option;

/* As getopt_long(3), whose complaints begin with "sallyport: " and not with the command. */
int options_next(int argc, char **argv, const char *letters, const struct option *longs);
/* Where it looks, which every command takes: for getopt_long(3), and what to do with one. */
#define OPTIONS_PLACE "c:d:"
/* -c and -d are put into *site; false: it is neither. */
bool options_place(struct site *site, int option);
/* argv[0] is the command (for messages). -c and -d are put into *site. Says what is
 * wrong: SP_INPUT. */
SP_CHECK enum sp_err options_parse(struct user_options *o, struct site *site, int argc,
                                   char **argv);
/*
 * For a command with up to that many words behind it: *words are they, *count how many. -c
 * and -d are put into *site. SAY_USAGE (said): an unknown option, or a word too many.
 */
enum say_exit options_words(struct site *site, int argc, char **argv, int most,
                            char ***words, int *count);
/* Is there anything in it that `set` could change? */
bool options_change(const struct user_options *o);

#endif
