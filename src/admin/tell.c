/* admin/tell.c - see admin/tell.h */
#include "admin/tell.h"

#include <string.h>
#include <sys/stat.h>

#include "admin/server.h"
#include "admin/site.h"
#include "wire/pack.h"

#define SECONDS 30

/* The file that the configuration names, by whatever name -d gives it. */
static bool
is_configured(const struct site *site)
{
    const char *configured = site->settings.users_database;
    struct stat ours, its;

    return strcmp(site->database, configured) == 0
           || (stat(site->database, &ours) == 0 && stat(configured, &its) == 0
               && ours.st_dev == its.st_dev && ours.st_ino == its.st_ino);
}

static void
warn_of_sessions(const char *name, enum account_change change)
{
    if (change == CHANGED_ADDED)
        say("warning: the server could not be told of the account: %s can log in without TLS"
            " after `sallyport reload`", name);
    else if (change == CHANGED_DELETED)
        say("warning: the account was deleted, but the server could not be told: running"
            " sessions of %s continue until the server is restarted", name);
    else
        say("warning: the account was changed, but the server could not be told: running"
            " sessions of %s continue until the server is restarted, or until"
            " `sallyport user set %s --disable` reaches it", name, name);
}

void
tell_change(const struct site *site, const char *name, enum account_change change)
{
    struct server_answer answer;
    struct message m;
    bool absent = false;

    if (change == CHANGED_NOTHING || !is_configured(site))
        return;
    msg_account_changed_pack(&m, &(struct msg_account_changed){
        .user = slice_of(name), .change = (uint8_t)change });
    if (server_ask(site, &m, SECONDS, NULL, NULL, &answer, &absent) != SAY_DONE) {
        if (!absent)
            warn_of_sessions(name, change);
        return;
    }
    if (!answer.done)
        say("warning: %s", server_refusal(answer.refusal));
    else if (answer.count > 0)
        say("note: sessions of %s ended: %llu", name, (unsigned long long)answer.count);
}
