"""Jails on file systems as they are: without calls that NFS, SMB, eCryptfs or FUSE leave out,
closed to root, with other ones mounted in them.

They are FUSE (lacking_fs.c) in a mount namespace of this file. Where there is no FUSE, the
same decisions are looked at by tests/unit/test_file_systems.c, with errors that are put in.
"""

import os
import subprocess

import pytest

import harness
from harness import PASSWORD, needs_root, run, wait_until

BYTES = os.urandom(300_000)
KINDS = {
    "nfs": "noreplace,flock,fallocate",
    "smb": "noreplace,link,chmod=1,fsyncdir,fallocate,flock=95",
    "cloud": "noreplace=95,link=1,chmod,chown,utimens,truncate,fallocate=38,fsync,fsyncdir,"
             "flock=38,xattr,statfs",
    "plain": "noreplace=0",
    "full": "flush=122",
}


class Mounts:
    """File systems in the jail of the guest, each of them with what lies behind it."""

    def __init__(self, server):
        self.server, self.served, self.behind = server, [], server.dir / "behind"
        self.behind.mkdir()
        self.namespace = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", "echo; exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.namespace.stdout.readline()
        server.inside = ["nsenter", "-t", str(self.namespace.pid), "-m", "--"]

    def do(self, *argv, **kw):
        return run(*self.server.inside, *argv, **kw)

    def add(self, name, options, at=None):
        """What lies behind it."""
        behind = self.behind / name
        at = self.server.jail() / name if at is None else at
        for made in (behind, at):
            made.mkdir(parents=True)
            self.server.own(made)
        p = subprocess.Popen([*self.server.inside, self.server.world.build / "lacking-fs",
                              behind, at, options], stdout=subprocess.PIPE)
        self.served.append(p)
        assert p.stdout.readline() == b"mounted\n"
        return behind

    def other_mounts(self):
        """The kernel's own: a part of the jail once more, and a small disk."""
        for name in ("twice", "bound", "memory"):
            (self.server.jail() / name).mkdir()
            self.server.own(self.server.jail() / name)
        self.do("mount", "--bind", self.server.jail() / "twice", self.server.jail() / "bound")
        self.do("mount", "-t", "tmpfs", "-o", "size=1m", "memory", self.server.jail() / "memory")
        self.do("chown", harness.GUEST, self.server.jail() / "memory")

    def end(self):
        for p in self.served:
            p.kill()
            p.wait(10)
            p.stdout.close()
        self.namespace.communicate(timeout=10)


@pytest.fixture(scope="module")
def mounts(world):
    needs_root()
    if not (world.build / "lacking-fs").exists():
        pytest.skip("built without libfuse3: no FUSE to try")
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as e:
        pytest.skip(f"no FUSE here: {e}")
    s = harness.Server(world, "file-systems")
    m = Mounts(s)
    try:
        s.make_jail("guest")
        for kind, options in KINDS.items():
            m.add(kind, options)
        m.other_mounts()
        m.add("home", "private", s.dir / "homes" / "home")
        os.chmod(s.dir / "homes", 0o755)
        s.start()
        s.add_user("private", jail=s.dir / "homes" / "home")
        yield m
        s.stop()
    finally:
        s.kill()
        m.end()


@pytest.fixture
def session(mounts):
    c = mounts.server.login()
    yield c
    c.quit()


@pytest.fixture(params=["nfs", "smb", "cloud"])
def lacking(mounts, session, request):
    """What lies behind it, in a session that has gone into it."""
    session.expect(250, "CWD /" + request.param)
    return mounts.behind / request.param


def left(behind):
    return sorted(p.name for p in behind.iterdir() if p.name.startswith(".sp-"))


def test_names_are_given(lacking, session):
    session.expect(257, "MKD directory")
    session.expect(257, "MKD other")
    session.stor("STOR directory/file", BYTES)
    session.expect(350, "RNFR directory")
    session.expect(250, "RNTO moved")
    session.expect(350, "RNFR moved")
    session.expect(550, "RNTO other")
    session.expect(350, "RNFR moved/file")
    session.expect(250, "RNTO other/file")
    assert (lacking / "other" / "file").read_bytes() == BYTES
    assert sorted(p.name for p in lacking.iterdir()) == ["moved", "other"]
    session.expect(250, "DELE other/file")
    session.expect(250, "RMD other")
    session.expect(250, "RMD moved")


def test_uploads_are_stored(lacking, session):
    session.stor("STOR file", BYTES)
    session.stor("STOR file", BYTES[:1000])
    session.stor("APPE file", BYTES[1000:2000])
    session.expect(350, "REST 2000")
    session.stor("STOR file", BYTES[2000:])
    assert (lacking / "file").read_bytes() == BYTES
    session.expect(200, "ALLO 2000000")
    session.stor("STOU file", BYTES[:10])
    session.stor("STOU file", BYTES[:20])
    assert (lacking / "file.1").read_bytes() == BYTES[:10]
    assert (lacking / "file.2").read_bytes() == BYTES[:20]
    assert (lacking / "file").read_bytes() == BYTES and left(lacking) == []
    for name in ("file", "file.1", "file.2"):
        session.expect(250, "DELE " + name)


def test_what_there_is_no_way_for_is_final(mounts, session):
    session.expect(250, "CWD /cloud")
    session.stor("STOR file", BYTES)
    for command in ("SITE CHMOD 600 file", "MFMT 20200101000000 file"):
        session.expect(550, command)
    session.expect(250, "DELE file")
    session.expect(250, "CWD /smb")
    session.stor("STOR file", BYTES)
    session.expect(550, "SITE CHMOD 600 file")
    session.expect(250, "DELE file")


def test_attributes_are_what_the_file_system_says(mounts, session):
    """The kernel knows older ones, and names: it asks only who asks as stat(2) does."""
    behind = mounts.behind / "plain"
    session.stor("STOR /plain/file", BYTES[:1000])
    assert session.expect(213, "SIZE /plain/file").text.split()[-1] == "1000"
    (behind / "file").write_bytes(BYTES)
    os.utime(behind / "file", (1000000000, 1000000000))
    assert session.expect(213, "SIZE /plain/file").text.split()[-1] == str(len(BYTES))
    assert "20010909014640" in session.expect(213, "MDTM /plain/file").text
    assert f"size={len(BYTES)};" in session.expect(250, "MLST /plain/file").text.lower()
    for command in ("LIST /plain", "MLSD /plain"):
        assert str(len(BYTES)) in session.retr(command).decode()
    assert session.retr("RETR /plain/file") == BYTES
    session.expect(250, "DELE /plain/file")


@pytest.mark.parametrize("place", [*KINDS][:4] + ["bound", "memory"])
def test_a_file_is_renamed_to_another_mount(mounts, session, place):
    jail = mounts.server.jail()
    session.stor("STOR /file", BYTES)
    session.expect(200, "SITE CHMOD 640 /file")
    session.expect(213, "MFMT 20200102030405 /file")
    (jail / "file").read_bytes()
    for old, new in (("/file", f"/{place}/file"), (f"/{place}/file", "/back")):
        session.expect(350, "RNFR " + old)
        session.expect(250, "RNTO " + new)
        session.expect(550, "SIZE " + old)
        assert session.retr("RETR " + new) == BYTES
        if place != "cloud":            # which has neither modes nor times to set
            assert "20200102030405" in session.expect(213, "MDTM " + new).text
            if place != "smb":
                assert "unix.mode=0640" in session.expect(250, "MLST " + new).text.lower()
    assert wait_until(lambda: mounts.do("ls", "-A", jail / place).stdout == "")
    session.expect(257, "MKD /directory")
    session.expect(350, "RNFR /directory")
    assert "another file system" in session.expect(550, f"RNTO /{place}/directory").text
    session.expect(250, "RMD /directory")
    session.expect(250, "DELE /back")


def test_what_may_not_be_removed_is_not_copied(mounts, session):
    closed = mounts.server.folder()
    closed.make("file", BYTES)
    os.chmod(closed.disk, 0o555)
    session.expect(350, f"RNFR {closed.ftp}/file")
    session.expect(550, "RNTO /memory/file")
    session.expect(550, "SIZE /memory/file")
    assert closed.read("file") == BYTES


def test_a_rename_for_which_there_is_no_room(mounts, session):
    session.stor("STOR /file", BYTES * 5)
    session.stor("STOR /memory/file", b"old")
    session.expect(350, "RNFR /file")
    session.expect(552, "RNTO /memory/file")
    assert session.retr("RETR /memory/file") == b"old"
    assert session.retr("RETR /file") == BYTES * 5
    assert mounts.do("ls", "-A", mounts.server.jail() / "memory").stdout == "file\n"
    session.expect(250, "DELE /memory/file")
    session.expect(250, "DELE /file")


@pytest.mark.parametrize("durable", [True, False])
def test_what_a_close_says_is_heard(mounts, durable):
    """Only then do many file systems of the network tell that there is no room."""
    mounts.server.reload(durable=durable)
    c = mounts.server.login()
    behind = mounts.behind / "full"
    (behind / "file").write_bytes(b"old")
    mounts.server.own(behind / "file")
    r, data = c.transfer("STOR /full/file")
    assert r.code == 150
    data.sendall(BYTES)
    c.finish(data)
    assert c.reply().code == 552
    assert (behind / "file").read_bytes() == b"old" and left(behind) == []
    c.stor("STOR /file", BYTES)
    c.expect(350, "RNFR /file")
    c.expect(552, "RNTO /full/other")
    # FUSE keeps what was removed while it was open as .fuse_hidden..., until all have closed it
    assert wait_until(lambda: [p.name for p in behind.iterdir()] == ["file"]), left(behind)
    c.expect(250, "DELE /file")
    c.quit()


def test_a_home_that_root_may_not_enter_is_entered(mounts):
    s = mounts.server
    home = s.dir / "homes" / "home"
    assert mounts.do("ls", home, check=False).returncode != 0, "root is not kept out"
    c = s.login("private", PASSWORD)
    c.stor("STOR file", BYTES)
    assert c.retr("RETR file") == BYTES
    assert c.expect(257, "PWD").text.split()[1] == '"/"'
    c.quit()
    assert (mounts.behind / "home" / "file").read_bytes() == BYTES
    (mounts.behind / "home" / ".sp-part.old").write_bytes(b"x")
    s.own(mounts.behind / "home" / ".sp-part.old")
    assert str(home / ".sp-part.old") in s.tool("clean", "private").stdout
