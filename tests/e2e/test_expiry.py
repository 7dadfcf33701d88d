"""Uploads that broke off do not lie there for ever (unfinished_keep)."""

import os
import time

from harness import needs_root, wait_until
from test_transfers import cut

PART = ".sp-part."
NEW = os.urandom(300_000)


def untouched(path):
    """For how many seconds."""
    st = os.stat(path)
    return time.time() - max(st.st_mtime, st.st_ctime)


def test_what_nobody_goes_on_with_is_removed(make_server):
    s = make_server(unfinished_keep="1 s")
    folder = s.folder()
    with_log = s.mark()
    c, other = s.login(), s.login()
    for client in (c, other):
        client.expect(250, "CWD " + folder.ftp)
    folder.make("f", b"the old file")
    part = folder.path(PART + "f")
    # one that a session writes is kept, however long it has been silent
    r, data = c.transfer("STOR f")
    assert data is not None, r
    data.sendall(NEW)
    assert wait_until(lambda: part.exists() and part.stat().st_size > 0)
    assert wait_until(lambda: untouched(part) > 2, timeout=20)
    assert other.names() == ["f"] and part.exists()
    c.finish(data)
    assert c.reply().code == 226
    assert folder.read("f") == NEW and folder.names() == ["f"]
    # one that broke off is not; a listing that removes it does not show it
    folder.make("f", b"the old file")
    cut(c, "STOR f", NEW)
    cut(c, "STOR new", NEW)
    assert wait_until(lambda: other.names() == ["f"] and folder.names() == ["f"], timeout=20)
    assert folder.read("f") == b"the old file"
    line = s.wait_log(r"upload\.expired .*name=\.sp-part\.f ", with_log)
    assert f"directory={folder.ftp} " in line and "session=" in line, line
    for client in (c, other):
        client.quit()


def test_who_may_only_read_removes_nothing(make_server):
    needs_root()
    s = make_server(unfinished_keep="1 s")
    s.add_user("looks", "--read-only", jail=s.jail())
    folder = s.folder()
    part = folder.make(PART + "f", b"cut")
    c = s.login("looks")
    c.expect(250, "CWD " + folder.ftp)
    assert wait_until(lambda: untouched(part) > 2, timeout=20)
    assert c.names() == ["f"] and part.exists()
    c.quit()
    c = s.login()
    c.expect(250, "CWD " + folder.ftp)
    assert c.names() == [] and not part.exists()
    c.quit()


def test_what_no_upload_can_have_made_is_no_entry(make_server):
    """Neither counted nor shown, and a directory with nothing else in it can be removed."""
    s = make_server()
    folder = s.folder()
    folder.mkdir("d")
    for name in (PART, PART + ".", PART + PART + "x", PART + "n" * 117 + "~" + "0" * 16):
        folder.make("d/" + name, b"left")
    c = s.login()
    c.expect(250, "CWD " + folder.ftp)
    for line in ("NLST d", "NLST -a d", "MLSD d", "LIST -a d", "LIST d/*"):
        r, data = c.transfer(line)
        if data is None:
            assert line == "LIST d/*" and r.code == 550, r
            continue
        with data:
            lines = c.receive(data).splitlines()
        r = c.reply()
        assert r.code == 226, r
        assert not any(b"sp-part" in x or b"nnn" in x for x in lines), (line, lines)
    assert c.cmd("STAT d").text.count("sp-part") == 0
    c.expect(250, "RMD d")
    assert folder.names() == []
    c.quit()
