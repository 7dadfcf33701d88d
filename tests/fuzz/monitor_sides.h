/*
 * tests/fuzz/monitor_sides.h - the children of fuzz_monitor.c: no process is made
 *
 * starter_execute, waitid, syscall (pidfd_send_signal), bind, listen and connect are
 * wrapped by the linker. A child's "pidfd" is one end of a socket pair: what lies in it
 * is its end.
 */
#ifndef SP_TESTS_MONITOR_SIDES_H
#define SP_TESTS_MONITOR_SIDES_H

#include <event2/event.h>
#include <stdbool.h>

#include "wire/channel.h"

#define SIDES_MOST 48

struct side {
    unsigned kind;              /* enum peer; TEMPLATE for those that fork */
    unsigned makes;             /* TEMPLATE: WORKER, BROKER or LOGIN       */
    struct channel channel;     /* our end: the child's own                */
    int pidfd;                  /* our end                                 */
    bool ended, spared, hung_up;
    unsigned heard;             /* the type of the last message            */
};

struct sides {
    struct side all[SIDES_MOST];
    unsigned count;
    unsigned fork_errors;       /* a bit for each fork to come: it fails   */
};

void sides_init(struct sides *s);
/* Until nobody has anything to say or to hear any more. */
void sides_play(struct sides *s, struct event_base *loop);
/* The newest of that kind that lives, or NULL. */
struct side *sides_last(struct sides *s, unsigned kind);
/* Those that are now sessions' own are nobody's to capture. */
void sides_spare(struct sides *s);
/* One that is captured, or NULL. */
struct side *sides_captured(struct sides *s, unsigned choice);
void sides_clear(struct sides *s);
/* In order. */
void side_say(struct side *s, struct message *m);
/* signal 0: by exit(status). */
void side_end(struct side *s, unsigned signal, unsigned status);

#endif
