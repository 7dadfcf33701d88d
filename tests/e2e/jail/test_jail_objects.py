"""What is no plain file, has more than one name, or has a mode that gives rights away."""

import os
import pwd
import socket
import stat

import pytest

from harness import GUEST, OTHER, ROOT, needs_root
from jail_rows import INTRUDER, ROWS, Outside, attempt
from patience import Stopwatch

BOUND = 5                               # seconds that no command takes


def fifo(at):
    os.mkfifo(at)


def unix_socket(at):
    s = socket.socket(socket.AF_UNIX)
    s.bind(os.fspath(at))
    return s


def device(kind, major, minor):
    def make(at):
        needs_root()
        try:
            os.mknod(at, 0o666 | kind, os.makedev(major, minor))
        except PermissionError:
            pytest.skip("mknod(2) is not allowed here")
    return make


OBJECTS = {
    "fifo": fifo, "socket": unix_socket, "null": device(stat.S_IFCHR, 1, 3),
    "zero": device(stat.S_IFCHR, 1, 5), "full": device(stat.S_IFCHR, 1, 7),
    "tty": device(stat.S_IFCHR, 5, 0), "ptmx": device(stat.S_IFCHR, 5, 2),
    "loop": device(stat.S_IFBLK, 7, 0),
}


@pytest.mark.parametrize("kind", OBJECTS)
def test_what_is_no_file_is_never_opened(inmate, cell, tried, kind):
    """Every command, on the object and on a link to it: no hang, 550, no byte of it."""
    held = OBJECTS[kind](cell.path("object"))
    os.chmod(cell.path("object"), 0o666)
    cell.server.own(cell.path("object"))
    os.symlink("object", cell.path("link"))
    kept = os.lstat(cell.path("object"))
    for row in ROWS:
        for name in ("object", "link"):
            if row.verb in ("DELE", "RNFR", "RNTO"):
                continue                # these act on the name, and may
            begin = Stopwatch()
            done = attempt(inmate, row, name)
            took = begin.own()
            said = f"{row.name} {name}: {done} in {took:.1f} s"
            assert took < BOUND, said
            if (row.kind and "STOU" not in row.line and row.verb not in ("LIST", "NLST")) \
                    or row.verb in ("CWD", "XCWD", "RMD", "XRMD", "SIZE", "SITE CHMOD"):
                assert done.code in (501, 550, 553), said
            assert len(done.shown) < 2000, said
            tried("commands on FIFOs, sockets and devices")
    now = os.lstat(cell.path("object"))
    assert (now.st_mode, now.st_ino, now.st_rdev) == (kept.st_mode, kept.st_ino, kept.st_rdev)
    inmate.expect(350, "RNFR object")
    inmate.expect((250, 550), "RNTO renamed")       # 550: Landlock takes it for making one
    inmate.expect(250, "DELE " + ("object" if "object" in cell.names() else "renamed"))
    # STOU has found another name each time, and the link has stayed
    assert cell.names() == ["link", "link.1", "object.1"]
    del held


def test_fifos_and_devices_do_not_hold_up_a_listing(inmate, cell):
    for name, make in OBJECTS.items():
        if ROOT or name in ("fifo", "socket"):
            make(cell.path(name))
            os.symlink(name, cell.path("to-" + name))
    begin = Stopwatch()
    for line in ("LIST -la", "LIST -laRtF", "NLST -a", "MLSD", "LIST *", "LIST -S to-*"):
        names = inmate.names(line)
        assert len(names) >= 2, line
    assert begin.own() < BOUND


# ---- more than one name --------------------------------------------------------------------
@pytest.fixture
def hard_link(cell, outside):
    """A file outside that has a second name inside, which its owner may well make."""
    os.link(outside.root / "secret", cell.path("link"))
    yield cell.path("link")
    if os.path.lexists(cell.path("link")):
        os.unlink(cell.path("link"))


@pytest.fixture
def outside(jailer):
    """As the common one; the count of links and the time of change are a hard link's own."""
    o = Outside(jailer, jailer.dir / f"outside-{next(jailer.folders)}")

    def state():
        return {k: v[:2] + v[3:6] + v[7:] for k, v in o.state().items()}

    before = state()
    yield o
    assert state() == before, "something outside of the jail has changed"


UPLOADS = [("STOR link", None), ("STOR link", 7), ("STOR link", "end"), ("APPE link", None),
           ("APPE link", 7), ("STOU link", None), ("STOR to-link", None), ("APPE to-link", None)]


@pytest.fixture
def two_names(cell):
    """A file with two names, which its owner has given it: an upload changes what it is."""
    other = cell.make("other", b"with two names")
    os.link(other, cell.path("link"))
    return other


@pytest.mark.parametrize("line,rest", UPLOADS)
def test_an_upload_over_a_file_with_two_names_keeps_both(inmate, cell, two_names, line, rest):
    os.symlink("link", cell.path("to-link"))
    before = two_names.read_bytes()
    rest = len(before) if rest == "end" else rest
    inmate.stor(line, INTRUDER, rest=rest)
    made = cell.read("link" if "STOU" not in line else "link.1")
    assert INTRUDER in made
    if "APPE" in line and rest is None or rest == len(before):
        assert made == before + INTRUDER
    assert two_names.read_bytes() == (before if "STOU" in line else made)
    assert os.stat(cell.path("link")).st_ino == os.stat(two_names).st_ino
    assert not [n for n in cell.names() if n.startswith(".sp-part.")]


def test_an_upload_over_a_file_with_two_names_that_breaks_off_leaves_it(inmate, cell,
                                                                        two_names):
    before = two_names.read_bytes()
    r, data = inmate.transfer("STOR link")
    data.sendall(INTRUDER * 1000)
    inmate.cmd("ABOR")
    data.close()
    inmate.reply()
    assert two_names.read_bytes() == before == cell.read("link")


def test_taking_a_hard_link_away_or_over_takes_the_name_alone(inmate, cell, outside,
                                                              hard_link):
    before = (outside.root / "secret").read_bytes()
    cell.make("f", b"mine")
    inmate.expect(350, "RNFR f")
    inmate.expect(250, "RNTO link")
    assert cell.read("link") == b"mine"
    assert (outside.root / "secret").read_bytes() == before
    os.link(outside.root / "secret", cell.path("again"))
    inmate.expect(350, "RNFR again")
    inmate.expect(250, "RNTO moved")
    inmate.expect(250, "DELE moved")
    assert (outside.root / "secret").read_bytes() == before


# ---- modes that give rights away ------------------------------------------------------------
@pytest.mark.parametrize("mode", ["4755", "2755", "6777", "1777", "7777", "04755", "4000"])
def test_site_chmod_gives_no_set_id_or_sticky_bit(inmate, cell, tried, mode):
    cell.make("f", b"#!/bin/sh\n", mode=0o644)
    cell.mkdir("d", mode=0o755)
    for name in ("f", "d"):
        assert inmate.cmd(f"SITE CHMOD {mode} {name}").code in (501, 550), name
        tried("modes with set-id and sticky bits")
    assert stat.S_IMODE(os.stat(cell.path("f")).st_mode) == 0o644
    assert stat.S_IMODE(os.stat(cell.path("d")).st_mode) == 0o755


@pytest.mark.parametrize("mode", ["-1", "u+s", "+s", "999", "00000000000000000000755", "0x1ff",
                                  "40000000755", "777 755", ""])
def test_site_chmod_takes_octal_digits_alone(inmate, cell, mode):
    cell.make("f", b"", mode=0o640)
    r = inmate.cmd(f"SITE CHMOD {mode} f")
    assert r.code in (200, 500, 501, 550, 553), r
    assert stat.S_IMODE(os.stat(cell.path("f")).st_mode) & 0o7000 == 0


@pytest.mark.parametrize("old", [0o4755, 0o2755, 0o6777, 0o4711, 0o1644])
@pytest.mark.parametrize("line", ["STOR f", "APPE f", "REST", "SITE CHMOD 755 f"])
def test_what_a_client_writes_keeps_no_set_id_bit(inmate, cell, tried, line, old):
    """A program that runs as its owner must not get another content and still do so."""
    p = cell.make("f", b"#!/bin/sh\necho good\n")
    os.chmod(p, old)
    if line == "REST":
        inmate.stor("STOR f", b"evil\n", rest=10)
    elif line.startswith("SITE"):
        inmate.expect(200, line)
    else:
        inmate.stor(line, b"evil\n")
    mode = stat.S_IMODE(os.stat(p).st_mode)
    # a sticky bit on a file means nothing; the kernel leaves it, and setgid without execute
    assert mode & 0o6000 == 0, oct(mode)
    assert mode & 0o777 == (0o755 if line.startswith("SITE") else old & 0o777), oct(mode)
    tried("modes with set-id and sticky bits")


@pytest.mark.parametrize("umask", ["000", "022", "777"])
def test_nothing_that_is_made_has_a_set_id_bit(inmate, cell, umask):
    inmate.expect(200, "SITE UMASK " + umask)
    inmate.stor("STOR new", b"x")
    inmate.stor("STOU", b"x")
    inmate.expect(257, "MKD dir")
    for name in cell.names():
        mode = stat.S_IMODE(os.lstat(cell.path(name)).st_mode)
        assert mode & 0o7000 == 0, (name, oct(mode))
        assert mode & int(umask, 8) == 0, (name, oct(mode))


def test_a_setgid_directory_hands_down_its_group_and_no_more(inmate, cell):
    needs_root()
    d = cell.mkdir("d")
    os.chown(d, pwd.getpwnam(GUEST).pw_uid, pwd.getpwnam(OTHER).pw_gid)
    os.chmod(d, 0o3777)
    inmate.stor("STOR d/f", b"x")
    inmate.expect(257, "MKD d/sub")
    assert stat.S_IMODE(os.stat(d / "f").st_mode) & 0o7000 == 0
    assert os.stat(d / "f").st_gid == pwd.getpwnam(OTHER).pw_gid
    # SITE CHMOD of a directory keeps the bits that its owner gave it on disk, and adds none
    inmate.cmd("SITE CHMOD 700 d")
    assert stat.S_IMODE(os.stat(d).st_mode) in (0o1700, 0o3700, 0o3777)


def test_in_a_sticky_directory_others_files_stay(inmate, cell):
    needs_root()
    d = cell.mkdir("d", mode=0o777)
    cell.server.own(d, OTHER)
    os.chmod(d, 0o1777)
    for name, mode in (("theirs", 0o644), ("shared", 0o666)):
        (d / name).write_bytes(b"theirs")
        cell.server.own(d / name, OTHER)
        os.chmod(d / name, mode)
    inmate.stor("STOR d/mine", b"mine")
    for lines in (["DELE d/theirs"], ["RNFR d/theirs", "RNTO d/taken"],
                  ["RNFR d/mine", "RNTO d/theirs"]):
        r = [inmate.cmd(line) for line in lines][-1]
        assert r.code >= 400, (lines, r)
    assert attempt(inmate, next(r for r in ROWS if r.line == "STOR {}"), "d/theirs").code >= 400
    assert (d / "theirs").read_bytes() == b"theirs"
    # what its owner lets everybody write is written, and stays theirs
    inmate.stor("STOR d/shared", INTRUDER)
    assert (d / "shared").read_bytes() == INTRUDER
    assert os.stat(d / "shared").st_uid == pwd.getpwnam(OTHER).pw_uid
    assert sorted(os.listdir(d)) == ["mine", "shared", "theirs"]


def test_files_of_others_stay_closed(inmate, cell):
    """The broker is the user: the kernel's permissions hold."""
    needs_root()
    cell.make("theirs", b"private", mode=0o600)
    cell.server.own(cell.path("theirs"), OTHER)
    d = cell.mkdir("their-dir", mode=0o700)
    (d / "f").write_bytes(b"private")
    cell.server.own(d, OTHER)
    for row in ROWS:
        if "secret" in row.on and not row.link and row.verb not in ("MLST", "SIZE", "MDTM") \
                and not (row.kind == "put" and row.rest is None and row.verb == "STOR"):
            done = attempt(inmate, row, "theirs")
            assert done.code >= 400, (row.name, done)
        for path in ("their-dir/f", "their-dir/new"):
            done = attempt(inmate, row, path)
            assert done.code >= 400 or "RNFR mine" in row.before or "*" in row.line, \
                (row.name, path, done)
            assert b"private" not in done.shown
        inmate.expect(250, "CWD " + cell.ftp)
    assert cell.read("theirs") == b"private"
    assert os.listdir(d) == ["f"]
