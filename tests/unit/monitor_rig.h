/*
 * tests/unit/monitor_rig.h - the real sallyportd between fakes, for unit-monitor
 *
 * SALLYPORT_MONITOR and SALLYPORT_FAKE name the programs; without them they are those in
 * the current directory. A client of the rig talks to a fake worker (fake_side.c): it
 * sends it commands and reads the messages that the monitor sent it.
 */
#ifndef SP_TESTS_MONITOR_RIG_H
#define SP_TESTS_MONITOR_RIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct rig {
    char dir[64];
    pid_t pid;                  /* 0: not running */
    uint16_t port, implicit;
    int kept[2];                /* sockets that keep both for it from other programs */
    size_t mark;                /* bytes of the log that were looked at */
};

/* Starts it with a plain configuration and these lines besides, and waits until it is
 * ready. */
void rig_start(struct rig *r, const char *lines);
/* The same, with a signal that comes before it can take any (0: none), and NOTIFY_SOCKET
 * (NULL: none). */
void rig_start_as(struct rig *r, const char *lines, int early, const char *notify);
/* Once more, after its end: the same configuration in the same place. */
void rig_again(struct rig *r);
/* Writes the configuration anew. */
void rig_configure(const struct rig *r, const char *lines);
/* Runs it to its end with these options; the exit code. */
int rig_run(struct rig *r, const char *lines, const char *option);
void rig_signal(const struct rig *r, int number);
/* Waits for its end: the exit code, or -1 if it takes more than so many seconds of its own. */
int rig_wait(struct rig *r, unsigned seconds);
/* SIGTERM, and it has to end with 0. Removes everything. */
void rig_stop(struct rig *r);
/* Removes everything, killing what still runs. */
void rig_clear(struct rig *r);

/* Waits for a line of the log with that text, from the last mark on. */
bool rig_logs(struct rig *r, const char *text);
/* From here on rig_logs looks. */
void rig_mark(struct rig *r);
/* How often the text stands in the whole log. */
unsigned rig_count(const struct rig *r, const char *text);
/* Do both stand in the log, the first one first? */
bool rig_order(const struct rig *r, const char *first, const char *second);

/* A connection; -1: refused. */
int rig_dial(const struct rig *r, bool implicit);
/* As rig_dial, and the fake worker's SESSION line was read; secured: SECURED was sent. */
int rig_client(const struct rig *r, bool secured);
void rig_say(int client, const char *line);
/* The next line, without its end, within some seconds. "": the end, "?": nothing came. */
const char *rig_hear(int client, char line[256]);
/* Says it, and the answer begins with that. */
void rig_ask(int client, const char *line, const char *answer);

#endif
