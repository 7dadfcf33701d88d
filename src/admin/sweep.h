/*
 * admin/sweep.h - the unfinished uploads in one jail: found, shown, removed
 *
 * Runs in: a process of the administrator's tool that is the account, in its jail.
 * Blocks:  as the file system does, and on standard output.
 * Trusts:  nothing that lies in the jail. Links are not followed, and every directory is
 *          opened anew from the jail's root by openat2(2), whoever renames what meanwhile.
 */
#ifndef SP_ADMIN_SWEEP_H
#define SP_ADMIN_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* One count, and the bytes of all that was counted. */
struct sweep_count { uint64_t files, bytes; };

/*
 * What was found is in use (a session writes it), kept (not old enough), old, or, where
 * that was to be removed, removed or failed. faults: directories that could not be read.
 */
struct sweep_totals {
    struct sweep_count found, in_use, kept, old, removed, failed;
    uint64_t faults;
};

struct sweep {
    const char *account, *jail; /* for the lines that are printed           */
    int root;                   /* O_PATH: the jail                         */
    bool remove;
    int64_t now, older;         /* old: not touched for so long; 0: all are */
    bool headed;                /* the line above the first one is there    */
    struct sweep_totals totals;
};

/* All of the jail. Says what cannot be read or removed, and goes on. */
void sweep_run(struct sweep *s);
/* The totals as one line. */
void sweep_say(const struct sweep_totals *t, bool remove);

#endif
