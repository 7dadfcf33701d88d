/* monitor/trial.c - see trial.h */
#include "monitor/trial.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/privilege.h"
#include "monitor/generation.h"
#include "monitor/validity.h"

#define NOBODY "nobody"         /* for a user that there is not, which has been told */
#define SUBJECT_ROOM 600
#define DAY ((int64_t)24 * 3600)

/* ---- saying it ----------------------------------------------------------------------- */

static void
say(struct trial *t, enum config_weight weight, const char *key, const char *text)
{
    if (weight == CONFIG_FAULT)
        t->faults++;
    config_tell(&t->shown, t->fault, t->context, weight, key, text);
}

static bool
is_setting(const char *name)
{
    for (const struct setting_row *row = setting_rows(); row->name != NULL; row++)
        if (strcmp(row->name, name) == 0)
            return true;
    return false;
}

/* Processes start again, and two of them may read one file. */
static bool
was_heard(struct trial *t, const char *line)
{
    unsigned long hash = 5381;

    for (const char *at = line; *at != '\0'; at++)
        hash = hash * 33 + (unsigned char)*at;
    for (unsigned i = 0; i < t->seen_count; i++)
        if (t->seen[i] == hash)
            return true;
    if (t->seen_count < TRIAL_SEEN)
        t->seen[t->seen_count++] = hash;
    return false;
}

/* What stands behind name= in the line: up to a space, or between quotes. */
static bool
take_field(const char *line, const char *name, char *out, size_t room)
{
    const char *at = strstr(line, name), *end = NULL;

    if (at == NULL)
        return false;
    at += strlen(name);
    if (*at != '"' && *at != '\'')
        return slice_to_text(slice_from(at, strcspn(at, " ")), out, room) == SP_OK;
    end = strrchr(at + 1, *at);
    return slice_to_text(slice_from(at + 1, end == NULL ? strlen(at + 1)
                                                        : (size_t)(end - at - 1)), out, room)
        == SP_OK;
}

/* Of lines that name no key. */
static const char *
key_of(enum log_event event)
{
    static const struct { enum log_event event; const char *key; } rows[] = {
        { EVENT_CERTIFICATE_UNUSABLE, "certificate" }, { EVENT_KEY_FAILED, "certificate_key" },
        { EVENT_LIMIT_DESCRIPTORS, "max_sessions" }, { EVENT_TLS_KERNEL, "tls_kernel" },
        { EVENT_PROGRAM_REFUSED, "libexec_directory" },
        { EVENT_LOGIN_DATABASE_FAILED, "users_database" },
        { EVENT_ACCOUNT_UNFIT, "users_database" }, { EVENT_ACCOUNTS_UNFIT, "users_database" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (event == rows[i].event)
            return rows[i].key;
    return NULL;
}

/* What a process says of its end is news only where nothing else was said. */
static bool
is_summary(enum log_event event)
{
    static const enum log_event events[] = {
        EVENT_TEMPLATE_FAILED, EVENT_TEMPLATE_ENDED, EVENT_TEMPLATE_TIMEOUT,
        EVENT_KEYHOLDER_FAILED, EVENT_KEYHOLDER_ENDED, EVENT_KEYHOLDER_CRASHED,
        EVENT_KEYHOLDER_TIMEOUT, EVENT_START_FAILED, EVENT_LOGIN_SLOTS_FAILED,
        EVENT_LOGIN_LIBSODIUM_FAILED,
    };

    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        if (event == events[i])
            return true;
    return false;
}

static void
explain(struct trial *t, enum config_weight weight, enum log_event event, const char *line)
{
    static const char *const subjects[] = { " file=", " value=", " directory=", " user=" };
    char key[64] = "", subject[SUBJECT_ROOM] = "", reason[LOG_LINE_MAX] = "",
         whole[LOG_LINE_MAX];
    const char *named = key_of(event);

    if (take_field(line, " key=", key, sizeof key) && is_setting(key))
        named = key;
    if (named == NULL || (!take_field(line, " fault=", reason, sizeof reason)
                          && !take_field(line, " remedy=", reason, sizeof reason))) {
        say(t, weight, named, line);
        return;
    }
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects && subject[0] == '\0'; i++)
        (void)take_field(line, subjects[i], subject, sizeof subject);
    if (subject[0] == '\0' || !text_printf(whole, sizeof whole, "%s: %.1400s", subject, reason))
        (void)text_copy(whole, sizeof whole, reason);
    say(t, weight, named, whole);
}

void
trial_hear(struct trial *t, enum log_event event, const char *line)
{
    enum log_level level = log_event_level(event);
    const char *from = strstr(line, log_event_name(event));
    char own[LOG_LINE_MAX];

    /* without the name of the process that has said it, and the quotes around */
    (void)text_copy(own, sizeof own, from == NULL ? line : from);
    if (from != NULL && from != line && own[0] != '\0')
        own[strlen(own) - 1] = '\0';
    if ((level != LOG_LEVEL_ERROR && level != LOG_LEVEL_WARNING) || event == EVENT_WALL_MISSING
        || was_heard(t, own))
        return;
    if (is_summary(event))
        (void)text_copy(t->summary, sizeof t->summary, own);
    else
        explain(t, level == LOG_LEVEL_ERROR ? CONFIG_FAULT : CONFIG_WARNING, event, own);
}

/* ---- dates --------------------------------------------------------------------------- */

static void
say_date(struct trial *t, enum config_weight weight, const char *file,
         const struct validity *v, long stage, int64_t now)
{
    char from[21], until[21], text[LOG_LINE_MAX];

    clock_date(v->from, from);
    clock_date(v->until, until);
    if (stage < 0)
        (void)text_printf(text, sizeof text, "%.1024s: not valid before %s, so clients reject "
                          "it; check the system clock", file, from);
    else if (stage > 4)
        (void)text_printf(text, sizeof text, "%.1024s: expired on %s, so clients reject it; "
                          "renew it, then reload", file, until);
    else
        (void)text_printf(text, sizeof text, "%.1024s: expires on %s (in %lld days); renew it, "
                          "then reload", file, until, (long long)((v->until - now) / DAY));
    say(t, weight, "certificate", text);
}

static bool
is_of_now(const struct validity *v, int64_t now)
{
    return v->until != 0 && v->from <= now && now <= v->until;
}

/* One of several that has ended keeps nobody out; the only one keeps everybody out. */
void
trial_dates(struct trial *t, const struct generation *g)
{
    int64_t now = clock_seconds();
    bool served = false;

    for (size_t i = 0; i < g->settings.certificate_key.count; i++)
        served = served || is_of_now(&g->validity[i], now);
    for (size_t i = 0; i < g->settings.certificate_key.count; i++) {
        long stage = validity_stage(&g->validity[i], now);

        /* from a week before on; what is renewed by itself is a month old */
        if (stage < 0 || stage > 4)
            say_date(t, served ? CONFIG_WARNING : CONFIG_FAULT,
                     g->settings.certificate.texts[i], &g->validity[i], stage, now);
        else if (stage >= 3)
            say_date(t, CONFIG_WARNING, g->settings.certificate.texts[i], &g->validity[i],
                     stage, now);
    }
}

/* ---- what is tried ------------------------------------------------------------------- */

/* Can it be opened, and is there something in it? Why not has been told. */
static bool
can_be_read(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    bool can = fd != -1 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0;

    fd_close(&fd);
    return can;
}

/* Pairs of which one cannot be read are taken out: the others are looked at. */
static enum sp_err
fit_certificates(struct settings *s)
{
    struct text_list certificates = TEXT_LIST_EMPTY, keys = TEXT_LIST_EMPTY;
    bool pairs = s->certificate.count == s->certificate_key.count;
    enum sp_err rc = SP_OK;

    for (size_t i = 0; pairs && rc == SP_OK && i < s->certificate.count; i++) {
        const char *file = s->certificate.texts[i], *key = s->certificate_key.texts[i];

        if (can_be_read(file) && can_be_read(key)
            && (rc = text_list_add(&certificates, slice_of(file))) == SP_OK)
            rc = text_list_add(&keys, slice_of(key));
    }
    text_list_clear(&s->certificate);
    text_list_clear(&s->certificate_key);
    s->certificate = certificates;
    s->certificate_key = keys;
    return rc;
}

static enum sp_err
fit_user(char **user)
{
    const struct passwd *pw = privilege_is_root() ? getpwnam(*user) : NULL;

    if (!privilege_is_root() || (pw != NULL && pw->pw_uid != 0 && pw->pw_gid != 0))
        return SP_OK;
    return setting_text(user, slice_of(NOBODY));
}

/* Beside the run_directory that a start would make: the same file system and the same way. */
static enum sp_err
make_directory(struct trial *t, const char *run_directory)
{
    if (text_printf(t->directory, sizeof t->directory, "%.400s-test-XXXXXX", run_directory)
        && mkdtemp(t->directory) != NULL)
        return SP_OK;
    if (text_copy(t->directory, sizeof t->directory, "/tmp/sallyport-test-XXXXXX")
        && mkdtemp(t->directory) != NULL)
        return SP_OK;
    t->directory[0] = '\0';
    return SP_OS;
}

enum sp_err
trial_begin(struct trial *t, struct settings *s, config_fault *fault, void *context)
{
    char text[128];
    enum sp_err rc = SP_OK;

    *t = (struct trial){ .fault = fault, .context = context };
    memcpy(t->shown.places, s->places, sizeof t->shown.places);
    if ((rc = setting_text(&t->shown.file, slice_of(s->file))) != SP_OK)
        goto out;
    rc = SP_REFUSED;            /* no programs, no trial */
    if (setting_place(s, "libexec_directory")->faulty
        || setting_place(s, "libexec_directory")->told)
        return rc;
    if ((rc = make_directory(t, s->run_directory)) != SP_OK
        || (rc = setting_text(&s->run_directory, slice_of(t->directory))) != SP_OK
        || (rc = setting_text(&s->log_level, slice_of("notice"))) != SP_OK
        || (rc = fit_certificates(s)) != SP_OK || (rc = fit_user(&s->worker_user)) != SP_OK)
        goto out;
    rc = fit_user(&s->keyholder_user);
out:
    if (rc != SP_OK) {
        (void)text_printf(text, sizeof text, "cannot test the processes: %s",
                          rc == SP_OS ? strerror(errno) : sp_err_text(rc));
        say(t, CONFIG_FAULT, NULL, text);
    }
    return rc;
}

/* Two levels: what the processes of a start leave there. */
static void
remove_all(const char *path, unsigned depth)
{
    char name[TRIAL_PATH + 300];
    const struct dirent *entry = NULL;
    DIR *dir = opendir(path);

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0
            || !text_printf(name, sizeof name, "%s/%s", path, entry->d_name))
            continue;
        if (unlink(name) == -1 && depth > 0)
            remove_all(name, depth - 1);
    }
    if (dir != NULL)
        (void)closedir(dir);
    (void)rmdir(path);
}

unsigned
trial_end(struct trial *t, bool failed)
{
    if (failed && t->faults == 0)
        say(t, CONFIG_FAULT, NULL,
            t->summary[0] == '\0' ? "not all processes can start" : t->summary);
    if (t->directory[0] != '\0')
        remove_all(t->directory, 1);
    settings_clear(&t->shown);
    return t->faults;
}
