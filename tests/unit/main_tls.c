/* tests/unit/main_tls.c - unit-tls: tls/worker and tls/keyholder */
#include "unit.h"

#include "base/log.h"

extern const struct unit_suite suite_tls_handshake, suite_tls_names, suite_tls_resumption,
    suite_tls_stream, suite_tls_fork, suite_keys, suite_sign, suite_keyholder;

static const struct unit_suite *const suites[] = {
    &suite_sign, &suite_keys, &suite_tls_handshake, &suite_tls_names,
    &suite_tls_resumption, &suite_tls_stream, &suite_tls_fork, &suite_keyholder, NULL
};

/* Much of what is tested here is logged as an error, as it should be. */
static void
swallow(void *unused, enum log_event event, const char *line)
{
    (void)unused;
    (void)event;
    (void)line;
}

int
main(void)
{
    log_set_sink(swallow, NULL);
    return unit_main(suites);
}
