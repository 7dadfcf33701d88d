/*
 * monitor/places.h - which attempts to log in are checked at the same time
 *
 * Runs in: monitor.                      Blocks: never.
 *
 * An attempt has one of logins_at_once first places while a login process checks it.
 * Where the chain comes to PAM, which may hang, it needs one of as many places there, too.
 * Whoever is late in it, or in waiting for it, leaves the first place to others: so all
 * that hang in PAM keep nobody of the users database from being checked.
 *
 * Who waits for what must not tell which names there are. So an attempt that was refused
 * before PAM was asked waits for a place there like those that go on to it, and is turned
 * away like them (logins.c).
 */
#ifndef SP_MONITOR_PLACES_H
#define SP_MONITOR_PLACES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct claim;

TAILQ_HEAD(claim_queue, claim);

/* What is done for a claim when it has, or cannot have, a place (logins.c). */
struct places_calls {
    /*
     * True: its password may be checked now. Else it is slowed (the timer brings it back), or
     * refused.
     */
    bool (*take_turn)(struct claim *a);
    /* A login process gets it; or it is refused, if that fails. */
    void (*check)(struct claim *a);
    /* Its login may go on to PAM. */
    void (*enter_pam)(struct claim *a);
    /* What was decided before is told now. */
    void (*unveil)(struct claim *a);
    /* There is no place for it. */
    void (*turn_away)(struct claim *a, const char *text);
};

struct logins {
    const struct places_calls *calls;
    unsigned running;           /* first places taken                                 */
    unsigned questions;
    unsigned pam, late;         /* places in PAM taken; by attempts that are late     */
    unsigned parked;            /* late ones that want a place in PAM                 */
    int64_t told;               /* clock_ms: the log was told of it; 0: never         */
    bool moving, again;         /* the queues are being walked; once more             */
    struct claim_queue waiting, holding;  /* holding: count for their addresses     */
    struct claim_queue wanting, in_pam, asking;
};

void places_init(struct logins *l, const struct places_calls *calls);
/* It waits for a first place, or has it at once. */
void places_wait(struct claim *a);
/* Whoever was slowed may try again. */
void places_go_on(struct claim *a);
/*
 * It is decided: others may be checked. It still counts for its own address, until its
 * client is told: else how soon the next attempt from there has its turn would tell how long
 * this one took to check.
 */
void places_decided(struct claim *a);
/* It goes. */
void places_leave(struct claim *a);

/*
 * It has come to PAM (or, veiled, could have): enter_pam or unveil is called as soon as
 * there is a place, or turn_away.
 */
void places_want_pam(struct claim *a);
/* The timer has run out: it is late. */
void places_late(struct claim *a);

/*
 * Its client is asked: its places are free meanwhile. Of more questions than places one is
 * turned away: the longest waiting one of the address that has most.
 */
void places_pause(struct claim *a);
/* Its client has answered. */
void places_resume(struct claim *a);

#endif
