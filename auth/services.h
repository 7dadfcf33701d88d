/*
 * auth/services.h - the modules of the system's name service, loaded ahead
 *
 * Runs in: the login template (root), before its first fork.   Blocks: no.
 *
 * Which modules (libnss_*.so.2) serve users and groups is said by /etc/nsswitch.conf. The C
 * library loads one when it is first asked: in each login attempt anew. Loaded here they are
 * shared by all of them. Nothing is looked up: no connection to a directory service, and no
 * account, is in memory when an attempt is forked.
 */
#ifndef SP_AUTH_SERVICES_H
#define SP_AUTH_SERVICES_H

void services_warm(void);

#endif
