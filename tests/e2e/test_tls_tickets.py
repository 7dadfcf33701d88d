"""Data connections with the wrong ticket: refused, and the rightful one is still served.

The bond is membership in the FTP session (interop.md 4): tickets of other sessions, dead
or alive, and forged ones get nothing, and whoever presents one costs the owner nothing.
"""

import os
import select
import signal
import socket
from contextlib import suppress

import pytest

import rawtls
from ftpclient import HELD_UP, Client
from harness import PASSWORD, Server, wait_until
from rawtls import RawClient, TLSError, bend

VERSIONS = ["1.2", "1.3"]
CONTENT = b"for the owner " * 500


@pytest.fixture(scope="module")
def short(world):
    """Waits are short; and there is a second account."""
    s = Server(world, "tickets", data_connect_timeout="3 s", handshake_timeout="3 s",
               signatures_burst=10000, signatures_rate=1000)
    s.start()
    yield s
    s.stop()


@pytest.fixture
def place(short):
    f = short.folder()
    f.make("f", CONTENT)
    return f


KEPT = []           # clients whose sessions go on as long as their server


def got(server, version, user="guest", tls="explicit", dies=None, **kw):
    """The TLS session of an FTP session that lives, or has ended."""
    c = RawClient.of(server, user, tls=tls, version=version, **kw)
    c.passive() if user else c.expect(200, "NOOP")
    worker = server.worker_of(c)
    if dies == "quit":
        c.quit()
    elif dies == "kill":
        os.kill(worker, signal.SIGKILL)
    if dies:
        assert wait_until(lambda: not os.path.exists(f"/proc/{worker}"))
        c.abandon()
    else:
        KEPT.append(c)
    return c.sock.session


class Others:
    """Sessions that somebody else got: one server, one version, made once."""

    def __init__(self, server, version):
        self.living = got(server, version)
        self.quit = got(server, version, dies="quit")
        self.killed = got(server, version, dies="kill")
        self.account = got(server, version, "reader")
        self.implicit = got(server, version, tls="implicit")
        self.nobody = got(server, version, None)

    def close(self):
        while KEPT:
            KEPT.pop().abandon()


@pytest.fixture(scope="module", params=VERSIONS)
def others(request, short):
    o = Others(short, request.param)
    o.version = request.param
    yield o
    o.close()


def flip(at):
    def change(data):
        at_ = at if at >= 0 else len(data) + at
        return data[:at_] + bytes([data[at_] ^ 1]) + data[at_ + 1:]
    return change


def stretched(size):
    return lambda ticket: (ticket * (size // len(ticket) + 1))[:size]


# name: what a thief presents, from the sessions of others and the owner's own
WRONG = {
    "none": lambda o, own: None,
    "of a living session": lambda o, own: o.living,
    "of a session that said QUIT": lambda o, own: o.quit,
    "of a session whose worker was killed": lambda o, own: o.killed,
    "of another account": lambda o, own: o.account,
    "of the implicit port": lambda o, own: o.implicit,
    "of a session not logged in": lambda o, own: o.nobody,
    "key name bent": lambda o, own: bend(own, rawtls.TICKET, flip(0)),
    "IV bent": lambda o, own: bend(own, rawtls.TICKET, flip(16)),
    "content bent": lambda o, own: bend(own, rawtls.TICKET, flip(40)),
    "seal bent": lambda o, own: bend(own, rawtls.TICKET, flip(-1)),
    "cut short": lambda o, own: bend(own, rawtls.TICKET, lambda t: t[:-1]),
    "one block cut out": lambda o, own: bend(own, rawtls.TICKET, lambda t: t[:32] + t[48:]),
    "name only": lambda o, own: bend(own, rawtls.TICKET, lambda t: t[:16]),
    "one byte": lambda o, own: bend(own, rawtls.TICKET, lambda t: t[:1]),
    "noise": lambda o, own: bend(own, rawtls.TICKET, lambda t: os.urandom(len(t))),
    "huge": lambda o, own: bend(own, rawtls.TICKET, stretched(16000)),
    "own ticket, another's secret":
        lambda o, own: bend(own, rawtls.SECRET, lambda s: os.urandom(len(s))),
    "another's ticket, own secret":
        lambda o, own: bend(o.living, rawtls.SECRET,
                            lambda s: rawtls.fields(own)[rawtls.SECRET][1]),
}


def attempt(sock, line, session, version):
    """A thief on a connection: what it was sent. It must never be inside the session."""
    got, thief = b"", rawtls.Peer(sock, version=version, session=session)
    with suppress(OSError), thief:
        thief.handshake()
        if line.startswith("STOR"):
            thief.sendall(b"stolen " * 100)
            thief.unwrap()
        else:
            while more := thief.recv(65536):
                got += more
    return got


def serve(owner, sock, line, place):
    """The owner's own connection, to the end of the transfer."""
    with owner.wrap_data(sock) as data:
        assert data.session_reused
        if line.startswith("STOR"):
            data.sendall(CONTENT)
            owner.finish(data)
        else:
            got = Client.receive(data)
            assert got == CONTENT if line.startswith("RETR") else b" f\r\n" in got
    end = owner.reply()
    assert end.code == 226, end
    if line.startswith("STOR"):
        assert place.read("up") == CONTENT


def wrong_ones(owner, o):
    for name, make in WRONG.items():
        if o.version == "1.3" and name == "one byte":
            continue                    # libssl itself sends no identity that short
        yield name, make(o, owner.sock.session)


@pytest.mark.limit(120)
@pytest.mark.parametrize("command", ["RETR", "STOR", "LIST"])
def test_the_owner_behind_a_wrong_ticket_is_served(short, others, place, command, tried):
    """Passive: the thief is first in the listener's queue, the owner waits behind."""
    owner = RawClient.of(short, version=others.version, timeout=10)
    line = f"{command} {place.ftp}" + {"RETR": "/f", "STOR": "/up", "LIST": ""}[command]
    n = 0
    for name, session in wrong_ones(owner, others):
        where = owner.passive()
        stolen = socket.create_connection(where, 5 * HELD_UP)
        mine = socket.create_connection(where, 5 * HELD_UP)
        stolen.settimeout(5 * HELD_UP)
        mine.settimeout(10 * HELD_UP)
        assert owner.cmd(line).code == 150
        got = attempt(stolen, line, session, others.version)
        assert got == b"", f"served to a ticket that is wrong: {name}"
        serve(owner, mine, line, place)
        n += 1
    assert n >= len(WRONG) - 1
    tried("wrong tickets on passive data connections", n)
    owner.quit()


@pytest.mark.parametrize("version", VERSIONS)
def test_where_sessions_of_an_account_share_no_others_do(world, version, tried):
    server = Server(world, "sharing", data_connect_timeout="3 s", handshake_timeout="3 s",
                    signatures_burst=10000, signatures_rate=1000, resumption_shared=True)
    server.start()
    place = server.folder()
    place.make("f", CONTENT)
    foreign = {
        "of a session that said QUIT": got(server, version, dies="quit"),
        "of a session whose worker was killed": got(server, version, dies="kill"),
        "of another account": got(server, version, "reader"),
        "of another address": got(server, version, source="127.0.0.5"),
        "of a session not logged in": got(server, version, None, source="127.0.0.5"),
    }
    owner, line = RawClient.of(server, version=version, timeout=10), f"RETR {place.ftp}/f"
    for name, session in foreign.items():
        where = owner.passive()
        stolen = socket.create_connection(where, 5 * HELD_UP)
        mine = socket.create_connection(where, 5 * HELD_UP)
        stolen.settimeout(5 * HELD_UP)
        mine.settimeout(10 * HELD_UP)
        assert owner.cmd(line).code == 150
        assert attempt(stolen, line, session, version) == b"", f"served: {name}"
        serve(owner, mine, line, place)
    tried("wrong tickets on passive data connections", len(foreign))
    owner.quit()
    server.stop()


@pytest.mark.limit(120)
@pytest.mark.parametrize("command", ["RETR", "STOR", "LIST"])
def test_a_wrong_ticket_at_the_end_of_an_active_connection_is_522(short, others, place,
                                                                  command, tried):
    owner = RawClient.of(short, version=others.version, timeout=10)
    line = f"{command} {place.ftp}" + {"RETR": "/f", "STOR": "/up", "LIST": ""}[command]
    n = 0
    for name, session in wrong_ones(owner, others):
        listener = owner.active()
        assert owner.cmd(line).code == 150
        s, _ = listener.accept()
        s.settimeout(5 * HELD_UP)
        listener.close()
        got = attempt(s, line, session, others.version)
        assert got == b"", f"served to a ticket that is wrong: {name}"
        r = owner.reply()
        # a handshake that was broken off has not even shown a ticket
        assert r.code in ((522,) if "secret" not in name and name != "huge"
                          else (425, 522)), (name, r)
        assert not place.path("up").exists(), name
        n += 1
    r, data = owner.transfer(line, mode="PORT")
    with data:
        if command == "STOR":
            data.sendall(CONTENT)
            owner.finish(data)
        else:
            Client.receive(data)
    assert owner.reply().code == 226
    tried("wrong tickets on active data connections", n)
    owner.quit()


def test_many_thieves_at_once_do_not_crowd_the_owner_out(short, others, place, tried):
    version = others.version
    owner = RawClient.of(short, version=version, timeout=15)
    where = owner.passive()
    queue = [socket.create_connection(where, 5 * HELD_UP) for _ in range(12)]
    mine = socket.create_connection(where, 5 * HELD_UP)
    mine.settimeout(15 * HELD_UP)
    line = f"RETR {place.ftp}/f"
    assert owner.cmd(line).code == 150
    for s in queue:
        s.settimeout(5 * HELD_UP)
        assert attempt(s, line, others.living, version) == b""
    serve(owner, mine, line, place)
    tried("wrong tickets on passive data connections", len(queue))
    owner.quit()


@pytest.mark.parametrize("presents", ["its own", "a foreign", "no"])
def test_session_ids_of_tls_1_2_are_bound_as_tickets_are(short, place, presents):
    """Clients without tickets resume by the id of a session (RFC 5246 section 7.3)."""
    ids = {"options": rawtls.NO_TICKET}
    thief = RawClient.of(short, version="1.2", tls_=ids)
    owner = RawClient.of(short, version="1.2", tls_=ids, timeout=10)
    assert not rawtls.has_ticket(owner.sock.session)
    line = f"RETR {place.ftp}/f"
    if presents == "its own":
        assert owner.retr(line) == CONTENT
    for dead in (False, True):
        if dead:
            thief.quit()
        where = owner.passive()
        stolen, mine = (socket.create_connection(where, 5 * HELD_UP) for _ in range(2))
        stolen.settimeout(5 * HELD_UP)
        mine.settimeout(10 * HELD_UP)
        assert owner.cmd(line).code == 150
        if presents != "its own":
            session = thief.sock_session if dead else thief.sock.session
            thief.sock_session = session
            got = attempt(stolen, line, session if presents == "a foreign" else None, "1.2")
            assert got == b""
        else:
            thief.sock_session = None
            stolen.close()
        serve(owner, mine, line, place)
    owner.quit()


def test_a_ticket_of_the_other_version_is_none(short, place):
    """Of the very session, but dressed up as one of TLS 1.3 (or 1.2)."""
    line = f"RETR {place.ftp}/f"
    suites = {"1.2": b"\xc0\x2f", "1.3": b"\x13\x01"}
    for mine, other in (("1.2", "1.3"), ("1.3", "1.2")):
        owner = RawClient.of(short, version=mine, timeout=10)
        session = bend(owner.sock.session, rawtls.VERSION,
                       lambda _: b"\x03\x04" if other == "1.3" else b"\x03\x03")
        session = bend(session, 2, lambda _: suites[other])
        where = owner.passive()
        first, second = (socket.create_connection(where, 5 * HELD_UP) for _ in range(2))
        first.settimeout(5 * HELD_UP)
        second.settimeout(10 * HELD_UP)
        assert owner.cmd(line).code == 150
        assert attempt(first, line, session, other) == b""
        serve(owner, second, line, place)
        owner.quit()


def knock(where, source):
    """A connection from an address, on its way: nobody waits for what never answers."""
    s = socket.socket()
    s.bind((source, 0))
    s.setblocking(False)
    s.connect_ex(where)
    return s


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("owner_at, strangers_at", [
    ("127.0.0.1", [f"127.0.0.{n}" for n in range(2, 22)]),
    ("127.0.0.2", ["127.0.0.1"] * 20)])
def test_the_own_ticket_from_another_address_gets_not_even_a_connection(
        short, place, version, owner_at, strangers_at, tried):
    """Their SYN is dropped in the kernel: they take no place in the queue either."""
    owner = RawClient.of(short, version=version, timeout=10, source=owner_at)
    line = f"RETR {place.ftp}/f"
    where = owner.passive()
    strangers = [knock(where, a) for a in strangers_at]
    mine = socket.create_connection(where, 5 * HELD_UP, source_address=(owner_at, 0))
    mine.settimeout(10 * HELD_UP)
    assert owner.cmd(line).code == 150
    connected = 0
    for s in strangers:
        # the only one that could be: no kernel filter (then the worker turns it away)
        if select.select([], [s], [], 0)[1] and not s.getsockopt(socket.SOL_SOCKET,
                                                                 socket.SO_ERROR):
            connected += 1
            s.settimeout(5 * HELD_UP)
            assert attempt(s, line, owner.sock.session, version) == b""
    serve(owner, mine, line, place)
    for s in strangers:
        s.close()
    assert connected == 0, "a listener of the owner's answered to a foreign address"
    tried("data connections from a foreign address", len(strangers))
    owner.quit()


def test_control_connections_do_not_resume_the_session_of_another_worker(short, others):
    """A ticket opens nothing but the data connections of its own session."""
    for session in (others.living, others.killed):
        c = RawClient.of(short, None, version=others.version, tls_={"session": session})
        assert not c.sock.session_reused
        c.login("guest", PASSWORD)
        c.quit()


def test_tickets_have_no_early_data_and_a_server_takes_none(short, place, tried):
    """0-RTT can be replayed: a command, or an upload's bytes, twice."""
    owner = RawClient.of(short, version="1.3", timeout=10)
    owner.passive()
    assert owner.sock.sessions
    for session in owner.sock.sessions:
        assert rawtls.max_early_data(session) == 0
    # a client that sends it all the same, with the right ticket
    for n in range(3):
        s = socket.create_connection(owner.passive(), 5 * HELD_UP)
        s.settimeout(10 * HELD_UP)
        assert owner.cmd(f"STOR {place.ftp}/early").code == 150
        data = rawtls.Peer(s, version="1.3", session=owner.sock.session, early=True)
        data.early_data(b"EARLY " * 100)
        with suppress(TLSError), data:
            data.handshake()
            assert not data.early_accepted
            data.sendall(b"late")
            data.unwrap()
        r = owner.reply()
        assert r.code in (226, 425, 426, 522), r
        if r.code == 226:
            assert place.read("early") == b"late"
        else:
            assert not place.path("early").exists()
    # and on the control connection: a USER that would be executed before the Finished
    p = rawtls.Peer(socket.create_connection(("127.0.0.1", short.implicit), 5 * HELD_UP),
                    version="1.3", session=owner.sock.session, early=True)
    p.settimeout(10 * HELD_UP)
    p.early_data(b"SYST\r\n")
    with suppress(TLSError), p:
        p.handshake()
        assert not p.early_accepted
        assert p.recv(4096).startswith(b"220")
        p.settimeout(0.5)
        with suppress(TimeoutError):
            assert p.recv(4096) == b"", "early data was executed"
    tried("handshakes with early data", 4)
    owner.quit()
