"""An upload over a file does not change whose it is, who may read it, or where it lies."""

import os
import pwd
import stat
import struct
import subprocess

import pytest

from harness import GUEST, OTHER, needs_root

NEW = os.urandom(200_000)
# owner rw-, user 12345 r--, group r--, mask rw-, others none (acl(5))
LIST = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, rights, who) for tag, rights, who in (
        (0x01, 6, 0xffffffff), (0x02, 4, 12345), (0x04, 4, 0xffffffff),
        (0x10, 6, 0xffffffff), (0x20, 0, 0xffffffff)))
ACL = "system.posix_acl_access"


def give(path, **attributes):
    try:
        for name, value in attributes.items():
            os.setxattr(path, name.replace("__", "."), value)
    except OSError as e:
        pytest.skip(f"{path}: no such attributes here: {e}")


def test_access_list_and_attributes_stay(ftp, folder):
    p = folder.make("f", b"old", 0o640)
    give(p, user__origin=b"scanner", **{ACL: LIST})
    for content in (NEW, b"", NEW[:1000]):
        ftp.stor("STOR f", content)
        assert p.read_bytes() == content
        assert os.getxattr(p, ACL) == LIST
        assert os.getxattr(p, "user.origin") == b"scanner"
        assert stat.S_IMODE(os.stat(p).st_mode) == 0o660
    assert folder.names() == ["f"]


def test_owner_and_group_stay(ftp, folder):
    needs_root()
    p = folder.make("f", b"old", 0o666)
    folder.server.own(p, OTHER)
    before = os.stat(p)
    for content in (NEW, b"shorter", b""):
        ftp.stor("STOR f", content)
        now = os.stat(p)
        assert p.read_bytes() == content
        assert (now.st_uid, now.st_gid, now.st_ino, now.st_mode) == \
            (before.st_uid, before.st_gid, before.st_ino, before.st_mode)
    assert folder.names() == ["f"]


def test_a_group_that_is_none_of_ours_stays(ftp, folder):
    needs_root()
    p = folder.make("f", b"old", 0o660)
    os.chown(p, pwd.getpwnam(GUEST).pw_uid, pwd.getpwnam(OTHER).pw_gid)
    ftp.stor("STOR f", NEW)
    st = os.stat(p)
    assert p.read_bytes() == NEW and st.st_gid == pwd.getpwnam(OTHER).pw_gid
    assert stat.S_IMODE(st.st_mode) == 0o660
    assert folder.names() == ["f"]


def test_a_file_that_is_mounted_is_written_to(ftp, folder, scratch):
    needs_root()
    p = folder.make("f", b"mount point")
    (scratch / "real").write_bytes(b"old")
    folder.server.own(scratch / "real")
    if subprocess.run(["mount", "--bind", scratch / "real", p], check=False).returncode != 0:
        pytest.skip("no mounts here")
    try:
        c = folder.server.login()
        c.expect(250, "CWD " + folder.ftp)
        c.stor("STOR f", NEW)
        c.quit()
        assert (scratch / "real").read_bytes() == NEW
    finally:
        subprocess.run(["umount", p], check=True)
    assert p.read_bytes() == b"mount point"
    assert folder.names() == ["f"]


@pytest.mark.parametrize("in_place", [False, True])
def test_in_a_closed_directory(make_server, in_place):
    """Nothing can be made beside the file: refused before 150, or the old one is lost."""
    needs_root()
    server = make_server(overwrite_in_place=in_place)
    folder = server.folder()
    p = folder.make("f", b"old content")
    os.chmod(folder.disk, 0o555)
    c = server.login()
    c.expect(250, "CWD " + folder.ftp)
    if in_place:
        c.stor("STOR f", NEW)
        assert p.read_bytes() == NEW
    else:
        r, data = c.transfer("STOR f")
        assert r.code == 553 and data is None, r
        assert p.read_bytes() == b"old content"
        c.stor("APPE f", b" and more")
        assert p.read_bytes() == b"old content and more"
    r, data = c.transfer("STOR new")
    assert r.code == 550 and data is None, r
    assert folder.names() == ["f"]
    c.quit()
