/*
 * worker/data.h - the data connection of the next or running transfer
 *
 * Runs in: worker.                       Blocks: never.
 * Trusts:  nothing: who connects is the peer's address and, under TLS, resumes a session of
 *          this FTP session (or of one that is as good: monitor/bond.h), or is not served.
 * Owns:    the listener, the connections that are candidates, and the one that was chosen.
 *          One that failed goes to linger.h.
 *
 * interop.md, rules 3 to 6. A connection that does not prove its bond does not use the
 * listener up: up to DATA_CANDIDATES shake hands side by side, the first to pass is taken. A
 * further one takes the place of the one that has been silent for the longest time.
 */
#ifndef SP_WORKER_DATA_H
#define SP_WORKER_DATA_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "worker/linger.h"

struct tls_stream;
struct worker;

#define DATA_CANDIDATES 4
#define DATA_POLL (DATA_CANDIDATES + 1)

enum data_mode { DATA_NONE, DATA_PASSIVE, DATA_ACTIVE };

/* Why it did not come about, for the reply. */
enum data_failure {
    DATA_FINE,
    DATA_NOT_OPENED,            /* nobody connected, or the client's port did not answer: 425 */
    DATA_NO_TLS,                /* the handshake failed, or none came: 425                    */
    DATA_NO_BOND                /* TLS, but no session of this FTP session: 522               */
};

struct candidate {
    int fd;
    struct tls_stream *tls;
    bool connecting;            /* active: connect(2) is under way            */
    bool heard;                 /* it has said something                      */
    int64_t since;              /* clock_us: when it did so last, or came     */
    int64_t until;              /* clock_ms: the handshake is to be done      */
    int64_t again;              /* clock_ms: its ticket is asked about again; 0: it is not */
};

struct data {
    enum data_mode mode;
    bool private;               /* TLS is asked for (PROT P), decided when the transfer begins */
    bool exempt;                /* need not resume                                            */
    int listener;
    uint16_t port;              /* active: the client's                                       */
    struct candidate candidates[DATA_CANDIDATES];
    size_t count;
    int fd;                     /* chosen; the mode stays until the transfer has ended        */
    struct tls_stream *tls;     /* of the chosen one; NULL: in clear */
    bool resumed;
    bool bonded;                /* one of this session has resumed before                     */
    int64_t deadline;           /* clock_ms */
    int64_t idle_until;         /* clock_ms: the listener goes if no transfer was asked for   */
    enum data_failure failure;
    bool knocked;               /* somebody may wait at the listener                          */
    struct lingering linger;       /* the last one, or one that was refused: closing             */
};

void data_init(struct data *d);
/* Forget PASV or PORT and close what is open (a running transfer's connection, too). */
void data_reset(struct data *d);
/* At the end of a session: that, and what lingers. */
void data_clear(struct data *d);
/* After PASV, EPSV: takes the listener over. */
void data_set_passive(struct worker *w, int listener);
/* After PORT, EPRT. */
void data_set_active(struct data *d, uint16_t port);
/*
 * Before the transfer is asked for: take the connection of a client that comes early, and
 * answer a ClientHello that it has sent (curl waits for that before it says RETR). Nothing
 * is lost where it fails: the listener stays.
 */
void data_early(struct worker *w);
/*
 * A listener that no transfer asks for is closed when its time is up: its port is others',
 * too. Who had connected by then stays. Only between transfers.
 */
void data_tend_listener(struct worker *w, int64_t now);
/* clock_ms when that happens; INT64_MAX: never. */
int64_t data_idle_deadline(const struct data *d);
/* Has that happened, with nobody there, or did the monitor take the port away? */
bool data_is_given_up(const struct data *d);
/* clock_ms when data_early, or data_open, has to ask about a ticket again; INT64_MAX. */
int64_t data_asks_again(const struct data *d);
/* Is there something for data_early to wait for, by data_poll? */
bool data_waits_early(const struct data *d);
/*
 * Has the client connected before it asks for the transfer, and not resumed, as it never
 * does? Then the refusal is final, and comes instead of 150.
 */
bool data_has_failed(struct worker *w);
/* The reply to that, and to SP_REFUSED of data_open. */
unsigned data_failure_reply(const struct data *d, const char **text);
/*
 * A transfer begins: fix whether TLS is needed, make the active connection. 150 is sent by
 * now or right after. SP_REFUSED: failure says why. SP_CLOSED: the monitor is gone.
 */
SP_CHECK enum sp_err data_begin(struct worker *w);
/*
 * One step towards a served connection. SP_OK: d->fd (and d->tls) are there. SP_AGAIN: wait
 * for data_poll. SP_REFUSED: it did not come about, failure says why.
 */
SP_CHECK enum sp_err data_open(struct worker *w);
/* Has it come about (early), or can it not any more? Nothing is waited for then. */
bool data_is_decided(const struct data *d);
/* Is the chosen one closed both ways or reset? For who waits, but not for the client. */
bool data_is_cut(const struct data *d);
/* clock_ms by which data_open must be called even if nothing happens. */
int64_t data_deadline(const struct data *d);
/* What to wait for until then. Returns how many of out[DATA_POLL] were filled. */
size_t data_poll(const struct data *d, struct pollfd *out);
/* What poll(2) said of what data_poll put into p. */
void data_heard(struct data *d, const struct pollfd *p, size_t n);
/*
 * The end of a transfer in order: FIN after what was sent; the socket lingers, so that bytes
 * of the client still under way meet no reset. received: of an upload.
 */
void data_finish(struct data *d, bool received);
/* The chosen connection is cut at once. */
void data_cut(struct data *d);

#endif
