/*
 * broker/files.h - what a client asks of files and directories, one function a request
 *
 * Runs in: broker.                       Blocks: as the file system does, never on
 *                                        a FIFO.
 * Trusts:  nothing: each function checks permit and path itself.
 *
 * All of them: SP_REFUSED (broker.why) and SP_OS (errno).
 */
#ifndef SP_BROKER_FILES_H
#define SP_BROKER_FILES_H

#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"

struct broker;
struct msg_status;

/*
 * A regular file for reading. fd goes to the worker. SP_REFUSED (FAIL_UNFINISHED): it is
 * an upload that is not complete, or SIZE has told of one (broker/unfinished.h).
 */
SP_CHECK enum sp_err files_open_read(struct broker *b, struct slice path, int *fd,
                                     struct statx *st);
/* The same of what REST and APPE would go on with: an unfinished upload before the file. */
SP_CHECK enum sp_err files_open_restart(struct broker *b, struct slice path, int *fd,
                                        struct statx *st);
SP_CHECK enum sp_err files_open_resumed(struct broker *b, struct slice path, int *fd,
                                        struct statx *st);
/* Appends the fact line of the object, named by its path as it was asked for. */
SP_CHECK enum sp_err files_facts(struct broker *b, struct slice path, unsigned facts,
                                 struct buf *line);
SP_CHECK enum sp_err files_status(struct broker *b, struct slice path,
                                  struct msg_status *out);
/* As files_status, but of what REST and APPE would go on with. SP_REFUSED: FAIL_BUSY. */
SP_CHECK enum sp_err files_size(struct broker *b, struct slice path,
                                struct msg_status *out);
/* May the client go into it? */
SP_CHECK enum sp_err files_chdir(struct broker *b, struct slice path);
SP_CHECK enum sp_err files_mkdir(struct broker *b, struct slice path);
/*
 * A directory with nothing in it; uploads that broke off and that no listing shows, as
 * their name is shortened, are nothing to who may delete them.
 */
SP_CHECK enum sp_err files_rmdir(struct broker *b, struct slice path);
/*
 * Anything but a directory; of a symbolic link the link. An unfinished upload of that name
 * goes with it. SP_REFUSED (FAIL_BUSY): somebody writes to that; nothing was removed.
 */
SP_CHECK enum sp_err files_delete(struct broker *b, struct slice path);
SP_CHECK enum sp_err files_rename(struct broker *b, struct slice from, struct slice to);
/* A regular file or directory. A directory keeps its set-group-id and sticky bits. */
SP_CHECK enum sp_err files_chmod(struct broker *b, struct slice path, unsigned mode);
SP_CHECK enum sp_err files_utime(struct broker *b, struct slice path, int64_t seconds,
                                 uint32_t nanos);
/* Of new files and directories of this session. */
SP_CHECK enum sp_err files_umask(struct broker *b, unsigned mask);
/* Free bytes where path is. */
SP_CHECK enum sp_err files_space(struct broker *b, struct slice path, uint64_t *bytes);

#endif
