"""What the tests of faults share: a tracer that makes a system call fail, the errors that
each call may return, and a session whose every step ends in time, well or badly."""

import errno
import os
import re
import socket
import subprocess
from itertools import count
from pathlib import Path

import pytest

import harness
import procfs
from ftpclient import HELD_UP
from harness import LONG, PASSWORD, wait_until

BOUND = 10              # seconds in which every reply or the end has to come
WHOLE = os.urandom(70000)
OLD = b"what was there before\r\n" * 700
HALF = WHOLE[:30000]
PART = ".sp-part."


# ---- errors -------------------------------------------------------------------------------
# What the kernel can return from each call to us. Left out: what it cannot (EINTR from a
# file's fsync, EAGAIN from a socket that blocks), close (the descriptor is gone whatever it
# says), and faults of our own (EBADF, EFAULT, EINVAL). brk says 0 where it fails.
ANY_SIDE = {
    "recvmsg": "EINTR ENOMEM", "sendto": "EINTR ENOBUFS ENOMEM",
    "sendmsg": "EINTR ENOBUFS ENOMEM",
    "poll": "EINTR ENOMEM", "mmap": "ENOMEM", "mprotect": "ENOMEM", "mremap": "ENOMEM",
    "brk": "0", "mlock": "ENOMEM EAGAIN", "pipe2": "EMFILE ENFILE",
    "fcntl,1,0xffffffff,1030": "EMFILE",            # F_DUPFD_CLOEXEC
    "fcntl,1,0xffffffff,1031": "EPERM ENOMEM",      # F_SETPIPE_SZ
}
FILES = {
    "open": "EMFILE ENFILE ENOMEM EIO", "openat": "EMFILE ENFILE ENOMEM EIO",
    "openat2": "EMFILE ENFILE ENOMEM EIO EINTR ENOSPC", "statx": "EIO ENOMEM",
    "newfstatat": "EIO ENOMEM", "stat": "EIO ENOMEM", "fstat": "EIO",
    "getdents64": "EIO ENOMEM", "readlinkat": "EIO ENOMEM",
    "mkdirat": "ENOSPC EDQUOT EIO", "unlinkat": "EIO ENOMEM",
    "renameat2": "EIO ENOSPC ENOMEM EDQUOT", "linkat": "EIO ENOSPC", "fchmod": "EIO",
    "fchown": "EIO EDQUOT", "copy_file_range": "ENOSPC EIO EDQUOT", "ftruncate": "EIO",
    "fallocate": "ENOSPC EDQUOT EOPNOTSUPP EIO EINTR",
    "fsync": "EIO ENOSPC EDQUOT", "fdatasync": "EIO ENOSPC", "flock": "EINTR ENOLCK",
    "fstatfs": "EIO", "pread64": "EIO", "pwrite64": "ENOSPC EIO",
}
RULES = {
    "worker": {
        **ANY_SIDE, "read": "EIO EINTR EAGAIN", "write": "ENOSPC EDQUOT EIO EINTR",
        "pread64": "EIO", "sendfile": "EIO EINTR ENOMEM", "splice": "ENOSPC EIO EDQUOT ENOMEM",
        "recvfrom": "EAGAIN EINTR ENOMEM ECONNRESET",
        "sendto": "EAGAIN EINTR ENOBUFS ECONNRESET ENOMEM",
        "accept4": "ECONNABORTED EMFILE ENOMEM ENFILE",
        "prlimit64": "EPERM", "prctl": "EINVAL", "seccomp": "ENOMEM",
        "landlock_create_ruleset": "EMFILE ENOMEM", "landlock_restrict_self": "ENOMEM",
        "close_range": "ENOMEM", "dup3": "EMFILE", "dup2": "EMFILE",
    },
    "broker": {
        **ANY_SIDE, **FILES, "read": "EIO", "write": "EINTR ENOMEM",
        "setgroups": "ENOMEM", "setresuid": "EAGAIN ENOMEM", "setresgid": "ENOMEM",
        "chroot": "ENOMEM EIO", "fchdir": "EIO", "chdir": "EIO ENOMEM", "capset": "ENOMEM",
        "landlock_create_ruleset": "EMFILE ENOMEM", "landlock_add_rule": "ENOMEM",
        "landlock_restrict_self": "ENOMEM", "seccomp": "ENOMEM", "prlimit64": "EPERM",
        "close_range": "ENOMEM", "dup3": "EMFILE", "dup2": "EMFILE",
    },
    "login": {
        **ANY_SIDE, **FILES, "read": "EIO EINTR", "write": "ENOSPC EIO",
        "fcntl,1,0xffffffff,6": "EAGAIN ENOLCK",    # F_SETLK
        "socket": "EMFILE ENOBUFS ENOMEM", "connect": "EAGAIN ECONNREFUSED",
        "clone": "EAGAIN ENOMEM", "clone3": "EAGAIN ENOMEM", "vfork": "EAGAIN ENOMEM",
        "close_range": "ENOMEM", "dup3": "EMFILE", "dup2": "EMFILE",
    },
    "keyholder": ANY_SIDE,
    "template": {**ANY_SIDE, "clone": "EAGAIN ENOMEM"},
    "monitor": {
        **ANY_SIDE, "accept4": "EMFILE ENFILE ENOMEM ECONNABORTED", "epoll_wait": "EINTR",
        "epoll_ctl,1,0xffffffff,1": "ENOMEM ENOSPC", "socketpair": "EMFILE ENFILE ENOMEM",
        "sendmsg": "ENOBUFS ENOMEM EINTR ETOOMANYREFS EAGAIN",
        "recvmsg": "EINTR ENOMEM EAGAIN", "socket": "EMFILE ENFILE ENOMEM ENOBUFS",
        "setsockopt": "ENOMEM ENOBUFS", "bind": "EADDRINUSE ENOMEM", "listen": "EADDRINUSE",
        "getsockname": "ENOBUFS", "connect": "EADDRNOTAVAIL ENOBUFS",
        "write": "ENOSPC EIO EINTR EAGAIN", "sendto": "EAGAIN ENOBUFS ENOMEM EINTR",
    },
}
ALL_CALLS = ["all:0"]


def rules(side):
    return [f"{call}:" + ",".join(str(getattr(errno, e, 0)) for e in names.split())
            for call, names in RULES[side].items()]


def choices(k):
    """Which of a call's errors the K-th gets: in the short form another one each time."""
    return count() if LONG else [k]


def tried_all(side, choice, hit):
    """Has the call that was struck no further error to return?"""
    ways = {name.split(",")[0]: len(errors.split()) for name, errors in RULES[side].items()}
    return hit is None or choice + 1 >= ways[hit[0]]


# ---- the tracer ---------------------------------------------------------------------------
class Gone(Exception):
    """The process to be traced has ended."""


class Tracer:
    """One fault in one process. at 0: the calls are only counted."""

    def __init__(self, world, pid, birth, action, at, choice, what):
        self.said = []
        self.process = subprocess.Popen(
            [str(world.build / "fault-tracer"), str(pid), "born" if birth else "self", action,
             str(at), str(choice), *what],
            # unbuffered: what comes right behind the first line is left for communicate
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        if self.process.stdout.readline().strip() != b"ready":
            error = self.process.communicate()[1].decode()
            if self.process.returncode == 77:
                pytest.skip("ptrace is not to be had here: " + error.strip())
            if "No such process" in error:
                raise Gone(pid)
            raise AssertionError(f"the tracer of {pid} says: {error}")

    def end(self):
        """Its lines, once it has let go."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            said, error = self.process.communicate(timeout=BOUND * HELD_UP)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise AssertionError("the tracer hangs") from None
        self.said = said.decode().splitlines()
        assert self.said and self.said[-1].startswith("end "), (self.said, error)
        return self.said

    @property
    def counted(self):
        return int(self.said[-1].split()[1])

    @property
    def hit(self):
        """The call that was struck, and how; None where it did not come so far."""
        return next((tuple(x.split()[1:]) for x in self.said if x.startswith("hit ")), None)


# ---- the server ---------------------------------------------------------------------------
def kids(pid):
    """The children of a process, zombies too.

    While one of them ends, the kernel may leave others out (proc(5)): so the list is read until
    it is the same twice.
    """
    path, last = Path(f"/proc/{pid}/task/{pid}/children"), None
    try:
        for _ in range(50):
            now = [int(p) for p in path.read_text().split()]
            if now == last:
                break
            last = now
        return now
    except FileNotFoundError:
        return procfs.children(pid)


def state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


class FaultServer(harness.Server):
    def __init__(self, world, name, **settings):
        super().__init__(world, name, **{
            "cleartext_networks": ["127.0.0.0/8"], "violation_ban": 0, "login_attempts": 100,
            "login_failure_delay": 0, "template_sessions": 1000000, "login_timeout": "6 s",
            "data_connect_timeout": "1 s", "data_stall_timeout": "5 s", "handshake_timeout": "1 s",
            **settings})
        self.rest = None
        self.account, self.home = ("guest", PASSWORD), self.jail("guest")

    def of_kind(self, kind):
        return [p for p in kids(self.pid) if procfs.name(p) == f"sallyport-{kind}"
                and state(p) not in "ZX"]

    def template(self, kind):
        """At rest there is one process of a kind: the template, or the keyholder."""
        found = []

        def one():
            found[:] = self.of_kind(kind)
            return len(found) == 1
        assert wait_until(one, BOUND), f"{kind}: {found}"
        return found[0]

    def settled(self):
        names = sorted(procfs.name(p) if state(p) != "Z" else "zombie" for p in kids(self.pid))
        what = procfs.descriptors(self.pid).values()
        return names, sorted(re.sub(r"\[\d+\]", "", x) for x in what)

    def remember(self):
        """Called once: at rest there is one process of each program, and no zombie."""
        self.serves()

        def still():
            last, self.rest = self.rest, self.settled()
            names = self.rest[0]
            return last == self.rest and len(names) == len(set(names) - {"", "zombie"}) >= 4
        assert wait_until(still, BOUND, 0.2), (self.settled(), self.log()[-2000:])

    def at_rest(self, timeout=BOUND):
        """No zombie, no process more or less, no descriptor more or less than at first."""
        assert self.process.poll() is None, "the monitor ended:\n" + self.log()[-3000:]
        assert wait_until(lambda: self.settled() == self.rest, timeout, 0.01), \
            f"left behind: {self.settled()}, not {self.rest}\n" + self.log()[-2000:]

    def serves(self, tls=None):
        c = self.login(*self.account, tls=tls, timeout=BOUND)
        c.cmd("QUIT")
        c.abandon()


# ---- a client that takes what comes -------------------------------------------------------
class Hang(AssertionError):
    pass


def told(step):
    """What a step of a client's ends with, in time: its result, or "closed"."""
    try:
        return step()
    except TimeoutError as e:
        raise Hang(f"no reply and no end in {BOUND} s") from e
    except (EOFError, OSError):
        return "closed"


def say(c, line):
    return told(lambda: c.cmd(line).code)


def transfer(c, line, content=None, rest=None):
    """(code or "closed", the bytes of a download)."""
    got = []
    r = told(lambda: c.cmd("EPSV"))
    if r == "closed" or r.code != 229:
        return getattr(r, "code", r), b""
    port = int(re.search(r"\|\|\|(\d+)\|", r.text)[1])
    data = told(lambda: socket.create_connection((c.host, port), BOUND * HELD_UP))
    if data == "closed":
        return "closed", b""
    try:
        if rest is not None and (code := say(c, f"REST {rest}")) != 350:
            return code, b""
        if (code := say(c, line)) not in (125, 150):
            return code, b""

        def moved():
            nonlocal data
            if c.secures_data():
                data = c.wrap_data(data)
            if content is None:
                while part := data.recv(262144):
                    got.append(part)
            else:
                data.sendall(content)
                c.finish(data)
        told(moved)             # a cut connection is told by the reply
        data.close()
        return told(lambda: c.reply().code), b"".join(got)
    finally:
        data.close()
