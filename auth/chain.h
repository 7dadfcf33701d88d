/*
 * auth/chain.h - the backends, tried in the configured order
 *
 * Runs in: login (root).                 Blocks: as the backends do.
 * Trusts:  the configuration.
 *
 * The first backend that knows the name decides, for good or ill: a wrong password is
 * never tried elsewhere. A name that nobody knows, or that cannot be one, is refused like
 * a wrong password, after the same work.
 */
#ifndef SP_AUTH_CHAIN_H
#define SP_AUTH_CHAIN_H

struct attempt;
struct verdict;

/* Fills *v. A failure of its own is logged, and REFUSE_ERROR. */
typedef void chain_check(struct attempt *a, struct verdict *v);

struct chain_backend { const char *name; chain_check *check; };

/* backends: those this program has, in any order; the last has name == NULL. v->kind is
 * VERDICT_GRANTED or VERDICT_REFUSED afterwards. */
void chain_run(const struct chain_backend *backends, struct attempt *a,
               struct verdict *v);

#endif
