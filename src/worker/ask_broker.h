/*
 * worker/ask_broker.h - the questions a worker may put to its broker
 *
 * Runs in: worker.                       Blocks: until the broker has answered.
 * Trusts:  the broker, but not the form of what it sends.
 *
 * SP_REFUSED: the broker said why not, in *fail. SP_CLOSED: the broker is gone, or broke the
 * form; the session is over. Paths are absolute virtual paths.
 */
#ifndef SP_WORKER_ASK_BROKER_H
#define SP_WORKER_ASK_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct worker;

/* code: enum fail_code, or one of our own; error: errno where code is FAIL_OS. */
struct fail { unsigned code; int error; };

/* FAIL_ABORTED: the client left, or does not want it any more. FAIL_TOO_LONG: to count. */
enum { FAIL_ABORTED = 200, FAIL_TOO_LONG };

enum upload_how { UPLOAD_STORE, UPLOAD_APPEND, UPLOAD_UNIQUE };

struct upload_ask { enum upload_how how; uint64_t offset, size; };
/* path: the name it will have. */
struct upload_answer { int fd; uint64_t offset; char path[4097]; };

/* kind: enum file_kind (ftp/listing.h). */
struct file_status { unsigned kind; uint64_t size; int64_t mtime; uint32_t nanos, mode; };

struct list_ask { const char *path, *shown; unsigned kind, options, facts; };

SP_CHECK enum sp_err ask_open_read(struct worker *w, const char *path, int *fd,
                                   uint64_t *size, struct fail *fail);
/* For reading what an upload would go on with: it may be unfinished. */
SP_CHECK enum sp_err ask_open_resumed(struct worker *w, const char *path, int *fd,
                                      uint64_t *size, struct fail *fail);
/* The same, before REST in TYPE A: refused to an account that may not go on with it. */
SP_CHECK enum sp_err ask_open_restart(struct worker *w, const char *path, int *fd,
                                      uint64_t *size, struct fail *fail);
SP_CHECK enum sp_err ask_open_write(struct worker *w, const char *path,
                                    const struct upload_ask *how, struct upload_answer *out,
                                    struct fail *fail);
SP_CHECK enum sp_err ask_commit(struct worker *w, uint64_t bytes, struct fail *fail);
SP_CHECK enum sp_err ask_abandon(struct worker *w, struct fail *fail);
/*
 * *fd: the reading end of the pipe the listing comes through, which blocks for STAT alone.
 * Then ask_listed.
 */
SP_CHECK enum sp_err ask_list(struct worker *w, const struct list_ask *what, int *fd,
                              struct fail *fail);
/* How the listing ended; waits for it. The pipe has been read to its end, or closed. */
SP_CHECK enum sp_err ask_listed(struct worker *w, uint64_t *entries, struct fail *fail);
SP_CHECK enum sp_err ask_facts(struct worker *w, const char *path, struct buf *line,
                               struct fail *fail);
SP_CHECK enum sp_err ask_status(struct worker *w, const char *path, struct file_status *out,
                                struct fail *fail);
/* As ask_status, but of what an upload would go on with. */
SP_CHECK enum sp_err ask_size(struct worker *w, const char *path, struct file_status *out,
                              struct fail *fail);
SP_CHECK enum sp_err ask_chdir(struct worker *w, const char *path, struct fail *fail);
SP_CHECK enum sp_err ask_mkdir(struct worker *w, const char *path, struct fail *fail);
SP_CHECK enum sp_err ask_rmdir(struct worker *w, const char *path, struct fail *fail);
SP_CHECK enum sp_err ask_delete(struct worker *w, const char *path, struct fail *fail);
/*
 * May take long. fail: FAIL_ABORTED, where the client did not want it any more, or has left.
 * What was read meanwhile of the control connection moves the lines in its buffer.
 */
SP_CHECK enum sp_err ask_rename(struct worker *w, const char *from, const char *to,
                                struct fail *fail);
SP_CHECK enum sp_err ask_chmod(struct worker *w, const char *path, unsigned mode,
                               struct fail *fail);
SP_CHECK enum sp_err ask_utime(struct worker *w, const char *path, int64_t seconds,
                               uint32_t nanos, struct fail *fail);
SP_CHECK enum sp_err ask_umask(struct worker *w, unsigned mask, struct fail *fail);
SP_CHECK enum sp_err ask_space(struct worker *w, const char *path, uint64_t *bytes,
                               struct fail *fail);

#endif
