"""Trees 1,000 deep, paths as long as the kernel takes and longer, 50,000 names in a directory."""

import os
import shutil

from patience import Stopwatch
import procfs
import pytest

from harness import ROOT, times, wait_until
from jail_rows import ROWS, attempt

DEEP = 1000
MANY = 50000
PATH_MOST = 4095                        # bytes, the NUL apart


def responsive(c, bound=2):
    begin = Stopwatch()
    assert c.cmd("NOOP").code == 200
    assert begin.own() < bound


@pytest.mark.slow
def test_a_tree_1000_deep_is_made_listed_and_taken_away_over_ftp(inmate, cell, tried):
    begin = Stopwatch()
    for _ in range(DEEP):
        inmate.expect(257, "MKD d")
        inmate.expect(250, "CWD d")
    path = cell.ftp + "/d" * DEEP
    assert inmate.cmd("PWD").text.startswith(f'257 "{path}" ')
    inmate.stor("STOR f", b"at the bottom")
    assert inmate.names("NLST") == ["f"] and len(inmate.names("LIST")) == 1
    assert inmate.cmd("MLST f").inner[0].endswith(path + "/f")
    inmate.expect(250, "CWD /")
    assert inmate.retr(f"RETR {path}/f") == b"at the bottom"
    assert inmate.retr(f"RETR {path}/../d/./../d/f") == b"at the bottom"
    inmate.expect(350, f"RNFR {path}/f")
    inmate.expect(250, f"RNTO {cell.ftp}/d/f")
    # -R says that it is too much instead of ending early as if that were all
    r, data = inmate.transfer(f"LIST -R {cell.ftp}")
    with data:
        got = inmate.receive(data)
    end = inmate.reply()
    assert end.code in (226, 426, 450, 451, 550), end
    assert end.code != 226 or got.count(b":\r\n") == DEEP
    r, data = inmate.transfer("NLST " + cell.ftp + "/*" * 900)
    if data is not None:
        data.close()
        inmate.reply()
    responsive(inmate)
    inmate.expect(250, f"DELE {cell.ftp}/d/f")
    inmate.expect(250, "CWD " + path)
    for _ in range(DEEP):
        inmate.expect(250, "CDUP")
        inmate.expect(250, "RMD d")
    assert inmate.cmd("PWD").text.startswith(f'257 "{cell.ftp}" ')
    assert cell.names() == []
    assert begin.own() < 30
    tried("directories made and removed one in the other", DEEP)


def test_a_path_of_4095_bytes_works_and_one_of_4096_is_refused_in_words(inmate, cell, tried):
    """With a name relative to a directory, for a command line has 4,096 bytes at the most."""
    path = cell.ftp
    while len(path) < PATH_MOST - 201:
        inmate.expect(257, "MKD " + "n" * 200)
        inmate.expect(250, "CWD " + "n" * 200)
        path += "/" + "n" * 200
    last = "f" * (PATH_MOST - len(path) - 1)
    inmate.stor("STOR " + last, b"reached")
    assert inmate.retr("RETR " + last) == b"reached"
    inmate.expect(213, "SIZE " + last)
    assert inmate.expect(250, "MLST " + last).inner[0].endswith(path + "/" + last)
    assert len(inmate.names("LIST")) == 1
    for row in ROWS:
        for more in ("f", "ff", "f" * 200, "f/" * 50 + "f"):
            if row.before == ("RNFR mine",):
                continue
            done = attempt(inmate, row, last + more)
            assert done.code >= 400 or "*" in row.line, (row.name, done)
            tried("commands on paths that are too long")
        responsive(inmate)
    inmate.expect(250, "DELE " + last)
    # and all the way back
    while path != cell.ftp:
        inmate.expect(250, "CDUP")
        inmate.expect(250, "RMD " + "n" * 200)
        path = path.rsplit("/", 1)[0]


@pytest.mark.parametrize("one", ["a/", "../", "./", "/", "n", "%s", "*/", "\\", "[", "{a,b}"])
def test_a_path_of_any_length_has_one_reply(inmate, cell, tried, one):
    # what means this directory or the jail itself would really be closed or taken away
    rows = [r for r in ROWS if r.kind == "" and not r.before
            and not (one in ("../", "./", "/") and r.verb in ("SITE CHMOD", "RMD", "XRMD"))]
    for n in (255, 256, 4000, 4080, 4090, 4095, 4096, 4097, 8192, 100000):
        path = (one * (n // len(one) + 1))[:n]
        for row in rows:
            begin = Stopwatch()
            r = inmate.cmd(row.line.replace("{}", path))
            assert begin.own() < 5, row
            assert 200 <= r.code < 600, r
            assert len(r.text) < 20000, row
            assert n < 4097 or r.code == 500, (n, row.name, r)
            inmate.expect(250, "CWD " + cell.ftp)
            tried("commands on paths that are too long")
    responsive(inmate)
    assert all(len(name) <= 255 for name in cell.names())


@pytest.fixture
def abyss(cell):
    """A tree on disk that is deeper than any path is long: no absolute path reaches its end."""
    fd = os.open(cell.disk, os.O_RDONLY)
    for _ in range(60):
        os.mkdir("n" * 200, dir_fd=fd)
        cell.server.own(f"/proc/self/fd/{fd}/{'n' * 200}")
        below = os.open("n" * 200, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(os.open("unreachable", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)
    yield "n" * 200
    shutil.rmtree(cell.disk)
    os.mkdir(cell.disk)


def test_a_tree_deeper_than_any_path_harms_nobody(inmate, cell, abyss, tried):
    for line in (f"LIST -R {abyss}", "LIST -R", "NLST -R", "NLST " + "*/" * 70 + "*",
                 "LIST " + "n*/" * 30 + "*", "MLSD " + abyss):
        begin = Stopwatch()
        r, data = inmate.transfer(line)
        got = b""
        if data is not None:
            with data:
                got = inmate.receive(data)
            r = inmate.reply()
        assert r.code in (226, 450, 451, 550), (line, r)
        assert b"unreachable" not in got
        assert begin.own() < 5
        tried("listings of a tree deeper than any path")
    depth = 0
    while inmate.cmd("CWD " + abyss).code == 250:
        depth += 1
        assert depth < 60
    assert depth > 15
    responsive(inmate)
    for _ in range(depth):
        inmate.expect(250, "CDUP")
    # the top of it can be renamed and moved like any directory; it is not empty
    inmate.expect(350, "RNFR " + abyss)
    inmate.expect(250, "RNTO moved")
    assert inmate.cmd("RMD moved").code == 550
    assert cell.names() == ["moved"]
    inmate.expect(350, "RNFR moved")
    inmate.expect(250, "RNTO " + abyss)


# ---- many names --------------------------------------------------------------------------------
def peak(pid):
    """Most memory the process has had, in bytes."""
    return int(procfs.status(pid)["VmHWM"].split()[0]) * 1024


@pytest.mark.slow
@pytest.mark.limit(120)
def test_50000_names_are_listed_whole_and_soon(jailer, inmate, cell, tried):
    d = cell.mkdir("many")
    for i in range(MANY):
        os.close(os.open(d / f"a-name-of-usual-length-{i:06}", os.O_CREAT | os.O_WRONLY, 0o644))
    worst = 0
    for line in ("NLST many", "LIST many", "LIST -t many", "LIST -S many", "MLSD many",
                 "NLST many/*", "LIST -aR many", "NLST many/*9", "STAT many/*99"):
        begin = Stopwatch()
        if line.startswith("STAT"):
            r = inmate.cmd(line)
            assert r.code in (211, 212, 213, 550), r
            n = len(r.inner)
            assert n == MANY // 100 or r.code == 550, r.lines[:3]
        else:
            n = len([x for x in inmate.names(line) if "a-name" in x])
            assert n == (MANY // 10 if line.endswith("*9") else MANY), (line, n)
        worst = max(worst, begin.own())
        tried("entries listed of a directory of 50,000", n)
    assert worst < times(10, 30), f"{worst:.1f} s for one listing"
    for pid in () if jailer.world.sanitized else procfs.of_kind(jailer.pid, "sallyport-broker"):
        assert peak(pid) < 64 << 20, f"{peak(pid) >> 20} MiB"
    shutil.rmtree(d)


def test_a_client_that_goes_away_leaves_no_listing_running(jailer, cell):
    """The broker of a session that has ended does not go on looking at a large directory."""
    d = cell.mkdir("many")
    for i in range(20):
        (d / f"d{i}").mkdir()
        for j in range(400):
            os.close(os.open(d / f"d{i}" / f"name-{j}", os.O_CREAT | os.O_WRONLY, 0o644))
    before = procfs.of_kind(jailer.pid, "sallyport-broker")
    c = jailer.login(tls=None)
    mine = {p for p in procfs.of_kind(jailer.pid, "sallyport-broker") - before
            if not ROOT or procfs.status(p)["Uid"].split()[0] != "0"}      # no new template
    assert len(mine) == 1
    r, data = c.transfer(f"LIST -laR {cell.ftp}")
    c.reset(data)
    c.reset(c.sock)
    assert wait_until(lambda: not any(map(procfs.alive, mine))), \
        "the broker goes on without its session"
