"""Data connections that never come, come twice, come from elsewhere, or only drip."""

import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from abusetools import in_step, pump
from ftpclient import HELD_UP, Client
from harness import procfs, times
from patience import Stopwatch


@pytest.fixture
def quick(hasty, tls):
    """A guest of the server with short clocks, in a folder with a file."""
    folder = hasty.folder()
    folder.make("f", b"content")
    c = hasty.login(tls=tls)
    c.expect(250, "CWD " + folder.ftp)
    c.folder = folder
    yield c
    c.abandon()


def silent_listener(c):
    """Told by PORT, and full: the kernel takes no further connection."""
    host = c.sock.getsockname()[0]
    s = socket.socket()
    s.bind((host, 0))
    s.listen(0)
    fillers = []
    for _ in range(3):
        f = socket.socket()
        f.setblocking(False)
        f.connect_ex(s.getsockname())
        fillers.append(f)
    port = s.getsockname()[1]
    c.expect(200, "PORT " + ",".join(host.split(".") + [str(port >> 8), str(port & 255)]))
    return [s] + fillers


def nobody(c):
    """Told by PORT, and closed again."""
    c.active().close()
    return []


LINES = ["RETR f", "STOR up", "APPE f", "STOU", "LIST", "NLST", "MLSD"]


@pytest.mark.slow
def test_data_connections_that_are_never_opened_are_425(hasty, tls, tried):
    """All at once, passive and active: each waits for its own time and no longer."""
    jobs = [(line, how) for line in LINES for how in ("passive", "silent", "nobody")]

    def run(job):
        line, how = job
        folder = hasty.folder()
        folder.make("f", b"content")
        c = hasty.login(tls=tls)
        c.expect(250, "CWD " + folder.ftp)
        held = []
        if how == "passive":
            c.passive()
        else:
            held = silent_listener(c) if how == "silent" else nobody(c)
        at = Stopwatch()
        c.expect(150, line)
        r = c.reply()
        took = at.passed(), at.own()
        assert r.code == 425, (job, r)
        assert took[1] < 1 if how == "nobody" else took[0] > 1.5 and took[1] < 6, (job, took)
        assert [n for n in folder.names() if n != "f"] == [] and folder.read("f") == b"content", job
        in_step(c)
        assert c.retr("RETR f") == b"content"
        for s in held:
            s.close()
        c.quit()

    with ThreadPoolExecutor(len(jobs)) as pool:
        list(pool.map(run, jobs))
    tried("data connections never opened", len(jobs))


def test_the_first_of_two_connections_is_served(quick, hasty, tried):
    worker = hasty.worker_of(quick)
    for line in ("RETR f", "NLST"):
        where = quick.passive()
        first, second = (socket.create_connection(where, 5 * HELD_UP) for _ in range(2))
        quick.expect(150, line)
        data = quick.wrap_data(first) if quick.protected else first
        with data:
            assert quick.receive(data).startswith(b"content" if line == "RETR f" else b"f\r\n")
        assert quick.reply().code == 226
        second.settimeout(5 * HELD_UP)
        with suppress(ConnectionError):
            assert second.recv(100) == b"", "a second connection was served, too"
        second.close()
        assert worker is None or listening(worker) == []
        in_step(quick)
        tried("data connections opened twice")


def test_a_stranger_is_passed_over(hasty, tls, tried):
    """From another address, before the client, between, and many of them."""
    folder = hasty.folder()
    folder.make("f", b"content")
    c = hasty.login(tls=tls, source="127.0.0.1")
    strangers = []
    for _ in range(5):
        where = c.passive()
        for n in range(2, 6):
            x = socket.socket()
            x.bind((f"127.0.0.{n}", 0))
            x.setblocking(False)
            x.connect_ex(where)         # as it goes: the kernel may not even let it in
            strangers.append(x)
        s = socket.create_connection(where, 5 * HELD_UP)
        c.expect(150, f"RETR {folder.ftp}/f")
        data = c.wrap_data(s) if c.protected else s
        with data:
            assert c.receive(data) == b"content"
        assert c.reply().code == 226
        tried("data connections of strangers", 4)
    for s in strangers:
        s.setblocking(False)
        with suppress(OSError):         # not connected at all, or reset
            assert s.recv(100) == b""
        s.close()
    in_step(c)
    c.quit()


@pytest.mark.slow
def test_opened_and_closed_before_the_command(hasty, tls, tried):
    jobs = [(line, how) for line in LINES for how in ("fin", "reset")]

    def run(job):
        line, how = job
        folder = hasty.folder()
        folder.make("f", b"content")
        c = hasty.login(tls=tls)
        c.expect(250, "CWD " + folder.ftp)
        s = socket.create_connection(c.passive(), 5 * HELD_UP)
        if how == "reset":
            Client.reset(s)
        else:
            s.close()
        time.sleep(0.05)
        c.expect(150, line)
        r = c.reply()
        # in clear the end of a connection is the end of a file, be it an empty one
        assert r.code in ((425, 426, 451) if c.protected else (425, 426, 226)), (line, r)
        if r.code != 226:
            assert not folder.path("up").exists()
        assert folder.read("f") == b"content"
        in_step(c)
        c.quit()

    with ThreadPoolExecutor(len(jobs)) as pool:
        list(pool.map(run, jobs))
    tried("data connections closed before the command", len(jobs))


def test_a_thousand_listeners_are_one(quick, hasty, tried):
    """PASV after PASV: descriptors and ports come back, and only the last one listens."""
    n = times(1000, 10000)
    worker = hasty.worker_of(quick)
    before = len(procfs.descriptors(worker)) if worker else 0
    monitor = len(procfs.descriptors(hasty.pid)) if worker else 0
    ports = []
    for k in range(n):
        ports.append(quick.passive("PASV" if k % 2 else "EPSV")[1])
    if worker:
        assert len(procfs.descriptors(worker)) <= before + 1
        assert len(procfs.descriptors(hasty.pid)) <= monitor + 2
        assert listening(worker) == [ports[-1]]
    assert quick.retr("RETR f") == b"content"
    in_step(quick)
    tried("listeners not used", n)


def listening(pid):
    """Ports on which a process listens."""
    inodes = {t[8:-1] for t in procfs.descriptors(pid).values() if t.startswith("socket:[")}
    with open("/proc/net/tcp") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    return [int(r[1].rsplit(":", 1)[1], 16) for r in rows if r[3] == "0A" and r[9] in inodes]


def test_ten_thousand_listeners_in_one_write(hasty, tls, tried):
    """A client that does this is no captured worker: it is served or told 425, never banned."""
    n = times(3000, 20000)
    c = hasty.login(tls=tls)
    codes = pump(c, b"EPSV\r\n" * n, n)
    assert set(codes) <= {229, 425} and len(codes) == n
    in_step(c)
    c.names("NLST")
    c.quit()
    tried("listeners not used", n)


def test_passive_and_active_by_turns(quick, hasty, tried):
    worker = hasty.worker_of(quick)
    for n in range(times(100, 2000)):
        s = quick.active()
        port = quick.passive()[1]
        assert worker is None or n % 10 or listening(worker) == [port]
        if n % 2:
            quick.expect(200, "PORT 127,0,0,1,%d,%d" % divmod(s.getsockname()[1], 256))
            assert worker is None or n % 10 != 1 or listening(worker) == []
        s.close()
        tried("changes between PASV and PORT")
    s = quick.active()
    s.close()
    assert quick.retr("RETR f") == b"content"
    assert quick.retr("RETR f", "active") == b"content"
    in_step(quick)


@pytest.mark.slow
def test_a_trickled_data_handshake_ends_in_time(make_server, tried):
    s = make_server(handshake_timeout="2 s", data_connect_timeout="2 s")
    c = s.login()
    x = socket.create_connection(c.passive(), 5 * HELD_UP)
    c.expect(150, "NLST")
    at = Stopwatch()
    with suppress(OSError):
        for n in range(40):
            x.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[n:n + 1] or b"r")
            time.sleep(0.1)
            if select.select([c.sock], [], [], 0)[0]:
                break
    assert c.reply().code == 425
    assert at.own() < 9
    x.close()
    in_step(c)
    c.names("NLST")
    c.quit()
    tried("bytes that dripped", 40)


GARBAGE = [b"content", b"\x16\x03\x01\xff\xff" + bytes(range(100)), b"\x15\x03\x01\x00\x02\x02\x28",
           b"\x17\x03\x03\x00\x10" + bytes(16), b"GET / HTTP/1.0\r\n\r\n", b"\x80\x2e\x01\x00\x02",
           bytes(5), b"QUIT\r\n"]


@pytest.mark.slow
def test_garbage_on_data_connections(hasty, tried):
    """Where TLS has to begin: plain text, other records, commands."""
    def run(garbage):
        folder = hasty.folder()
        c = hasty.login()
        s = socket.create_connection(c.passive(), 5 * HELD_UP)
        c.expect(150, f"STOR {folder.ftp}/up")
        with suppress(OSError):
            s.sendall(garbage)
            s.shutdown(socket.SHUT_WR)
        assert c.reply().code == 425, garbage
        s.close()
        assert folder.names() == []
        in_step(c)
        c.quit()

    with ThreadPoolExecutor(len(GARBAGE)) as pool:
        list(pool.map(run, GARBAGE))
    tried("data connections with garbage", len(GARBAGE))
