/*
 * monitor/logsink.h - where log lines go: standard error, the journal, syslog or a file
 *
 * Runs in: monitor.                      Blocks: never, but for a second at the close.
 * Owns:    the file or the socket, and the lines that wait.
 *
 * A reader that is slow (a pipe, the journal, syslog) is waited for: its lines wait here, and
 * logsink_is_behind says that whoever causes many should be slowed. A line is lost where the
 * log takes none: at once on a full disk, and where nothing is read until a mebibyte waits.
 * The number of those is written as soon as there is room.
 */
#ifndef SP_MONITOR_LOGSINK_H
#define SP_MONITOR_LOGSINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"

enum logsink_kind { LOGSINK_STDERR, LOGSINK_JOURNAL, LOGSINK_SYSLOG, LOGSINK_FILE };

struct logsink {
    enum logsink_kind kind;
    int fd;                     /* -1: standard error itself, or no syslog now    */
    bool torn;                  /* the last line is incomplete (disk full)        */
    bool journal;               /* standard error is the journal's                */
    uint64_t dropped;
    struct buf waiting;         /* lines, as they will be written                 */
    uint64_t lines;             /* so many                                        */
    size_t sent;                /* bytes of the first that are written            */
    int64_t stuck;              /* clock_ms when it began to take nothing; 0: it takes */
};

#define LOGSINK_EMPTY { .kind = LOGSINK_STDERR, .fd = -1, .waiting = BUF_EMPTY(1 << 21) }
#define LOGSINK_TEXT_MAX 2048

/*
 * where: "stderr", "syslog" or a path, as the setting log says. On failure the sink stays
 * what it was: errno says why. An open file is opened anew (the old one may be renamed).
 */
SP_CHECK enum sp_err logsink_open(struct logsink *s, const char *where);
/* Writes what waits, for a second at most; the rest is lost. */
void logsink_close(struct logsink *s);
/*
 * Is standard error the journal's? stream: what JOURNAL_STREAM was (NULL: nothing). Lines for
 * the journal begin with "<priority>", and the time is its own.
 */
bool logsink_is_journal(const char *stream);
/* log = "syslog", and nobody listens on /dev/log now. */
bool logsink_is_unheard(const struct logsink *s);
/* Do lines wait? Then logsink_flush is to be called again, some milliseconds later. */
bool logsink_waits(const struct logsink *s);
void logsink_flush(struct logsink *s);
/* Many wait, and its reader is at work: who causes lines has to be slowed. */
bool logsink_is_behind(const struct logsink *s);
/* A log_sink (base/log.h); context is the struct logsink. Puts the time and level in
 * front. */
void logsink_write(void *sink, enum log_level level, const char *line);
/*
 * A whole line that another process wrote, to stand between double quotes: spaces stay, a
 * double quote becomes a single one, and every byte that could make a second line, move the
 * cursor or hide something becomes \xHH, also a backslash that does not begin one. So the
 * next double quote ends it, and nothing in it can pass for a field of our own. Returns out.
 */
const char *logsink_line(struct slice s, char out[LOGSINK_TEXT_MAX]);

#endif
