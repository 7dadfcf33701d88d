"""Telnet on the control connection (RFC 854, RFC 959, RFC 1123 section 4.1.2.12): soups of it.

Offers are refused, everything else vanishes, IAC IAC is one byte; wherever it stands."""

import os
import random
import socket
import time

import pytest

from abusetools import in_step, memory
from harness import times

IAC, DONT, DO, WONT, WILL, SB, SE, IP, DM, AYT = 255, 254, 253, 252, 251, 250, 240, 244, 242, 246
SEEDS = [1, 2, 3, 4]


def receive(c, n):
    """Exactly n bytes, whatever they are."""
    while len(c.buffer) < n:
        more = c.sock.recv(65536)
        assert more, f"closed after {c.buffer!r}"
        c.buffer += more
    got, c.buffer = c.buffer[:n], c.buffer[n:]
    return got


def test_offers_are_refused_and_the_rest_is_passed_over(control, tried):
    for option in range(256):
        control.raw(bytes([IAC, DO, option, IAC, WILL, option,
                           IAC, DONT, option, IAC, WONT, option]))
        control.raw(b"NOOP\r\n")
        assert receive(control, 6) == bytes([IAC, WONT, option, IAC, DONT, option]), option
        assert control.reply().code == 200
    in_step(control)
    tried("Telnet offers", 512)


def test_ten_thousand_offers_are_bounded(control, patient, world):
    worker = patient.worker_of(control)
    before = memory(worker) if worker else 0
    for _ in range(100):
        control.raw(bytes([IAC, DO, 1, IAC, WILL, 3]) * 100)
    control.raw(b"NOOP\r\n")
    while b"NOOP OK" not in control.buffer:
        control.buffer += control.sock.recv(65536)
    answers, reply = control.buffer.split(b"200 ", 1)
    control.buffer = b""
    assert len(answers) % 3 == 0 and len(answers) <= 6 * 10000
    assert set(answers[0::3]) == {IAC}
    assert {answers[n:n + 3] for n in range(0, len(answers), 3)} <= \
        {bytes([IAC, WONT, 1]), bytes([IAC, DONT, 3])}
    in_step(control)
    if worker and not world.sanitized:
        assert memory(worker) - before < 1 << 20


def test_a_subnegotiation_without_end_is_swallowed(control, patient, world, tried):
    worker = patient.worker_of(control)
    before = memory(worker) if worker else 0
    size = times(4, 128) << 20
    control.raw(bytes([IAC, SB, 24]))
    for _ in range(size >> 18):
        control.raw(b"QUIT\r\nNOOP\r\n\xff\xff".ljust(1 << 18, b"n"))
    if worker and not world.sanitized:
        assert memory(worker) - before < 1 << 20
    control.sock.settimeout(0.1)
    with pytest.raises(TimeoutError):
        control.sock.recv(1)
    control.sock.settimeout(control.timeout)
    control.raw(bytes([IAC, SE]))
    in_step(control)
    tried("bytes in subnegotiations without end", size)


def noise(rnd):
    """(a sequence, what has to be answered)"""
    kind = rnd.randrange(6)
    option = rnd.randrange(256)
    if kind == 0:
        return bytes([IAC, rnd.choice([241, 242, 243, 244, 245, 246, 247, 248, 249])]), b""
    if kind == 1:
        return bytes([IAC, rnd.choice([WONT, DONT]), option]), b""
    if kind == 2:
        return bytes([IAC, DO, option]), bytes([IAC, WONT, option])
    if kind == 3:
        return bytes([IAC, WILL, option]), bytes([IAC, DONT, option])
    inside = bytes(rnd.choice(b"\r\n\0aN \xfe\xf0\xfb") for _ in range(rnd.randrange(12)))
    if kind == 4:
        inside += b"\xff\xff"
    return bytes([IAC, SB]) + inside + bytes([IAC, SE]), b""


COMMANDS = [(b"NOOP\r\n", 200), (b"SYST\r\n", 215), (b"XYZZY\r\n", 500), (b"HELP NOOP\n", 214),
            (b"CLNT a b  c\r\n", 200), (b"\r\n", 500), (b"ABOR\r\n", 226),
            (b"CLNT \xff\xff\r\n", 200)]


@pytest.mark.parametrize("seed", SEEDS)
def test_random_soups_change_no_command(control, seed, tried):
    rnd = random.Random(seed)
    for n in range(times(150, 5000)):
        line, code = rnd.choice(COMMANDS)
        answers = b""
        cut = line.find(b"\xff\xff") + 1        # a pair is not to be torn
        places = sorted(p for p in (rnd.randrange(len(line)) for _ in range(rnd.randrange(7)))
                        if p != cut or cut == 0)
        soup, last = b"", 0
        for at in places:
            sequence, answer = noise(rnd)
            soup += line[last:at] + sequence
            answers += answer
            last = at
        soup += line[last:]
        if rnd.randrange(3) == 0:
            at = rnd.randrange(1, len(soup) + 1)
            control.raw(soup[:at])
            control.raw(soup[at:])
        else:
            control.raw(soup)
        assert receive(control, len(answers)) == answers, (seed, n, soup)
        assert control.reply().code == code, (seed, n, soup)
    in_step(control)
    tried("soups of Telnet", times(150, 5000))


@pytest.mark.parametrize("seed", SEEDS)
def test_random_bytes_do_not_end_a_session_or_cost_memory(control, patient, seed, tried, world):
    """Anything at all; behind it an end of all that may be open, and the next command."""
    rnd = random.Random(seed)
    worker = patient.worker_of(control)
    before = memory(worker) if worker else 0
    n = times(40, 2000)
    for _ in range(n):
        soup = bytes(rnd.choice(b"\xff\xff\xff\xfa\xfb\xfd\xf0\xf2\xf4\xf6\0\r\n ANOP\x80")
                     for _ in range(rnd.randrange(1, 400)))
        control.raw(soup + bytes([0, IAC, SE, IAC, SE]) + b"\r\nCLNT end\r\n")
        while b"200 CLNT OK." not in control.buffer:
            more = control.sock.recv(65536)
            assert more, (seed, soup)
            control.buffer += more
        control.buffer = control.buffer.split(b"200 CLNT OK.\r\n")[-1]
    in_step(control)
    if worker and not world.sanitized:
        assert memory(worker) - before < 1 << 20
    tried("soups of random bytes", n)


def test_iac_in_names(ftp, folder):
    for wire, disk in [(b"a\xff\xffb", b"a\xffb"), (b"\xff\xff", b"\xff"), (b"c\xffd", b"c\xffd"),
                       (b"e\xff\xf1f", b"ef"), (b"g\xff\xfe\x01h", b"gh"),
                       (b"i\xff\xff\xff\xffj", b"i\xff\xffj"), (b"k\xff\xfa..\xff\xf0l", b"kl")]:
        ftp.raw(b"MKD " + wire + b"\r\n")
        assert ftp.reply().code == 257, wire
        assert disk in os.listdir(bytes(folder.disk)), wire
    in_step(ftp)


@pytest.mark.parametrize("behind, code", [(b"\xf1b\r\n", 200), (b"\xffb\r\n", 200), (b"b\r\n", 200),
                                          (b"\xfa\r\nQUIT\r\n\xff\xf0\r\n", 200),
                                          (b"\xfe\r\n\r\n", 500), (b"\r\n", 200)])
def test_iac_at_the_end_of_a_segment(control, behind, code):
    control.raw(b"CLNT a\xff")
    time.sleep(0.02)
    control.raw(behind)
    r = control.reply()
    if code == 500:             # the CR was an option: LF ends the line, and the next is empty
        assert r.code == 200 and control.reply().code == 500
    else:
        assert r.code == 200
    in_step(control)


def test_iac_alone_before_the_end_is_no_command(control):
    control.raw(b"NO\xff\xffOP\r\n")
    assert control.reply().code == 500
    control.raw(b"NOOP\xff\xff\r\n")
    assert control.reply().code == 500
    in_step(control)


def test_urgent_bytes_stay_where_they_are(patient, tried):
    """In clear each byte of a line may be sent as urgent data: it is read in its place."""
    c = patient.client(tls=None)
    line = b"CLNT abc\r\n"
    for at in range(len(line)):
        c.sock.sendall(line[:at])
        c.sock.send(line[at:at + 1], socket.MSG_OOB)
        c.sock.sendall(line[at + 1:])
        assert c.reply().code == 200, at
    for sent in (bytes([IAC, IP, IAC]), bytes([IAC]), bytes([IAC, AYT, IAC])):
        c.sock.send(sent, socket.MSG_OOB)
        c.sock.sendall(bytes([DM]) + b"NOOP\r\n")
        assert c.reply().code == 200, sent
    for _ in range(times(300, 10000)):          # nothing but urgent data
        c.sock.send(b"\xff\xf2", socket.MSG_OOB)
    in_step(c)
    tried("urgent bytes", len(line) + 3 + times(300, 10000))
    c.abandon()
