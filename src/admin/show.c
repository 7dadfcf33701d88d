/* admin/show.c - see admin/show.h */
#include "admin/show.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "admin/entry.h"
#include "admin/say.h"
#include "auth/accounts.h"
#include "base/buf.h"
#include "base/clock.h"

enum column {
    COLUMN_NAME,
    COLUMN_OWNER,
    COLUMN_ACCESS,
    COLUMN_STATE,
    COLUMN_LOGIN,
    COLUMN_JAIL,
    COLUMNS
};

#define CELL_MAX (ACCOUNT_PATH_MAX + 1)
#define TIME_MAX 32

struct row { char cells[COLUMNS][CELL_MAX]; };

/* The table is gone through twice: once to measure, once to print. */
struct table { const char *guest_user; int width[COLUMNS]; bool print; };

static const char *
time_text(int64_t at, char out[TIME_MAX])
{
    time_t when = (time_t)at;
    struct tm t = { 0 };

    if (at == 0 || gmtime_r(&when, &t) == NULL
            || strftime(out, TIME_MAX, "%Y-%m-%d %H:%M", &t) == 0)
        (void)text_copy(out, TIME_MAX, "never");
    return out;
}

static const char *
state_text(const struct accounts_entry *e)
{
    if (e->disabled)
        return "disabled";
    return e->expires != 0 && clock_seconds() >= e->expires ? "expired" : "enabled";
}

static void
owner_text(const struct accounts_entry *e, const char *guest_user, char *out, size_t room)
{
    if (e->own_ids)
        (void)text_printf(out, room, "%lu:%lu", (unsigned long)e->uid,
                          (unsigned long)e->gid);
    else
        (void)text_printf(out, room, "guest%s%s%s", guest_user[0] != '\0' ? " (" : "",
                          guest_user, guest_user[0] != '\0' ? ")" : "");
}

static void
fill(struct row *r, const struct accounts_entry *e, const char *guest_user)
{
    char when[TIME_MAX] = "";

    (void)text_copy(r->cells[COLUMN_NAME], CELL_MAX, e->name);
    owner_text(e, guest_user, r->cells[COLUMN_OWNER], CELL_MAX);
    (void)text_copy(r->cells[COLUMN_ACCESS], CELL_MAX,
                    e->writable ? "writable" : "read-only");
    (void)text_copy(r->cells[COLUMN_STATE], CELL_MAX, state_text(e));
    (void)text_copy(r->cells[COLUMN_LOGIN], CELL_MAX, time_text(e->last_login, when));
    (void)text_copy(r->cells[COLUMN_JAIL], CELL_MAX, e->jail);
}

static void
take(struct table *t, const struct row *r)
{
    for (int c = 0; c < COLUMNS; c++) {
        int len = (int)strlen(r->cells[c]);

        if (!t->print && len > t->width[c])
            t->width[c] = len;
        if (t->print) {
            say_field(r->cells[c], c + 1 < COLUMNS ? t->width[c] + 2 : 0);
            if (c + 1 == COLUMNS)
                (void)putchar('\n');
        }
    }
}

static enum sp_err
take_account(void *context, const struct accounts_entry *e)
{
    struct table *t = context;
    struct row r = { 0 };

    fill(&r, e, t->guest_user);
    take(t, &r);
    return SP_OK;
}

enum sp_err
show_table(struct accounts *a, const char *guest_user)
{
    static const struct row head = { { "NAME", "OWNER", "ACCESS", "STATE",
                                       "LAST LOGIN (UTC)", "JAIL" } };
    struct table t = { .guest_user = guest_user };
    enum sp_err rc = SP_OK;

    take(&t, &head);
    if ((rc = accounts_each(a, take_account, &t)) != SP_OK)
        return rc;
    t.print = true;
    take(&t, &head);
    return accounts_each(a, take_account, &t);
}

static void
line(const char *label, const char *text)
{
    say_field(label, 18);
    say_field(text, 0);
    (void)putchar('\n');
}

static const char *
on_off(bool on)
{
    return on ? "on" : "off";
}

void
show_account(const struct accounts_entry *e, const char *guest_user,
             unsigned default_umask)
{
    char text[ACCOUNT_NAME_MAX + 64] = "", when[TIME_MAX] = "";

    line("name", e->name);
    line("state", state_text(e));
    line("jail", e->jail);
    line("start", e->start);
    owner_text(e, guest_user, text, sizeof text);
    line("owner", text);
    line("groups", e->groups[0] != '\0' ? e->groups : "none");
    line("access", e->writable ? "writable" : "read-only");
    (void)text_printf(text, sizeof text, "%03o%s",
                      e->umask >= 0 ? (unsigned)e->umask : default_umask,
                      e->umask >= 0 ? "" : " (default)");
    line("umask", text);
    line("expires", entry_expiry_text(e->expires, when));
    line("networks", e->networks[0] != '\0' ? e->networks : "any");
    (void)text_printf(text, sizeof text, "%lu", (unsigned long)e->session_limit);
    line("sessions", e->session_limit != 0 ? text : "no limit");
    line("no-resumption", on_off(e->no_resumption));
    line("no-close-notify", on_off(e->no_close_notify));
    line("cleartext", on_off(e->cleartext_data));
    line("ccc", on_off(e->ccc));
    line("created", time_text(e->created, when));
    line("changed", time_text(e->changed, when));
    line("last login", time_text(e->last_login, when));
}
