"""Lines that no client sends: too long, without end, with bytes that do not belong there."""

import time

import pytest

from abusetools import in_step, memory, pump
from harness import LONG, times

MOST = 4096                     # bytes of a line (protocol.md)
LENGTHS = [511, 512, 513, 1023, 1024, 1025, 2048, 4000, 4094, 4095, 4096, 4097, 4098, 4099,
           5000, 8189, 8190, 8191, 8192, 8193, 8194, 8195, 12288, 16384, 65536, 1 << 20]


@pytest.mark.parametrize("end", [b"\r\n", b"\n"], ids=["crlf", "lf"])
def test_a_line_is_taken_up_to_its_limit_and_refused_beyond_it(control, tried, end):
    for n in LENGTHS:
        control.raw(b"CLNT " + b"x" * (n - 5) + end)
        r = control.reply()
        assert r.code == (200 if n <= MOST else 500), (n, r)
    in_step(control)
    tried("lines around their limit", len(LENGTHS))


def test_lines_around_the_limit_in_one_write(control):
    lines = b"".join(b"CLNT " + b"x" * (n - 5) + b"\r\n" for n in LENGTHS)
    assert pump(control, lines, len(LENGTHS)) == [200 if n <= MOST else 500 for n in LENGTHS]
    in_step(control)


def test_a_verb_of_a_megabyte_is_500(control):
    for n in (9, 100, MOST, MOST + 1, 1 << 20):
        control.raw(b"N" * n + b"\r\n")
        assert control.reply().code == 500, n
    in_step(control)


def test_a_line_without_end_costs_no_memory_and_gets_one_500(control, patient, world, tried):
    size = times(8, 256) << 20
    worker = patient.worker_of(control)
    before = memory(worker) if worker else 0
    for _ in range(size >> 18):
        control.raw(b"y" * (1 << 18))
    if worker and not world.sanitized:
        assert memory(worker) - before < 1 << 20
    control.raw(b"\r\n")
    assert control.reply().code == 500
    in_step(control)
    tried("bytes in lines without end", size)


def test_ten_thousand_empty_lines_are_answered_each(control, tried):
    for line in (b"\r\n", b"\n", b" \r\n", b"    \n", b"\t\r\n"):
        n = times(2000, 10000) if line != b"\r\n" else 10000
        assert pump(control, line * n, n) == [500] * n
        tried("empty lines", n)
    in_step(control)


# line, codes before and after the login
ODD = [
    (b"NOOP\r\r\n", 500, 500),                  # one CR belongs to the end, the other to nothing
    (b"\rNOOP\r\n", 500, 500),
    (b"NOOP\r\0\r\n", 500, 500),
    (b"NOOP\0\r\n", 500, 500),
    (b"\0NOOP\r\n", 500, 500),
    (b"\0\r\n", 500, 500),
    (b"\0\n", 500, 500),
    (b"NO\0OP\r\n", 500, 500),
    (b"CWD /\0\r\n", 500, 500),
    (b"USER guest\0root\r\n", 500, 500),
    (b"MKD a\0b\r\n", 500, 500),
    (b"RMD a\r\0b\r\n", 530, 550),             # Telnet's way to write a CR
    (b"RMD a\r\0\0b\r\n", 500, 500),
    (b"RMD a\rb\r\n", 530, 550),               # local users may make such names: a name it is
    (b"CWD a\rb\r\n", 530, 550),
    (b"SIZE \r\r\n", 530, 550),
    (b"USER a\rb\r\n", 501, 503),
    (b"USER a\r\r\n", 501, 503),
    (b"USER " + b"u" * 257 + b"\r\n", 501, 503),
    (b"USER " + b"u" * 4000 + b"\r\n", 501, 503),
    (b"USER  \r\n", 501, 503),
    (b"USER\r\n", 501, 501),
    (b"PASS x\r\n", 503, 503),
    (b"\xc3\x28\r\n", 500, 500),                # UTF-8 that is none
    (b"\xfe\xfe\xfe\r\n", 500, 500),
    (b"N\xd6\xd6P\r\n", 500, 500),
    (b"\x80NOOP\r\n", 500, 500),
    (b"NOOP\x80\r\n", 500, 500),
    (b"NOOP\xa0\r\n", 500, 500),
    (b"NOOP\x7f\r\n", 500, 500),
    (b"NOOP\x0b\r\n", 500, 500),
    (b"NOOP\x1b[0m\r\n", 500, 500),
    (b"CWD \xc3\x28/\xff\xff/\xed\xa0\x80\r\n", 530, 550),
    (b"CWD \xf4\x90\x80\x80\r\n", 530, 550),
    (b"CLNT \xc3\x28\x1b]0;x\x07\r\n", 200, 200),
    (b"HELP \x1b[31m\r\n", 501, 501),
    (b"HELP NO\xffP\r\n", 501, 501),
    (b"SITE \x1b[31m\r\n", 504, 504),
    (b"OPTS \xc3\x28\r\n", 501, 501),
    (b"-\r\n", 500, 500),
    (b"%n%n%s%s\r\n", 500, 500),
    (b"CLNT %n%n%s%s%s\r\n", 200, 200),
    (b"CWD %n%s\r\n", 530, 550),
]


def test_bytes_that_do_not_belong_in_a_line(control, logged_in, tried):
    for line, before, after in ODD:
        control.raw(line)
        r = control.reply()
        assert r.code == (after if logged_in else before), (line, r)
        assert len(r.lines) == 1
        shown = r.text.encode("utf-8", "surrogateescape")
        assert not any(b < 32 or b == 127 for b in shown), (line, shown)
        in_step(control)
    tried("odd lines", len(ODD))


def test_odd_lines_in_one_write_are_each_answered_once(control, logged_in):
    wanted = [(after if logged_in else before) for _, before, after in ODD]
    assert pump(control, b"".join(line for line, _, _ in ODD), len(ODD)) == wanted
    in_step(control)


def test_a_line_feed_in_a_name_is_two_commands_and_one_log_line_each(patient, tls):
    c = patient.client(tls=tls)
    mark = patient.mark()
    forged = "login.accepted user=root peer=192.0.2.1"
    c.raw(b"USER a\nPASS b\n" + forged.encode() + b"\r\nUSER x\r" + forged.encode() + b"\r\n")
    assert [c.reply().code for _ in range(4)] == [331, 530, 500, 501]
    c.raw(b"USER \x1b[2J\x07" + forged.encode() + b"\r\nPASS y\r\n")
    assert [c.reply().code for _ in range(2)] == [331, 530]
    patient.wait_log(r"user=\"?.*2J", mark)
    for line in patient.log(mark).splitlines():
        assert "\x1b" not in line and "\x07" not in line
        assert not line.startswith("login.accepted") and " login.accepted" not in \
            line.replace(forged, ""), line
    c.abandon()


SCRIPT = (b"NOOP\r\nnoop\nSYST\r\nXYZZY a b\r\n \r\nPBSZ\r\nUSER\r\nHELP NOOP\r\n\xff\xf1NOOP\r\n"
          b"NO\xff\xfc\x01OP\r\nCLNT a\xff\xffb\r\nMKD \0\r\nOPTS UTF8 ON\r\n"
          b"\xff\xf4\xff\xf2ABOR\r\n")


def answers(c, n):
    return [c.reply().text for _ in range(n)]


def test_a_script_cut_into_two_anywhere_has_the_same_answers(control, tried):
    """Two TLS records, or two segments: the reader sees the cut wherever it is."""
    n = SCRIPT.count(b"\n")
    control.raw(SCRIPT)
    wanted = answers(control, n)
    in_step(control)
    # in clear the kernel would join what comes at once: a pause costs time
    for at in range(1, len(SCRIPT), 1 if control.protected or LONG else 9):
        control.raw(SCRIPT[:at])
        if not control.protected:
            time.sleep(0.002)
        control.raw(SCRIPT[at:])
        assert answers(control, n) == wanted, at
        tried("cuts of a script of commands")
    in_step(control)


def test_a_script_byte_by_byte_has_the_same_answers(control, tried):
    n = SCRIPT.count(b"\n")
    control.raw(SCRIPT)
    wanted = answers(control, n)
    for b in SCRIPT:
        control.raw(bytes([b]))
        if not control.protected:
            time.sleep(0.001)
    assert answers(control, n) == wanted
    in_step(control)
    tried("commands sent byte by byte", n)


@pytest.mark.parametrize("size", [2, 3, 5, 7, 4095, 4096, 4097])
def test_a_script_in_pieces_of_a_size_has_the_same_answers(control, size):
    n = SCRIPT.count(b"\n")
    control.raw(SCRIPT)
    wanted = answers(control, n)
    many = SCRIPT * (2 if size < 100 else 40)
    got = []
    for at in range(0, len(many), size):
        control.raw(many[at:at + size])
    got = answers(control, n * (2 if size < 100 else 40))
    assert got == wanted * (2 if size < 100 else 40)
    in_step(control)
