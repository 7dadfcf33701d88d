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
 * BAN        bits            first half  second    until                  family and reason
 *                            of the address
 *
 * Times are seconds since the epoch.
 */
#ifndef SP_WIRE_LEDGER_H
#define SP_WIRE_LEDGER_H

enum ledger_table {
    LEDGER_KEY, LEDGER_KNOWN, LEDGER_NETWORK, LEDGER_NAME, LEDGER_BAN, LEDGER_TABLES
};

#define LEDGER_FILE "ledger.db"

#endif
