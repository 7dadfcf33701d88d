/* src/base/utf8.c - see include/base/utf8.h */
#include "base/utf8.h"

size_t
utf8_longer(struct slice s, uint32_t *number)
{
    static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
    uint32_t c = s.at[0];
    unsigned more = 0;

    if (c >= 0xc2 && c <= 0xf4)
        more = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    if (more == 0 || more >= s.len)
        return 0;
    c &= 0x3fu >> more;
    for (unsigned i = 1; i <= more; i++) {
        if ((s.at[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s.at[i] & 0x3fu);
    }
    if (c < least[more] || c > 0x10ffff)
        return 0;
    *number = c;
    return more + 1;
}
