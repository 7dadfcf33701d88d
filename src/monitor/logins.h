/*
 * monitor/logins.h - attempts to log in: the login process, the verdict's time
 *
 * Runs in: monitor.                      Blocks: never.
 * Trusts:  nothing in a name or a password, which only pass through.
 * Owns:    the attempt; the password is wiped as soon as login has it.
 */
#ifndef SP_MONITOR_LOGINS_H
#define SP_MONITOR_LOGINS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

struct logins;
struct session;

void logins_init(struct logins *l);
/*
 * The session's attempt begins, or waits for a place. SP_NOMEM; SP_INPUT: a password that
 * is none. Every other failure ends in a refusal.
 */
SP_CHECK enum sp_err
claim_begin(struct session *s, struct slice user, struct slice password);
/* The name as the client gave it. */
struct slice claim_user(const struct session *s);
/*
 * The chain asks the client: its place is free meanwhile. Of more questions than places one
 * is refused: the longest waiting one of the address that has most.
 */
void claim_pause(struct session *s);
/*
 * What its login process knows of the account may be out of date, if it has begun: should
 * it be granted from the users database, it is refused.
 */
void claim_distrust(struct session *s);
bool claim_is_distrusted(const struct session *s);
/*
 * The chain comes to PAM: its login goes on as soon as there is a place. SP_INPUT: it has
 * been there.
 */
SP_CHECK enum sp_err claim_want_pam(struct session *s);
/* The client has answered. */
void claim_resume(struct session *s);
/*
 * The password was right: its place is free. remember: from now on the account is known at
 * this address (guessers.h).
 */
void claim_granted(struct session *s, bool remember);
/*
 * Logs it with text (from the login; for the administrator alone: it tells an unknown
 * name from a wrong password), and answers LOGIN_REFUSED at the next multiple of
 * login_failure_delay since the attempt began. In ST_QUESTION the answer waits until the
 * worker asks (claim_deliver).
 */
void claim_refuse(struct session *s, unsigned reason, const char *text);
bool claim_is_refused(const struct session *s);
/*
 * Sends the refusal when its time has come, or (at_once) without waiting for it. An attempt
 * that was not decided is given up, and counts as a wrong password.
 */
void claim_deliver(struct session *s, bool at_once);
/* Gives it up without an answer. Harmless without one. */
void claim_clear(struct session *s);

#endif
