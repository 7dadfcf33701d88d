/*
 * broker/entry.h - from what statx(2) says to what a listing shows
 *
 * Runs in: broker.                       Blocks: never.
 */
#ifndef SP_BROKER_ENTRY_H
#define SP_BROKER_ENTRY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "ftp/listing.h"

struct broker;

/*
 * Everything but parent_writable and target. Owner and group are named only where they
 * are the account's own, as the grant names them: nothing in the jail is asked. name and
 * the names in *b are lent to *out.
 */
void entry_fill(const struct broker *b, const struct statx *st, struct slice name,
                struct entry *out);
enum file_kind entry_kind(unsigned mode);
/* Bounded to what a message carries. */
uint64_t entry_size(const struct statx *st);
uint32_t entry_nanos(const struct statx *st);
/*
 * By mode and owner, as the user of this process: may names in the directory be changed?
 */
bool entry_dir_writable(const struct broker *b, const struct statx *st);

#endif
