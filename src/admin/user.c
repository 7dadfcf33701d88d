/* admin/user.c - see admin/user.h */
#include "admin/user.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "admin/ask.h"
#include "admin/entry.h"
#include "admin/options.h"
#include "admin/show.h"
#include "admin/site.h"
#include "admin/tell.h"
#include "auth/accounts.h"
#include "auth/sysuser.h"
#include "base/clock.h"
#include "base/privilege.h"

struct command {
    const char *name;
    bool needs_name, takes_password, takes_changes;
    enum say_exit (*run)(const struct site *site, const struct user_options *o);
};

static struct password_cost
cost_of(const struct site *site)
{
    return (struct password_cost){ .memory_kib = site->settings.argon2_memory,
                                   .passes = site->settings.argon2_operations };
}

/* A new password and its hash; a made up one is printed, on a line of its own. */
static enum say_exit
new_hash(const struct site *site, const struct user_options *o, struct secret *password,
         char hash[PASSWORD_HASH_MAX])
{
    enum sp_err rc = o->random ? ask_random(password)
        : ask_password(password, o->password_stdin);

    if (rc != SP_OK)
        return SAY_FAILED;
    if (password_hash(password, cost_of(site), hash) != SP_OK)
        return say_end(SAY_FAILED, "not enough memory for a password hash of %lld KiB"
                       " (setting argon2_memory)", (long long)site->settings.argon2_memory);
    return SAY_DONE;
}

static enum say_exit
done(const struct user_options *o, const struct secret *password)
{
    if (o->random)
        printf("%s\n", secret_text(password));
    return fflush(stdout) == 0 ? SAY_DONE
        : say_end(SAY_FAILED, "cannot print the password; set another one");
}

/* An account without ids of its own needs a guest_user that may log in. */
static enum say_exit
check_guest(const struct site *site, const struct accounts_entry *e)
{
    const char *guest = site->settings.guest_user;
    struct sysuser u = { .name = "" };

    if (e->own_ids || (guest[0] == '\0' && !privilege_is_root()))
        return SAY_DONE;
    if (guest[0] == '\0')
        return say_end(SAY_FAILED,
                       "the account needs --uid, or guest_user must be set in %s",
                       site_config(site));
    if (sysuser_by_name(guest, &u) != SP_OK)
        return say_end(SAY_FAILED, "guest_user in %s: no such system user: %s",
                       site_config(site), guest);
    if (u.uid == 0 || u.gid == 0)
        return say_end(SAY_FAILED, "guest_user in %s: %s is root, which is not allowed",
                       site_config(site), guest);
    return SAY_DONE;
}

static void
warn_of_jail(const struct site *site, const struct accounts_entry *e)
{
    struct stat st = { 0 };

    if (strchr(e->jail, '%') == NULL && stat(e->jail, &st) == -1
        && !site->settings.jail_create)
        say("note: the jail %s does not exist; create it, or set jail_create = true", e->jail);
}

static enum say_exit
add(const struct site *site, const struct user_options *o)
{
    struct accounts db = ACCOUNTS_EMPTY;
    struct accounts_entry e;
    struct secret password;
    char why[ENTRY_WHY_MAX] = "";
    enum say_exit code = SAY_FAILED;

    secret_init(&password);
    /* a name that is taken is said before a password is asked for */
    if (accounts_open(&db, site->database, ACCOUNTS_READ) == SP_OK
            && accounts_find(&db, o->name, &e) == SP_OK) {
        say("account %s already exists; use `sallyport user set` to change it", o->name);
        goto out;
    }
    accounts_close(&db);
    entry_init(&e);
    if (!account_name_valid(slice_of(o->name))
        || !text_copy(e.name, sizeof e.name, o->name)) {
        code = say_end(SAY_USAGE, "invalid account name: use 1 to 255 bytes, no \"/\", no control"
                       " characters, and not \".\" or \"..\"");
        goto out;
    }
    if (o->jail == NULL) {
        code = say_end(SAY_USAGE, "user add: --jail DIR is required");
        goto out;
    }
    if (entry_apply(&e, o, why) != SP_OK) {
        code = say_end(SAY_USAGE, "%s", why);
        goto out;
    }
    if ((code = check_guest(site, &e)) != SAY_DONE
            || (code = new_hash(site, o, &password, e.hash)) != SAY_DONE)
        goto out;
    if (accounts_open(&db, site->database, ACCOUNTS_CREATE) != SP_OK
            || accounts_add(&db, &e) != SP_OK) {
        code = say_end(SAY_FAILED, "%s: %s", o->name, db.fault);
        goto out;
    }
    warn_of_jail(site, &e);
    code = done(o, &password);
    if (e.cleartext_data)       /* the server knows such names by heart */
        tell_change(site, o->name, CHANGED_ADDED);
out:
    secret_clear(&password);
    accounts_close(&db);
    return code;
}

static enum say_exit
change_password(const struct site *site, const struct user_options *o)
{
    struct accounts db = ACCOUNTS_EMPTY;
    struct accounts_entry e;
    struct secret password;
    char hash[PASSWORD_HASH_MAX] = "";
    enum say_exit code = SAY_FAILED;

    secret_init(&password);
    if (accounts_open(&db, site->database, ACCOUNTS_WRITE) != SP_OK
            || accounts_find(&db, o->name, &e) != SP_OK) {
        say("%s: %s", o->name, db.fault);
        goto out;
    }
    if ((code = new_hash(site, o, &password, hash)) != SAY_DONE)
        goto out;
    if (accounts_set_hash(&db, o->name, hash, NULL) != SP_OK) {
        code = say_end(SAY_FAILED, "%s: %s", o->name, db.fault);
        goto out;
    }
    accounts_close(&db);
    code = done(o, &password);
    tell_change(site, o->name, CHANGED_PASSWORD);
out:
    secret_clear(&password);
    accounts_close(&db);
    return code;
}

static enum say_exit
set(const struct site *site, const struct user_options *o)
{
    struct accounts db = ACCOUNTS_EMPTY;
    struct accounts_entry e, before;
    char why[ENTRY_WHY_MAX] = "";
    enum say_exit code = SAY_FAILED;

    if (!options_change(o))
        return say_end(SAY_USAGE, "user set: at least one option is required");
    if (accounts_open(&db, site->database, ACCOUNTS_WRITE) != SP_OK
            || accounts_begin(&db) != SP_OK || accounts_find(&db, o->name, &e) != SP_OK) {
        say("%s: %s", o->name, db.fault);
        goto out;
    }
    before = e;
    if (entry_apply(&e, o, why) != SP_OK) {
        code = say_end(SAY_USAGE, "%s", why);
        goto out;
    }
    if ((code = check_guest(site, &e)) != SAY_DONE)
        goto out;
    if (accounts_change(&db, &e) != SP_OK || accounts_commit(&db) != SP_OK) {
        code = say_end(SAY_FAILED, "%s: %s", o->name, db.fault);
        goto out;
    }
    accounts_close(&db);
    if (o->jail != NULL)
        warn_of_jail(site, &e);
    tell_change(site, o->name, entry_change(&before, &e, clock_seconds()));
out:
    accounts_close(&db);
    return code;
}

static enum say_exit
delete(const struct site *site, const struct user_options *o)
{
    struct accounts db = ACCOUNTS_EMPTY;
    enum say_exit code = SAY_DONE;

    if (accounts_open(&db, site->database, ACCOUNTS_WRITE) != SP_OK
            || accounts_delete(&db, o->name) != SP_OK)
        code = say_end(SAY_FAILED, "%s: %s", o->name, db.fault);
    accounts_close(&db);
    if (code == SAY_DONE)
        tell_change(site, o->name, CHANGED_DELETED);
    return code;
}

static enum say_exit
list(const struct site *site, const struct user_options *o)
{
    struct accounts db = ACCOUNTS_EMPTY;
    enum say_exit code = SAY_DONE;

    (void)o;
    if (accounts_open(&db, site->database, ACCOUNTS_READ) != SP_OK
            || show_table(&db, site->settings.guest_user) != SP_OK)
        code = say_end(SAY_FAILED, "%s", db.fault);
    accounts_close(&db);
    return code;
}

static enum say_exit
show(const struct site *site, const struct user_options *o)
{
    struct accounts db = ACCOUNTS_EMPTY;
    struct accounts_entry e;
    enum say_exit code = SAY_DONE;

    if (accounts_open(&db, site->database, ACCOUNTS_READ) != SP_OK
            || accounts_find(&db, o->name, &e) != SP_OK)
        code = say_end(SAY_FAILED, "%s: %s", o->name, db.fault);
    else
        show_account(&e, site->settings.guest_user, (unsigned)site->settings.umask);
    accounts_close(&db);
    return code;
}

static const struct command commands[] = {
    { "add", true, true, true, add },
    { "passwd", true, true, false, change_password },
    { "set", true, false, true, set },
    { "del", true, false, false, delete },
    { "list", false, false, false, list },
    { "show", true, false, false, show },
    { NULL, false, false, false, NULL }
};

static const struct command *
find_command(const char *name)
{
    for (const struct command *c = commands; c->name != NULL; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

enum say_exit
user_run(struct site *site, int argc, char **argv)
{
    const struct command *c = argc > 0 ? find_command(argv[0]) : NULL;
    struct user_options o;
    enum say_exit code = SAY_FAILED;

    if (c == NULL)
        return say_end(SAY_USAGE, "user: use add, passwd, set, del, list or show; see"
                       " `sallyport user --help`");
    if (options_parse(&o, site, argc, argv) != SP_OK)
        return SAY_USAGE;
    if (c->needs_name != (o.name != NULL))
        return say_end(SAY_USAGE,
                       c->needs_name ? "user %s: the account name is required"
                                     : "user %s: takes no account name",
                       c->name);
    if (!c->takes_changes && options_change(&o))
        return say_end(SAY_USAGE, "user %s: cannot change the account; use `sallyport user set`",
                       c->name);
    if (!c->takes_password && (o.random || o.password_stdin))
        return say_end(SAY_USAGE,
                       "user %s: takes no password; use `sallyport user passwd`",
                       c->name);
    if (site_load(site) == SP_OK)
        code = c->run(site, &o);
    site_clear(site);
    return code;
}
