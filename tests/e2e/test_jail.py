"""Nothing outside the jail, whatever the path, link or race; read-only is read-only."""

import os
import socket
import stat
import threading
import time

import pytest

from harness import OTHER, ROOT, needs_root, wait_until

SECRET = b"outside of the jail: nobody over FTP may see this"


@pytest.fixture
def outside(server):
    """A file beside the jail that everybody on this machine could read."""
    d = server.dir / "outside"
    d.mkdir(exist_ok=True)
    os.chmod(d, 0o777)
    (d / "secret").write_bytes(SECRET)
    os.chmod(d / "secret", 0o666)
    yield d
    assert (d / "secret").read_bytes() == SECRET
    assert os.listdir(d) == ["secret"], "something was written outside of the jail"


def attempts(outside):
    up = "../" * 30
    return [f"{up}{str(outside)[1:]}/secret", f"/{up}{str(outside)[1:]}/secret",
            f"{outside}/secret", f"/..{outside}/secret", f"/./..//../..{outside}/secret",
            f"a/../../../../../../..{outside}/secret"]


def test_dots_lead_nowhere(ftp, outside):
    for path in attempts(outside):
        for line in ("RETR ", "STOR ", "APPE "):
            ftp.passive()
            assert ftp.cmd(line + path).code in (550, 553), line + path
        for line in ("SIZE ", "MDTM ", "MLST ", "DELE ", "RNFR ", "SITE CHMOD 600 ",
                     "MFMT 20200101000000 ", "MKD ", "CWD "):
            assert ftp.cmd(line + path).code in (550, 553), line + path


@pytest.mark.parametrize("kind", ["absolute", "relative", "directory", "chain", "self"])
def test_links_to_outside_lead_nowhere(ftp, folder, outside, kind):
    where = {"absolute": str(outside / "secret"),
             "relative": "../" * 40 + str(outside / "secret")[1:],
             "directory": str(outside), "chain": "link2", "self": "link"}[kind]
    os.symlink(where, folder.path("link"))
    os.symlink(str(outside / "secret"), folder.path("link2"))
    name = "link/secret" if kind == "directory" else "link"
    for line in ("RETR ", "STOR ", "APPE "):
        ftp.passive()
        if line == "RETR ":
            assert ftp.cmd(line + name).code == 550
        else:
            r = ftp.cmd(line + name)
            if r.code in (125, 150):        # a dangling link, replaced by a file in the jail
                ftp.cmd("ABOR")
                ftp.reply()
    for line in ("SIZE ", "MDTM ", "SITE CHMOD 600 ", "MFMT 20200101000000 ", "CWD ", "LIST "):
        if line == "LIST ":
            ftp.passive()
        r = ftp.cmd(line + (name if line != "CWD " else "link"))
        if r.code in (125, 150):
            ftp.cmd("ABOR")
            ftp.reply()
            continue
        assert r.code in (450, 550, 553), (line, r)
    st = os.stat(outside / "secret")
    assert stat.S_IMODE(st.st_mode) == 0o666


def test_links_inside_the_jail_work(ftp, folder):
    d = folder.mkdir("dir")
    (d / "f").write_bytes(b"inside")
    folder.server.own(d / "f")
    os.symlink("dir/f", folder.path("relative"))
    os.symlink(folder.ftp + "/dir/f", folder.path("absolute"))
    os.symlink(folder.ftp + "/dir", folder.path("to-dir"))
    os.symlink("/../../.." + folder.ftp + "/dir/f", folder.path("dotty"))
    for name in ("relative", "absolute", "to-dir/f", "dotty"):
        assert ftp.retr("RETR " + name) == b"inside", name
    assert ftp.cmd("CWD to-dir").code == 250
    assert ftp.names("NLST") == ["f"]


def test_dele_and_rename_act_on_the_link(ftp, folder):
    folder.make("f", b"kept")
    os.symlink("f", folder.path("link"))
    os.symlink("f", folder.path("link2"))
    assert ftp.cmd("DELE link").code == 250
    assert ftp.cmd("RNFR link2").code == 350
    assert ftp.cmd("RNTO link3").code == 250
    assert folder.read("f") == b"kept"
    assert os.path.islink(folder.path("link3"))


def swap(folder, outside, stop):
    """`swapped` is in turn a directory of the jail and a link to outside."""
    a, b, c = (os.fspath(folder.disk / x) for x in ("swapped", "real", "evil"))
    while not stop.is_set():
        try:
            os.rename(a, b)
            os.rename(c, a)
            os.rename(a, c)
            os.rename(b, a)
        except OSError:
            time.sleep(0.001)


def test_links_swapped_during_operations(ftp, folder, outside):
    d = folder.mkdir("swapped")
    (d / "secret").write_bytes(b"inside")
    folder.server.own(d / "secret")
    os.symlink(str(outside), folder.path("evil"))
    stop = threading.Event()
    t = threading.Thread(target=swap, args=(folder, outside, stop))
    t.start()
    try:
        end = time.monotonic() + 5
        n = 0
        seen = set()
        while time.monotonic() < end:
            n += 1
            r, data = ftp.transfer("RETR swapped/secret")
            if data:
                with data:
                    seen.add(ftp.receive(data))
                ftp.reply()
            r, data = ftp.transfer(f"STOR swapped/new{n}")
            if data:
                with data:
                    data.sendall(b"x")
                    ftp.finish(data)
                ftp.reply()
            ftp.cmd("DELE swapped/secret2")
            ftp.cmd("MKD swapped/dir%d" % n)
            ftp.cmd("SITE CHMOD 644 swapped/secret")
            ftp.cmd("MLST swapped/secret")
            ftp.cmd("RNFR swapped/new%d" % n)
            ftp.cmd("RNTO swapped/moved%d" % n)
    finally:
        stop.set()
        t.join(10)
    assert SECRET not in seen
    assert n > 20
    assert stat.S_IMODE(os.stat(outside / "secret").st_mode) == 0o666


def test_proc_and_dev_are_not_there(ftp):
    for path in ("/proc", "/proc/self/root", "/proc/1/root/etc/passwd", "/dev/null", "/sys",
                 "/etc/passwd", "/lib", "/bin/sh"):
        ftp.passive()
        assert ftp.cmd("RETR " + path).code == 550, path
        assert ftp.cmd("CWD " + path).code == 550, path


def test_a_proc_in_the_jail_leads_nowhere(server, ftp, folder, outside):
    """Bound into the jail by an administrator's mistake: magic links are not followed."""
    needs_root()
    target = folder.mkdir("proc")
    if os.system(f"mount -t proc proc {target} 2>/dev/null") != 0:
        pytest.skip("mount(2) is not allowed here")
    try:
        for pid in ("self", "thread-self", "1", str(os.getpid()), str(server.pid)):
            for line in (f"RETR proc/{pid}/root{outside}/secret", f"CWD proc/{pid}/root",
                         f"CWD proc/{pid}/cwd", f"RETR proc/{pid}/environ",
                         f"LIST proc/{pid}/fd"):
                if line.startswith(("RETR", "LIST")):
                    r, data = ftp.transfer(line)
                    if data is not None:
                        with data:
                            got = ftp.receive(data)
                        end = ftp.reply()
                        assert SECRET not in got, line
                        assert not (line.startswith("RETR") and b"root" in line.encode()
                                    and end.code == 226), line
                else:
                    assert ftp.cmd(line).code == 550, line
    finally:
        assert os.system(f"umount -l {target}") == 0


def test_fifos_and_sockets_do_not_hang(ftp, folder):
    os.mkfifo(folder.path("fifo"))
    folder.server.own(folder.path("fifo"))
    s = socket.socket(socket.AF_UNIX)
    s.bind(str(folder.path("socket")))
    folder.server.own(folder.path("socket"))
    begin = time.monotonic()
    for name in ("fifo", "socket"):
        for line in ("RETR ", "APPE "):
            ftp.passive()
            assert ftp.cmd(line + name).code in (550, 553), line + name
        assert ftp.cmd("SIZE " + name).code == 550
        ftp.cmd("MDTM " + name)
        assert ftp.cmd("CWD " + name).code == 550
        ftp.passive()
        r = ftp.cmd("STOR " + name)
        if r.code in (125, 150):
            ftp.cmd("ABOR")
            ftp.reply()
    assert {"fifo", "socket"} <= set(ftp.names("NLST"))
    assert len(ftp.names("LIST")) >= 2
    assert time.monotonic() - begin < 10
    s.close()


def test_device_nodes_do_not_hang(ftp, folder):
    needs_root()
    for name, major, minor in (("zero", 1, 5), ("tty", 5, 0), ("null", 1, 3)):
        try:
            os.mknod(folder.path(name), 0o666 | stat.S_IFCHR, os.makedev(major, minor))
        except PermissionError:
            pytest.skip("mknod(2) is not allowed here")
        os.chmod(folder.path(name), 0o666)
        for line in ("RETR ", "APPE "):
            ftp.passive()
            assert ftp.cmd(line + name).code in (550, 553), line + name
        assert ftp.cmd("SIZE " + name).code == 550
    assert len(ftp.names("LIST")) >= 3


def test_a_writable_root_with_planted_system_files(make_server):
    """What the user puts where a C library would look is looked at by nobody."""
    s = make_server()
    c = s.login()
    jail = s.jail()
    fifo_names = ["etc/passwd", "etc/group", "etc/nsswitch.conf", "etc/localtime",
                  "etc/ld.so.preload", "etc/ld.so.cache", "etc/hosts", "etc/ssl/openssl.cnf",
                  "lib/x86_64-linux-gnu/libnss_files.so.2", "usr/lib/locale/locale-archive",
                  "usr/share/zoneinfo/UTC", "etc/resolv.conf", "dev/null", "dev/log"]
    for n in fifo_names:
        p = jail / n
        p.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(p, 0o666)         # whoever opens it hangs
    for p in [jail, *jail.rglob("*")]:
        s.own(p)
    for x in (c, s.login()):
        x.timeout = 8
        assert x.cmd("MKD d%d" % x.local_port).code == 257
        x.stor("STOR f", b"x")
        assert x.retr("RETR f") == b"x"
        x.names("LIST -la")
        x.names("MLSD")
        x.expect(213, "MDTM f")
        x.quit()


def test_files_of_others_stay_closed(ftp, folder):
    """The broker is the user: the kernel's permissions hold."""
    needs_root()
    folder.make("theirs", b"private", mode=0o600)
    folder.server.own(folder.path("theirs"), OTHER)
    d = folder.mkdir("their-dir", mode=0o700)
    folder.server.own(d, OTHER)
    ftp.passive()
    assert ftp.cmd("RETR theirs").code == 550
    assert ftp.cmd("SITE CHMOD 666 theirs").code == 550
    assert ftp.cmd("CWD their-dir").code == 550
    ftp.passive()
    assert ftp.cmd("STOR their-dir/x").code in (550, 553)
    assert folder.read("theirs") == b"private"


def test_a_read_only_account_may_not_write(server):
    jail = server.jail("reader")
    (jail / "f").write_bytes(b"look, but do not touch")
    (jail / "d").mkdir(exist_ok=True)
    server.own(jail / "f")
    server.own(jail / "d")
    before = sorted(os.listdir(jail))
    c = server.login("reader")
    assert c.retr("RETR f") == b"look, but do not touch"
    assert "f" in c.names("NLST")
    for line in ("STOR new", "STOR f", "APPE f", "APPE new", "STOU"):
        c.passive()
        assert c.cmd(line).code in (550, 553), line
    for line in ("DELE f", "MKD new", "RMD d", "SITE CHMOD 600 f", "MFMT 20200101000000 f",
                 "SITE UTIME 20200101000000 f", "MDTM 20200101000000 f"):
        assert c.cmd(line).code in (550, 553), line
    if c.cmd("RNFR f").code == 350:
        assert c.cmd("RNTO g").code in (550, 553)
    assert sorted(os.listdir(jail)) == before
    assert (jail / "f").read_bytes() == b"look, but do not touch"
    perm = c.cmd("MLST f").inner[0].lower()
    assert "perm=r;" in perm, perm
    c.quit()


def test_unfinished_uploads_show_under_their_final_name_alone(server, ftp, folder):
    """On disk the name is not there; what is there instead cannot be named over FTP."""
    r, data = ftp.transfer("STOR report.pdf")
    data.sendall(b"x" * 50000)
    assert wait_until(lambda: folder.names() != [], 5) or True
    assert "report.pdf" not in folder.names()
    hidden = folder.names()
    other = server.login()
    other.expect(250, "CWD " + folder.ftp)
    shown = other.names("NLST -a")
    assert not set(hidden) & set(shown), f"hidden names are listed: {shown}"
    for name in hidden:
        for line in ("SIZE ", "DELE ", "RNFR ", "MLST "):
            assert other.cmd(line + name).code in (550, 553), line + name
        other.passive()
        assert other.cmd("RETR " + name).code in (550, 553)
        other.passive()
        assert other.cmd("STOR " + name).code in (550, 553)
    other.quit()
    with data:
        ftp.finish(data)
    assert ftp.reply().code == 226
    assert folder.names() == ["report.pdf"]


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
    if ftp.reply().code == 226:
        assert (folder.path("again") / "up").read_bytes() == b"half and half"


@pytest.mark.skipif(not ROOT, reason="needs root: two owners")
def test_a_jail_that_is_gone_or_closed_is_refused_in_words(server):
    jail = server.add_user("evicted")
    os.rmdir(jail)
    c = server.client()
    c.expect(331, "USER evicted")
    r = c.cmd("PASS " + "correct horse battery staple")
    assert r.code in (421, 530, 550), r
    c.abandon()
    server.login().quit()
