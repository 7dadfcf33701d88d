"""What an account may not do, it does not by any command; what is unfinished is nobody's."""

import os
import time

import pytest

from harness import PASSWORD, ROOT, wait_until
from jail_rows import ROWS, attempt

LOOK = b"look, but do not touch"
READING = {"CWD", "XCWD", "CDUP", "XCUP", "RETR", "LIST", "NLST", "MLSD", "MLST", "STAT", "SIZE",
           "MDTM"}


@pytest.fixture
def shown(server):
    """What a read-only account has in its jail."""
    jail = server.jail("reader")
    for name in ("secret", "mine"):
        (jail / name).write_bytes(LOOK)
        server.own(jail / name)
    (jail / "sub").mkdir(exist_ok=True)
    server.own(jail / "sub")
    return jail


def state(jail):
    found = {}
    for p in sorted(jail.rglob("*")):
        s = p.lstat()
        found[str(p)] = (s.st_ino, s.st_mode, s.st_mtime_ns, s.st_ctime_ns,
                         p.read_bytes() if p.is_file() else None)
    return found


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.name)
def test_a_read_only_account_reads_and_no_more(server, shown, tried, row):
    c = server.login("reader")
    before = state(shown)
    for wanted in row.on.split():
        done = attempt(c, row, wanted)
        reads = row.verb in READING and not row.line.startswith("MDTM 2")
        if wanted == "new" or not reads:
            assert done.code in (503, 550, 553), (row.name, done)
        elif not (row.line in ("MLSD {}", "MDTM {}") or "*" in row.line):
            assert done.code < 400, (row.name, done)
        assert state(shown) == before, row.name
        tried("commands of a read-only account")
    perm = c.cmd("MLST /secret").inner[0].lower()
    assert "perm=r;" in perm, perm
    c.quit()


def test_unfinished_uploads_show_under_their_final_name_alone(server, ftp, folder):
    """On disk the name is not there; what is there instead cannot be named over FTP."""
    r, data = ftp.transfer("STOR report.pdf")
    data.sendall(b"x" * 50000)
    assert wait_until(lambda: folder.names() != [], 5)
    assert "report.pdf" not in folder.names()
    hidden = folder.names()
    other = server.login()
    other.expect(250, "CWD " + folder.ftp)
    for line in ("NLST -a", "LIST -la", "MLSD", "NLST *", "NLST .*", "LIST -aR"):
        r, listing = other.transfer(line)
        if listing is not None:
            with listing:
                got = listing_names(other.receive(listing))
            other.reply()
            assert not set(hidden) & got, f"hidden names are listed: {got}"
    for name in hidden:
        for line in ("SIZE ", "DELE ", "RNFR ", "MLST "):
            assert other.cmd(line + name).code in (550, 553), line + name
        for line in ("RETR ", "STOR "):
            other.passive()
            assert other.cmd(line + name).code in (550, 553)
    other.quit()
    with data:
        ftp.finish(data)
    assert ftp.reply().code == 226
    assert folder.names() == ["report.pdf"]


def listing_names(text):
    return {x.decode("utf-8", "surrogateescape") for x in text.replace(b"\r\n", b" ").split(b" ")}


def test_a_directory_renamed_during_a_transfer(ftp, folder):
    d = folder.mkdir("before")
    content = os.urandom(8 << 20)
    (d / "big").write_bytes(content)
    folder.server.own(d / "big")
    r, data = ftp.transfer("RETR before/big")
    with data:
        got = data.recv(1000)
        os.rename(d, folder.path("after"))
        got += ftp.receive(data)
    assert got == content
    assert ftp.reply().code == 226
    r, data = ftp.transfer("STOR after/up")
    with data:
        data.sendall(b"half ")
        time.sleep(0.1)
        os.rename(folder.path("after"), folder.path("again"))
        data.sendall(b"and half")
        ftp.finish(data)
    # the directory was opened when the upload began: wherever it lies now, it has the file
    assert ftp.reply().code == 226
    assert (folder.path("again") / "up").read_bytes() == b"half and half"


def test_a_directory_that_is_taken_away_during_an_upload(ftp, folder):
    d = folder.mkdir("d")
    r, data = ftp.transfer("STOR d/up")
    with data:
        data.sendall(b"half ")
        assert wait_until(lambda: os.listdir(d) != [], 5)
        for name in os.listdir(d):
            os.unlink(d / name)
        os.rmdir(d)
        data.sendall(b"and half")
        ftp.finish(data)
    r = ftp.reply()
    assert r.code in (450, 451, 550, 553), r
    assert folder.names() == []
    assert ftp.cmd("NOOP").code == 200


@pytest.mark.skipif(not ROOT, reason="needs root: two owners")
@pytest.mark.expects(r"broker\.ended status=1")
def test_a_jail_that_is_gone_or_closed_is_refused_in_words(server):
    jail = server.add_user("evicted")
    for closed in (lambda: os.chmod(jail, 0o700) or server.own(jail, "root"),
                   lambda: os.rmdir(jail), lambda: jail.write_bytes(b"a file"),
                   lambda: jail.unlink() or os.symlink("/root", jail)):
        closed()
        c = server.client()
        c.expect(331, "USER evicted")
        r = c.cmd("PASS " + PASSWORD)
        assert r.code in (421, 530, 550), r
        c.abandon()
    os.unlink(jail)
    server.login().quit()
