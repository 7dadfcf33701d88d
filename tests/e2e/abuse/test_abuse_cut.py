"""The control connection closed, half closed and reset at every moment of a session."""

import os
import socket
import time
from contextlib import suppress

import pytest

from abusetools import census, half_close, in_step, settled
from ftpclient import HELD_UP, Client
from harness import LONG, PASSWORD, times, wait_until
from patience import Stopwatch

ENDS = ["fin", "half", "reset"]


def end(sock, how):
    """The socket to be closed later, if any: half closed, it can still be read."""
    if how == "reset":
        Client.reset(sock)
    elif how == "half":
        return half_close(sock)
    else:
        sock.close()
    return None


def drain(sock, seconds=8):
    """All that still comes, to the end of the connection."""
    sock.settimeout(seconds)
    got = b""
    with suppress(ConnectionError):
        while part := sock.recv(65536):
            got += part
    sock.close()
    return got


@pytest.mark.parametrize("how", ENDS)
def test_cut_after_every_byte_of_a_login(patient, how, tried):
    """In clear, where a byte is a byte; nothing is left, and nobody is logged in by half a line."""
    settled(patient)
    mark = patient.mark()
    script = b"USER guest\r\nPASS " + PASSWORD.encode() + b"\r\nPWD\r\nEPSV\r\n"
    whole = script.index(PASSWORD.encode()) + len(PASSWORD)
    places = range(0, len(script) + 1, 1 if LONG else 3)
    for n in places:
        c = patient.client(tls=None)
        if n:
            c.raw(script[:n])
        rest = end(c.sock, how)
        if rest is not None:
            got = drain(rest)
            assert (b"230 " in got) == (n > whole + 1), (n, got)
        tried("cuts of the control connection")
    settled(patient)
    granted = patient.log(mark).count("login.granted")
    assert granted <= sum(n > whole + 1 for n in places)
    if how == "half":
        assert granted == sum(n > whole + 1 for n in places)
    assert wait_until(lambda: patient.log(mark).count("session.closed") >= granted), granted
    c = patient.login(tls=None)
    in_step(c)
    c.quit()


STEPS = [b"AUTH TLS", "handshake", b"USER guest", b"PASS " + PASSWORD.encode(), b"PBSZ 0",
         b"PROT P", b"TYPE I", b"CWD %s", b"EPSV", "connect", b"STOR up", "data handshake",
         "data", "end of data", b"RNFR up", b"RNTO up2", b"EPSV", "connect", b"RETR up2",
         "data handshake", "read", b"REST 5", b"SIZE up2", b"EPSV", b"MLSD"]


def play(c, folder, steps, wait):
    """The first steps of a session. wait: the replies are read; else the last is not."""
    data = None
    for n, step in enumerate(steps):
        last = n == len(steps) - 1 and not wait
        if isinstance(step, bytes):
            if b"%s" in step:
                step = step % folder.ftp.encode()
            if step == b"AUTH TLS" and not c.wants_tls or step in (b"PBSZ 0", b"PROT P") \
                    and not c.wants_tls:
                continue
            c.send(step)
            if not last:
                r = c.reply()
                assert r.code < 400, (step, r)
                if step == b"EPSV":
                    c.where = (c.host, int(r.text.split("|||")[1].split("|")[0]))
        elif step == "handshake":
            if c.wants_tls:
                c.secure()
        elif step == "connect":
            data = socket.create_connection(c.where, 5 * HELD_UP)
        elif step == "data handshake":
            if c.wants_tls:
                data = c.wrap_data(data)
        elif step == "data":
            data.sendall(b"content")
        elif step == "end of data":
            Client.finish(data)
            assert c.reply().code == 226
        elif step == "read":
            assert Client.receive(data) == b"content"
            assert c.reply().code == 226
            data.close()
    return data


@pytest.mark.slow
@pytest.mark.limit(240)
@pytest.mark.parametrize("how", ENDS)
def test_cut_after_every_step_of_a_session(patient, tls, how, tried):
    settled(patient)
    mark = patient.mark()
    opened = 0
    for n in range(1, len(STEPS) + 1):
        for wait in (True, False) if LONG else (n % 2 == 0,):
            folder = patient.folder()
            c = patient.client(tls=None)
            c.wants_tls = tls is not None
            data = play(c, folder, STEPS[:n], wait)
            rest = end(c.sock, how)
            opened += STEPS[:n].count(b"PASS " + PASSWORD.encode())
            if rest is not None:
                rest.close() if c.protected else drain(rest)
            assert wait_until(lambda: not any(census(patient).values()), 5), STEPS[:n]
            if data is not None:
                data.close()
            check_leftovers(folder, n)
            tried("cuts of the control connection")
    granted = patient.log(mark).count("login.granted")
    assert 0 < granted <= opened
    # the line comes when the monitor has buried the processes
    assert wait_until(lambda: patient.log(mark).count("session.closed") >= granted), granted
    c = patient.login(tls=tls)
    in_step(c)
    c.quit()


def check_leftovers(folder, n):
    """Complete or not there; half an upload under its own name, an empty one not at all."""
    done = STEPS.index("end of data") + 1
    names = folder.names()
    for name in names:
        if name.startswith("."):
            assert folder.read(name) == b"content" and STEPS.index("data") < n, (n, names)
        else:
            assert folder.read(name) == b"content", (n, names)
            # without TLS the end of all is the end of the data, too
            assert n >= done - 2, (n, names)
    assert len(names) <= 1, (n, names)


@pytest.mark.parametrize("how", ENDS)
def test_cut_in_a_transfer_that_waits(patient, tls, how, tried):
    """Data never opened, a window that is shut, an upload that pauses: the end is seen at once."""
    settled(patient)
    folder = patient.folder()
    with open(folder.make("big"), "r+b") as f:
        f.truncate(256 << 20)
    for line, before in [("RETR big", b""), ("STOR up", b""), ("RETR big", b"open"),
                         ("STOR up", b"open"), ("LIST", b""),
                         # what is held back fills all the room there is: nobody reads on
                         ("RETR big", b"open" + b"PWD\r\n" * 4000),
                         ("RETR big", b"PWD\r\n" * 4000)]:
        if before.endswith(b"\n") and how != "reset":
            continue                    # of a FIN behind unread lines nobody can know
        c = patient.login(tls=tls)
        c.expect(250, "CWD " + folder.ftp)
        data = None
        if before.startswith(b"open"):
            r, data = c.transfer(line)
            if line.startswith("STOR"):
                data.sendall(b"half")
        else:
            c.passive()
            c.expect(150, line)
        time.sleep(0.05)
        if before.endswith(b"\n"):
            c.raw(before[before.index(b"P"):])
            time.sleep(0.1)
        at = Stopwatch()
        rest = end(c.sock, how)
        settled(patient, 4)
        assert at.own() < 4, line
        if rest is not None:
            rest.close()
        if data is not None:
            data.close()
        assert "up" not in folder.names()
        tried("cuts of the control connection")


def test_what_was_pipelined_before_a_half_close_is_answered(patient):
    """printf ... | nc: the commands are whole, and the client waits for the answers."""
    c = patient.client(tls=None)
    c.raw(b"NOOP\r\nSYST\r\nPWD\r\nNOO")
    rest = half_close(c.sock)
    assert [line[:3] for line in drain(rest).split(b"\r\n") if line] == [b"200", b"215", b"530"]
    settled(patient)


def test_tls_cut_within_its_handshake_and_its_records(patient, tried):
    """After every n-th byte of a recorded ClientHello, and of random bytes instead of one."""
    import ssl
    settled(patient)
    sent, got = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    o = context.wrap_bio(got, sent, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        o.do_handshake()
    hello = sent.read()
    places = list(range(0, len(hello), times(23, 1))) + [len(hello)]
    for n in places:
        for how in ENDS:
            for port in (patient.port, patient.implicit):
                s = socket.create_connection(("127.0.0.1", port), 5 * HELD_UP)
                if port == patient.port:
                    assert s.recv(200).startswith(b"220")
                    s.sendall(b"AUTH TLS\r\n")
                    assert s.recv(200).startswith(b"234")
                s.sendall(hello[:n])
                rest = end(s, how)
                if rest is not None:
                    drain(rest)
                tried("cuts of the control connection")
    settled(patient)
    log = patient.mark()
    c = patient.login()
    in_step(c)
    c.quit()
    assert log and os.path.exists(patient.logfile)
