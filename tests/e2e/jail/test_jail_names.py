"""Names with anything in them: no listing, no reply and no line of the log can be forged."""

import os
import re
from collections import Counter

import pytest

from harness import OTHER, wait_until
from jail_rows import ROWS, attempt

FORGED = b"-rw-r--r--   1 guest    guest          5 Jan  1 00:00 forged"

# What a shell, a terminal, a Telnet client, a listing's parser or a log reader might take for more
# than a name. Those with LF are made on disk alone: over FTP it ends the command.
NAMES = [
    b"cr\rcr", b"\r", b"crlf\r\n" + FORGED, b"lf\n" + FORGED, b"\n", b"\r\n", b"end\r\n",
    b"x\r\n226 Transfer complete.", b"x\r\n250 End", b'x\r\n257 "forged" created',
    b"x\r\ntype=file;size=1; forged", b"x\n2026-11-21T00:00:00.000Z error forged",
    b"226 Closing", b"250 End", b"213-forged", b"type=file;size=0; forged", FORGED, b"total 5",
    b"a -> b", b" -> b", b"forged:", b"a;size=1", b"a=b", b"\xc2\x85nel", b"\x85", b"\x9b2J",
    b"esc\x1b[2J\x1b]0;title\x07", b"tab\tname", b"\t", b"\x01\x02\x7f", b"back\x08\x08space",
    b"\xff", b"\xff\xff", b"\xff\xf4abor", b"\xff\xfd\x01", b"\xff\xf2", b"end\xff", b"\xfe\xfd",
    b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"latin\xe9", b"\xe2\x80\xaegpj.exe",
    b"\xe2\x80\x8bzero", b"\xe2\x80\xa8ls", b"\xef\xbb\xbfbom", "grün".encode(), "猫".encode(),
    b" lead", b"trail ", b"  ", b"two  blanks", b"-a", b"-laR", b"--help", b"-", b"~", b"~root",
    b'q"q', b'"', b'""', b"'q'", b"`id`", b"$(id)", b"%s%n%x", b"%00", b"\\x0a", b"\\", b"\\n",
    b"*", b"[a]", b"{a,b}", b"?", b"!", b"&&", b"|cat", b"a.", b"...", b".hidden", b"CON", b"a:b",
]


def kept(name, but):
    """A name with '?' for the bytes that a form of listing does not show."""
    return bytes(ord("?") if c in but else c for c in name)


CONTROL = set(range(0x20)) | {0x7f}
ENDS = {0x0a, 0x0d}
LINE = re.compile(rb"[-dl][-rwxsStT]{9} +\d+ \S+ +\S+ +\d+ [A-Z][a-z][a-z] [ \d]\d [ \d]\d[:\d]\d\d (.*)",
                  re.S)
FACTS = re.compile(rb"(?:[\w.]+=[^; ]*;)+ (.*)", re.S)


def make_all(cell, directories=False):
    for name in NAMES:
        if directories:
            cell.mkdir(name)
        else:
            cell.make(name, b"12345")


def lines(c, line):
    text = c.retr(line)
    assert text.endswith(b"\r\n")
    return text.split(b"\r\n")[:-1]


def names_in(found, pattern):
    out = Counter()
    for line in found:
        m = pattern.fullmatch(line)
        assert m, f"not a line of its form: {line!r}"
        assert b"\r" not in line and b"\n" not in line and b"\0" not in line
        out[m.group(1)] += 1
    return out


@pytest.mark.parametrize("directories", [False, True], ids=["files", "directories"])
def test_each_entry_is_one_line_of_every_listing(inmate, cell, tried, directories):
    make_all(cell, directories)
    # among them is "-a", which as an option would mean that file
    plain = Counter(kept(n, ENDS) for n in NAMES)
    shown = Counter(kept(n, CONTROL) for n in NAMES)
    long = shown + Counter([b".", b".."])
    assert names_in(lines(inmate, "LIST -la"), LINE) == long
    assert names_in(lines(inmate, "NLST -la"), LINE) == long
    assert names_in(lines(inmate, "MLSD"), FACTS) == plain
    assert Counter(lines(inmate, "NLST -aa")) == plain + Counter([b".", b".."])
    assert Counter(lines(inmate, "NLST -A " + cell.ftp)) == \
        Counter({cell.ftp.encode() + b"/" + n: k for n, k in plain.items()})
    # a pattern (no name: there is one "*") shows what does not begin with a dot
    hidden = Counter(n for n in NAMES if n.startswith(b"."))
    assert names_in(lines(inmate, "LIST -d **"), LINE) == shown - hidden
    assert Counter(lines(inmate, "NLST -d **")) == plain - hidden
    r = inmate.cmd("STAT -a .")
    assert r.code == 213 if directories else r.code in (211, 212, 213)
    inner = [x.encode("utf-8", "surrogateescape").replace(b"\xff\xff", b"\xff") for x in r.inner]
    assert names_in([x[1:] if x[:1] == b" " and LINE.fullmatch(x[1:]) else x for x in inner],
                    LINE) == long
    tried("odd names in each kind of listing", len(NAMES))


def test_a_recursive_listing_has_one_header_for_each_directory(inmate, cell, tried):
    make_all(cell, directories=True)
    found = lines(inmate, "LIST -lRa")
    heads = Counter(found[i + 1] for i, x in enumerate(found) if x == b"" and i + 1 < len(found))
    assert heads == Counter(kept(n, CONTROL) + b":" for n in NAMES)
    for x in found:
        assert not set(x) & CONTROL, f"a control character: {x!r}"
    tried("odd names in each kind of listing", len(NAMES))


def telnet(name):
    """As a client has to send it (RFC 959: the control connection is Telnet)."""
    return name.replace(b"\xff", b"\xff\xff")


def raw(r):
    return r.text.encode("utf-8", "surrogateescape")


def checked(c, line, codes, name):
    """One command, one reply of one form, without control characters or a Telnet command."""
    r = c.cmd(line)
    assert r.code in codes, (line, r)
    for x in r.lines:
        b = x.encode("utf-8", "surrogateescape")
        assert not set(b) & CONTROL, (line, b)
        assert b"\xff" not in b.replace(b"\xff\xff", b""), f"a Telnet command in a reply: {b!r}"
    assert len(r.lines) <= (3 if r.code in (250, 213) else 1), (line, r)
    # nothing more comes: the next reply is the next command's
    assert c.cmd("NOOP").code == 200, (line, name)
    return r


def over_ftp():
    return [n for n in NAMES if b"\n" not in n]


def test_no_reply_is_forged_by_a_name(inmate, cell, tried):
    for name in over_ftp():
        n = telnet(name)
        made = checked(inmate, b"MKD " + n, (257,), name)
        path = cell.ftp.encode() + b"/" + name
        quoted = b'257 "' + telnet(kept(path, CONTROL)).replace(b'"', b'""') + b'"'
        assert raw(made).startswith(quoted + b" "), (raw(made), quoted)
        assert os.path.isdir(cell.path(name)), f"made under another name: {os.listdir(cell.disk)}"
        if name.strip() not in (b"", b"~"):         # these mean home, to some clients
            checked(inmate, b"CWD " + n, (250,), name)
            pwd = checked(inmate, "PWD", (257,), name)
            assert raw(pwd).startswith(quoted + b" "), raw(pwd)
            mlst = checked(inmate, "MLST", (250,), name)
            assert raw(mlst).split(b"\n")[1].endswith(b"; " + telnet(kept(path, CONTROL)))
            checked(inmate, "CWD " + cell.ftp, (250,), name)
        checked(inmate, b"MKD " + n, (550,), name)
        checked(inmate, b"MLST " + n, (250,), name)
        checked(inmate, b"SIZE " + n, (550,), name)
        checked(inmate, b"MDTM " + n, (213,), name)
        checked(inmate, b"MFMT 20200102030405 " + n, (213,), name)
        checked(inmate, b"SITE CHMOD 700 " + n, (200,), name)
        checked(inmate, b"RNFR " + n, (350,), name)
        checked(inmate, b"RMD " + n, (250,), name)
        for line in (b"RMD ", b"DELE ", b"SIZE ", b"CWD ", b"RNFR ", b"MLST ", b"SITE CHMOD 600 "):
            if name != b"~":
                checked(inmate, line + b"x" + n, (550,), name)
        inmate.passive()
        checked(inmate, b"RETR x" + n, (550,), name)
        tried("odd names over FTP")
    assert cell.names() == []


def test_odd_names_can_be_stored_fetched_renamed_and_deleted(inmate, cell, tried):
    for i, name in enumerate(over_ftp()):
        n, other = telnet(name), telnet(b"other" + name)
        inmate.stor(b"STOR " + n, name)
        assert [os.fsencode(x) for x in os.listdir(cell.disk)] == [name]
        assert inmate.retr(b"RETR " + n) == name
        inmate.stor(b"APPE " + n, b"+")
        checked(inmate, b"SIZE " + n, (213,), name)
        assert inmate.cmd(b"RNFR " + n).code == 350
        checked(inmate, b"NOOP", (200,), name)
        inmate.expect(350, b"RNFR " + n)
        inmate.expect(250, b"RNTO " + other)
        assert cell.read(b"other" + name) == name + b"+"
        checked(inmate, b"DELE " + other, (250,), name)
        tried("odd names over FTP")


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.name)
def test_a_nul_or_a_line_end_in_a_name_is_no_name(inmate, cell, row):
    """NUL: 500, and nothing is done. LF: the command ends there, and what follows is one."""
    before = cell.names()
    lines = [line for line in (*row.before, row.line) if "{}" in line]
    for line in lines:
        begin, end = line.encode().split(b"{}")
        r = inmate.cmd(begin + b"a\0b" + end)
        assert r.code in (500, 501), r
    assert cell.names() == before


UNESCAPE = re.compile(rb"\\x([0-9a-f]{2})")


def test_no_line_of_the_log_is_forged(jailer, cell, tried):
    """What a name says stands escaped in its value, and the value can be read back."""
    mark = jailer.mark()
    done = over_ftp()
    for i, name in enumerate(done):
        n = telnet(name)
        if i % 5 == 0:                  # the lines of one session are limited
            inmate = jailer.login(tls=None)
            inmate.expect(250, "CWD " + cell.ftp)
        inmate.expect(257, b"MKD " + n)
        inmate.expect(350, b"RNFR " + n)
        inmate.expect(250, b"RNTO r" + n)
        inmate.expect(250, b"RMD r" + n)
        inmate.stor(b"STOR " + n, b"")
        inmate.expect(250, b"DELE " + n)
        inmate.cmd(b"DELE x" + n)
        inmate.cmd(b"SITE CHMOD 700 x" + n)
        tried("odd names whose lines of the log were read")
    assert wait_until(lambda: "verb=STOR" in jailer.log(mark), 5)
    jailer.wait_log(r"verb=STOR path=\S*a:b ", mark)
    log = open(jailer.logfile, "rb").read()[mark:]
    form = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (error|warning|notice|debug) \S.*")
    made = []
    for line in log.split(b"\n")[:-1]:
        assert form.fullmatch(line), f"not a line of the log's form: {line!r}"
        assert not set(line) & CONTROL, line
        line.decode()                   # and it is UTF-8 throughout
        for m in re.finditer(rb'(?:path|from|to)=([^\s"]*)', line):
            value = UNESCAPE.sub(lambda x: bytes([int(x.group(1), 16)]), m.group(1))
            assert value.startswith(b"/"), line
        if b"directory.made " in line:
            m = re.search(rb'text="directory.made path=([^\s"]*)"$', line)
            assert m, f"more than a path behind it: {line!r}"
            made.append(UNESCAPE.sub(lambda x: bytes([int(x.group(1), 16)]), m.group(1)))
    assert b"log.suppressed" not in log
    assert sorted(made) == sorted(cell.ftp.encode() + b"/" + n for n in done)


# ---- long names ------------------------------------------------------------------------------
LONG_NAMES = [b"n" * n for n in (240, 246, 247, 248, 249, 254, 255)]
LONG_NAMES += ["ü".encode() * 127, "猫".encode() * 85, b"\x01" * 255, b'"' * 255, b"." * 255]


@pytest.mark.parametrize("name", LONG_NAMES, ids=lambda n: f"{len(n)}-{n[:1].hex()}")
def test_a_name_of_255_bytes_is_as_good_as_any(jailer, inmate, cell, name):
    """Also where the name that an unfinished upload has on disk would be longer than that."""
    r, data = inmate.transfer(b"STOR " + name)
    data.sendall(b"first half, ")
    assert wait_until(lambda: cell.names() != [], 5)
    assert os.fsencode(cell.names()[0]) != name
    other = jailer.login(tls=None)
    other.expect(250, "CWD " + cell.ftp)
    other.passive()
    assert other.cmd(b"STOR " + name).code in (450, 550, 553), "one writer at a time"
    assert set(lines_or_none(other)) <= {name.replace(b"\x01", b"\x01")}
    other.quit()
    data.close()
    assert inmate.reply().code == 226           # without TLS the end of the connection is the end
    inmate.stor(b"APPE " + name, b"second half")
    assert [os.fsencode(x) for x in os.listdir(cell.disk)] == [name]
    assert inmate.retr(b"RETR " + name) == b"first half, second half"
    inmate.stor(b"STOR " + name, b"FIRST", rest=0)
    shown = name.replace(b"\x01", b"?")
    assert names_in(lines(inmate, "LIST -A"), LINE) == Counter([shown])
    assert raw(inmate.expect(250, b"MLST " + name)).split(b"\n")[1].endswith(shown)
    inmate.expect(350, b"RNFR " + name)
    inmate.expect(250, b"RNTO m" + name[1:])
    inmate.expect(350, b"RNFR m" + name[1:])
    inmate.expect(250, b"RNTO " + name)
    inmate.expect(250, b"DELE " + name)
    inmate.expect(257, b"MKD " + name)
    inmate.expect(250, b"CWD " + name)
    inmate.expect(250, "CDUP")
    inmate.expect(250, b"RMD " + name)
    assert cell.names() == []


def lines_or_none(c):
    text = c.retr("NLST -A")
    return text.split(b"\r\n")[:-1]


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.name)
def test_a_name_of_256_bytes_is_refused_in_words(inmate, cell, row):
    cell.make("mine", b"mine")
    for name in ("n" * 256, "ü" * 128, "n" * 1000, "sub/" + "n" * 300 + "/f"):
        done = attempt(inmate, row, name)
        if "*" in row.line:
            assert done.code in (226, 550, 553, 213), done
            continue
        assert done.code in (550, 553), (row.name, done)
        assert b"too long" in done.shown or b"not allowed" in done.shown or \
            b"No such file" in done.shown, done
    assert cell.names() == ["mine"]


def test_two_long_names_with_one_beginning_are_two_uploads(jailer, inmate, cell):
    """Their names on disk are shortened, but not to the same."""
    names = [b"n" * 254 + x for x in (b"a", b"b")]
    other = jailer.login(tls=None)
    other.expect(250, "CWD " + cell.ftp)
    transfers = [c.transfer(b"STOR " + n) for c, n in zip((inmate, other), names)]
    for (r, data), n in zip(transfers, names):
        assert r.code == 150, r
        data.sendall(n[-1:])
    for (r, data), c in zip(transfers, (inmate, other)):
        data.close()
        assert c.reply().code == 226
    assert [cell.read(n) for n in names] == [b"a", b"b"]
    other.quit()


def test_owners_and_targets_forge_nothing_either(inmate, cell):
    os.symlink(b"x\r\n" + FORGED, cell.path("link"))
    os.symlink(b"a;type=dir; b", cell.path("facts"))
    cell.make("other")
    cell.server.own(cell.path("other"), OTHER)
    found = names_in(lines(inmate, "LIST -A"), LINE)
    assert found == Counter([b"link -> x??" + FORGED, b"facts -> a;type=dir; b", b"other"])
    assert len(lines(inmate, "MLSD")) == 3
