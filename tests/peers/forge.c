/* tests/peers/forge.c - see forge.h */
#include "forge.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/err.h"

static void
put(struct forged *f, uint64_t v, size_t bytes)
{
    SP_ASSERT(f->len + bytes <= sizeof f->body);
    for (size_t i = 0; i < bytes; i++)
        f->body[f->len++] = (unsigned char)(v >> 8 * i);
}

/* first, then as many 'a' as are needed for len bytes. */
static void
put_run(struct forged *f, char first, uint64_t len)
{
    put(f, len, 2);
    SP_ASSERT(f->len + len <= sizeof f->body);
    memset(f->body + f->len, 'a', (size_t)len);
    if (len > 0)
        f->body[f->len] = (unsigned char)first;
    f->len += (size_t)len;
}

static size_t
width(enum field_type type)
{
    switch (type) {
    case FIELD_U8: return 1;
    case FIELD_U16: return 2;
    case FIELD_U32: return 4;
    case FIELD_U64: return 8;
    case FIELD_I64: return 8;
    case FIELD_TEXT: return 0;
    case FIELD_BYTES: return 0;
    case FIELD_PATH: return 0;
    }
    return 0;
}

void
forge_field(struct forged *f, const struct field *field, uint64_t v, struct slice run)
{
    size_t bytes = width(field->type);
    bool path = field->type == FIELD_PATH;

    if (bytes > 0) {
        put(f, v, bytes);
        return;
    }
    put(f, run.len + path, 2);
    if (path)
        put(f, '/', 1);
    SP_ASSERT(run.len <= sizeof f->body - f->len);
    if (run.len > 0)
        memcpy(f->body + f->len, run.at, run.len);
    f->len += run.len;
}

static void
put_good(struct forged *f, const struct field *field, bool most)
{
    if (width(field->type) > 0)
        put(f, most ? field->bound : 0, width(field->type));
    else if (field->type == FIELD_PATH)
        put_run(f, '/', most ? field->bound : 1);
    else
        put_run(f, 'a', most ? field->bound : 0);
}

static void
forge_good(const struct message_row *row, bool most, struct forged *out)
{
    out->len = 0;
    for (const struct field *field = row->fields; field->name != NULL; field++)
        put_good(out, field, most);
}

void
forge_least(const struct message_row *row, struct forged *out)
{
    forge_good(row, false, out);
}

void
forge_most(const struct message_row *row, struct forged *out)
{
    forge_good(row, true, out);
}

/* A lone continuation, an overlong NUL, a surrogate, a character that never ends. */
static const char no_utf8[] = "\x80\xc0\x80\xed\xa0\x80\xf0\x9f";

static void
put_odd(struct forged *f, const struct field *field)
{
    size_t len = sizeof no_utf8 - 1;

    if (width(field->type) > 0 || len + (field->type == FIELD_PATH) > field->bound)
        put_good(f, field, false);
    else
        forge_field(f, field, 0, slice_from(no_utf8, len));
}

bool
forge_form(const struct message_row *row, const char *form, struct forged *out)
{
    if (strcmp(form, "odd") == 0) {
        out->len = 0;
        for (const struct field *field = row->fields; field->name != NULL; field++)
            put_odd(out, field);
        return true;
    }
    if (strcmp(form, "most") == 0 || strcmp(form, "half") == 0) {
        forge_most(row, out);
        if (form[0] == 'm')
            return true;
        out->len /= 2;
        return out->len > 0;
    }
    forge_least(row, out);
    if (strcmp(form, "tail") == 0)
        put(out, 0, 1);
    return true;
}

size_t
forge_fields(const struct message_row *row)
{
    size_t count = 0;

    while (row->fields[count].name != NULL)
        count++;
    return count;
}

/* "x" with a byte behind it that a text must not have; a path begins as it should. */
static void
put_with_byte(struct forged *f, bool path, unsigned char byte)
{
    put(f, 3, 2);
    put(f, path ? '/' : 'x', 1);
    put(f, byte, 1);
    put(f, 'x', 1);
}

static bool
put_bad(struct forged *f, const struct field *field, enum forge_fault fault)
{
    size_t bytes = width(field->type);
    bool run = bytes == 0, text = field->type == FIELD_TEXT,
        path = field->type == FIELD_PATH;
    bool bounded = bytes < 8 && !run && field->bound < (1ull << 8 * bytes) - 1;

    switch (fault) {
    case FORGE_NUMBER_PAST_BOUND:
        if (field->type == FIELD_U64 && field->bound < UINT64_MAX)
            bounded = true;
        if (bounded)
            put(f, field->bound + 1, bytes);
        return bounded;
    case FORGE_RUN_PAST_BOUND:
        if (run)
            put_run(f, path ? '/' : 'a', field->bound + 1);
        return run;
    case FORGE_RUN_PAST_END:
        if (run) {
            put(f, field->bound, 2);
            put(f, '/', 1);
        }
        return run && field->bound > 1;
    case FORGE_TEXT_NUL:
    case FORGE_TEXT_CR:
    case FORGE_TEXT_LF:
        if (text)
            put_with_byte(f, false, (unsigned char)"\0\r\n"[fault - FORGE_TEXT_NUL]);
        return text;
    case FORGE_PATH_EMPTY:
        if (path)
            put(f, 0, 2);
        return path;
    case FORGE_PATH_RELATIVE:
        if (path)
            put_run(f, 'a', 3);
        return path;
    case FORGE_PATH_NUL:
        if (path)
            put_with_byte(f, true, '\0');
        return path;
    case FORGE_FAULTS:
        return false;
    }
    return false;
}

bool
forge_fault(const struct message_row *row, size_t index, enum forge_fault fault,
            struct forged *out)
{
    size_t at = 0;

    out->len = 0;
    for (const struct field *field = row->fields; field->name != NULL; field++, at++) {
        if (at != index)
            put_good(out, field, false);
        else if (!put_bad(out, field, fault))
            return false;
        /* A length past the end has to be the last thing there is. */
        if (at == index && fault == FORGE_RUN_PAST_END)
            return true;
    }
    return index < at;
}

unsigned
forge_words(char *line, struct forged *out)
{
    const char *name = strsep(&line, " ");
    unsigned type = MSG_NONE + 1;

    while (type < MSG_COUNT && strcasecmp(message_name(type), name) != 0)
        type++;
    out->len = 0;
    for (const struct field *f = type < MSG_COUNT ? message_row(type)->fields : NULL;
         f != NULL && f->name != NULL; f++) {
        const char *word = f[1].name == NULL ? line : strsep(&line, " ");

        if (word == NULL)
            put_good(out, f, false);
        else
            forge_field(out, f, strtoull(word, NULL, 10),
                        slice_of(word + (f->type == FIELD_PATH && word[0] == '/')));
    }
    return type < MSG_COUNT ? type : MSG_NONE;
}

void
forge_message(struct message *out, const char *format, ...)
{
    static struct forged body;
    char line[1024];
    va_list args;

    va_start(args, format);
    SP_ASSERT((size_t)vsnprintf(line, sizeof line, format, args) < sizeof line);
    va_end(args);
    message_init(out);
    out->type = (uint16_t)forge_words(line, &body);
    SP_ASSERT(out->type != MSG_NONE && body.len <= message_row(out->type)->most);
    out->len = body.len;
    memcpy(out->body, body.body, body.len);
}

void
forge_tell(const struct message *m, char *line, size_t room)
{
    const struct field *f = message_row(m->type)->fields;
    size_t at = 0, len = (size_t)snprintf(line, room, "%s", message_name(m->type));

    for (; f->name != NULL && width(f->type) > 0 && len < room; f++) {
        uint64_t v = 0;

        for (size_t i = width(f->type); i > 0; i--)
            v = v << 8 | m->body[at + i - 1];
        at += width(f->type);
        len += (size_t)snprintf(line + len, room - len, " %llu", (unsigned long long)v);
    }
    if (f->name != NULL && len < room)
        (void)snprintf(line + len, room - len, " %.*s", m->body[at] | m->body[at + 1] << 8,
                       (const char *)m->body + at + 2);
}

bool
forge_record(int fd, struct slice record, const int fds[], unsigned count, int flags)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int) * FORGE_FDS)];
    } control;
    struct iovec part = { .iov_len = record.len };
    struct msghdr head = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room,
                           .msg_controllen = CMSG_SPACE(sizeof(int) * count) };
    struct cmsghdr *c = NULL;

    SP_ASSERT(count <= FORGE_FDS);
    if (count == 0)             /* a captured worker has no sendmsg(2) */
        return send(fd, record.at, record.len, MSG_NOSIGNAL | flags) != -1;
    /* sendmsg only reads it; struct iovec has no const. */
    memcpy(&part.iov_base, &record.at, sizeof record.at);
    memset(&control, 0, sizeof control);
    c = CMSG_FIRSTHDR(&head);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
    return sendmsg(fd, &head, MSG_NOSIGNAL | flags) != -1;
}

bool
forge_send_given(int fd, unsigned type, const void *body, size_t len, int given,
                 unsigned count, int flags)
{
    unsigned char record[MESSAGE_HEADER + FORGE_MAX];   /* no zeros: it is long, and this often */
    int fds[FORGE_FDS];

    record[0] = (unsigned char)(type & 0xff);
    record[1] = (unsigned char)(type >> 8 & 0xff);
    SP_ASSERT(len <= FORGE_MAX && count <= FORGE_FDS);
    for (unsigned i = 0; i < count; i++)
        fds[i] = given;
    if (len > 0)
        memcpy(record + MESSAGE_HEADER, body, len);
    return forge_record(fd, slice_from(record, MESSAGE_HEADER + len), fds, count, flags);
}

bool
forge_send(int fd, unsigned type, const void *body, size_t len, unsigned count, int flags)
{
    return forge_send_given(fd, type, body, len, STDIN_FILENO, count, flags);
}
