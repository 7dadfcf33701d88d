/*
 * config/source.h - the text of the configuration file, made plain for libconfuse
 *
 * Runs in: the monitor and the administrator's tool.     Blocks: on the file.
 * Trusts:  that who can write the file is the administrator. Nothing in its form.
 * Owns:    the text and the table of keys; source_clear gives them back.
 *
 * libconfuse takes the last of two equal settings without a word, puts environment
 * variables in, drops characters that it does not know, and loses count of the lines at a
 * block comment. So the text is walked once before: comments become blanks (line breaks
 * stay), what would surprise is a fault, and each key is noted with its line.
 */
#ifndef SP_CONFIG_SOURCE_H
#define SP_CONFIG_SOURCE_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/report.h"

#define SOURCE_MAX 1048576      /* bytes of a configuration file      */
#define SOURCE_KEY_MAX 64       /* bytes of a key, with its NUL       */

/* One "key =" of the text. */
struct source_key { char name[SOURCE_KEY_MAX]; unsigned line; };

struct source {
    struct buf text;            /* plain, with a NUL behind it (counted) */
    struct source_key *keys;
    size_t count;
};

#define SOURCE_EMPTY { BUF_EMPTY(SOURCE_MAX), NULL, 0 }

/*
 * SP_OS: the file cannot be read; SP_INPUT: its form is broken (both reported, s is still
 * to be cleared); SP_NOMEM.
 */
SP_CHECK enum sp_err source_read(struct source *s, const char *file, struct report *r);
void source_clear(struct source *s);

/* The line of the last key at or above line; of key by name: its first. NULL: none. */
const struct source_key *source_key_at(const struct source *s, unsigned line);
const struct source_key *source_key_named(const struct source *s, const char *name);

#endif
