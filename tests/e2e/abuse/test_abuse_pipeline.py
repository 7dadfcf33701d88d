"""Ten thousand commands in one write; and clients that never read what they are told."""

import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from abusetools import in_step, memory, pump, settled
from ftpclient import HELD_UP, Client
from harness import PASSWORD, times
from patience import Stopwatch

N = 10000


def bounded(server, c, world, what, most=3 << 20):
    """Runs it and looks how the worker's memory has grown."""
    worker = server.worker_of(c)
    before = memory(worker) if worker else 0
    result = what()
    if worker and not world.sanitized:
        grown = memory(worker) - before
        assert grown < most, f"the worker grew by {grown} bytes"
    return result


# a line, its codes before and after the login
FLOODS = [
    ("NOOP", 200, 200), ("PWD", 530, 257), ("XYZZY", 500, 500), ("SYST", 215, 215),
    ("REST 5", 530, 350), ("TYPE I", 530, 200), ("SITE HELP", 214, 214),
    ("SITE UMASK", 530, 200), ("STAT", 211, 211), ("ABOR", 226, 226), ("QUOTE x", 500, 500),
    ("CLNT x", 200, 200), ("HELP", 214, 214), ("FEAT", 211, 211),
]


@pytest.mark.parametrize("line, before, after", FLOODS, ids=[f[0] for f in FLOODS])
def test_a_flood_of_one_command(control, patient, logged_in, world, tried, line, before, after):
    n = N if line in ("NOOP", "PWD") else times(1000, N)
    codes = bounded(patient, control, world,
                    lambda: pump(control, f"{line}\r\n".encode() * n, n))
    assert codes == [after if logged_in else before] * n
    in_step(control)
    tried("pipelined commands", n)


def test_a_mixed_flood_is_answered_in_order(control, patient, logged_in, world, tried):
    flood, wanted = b"", []
    for n in range(N):
        line, before, after = FLOODS[n * 7 % len(FLOODS)]
        flood += f"{line}\r\n".encode()
        wanted.append(after if logged_in else before)
    assert bounded(patient, control, world, lambda: pump(control, flood, N)) == wanted
    in_step(control)
    tried("pipelined commands", N)


def test_a_flood_of_user_before_the_login(patient, tls, world, tried):
    c = patient.client(tls=tls)
    flood = b"".join(b"USER user%d\r\n" % n for n in range(N))
    assert bounded(patient, c, world, lambda: pump(c, flood, N)) == [331] * N
    c.login("guest", PASSWORD)
    in_step(c)
    tried("pipelined commands", N)
    c.quit()


def test_a_flood_of_wrong_passwords_ends_after_three(patient, tls, tried):
    """The lines behind are never looked at: three refusals, one 421, the end."""
    settled(patient)
    mark = patient.mark()
    c = patient.client(tls=tls)
    flood = b"".join(b"USER user%d\r\nPASS x\r\n" % n for n in range(N // 2))
    codes = pump(c, flood, N)
    assert codes[:6] == [331, 530] * 3, codes[:10]
    # one more may be asked before the end is known; it is refused without a look at it
    assert codes[6:] in ([421], [331, 530, 421], [331, 421], []), codes[:20]
    c.abandon()
    assert patient.log(mark).count("login.refused") == 3
    settled(patient)
    tried("pipelined commands", N)


def test_a_flood_that_asks_the_broker(ftp, patient, folder, world, tried):
    folder.make("f", b"x")
    lines = [(b"MLST f", 250), (b"SIZE f", 213), (b"STAT f", 213), (b"MDTM f", 213),
             (b"CWD .", 250), (b"SIZE none", 550), (b"SITE CHMOD 644 f", 200),
             (b"RNFR f", 350), (b"RNTO f", 250)]
    n = times(1800, 9000)
    flood = b"".join(lines[k % len(lines)][0] + b"\r\n" for k in range(n))
    wanted = [lines[k % len(lines)][1] for k in range(n)]
    got = bounded(patient, ftp, world, lambda: pump(ftp, flood, n))
    assert [g for g, w in zip(got, wanted) if g != w and (g, w) != (553, 250)] == []
    in_step(ftp)
    tried("pipelined commands", n)


def test_transfers_in_a_flood(ftp, folder, tried):
    """Data connections that the server makes: the next command waits for the transfer."""
    folder.make("f", b"content")
    listener = socket.create_server((ftp.sock.getsockname()[0], 0))
    host, port = listener.getsockname()[:2]
    n = times(25, 1000)
    begin = b"PORT " + ",".join(host.split(".") + [str(port >> 8), str(port & 255)]).encode()
    flood = (begin + b"\r\nRETR f\r\nPWD\r\n" + begin + b"\r\nSTOR g\r\nPWD\r\n") * n
    ftp.raw(b"NOOP\r\n" * 100)
    ftp.raw(flood[:4000])           # no more than is taken while nobody reads here
    sent = flood[:4000].rfind(b"\n") + 1
    rest = flood[4000:]
    codes = [ftp.reply().code for _ in range(100)]
    assert codes == [200] * 100
    got = []
    for k in range(2 * n):
        if rest:
            ftp.raw(rest[:200])
            rest = rest[200:]
        listener.settimeout(10 * HELD_UP)
        s, _ = listener.accept()
        s.settimeout(10 * HELD_UP)
        got += [ftp.reply().code for _ in range(2)]
        data = ftp.wrap_data(s) if ftp.protected else s
        with data:
            if k % 2 == 0:
                assert ftp.receive(data) == b"content"
            else:
                data.sendall(b"%d" % k)
                ftp.finish(data)
        got += [ftp.reply().code for _ in range(2)]
    assert got == [200, 150, 226, 257] * (2 * n)
    assert folder.read("g") == b"%d" % (2 * n - 1) and sent
    in_step(ftp)
    listener.close()
    tried("pipelined transfers", 2 * n)


def test_ten_thousand_commands_behind_a_transfer_wait_for_it(ftp, folder, patient, world, tried):
    """What is held back is a line and a buffer; the rest stays with the client."""
    size = 8 << 20
    with open(folder.make("big"), "r+b") as f:
        f.truncate(size)
    r, data = ftp.transfer("RETR big")
    worker = patient.worker_of(ftp)
    before = memory(worker) if worker else 0
    got = 0
    ftp.sock.settimeout(0.2)
    sent = 0
    with suppress(TimeoutError, ssl.SSLError, BlockingIOError):
        for _ in range(N // 100):
            ftp.sock.sendall(b"PWD\r\n" * 100)
            sent += 100
    if worker and not world.sanitized:
        assert memory(worker) - before < 4 << 20
    ftp.sock.settimeout(ftp.timeout)
    with data:
        while part := data.recv(262144):
            got += len(part)
    assert got == size
    assert ftp.reply().code == 226
    if sent == N:
        assert [ftp.reply().code for _ in range(sent)] == [257] * sent
        in_step(ftp)
    tried("pipelined commands", sent)


# ---- who never reads -----------------------------------------------------------------------
def never_reads(server, tls, logged_in):
    c = server.login(tls=tls) if logged_in else server.client(tls=tls)
    c.sock.settimeout(0.5)
    with suppress(OSError):
        for _ in range(1000):
            c.sock.sendall(b"HELP\r\nFEAT\r\nSTAT\r\n" * 1000)
    c.sock.settimeout(c.timeout)
    return c


def drip(server, tls):
    """A byte a second: there is no least rate (scanners send slowly), so it goes on; a pause of
    data_stall_timeout is the end of it, wherever it comes."""
    folder = server.folder()
    c = server.login(tls=tls)
    c.expect(250, "CWD " + folder.ftp)
    r, data = c.transfer("STOR drip")
    for _ in range(7):
        data.sendall(b"d")
        time.sleep(1)
    in_step(c)                          # past data_stall_timeout, and still under way
    at = Stopwatch()
    r = c.reply()
    assert r.code == 426, r
    assert 3 < at.passed() and at.own() < 8
    Client.reset(data)
    assert "drip" not in folder.names()
    in_step(c)
    c.quit()


@pytest.mark.slow
@pytest.mark.limit(90)
def test_clients_that_never_read_end_in_time_and_harm_nobody(hasty, world, tried):
    """Send buffers full on control and data connections: login, idle and stall clocks hold."""
    folder = hasty.folder()
    with open(folder.make("big"), "r+b") as f:
        f.truncate(256 << 20)
    settled(hasty)
    mark = hasty.mark()
    begun = Stopwatch()
    pool = ThreadPoolExecutor(2)
    drips = [pool.submit(drip, hasty, tls) for tls in (None, "explicit")]
    deaf = [never_reads(hasty, tls, inside)
            for tls in (None, "explicit") for inside in (False, True)]
    pids = [hasty.worker_of(c) for c in deaf]
    if all(pids) and not world.sanitized:
        assert max(memory(p) for p in pids) < 32 << 20
    stalled = []
    for tls in (None, "explicit"):
        for line in ("RETR big", f"STOR up{tls}"):
            c = hasty.login(tls=tls)
            c.expect(250, "CWD " + folder.ftp)
            r, data = c.transfer(line)
            assert data, r
            if line.startswith("STOR"):
                data.sendall(b"half")
            stalled.append((Stopwatch(), c, data))
    # a customer meanwhile
    for tls in (None, "explicit"):
        at = Stopwatch()
        c = hasty.login(tls=tls)
        c.stor(f"STOR {folder.ftp}/mine", b"x" * 100000)
        assert c.retr(f"RETR {folder.ftp}/mine") == b"x" * 100000
        c.quit()
        assert at.own() < 3
    for at, c, data in stalled:
        r = c.reply()
        assert r.code in (426, 421), r
        # what the kernel takes into full buffers after a while is progress, once
        assert 4 < at.passed() and at.own() < 13
        Client.reset(data)
        in_step(c)
        c.quit()
    for d in drips:
        d.result()
    # 6 s to log in or 10 s idle, and 5 s for the last word
    settled(hasty, 18)
    assert begun.own() < 25
    log = hasty.log(mark)
    assert log.count("session.timeout reason=idle") == 2, log
    assert [n for n in folder.names() if not n.startswith(".")] == ["big", "mine"]
    for c in deaf:
        c.abandon()
    tried("clients that never read, or drip", 10)


def test_more_listeners_than_anybody_needs_are_no_breach(ftp, patient, tried):
    """Each takes the place of the one before it; the monitor answers as it has time."""
    n = 13000
    mark = patient.mark()
    codes = pump(ftp, b"EPSV\r\n" * n, n, timeout=200)
    assert codes == [229] * n
    in_step(ftp)
    assert "breach" not in patient.log(mark)
    tried("pipelined commands", n)


@pytest.mark.limit(300)
def test_more_deletions_than_the_monitor_hears_at_once(tls, patient, folder, tried):
    """Each is a line for the log: who sends more of them than are written goes on all the same."""
    n = 30000
    names = [f"{i}" for i in range(n)]
    for name in names:
        (folder.disk / name).touch()
    mark = patient.mark()
    c = patient.login(tls=tls)
    assert c.cmd("CWD " + folder.ftp).code == 250
    codes = pump(c, b"".join(b"DELE %s\r\n" % name.encode() for name in names), n, timeout=200)
    assert codes == [250] * n
    in_step(c)
    c.quit()
    assert folder.names() == []
    assert "breach" not in patient.log(mark)
    tried("pipelined commands", n)
