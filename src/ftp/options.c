/* src/ftp/options.c - listing_options of ftp/listing.h */
#include <string.h>

#include "ftp/listing.h"

/* The bit of one letter; 0: ls knows it, we have no use for it. False: no option. */
static bool
option_of(unsigned char letter, unsigned *bit)
{
    static const char letters[] = "aAl1RtrSdF";
    static const unsigned bits[] = {
        LISTING_ALL, LISTING_ALMOST_ALL, LISTING_LONG, LISTING_ONE, LISTING_RECURSIVE,
        LISTING_BY_TIME, LISTING_REVERSE, LISTING_BY_SIZE, LISTING_DIRECTORY,
        LISTING_CLASSIFY,
    };
    const char *found = letter == '\0' ? NULL : strchr(letters, letter);

    *bit = found == NULL ? 0 : bits[found - letters];
    return found != NULL || (letter != '\0' && strchr("CLTHhnoxgpqsuck", letter) != NULL);
}

/* The options of one word, its '-' left away. False: a letter of it is none. */
static bool
read_options(struct slice letters, unsigned *options)
{
    bool known = true;
    unsigned bit = 0;

    for (size_t i = 0; i < letters.len; i++) {
        known = option_of(letters.at[i], &bit) && known;
        *options |= bit;
    }
    return known;
}

static size_t
skip_blanks(struct slice s, size_t i)
{
    while (i < s.len && s.at[i] == ' ')
        i++;
    return i;
}

void
listing_options(struct slice parameter, unsigned *options, struct slice *name)
{
    size_t at = skip_blanks(parameter, 0), end = 0, next = 0;
    unsigned found = 0, these = 0;
    bool any = false;

    while (at < parameter.len && parameter.at[at] == '-') {
        for (end = at + 1; end < parameter.len && parameter.at[end] != ' '; end++)
            continue;
        next = skip_blanks(parameter, end);
        if (end == at + 1)
            break;              /* "-" alone is a name */
        any = true;
        these = 0;
        if (end == at + 2 && parameter.at[at + 1] == '-') {
            at = next;
            break;
        }
        if (!read_options(slice_from(parameter.at + at + 1, end - at - 1), &these)) {
            if (next == parameter.len)
                break;
            if (parameter.at[at + 1] == '-')
                these = 0;      /* "--color": a word, not letters */
        }
        found |= these;
        at = next;
    }
    if (!any && at < parameter.len)
        at = 0;                 /* no option: a name may begin with a blank */
    *options = found;
    *name = at == parameter.len ? slice_from(parameter.at, 0)
        : slice_from(parameter.at + at, parameter.len - at);
}
