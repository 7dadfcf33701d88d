/*
 * admin/server.h - one question to the running server, over its admin socket
 *
 * Runs in: the administrator's tool.     Blocks: until the server has answered, bounded.
 * Trusts:  that the socket in the run_directory is the server's; not the form of its rows.
 */
#ifndef SP_ADMIN_SERVER_H
#define SP_ADMIN_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "admin/say.h"
#include "wire/admin.h"
#include "wire/message.h"

struct site;

/* How the answer ended. */
struct server_answer {
    bool done;
    uint64_t count;             /* of ADMIN_DONE    */
    enum admin_refusal refusal; /* of ADMIN_REFUSED */
};

/* One row of an answer. SP_INPUT: it has no form that it may have. */
typedef enum sp_err server_row(void *context, const struct message *m);

/*
 * Sends *request and hands every row of the answer on (row may be NULL where none can
 * come). SAY_FAILED: it could not be asked, or did not answer in time (said, but for
 * a server that does not run where that may be: quiet, *absent is set).
 */
enum say_exit server_ask(const struct site *site, struct message *request, int seconds,
                         server_row *row, void *context, struct server_answer *answer,
                         bool *absent);
/* A sentence for a refusal. */
const char *server_refusal(enum admin_refusal refusal);

#endif
