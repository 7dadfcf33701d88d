/* base/err.c - see include/base/err.h */
#include "base/err.h"

#include <stdlib.h>

#include "base/log.h"

const char *
sp_err_text(enum sp_err rc)
{
    switch (rc) {
    case SP_OK: return "ok";
    case SP_AGAIN: return "again";
    case SP_CLOSED: return "closed";
    case SP_REFUSED: return "refused";
    case SP_INPUT: return "bad-input";
    case SP_NOMEM: return "no-memory";
    case SP_OS: return "os-error";
    }
    return "?";
}

void
sp_assert_failed(const char *what, const char *file, int line)
{
    log_event(EVENT_ASSERT_FAILED, "what=\"%s\" file=%s line=%d", what, file, line);
    abort();
}
