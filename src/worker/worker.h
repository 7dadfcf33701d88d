/*
 * worker/worker.h - the state of the one session this process serves
 *
 * Runs in: worker.
 */
#ifndef SP_WORKER_WORKER_H
#define SP_WORKER_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/net.h"
#include "base/secret.h"
#include "config/settings.h"
#include "ftp/path.h"
#include "wire/channel.h"
#include "worker/ahead.h"
#include "worker/control.h"
#include "worker/data.h"
#include "worker/transfer.h"

#define WORKER_CLIENT_FD 3
#define WORKER_CHANNEL_FD 4
#define CWD_MAX 4096            /* bytes of a virtual path */

enum protection { PROTECTION_CLEAR, PROTECTION_PRIVATE };

/* Who is logged in; empty before. */
struct logged_in {
    bool active;
    bool in_tls;                /* the login came through TLS; CCC changes nothing here */
    char user[257], backend[33];
    uint32_t permits, flags;    /* enum permit, enum account_flag (wire/fail.h) */
    uint64_t file_bound;        /* no file becomes as large; 0: no bound */
};

/* What the session was told about itself, by the monitor. */
struct session_facts {
    char id[33];
    struct net_addr peer, local;
    bool implicit_tls, cleartext_allowed, resumption_exempt;
};

/* Half a command: what an earlier one left for a later one. */
struct pending {
    bool user_given;            /* USER was accepted, PASS is next        */
    char user[257];
    bool question;              /* the chain asked: ACCT (or PASS) answers */
    bool rename_given;          /* RNFR: RNTO must be the next command    */
    char rename_from[CWD_MAX + 1];
    uint64_t restart;           /* REST, for the next transfer; 0: none   */
    uint64_t size;              /* ALLO, for the next upload; 0: none     */
};

struct worker {
    struct settings settings;
    struct tls_context *tls;
    struct session_facts session;
    struct channel monitor, broker;
    struct control control;
    struct data data;
    struct ahead ahead;
    struct transfer transfer;
    struct logged_in account;
    struct pending pending;
    struct message m;           /* the one in use by whoever asks */
    struct path cwd, start;     /* where it is, and where it began (CWD ~)          */
    bool ascii;                 /* TYPE A */
    bool pbsz_given;
    bool prot_given;            /* else the protection is what AUTH or the port implies */
    enum protection protection;
    bool extended_only;         /* EPSV ALL */
    bool private_warned;        /* PASV announced an address nobody outside can reach */
    unsigned facts;             /* OPTS MLST, enum fact */
    uint32_t umask;
    int64_t idle_seconds;       /* SITE IDLE may change it */
    int64_t begun, active;      /* clock_ms: session, last command or byte */
    unsigned refused, unsaid;   /* commands before a login; without a line of their own */
    struct buf held;            /* a line that waits for the end of the transfer    */
    bool line_held;
    bool memory_due;            /* what handshake and login took goes back before the next wait */
    bool client_gone;           /* no more lines come; nobody may read replies      */
    bool quitting;              /* QUIT was seen, or the session is to end once all is sent */
    bool shutdown;              /* the monitor said so; the text is in shutdown_text */
    char shutdown_text[256];
    uint64_t files, bytes;      /* transferred, for STAT */
};

/* Session from greeting to end. Returns the exit code of the process. */
int worker_serve(struct worker *w);
/* Put everything that USER left behind back to the state after the greeting. */
void worker_forget_account(struct worker *w);

#endif
