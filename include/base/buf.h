/*
 * base/buf.h - borrowed and owned runs of bytes
 *
 * Runs in: every process.                Blocks: buf_read_all only, on a slow file.
 * Owns:    a buf owns its memory; a slice owns nothing.
 */
#ifndef SP_BASE_BUF_H
#define SP_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Borrowed: no NUL at the end, nothing to free. */
struct slice { const unsigned char *at; size_t len; };

/* Owned: grows by doubling up to max bytes, never past it. */
struct buf { unsigned char *at; size_t len, room, max; };

#define SLICE_EMPTY { NULL, 0 }
#define BUF_EMPTY(most) { NULL, 0, 0, (most) }

/* The bytes of a C string, without its NUL. */
struct slice slice_of(const char *text);
struct slice slice_from(const void *at, size_t len);
bool slice_equal(struct slice a, struct slice b);
/* ASCII letters compared without case; locale plays no part. */
bool slice_equal_nocase(struct slice a, const char *text);
/* True where one of the bytes is NUL, CR or LF. */
bool slice_has_line_break(struct slice s);
/* Copies with a NUL at the end. SP_INPUT: does not fit in room, or has a NUL inside. */
SP_CHECK enum sp_err slice_to_text(struct slice s, char *out, size_t room);

/* SP_NOMEM: memory, or past max. The content stays as it was. */
SP_CHECK enum sp_err buf_reserve(struct buf *b, size_t more);
SP_CHECK enum sp_err buf_add(struct buf *b, const void *at, size_t len);
SP_CHECK enum sp_err buf_add_text(struct buf *b, const char *text);
SP_CHECK enum sp_err buf_printf(struct buf *b, const char *format, ...) SP_PRINTF(2, 3);
/* Takes len bytes off the front. len must not exceed b->len. */
void buf_consume(struct buf *b, size_t len);
struct slice buf_slice(const struct buf *b);
/* Reads fd to its end. SP_OS, SP_NOMEM (larger than max). */
SP_CHECK enum sp_err buf_read_all(struct buf *b, int fd);
/* Frees; the buf is empty and usable afterwards, with the same max. */
void buf_free(struct buf *b);
/* As buf_free, after overwriting every byte of the memory. */
void buf_wipe(struct buf *b);

/* Copies text with a NUL; false where it was cut. room is that of out, at least 1. */
bool text_copy(char *out, size_t room, const char *text);
/* snprintf that says whether it fitted. */
bool text_printf(char *out, size_t room, const char *format, ...) SP_PRINTF(3, 4);
/* The same where our own code knows that it fits: a cut text ends this process. */
void text_copy_whole(char *out, size_t room, const char *text);
void text_printf_whole(char *out, size_t room, const char *format, ...) SP_PRINTF(3, 4);

#endif
