"""A users database on a disk that is full, has no inodes left, or is mounted read-only.

SQLite makes two files beside a database, even to read it; nobody may be locked out by that. The
disk is a small tmpfs in a mount namespace of the test.
"""

import subprocess
import sys

import pytest

import harness
from harness import needs_root, procfs, run

HOLD_OPEN = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("UPDATE accounts SET disabled = 1 WHERE name = 'reader'")
print("written", flush=True)
sys.stdin.read()
"""


class Disk:
    def __init__(self, server):
        self.server, self.at = server, server.dir / "disk"
        self.at.mkdir(mode=0o700)
        self.namespace = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", "echo; exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.namespace.stdout.readline()
        server.inside = ["nsenter", "-t", str(self.namespace.pid), "-m", "--"]
        self.do("mount", "-t", "tmpfs", "-o", "size=2m,nr_inodes=40,mode=700", "disk", self.at)

    def do(self, *argv, **kw):
        return run(*self.server.inside, *argv, **kw)

    def sh(self, script):
        """For each file it makes until none can be made, and the like."""
        return self.do("sh", "-c", f"cd {self.at} && {script}")

    def take_inodes(self):
        self.sh("i=0; while touch f$i 2>/dev/null; do i=$((i+1)); [ $i -lt 40 ] || exit 1; done")

    def take_space(self):
        self.sh("dd if=/dev/zero of=f bs=4k 2>/dev/null; [ $(stat -f -c %a .) = 0 ]")

    def take_writing(self):
        self.do("mount", "-o", "remount,ro", self.at)

    def names(self):
        return set(self.sh("ls").stdout.split())

    def end(self):
        self.namespace.communicate(timeout=10)


@pytest.fixture
def disk(world, request):
    needs_root()
    s = harness.Server(world, "full-disk")
    disk = Disk(s)
    request.addfinalizer(disk.end)
    request.addfinalizer(s.stop)
    s.settings["users_database"] = str(disk.at / "users.db")
    s.start()
    s.login().quit()
    s.wait_log("login.granted")
    return disk


def settled(disk):
    """What the last login leaves in the database is written, by a process that is gone now."""
    def at_rest():
        (template, *logins) = procfs.of_kind(disk.server.pid, "sallyport-login")
        return not logins and disk.names() == {"users.db"}

    assert harness.wait_until(at_rest, 10)


def who_gets_in(server):
    """Of two accounts, one read-only, with the right and with a wrong password."""
    in_, out = [], []
    for name in ("guest", "reader"):
        for password in (harness.PASSWORD, "wrong"):
            c = server.client()
            c.expect(331, f"USER {name}")
            code = c.cmd(f"PASS {password}").code
            (in_ if code == 230 else out).append((name, code))
            c.quit()
    return in_, out


@pytest.mark.parametrize("take", [Disk.take_inodes, Disk.take_space, Disk.take_writing],
                         ids=lambda x: x.__name__)
def test_nobody_is_locked_out(disk, take):
    """Nor is anybody let in; the time of the login is what is not written."""
    s = disk.server
    settled(disk)
    take(disk)
    before = disk.names()
    for _ in range(2):
        mark = s.mark()
        assert who_gets_in(s) == ([("guest", 230), ("reader", 230)],
                                  [("guest", 530), ("reader", 530)])
        s.wait_log("warning .*login.not_recorded user=guest", mark)
        assert "guest" in s.tool("user", "list").stdout
    assert s.tool("user", "set", "guest", "--disable", check=False).returncode == 1
    s.stop()
    assert disk.names() >= before


@pytest.mark.parametrize("take", [Disk.take_inodes, Disk.take_space],
                         ids=lambda x: x.__name__)
def test_what_is_in_the_log_of_a_writer_counts(disk, take):
    """A change that has not reached the database itself is not read past."""
    s = disk.server
    settled(disk)
    writer = subprocess.Popen([*s.inside, sys.executable, "-c", HOLD_OPEN,
                               disk.at / "users.db"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    try:
        assert writer.stdout.readline() == b"written\n"
        assert {"users.db-wal", "users.db-shm"} <= disk.names()
        take(disk)
        assert who_gets_in(s) == ([("guest", 230)], [("guest", 530), ("reader", 530),
                                                    ("reader", 530)])
    finally:
        writer.communicate(timeout=10)


def test_a_server_starts_with_a_database_that_cannot_be_written(disk):
    s = disk.server
    settled(disk)
    s.stop()
    disk.take_writing()
    s.start()
    s.login().quit()
