/* tests/unit/test_tls_fork.c - a context in processes forked as templates fork them */
#include <linux/sched.h>
#include <openssl/rand.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "tls/worker/inside.h"
#include "tls_pair.h"
#include "unit.h"

#define CHILDREN 4

/* What a child ends up with: its ticket keys, and bytes of both generators. */
struct drawn { unsigned char name[16], key[32], open[32], private[32]; };

static void
draw(struct tls_context *c, struct server *s, int out)
{
    struct drawn d;

    if (tls_context_begin(c, server_sign, s) != SP_OK
        || RAND_bytes_ex(c->library, d.open, sizeof d.open, 0) != 1
        || RAND_priv_bytes_ex(c->library, d.private, sizeof d.private, 0) != 1)
        _exit(1);
    memcpy(d.name, c->tickets.name, sizeof d.name);
    memcpy(d.key, c->tickets.cipher_key, sizeof d.key);
    _exit(fd_write_all(out, &d, sizeof d) == SP_OK ? 0 : 1);
}

/* No fork(2), no pthread_atfork: the kernel's call alone. */
static pid_t
raw_fork(uint64_t flags)
{
    struct clone_args args = { .flags = flags, .exit_signal = flags == 0 ? SIGCHLD : 0 };

    return (pid_t)syscall(SYS_clone3, &args, sizeof args);
}

/* A child forks them, as a template does, so that CLONE_PARENT makes them ours. */
static void
forked_workers_share_no_random_bytes(void)
{
    struct server s;
    struct drawn d[CHILDREN + 1];
    int pipes[2] = { -1, -1 };
    int status = 0;

    server_open(&s, "1.2");
    server_add(&s, PAIR_EC, "DNS:localhost");
    CU_ASSERT_EQUAL_FATAL(tls_context_warm(s.context), SP_OK);
    CU_ASSERT_EQUAL_FATAL(pipe(pipes), 0);
    pid_t template = fork();
    if (template == 0) {
        for (unsigned i = 0; i < CHILDREN; i++)
            if (raw_fork(CLONE_PARENT) == 0)
                draw(s.context, &s, pipes[1]);
        draw(s.context, &s, pipes[1]);
    }
    fd_close(&pipes[1]);
    for (unsigned i = 0; i <= CHILDREN; i++)
        CU_ASSERT_EQUAL_FATAL(read(pipes[0], &d[i], sizeof d[i]), sizeof d[i]);
    fd_close(&pipes[0]);
    for (unsigned i = 0; i <= CHILDREN; i++) {
        CU_ASSERT_TRUE(waitpid(-1, &status, __WALL) > 0);
        CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        for (unsigned k = 0; k < i; k++) {
            CU_ASSERT_NOT_EQUAL(memcmp(d[i].name, d[k].name, sizeof d[i].name), 0);
            CU_ASSERT_NOT_EQUAL(memcmp(d[i].key, d[k].key, sizeof d[i].key), 0);
            CU_ASSERT_NOT_EQUAL(memcmp(d[i].open, d[k].open, sizeof d[i].open), 0);
            CU_ASSERT_NOT_EQUAL(memcmp(d[i].private, d[k].private, sizeof d[i].private),
                                0);
        }
    }
    server_close(&s);
}

/* The first random bytes that a client sees, from two forks of one template. */
static void
forked_workers_greet_differently(void)
{
    unsigned char seen[2][32];

    for (unsigned i = 0; i < 2; i++) {
        static struct server s;
        struct client c;
        struct link l;
        int status = 0;

        if (i == 0) {
            server_open(&s, "1.2");
            server_add(&s, PAIR_EC, "DNS:localhost");
            CU_ASSERT_EQUAL_FATAL(tls_context_warm(s.context), SP_OK);
        }
        client_open(&c, TLS1_3_VERSION);
        link_open(&l, &s, TLS_CONTROL, &c);
        (void)SSL_do_handshake(l.client);
        pid_t worker = raw_fork(0);
        if (worker == 0) {
            if (tls_context_begin(s.context, server_sign, &s) != SP_OK)
                _exit(1);
            SP_IGNORE(tls_stream_handshake(l.server));
            _exit(0);
        }
        CU_ASSERT_EQUAL(waitpid(worker, &status, 0), worker);
        CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        (void)SSL_do_handshake(l.client);
        CU_ASSERT_EQUAL(SSL_get_server_random(l.client, seen[i], 32), 32);
        link_close(&l);
        client_close(&c);
        if (i == 1)
            server_close(&s);
    }
    CU_ASSERT_NOT_EQUAL(memcmp(seen[0], seen[1], 32), 0);
}

static const struct unit_test tests[] = {
    { "forked workers share no random bytes", forked_workers_share_no_random_bytes },
    { "forked workers greet differently", forked_workers_greet_differently },
    { NULL, NULL }
};
const struct unit_suite suite_tls_fork = { "tls: fork", tests };
