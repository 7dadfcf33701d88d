/*
 * process/template.h - one executed process from which sessions are forked
 *
 * Runs in: the templates of worker, broker and login.      Blocks: in template_serve.
 * Trusts:  the monitor.  Never sees a client's byte: a SPAWN message has a number and
 *          descriptors, what the child is to do arrives on the child's own channel.
 *
 * The child is made by clone(CLONE_PARENT | CLONE_PIDFD): it is the monitor's child, not
 * the template's, so the monitor alone waits for it and a template may die or be retired
 * while its sessions go on. The pidfd travels to the monitor with SPAWNED.
 */
#ifndef SP_PROCESS_TEMPLATE_H
#define SP_PROCESS_TEMPLATE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct channel;

#define TEMPLATE_FD 3           /* where a template finds its channel to the monitor */
#define CHILD_FD 3              /* and a child the first of its descriptors           */

/*
 * Announce READY, then fork once for each SPAWN message of the kind spawn_type
 * (MSG_SPAWN_WORKER, ...). Returns SP_OK in a child only: its descriptors lie at CHILD_FD,
 * CHILD_FD + 1, ..., in the order of the message, every other one is closed, the template's
 * channel is gone, and *number is the session's. In the template it returns SP_CLOSED when
 * the monitor closed the channel (end in order), or another code when it broke.
 */
SP_CHECK enum sp_err template_serve(struct channel *monitor, unsigned spawn_type,
                                    uint64_t *number);
/*
 * As fork(2), but the child is one of our parent's, and *pidfd, close-on-exec, is it. Only
 * where there is one thread.
 */
pid_t template_fork(int *pidfd);
/*
 * The end of a child, without what libraries do at exit(3): that writes to, and so copies,
 * a page or more of every one of them, right before all is gone. Nothing of ours waits in
 * a buffer of stdio.
 */
_Noreturn void template_end_child(int status);

#endif
