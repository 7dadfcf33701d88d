/* auth/chain.c - see auth/chain.h */
#include "auth/chain.h"

#include <stddef.h>
#include <string.h>

#include "auth/attempt.h"
#include "auth/users.h"
#include "auth/verdict.h"
#include "base/log.h"
#include "config/settings.h"

static const struct chain_backend *
find(const struct chain_backend *backends, const char *name)
{
    for (; backends->name != NULL; backends++)
        if (strcmp(backends->name, name) == 0)
            return backends;
    return NULL;
}

void
chain_run(const struct chain_backend *backends, struct attempt *a, struct verdict *v)
{
    const struct text_list *order = &a->settings->auth;

    a->first_backend = true;
    if (!a->well_formed) {
        verdict_refuse(v, REFUSE_CREDENTIALS, "invalid user name or password");
        if (text_list_has(order, slice_of("users")))
            users_pretend(a, v);
        return;
    }
    for (size_t i = 0; i < order->count; i++) {
        const struct chain_backend *b = find(backends, order->texts[i]);
        struct log_escaped name;

        if (b == NULL) {
            log_event(EVENT_LOGIN_BACKEND_UNKNOWN, "backend=%s",
                      log_text(slice_of(order->texts[i]), &name));
            verdict_refuse(v, REFUSE_ERROR, "the setting auth names an unknown backend");
            return;
        }
        a->last_backend = i + 1 == order->count;
        verdict_unknown(v);
        b->check(a, v);
        if (v->kind != VERDICT_UNKNOWN)
            return;
        /* of the names that "anonymous" takes everybody knows that it may know them */
        if (strcmp(b->name, "anonymous") != 0)
            a->first_backend = false;
    }
    verdict_refuse(v, REFUSE_CREDENTIALS, "unknown name");
}
