"""Hundreds who connect and say nothing, and floods of logins, while a customer works."""

import random
import socket
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from abusetools import census, in_step, settled
from ftpclient import HELD_UP, Client
from harness import PASSWORD, procfs, times, wait_until
from patience import Stopwatch

HALF_OPEN = 500
MOST = 3.0                      # seconds of a customer, beside ten times his quiet time


def customer(server, folder, source=None):
    """A login, an upload and a download, each with TLS: how long it took."""
    at = Stopwatch()
    c = server.login(timeout=30, source=source)
    c.stor(f"STOR {folder.ftp}/mine", b"m" * 50000)
    assert c.retr(f"RETR {folder.ftp}/mine") == b"m" * 50000
    c.quit()
    return at.own()


def bound(server, quiet):
    return max(10 * quiet, MOST * server.world.slower)


def half_open(server, n):
    """One more that will never log in; each kind stops somewhere else."""
    s = socket.create_connection(("127.0.0.1", server.implicit if n % 5 == 4 else server.port), 20 * HELD_UP)
    s.settimeout(20 * HELD_UP)
    if n % 5 == 1:
        s.sendall(b"AUTH TLS\r\n")
    elif n % 5 == 2:
        s.sendall(b"AUTH TLS\r\n")
        while not s.recv(200).endswith(b"handshake.\r\n"):
            pass
        s.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    elif n % 5 == 3:
        s.sendall(b"USER guest\r\nPA")
    elif n % 5 == 4:
        s.sendall(b"\x16\x03")
    return s


@pytest.mark.slow
@pytest.mark.limit(120)
def test_500_half_open_sessions_while_a_customer_works(make_server, world, tried):
    s = make_server(login_timeout="7 s", handshake_timeout="1 min", max_sessions_per_address=2000,
                    cleartext_networks=["127.0.0.0/8"])
    folder = s.folder()
    quiet = statistics.median(customer(s, folder) for _ in range(3))
    settled(s)
    begun = Stopwatch()
    with ThreadPoolExecutor(16) as pool:
        socks = list(pool.map(lambda n: half_open(s, n), range(HALF_OPEN)))
    opened = begun.passed()
    taken = [customer(s, folder) for _ in range(times(3, 10))]
    alive = census(s)["worker"]
    if opened < 5:
        assert alive >= HALF_OPEN, alive
    assert max(taken) < bound(s, quiet), (taken, quiet)
    if not world.sanitized and opened < 5:
        pids = random.Random(1).sample(sorted(procfs.of_kind(s.pid, "sallyport-worker")), 40)
        each = statistics.mean(procfs.resident(p) for p in pids if procfs.alive(p))
        assert each < 1 << 20, f"{each:.0f} bytes of each half-open session are its own"
        tried("KiB of its own in a half-open session", int(each) >> 10)
    # the login timeout takes them all, whatever they do, without one word from them
    settled(s, 16)
    assert begun.own() < 7 + opened + 6
    for x in socks:
        x.settimeout(1)
        with suppress(ConnectionError):
            while x.recv(4096):
                pass
        x.close()
    in_step(c := s.login())
    c.quit()
    tried("half-open sessions", HALF_OPEN)


@pytest.mark.parametrize("how", ["fin", "reset"])
def test_500_connections_that_go_at_once(patient, how, tried):
    folder = patient.folder()
    quiet = statistics.median(customer(patient, folder) for _ in range(3))
    settled(patient)
    fds = len(procfs.descriptors(patient.pid))

    def come_and_go(n):
        s = socket.create_connection(("127.0.0.1", patient.implicit if n % 2 else patient.port), 20 * HELD_UP)
        if n % 3 == 0:
            s.sendall(b"AUTH TLS\r\n")
        Client.reset(s) if how == "reset" else s.close()

    with ThreadPoolExecutor(8) as pool:
        flood = [pool.submit(come_and_go, n) for n in range(500)]
        taken = [customer(patient, folder) for _ in range(3)]
        for f in flood:
            f.result()
    assert max(taken) < bound(patient, quiet), (taken, quiet)
    settled(patient, 15)
    assert wait_until(lambda: len(procfs.descriptors(patient.pid)) <= fds + 4, 5), \
        "the monitor keeps descriptors"
    tried("connections that went at once", 500)


@pytest.mark.slow
@pytest.mark.limit(90)
def test_a_flood_of_wrong_passwords_while_a_customer_logs_in(make_server, tried):
    """From many addresses and one, known names and unknown: each waits for its own refusal."""
    s = make_server(max_sessions_per_address=1000, login_failure_delay="300 ms", login_attempts=100,
                    logins_at_once=8)
    folder = s.folder()
    quiet = statistics.median(customer(s, folder) for _ in range(3))
    end = time.monotonic() + times(3, 30)

    def attack(n):
        tries = 0
        source = "127.0.0.9" if n % 2 else f"127.0.1.{n + 1}"
        with suppress(OSError, EOFError):
            c = s.client(timeout=20, source=source)
            while tries == 0 or time.monotonic() < end:
                c.cmd("USER " + ("guest" if n % 3 else f"nobody{n}"))
                assert c.cmd("PASS wrong").code == 530
                tries += 1
            c.abandon()
        return tries

    with ThreadPoolExecutor(40) as pool:
        flood = [pool.submit(attack, n) for n in range(40)]
        time.sleep(0.5)
        taken = []
        while not taken or time.monotonic() < end - 0.5:
            taken.append(customer(s, folder))
        tries = sum(f.result() for f in flood)
    assert max(taken) < bound(s, quiet), (taken, quiet)
    assert tries >= 40
    assert s.log().count("login.granted") == 3 + len(taken)
    tried("wrong passwords", tries)


def test_reconnecting_for_ever_is_bounded_by_address(make_server, tried):
    """The places of one address are full of half-open sessions: another address is served."""
    s = make_server(max_sessions_per_address=20, max_sessions=100)
    folder = s.folder()
    socks = [socket.create_connection(("127.0.0.1", s.port), 5 * HELD_UP, source_address=("127.0.0.7", 0))
             for _ in range(60)]
    said = [x.recv(4096) for x in socks]
    assert all(x[:3] in (b"220", b"421") for x in said)
    assert customer(s, folder) < 10
    # The oldest give way to the newest, or those are refused: who is quicker decides. All but
    # as many as an address may have are told, and ended.
    for x in socks:
        x.setblocking(False)
    ended = set()

    def few_are_left():
        for n, x in enumerate(socks):
            with suppress(BlockingIOError):
                while n not in ended:
                    part = x.recv(4096)
                    said[n] += part
                    if not part:
                        ended.add(n)
        return len(socks) - len(ended) <= 20

    assert wait_until(few_are_left, 20)
    assert all(b"421" in said[n] for n in ended)
    assert len(ended) <= 44, "fewer are left than there is room for"
    for x in socks:
        x.close()
    assert wait_until(lambda: s.client(tls=None, source="127.0.0.7").greeting.code == 220, 5)
    tried("connections over the limit of an address", 40)


@pytest.mark.slow
def test_user_and_rein_do_not_prolong_the_time_to_log_in(make_server, tried):
    """Whatever is said before the login: it ends login_timeout after the connection began."""
    s = make_server(login_timeout="5 s", login_failure_delay="50 ms", cleartext_networks=["127.0.0.0/8"])
    lines = [b"REIN\r\n", b"USER guest\r\n", b"NOOP\r\n", b"\r\n", b"AUTH NONE\r\n",
             b"X" * 100, b"\xff\xf1", b"\0\r\n", b"FEAT\r\n", b"USER guest\r\nPASS "]

    def busy(line):
        c = s.client(tls=None)
        at = Stopwatch()
        c.sock.settimeout(0.1)
        got = b""
        try:
            while at.own() < 12:
                c.sock.sendall(line)
                time.sleep(0.2)
                with suppress(TimeoutError):
                    part = c.sock.recv(65536)
                    got += part
                    if not part:
                        break
        except OSError:
            pass
        c.abandon()
        assert at.passed() > 4 and at.own() < 8, (line, at.passed(), at.own())
        assert b"421" in got[-200:] or line == b"\xff\xf1", (line, got[-200:])
        return got

    with ThreadPoolExecutor(len(lines)) as pool:
        list(pool.map(busy, lines))
    settled(s)
    assert PASSWORD not in s.log()
    tried("busy sessions that do not log in", len(lines))
