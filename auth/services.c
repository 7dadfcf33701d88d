/* auth/services.c - see auth/services.h */
#include "auth/services.h"

#include <ctype.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/log.h"

#define BLANKS " \t\n"

/* Databases that an attempt asks: passwd, shadow, and the groups of a user. */
static bool
is_asked(const char *database)
{
    return strcmp(database, "passwd:") == 0 || strcmp(database, "group:") == 0
        || strcmp(database, "shadow:") == 0 || strcmp(database, "initgroups:") == 0;
}

/* "files", "sss", ...: not "[NOTFOUND=return]", and nothing that names a path. */
static bool
is_service(const char *word)
{
    for (const char *at = word; *at != '\0'; at++)
        if (!isalnum((unsigned char)*at) && *at != '_')
            return false;
    return *word != '\0' && strcmp(word, "files") != 0;     /* part of the C library */
}

static void
load(const char *service)
{
    char name[64];

    if (!text_printf(name, sizeof name, "libnss_%s.so.2", service))
        return;
    /* never closed: with the handle it would go again; if it is missing, so is the service */
    /* cppcheck-suppress leakReturnValNotUsed ; as said */
    if (dlopen(name, RTLD_NOW) == NULL)
        log_event(EVENT_LOGIN_SERVICE_MISSING, "name=%s", service);
}

void
services_warm(void)
{
    FILE *file = fopen("/etc/nsswitch.conf", "re");
    char line[512];

    tzset();                    /* syslog(3), which modules call, wants to know the zone */
    if (file == NULL)
        return;
    while (fgets(line, sizeof line, file) != NULL) {
        char *rest = NULL, *word = NULL;

        line[strcspn(line, "#")] = '\0';
        word = strtok_r(line, BLANKS, &rest);
        if (word == NULL || !is_asked(word))
            continue;
        while ((word = strtok_r(NULL, BLANKS, &rest)) != NULL)
            if (is_service(word))
                load(word);
    }
    (void)fclose(file);
}
