/*
 * worker/fail_reply.h - from what the broker said to what the client reads
 *
 * Runs in: worker.
 */
#ifndef SP_WORKER_FAIL_REPLY_H
#define SP_WORKER_FAIL_REPLY_H

#include "base/buf.h"
#include "base/err.h"

struct fail;

/* What was tried, since the same errno has different codes (RFC 959 section 5.4). */
enum tried { TRIED_FILE, TRIED_STORE, TRIED_COMMIT, TRIED_MLSD };

/*
 * One reply line: code and text for why it failed, about name. Returns SP_OK always but for
 * SP_NOMEM. *code: the code that was used.
 */
SP_CHECK enum sp_err fail_reply(struct buf *out, const struct fail *fail, enum tried tried,
                                struct slice name, unsigned *code);

#endif
