/* src/base/dots.c - see include/base/dots.h */
#include "base/dots.h"

bool
dots_name(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

bool
dots_climb(struct slice path)
{
    size_t from = 0;

    for (size_t i = 0; i <= path.len; i++) {
        if (i < path.len && path.at[i] != '/')
            continue;
        if (i - from == 2 && path.at[from] == '.' && path.at[from + 1] == '.')
            return true;
        from = i + 1;
    }
    return false;
}
