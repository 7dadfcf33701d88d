"""The log is evidence: what changed a file, and what was refused, has a line, however many."""

import re
import subprocess

import harness
from harness import PASSWORD, needs_root
from test_transfers import cut

MANY = 5000


def said(server, mark, session):
    """What the log has of one session: (all of the line, the text of a process or None)."""
    found = []
    for line in server.log(mark).splitlines():
        if f"session={session} " in line:
            m = re.search(r' side=(\w+) text="([^"]*)"$', line)
            found.append((line, m.group(1), m.group(2)) if m else (line, None, None))
    return found


def session_of(server, mark):
    return re.search(r"session=(\S+) .*login\.granted user=guest", server.log(mark)).group(1)


def test_5000_deleted_files_are_5000_lines(server):
    """Pipelined, as fast as they are taken: none is left out, and nothing is said of that."""
    folder, mark = server.folder(), server.mark()
    for i in range(MANY):
        folder.make(f"f{i}")
    c = server.login()
    for first in range(0, MANY, 250):
        c.raw(b"".join(b"DELE %s/f%d\r\n" % (folder.ftp.encode(), i)
                       for i in range(first, first + 250)))
        for _ in range(250):
            assert c.reply().code == 250
    c.quit()
    server.wait_log(r"session\.closed", mark)
    assert not folder.names()
    session = session_of(server, mark)
    begin = rf" notice session={session} peer=127\.0\.0\.1 user=guest side=broker "
    lines = re.findall(begin + rf'text="file\.deleted path={folder.ftp}/f(\d+)"$',
                       server.log(mark), re.M)
    assert lines == [str(i) for i in range(MANY)]
    assert not re.search(r"log\.(suppressed|dropped)", server.log(mark))


def test_every_change_of_a_file_is_said_by_the_broker(server):
    folder, mark = server.folder(), server.mark()
    at = folder.ftp
    folder.make("old", b"old")
    c = server.login()
    c.stor(f"STOR {at}/new", b"12345")
    c.stor(f"STOR {at}/old", b"123456")
    c.stor(f"APPE {at}/old", b"78")
    c.stor(f"STOU {at}/new", b"1")
    c.expect(350, f"RNFR {at}/new")
    c.expect(250, f"RNTO {at}/newer")
    c.expect(257, f"MKD {at}/d")
    c.expect(200, f"SITE CHMOD 640 {at}/newer")
    c.expect(213, f"MFMT 20200102030405 {at}/newer")
    c.expect(250, f"DELE {at}/newer")
    c.expect(250, f"RMD {at}/d")
    cut(c, f"STOR {at}/half", b"x" * 1000)
    cut(c, f"APPE {at}/old", b"9")
    c.quit()
    server.wait_log(r"session\.closed", mark)
    session = session_of(server, mark)
    lines = [(line, text) for line, side, text in said(server, mark, session) if side == "broker"]
    assert [text for _line, text in lines] == [
        f"file.stored how=new path={at}/new bytes=5",
        f"file.stored how=replaced path={at}/old bytes=6",
        f"file.stored how=appended path={at}/old bytes=8",
        f"file.stored how=new path={at}/new.1 bytes=1",
        f"file.renamed from={at}/new to={at}/newer",
        f"directory.made path={at}/d",
        f"file.mode mode=640 path={at}/newer",
        f"file.time time=1577934245 path={at}/newer",
        f"file.deleted path={at}/newer",
        f"directory.removed path={at}/d",
        f"upload.unfinished how=kept path={at}/half bytes=1000",
        f"upload.unfinished how=written path={at}/old bytes=9",
    ]
    for line, _text in lines:
        assert f"session={session} peer=127.0.0.1 user=guest side=broker " in line, line


# The reply, and what the line says behind it. {at}: the test's folder.
REFUSED = [
    ("RETR {at}/none", 550, "verb=RETR path={at}/none why='No such file or directory.'"),
    ("DELE {at}/none", 550, "verb=DELE path={at}/none why='No such file or directory.'"),
    ("CWD none", 550, "verb=CWD path=/none why='No such file or directory.'"),
    ("SIZE {at}", 550, r"verb=SIZE path={at} why='[^']+'"),
    ("MKD {at}", 550, r"verb=MKD path={at} why='[^']+'"),
    ("STOR {at}", 55, r"verb=STOR path={at} why='[^']+'"),
    ("LIST {at}/none", 550, "verb=LIST argument={at}/none why='No such file or directory.'"),
    ("DELE {at}/a user=root", 550, r"verb=DELE path={at}/a\\x20user=root why='[^']+'"),
    ("TYPE X", 504, r"verb=TYPE argument=X why='[^']+'"),
    ("RNTO x", 503, r"verb=RNTO path=/x why='[^']+'"),
    ("USER", 50, r"verb=USER argument= why='[^']+'"),
    ("SMNT x", 502, r"verb=SMNT argument=x why='[^']+'"),
    ("SITE HORSE", 50, r"verb=SITE argument=HORSE why='[^']+'"),
    ("XYZZY " + PASSWORD, 500, ""),
]


def test_every_refusal_has_a_line(server):
    folder, mark = server.folder(), server.mark()
    c = server.login()
    for line, code, _text in REFUSED:
        if line.startswith(("RETR", "STOR", "LIST")):
            c.expect(229, "EPSV")
        got = c.cmd(line.format(at=folder.ftp)).code
        assert str(got).startswith(str(code)), (line, got)
    c.quit()
    server.wait_log(r"session\.closed", mark)
    session = session_of(server, mark)
    lines = [(line, text) for line, side, text in said(server, mark, session) if side == "worker"]
    assert len(lines) == len(REFUSED), lines
    for (line, text), (command, code, want) in zip(lines, REFUSED, strict=True):
        assert re.fullmatch(rf"command\.refused reply={code}\d* ?" + want.format(at=folder.ftp),
                            text), (command, text)
        assert " user=guest side=worker " in line, line
    assert PASSWORD not in server.log(mark)


def test_a_refusal_before_the_login_has_a_line(server):
    mark = server.mark()
    c = server.client(tls=None)
    c.expect(533, "USER guest")
    c.expect(530, "RETR /a")
    c.expect(503, f"PASS {PASSWORD}")
    c.quit()
    for text in ("reply=533 verb=USER argument=guest why=", "reply=530 verb=RETR argument=/a why=",
                 "reply=503 verb=PASS argument= why="):
        line = server.wait_log("command.refused " + text, mark)
        assert re.search(r" notice session=\S+ peer=127\.0\.0\.1 side=worker ", line), line
    assert PASSWORD not in server.log(mark)


def test_a_flood_before_the_login_is_counted_and_keeps_nobody_waiting(server):
    """Nothing there is anybody's: 50 refusals have a line, the others are counted."""
    mark = server.mark()
    c, other = server.client(), server.client()
    c.raw(b"NONE\r\n" * 1000)
    other.login("guest", PASSWORD)
    other.expect(200, "NOOP")
    for _ in range(1000):
        assert c.reply().code == 500
    other.quit()
    c.quit()
    server.wait_log(r"command\.flood count=950", mark)
    assert server.log(mark).count("command.refused reply=500") == 50


def test_syslog_without_a_listener_is_said(world):
    """At the start and by -t, on standard error: the log itself tells nobody."""
    needs_root()
    s = harness.Server(world, "unheard", accounts=False, log="syslog")
    s.write()
    s.add_user("guest")
    hidden = "[ ! -e /dev/log ] || mount --bind /dev/null /dev/log; exec \"$@\""
    s.inside = ["unshare", "-m", "sh", "-c", hidden, "sh"]
    r = subprocess.run(s.command("-t"), capture_output=True, text=True, timeout=30, check=False)
    assert r.returncode == 0, r
    assert "nothing listens on /dev/log" in r.stderr, r
    try:
        s.start()
        assert "nothing listens on /dev/log" in s.log(), s.log()
        s.login().quit()
    finally:
        s.stop()
