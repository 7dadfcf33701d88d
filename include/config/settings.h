/*
 * config/settings.h - the settings as a struct, and their way to other processes
 *
 * Runs in: every process.                Blocks: never.
 * Owns:    its texts; settings_clear gives them back.
 *
 * The file itself is read and checked by config/load.h, in the monitor and the tool only.
 * The others get their part as SETTINGS messages (blob made by settings_pack).
 */
#ifndef SP_CONFIG_SETTINGS_H
#define SP_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/message.h"       /* receivers are kinds of process */

#ifndef SP_RUNSTATEDIR
#define SP_RUNSTATEDIR "/run"
#endif
#ifndef SP_LIBEXECDIR
#define SP_LIBEXECDIR "/usr/libexec/sallyport"
#endif
#ifndef SP_LOCALSTATEDIR
#define SP_LOCALSTATEDIR "/var"
#endif

struct text_list { char **texts; size_t count; };

#define SP_SET_BOOL(name) bool name;
#define SP_SET_NUMBER(name) int64_t name;
#define SP_SET_SIZE(name) int64_t name;     /* in the unit of its row */
#define SP_SET_TIME(name) int64_t name;     /* in the unit of its row */
#define SP_SET_OCTAL(name) int64_t name;
#define SP_SET_TEXT(name) char *name;
#define SP_SET_LIST(name) struct text_list name;

enum setting_index {
#define SETTING(TYPE, name, preset, least, most, receivers, unit, help) SETTING_INDEX_##name,
#include "config/settings.def"
    SETTING_COUNT
};

/*
 * Where the file has a setting (line 0: nowhere). faulty: its value could not be taken.
 * told: something else was found to be wrong with it.
 */
struct setting_place { unsigned line; bool faulty, told; };

struct settings {
#define SETTING(TYPE, name, preset, least, most, receivers, unit, help) SP_SET_##TYPE(name)
#include "config/settings.def"
    char *file;                 /* the configuration file, for messages; never sent */
    struct setting_place places[SETTING_COUNT];     /* in the order of the rows; never sent */
};

enum setting_type {
    SETTING_BOOL, SETTING_NUMBER, SETTING_SIZE, SETTING_TIME, SETTING_OCTAL, SETTING_TEXT,
    SETTING_LIST
};

/* One row of the table, for whoever walks it. offset: of the member in struct settings. */
struct setting_row {
    const char *name;
    enum setting_type type;
    int64_t number;             /* default of all but these two */
    const char *text;           /* default of TEXT, LIST         */
    int64_t least, most;
    unsigned receivers;
    const char *unit, *help;
    size_t offset;
};

/* Rows in the order of settings.def; the last has name == NULL. */
const struct setting_row *setting_rows(void);

/* All at their defaults. SP_NOMEM. */
SP_CHECK enum sp_err settings_init(struct settings *s);
/* Frees the texts. */
void settings_clear(struct settings *s);

/* Append the settings that a kind of process receives to out. SP_NOMEM. */
SP_CHECK enum sp_err settings_pack(const struct settings *s, unsigned receiver, struct buf *out);
/* Into *s, which settings_init has filled. SP_INPUT: not what settings_pack writes. */
SP_CHECK enum sp_err settings_unpack(struct settings *s, unsigned receiver, struct slice blob);

/* sandbox = report: forbidden system calls are told and made, not stopped. */
bool settings_reporting(const struct settings *s);

/*
 * What depends on the machine is worked out: cached_file_most is no longer 0. Before the
 * sandbox, which has not the call.
 */
void settings_fit_machine(struct settings *s);

/* The place of the setting of that name, which there is. */
struct setting_place *setting_place(struct settings *s, const char *name);
/* The member of s that a row is about: bool, int64_t, char * or struct text_list. */
void *setting_member(struct settings *s, const struct setting_row *row);
/* Replaces *text (which may be NULL) by a copy of from. SP_NOMEM. */
SP_CHECK enum sp_err setting_text(char **text, struct slice from);

#define TEXT_LIST_EMPTY { NULL, 0 }

/* Appends a copy. SP_NOMEM. */
SP_CHECK enum sp_err text_list_add(struct text_list *list, struct slice text);
/* Frees; the list is empty and usable afterwards. */
void text_list_clear(struct text_list *list);
/* Is text one of the list? Exact comparison. */
bool text_list_has(const struct text_list *list, struct slice text);

#endif
