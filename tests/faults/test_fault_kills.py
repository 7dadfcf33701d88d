"""Each kind of process is killed in turn, at rest and in the middle of a transfer: what
restarts, restarts; what ends, ends with its own session only; no file is lost."""

import os
import resource
import signal
from contextlib import suppress

import pytest

import harness
import procfs
from faults import BOUND, HALF, OLD, PART, WHOLE, FaultServer, state, told, transfer
from ftpclient import HELD_UP
from harness import needs_root, times, wait_until
from patience import Stopwatch

SIGNALS = ["KILL", "SEGV", "TERM"]
pytestmark = [
    pytest.mark.expects(r"\b(worker|broker)\.crashed signal=(9|11|15) "),
    pytest.mark.expects(r"\bsession\.closed reason=crashed "),
    pytest.mark.expects(r"\bbroker\.ended status=1"),
    pytest.mark.expects(r"\btemplate\.ended kind=\w+ ready=yes status=0 signal=(9|11|15)"),
    pytest.mark.expects(r"\bkeyholder\.(crashed signal=(9|11|15)|ended status=0)"),
]


@pytest.fixture(scope="module")
def _server(world):
    needs_root()
    s = FaultServer(world, "kills")
    s.start()
    s.add_user("neighbour")
    s.remember()
    yield s
    s.stop()


@pytest.fixture
def server(_server):
    yield _server
    _server.at_rest()
    _server.serves()
    _server.at_rest()


def upload_half(server, folder, name="f", tls=None, user="guest", source=None):
    """A session in the middle of an upload over an old file: (client, data)."""
    folder.make(name, OLD)
    c = server.login(user, tls=tls, timeout=BOUND, source=source)
    r, data = c.transfer(f"STOR {folder.ftp}/{name}")
    assert r.code == 150, r
    data.sendall(HALF)
    assert wait_until(lambda: PART + name in folder.names()
                      and len(folder.read(PART + name)) == len(HALF), BOUND)
    return c, data


def finish_upload(c, data, folder, name="f"):
    data.sendall(WHOLE[len(HALF):])
    c.finish(data)
    assert c.reply().code == 226
    assert folder.read(name) == WHOLE, "226, and the file is not whole"
    assert folder.names() == [name]


# a login does not hear SIGTERM: it is to close PAM sessions when the whole group is ended
@pytest.mark.parametrize("kind, sig", [(kind, sig) for sig in SIGNALS
                                       for kind in ("worker", "broker", "keyholder", "login")
                                       if (kind, sig) != ("login", "TERM")])
def test_what_was_started_by_the_monitor_is_started_again(server, kind, sig, tried):
    for _ in range(times(1, 10)):
        folder = server.folder()
        old = server.template(kind)
        c, data = upload_half(server, folder, tls="explicit")
        os.kill(old, getattr(signal, "SIG" + sig))
        assert wait_until(lambda: state(old) == "X", BOUND), "it was not waited for"
        server.serves("explicit")       # at once, if it has to wait for the new one
        finish_upload(c, data, folder)  # other sessions go on
        c.abandon()
        server.at_rest()
        assert server.template(kind) != old
        tried(f"templates and keyholders killed by SIG{sig}")


def test_a_handshake_that_waits_for_a_dying_keyholder_ends_and_the_next_does_not(server, tried):
    for _ in range(times(3, 30)):
        keyholder = server.template("keyholder")
        os.kill(keyholder, signal.SIGSTOP)
        c = server.client(tls=None, timeout=BOUND)
        c.expect(234, "AUTH TLS")
        c.sock.settimeout(0.1)
        with suppress(TimeoutError, OSError):
            c.secure()
            pytest.fail("a handshake without the keyholder")
        os.kill(keyholder, signal.SIGKILL)
        assert wait_until(lambda: state(keyholder) == "X", BOUND)
        c.abandon()
        server.serves("explicit")
        server.at_rest()
        tried("keyholders killed while a handshake waited")


@pytest.mark.parametrize("sig", SIGNALS)
@pytest.mark.parametrize("kind", ["worker", "broker"])
def test_a_session_whose_process_is_killed_ends_alone(server, kind, sig, tried):
    """Beside one of another address and account (e2e/test_siblings.py has those alike)."""
    templates = {server.template(k) for k in ("worker", "broker")}
    folder, others = server.folder(), server.folder("neighbour")
    other, other_data = upload_half(server, others, user="neighbour", source="127.0.0.2")
    theirs = set(server.of_kind(kind)) - templates
    c, data = upload_half(server, folder)
    victim, = set(server.of_kind(kind)) - templates - theirs
    os.kill(victim, getattr(signal, "SIG" + sig))
    assert told(lambda: c.reply().code) in ("closed", 421, 426, 451)
    assert c.closed(BOUND)
    data.close()
    c.abandon()
    assert wait_until(lambda: state(victim) == "X", BOUND)
    finish_upload(other, other_data, others)
    other.abandon()
    server.at_rest()
    assert folder.read("f") == OLD, "the old file is lost"
    again = server.login(tls=None, timeout=BOUND)
    assert transfer(again, f"STOR {folder.ftp}/f", WHOLE)[0] == 226
    assert folder.names() == ["f"] and folder.read("f") == WHOLE
    again.abandon()
    tried(f"{kind}s killed in an upload")


@pytest.mark.parametrize("busy", [False, True], ids=["at-rest", "in-an-upload"])
@pytest.mark.parametrize("sig", SIGNALS)
def test_all_ends_with_the_monitor_and_another_starts_at_once(world, sig, busy, tried):
    needs_root()
    s = FaultServer(world, "monitor-killed")
    s.start()
    folder = s.folder()
    sessions = [upload_half(s, folder), (s.login(tls="explicit"), None)] if busy else []
    if busy:                    # a new file, that nothing stands for yet
        c = s.login(tls=None, timeout=BOUND)
        r, data = c.transfer(f"STOR {folder.ftp}/new")
        data.sendall(HALF)
        assert wait_until(lambda: len(folder.read(PART + "new")) == len(HALF), BOUND)
        sessions.append((c, data))
    family = procfs.descendants(s.pid)
    begin = Stopwatch()
    os.kill(s.pid, getattr(signal, "SIG" + sig))
    if sig != "TERM":
        s.process.wait(BOUND * HELD_UP)
        harness.Server.running.remove(s)
        s.start()               # the same file, ports, directories: while the old ones end
        s.serves("explicit")
        assert begin.own() < 5
    for c, data in sessions:
        assert c.closed(BOUND)
        c.abandon()
        if data is not None:
            data.close()
    if sig == "TERM":
        assert s.process.wait(BOUND * HELD_UP) == 0
        harness.Server.running.remove(s)
        s.start()
    assert wait_until(lambda: all(state(p) in "XZ" for p in family), 6), \
        [(p, procfs.name(p)) for p in family if state(p) not in "XZ"]
    if busy:
        assert folder.read("f") == OLD, "the old file is lost"
        assert "new" not in folder.names(), "half a file has its final name"
        c = s.login(tls=None, timeout=BOUND)
        assert transfer(c, f"STOR {folder.ftp}/new", WHOLE[len(HALF):], len(HALF))[0] == 226
        assert folder.read("new") == WHOLE, "what was there could not be resumed"
        assert transfer(c, f"STOR {folder.ftp}/f", WHOLE)[0] == 226
        assert folder.names() == ["f", "new"]
        c.abandon()
    s.serves("explicit")
    s.stop()
    tried("monitors that ended" + (" in uploads" if busy else ""))


def test_a_monitor_without_descriptors_goes_on_when_it_has_some(server, tried):
    """A real limit, and not one call that fails: also of descriptors that messages bring."""
    soft, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    highest = max(procfs.descriptors(server.pid)) + 1
    for room in range(times(14, 20)):
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (highest + room, hard))
        c = told(lambda: server.client(tls=None, greet=False, timeout=1.5 / HELD_UP))
        if c != "closed":
            with suppress(TimeoutError):        # it may wait in the kernel's queue
                if c.reply().code == 220:
                    say_quickly(c, "USER guest")
                    if say_quickly(c, "PASS " + harness.PASSWORD) == 230:
                        say_quickly(c, "EPSV")
            c.abandon()
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (soft, hard))
        server.at_rest()
        server.serves()
        tried("limits of descriptors of the monitor")


def say_quickly(c, line):
    try:
        return c.cmd(line).code
    except TimeoutError:
        raise
    except (EOFError, OSError):
        return "closed"
