/* monitor/validity.c - see validity.h */
#include "monitor/validity.h"

#include <stdbool.h>

#include "base/clock.h"
#include "base/log.h"
#include "monitor/generation.h"

#define DAY ((int64_t)24 * 3600)

long
validity_stage(const struct validity *v, int64_t now)
{
    static const long days[] = { 30, 14, 7, 1 };
    long stage = 0;

    if (v->until == 0)
        return 0;
    if (now > v->until)
        return (long)(5 + (now - v->until) / DAY);
    if (now < v->from)
        return (long)(-1 - (v->from - now) / DAY);
    for (size_t i = 0; i < sizeof days / sizeof *days; i++)
        if (v->until - now <= days[i] * DAY)
            stage = (long)i + 1;
    return stage;
}

static void
say(const char *file, const struct validity *v, long stage, int64_t now)
{
    struct log_escaped name;
    char from[21], until[21];

    (void)log_text(slice_of(file), &name);
    clock_date(v->from, from);
    clock_date(v->until, until);
    if (stage < 0)
        log_event(EVENT_CERTIFICATE_NOT_YET_VALID, "file=%s from=%s remedy=\"check the clock\"",
                  name.text, from);
    else if (stage > 4)
        log_event(EVENT_CERTIFICATE_EXPIRED,
                  "file=%s until=%s days=%lld remedy=\"renew it, and reload\"",
                  name.text, until, (long long)((now - v->until) / DAY));
    else
        log_event(EVENT_CERTIFICATE_EXPIRES,
                  "file=%s until=%s days=%lld remedy=\"renew it, and reload\"",
                  name.text, until, (long long)((v->until - now) / DAY));
}

void
validity_report(struct generation *g, int64_t now)
{
    for (size_t i = 0; i < g->settings.certificate_key.count; i++) {
        struct validity *v = &g->validity[i];
        long stage = validity_stage(v, now);

        if (stage == v->told)
            continue;
        v->told = stage;
        if (stage != 0)
            say(g->settings.certificate.texts[i], v, stage, now);
    }
}
