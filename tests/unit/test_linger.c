/* tests/unit/test_linger.c - src/worker/linger.c, in clear: with TLS by tests/e2e */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "suites_worker.h"
#include "worker/linger.h"

#define MEBIBYTE ((size_t)1 << 20)

/* A connection that was refused, and the client's end of it. */
static struct lingering
refused(int *client, bool upload)
{
    struct lingering l = LINGER_NONE;
    struct tls_stream *none = NULL;
    int ends[2] = { -1, -1 };

    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                                     ends), 0);
    *client = ends[1];
    linger_refused(&l, &ends[0], &none, upload);
    CU_ASSERT_EQUAL(ends[0], -1);
    return l;
}

/* What the client got rid of, of so many bytes; the other end is looked at as it is filled. */
static size_t
send_all(struct lingering *l, int client, size_t wanted)
{
    static const unsigned char piece[16384];
    size_t sent = 0;

    while (sent < wanted) {
        ssize_t n = send(client, piece, sizeof piece, MSG_NOSIGNAL);

        if (n == -1 && errno != EAGAIN)
            break;
        if (n == -1)
            linger_tend(l, clock_ms(), true);
        else
            sent += (size_t)n;
    }
    return sent;
}

static void
what_is_refused_is_told_the_end_and_may_send_on(void)
{
    int client = -1;
    unsigned char byte = 0;
    struct lingering l = refused(&client, true);

    CU_ASSERT_EQUAL(recv(client, &byte, 1, 0), 0);
    CU_ASSERT_TRUE(linger_is_looked_at(&l, clock_ms()));
    CU_ASSERT_EQUAL(send_all(&l, client, 8 * MEBIBYTE), 8 * MEBIBYTE);
    fd_close(&client);
    for (int i = 0; i < 100 && l.fd != -1; i++)
        linger_tend(&l, clock_ms(), true);
    CU_ASSERT_EQUAL(l.fd, -1);
    CU_ASSERT_EQUAL(linger_deadline(&l), INT64_MAX);
}

static void
who_sends_without_end_is_cut_by_bytes(void)
{
    int client = -1;
    struct lingering l = refused(&client, false);
    size_t sent = send_all(&l, client, 300 * MEBIBYTE);

    CU_ASSERT_EQUAL(l.fd, -1);
    CU_ASSERT(sent >= 256 * MEBIBYTE && sent < 260 * MEBIBYTE);
    fd_close(&client);
}

static void
who_stays_is_cut_by_time(void)
{
    int client = -1;
    struct lingering l = refused(&client, false);
    int64_t end = linger_deadline(&l);

    CU_ASSERT(end > clock_ms() && end <= clock_ms() + 60000);
    linger_tend(&l, end - 1, false);
    CU_ASSERT_NOT_EQUAL(l.fd, -1);
    linger_tend(&l, end, false);
    CU_ASSERT_EQUAL(l.fd, -1);
    fd_close(&client);
}

static void
a_finished_one_is_looked_at_later_and_takes_the_place_of_another(void)
{
    int client = -1, other = -1;
    struct lingering l = refused(&client, false), next = refused(&other, false);
    int64_t look = 0;

    linger_finished(&l, &next.fd, false);
    CU_ASSERT_EQUAL(send(client, "x", 1, MSG_NOSIGNAL), -1);
    look = linger_deadline(&l);
    CU_ASSERT_FALSE(linger_is_looked_at(&l, look - 1));
    CU_ASSERT_TRUE(linger_is_looked_at(&l, look));
    CU_ASSERT_EQUAL(send(other, "x", 1, MSG_NOSIGNAL), 1);
    linger_tend(&l, look, false);
    CU_ASSERT_NOT_EQUAL(l.fd, -1);
    CU_ASSERT(linger_deadline(&l) > look);
    linger_end(&l);
    CU_ASSERT_EQUAL(l.fd, -1);
    fd_close(&client);
    fd_close(&other);
}

static const struct unit_test tests[] = {
    { "what is refused is told the end and may send on",
      what_is_refused_is_told_the_end_and_may_send_on },
    { "who sends without end is cut by bytes", who_sends_without_end_is_cut_by_bytes },
    { "who stays is cut by time", who_stays_is_cut_by_time },
    { "a finished one is looked at later and takes the place of another",
      a_finished_one_is_looked_at_later_and_takes_the_place_of_another },
    { NULL, NULL }
};

const struct unit_suite suite_linger = { "linger", tests };
