/* config/source.c - see source.h */
#include "config/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"

#define FORM_FAULTS_MAX 20      /* a file that is no configuration need not list them all */

/* The walk over the text. text is changed in place, byte for byte: lines stay where they are. */
struct walk {
    struct source *source;
    struct report *report;
    unsigned char *at;
    size_t len, i;
    unsigned line, depth;
    size_t word, word_end;      /* the last word outside braces: a key, if '=' follows */
    size_t equals, value_end;   /* the last '=' of a key, and the end of its plain value */
    enum sp_err rc;
};

static bool
is_control(unsigned char c)
{
    return (c < 0x20 && c != '\t' && c != '\n') || c == 0x7f;
}

/* Bytes that part unquoted words. */
static bool
is_plain(unsigned char c)
{
    return !is_control(c) && strchr(" \t\n#\"'={}()+,*", c) == NULL;
}

static unsigned char
next(const struct walk *w)
{
    return w->i + 1 < w->len ? w->at[w->i + 1] : '\0';
}

static void
blank(struct walk *w, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (w->at[i] != '\n')
            w->at[i] = ' ';
}

static void
skip_line_comment(struct walk *w)
{
    size_t from = w->i;

    while (w->i < w->len && w->at[w->i] != '\n')
        w->i++;
    blank(w, from, w->i);
}

static void
skip_block_comment(struct walk *w)
{
    size_t from = w->i;
    unsigned opened = w->line;

    for (w->i += 2; w->i < w->len; w->i++) {
        if (w->at[w->i] == '\n')
            w->line++;
        if (w->at[w->i] == '*' && next(w) == '/') {
            w->i += 2;
            blank(w, from, w->i);
            return;
        }
    }
    blank(w, from, w->i);
    report(w->report, opened, NULL,
           "the comment that begins here has no end; end it with */, or use # lines");
}

/* From the opening quote to behind the closing one. */
static void
skip_quoted(struct walk *w)
{
    unsigned char quote = w->at[w->i], c = '\0';
    size_t from = ++w->i;

    for (; w->i < w->len && (c = w->at[w->i]) != '\n'; w->i++) {
        if (c == quote) {
            if (w->depth == 0) {
                w->word = from;
                w->word_end = w->i;
            }
            w->i++;
            return;
        }
        if (c == '\\' && (next(w) == '\\' || next(w) == quote))
            w->i++;
        else if (c == '\\' && quote == '"')
            report(w->report, w->line, NULL, "in double quotes, write a backslash as "
                   "\\\\, or use single quotes");
        else if (c == '$' && next(w) == '{' && quote == '"')
            report(w->report, w->line, NULL, "variables such as ${...} are not supported; write "
                   "the value itself, or use single quotes if you mean this text");
        else if (is_control(c))
            report(w->report, w->line, NULL, "the text contains a control character (0x%02x); "
                   "remove it", c);
    }
    report(w->report, w->line, NULL, "the text that begins with %c on this line has no "
           "closing %c; add it (a value cannot contain a line break)", quote, quote);
}

static bool
only_blanks(const struct walk *w, size_t from, size_t to)
{
    while (from < to && (w->at[from] == ' ' || w->at[from] == '\t'))
        from++;
    return from == to;
}

/* name = 15 min: the last word stands behind a value, on its line, and is no key itself. */
static void
check_one_word(struct walk *w)
{
    size_t end = w->i;

    while (end < w->len && (w->at[end] == ' ' || w->at[end] == '\t'))
        end++;
    if (w->value_end != 0 && only_blanks(w, w->value_end, w->word)
        && (end == w->len || strchr("\r\n#/", w->at[end]) != NULL))
        report(w->report, w->line, w->source->keys[w->source->count - 1].name,
               "a value that contains a space must be in double quotes");
}

static void
skip_word(struct walk *w)
{
    size_t from = w->i;
    bool value = w->equals != 0 && only_blanks(w, w->equals + 1, from);

    while (w->i < w->len && is_plain(w->at[w->i]) &&
           !(w->at[w->i] == '/' && (next(w) == '/' || next(w) == '*')))
        w->i++;
    if (w->depth == 0) {
        w->word = from;
        w->word_end = w->i;
        check_one_word(w);
        w->value_end = value ? w->i : 0;
    }
}

/* "=": the word before it is a key. */
static void
note_key(struct walk *w)
{
    struct source *s = w->source;
    size_t len = w->word_end - w->word;
    struct source_key *keys = NULL;

    if (w->depth > 0 || len == 0 || w->rc != SP_OK)
        return;
    if ((keys = realloc(s->keys, (s->count + 1) * sizeof *keys)) == NULL) {
        w->rc = SP_NOMEM;
        return;
    }
    s->keys = keys;
    if (len >= SOURCE_KEY_MAX)
        len = SOURCE_KEY_MAX - 1;
    memcpy(keys[s->count].name, w->at + w->word, len);
    keys[s->count].name[len] = '\0';
    keys[s->count].line = w->line;
    s->count++;
    w->word = w->word_end = w->value_end = 0;
    w->equals = w->i;
}

/* One byte that is neither word, quote nor comment. */
static void
take_sign(struct walk *w)
{
    unsigned char c = w->at[w->i];

    if (c == '\n') {
        w->line++;
    } else if (c == '\r') {
        w->at[w->i] = ' ';      /* a file written on Windows */
    } else if (c == '=') {
        note_key(w);
    } else if (c == '{') {
        w->depth++;
    } else if (c == '}' && w->depth > 0) {
        w->depth--;
    } else if (c == '*') {
        report(w->report, w->line, NULL, "a value that contains * must be in double quotes");
    } else if (c == '+') {
        report(w->report, w->line, NULL, "+ is not allowed here; write a list in one piece "
               "(name = {\"a\", \"b\"}), and a value that contains + in double quotes");
    } else if (is_control(c)) {
        report(w->report, w->line, NULL, "control character (0x%02x); is this a text file?", c);
    }
    w->i++;
}

static void
walk(struct walk *w)
{
    while (w->i < w->len && w->report->faults < FORM_FAULTS_MAX) {
        unsigned char c = w->at[w->i];

        if (c == '#' || (c == '/' && next(w) == '/'))
            skip_line_comment(w);
        else if (c == '/' && next(w) == '*')
            skip_block_comment(w);
        else if (c == '"' || c == '\'')
            skip_quoted(w);
        else if (c == '$' && next(w) == '{') {
            report(w->report, w->line, NULL, "variables such as ${...} are not supported; write "
                   "the value itself");
            w->i += 2;
            w->depth++;
        } else if (is_plain(c))
            skip_word(w);
        else
            take_sign(w);
    }
}

/* Only a regular file: a FIFO or a device could keep the monitor waiting. */
static enum sp_err
read_text(struct buf *text, const char *file, struct report *r)
{
    struct stat st;
    enum sp_err rc = SP_OS;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd == -1 || fstat(fd, &st) == -1) {
        report(r, 0, NULL, "cannot be read: %s; name the file with -c, or make it "
               "readable", strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        report(r, 0, NULL, "is not a regular file; name the configuration with -c");
    } else if ((rc = buf_read_all(text, fd)) == SP_NOMEM) {
        report(r, 0, NULL, "is too long, or memory is short; a configuration has at most "
               "%d bytes", SOURCE_MAX - 1);
    } else if (rc != SP_OK) {
        report(r, 0, NULL, "cannot be read: %s", strerror(errno));
    }
    fd_close(&fd);
    return rc;
}

enum sp_err
source_read(struct source *s, const char *file, struct report *r)
{
    struct walk w = { .source = s, .report = r, .line = 1, .rc = SP_OK };
    unsigned before = r->faults;
    enum sp_err rc = read_text(&s->text, file, r);

    if (rc != SP_OK)
        return rc;
    w.at = s->text.at;
    w.len = s->text.len;
    walk(&w);
    if (w.rc != SP_OK)
        return w.rc;
    if (r->faults > before)
        return SP_INPUT;
    return buf_add(&s->text, "", 1);
}

void
source_clear(struct source *s)
{
    buf_free(&s->text);
    free(s->keys);
    s->keys = NULL;
    s->count = 0;
}

const struct source_key *
source_key_at(const struct source *s, unsigned line)
{
    const struct source_key *found = NULL;

    for (size_t i = 0; i < s->count && s->keys[i].line <= line; i++)
        found = &s->keys[i];
    return found;
}

const struct source_key *
source_key_named(const struct source *s, const char *name)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->keys[i].name, name) == 0)
            return &s->keys[i];
    return NULL;
}
