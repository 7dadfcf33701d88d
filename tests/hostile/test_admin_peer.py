"""The admin socket's peer breaks every rule: only its own connection may suffer."""

import os
import re
import signal
import socket
import struct
from itertools import islice

import pytest

import harness
import procfs
from harness import wait_until
from puppet import kernel_keeps_descriptors_away, text, u8, u32

pytestmark = [pytest.mark.expects(r"\bbreach side=admin\b")]

TABLE = re.findall(r"^MESSAGE\((\w+),", (harness.HERE.parent.parent / "include/wire/messages.def")
                   .read_text(), re.M)
NUMBER = {name: i + 1 for i, name in enumerate(TABLE)}
CLIENTS = 8                     # CLIENTS_MOST of src/monitor/admin.c


@pytest.fixture(scope="module")
def admin(world):
    s = harness.Server(world, "admin-socket")
    s.start()
    yield s
    s.stop()


def record(name, body=b""):
    return struct.pack("<H", NUMBER[name]) + body


def network(address="192.0.2.7", bits=32, port=0):
    packed = struct.pack("<BBHI", 4, 0, port, 0) + socket.inet_aton(address) + bytes(12)
    return text(packed) + u8(bits)


class Tool:
    def __init__(self, server):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        here = os.open(".", os.O_PATH)
        os.chdir(server.dir / "run" / "admin")
        try:
            self.sock.connect("socket")
        finally:
            os.fchdir(here)
            os.close(here)
        self.sock.settimeout(20 * harness.SLOWER)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.sock.close()

    def send(self, data, fds=()):
        socket.send_fds(self.sock, [data], fds)

    def rows(self):
        """Names of the rows until the end of the connection."""
        while True:
            try:
                got = self.sock.recv(65536)
            except (ConnectionResetError, BrokenPipeError):
                return
            if not got:
                return
            yield TABLE[struct.unpack_from("<H", got)[0] - 1]


def answers(server):
    """An honest request is answered."""
    with Tool(server) as t:
        t.send(record("BAN_LIST"))
        return list(t.rows())[-1:] == ["ADMIN_DONE"]


WRONG = {
    "nothing": b"", "half a number": b"\1", "number 0": b"\0\0", "number 65535": b"\xff\xff",
    "a number past the table": struct.pack("<H", len(TABLE) + 1),
    "too long": record("RELOAD", b"x"), "longer than any message": record("RELOAD", b"x" * 17000),
    "cut": record("BAN_ADD", network()), "more": record("BAN_REMOVE", network() + b"x"),
    "a prefix that is none": record("BAN_REMOVE", network(bits=33)),
    "bits beyond the prefix": record("BAN_REMOVE", network("192.0.2.7", 24)),
    "a port": record("BAN_ADD", network(port=7) + u32(1)),
    "no family": record("BAN_ADD", text(bytes(24)) + u8(0) + u32(1)),
    "a short address": record("BAN_ADD", text(bytes(23)) + u8(0) + u32(1)),
    "an account without a name": record("ACCOUNT_CHANGED", text("") + u8(1)),
    "a name with a line break": record("ACCOUNT_CHANGED", text("guest\nx") + u8(1)),
    "a name that is too long": record("ACCOUNT_CHANGED", text("x" * 257) + u8(1)),
    "a change of nothing": record("ACCOUNT_CHANGED", text("guest") + u8(0)),
    "a change past the last one": record("ACCOUNT_CHANGED", text("guest") + u8(7)),
    "a change that no byte may be": record("ACCOUNT_CHANGED", text("guest") + u8(255)),
    "half a change": record("ACCOUNT_CHANGED", text("guest")),
    **{f"{name} of another peer": record(name, b"") for name in
       ("START", "SPAWN_WORKER", "LOGIN", "GRANTED", "SERVING", "TRANSFER", "LOG", "SANDBOX",
        "ADMIN_DONE", "BAN", "SHUTDOWN")},
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_request_ends_its_connection_alone(admin, what):
    mark = admin.mark()
    with Tool(admin) as t:
        t.send(WRONG[what])
        assert list(t.rows()) == []
    if WRONG[what]:                     # an empty record reads as the end
        admin.wait_log(r"breach side=admin uid=\d+ ", mark)
    assert answers(admin)
    assert admin.process.poll() is None


@pytest.mark.parametrize("count", [1, 2, 3, 16])
def test_descriptors_are_refused_and_closed(admin, count):
    before = len(procfs.descriptors(admin.pid))
    with open("/dev/null") as f, Tool(admin) as t:
        try:
            t.send(record("BAN_LIST"), [f.fileno()] * count)
        except PermissionError:         # the kernel lets none pass: the request never came
            assert kernel_keeps_descriptors_away()
        else:
            assert list(t.rows()) == []
    assert wait_until(lambda: len(procfs.descriptors(admin.pid)) <= before, 5)
    assert answers(admin)


def test_a_second_request_on_one_connection_is_a_breach(admin):
    mark = admin.mark()
    with Tool(admin) as t:
        os.kill(admin.pid, signal.SIGSTOP)      # it hears both at once: a reload may be quick
        try:
            t.send(record("RELOAD"))
            t.send(record("RELOAD"))
        finally:
            os.kill(admin.pid, signal.SIGCONT)
        assert "ADMIN_DONE" not in list(t.rows())
    admin.wait_log(r"breach side=admin .*message=RELOAD fault=wrong-state", mark)
    admin.wait_log(r"reload\.(done|refused)", mark, timeout=20)
    assert answers(admin)


def test_an_account_that_has_no_session_is_no_fault(admin):
    client = admin.login()
    for name in ("users:guest", "GUEST", "guest ", "../guest", "pam:guest", "x" * 256, "\xff"):
        with Tool(admin) as t:
            t.send(record("ACCOUNT_CHANGED", text(name) + u8(1)))
            assert list(t.rows()) == ["ADMIN_DONE"]
    client.expect(200, "NOOP")
    client.quit()


def test_one_who_leaves_is_forgotten(admin):
    before = len(procfs.descriptors(admin.pid))
    for request in (None, "BAN_LIST", "RELOAD"):
        mark = admin.mark()
        for _ in range(3 * CLIENTS):
            with Tool(admin) as t:
                if request:
                    t.send(record(request))
        if request == "RELOAD":
            admin.wait_log(r"reload\.done", mark, timeout=20)
    assert answers(admin)
    # reloads that nobody waits for any more run to their end
    assert wait_until(lambda: len(procfs.descriptors(admin.pid)) <= before, 60, 0.1)


def test_those_who_say_nothing_hold_the_socket_for_some_seconds_only(admin):
    silent = [Tool(admin) for _ in range(CLIENTS + 3)]
    client = admin.login()              # sessions are served meanwhile
    client.expect(200, "NOOP")
    assert answers(admin)               # once the first ones have had their time
    client.quit()
    for t in silent:
        t.sock.close()


def test_one_who_does_not_read_stops_nobody(admin):
    for i in range(1200):
        with Tool(admin) as t:
            t.send(record("BAN_ADD", network(f"10.{i >> 8}.{i & 255}.1") + u32(0)))
            assert list(t.rows()) == ["ADMIN_DONE"]
    stuck = [Tool(admin) for _ in range(CLIENTS - 1)]
    for t in stuck:
        t.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        t.send(record("BAN_LIST"))
    assert answers(admin)
    admin.login().quit()
    for t in stuck[:2]:                 # it comes whole, when it is read
        rows = list(t.rows())
        assert rows == ["BAN"] * 1200 + ["ADMIN_DONE"]
    for t in stuck:
        t.sock.close()
    with Tool(admin) as t:
        t.send(record("BAN_REMOVE", network("10.0.0.0", 8)))
        assert list(islice(t.rows(), 3)) == ["ADMIN_DONE"]
    assert answers(admin)
