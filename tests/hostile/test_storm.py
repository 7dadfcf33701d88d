"""Hundreds of hostile sessions, while an honest one transfers: what it feels, what is left."""

import hashlib
import os
import re
import threading

import pytest

from patience import Stopwatch
import procfs
from harness import needs_root, times, wait_until
from puppet import Gone, Puppet, require_puppet, start, text, u8, u16, u32

pytestmark = [pytest.mark.expects(r"\bbreach\b|sandbox\.violation|\bcrashed\b"),
              pytest.mark.limit(3600)]

SESSIONS = times(400, 5000)
KIB = 1024
GROWTH = 512 * KIB              # of a process's own memory, however many sessions there were


def hostile_session(server, i):
    """One of many kinds, each to its end."""
    with Puppet(server) as p:
        log, listen = p.rows["LOG"].type, p.rows["LISTEN"].type
        kinds = (
            lambda: p.attack("record m ff"),
            lambda: p.attack("crash"),
            lambda: p.attack(f"send m {log} 16 00"),
            lambda: p.attack(f"flood m {log} 300"),
            lambda: p.attack(p.step("m", "SANDBOX", u32(0xc000003e) + u32(59))),
            lambda: (p.secure(), p.try_login("guest", "wrong"), p.attack("QUIT")),
            lambda: (p.secure(), p.try_login(), p.attack("crash")),
            lambda: (p.enter("USER"), p.attack(f"flood m {listen} 20")),
            lambda: (p.enter("USER"), p.attack("record b ff")),
            lambda: (p.enter("UPLOAD"), p.attack("crash")),
            lambda: (p.secure(), p.attack(p.step("m", "SIGN", u8(0) + u16(0x403)
                                                 + text("x"))), p.attack("QUIT")),
            lambda: p.sock.sendall(b"flood m"),
        )
        try:
            kinds[i % len(kinds)]()
        except (Gone, OSError):
            pass


class Honest(threading.Thread):
    """A real client with a real worker: every file whole, every reply the right one."""

    def __init__(self, client, folder):
        super().__init__()
        self.client, self.folder = client, folder
        self.over = threading.Event()
        self.rounds, self.longest, self.error = 0, 0, None
        self.content = os.urandom(200 * KIB)
        folder.make("down", self.content)

    def run(self):
        try:
            while not self.over.is_set():
                began = Stopwatch()
                assert self.client.retr("RETR down") == self.content
                self.client.stor("STOR up", self.content)
                assert hashlib.sha256(self.folder.read("up")).digest() \
                    == hashlib.sha256(self.content).digest()
                assert self.client.cmd("NOOP").code == 200
                self.longest = max(self.longest, began.own())
                self.rounds += 1
        except BaseException as error:          # noqa: B902 (told to the test)
            self.error = error


@pytest.fixture
def mixed(world):
    """Its first sessions have honest workers, all later ones captured ones."""
    needs_root()
    require_puppet(world)
    s = start(world, "storm", signatures_burst=1000)
    yield s
    s.stop()


def memory(server):
    """Program and number -> bytes of its own, of all that outlive a session."""
    return {(procfs.name(p), p): procfs.resident(p)
            for p in [server.pid, *procfs.children(server.pid)] if procfs.alive(p)}


@pytest.mark.slow
def test_a_storm_of_hostile_sessions_leaves_nothing_behind(mixed, tried):
    server = mixed
    server.world.not_sanitized("what is freed there stays in memory for a while")
    for i in range(60):             # caches fill, and buffers find their size
        hostile_session(server, i)
    crashes = len(re.findall(r"crashed", server.log()))
    server.at_rest()
    before, files = memory(server), len(procfs.descriptors(server.pid))
    monitor = before["sallyportd", server.pid]
    for i in range(SESSIONS):
        hostile_session(server, i)
    server.at_rest()
    after = memory(server)
    assert len(procfs.descriptors(server.pid)) == files
    assert after["sallyportd", server.pid] - monitor < GROWTH, (before, after)
    # A crash takes its template along; what has lived through the storm has not grown.
    same = before.keys() & after.keys()
    assert any(name == "sallyport-keyholder" for name, _ in same)
    assert len(after) == len(before)
    for process in same:
        assert after[process] - before[process] < GROWTH, (process, before, after)
    assert len(re.findall(r"crashed", server.log())) - crashes >= SESSIONS // 12
    tried("hostile sessions, with memory and descriptors counted", SESSIONS)


@pytest.mark.slow
def test_an_honest_session_feels_nothing_of_a_storm(mixed, tried):
    server = mixed
    server.honest("worker", True)
    server.reload()
    folder = server.folder()
    wait_until(lambda: len(procfs.of_kind(server.pid, "sallyport-worker")) > 0, 10)
    c = server.login()
    assert procfs.name(server.worker_of(c)) == "sallyport-worker"
    assert os.path.samefile(f"/proc/{server.worker_of(c)}/exe",
                            server.world.build / "sallyport-worker")
    assert c.cmd("CWD " + folder.ftp).code == 250
    server.honest("worker", False)
    server.reload()
    honest = Honest(c, folder)
    honest.start()
    try:
        for i in range(SESSIONS):
            hostile_session(server, i)
            if honest.error:
                break
    finally:
        honest.over.set()
        honest.join(30)
    assert honest.error is None, honest.error
    assert honest.rounds >= 10
    assert honest.longest < 10, f"it had to wait {honest.longest:.1f} s"
    c.quit()
    tried("transfers of an honest session during a storm", 2 * honest.rounds)
    tried("hostile sessions beside an honest one", SESSIONS)
