/*
 * monitor/generation.h - one reading of the configuration and everything started for it
 *
 * Runs in: monitor.                      Blocks: on the certificate files and on the user
 *                                        database, at start and reload only.
 * Owns:    settings, certificates (as text), open key files and programs, templates,
 *          keyholder.
 *
 * A session keeps the generation it began with: its settings, its keyholder (whose keys
 * fit the certificate that its worker shows), its templates. A reload makes a new
 * generation; the old one ends with its last session.
 */
#ifndef SP_MONITOR_GENERATION_H
#define SP_MONITOR_GENERATION_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "config/settings.h"
#include "monitor/admission.h"
#include "monitor/guessers.h"
#include "monitor/helper.h"
#include "monitor/keys.h"
#include "monitor/spawn.h"
#include "monitor/validity.h"

struct monitor;
struct generation;

/*
 * Called once, from the loop. SP_OK: everything is ready. Else the log says what failed.
 */
typedef void generation_done(struct generation *g, enum sp_err rc);

struct ids { uid_t uid; gid_t gid; };

struct generation {
    struct monitor *monitor;
    unsigned number, refs;
    struct helper_home home;
    bool failed, settled;       /* something could not start; done was called */
    bool settle_assigned;
    struct event settle;
    struct settings settings;
    struct admission_limits limits;
    struct guessers_limits guessing;
    struct ids worker, keyholder_ids;
    struct ids ledger;          /* zeros: there is no such user, and nothing is kept */
    struct buf *certificates;   /* settings.certificate.count of them */
    int *keys;                  /* settings.certificate_key.count open files */
    int programs[POOL_COUNT], keyholder_program, ledger_program;        /* starter_open */
    struct validity *validity;  /* of each certificate, once the keyholder told */
    struct keyholder keyholder;
    struct pool pools[POOL_COUNT];
    generation_done *done;
};

/*
 * *s is moved into the generation (also on failure). The caller holds one reference.
 * SP_INPUT: a user, certificate or key cannot be had (logged). SP_OS, SP_NOMEM.
 */
SP_CHECK enum sp_err generation_new(struct monitor *m, struct settings *s,
                                    unsigned number, struct generation **out);
SP_CHECK enum sp_err generation_start(struct generation *g, generation_done *done);
/* No new session begins with it. */
void generation_outdate(struct generation *g);
struct generation *generation_ref(struct generation *g);
/* The last one ends its processes and frees it. *g becomes NULL. */
void generation_unref(struct generation **g);

#endif
