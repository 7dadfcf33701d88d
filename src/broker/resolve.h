/*
 * broker/resolve.h - from a client's path to a descriptor, never outside of the jail
 *
 * Runs in: broker.                       Blocks: as the file system does, never on
 *                                        a FIFO.
 * Trusts:  nothing in a path.
 *
 * The only module that hands a path to the kernel, and always by openat2(2) from the root
 * descriptor with RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS: a link, a ".." or a name that
 * is swapped during the call stays inside, with or without chroot(2). What changes a name
 * works on a place: the descriptor of the parent, and one name in it that is not
 * followed.
 */
#ifndef SP_BROKER_RESOLVE_H
#define SP_BROKER_RESOLVE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct broker;

/*
 * dir: O_PATH | O_DIRECTORY, owned. name: one component, not "", "." or "..". absent:
 * resolve_target has just seen that nothing has this name.
 */
struct place { int dir; bool absent; char name[NAME_MAX + 1]; };

#define PLACE_EMPTY { -1, false, "" }

/* What a client sees under a path: fd is O_PATH, owned; links have been followed. */
struct seen { int fd; bool unfinished; struct statx st; };

#define SEEN_EMPTY { .fd = -1, .unfinished = false }

/*
 * A path from the wire as text. SP_REFUSED (FAIL_NAME): too long, or a component is one
 * of the names that the server keeps for itself.
 */
SP_CHECK enum sp_err resolve_text(struct broker *b, struct slice path,
                                  char out[PATH_MAX]);
/* Opens what is there (O_CLOEXEC is added; nothing is created). SP_OS. */
SP_CHECK enum sp_err resolve_open(const struct broker *b, const char *path,
                                  uint64_t flags, int *fd);
/*
 * As resolve_open, but an unfinished upload is found under its final name where that does
 * not exist. SP_OS.
 */
SP_CHECK enum sp_err resolve_open_seen(struct broker *b, const char *path, uint64_t flags,
                                       int *fd, bool *unfinished);
/* resolve_open_seen with O_PATH, and what statx says. out is empty on failure. SP_OS. */
SP_CHECK enum sp_err resolve_seen(struct broker *b, const char *path, struct seen *out);
void seen_clear(struct seen *s);
/*
 * The parent and the last name of a path. SP_REFUSED (FAIL_NAME): the last name is "",
 * "." or "..", or too long. SP_OS: the parent.
 */
SP_CHECK enum sp_err resolve_place(struct broker *b, const char *path, struct place *out);
void place_clear(struct place *p);
/*
 * As resolve_place for something to be written: where the name is a symbolic link, the
 * place that the link means (inside the jail, up to 40 links). It need not exist.
 */
SP_CHECK enum sp_err resolve_target(struct broker *b, const char *path,
                                    struct place *out);

/* Opens or creates one name in dir; a symbolic link there fails (ELOOP). SP_OS. */
SP_CHECK enum sp_err resolve_name(int dir, const char *name, uint64_t flags, mode_t mode,
                                  int *fd);
/* statx of one name in dir, links not followed; of dir itself for "". SP_OS. */
SP_CHECK enum sp_err resolve_stat(int dir, const char *name, struct statx *out);
bool resolve_same(const struct statx *a, const struct statx *b);
/* dir + "/" + name. SP_REFUSED (FAIL_NAME): too long. */
SP_CHECK enum sp_err resolve_join(struct broker *b, const char *dir, const char *name,
                                  char out[PATH_MAX]);

#endif
