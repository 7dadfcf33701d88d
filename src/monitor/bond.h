/*
 * monitor/bond.h - whose TLS tickets are as good as those of the session itself
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  nothing: a captured worker can name any tickets as its own, and gets no keys but
 *          those that an honest one would get.
 * Owns:    a table of names. The keys are in the sessions, and never used here.
 *
 * A data connection has to resume a TLS session of its own FTP session: the proof that it
 * comes from the same client. Clients that have one store of tickets for many connections
 * (curl -Z, rclone, Go) offer the newest one, of whichever of their sessions it is. With
 * resumption_shared it is as good where it proves as much: whoever has it is logged in to the
 * same account from the same address, or was it in a session that ended in order while others
 * went on. So he can do himself what a stolen data connection would let him do. It is not
 * where he would win by it: in an anonymous account, whose holders are strangers, and where he
 * may upload and not download, or not overwrite.
 */
#ifndef SP_MONITOR_BOND_H
#define SP_MONITOR_BOND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/err.h"
#include "monitor/keyed.h"

#define BOND_CHAINS 1024u
#define BOND_NAME 16
#define BOND_KEYS 64

struct message;
struct session;

/* In a session. Zeros: its worker has named no tickets. */
struct bond {
    LIST_ENTRY(bond) chain;
    bool known, shared;         /* shared: the account is one whose sessions share */
    unsigned char name[BOND_NAME], keys[BOND_KEYS];
};

LIST_HEAD(bond_chain, bond);

struct bonds {
    struct keyed key;
    struct bond_chain table[BOND_CHAINS];
};

/* SP_OS: no random key. */
SP_CHECK enum sp_err bonds_init(struct bonds *b);
/* permits, flags: of the account that is logged in now. */
void bond_take_account(struct session *s, uint32_t permits, uint32_t flags);
/* It ends in order: its tickets stay good as long as others of its kin live. */
void bond_keep(struct session *s);
/* Its worker ends, and its tickets with it. */
void bond_drop(struct session *s);
/* TICKETS and TICKETS_OF of its worker. SP_INPUT. */
SP_CHECK enum sp_err bond_hear(struct session *s, const struct message *m);
SP_CHECK enum sp_err bond_ask(struct session *s, const struct message *m);

#endif
