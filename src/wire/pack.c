/* wire/pack.c - see include/wire/pack.h: in and out of bodies, made from messages.def */
#include "wire/pack.h"

#include <string.h>

#include "base/bytes.h"

static void
put_number(struct message *m, uint64_t v, size_t bytes)
{
    SP_ASSERT(m->len + bytes <= sizeof m->body);
    bytes_put_little(m->body + m->len, v, bytes);
    m->len += bytes;
}

static bool
get_number(struct unpacker *u, uint64_t *v, size_t bytes)
{
    if (u->left < bytes)
        return false;
    *v = bytes_get_little(u->at, bytes);
    u->at += bytes;
    u->left -= bytes;
    return true;
}

/* A run of bytes with its length, two bytes, before it. */
static void
put_run(struct message *m, struct slice s, uint64_t bound)
{
    SP_ASSERT(s.len <= bound && s.len <= UINT16_MAX);
    put_number(m, s.len, 2);
    SP_ASSERT(m->len + s.len <= sizeof m->body);
    if (s.len > 0)
        memcpy(m->body + m->len, s.at, s.len);
    m->len += s.len;
}

static bool
get_run(struct unpacker *u, struct slice *s, uint64_t bound)
{
    uint64_t len = 0;

    if (!get_number(u, &len, 2) || len > bound || len > u->left)
        return false;
    *s = slice_from(u->at, (size_t)len);
    u->at += len;
    u->left -= (size_t)len;
    return true;
}

static bool
is_path(struct slice s)
{
    return s.len > 0 && s.at[0] == '/' && memchr(s.at, '\0', s.len) == NULL;
}

#define PUT_U8(v, bound) do { SP_ASSERT((uint64_t)(v) <= (uint64_t)(bound)); put_number(m, (v), 1); } while (0);
#define PUT_U16(v, bound) do { SP_ASSERT((uint64_t)(v) <= (uint64_t)(bound)); put_number(m, (v), 2); } while (0);
#define PUT_U32(v, bound) do { SP_ASSERT((uint64_t)(v) <= (uint64_t)(bound)); put_number(m, (v), 4); } while (0);
#define PUT_U64(v, bound) do { SP_ASSERT((uint64_t)(v) <= (uint64_t)(bound)); put_number(m, (v), 8); } while (0);
#define PUT_I64(v, bound) put_number(m, (uint64_t)(v), 8);
#define PUT_TEXT(v, bound) do { SP_ASSERT(!slice_has_line_break(v)); put_run(m, (v), (bound)); } while (0);
#define PUT_BYTES(v, bound) put_run(m, (v), (bound));
#define PUT_PATH(v, bound) do { SP_ASSERT(is_path(v)); put_run(m, (v), (bound)); } while (0);
#define PUT(type, name, bound) PUT_##type(v->name, bound)

#define GET_SMALL(out, bound, bytes, ctype) \
    do { \
        if (!get_number(&u, &n, (bytes)) || n > (uint64_t)(bound)) \
            return SP_INPUT; \
        (out) = (ctype)n; \
    } while (0);
#define GET_U8(out, bound) GET_SMALL(out, bound, 1, uint8_t)
#define GET_U16(out, bound) GET_SMALL(out, bound, 2, uint16_t)
#define GET_U32(out, bound) GET_SMALL(out, bound, 4, uint32_t)
#define GET_U64(out, bound) GET_SMALL(out, bound, 8, uint64_t)
#define GET_I64(out, bound) \
    do { if (!get_number(&u, &n, 8)) return SP_INPUT; (out) = (int64_t)n; } while (0);
#define GET_TEXT(out, bound) \
    do { if (!get_run(&u, &(out), (bound)) || slice_has_line_break(out)) return SP_INPUT; } while (0);
#define GET_BYTES(out, bound) \
    do { if (!get_run(&u, &(out), (bound))) return SP_INPUT; } while (0);
#define GET_PATH(out, bound) \
    do { if (!get_run(&u, &(out), (bound)) || !is_path(out)) return SP_INPUT; } while (0);
#define GET(type, name, bound) GET_##type(got.name, bound)

/* The bodies are small and straight: no loop over rows at run time. */
#define MESSAGE(NAME, name, sender, receiver, states, fds, FIELDS) \
    void \
    msg_##name##_pack(struct message *m, const struct msg_##name *v) \
    { \
        message_init(m); \
        m->type = MSG_##NAME; \
        (void)v; \
        FIELDS(PUT) \
    } \
    enum sp_err \
    msg_##name##_unpack(const struct message *m, struct msg_##name *v) \
    { \
        struct msg_##name got = { 0 }; \
        struct unpacker u = { m->body, m->len }; \
        uint64_t n = 0; \
        (void)n; \
        if (m->type != MSG_##NAME) \
            return SP_INPUT; \
        FIELDS(GET) \
        if (u.left != 0) \
            return SP_INPUT; \
        *v = got; \
        return SP_OK; \
    }
#include "wire/messages.def"

enum sp_err
put_u32(struct packer *p, uint32_t v)
{
    if (p->room - p->len < 4)
        return SP_NOMEM;
    bytes_put_little(p->at + p->len, v, 4);
    p->len += 4;
    return SP_OK;
}

enum sp_err
put_bytes(struct packer *p, const void *at, size_t len)
{
    if (len > UINT32_MAX || p->room - p->len < 4 || p->room - p->len - 4 < len)
        return SP_NOMEM;
    SP_IGNORE(put_u32(p, (uint32_t)len));        /* the room was checked above */
    if (len > 0)
        memcpy(p->at + p->len, at, len);
    p->len += len;
    return SP_OK;
}

enum sp_err
get_u32(struct unpacker *u, uint32_t *v)
{
    uint64_t n = 0;

    if (!get_number(u, &n, 4))
        return SP_INPUT;
    *v = (uint32_t)n;
    return SP_OK;
}

enum sp_err
get_bytes(struct unpacker *u, struct slice *out)
{
    uint32_t len = 0;

    if (get_u32(u, &len) != SP_OK || len > u->left)
        return SP_INPUT;
    *out = slice_from(u->at, len);
    u->at += len;
    u->left -= len;
    return SP_OK;
}
