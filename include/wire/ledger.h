/*
 * wire/ledger.h - the tables of the ledger, and what their numbers are
 *
 * Runs in: monitor, ledger.
 *
 *            kind            a           b         last, until            count
 * KEY        0               the two halves of     -                      -
 *                            the key of hashes
 * KNOWN      of network      account     prefix    login                  -
 * NETWORK    of network      prefix      0         failure, shut until    times shut out
 * NAME       of network      prefix      name      failure, next try      tries
 * BAN        bits            first half  second    0, until               family (4, 6) * 256
 *                            of the address        (INT64_MAX: for ever)  + ban_reason
 *
 * Times are seconds since the epoch. An IPv4 address stands in the low half, as in
 * ::ffff:192.0.2.1; its bits are those of IPv4.
 */
#ifndef SP_WIRE_LEDGER_H
#define SP_WIRE_LEDGER_H

enum ledger_table {
    LEDGER_KEY, LEDGER_KNOWN, LEDGER_NETWORK, LEDGER_NAME, LEDGER_BAN, LEDGER_TABLES
};

/* An honest ledger has fewer: known addresses, networks and their names, bans. */
#define LEDGER_ROWS_MOST 500000u

#define LEDGER_FILE "ledger.db"

#endif
