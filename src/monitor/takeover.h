/*
 * monitor/takeover.h - a session that waits for a silent client leaves its upload to another
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  a broker about its own session alone: who asks is told nothing, and who yields
 *          ends itself.
 * Owns:    what is asked, from TAKE_OVER to TAKEN_OVER.
 *
 * A broker that finds an upload locked asks here (broker/takeover.h). The brokers of the
 * same account's other sessions are asked whether it is theirs, and was silent for long
 * enough: where both sessions come from one address (of IPv6 a /64) for takeover_silence,
 * else for takeover_silence_elsewhere. Whoever yields is ended as a whole: only when its
 * worker is gone no byte of it can come to the file any more. Then who asked is told to try
 * again; and also where nobody yields, or the answers take too long.
 */
#ifndef SP_MONITOR_TAKEOVER_H
#define SP_MONITOR_TAKEOVER_H

#include <stdint.h>
#include <sys/queue.h>

#include "base/err.h"

struct message;
struct part;
struct takeover;

struct takeovers {
    LIST_HEAD(, takeover) asked;
    uint64_t numbers;
};

/* TAKE_OVER and YIELDS of a broker in use. SP_INPUT: it broke a rule. */
SP_CHECK enum sp_err takeover_hear_ask(struct part *broker, const struct message *m);
SP_CHECK enum sp_err takeover_hear_answer(struct part *broker, const struct message *m);
/* The process of part is gone; part is freed behind this. */
void takeover_gone(const struct part *part);

#endif
