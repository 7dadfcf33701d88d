"""Many at once: sessions, connections, limits."""

import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ftpclient import HELD_UP
from harness import procfs, wait_until


@pytest.mark.slow
@pytest.mark.limit(120)
def test_200_sessions_at_once(make_server):
    s = make_server(max_sessions_per_address=1000)
    folder = s.folder()
    content = os.urandom(100000)
    folder.make("f", content)

    def begin(n):
        return s.login(timeout=60, tls=("explicit", "implicit")[n % 2],
                       host=("127.0.0.1", "::1")[n // 2 % 2])

    def work(job):
        n, c = job
        for _ in range(2):
            assert c.retr(f"RETR {folder.ftp}/f") == content
            c.stor(f"STOR {folder.ftp}/u{n}", content)
        return True

    with ThreadPoolExecutor(24) as pool:
        sessions = list(pool.map(begin, range(200)))
        assert len(procfs.of_kind(s.pid, "sallyport-worker")) >= 200
        assert len(procfs.of_kind(s.pid, "sallyport-broker")) >= 200
        assert all(pool.map(work, enumerate(sessions)))
        list(pool.map(lambda c: c.quit(), sessions))
    assert len(folder.names()) == 201
    assert wait_until(lambda: len(procfs.of_kind(s.pid, "sallyport-worker")) <= 3, 10), \
        "workers of ended sessions live on"
    assert wait_until(lambda: len(procfs.of_kind(s.pid, "sallyport-broker")) <= 3, 10)


@pytest.mark.limit(90)
def test_a_burst_of_1000_connections_loses_none(make_server):
    s = make_server(max_sessions=2000, max_sessions_per_address=2000)
    socks = []
    try:
        for n in range(1000):
            x = socket.socket()
            x.setblocking(False)
            try:
                x.connect(("127.0.0.1", s.port))
            except BlockingIOError:
                pass
            socks.append(x)
        lost = 0
        end = time.monotonic() + 60
        for x in socks:
            x.settimeout(max(0.1, end - time.monotonic()))
            try:
                if not x.recv(200).startswith(b"220 "):
                    lost += 1
            except OSError:
                lost += 1
        assert lost == 0, f"{lost} of 1000 connections got no greeting"
        for x in socks[::50]:
            x.sendall(b"NOOP\r\n")
            x.settimeout(10 * HELD_UP)
            assert x.recv(200)[:3] in (b"200", b"530")
    finally:
        for x in socks:
            x.close()
    assert wait_until(lambda: len(procfs.of_kind(s.pid, "sallyport-worker")) <= 3, 20)
    s.login().quit()


def alone(server):
    """No session is left, not even the one that waited for the server to answer."""
    assert wait_until(lambda: len(procfs.of_kind(server.pid, "sallyport-worker")) <= 1, 10)
    time.sleep(0.2)


def test_sessions_are_bounded_with_a_word(make_server):
    s = make_server(max_sessions=5, max_sessions_per_address=5)
    alone(s)
    kept = [s.client(tls=None) for _ in range(5)]
    c = s.client(tls=None)
    assert c.greeting.code == 421
    assert c.closed(5)
    kept[0].quit()
    assert wait_until(lambda: not refused(s), 5), "a free place is not given again"
    for k in kept[1:]:
        k.quit()


def refused(server):
    c = server.client(tls=None)
    code = c.greeting.code
    c.abandon()
    return code == 421


def test_sessions_of_one_address_are_bounded_and_others_served(make_server):
    s = make_server(max_sessions=50, max_sessions_per_address=3)
    alone(s)
    kept = [s.client(tls=None) for _ in range(3)]
    assert refused(s)
    other = s.client(tls=None, source="127.0.0.5")
    assert other.greeting.code == 220
    for c in kept + [other]:
        c.quit()


def test_a_full_implicit_port_does_not_hang(make_server):
    s = make_server(max_sessions=1)
    alone(s)
    kept = s.client(tls=None)
    assert kept.greeting.code == 220
    x = socket.create_connection(("127.0.0.1", s.implicit), 5 * HELD_UP)
    x.settimeout(5 * HELD_UP)
    try:
        while x.recv(1000):
            pass
    except ConnectionError:
        pass
    x.close()
    kept.quit()


@pytest.mark.limit(90)
def test_templates_are_made_afresh_under_load(make_server):
    """Sessions begun while a template is replaced are served like all others."""
    s = make_server(template_sessions=3)
    for _ in range(20):
        c = s.login()
        assert c.cmd("NOOP").code == 200
        c.quit()
    with ThreadPoolExecutor(8) as pool:
        for c in pool.map(lambda n: s.login(timeout=30), range(24)):
            c.quit()


@pytest.mark.limit(90)
def test_connections_that_come_and_go_leave_nothing(make_server):
    s = make_server(max_sessions_per_address=1000)
    s.login().quit()

    def settled():
        return len(procfs.children(s.pid)) <= base

    time.sleep(0.5)
    base = len(procfs.children(s.pid))
    fds = len(procfs.descriptors(s.pid)) if os.geteuid() == 0 else 0
    for n in range(300):
        x = socket.create_connection(("127.0.0.1", s.port if n % 2 else s.implicit), 5 * HELD_UP)
        if n % 3 == 0:
            x.sendall(b"AUTH TLS\r\n")
        x.close()
    s.login().quit()
    assert wait_until(settled, 15), f"{len(procfs.children(s.pid))} children, {base} before"
    if fds:
        assert wait_until(lambda: len(procfs.descriptors(s.pid)) <= fds + 4, 5), \
            "the monitor leaks descriptors"


@pytest.mark.expects(r"side=worker|worker\.|crash")
def test_a_killed_worker_takes_nothing_with_it(make_server):
    s = make_server()
    folder = s.folder()
    victim, other = s.login(), s.login(source="127.0.0.2")
    mark = s.mark()
    worker = s.worker_of(victim)
    if worker is None:
        pytest.skip("the worker's descriptors cannot be read here")
    r, data = victim.transfer(f"STOR {folder.ftp}/f")
    data.sendall(b"x" * 1000)
    os.kill(worker, 11)
    assert victim.closed(5)
    line = s.wait_log(r"worker", mark)
    assert "127.0.0.1" in line
    other.names("NLST")
    s.login().quit()
    other.quit()
    data.close()
    assert "f" not in folder.names()
    assert wait_until(lambda: not procfs.alive(worker), 5)


def program_of(worker):
    """Where its own code lies."""
    return [m[:2] for m in procfs.mappings(worker) if m[3].endswith("/sallyport-worker")][0]


@pytest.mark.expects(r"side=worker|worker\.|crash")
def test_after_a_crash_workers_come_from_a_template_executed_afresh(make_server):
    """Addresses and canaries that a crash has told are worth nothing to the next worker."""
    s = make_server()
    kind = "sallyport-worker"
    alone(s)
    before = procfs.of_kind(s.pid, kind)
    for _ in range(3):
        victim = s.login()
        worker = s.worker_of(victim)
        place = program_of(worker)
        mark = s.mark()
        os.kill(worker, signal.SIGABRT)     # (AddressSanitizer makes an exit of SIGSEGV)
        assert victim.closed(5)
        s.wait_log(r"worker\.crashed", mark)
        other = s.login()
        assert program_of(s.worker_of(other)) != place, \
            "the next worker lies where the crashed one did"
        other.quit()
    assert wait_until(lambda: not before & procfs.of_kind(s.pid, kind), 10), \
        "the template of the crashed worker lives on"


@pytest.mark.expects(r".*")
def test_killed_templates_and_keyholder_come_back(make_server):
    s = make_server()
    kinds = ("sallyport-keyholder", "sallyport-broker", "sallyport-worker", "sallyport-login")
    alone(s)
    templates = {k: procfs.of_kind(s.pid, k) for k in kinds}
    old = s.login()
    for kind in kinds:
        assert templates[kind], kind
        for pid in templates[kind]:
            os.kill(pid, 9)

        def again():
            try:
                s.login(timeout=5).quit()
                return True
            except (OSError, AssertionError, EOFError):
                return False
        assert wait_until(again, 15, 0.3), f"no login after the death of {kind}"
    assert old.cmd("NOOP").code == 200
    old.names("NLST")
    old.quit()
