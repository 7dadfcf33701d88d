/*
 * wire/pack.h - the fields of each message as a struct, and the way in and out
 *
 * Runs in: every process.                Blocks: never.
 * Trusts:  nothing in a body: every bound of messages.def is checked on the way in.
 *
 * For MESSAGE(OPEN_READ, open_read, ..., FIELDS_PATH) this declares
 *
 *     struct msg_open_read { struct slice path; };
 *     void msg_open_read_pack(struct message *m, const struct msg_open_read *v);
 *     enum sp_err msg_open_read_unpack(const struct message *m, struct msg_open_read *v);
 *
 * pack fills m (type and body; descriptors are put into m->fds and m->nfds by the caller
 * afterwards, and m keeps them). A value past its bound is our own bug: SP_ASSERT. So a
 * caller that packs what a client sent has checked its length before.
 * unpack: SP_INPUT where a field is cut, past its bound, of a wrong form, or bytes are left
 * over. Slices point into m->body: borrowed, until m changes. Numbers keep their width.
 * Messages without fields have a struct with the one member `char none`.
 */
#ifndef SP_WIRE_PACK_H
#define SP_WIRE_PACK_H

#include "base/buf.h"
#include "base/err.h"
#include "wire/message.h"

#define SP_C_U8 uint8_t
#define SP_C_U16 uint16_t
#define SP_C_U32 uint32_t
#define SP_C_U64 uint64_t
#define SP_C_I64 int64_t
#define SP_C_TEXT struct slice
#define SP_C_BYTES struct slice
#define SP_C_PATH struct slice
#define SP_MEMBER(type, name, bound) SP_C_##type name;

#define MESSAGE(NAME, name, sender, receiver, states, fds, FIELDS) \
    struct msg_##name { char none; FIELDS(SP_MEMBER) };             \
    void msg_##name##_pack(struct message *m, const struct msg_##name *v); \
    SP_CHECK enum sp_err msg_##name##_unpack(const struct message *m, struct msg_##name *v);
#include "wire/messages.def"

/* A little-endian writer and reader for blobs inside a BYTES field (groups, settings). */
struct packer { unsigned char *at; size_t len, room; };
struct unpacker { const unsigned char *at; size_t left; };

SP_CHECK enum sp_err put_u32(struct packer *p, uint32_t v);
SP_CHECK enum sp_err put_bytes(struct packer *p, const void *at, size_t len);   /* u32 length first */
SP_CHECK enum sp_err get_u32(struct unpacker *u, uint32_t *v);
SP_CHECK enum sp_err get_bytes(struct unpacker *u, struct slice *out);

#endif
