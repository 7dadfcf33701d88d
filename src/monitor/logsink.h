/*
 * monitor/logsink.h - where log lines go: standard error, syslog or a file
 *
 * Runs in: monitor.                      Blocks: never; a line without room is dropped,
 *                                        and the number of those is written later.
 * Owns:    the file or the socket.
 */
#ifndef SP_MONITOR_LOGSINK_H
#define SP_MONITOR_LOGSINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"

enum logsink_kind { LOGSINK_STDERR, LOGSINK_SYSLOG, LOGSINK_FILE };

struct logsink {
    enum logsink_kind kind;
    int fd;                     /* -1: standard error itself, or no syslog now    */
    bool torn;                  /* the last line is incomplete (disk full)        */
    uint64_t dropped;
};

#define LOGSINK_EMPTY { LOGSINK_STDERR, -1, false, 0 }
#define LOGSINK_TEXT_MAX 2048

/*
 * where: "stderr", "syslog" or a path, as the setting log says. On failure the sink stays
 * what it was: errno says why. An open file is opened anew (the old one may be renamed).
 */
SP_CHECK enum sp_err logsink_open(struct logsink *s, const char *where);
void logsink_close(struct logsink *s);
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
