/*
 * tests/fuzz/fuzz_glob.c - patterns (ftp/glob.h). Input: pattern, LF, name
 *
 * Holds: what is short and of the common part agrees with fnmatch(3); "*" matches every
 * name without a dot in front; a name with its magic escaped matches itself; the work is
 * bounded.
 */
#include "ftp/glob.h"

#include <fnmatch.h>

#include "base/clock.h"
#include "fuzz.h"

#define SHORT 14
#define BOUND_US 5000000        /* far above what GLOB_STEPS cost with sanitizers */

/*
 * Every byte becomes one of a few, so that short patterns meet short names. Left out is
 * where fnmatch and we differ: braces, an escape at the end, classes like [:alpha:].
 */
static size_t
narrow(struct slice s, const char *letters, char out[SHORT + 1])
{
    size_t len = s.len < SHORT ? s.len : SHORT, many = strlen(letters);

    for (size_t i = 0; i < len; i++)
        out[i] = letters[s.at[i] % many];
    out[len] = '\0';
    return len;
}

static void
check_against_fnmatch(struct slice pattern, struct slice name)
{
    char p[SHORT + 1], n[SHORT + 1];
    size_t plen = narrow(pattern, "aabbc**??.-", p), nlen = narrow(name, "aabbcc.-", n);

    FUZZ_HOLDS(glob_match(slice_from(p, plen), slice_from(n, nlen))
               == (fnmatch(p, n, FNM_PERIOD) == 0));
}

/* "[...]" of letters that mean nothing elsewhere, between two runs without one. */
static void
check_bracket(struct slice pattern, struct slice name)
{
    char set[SHORT + 1], n[SHORT + 1], p[SHORT + 16];
    size_t slen = narrow(pattern, "abcdef-!", set), nlen = narrow(name, "abcdef-!", n);

    /* a range that runs backwards or into another is read differently everywhere */
    for (size_t i = 0; i < slen; i++)
        if (set[i] == '-' && i > 0 && i + 1 < slen
            && (set[i - 1] > set[i + 1] || set[i + 1] == '-' || set[i - 1] == '-'
                || (i > 1 && set[i - 2] == '-') || strchr("!", set[i + 1]) != NULL
                || set[i - 1] == '!'))
            return;
    if (slen == 0 || (slen == 1 && set[0] == '!'))
        return;
    FUZZ_HOLDS(text_printf(p, sizeof p, "*[%s]?", set));
    FUZZ_HOLDS(glob_match(slice_of(p), slice_from(n, nlen))
               == (fnmatch(p, n, FNM_PERIOD) == 0));
}

static void
check_itself(struct slice name)
{
    unsigned char escaped[2 * 255], plain[2 * 255];
    size_t len = 0;

    if (name.len == 0 || name.len > 255 || memchr(name.at, '/', name.len) != NULL)
        return;
    for (size_t i = 0; i < name.len; i++) {
        if (memchr("*?[]{},\\", name.at[i], 8) != NULL)
            escaped[len++] = '\\';
        escaped[len++] = name.at[i];
    }
    FUZZ_HOLDS(glob_match(slice_from(escaped, len), name));
    FUZZ_HOLDS(!glob_has_magic(slice_from(escaped, len)));
    FUZZ_HOLDS(glob_unescape(slice_from(escaped, len), plain) == name.len
               && memcmp(plain, name.at, name.len) == 0);
    FUZZ_HOLDS(glob_match(slice_of("*"), name) == (name.at[0] != '.'));
    FUZZ_HOLDS(glob_match(slice_of("{*,.*}"), name));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = { data, size };
    unsigned char *memory[2] = { NULL, NULL }, *out = NULL;
    struct slice pattern = fuzz_until(&in, '\n'), name = fuzz_bytes(&in, in.len);
    int64_t begun = clock_us();
    bool matches = false;

    pattern.at = memory[0] = fuzz_copy(pattern);
    name.at = memory[1] = fuzz_copy(name);
    out = fuzz_copy(pattern);
    matches = glob_match(pattern, name);
    FUZZ_HOLDS(clock_us() - begun < BOUND_US);
    FUZZ_HOLDS(!matches || pattern.len <= GLOB_PATTERN_MOST);
    /* without magic it is a name: it matches what it is without its backslashes, alone */
    if (!glob_has_magic(pattern) && pattern.len > 0 && pattern.len <= GLOB_PATTERN_MOST) {
        size_t len = glob_unescape(pattern, out);

        FUZZ_HOLDS(len <= pattern.len);
        FUZZ_HOLDS(matches == slice_equal(slice_from(out, len), name));
    }
    check_itself(name);
    check_against_fnmatch(pattern, name);
    check_bracket(pattern, name);
    free(memory[0]);
    free(memory[1]);
    free(out);
    return 0;
}
