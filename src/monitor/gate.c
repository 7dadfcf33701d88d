/* monitor/gate.c - see gate.h */
#include "monitor/gate.h"

#include <linux/bpf.h>
#include <linux/filter.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

#define PASS 0x7fffffff         /* the whole segment */
#define DROP 0
#define WORDS_MOST 4

/* The source address in the IP header. */
#define IPV4_SOURCE 12
#define IPV6_SOURCE 8

static struct bpf_insn
move(uint8_t to, uint8_t source, uint8_t from, int32_t value)
{
    return (struct bpf_insn){ .code = (uint8_t)(BPF_ALU64 | BPF_MOV | source),
                              .dst_reg = (uint8_t)(to & 15), .src_reg = (uint8_t)(from & 15),
                              .imm = value };
}

static int32_t
word_at(const unsigned char *at)
{
    return (int32_t)((uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8
                     | at[3]);
}

/* BPF_LD | BPF_ABS | BPF_W, two of which are 0 */
#define LOAD_WORD ((uint8_t)BPF_ABS)

/* For each word of the address: load it from the packet, compare, and on to DROP. */
static unsigned
write_program(struct bpf_insn *code, const struct net_addr *peer)
{
    int words = peer->family == AF_INET ? 1 : WORDS_MOST;
    int source = peer->family == AF_INET ? IPV4_SOURCE : IPV6_SOURCE;
    unsigned n = 0;

    code[n++] = move(BPF_REG_6, BPF_X, BPF_REG_1, 0);   /* where loads look for the packet */
    for (int i = 0; i < words; i++) {
        const unsigned char *word = peer->bytes + (size_t)i * 4;

        code[n++] = (struct bpf_insn){ .code = LOAD_WORD,
                                       .imm = SKF_NET_OFF + source + 4 * i };
        /* in 32 bits: an immediate of a 64-bit comparison would be extended by its sign */
        code[n++] = (struct bpf_insn){ .code = BPF_JMP32 | BPF_JNE | BPF_K,
                                       .dst_reg = BPF_REG_0,
                                       .imm = word_at(word),
                                       .off = (int16_t)(2 * (words - 1 - i) + 2) };
    }
    code[n++] = move(BPF_REG_0, BPF_K, 0, PASS);
    code[n++] = (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT };
    code[n++] = move(BPF_REG_0, BPF_K, 0, DROP);
    code[n++] = (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT };
    return n;
}

static int
load(const struct net_addr *peer)
{
    static const char license[] = "";       /* it calls no function of the kernel's */
    struct bpf_insn code[1 + 2 * WORDS_MOST + 4];
    union bpf_attr attr;

    memset(&attr, 0, sizeof attr);
    attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
    attr.insns = (uintptr_t)code;
    attr.insn_cnt = write_program(code, peer);
    attr.license = (uintptr_t)license;
    /* close-on-exec by itself */
    return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr);
}

enum sp_err
gate_attach(struct gate *g, int fd, const struct net_addr *peer)
{
    int on = 1;

    if (g->program == -1 && !g->refused && ++g->wanted > GATE_FROM) {
        g->program = load(peer);
        g->refused = g->program == -1;
    }
    if (g->program == -1
        || setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &g->program, sizeof g->program) == -1)
        return SP_REFUSED;
    return setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof on) == -1 ? SP_REFUSED
                                                                            : SP_OK;
}

void
gate_clear(struct gate *g)
{
    fd_close(&g->program);
    *g = (struct gate)GATE_EMPTY;
}
