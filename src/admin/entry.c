/* admin/entry.c - see admin/entry.h */
#include "admin/entry.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "admin/options.h"
#include "auth/accounts.h"
#include "auth/sysuser.h"
#include "base/buf.h"
#include "base/net.h"
#include "base/number.h"

#define DAY 86400

void
entry_init(struct accounts_entry *e)
{
    *e = (struct accounts_entry){ .start = "/", .writable = true, .umask = -1 };
}

static enum sp_err wrong(char why[ENTRY_WHY_MAX], const char *format, ...)
    SP_PRINTF(2, 3);

static enum sp_err
wrong(char why[ENTRY_WHY_MAX], const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why, ENTRY_WHY_MAX, format, args);
    va_end(args);
    return SP_INPUT;
}

enum sp_err
entry_parse_expiry(const char *text, int64_t *out)
{
    struct tm day = { 0 }, back = { 0 };
    const char *end = NULL;
    time_t at = 0;

    if (strcmp(text, "never") == 0) {
        *out = 0;
        return SP_OK;
    }
    if ((end = strptime(text, "%Y-%m-%d", &day)) == NULL || *end != '\0'
        || strlen(text) != 10)
        return SP_INPUT;
    back = day;
    at = timegm(&back);
    /* timegm makes 3 March of 31 February */
    if (at <= 0 || back.tm_mday != day.tm_mday || back.tm_mon != day.tm_mon)
        return SP_INPUT;
    *out = at + DAY;
    return SP_OK;
}

const char *
entry_expiry_text(int64_t expires, char out[32])
{
    time_t last = (time_t)(expires - DAY);
    struct tm day = { 0 };

    if (expires == 0 || gmtime_r(&last, &day) == NULL
            || strftime(out, 32, "%Y-%m-%d", &day) == 0)
        (void)text_copy(out, 32, "never");
    return out;
}

static enum sp_err
apply_uid(struct accounts_entry *e, const struct user_options *o, char why[ENTRY_WHY_MAX])
{
    struct sysuser u = { .name = "" };
    uint64_t number = 0;
    bool known = false;

    if (number_parse(slice_of(o->uid), UINT32_MAX - 1, &number) == SP_OK)
        known = sysuser_by_uid((uint32_t)number, &u) == SP_OK;
    else if (!(known = (sysuser_by_name(o->uid, &u) == SP_OK)))
        return wrong(why, "--uid: no such system user: %s", o->uid);
    else
        number = u.uid;
    if (!known && o->gid == NULL)
        return wrong(why, "--uid: no system user has uid %s, so --gid is required too",
                     o->uid);
    e->own_ids = true;
    e->uid = (uint32_t)number;
    if (o->gid == NULL)
        e->gid = u.gid;
    return SP_OK;
}

static bool
parse_group(const char *text, uint32_t *out)
{
    uint64_t number = 0;

    if (number_parse(slice_of(text), UINT32_MAX - 1, &number) != SP_OK)
        return sysuser_gid_of(text, out) == SP_OK;
    *out = (uint32_t)number;
    return true;
}

static enum sp_err
apply_groups(struct accounts_entry *e, const char *groups, char why[ENTRY_WHY_MAX])
{
    struct slice rest = slice_of(groups), part = SLICE_EMPTY;
    char name[ACCOUNT_NAME_MAX + 1] = "";
    uint32_t gid = 0;
    size_t len = 0;

    e->groups[0] = '\0';
    if (rest.len == 0)
        return SP_OK;
    while (accounts_next_part(&rest, &part)) {
        if (slice_to_text(part, name, sizeof name) != SP_OK || !parse_group(name, &gid))
            return wrong(why, "--groups: no such group: %s", name);
        if (gid == 0)
            return wrong(why, "--groups: group 0 (root) is not allowed");
        if (!text_printf(e->groups + len, sizeof e->groups - len, "%s%lu",
                         len > 0 ? "," : "", (unsigned long)gid))
            return wrong(why, "--groups: the list is too long");
        len = strlen(e->groups);
    }
    return SP_OK;
}

static enum sp_err
apply_ids(struct accounts_entry *e, const struct user_options *o, char why[ENTRY_WHY_MAX])
{
    enum sp_err rc = SP_OK;

    if (o->guest) {
        if (o->uid != NULL || o->gid != NULL
            || (o->groups != NULL && o->groups[0] != '\0'))
            return wrong(why,
                         "--guest: cannot be combined with --uid, --gid or --groups");
        e->own_ids = false;
        e->groups[0] = '\0';
    }
    if (o->uid != NULL && (rc = apply_uid(e, o, why)) != SP_OK)
        return rc;
    if (o->gid != NULL && !e->own_ids)
        return wrong(why, "--gid: requires --uid too");
    if (o->gid != NULL && !parse_group(o->gid, &e->gid))
        return wrong(why, "--gid: no such group: %s", o->gid);
    if (o->groups != NULL && o->groups[0] != '\0' && !e->own_ids)
        return wrong(why, "--groups: requires --uid too");
    if (o->groups != NULL && (rc = apply_groups(e, o->groups, why)) != SP_OK)
        return rc;
    if (e->own_ids && (e->uid == 0 || e->gid == 0))
        return wrong(why, "%s: 0 (root) is not allowed for an account",
                     e->uid == 0 ? "--uid" : "--gid");
    return SP_OK;
}

static enum sp_err
apply_paths(struct accounts_entry *e, const struct user_options *o,
            char why[ENTRY_WHY_MAX])
{
    struct account_names names = { .user = e->name, .group = "group", .home = "/home" };
    char tried[ACCOUNT_PATH_MAX + 1] = "";

    if (o->jail != NULL && (!text_copy(e->jail, sizeof e->jail, o->jail)
            || account_expand(o->jail, &names, tried, sizeof tried) != SP_OK))
        return wrong(why,
                     "--jail: must be an absolute path without \"..\"; %%u, %%g and %%h"
                     " stand for the account, its group and home directory, %%%% for %%");
    if (o->start != NULL
        && account_normalise(o->start, e->start, sizeof e->start) != SP_OK)
        return wrong(why, "--start: the path is too long");
    return SP_OK;
}

static enum sp_err
apply_networks(struct accounts_entry *e, const char *networks, char why[ENTRY_WHY_MAX])
{
    struct slice rest = slice_of(networks), part = SLICE_EMPTY;
    struct net_network network = { 0 };
    size_t len = 0;

    e->networks[0] = '\0';
    if (rest.len == 0)
        return SP_OK;
    while (accounts_next_part(&rest, &part)) {
        if (net_parse_network(&network, part) != SP_OK)
            return wrong(why, "--networks: \"%.*s\" is not a valid network; use for example"
                         " 192.0.2.0/24 or 2001:db8::/32 (all bits after the prefix must be 0)",
                         (int)part.len, (const char *)part.at);
        if (!text_printf(e->networks + len, sizeof e->networks - len, "%s%.*s",
                         len > 0 ? "," : "", (int)part.len, (const char *)part.at))
            return wrong(why, "--networks: the list is too long");
        len = strlen(e->networks);
    }
    return SP_OK;
}

static enum sp_err
apply_limits(struct accounts_entry *e, const struct user_options *o,
             char why[ENTRY_WHY_MAX])
{
    uint64_t number = 0;

    if (o->umask != NULL && strcmp(o->umask, "default") == 0) {
        e->umask = -1;
    } else if (o->umask != NULL) {
        if (number_parse_base(slice_of(o->umask), 8, 0777, &number) != SP_OK)
            return wrong(why, "--umask: must be an octal number from 000 to 777, or \"default\"");
        e->umask = (int)number;
    }
    if (o->expires != NULL && entry_parse_expiry(o->expires, &e->expires) != SP_OK)
        return wrong(why,
                     "--expires: must be the last day, for example 2027-01-31, or \"never\"");
    if (o->sessions != NULL) {
        if (number_parse(slice_of(o->sessions), 1000000, &number) != SP_OK)
            return wrong(why,
                         "--sessions: must be a number from 0 (no limit) to 1000000");
        e->session_limit = (uint32_t)number;
    }
    return SP_OK;
}

static void
apply_switch(bool *to, int said)
{
    if (said != -1)
        *to = said == 1;
}

enum sp_err
entry_apply(struct accounts_entry *e, const struct user_options *o,
            char why[ENTRY_WHY_MAX])
{
    enum sp_err rc = SP_OK;

    if ((rc = apply_ids(e, o, why)) != SP_OK || (rc = apply_paths(e, o, why)) != SP_OK
            || (rc = apply_limits(e, o, why)) != SP_OK)
        return rc;
    if (o->networks != NULL && (rc = apply_networks(e, o->networks, why)) != SP_OK)
        return rc;
    apply_switch(&e->writable, o->writable);
    apply_switch(&e->disabled, o->disabled);
    apply_switch(&e->no_resumption, o->no_resumption);
    apply_switch(&e->no_close_notify, o->no_close_notify);
    apply_switch(&e->cleartext_data, o->cleartext);
    apply_switch(&e->ccc, o->ccc);
    return SP_OK;
}

static bool
are_same_ids(const struct accounts_entry *a, const struct accounts_entry *b)
{
    return a->own_ids == b->own_ids
           && (!a->own_ids
               || (a->uid == b->uid && a->gid == b->gid
                   && strcmp(a->groups, b->groups) == 0));
}

/* What only plays a part at the next login (start, umask, sessions) is not asked. */
static bool
are_same_rights(const struct accounts_entry *a, const struct accounts_entry *b)
{
    return are_same_ids(a, b) && strcmp(a->jail, b->jail) == 0
           && strcmp(a->networks, b->networks) == 0 && a->writable == b->writable
           && a->no_resumption == b->no_resumption
           && a->no_close_notify == b->no_close_notify
           && a->cleartext_data == b->cleartext_data && a->ccc == b->ccc;
}

enum account_change
entry_change(const struct accounts_entry *before, const struct accounts_entry *after,
             int64_t now)
{
    /* told again where it was so before: the server may not have been reached */
    if (after->disabled)
        return CHANGED_DISABLED;
    if (after->expires != 0 && now >= after->expires)
        return CHANGED_EXPIRED;
    return are_same_rights(before, after) ? CHANGED_NOTHING : CHANGED_RIGHTS;
}
