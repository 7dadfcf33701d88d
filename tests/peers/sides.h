/*
 * tests/peers/sides.h - what is around a monitor: the processes that it starts, played
 *
 * Runs in: fake-side and captured-worker (which the real sallyportd executes), fuzz-monitor
 *          (where no process is made), and tests that play the monitor of one process.
 * Blocks:  side_start, side_settings.
 * Owns:    nothing.
 */
#ifndef SP_TESTS_PEERS_SIDES_H
#define SP_TESTS_PEERS_SIDES_H

#include <sys/types.h>

#include "wire/channel.h"
#include "wire/pack.h"

struct settings;

/* One kind of program. spawn: what a template forks for; MSG_NONE: it is no template. */
struct side_kind { const char *name; unsigned peer, spawn; };

/* By the end of a program's path: worker, broker, login, keyholder, ledger. NULL: none. */
const struct side_kind *side_kind(const char *program);

/* What such a process is told by its monitor before it serves. */
struct side_start {
    const struct side_kind *kind;
    struct channel monitor;
    uid_t uid;
    gid_t gid;
};

/*
 * Does as every process that sallyportd executes: takes its channel, reads its arguments,
 * waits for the settings (initialised here; the caller clears them) up to START. Certificates
 * and keys are thrown away. SP_INPUT: not started by a monitor, or not by a known name; else
 * as start_receive.
 */
SP_CHECK enum sp_err side_start(int argc, char **argv, struct side_start *s,
                                struct settings *settings);

#define SIDE_ANSWERS 2
/*
 * What an honest process of that kind (enum peer) says to what its monitor said: the count of
 * answers. A template's fork is the caller's: SPAWN has none here.
 */
unsigned side_answer(unsigned self, const struct message *in,
                     struct message out[SIDE_ANSWERS]);
/* An account that every monitor takes, to be packed into GRANTED. Borrows user. */
struct msg_granted side_account(struct slice user);

/* Ends this process by that signal itself: a sanitizer would make an exit code of it. */
void side_die(int number);

/*
 * As its monitor: executes the program with nothing but its end of a channel, and standard
 * descriptors. Its pid, a child of ours; *ours is the caller's. -1: errno says why.
 */
pid_t side_execute(const char *program, char *const argv[], int *ours);
/*
 * As its monitor: SETTINGS, in one piece, those of that kind of process. SP_NOMEM, or as
 * channel_send_wait.
 */
SP_CHECK enum sp_err side_settings(struct channel *c, unsigned receiver,
                                   const struct settings *s);

#endif
