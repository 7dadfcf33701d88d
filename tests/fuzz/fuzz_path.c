/*
 * tests/fuzz/fuzz_path.c - virtual paths (ftp/path.h). Input: cwd, LF, parameter
 *
 * Holds: a result is absolute, normal, bounded, the one that a list of components gives,
 * and stays itself when it is joined again.
 */
#include "ftp/path.h"

#include "fuzz.h"

#define COMPONENTS_MOST (PATH_BYTES + 1)

/* The components so far, as a stack; false: too long at some time. */
struct stack { struct slice all[COMPONENTS_MOST]; size_t count, bytes; };

static bool
push_components(struct stack *s, struct slice path)
{
    struct fuzz_input rest = { path.at, path.len };

    while (rest.len > 0) {
        struct slice part = fuzz_until(&rest, '/');

        if (part.len == 0 || slice_equal(part, slice_of(".")))
            continue;
        if (slice_equal(part, slice_of(".."))) {
            if (s->count > 0)
                s->bytes -= s->all[--s->count].len + 1;
            continue;
        }
        s->bytes += part.len + 1;
        if (s->bytes > PATH_BYTES)
            return false;
        s->all[s->count++] = part;
    }
    return true;
}

static bool
has_nul(struct slice s)
{
    return s.len > 0 && memchr(s.at, '\0', s.len) != NULL;
}

/* What path_join should make; false: it should refuse. */
static bool
join(struct path *out, struct slice cwd, struct slice parameter)
{
    static struct stack s;

    s.count = s.bytes = 0;
    out->len = 0;
    if (cwd.len == 0 || *cwd.at != '/' || has_nul(cwd) || has_nul(parameter))
        return false;
    if ((parameter.len == 0 || *parameter.at != '/') && !push_components(&s, cwd))
        return false;
    if (!push_components(&s, parameter))
        return false;
    for (size_t i = 0; i < s.count; i++) {
        out->text[out->len++] = '/';
        memcpy(out->text + out->len, s.all[i].at, s.all[i].len);
        out->len += s.all[i].len;
    }
    if (out->len == 0)
        out->text[out->len++] = '/';
    return true;
}

static void
check_quote(const struct path *p)
{
    struct buf quoted = BUF_EMPTY(4 * PATH_BYTES);
    size_t o = 1;

    FUZZ_HOLDS(path_quote(&quoted, path_slice(p)) == SP_OK);
    FUZZ_HOLDS(quoted.len >= 2 && quoted.at[0] == '"'
               && quoted.at[quoted.len - 1] == '"');
    for (size_t i = 0; i < p->len; i++, o++) {
        unsigned char c = (unsigned char)p->text[i], q = quoted.at[o];

        FUZZ_HOLDS(q >= 0x20 && q != 0x7f && (q == c || q == '?'));
        if (c == '"')
            FUZZ_HOLDS(quoted.at[++o] == '"');
    }
    FUZZ_HOLDS(o == quoted.len - 1);
    buf_free(&quoted);
}

static void
check_parts(const struct path *p)
{
    struct slice whole = path_slice(p), parent = path_parent(whole);
    struct slice name = path_name(whole);

    FUZZ_HOLDS(parent.len > 0 && *parent.at == '/');
    if (p->len == 1) {
        FUZZ_HOLDS(name.len == 0 && parent.len == 1);
        return;
    }
    FUZZ_HOLDS(name.len > 0 && memchr(name.at, '/', name.len) == NULL);
    FUZZ_HOLDS(parent.len + name.len + (parent.len > 1) == whole.len);
    FUZZ_HOLDS(memcmp(parent.at, whole.at, parent.len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct path expected;
    struct fuzz_input in = { data, size };
    unsigned char *memory[2] = { NULL, NULL };
    struct slice cwd = fuzz_until(&in, '\n'), parameter = fuzz_bytes(&in, in.len);
    struct path p = { .len = 77 }, again;
    enum sp_err rc = SP_OK;
    bool fine = join(&expected, cwd, parameter);

    cwd.at = memory[0] = fuzz_copy(cwd);
    parameter.at = memory[1] = fuzz_copy(parameter);
    rc = path_join(&p, cwd, parameter);
    FUZZ_HOLDS(fine == (rc == SP_OK));
    if (fine) {
        FUZZ_HOLDS(p.len == expected.len && memcmp(p.text, expected.text, p.len) == 0);
        FUZZ_HOLDS(p.len <= PATH_BYTES && strlen(p.text) == p.len && p.text[0] == '/');
        FUZZ_HOLDS(p.len == 1 || p.text[p.len - 1] != '/');
        FUZZ_HOLDS(strstr(p.text, "//") == NULL && strstr(p.text, "/../") == NULL
                   && strstr(p.text, "/./") == NULL);
        FUZZ_HOLDS(path_join(&again, slice_of("/x"), path_slice(&p)) == SP_OK
                   && strcmp(again.text, p.text) == 0);
        FUZZ_HOLDS(path_join(&again, path_slice(&again), slice_of("")) == SP_OK
                   && strcmp(again.text, p.text) == 0);
        check_parts(&p);
        check_quote(&p);
    } else {
        FUZZ_HOLDS(rc == SP_INPUT && p.len == 77);
    }
    free(memory[0]);
    free(memory[1]);
    return 0;
}
