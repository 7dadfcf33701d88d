/*
 * auth/pam.h - the backend "pam": system users, by Linux-PAM
 *
 * Runs in: login (root).                 Blocks: as the PAM modules do.
 * Trusts:  the PAM configuration and its modules, which run in this process.
 *
 * A granted verdict holds an open PAM session; verdict_release closes it.
 */
#ifndef SP_AUTH_PAM_H
#define SP_AUTH_PAM_H

struct attempt;
struct verdict;

/* A chain_check (auth/chain.h). */
void pam_check(struct attempt *a, struct verdict *v);

#endif
