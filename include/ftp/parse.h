/*
 * ftp/parse.h - from the bytes of a control connection to lines, verbs and parameters
 *
 * Runs in: worker.                       Blocks: never.
 * Trusts:  nothing: every byte is the client's.
 * Owns:    a line_reader has its memory in place; it never grows.
 *
 * Lines end with CRLF or a bare LF. Telnet (RFC 854, RFC 959 section 4.1.3) is undone as
 * the bytes come, also where a sequence is cut between two reads: WILL, WONT, DO, DONT
 * with their option, subnegotiations and two-byte commands vanish, IAC IAC is one byte
 * 0xFF, and CR NUL one CR. A byte 0xFF before anything that is no Telnet command stays as
 * it is: old clients send names in Latin-1, and of an urgent IAC DM the kernel may have
 * taken a half. A CR alone, which Telnet does not have, stays, too.
 */
#ifndef SP_FTP_PARSE_H
#define SP_FTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

#define LINE_MOST 4096          /* bytes of a line, Telnet undone, without its end      */
#define LINE_ROOM 8192          /* bytes held: one whole line, and more behind it       */
#define LINE_ANSWERS 24         /* bytes of Telnet refusals waiting to be sent          */
#define VERB_MOST 8

enum line_kind {
    LINE_NONE,                  /* no whole line is here yet                            */
    LINE_READY,
    LINE_TOO_LONG,              /* a line over LINE_MOST bytes has gone by: 500         */
    LINE_HAS_NUL                /* a line with a NUL not behind a CR has gone by: 500   */
};

/* Private to parse.c. */
struct line_reader {
    unsigned char bytes[LINE_ROOM];
    size_t start, len;          /* unread bytes are bytes[start .. len)                 */
    size_t seen;                /* up to here no line end has been found                */
    size_t taken;               /* bytes before start that line_next gave out last      */
    unsigned char answers[LINE_ANSWERS];
    size_t answers_len;
    unsigned char telnet, option;   /* where in a Telnet sequence the last read ended   */
    bool skipping;              /* the rest of a line that is too long is being dropped */
    bool interrupt;
};

void line_reader_init(struct line_reader *r);
/*
 * Takes bytes from the connection. Returns how many were used: less than len only where
 * the lines held were not taken by line_next yet (then stop reading: the client waits).
 * Once line_next has said LINE_NONE, LINE_ROOM - LINE_MOST - 2 bytes fit at least.
 */
size_t line_feed(struct line_reader *r, const void *at, size_t len);
/* So many bytes line_feed uses for sure. */
size_t line_room(const struct line_reader *r);
/* The next line, without its end. *line is lent until the next feed, next or forget. */
enum line_kind line_next(struct line_reader *r, struct slice *line);
/* Bytes received and not yet taken: after AUTH there must be none. */
size_t line_unread(const struct line_reader *r);
/* Overwrites the line that line_next gave out last (it had a password in it). */
void line_forget(struct line_reader *r);

/*
 * Has a Telnet interrupt (IAC IP, or IAC DM, the mark of Synch) come since the last call?
 * Known as soon as it is fed, also while lines before it wait.
 */
bool line_interrupted(struct line_reader *r);
/* Is there a whole line ABOR, without a parameter, among those that wait? */
bool line_has_abort(const struct line_reader *r);
/*
 * IAC DONT x, IAC WONT x: the refusals (RFC 1123 section 4.1.2.12) of what the client
 * offered. Empty for nearly every client. Gives each out once; lent until the next feed.
 */
struct slice line_answers(struct line_reader *r);

/*
 * A line in parts. verb: upper case, letters and digits, NUL-terminated. parameter: all
 * behind the one blank that ends the verb, as it came: a name may begin or end with a
 * blank. trimmed: the same without blanks (space, tab) at its ends, for everything that
 * is no name. Both are empty where the line has only a verb; given tells.
 */
struct command {
    char verb[VERB_MOST + 1];
    bool given;                 /* there was a blank behind the verb                    */
    struct slice parameter, trimmed;
};

/*
 * Blanks, and bytes of a torn Telnet sequence, before the verb are passed over. SP_INPUT:
 * no verb, one over VERB_MOST bytes, or of other characters.
 */
SP_CHECK enum sp_err parse_command(struct slice line, struct command *out);

/*
 * The request line or a usual header line of HTTP: a browser made to speak to us, whose
 * request's body would be commands. No FTP command looks like it. The session ends.
 */
bool parse_is_http(struct slice line);

#endif
