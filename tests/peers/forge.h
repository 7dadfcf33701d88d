/*
 * tests/peers/forge.h - bodies and records that a captured process might send
 *
 * Made from the rows of messages.def and not by wire/pack and wire/channel, which refuse to
 * write what is wrong: good bodies at their least and their most, and bodies with one thing
 * wrong. Owns: nothing; descriptors stay the caller's. Blocks: only where it sends and flags
 * has no MSG_DONTWAIT.
 */
#ifndef SP_TESTS_FORGE_H
#define SP_TESTS_FORGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "wire/message.h"

#define FORGE_MAX (MESSAGE_MAX + 4096)
#define FORGE_FDS 16

/* One thing wrong with one field. */
enum forge_fault {
    FORGE_NUMBER_PAST_BOUND,    /* where the width has room for it            */
    FORGE_RUN_PAST_BOUND,       /* one byte too many                          */
    FORGE_RUN_PAST_END,         /* its length says more than there is         */
    FORGE_TEXT_NUL, FORGE_TEXT_CR, FORGE_TEXT_LF,
    FORGE_PATH_EMPTY, FORGE_PATH_RELATIVE, FORGE_PATH_NUL,
    FORGE_FAULTS
};

struct forged { size_t len; unsigned char body[FORGE_MAX]; };

/* Numbers 0, texts empty, paths "/". */
void forge_least(const struct message_row *row, struct forged *out);
/* Numbers at their bound, texts as long as they may be. */
void forge_most(const struct message_row *row, struct forged *out);
/*
 * Forms of a body by name: "least", "most"; "odd", texts that are no UTF-8; "half", the
 * most but cut in the middle; "tail", the least and a byte behind it. False: no such one.
 */
bool forge_form(const struct message_row *row, const char *form, struct forged *out);
/* As forge_least, but field number index has the fault. False: no such fault there. */
bool forge_fault(const struct message_row *row, size_t index, enum forge_fault fault,
                 struct forged *out);
size_t forge_fields(const struct message_row *row);

/*
 * Adds one field to a body: the number v, or the bytes of run, behind their length; a path
 * begins with a '/' of its own. Nothing is held to the field's bound.
 */
void forge_field(struct forged *f, const struct field *field, uint64_t v,
                 struct slice run);

/*
 * A message as words: its name, in capitals or not, then its fields in their order, the last
 * one to the end of the line. What is not there is as in forge_least; a path loses its first
 * '/', which it gets again. Changes line. The type; MSG_NONE: no such name.
 */
unsigned forge_words(char *line, struct forged *out);
/* The same as a message, without descriptors. SP_ASSERT: the words are no such message. */
void forge_message(struct message *out, const char *format, ...) SP_PRINTF(2, 3);
/* The other way, but up to the first text, path or run of bytes, as it is. */
void forge_tell(const struct message *m, char *line, size_t room);

/*
 * Sends a record as it is, with count descriptors (at most FORGE_FDS), those of fds. flags:
 * of sendmsg. False: errno says why.
 */
bool forge_record(int fd, struct slice record, const int fds[], unsigned count, int flags);
/* The same for a type and a body; `given` is the descriptor, again and again. */
bool forge_send_given(int fd, unsigned type, const void *body, size_t len, int given,
                      unsigned count, int flags);
/* The same; it gives standard input. */
bool forge_send(int fd, unsigned type, const void *body, size_t len, unsigned count,
                int flags);

#endif
