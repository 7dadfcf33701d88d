/*
 * broker/broker.h - one session's broker: who it is, what it may, what it has open
 *
 * Runs in: broker.                       Blocks: broker_await..., broker_pause.
 * Owns:    both channels, the root descriptor, the settings and the open upload.
 *
 * Functions of the broker's modules return SP_OS where the kernel said no (errno), and
 * SP_REFUSED where we did: the reason then lies in why (broker_refuse sets it).
 */
#ifndef SP_BROKER_BROKER_H
#define SP_BROKER_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "broker/unfinished.h"
#include "broker/upload.h"
#include "config/settings.h"
#include "wire/channel.h"
#include "wire/fail.h"
#include "wire/grant.h"

#define BROKER_GROUPS 1024      /* as many as GRANT can carry    */
#define BROKER_NAME 257         /* a user's or group's, with NUL */

struct broker {
    struct channel monitor, worker;
    struct settings settings;
    int root; /* O_PATH: the jail, and the only place a path starts from */
    bool whole;                 /* the jail is "/": nothing lies outside */
    uid_t uid;
    gid_t gid;
    gid_t groups[BROKER_GROUPS];
    size_t group_count;
    char user[BROKER_NAME], group[BROKER_NAME];
    char session[33];
    unsigned permits;           /* enum permit (wire/fail.h) */
    mode_t umask;
    uint64_t file_bound;        /* no file of this session becomes as large; 0: no bound */
    enum fail_code why;         /* of the last SP_REFUSED */
    struct upload upload;
    struct told told;           /* by SIZE */
    bool unsynced;              /* logged: a file system cannot sync */
};

/* Empty, with nothing permitted; the settings are yet to be made. */
void broker_init(struct broker *b);
/* Closes and frees; an upload must have been settled before. */
void broker_clear(struct broker *b);
/*
 * Waits for events of poll(2) on fd. SP_CLOSED: the monitor has ended the account (logout,
 * end of the session), whatever a captured worker that keeps its ends open would still
 * like. SP_OS.
 */
SP_CHECK enum sp_err broker_await(const struct broker *b, int fd, short events);
/* Waits for the worker. SP_AGAIN: the monitor has a message. Else as broker_await. */
SP_CHECK enum sp_err broker_await_request(const struct broker *b);
/* Waits until the worker is gone, but so many milliseconds at most. */
void broker_await_worker_end(const struct broker *b, int ms);
/* So many milliseconds. SP_CLOSED: as broker_await. */
SP_CHECK enum sp_err broker_pause(const struct broker *b, int ms);
/*
 * From now on few answers fit into the worker's channel unread, and broker_await(POLLOUT)
 * waits until at most two do. Before the sandbox, which has not this call. SP_OS.
 */
SP_CHECK enum sp_err broker_bound_unread(const struct broker *b);
/*
 * Asked when an upload is synced and nobody can see it yet: a worker whose client has left
 * meanwhile has closed its end for writing. SP_REFUSED: FAIL_UNWANTED. SP_OS.
 */
SP_CHECK enum sp_err broker_is_wanted(struct broker *b);
/* Notes the reason; returns SP_REFUSED, for `return broker_refuse(b, FAIL_BUSY);`. */
SP_CHECK enum sp_err broker_refuse(struct broker *b, enum fail_code why);
/* SP_OS with this errno, for `return broker_errno(EEXIST);`. */
SP_CHECK enum sp_err broker_errno(int error);
/*
 * Does this error of a call mean that the file system has no such call? Network and FUSE
 * file systems leave many out.
 */
bool broker_lacks(int error);
/* What FAILED is to say of a failure: a code, and errno where that is the reason. */
void broker_failure(const struct broker *b, enum sp_err rc, enum fail_code *code,
                    int *error);

#endif
