/* admin/effective.c - see admin/effective.h */
#include "admin/effective.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "admin/options.h"
#include "admin/site.h"
#include "config/written.h"

#define TEXT_MAX (1 << 24)      /* bytes of all settings; a file has a sixteenth of it */

enum say_exit
effective_run(struct site *site, int argc, char **argv)
{
    struct buf text = BUF_EMPTY(TEXT_MAX);
    enum say_exit code = SAY_FAILED;
    char **words = NULL;
    int count = 0;

    if ((code = options_words(site, argc, argv, 0, &words, &count)) != SAY_DONE)
        return code;
    code = SAY_FAILED;
    if (site_load(site) != SP_OK)
        goto out;
    if (written_file(&text, &site->settings) != SP_OK)
        code = say_end(SAY_FAILED, "out of memory");
    else if (fwrite(text.at, 1, text.len, stdout) != text.len || fflush(stdout) != 0)
        code = say_end(SAY_FAILED, "standard output: %s", strerror(errno));
    else
        code = SAY_DONE;
out:
    buf_free(&text);
    site_clear(site);
    return code;
}
