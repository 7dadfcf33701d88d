/* tests/unit/main_auth.c - the login process, without PAM's modules */
#include "unit.h"

extern const struct unit_suite suite_account, suite_accounts, suite_anonymous,
    suite_attempt, suite_bequest, suite_chain, suite_conversation, suite_jaildir, suite_one_hash,
    suite_password, suite_posture, suite_slots, suite_users, suite_auth_verdict;

int
main(void)
{
    const struct unit_suite *const suites[] = { &suite_account,
                                                &suite_accounts,
                                                &suite_anonymous,
                                                &suite_attempt,
                                                &suite_bequest,
                                                &suite_chain,
                                                &suite_conversation,
                                                &suite_jaildir,
                                                &suite_one_hash,
                                                &suite_password,
                                                &suite_posture,
                                                &suite_slots,
                                                &suite_users,
                                                &suite_auth_verdict,
                                                NULL };

    return unit_main(suites);
}
