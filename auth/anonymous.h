/*
 * auth/anonymous.h - the backend "anonymous": the names anonymous and ftp, any password
 *
 * Runs in: login (root).                 Blocks: as NSS does.
 */
#ifndef SP_AUTH_ANONYMOUS_H
#define SP_AUTH_ANONYMOUS_H

struct attempt;
struct verdict;

/* A chain_check (auth/chain.h). */
void anonymous_check(struct attempt *a, struct verdict *v);

#endif
