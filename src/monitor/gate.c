/* monitor/gate.c - see gate.h */
#include "monitor/gate.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fd.h"

#define PASS 0x7fffffff         /* the whole segment */
#define DROP 0
#define WORDS_MOST 4

/*
 * Both programs do the same: for each word of the source address in the IP header, load it,
 * compare it, and on to DROP where it is another.
 */
static unsigned
words_of(const struct net_addr *peer)
{
    return peer->family == AF_INET ? 1 : WORDS_MOST;
}

static uint32_t
word(const struct net_addr *peer, unsigned i)
{
    return (uint32_t)bytes_get_big(peer->bytes + (size_t)4 * i, 4);
}

/* Where the word lies in the packet. */
static int32_t
offset(const struct net_addr *peer, unsigned i)
{
    return SKF_NET_OFF + (peer->family == AF_INET ? 12 : 8) + 4 * (int32_t)i;
}

/* ---- for one socket: the kernel compiles it for each anew ----------------------------- */

static enum sp_err
attach_classic(int fd, const struct net_addr *peer)
{
    struct sock_filter code[2 * WORDS_MOST + 2];
    struct sock_fprog program = { 0, code };
    unsigned words = words_of(peer), n = 0;

    for (unsigned i = 0; i < words; i++) {
        unsigned char to_drop = (unsigned char)(2 * (words - 1 - i) + 1);

        code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                                 (uint32_t)offset(peer, i));
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, word(peer, i), 0,
                                                 to_drop);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, PASS);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, DROP);
    program.len = (unsigned short)n;
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == -1) {
        /* see gate_possible; said once, at start (prepare_report_walls) */
        return errno == EPERM ? SP_REFUSED : SP_OS;
    }
    return SP_OK;
}

bool
gate_possible(void)
{
    struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, PASS) };
    struct sock_fprog program = { 1, code };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool can = fd != -1
        && setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;

    fd_close(&fd);
    return can;
}

/* ---- for all of a session: loaded once ------------------------------------------------ */

static struct bpf_insn
move(uint8_t to, uint8_t source, uint8_t from, int32_t value)
{
    return (struct bpf_insn){ .code = (uint8_t)(BPF_ALU64 | BPF_MOV | source),
                              .dst_reg = (uint8_t)(to & 15), .src_reg = (uint8_t)(from & 15),
                              .imm = value };
}

/* BPF_LD | BPF_ABS | BPF_W, two of which are 0 */
#define LOAD_WORD ((uint8_t)BPF_ABS)

static unsigned
write_program(struct bpf_insn *code, const struct net_addr *peer)
{
    unsigned words = words_of(peer), n = 0;

    code[n++] = move(BPF_REG_6, BPF_X, BPF_REG_1, 0);   /* where loads look for the packet */
    for (unsigned i = 0; i < words; i++) {
        code[n++] = (struct bpf_insn){ .code = LOAD_WORD, .imm = offset(peer, i) };
        /* in 32 bits: an immediate of a 64-bit comparison would be extended by its sign */
        code[n++] = (struct bpf_insn){ .code = BPF_JMP32 | BPF_JNE | BPF_K,
                                       .dst_reg = BPF_REG_0,
                                       .imm = (int32_t)word(peer, i),
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

/* False: not by this way, now or at all; the socket is as it was. */
static bool
attach_loaded(struct gate *g, int fd, const struct net_addr *peer)
{
    if (g->program == -1 && !g->refused && ++g->wanted > GATE_FROM) {
        g->program = load(peer);
        g->refused = g->program == -1;
    }
    return g->program != -1
        && setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &g->program, sizeof g->program) == 0;
}

enum sp_err
gate_attach(struct gate *g, int fd, const struct net_addr *peer)
{
    int on = 1;
    enum sp_err rc = attach_loaded(g, fd, peer) ? SP_OK : attach_classic(fd, peer);

    if (rc != SP_OK)
        return rc == SP_REFUSED ? SP_OK : rc;   /* this kernel keeps filters for root */
    return setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof on) == -1 ? SP_OS : SP_OK;
}

void
gate_clear(struct gate *g)
{
    fd_close(&g->program);
    *g = (struct gate)GATE_EMPTY;
}
