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
struct settings;
struct verdict;

/*
 * In the template, once: loads the modules that the service's configuration names now, so
 * that no login has to. Each login still reads the configuration, and loads what is new.
 */
void pam_warm(const struct settings *s);

/* A chain_check (auth/chain.h). */
void pam_check(struct attempt *a, struct verdict *v);

#endif
