/*
 * wire/admin.h - the admin socket: where it is, and the numbers in its rows
 *
 * Runs in: monitor, the administrator's tool.
 *
 * run_directory/admin (0700) has a socket (SOCK_SEQPACKET, 0600) in it. The tool connects,
 * sends one request and reads its answer; the rows are those of messages.def from and to
 * ADMIN.
 */
#ifndef SP_WIRE_ADMIN_H
#define SP_WIRE_ADMIN_H

#define ADMIN_DIRECTORY "admin"
#define ADMIN_SOCKET "socket"

/* What ADMIN_REFUSED says; to which request it is the answer, the tool knows. */
enum admin_refusal {
    ADMIN_REFUSAL_NONE, ADMIN_REFUSAL_RELOAD, ADMIN_REFUSAL_STOPPING, ADMIN_REFUSAL_FULL,
    ADMIN_REFUSAL_ABSENT, ADMIN_REFUSAL_MEMORY, ADMIN_REFUSAL_COUNT
};

/* Why an address is shut out. */
enum ban_reason {
    BAN_BY_HAND, BAN_VIOLATIONS, BAN_GUESSES,
    BAN_STRANGERS,              /* for guesses, too, but accounts known there still log in */
    BAN_DEATHS,                 /* an account whose brokers die */
    BAN_REASON_COUNT
};

/* What became of an account of the users database, for who is logged in with it. */
enum account_change {
    CHANGED_NOTHING,            /* that concerns them: never sent                   */
    CHANGED_DISABLED, CHANGED_EXPIRED, CHANGED_DELETED,
    CHANGED_PASSWORD,           /* whoever knew the old one may be in               */
    CHANGED_RIGHTS,             /* what it may do, as whom, where, and from where   */
    CHANGED_ADDED,              /* it is new: nobody is logged in with it           */
    CHANGED_COUNT
};

#endif
