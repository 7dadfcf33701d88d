"""ABOR at every moment of a transfer, plain and the way of RFC 959 (IP, Synch, then ABOR)."""

import socket
import time
from contextlib import suppress

import pytest

from abusetools import in_step
from ftpclient import HELD_UP
from harness import LONG, times

BIG = 64 << 20                  # sparse: more than all socket buffers take
WAYS = [("EPSV", "plain"), ("EPSV", "synch"), ("active", "ip only")]
if LONG:
    WAYS = [(mode, way) for mode in ("EPSV", "active") for way in ("plain", "synch", "ip only")]
DONE = ([226],)
WAITING = ([225],)
CUT = ([426, 226],)
EITHER = ([426, 226], [226, 226])       # who was first is for the machine to say


@pytest.fixture
def files(folder):
    folder.make("f", b"0123456789" * 100)
    with open(folder.make("big"), "r+b") as f:
        f.truncate(BIG)
    folder.make("old", b"the old content")
    many = folder.mkdir("many")
    for n in range(300):
        (many / f"{n:04}-{'x' * 200}").touch()
    return folder


def abort(c, way):
    if way == "plain":
        c.raw(b"ABOR\r\n")
    elif way == "synch":
        c.synch()
    else:
        c.raw(b"\xff\xf4ABOR\r\n")


def codes(c, n):
    return [c.reply().code for _ in range(n)]


def listener_or_address(c, mode):
    return c.active() if mode == "active" else c.passive("EPSV")


def close(thing):
    if hasattr(thing, "close"):
        thing.close()


def verdict(c, wanted):
    got = codes(c, len(wanted[0]))
    assert got in wanted, (got, wanted)
    return got


# ---- moments: each begins a transfer (line), aborts it, and says what was answered --------
def without_a_transfer(c, line, mode, way):
    abort(c, way)
    return verdict(c, DONE)


def after_the_data_command(c, line, mode, way):
    where = listener_or_address(c, mode)
    abort(c, way)
    got = verdict(c, WAITING)
    assert c.cmd(line).code == 425, "an aborted data connection was used"
    close(where)
    return got


def behind_the_command(c, line, mode, way):
    """In one segment: 150 is out before ABOR is looked at."""
    where = listener_or_address(c, mode)
    if way == "synch" and not c.protected:
        c.raw(line.encode() + b"\r\n\xff\xf4")
        c.sock.send(b"\xff", socket.MSG_OOB)
        c.raw(b"\xf2ABOR\r\n")
    else:
        c.raw(line.encode() + b"\r\n" + {"plain": b"", "synch": b"\xff\xf4\xff\xf2",
                                         "ip only": b"\xff\xf4"}[way] + b"ABOR\r\n")
    assert c.reply().code == 150
    # in active mode the connection may be there and a little file through before ABOR is
    got = verdict(c, EITHER if mode == "active" and not c.protected else CUT)
    close(where)
    return got


def before_the_data_connection(c, line, mode, way):
    if mode == "active":
        s = c.active()
        s.listen(0)
        return _begun_and_aborted(c, line, way, s, EITHER if not c.protected else CUT)
    c.passive("EPSV")
    return _begun_and_aborted(c, line, way, None, CUT)


def _begun_and_aborted(c, line, way, s, wanted):
    assert c.cmd(line).code == 150
    time.sleep(0.02)
    abort(c, way)
    got = verdict(c, wanted)
    close(s)
    return got


def during_the_data_handshake(c, line, mode, way):
    where = listener_or_address(c, mode)
    s = socket.create_connection(where) if mode != "active" else None
    assert c.cmd(line).code == 150
    if s is None:
        s, _ = where.accept()
    s.sendall(b"\x16\x03\x01\x02\x00\x01")          # the beginning of a ClientHello
    time.sleep(0.02)
    abort(c, way)
    got = verdict(c, CUT)
    assert_closed(s)
    close(where)
    return got


def assert_closed(s):
    s.settimeout(5 * HELD_UP)
    with suppress(OSError):
        while s.recv(262144):
            pass
    s.close()


def after_bytes(n, wanted):
    def moment(c, line, mode, way):
        r, data = c.transfer(line, mode)
        assert data is not None, r
        if line.startswith(("STO", "APPE")):
            data.sendall(b"n" * n)
        else:
            got = 0
            while got < n:
                got += len(data.recv(min(65536, n - got)))
        abort(c, way)
        got = verdict(c, wanted)
        assert_closed(data)
        return got
    moment.__name__ = f"after_{n}_bytes"
    return moment


def at_the_last_byte(c, line, mode, way):
    return after_bytes(999, EITHER)(c, line, mode, way)


def after_the_last_byte(c, line, mode, way):
    """The client has seen or sent the end; 226 may be on its way, or publishing under way."""
    r, data = c.transfer(line, mode)
    if line.startswith(("STO", "APPE")):
        data.sendall(b"whole")
        if c.protected:
            data.settimeout(5 * HELD_UP)
            raw = data.unwrap()
            abort(c, way)
            raw.close()
        else:
            data.shutdown(socket.SHUT_WR)
            abort(c, way)
            data.close()
    else:
        c.receive(data)
        abort(c, way)
        data.close()
    return verdict(c, EITHER)


def after_226(c, line, mode, way):
    if line.startswith(("STO", "APPE")):
        c.stor(line, b"whole", mode)
    else:
        c.retr(line, mode)
    abort(c, way)
    return verdict(c, DONE)


def twice(c, line, mode, way):
    c.passive("EPSV")
    assert c.cmd(line).code == 150
    abort(c, way)
    abort(c, way)
    return verdict(c, ([426, 226, 226],))


COMMON = [without_a_transfer, after_the_data_command, behind_the_command,
          before_the_data_connection, during_the_data_handshake, twice]
DOWN = [("RETR big", m) for m in COMMON + [after_bytes(1, CUT), after_bytes(1000, CUT),
                                           after_bytes(1 << 20, CUT)]] \
    + [("RETR f", m) for m in (at_the_last_byte, after_the_last_byte, after_226)] \
    + [("LIST many", m) for m in COMMON[2:] + [after_bytes(100, EITHER), after_the_last_byte,
                                               after_226]] \
    + [("MLSD many", m) for m in (before_the_data_connection, after_bytes(100, EITHER))]
UP = [(line, m) for line in ("STOR new", "STOR old", "APPE old", "STOU")
      for m in COMMON[2:] + [after_bytes(1, CUT), after_bytes(100000, CUT), after_the_last_byte,
                             after_226]]


@pytest.mark.parametrize("mode, way", WAYS)
def test_abor_at_every_moment_of_a_download(ftp, files, mode, way, tried):
    for line, moment in DOWN:
        if moment is during_the_data_handshake and not ftp.protected:
            continue
        try:
            moment(ftp, line, mode, way)
            in_step(ftp)
            # what comes next finds nothing of it
            assert ftp.retr("RETR f", mode) == b"0123456789" * 100
        except BaseException as e:
            raise AssertionError(f"{line}, {moment.__name__}: {e!r}") from e
        tried("moments of ABOR")
    in_step(ftp)


@pytest.mark.slow
@pytest.mark.parametrize("mode, way", WAYS)
def test_abor_at_every_moment_of_an_upload(ftp, files, mode, way, tried):
    for line, moment in UP:
        if moment is during_the_data_handshake and not ftp.protected:
            continue
        files.make("old", b"the old content")
        with suppress(FileNotFoundError):
            files.path("new").unlink()
        before = visible(files)
        try:
            got = moment(ftp, line, mode, way)
            in_step(ftp)
            complete = got[0] == 226
            check_content(files, line, complete, before)
            ftp.stor("STOR next", b"next", mode)
            assert files.read("next") == b"next"
        except BaseException as e:
            raise AssertionError(f"{line}, {moment.__name__}: {e!r}") from e
        tried("moments of ABOR")
    in_step(ftp)


def visible(folder):
    """The names that another program would take for complete files."""
    return {n for n in folder.names() if not n.startswith(".") and n != "next"}


def check_content(folder, line, complete, before):
    now = visible(folder)
    if line == "STOU":
        assert len(now - before) == complete and before <= now
        assert all(folder.read(n) in (b"whole", b"") for n in now - before)
    elif line == "STOR new":
        assert ("new" in now) == complete
        assert not complete or folder.read("new") in (b"whole", b"")
    elif line == "STOR old":
        assert folder.read("old") in ((b"whole", b"") if complete else (b"the old content",))
    else:
        text = folder.read("old")
        assert text.startswith(b"the old content"), text
        assert not complete or text in (b"the old contentwhole", b"the old content")


def test_an_aborted_upload_is_seen_and_resumed_by_its_owner_alone(ftp, folder):
    """Under its final name over FTP, not on disk; as complete nowhere."""
    r, data = ftp.transfer("STOR part")
    data.sendall(b"half")
    ftp.expect(200, "NOOP")
    time.sleep(0.1)
    abort(ftp, "plain")
    assert codes(ftp, 2) == [426, 226]
    assert_closed(data)
    assert "part" not in folder.names()
    assert ftp.cmd("SIZE part").text == "213 4"
    ftp.stor("APPE part", b" and half")
    assert folder.read("part") == b"half and half"
    in_step(ftp)


def test_abor_in_a_loop(ftp, folder, tried):
    """A flood of ABOR in a transfer: one ends it, the others find nothing."""
    with open(folder.make("big"), "r+b") as f:
        f.truncate(BIG)
    for n in range(times(20, 500)):
        r, data = ftp.transfer("RETR big")
        ftp.raw(b"ABOR\r\n" * 50)
        assert codes(ftp, 51) == [426] + [226] * 50
        assert_closed(data)
        tried("ABOR in floods", 50)
    in_step(ftp)


def test_abor_behind_lines_that_wait(ftp, folder):
    """It is heard in front of what is held back, as soon as it is here."""
    with open(folder.make("big"), "r+b") as f:
        f.truncate(BIG)
    r, data = ftp.transfer("RETR big")
    ftp.raw(b"PWD\r\nSYST\r\nABOR\r\nPWD\r\n")
    got = codes(ftp, 5)
    assert got == [426, 257, 215, 226, 257], got
    assert_closed(data)
    in_step(ftp)
