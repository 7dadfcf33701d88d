"""`sallyport clean`: unfinished uploads are shown, and removed, as the account in its jail."""

import contextlib
import ctypes
import os
import pwd
import re
import select
import signal
import socket
import stat
import subprocess
import threading

import pytest

import harness
import procfs
from harness import GUEST, OTHER, PAM_USER, ROOT, needs_root, wait_until
from test_transfers import cut

PART = ".sp-part."
NEW = os.urandom(300_000)

# One row of the table: the path is the rest of the line, escaped.
ROW = re.compile(r"^(?P<account>.+?) +(?P<bytes>\d+)  (?P<age>\d+ \w+) +"
                 r"(?P<state>in use|kept|old|removed|failed) +(?P<path>/.*)$")


@pytest.fixture
def site(world, request):
    """Accounts and jails; no server runs."""
    s = harness.Server(world, request.node.name)
    s.write()
    s.add_user("guest")
    return s


def clean(site, *argv, code=0):
    """Rows, by path below the directory of all jails; the last line; standard error."""
    r = site.tool("clean", *argv, check=False)
    assert r.returncode == code, (argv, r.returncode, r.stdout, r.stderr)
    lines = r.stdout.splitlines()
    found = [ROW.match(line) for line in lines[1:-1]]
    assert all(found), r.stdout
    top = str(site.jail().parent) + "/"
    assert all(m["path"].startswith(top) for m in found), r.stdout
    return ({m["path"][len(top):]: m.groupdict() for m in found},
            lines[-1] if lines else "", r.stderr)


def states(site, *argv, **kw):
    return {path: row["state"] for path, row in clean(site, *argv, **kw)[0].items()}


def put(site, name, content=b"cut", jail="guest", user=GUEST):
    path = site.jail(jail) / name
    path.write_bytes(content)
    site.own(path, user)
    return path


def mkdir(site, name, jail="guest", mode=0o755):
    path = site.jail(jail) / name
    path.mkdir()
    os.chmod(path, mode)
    site.own(path)
    return path


# ---- what is found and what is removed ---------------------------------------------------
def test_it_shows_and_removes_nothing_unasked(site):
    put(site, "whole", b"whole")
    put(site, PART + "whole", b"12345")
    mkdir(site, "d")
    mkdir(site, "d/e")
    put(site, "d/e/" + PART + "new", b"123")
    put(site, "d/e/sp-part.not", b"123")
    rows, total, said = clean(site)
    assert said == ""
    assert {p: (r["account"], int(r["bytes"]), r["state"]) for p, r in rows.items()} == {
        "guest/" + PART + "whole": ("guest", 5, "kept"),
        "guest/d/e/" + PART + "new": ("guest", 3, "kept")}
    assert total == "unfinished uploads: 2 (8 bytes); kept 2 (8 bytes)"
    assert states(site, "--older-than", "0") == {p: "old" for p in rows}
    # nobody has touched them for less than 7 days, the default
    assert states(site, "--remove") == {p: "kept" for p in rows}
    assert states(site, "--remove", "--older-than", "1h") == {p: "kept" for p in rows}
    assert states(site, "--remove", "--older-than", "0") == {p: "removed" for p in rows}
    rows, total, said = clean(site)
    assert (rows, total, said) == ({}, "unfinished uploads: 0 (0 bytes)", "")
    assert sorted(os.listdir(site.jail())) == ["d", "whole"]
    assert os.listdir(site.jail() / "d/e") == ["sp-part.not"]


def test_of_one_account_of_some_or_of_all(site):
    for name in ("anna", "berta"):
        site.add_user(name)
        put(site, PART + "f", jail=name)
    site.tool("user", "set", "berta", "--disable")
    put(site, PART + "f")
    assert set(clean(site, "anna")[0]) == {f"anna/{PART}f"}
    assert set(clean(site, "anna", "berta")[0]) == {f"anna/{PART}f", f"berta/{PART}f"}
    assert set(clean(site)[0]) == {f"{n}/{PART}f" for n in ("anna", "berta", "guest")}
    clean(site, "anna", "--remove", "--older-than=0")
    assert set(clean(site)[0]) == {f"{n}/{PART}f" for n in ("berta", "guest")}


def test_users_of_the_system_and_anonymous_have_jails_too(world, request, tmp_path):
    needs_root()
    s = harness.Server(world, request.node.name, auth=["users", "pam", "anonymous"],
                       anonymous_user=OTHER)
    s.write(system_user_jail=str(s.jail()) + "/../%u", anonymous_root=str(s.jail("pub")),
            system_user_least_uid=pwd.getpwnam(PAM_USER).pw_uid)
    s.write(system_user_jail=str(s.jail().parent) + "/%u")
    s.add_user("guest")
    put(s, PART + "g")
    s.make_jail("pub")
    s.own(s.jail("pub"), OTHER)
    put(s, PART + "a", jail="pub", user=OTHER)
    s.make_jail(PAM_USER)
    s.own(s.jail(PAM_USER), PAM_USER)
    put(s, PART + "p", jail=PAM_USER, user=PAM_USER)
    rows = clean(s)[0]
    assert {p: r["account"] for p, r in rows.items()} == {
        f"guest/{PART}g": "guest", f"pub/{PART}a": "anonymous",
        f"{PAM_USER}/{PART}p": PAM_USER}
    assert set(clean(s, "anonymous", PAM_USER, "--remove", "--older-than", "0")[0]) == {
        f"pub/{PART}a", f"{PAM_USER}/{PART}p"}
    assert set(clean(s)[0]) == {f"guest/{PART}g"}
    # root is no account, whoever asks
    said = clean(s, "root", code=1)[2]
    assert "root: this account cannot be used" in said
    # without a jail the whole system is not searched
    s.write(jail_system_users=False)
    assert "they have no jail" in clean(s)[2]
    assert "has no jail" in clean(s, PAM_USER, code=1)[2]


@pytest.mark.parametrize("argv, code, says", [
    (("nobody-here",), 1, "nobody-here: no such account"),
    (("a/b",), 2, "is not a valid account name"),
    (("--older-than", "soon"), 2, '"soon" is not a time'),
    (("--older-than", "-1"), 2, '"-1" is not a time'),
    (("--older-than",), 2, "older-than"),
    (("--purge",), 2, "purge"),
])
def test_what_cannot_be_done_is_said(site, argv, code, says):
    r = site.tool("clean", *argv, check=False)
    assert r.returncode == code and says in r.stderr, (r.stdout, r.stderr)


def test_where_nothing_expires_an_age_has_to_be_given(site):
    site.write(unfinished_keep=0)
    put(site, PART + "f")
    assert states(site) == {f"guest/{PART}f": "kept"}
    assert "--older-than" in site.tool("clean", "--remove", check=False).stderr
    assert states(site, "--remove", "--older-than", "0") == {f"guest/{PART}f": "removed"}


def test_a_jail_that_is_missing_is_told(site):
    site.add_user("gone", jail=site.jail("nowhere"))
    put(site, PART + "f")
    rows, _total, said = clean(site, code=1)
    assert set(rows) == {f"guest/{PART}f"}, "the others are looked at all the same"
    assert re.search(r"gone: its jail /\S+/nowhere does not exist", said)
    site.write(jail_create=True)
    assert clean(site)[2] == "", "it would be made at the first login"


def test_a_directory_that_cannot_be_read_is_told(site):
    needs_root()
    for name, mode in (("drop", 0o300), ("closed", 0o000)):
        mkdir(site, name, mode=mode)
        put(site, f"{name}/{PART}f")
    put(site, PART + "f")
    rows, _total, said = clean(site, "--remove", "--older-than", "0", code=1)
    assert set(rows) == {f"guest/{PART}f"}
    # one in which this account could have left something, and one in which it could not
    assert "cannot read /drop in its jail" in said and "closed" not in said


# ---- beside a server ---------------------------------------------------------------------
def test_what_a_session_writes_is_not_touched(server, ftp, folder):
    path = str(folder.disk)[len(str(server.jail().parent)) + 1:] + "/"
    cut(ftp, "STOR broken", NEW)
    r, data = ftp.transfer("STOR open")
    assert data is not None, r
    data.sendall(NEW)
    part = folder.path(PART + "open")
    assert wait_until(lambda: part.exists() and part.stat().st_size > 0)
    mine = {p: s for p, s in states(server, "guest").items() if p.startswith(path)}
    assert mine == {path + PART + "open": "in use", path + PART + "broken": "kept"}
    gone = states(server, "guest", "--remove", "--older-than", "0")
    assert gone[path + PART + "open"] == "in use"
    assert gone[path + PART + "broken"] == "removed"
    assert folder.names() == [PART + "open"]
    ftp.finish(data)
    assert ftp.reply().code == 226
    assert folder.read("open") == NEW


# ---- what guests plant -------------------------------------------------------------------
def test_planted_things_are_no_uploads_and_lead_nowhere(site):
    outside = site.dir / "outside"
    outside.mkdir()
    (outside / (PART + "secret")).write_bytes(b"secret")
    jail = site.jail()
    whole = put(site, "whole", b"whole")
    os.symlink(outside / (PART + "secret"), jail / (PART + "link"))
    os.symlink("whole", jail / (PART + "inside"))
    os.symlink(outside, jail / "out")
    os.symlink("/", jail / "up")
    os.symlink(".", jail / "loop")
    os.mkfifo(jail / (PART + "fifo"))
    mkdir(site, PART + "dir")
    put(site, PART + "dir/" + PART + "below")
    s = socket.socket(socket.AF_UNIX)
    old = os.getcwd()
    os.chdir(jail)                      # the whole path may be too long for one
    s.bind(PART + "socket")
    os.chdir(old)
    for name in (PART + "fifo", PART + "socket"):
        site.own(jail / name)
    if ROOT:
        os.mknod(jail / (PART + "device"), stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.link(whole, jail / (PART + "second"))
    before = sorted(os.listdir(jail))
    rows, _total, said = clean(site, "--remove", "--older-than", "0")
    s.close()
    assert said == ""
    # a second name of a file is a name that only uploads have: it goes, the file stays
    assert {p: r["state"] for p, r in rows.items()} == {f"guest/{PART}second": "removed"}
    assert sorted(os.listdir(jail)) == [n for n in before if n != PART + "second"]
    assert whole.read_bytes() == b"whole"
    assert os.listdir(jail / (PART + "dir")) == [PART + "below"]
    assert os.listdir(outside) == [PART + "secret"]


def test_names_move_no_cursor_and_forge_no_row(site):
    jail = os.fsencode(site.jail())
    names = [b"\x1b[2J", b"a\nb 5  1 s old etc", b"\xff\xfe", b"back\\x0aslash", b"a b",
             "\x9b2J".encode(), "ü".encode()]
    for name in names:
        with open(jail + b"/" + PART.encode() + name, "wb") as f:
            f.write(b"x")
        site.own(jail + b"/" + PART.encode() + name)
    os.mkdir(jail + b"/\x1b[31m")
    site.own(jail + b"/\x1b[31m")
    os.chmod(jail + b"/\x1b[31m", 0o300)
    r = site.tool("clean", check=False)
    shown = [line.partition(PART)[2] for line in r.stdout.splitlines()[1:-1]]
    assert sorted(shown) == sorted(
        ["\\x1b[2J", "a\\x0ab 5  1 s old etc", "\\xff\\xfe", "back\\x5cx0aslash", "a b",
         "\\xc2\\x9b2J", "ü"])
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", r.stdout + r.stderr)
    if ROOT:
        assert "\\x1b[31m" in r.stderr and r.returncode == 1


def test_what_belongs_to_another_is_left_to_it(site):
    """In a directory that others share: sticky, or not the account's at all."""
    needs_root()
    shared = mkdir(site, "shared", mode=0o1777)
    site.own(shared, OTHER)
    foreign = mkdir(site, "foreign")
    site.own(foreign, OTHER)
    for d in ("shared", "foreign"):
        put(site, f"{d}/{PART}theirs", user=OTHER)
    put(site, f"shared/{PART}ours")
    rows, _total, said = clean(site, "--remove", "--older-than", "0")
    assert (set(rows), said) == ({f"guest/shared/{PART}ours"}, "")
    assert os.listdir(shared) == os.listdir(foreign) == [PART + "theirs"]


RENAME_EXCHANGE = 2


def swap(one, other):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), RENAME_EXCHANGE) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def test_renames_meanwhile_lead_nowhere(site):
    """A directory and a link to another account's jail change places all the time."""
    needs_root()
    outside = site.dir / "outside"
    outside.mkdir()
    kept = [outside / f"{PART}{n}" for n in range(20)]
    for path in kept:
        path.write_bytes(b"secret")
        os.chown(path, *pwd.getpwnam(GUEST)[2:4])   # only the walls keep the account out
    os.chown(outside, *pwd.getpwnam(GUEST)[2:4])
    inside = mkdir(site, "d")
    os.symlink(outside, site.jail() / "l")
    over = threading.Event()

    def swapping():
        while not over.is_set():
            swap(inside, site.jail() / "l")

    thread = threading.Thread(target=swapping)
    thread.start()
    try:
        for n in range(harness.times(20, 500)):
            rows = clean(site, "--remove", "--older-than", "0")[0]
            assert not rows
    finally:
        over.set()
        thread.join()
    assert all(path.exists() for path in kept)


def test_a_name_that_is_swapped_meanwhile(site):
    """An unfinished upload and a link to a file outside: the link's target stays."""
    secret = site.dir / "secret"
    secret.write_bytes(b"secret")
    over = threading.Event()
    link = site.jail() / "l"

    def swapping():
        part = site.jail() / (PART + "f")
        while not over.is_set():
            with contextlib.suppress(FileNotFoundError):    # removed, as it should be
                for path in (link, part):
                    if os.path.lexists(path):
                        os.unlink(path)
                os.symlink(secret, link)
                with open(part, "xb") as f:
                    f.write(b"cut")
                site.own(part)
                swap(link, part)

    thread = threading.Thread(target=swapping)
    thread.start()
    try:
        for n in range(harness.times(20, 500)):
            site.tool("clean", "--remove", "--older-than", "0")
    finally:
        over.set()
        thread.join()
    assert secret.read_bytes() == b"secret"


# ---- as whom -----------------------------------------------------------------------------
def test_what_the_account_cannot_reach_is_not_entered(site):
    """Root could: by a link in the way, into a directory of its own, to others' files."""
    needs_root()
    closed = site.dir / "closed"
    closed.mkdir(mode=0o700)
    (closed / (PART + "f")).write_bytes(b"root's")
    os.symlink(closed, site.jail("link"))
    site.add_user("linked", jail=site.jail("link"))
    put(site, PART + "f")
    below = mkdir(site, "below")
    os.chmod(below, 0o755)
    inside = below / "d"
    inside.mkdir(mode=0o700)
    (inside / (PART + "f")).write_bytes(b"root's")
    rows, _total, said = clean(site, "--remove", "--older-than", "0", code=1)
    assert set(rows) == {f"guest/{PART}f"}
    assert re.search(r"linked: cannot enter its jail /\S+/link: Permission denied", said)
    assert os.listdir(closed) == os.listdir(inside) == [PART + "f"]


def test_its_process_holds_nothing_but_the_jail(site):
    """Stopped in the middle of it: ids, groups, capabilities, root, descriptors."""
    needs_root()
    gid = pwd.getpwnam(OTHER).pw_gid
    site.tool("user", "set", "guest", "--groups", str(gid))
    # a listing longer than a pipe holds, so that its process waits for who reads it
    for n in range(2000):
        put(site, f"{PART}{n:04}")
    p = subprocess.Popen([site.world.build / "sallyport", "-c", site.file, "clean"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        # it has begun to say what it found, and cannot end
        assert select.select([p.stdout], [], [], 30 * harness.SLOWER)[0]
        child, = procfs.descendants(p.pid)
        guest = pwd.getpwnam(GUEST)
        status = dict(line.split(":\t", 1)
                      for line in open(f"/proc/{child}/status").read().splitlines()
                      if ":\t" in line)
        assert status["Uid"].split() == [str(guest.pw_uid)] * 4
        assert status["Gid"].split() == [str(guest.pw_gid)] * 4
        assert status["Groups"].split() == [str(gid)]
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(status[kind], 16) == 0, (kind, status[kind])
        assert status["NoNewPrivs"] == "1"
        assert os.readlink(f"/proc/{child}/root") == str(site.jail())
        # no database, no configuration: standard ones, the report, and what lies in the jail
        open_ = {fd: os.readlink(f"/proc/{child}/fd/{fd}")
                 for fd in os.listdir(f"/proc/{child}/fd")}
        for fd, path in open_.items():
            assert int(fd) <= 3 or path.startswith(str(site.jail())), open_
    finally:
        out, err = p.communicate(timeout=30 * harness.SLOWER * harness.HELD_UP)
    assert p.returncode == 0 and err == b"", err
    assert out.count(b" kept  ") == 2000


def test_its_process_can_be_killed_by_its_user_and_that_is_told(site):
    needs_root()
    site.add_user("anna")
    put(site, PART + "f", jail="anna")
    for n in range(2000):
        put(site, f"{PART}{n:04}")
    p = subprocess.Popen([site.world.build / "sallyport", "-c", site.file, "clean", "guest",
                          "anna"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert wait_until(lambda: procfs.descendants(p.pid))
        os.kill(procfs.descendants(p.pid)[0], signal.SIGKILL)
    finally:
        out, err = p.communicate(timeout=30 * harness.SLOWER * harness.HELD_UP)
    assert p.returncode == 1
    assert b"guest: its process was killed by signal 9" in err
    assert f"anna/{PART}f".encode() in out, "the next account is looked at all the same"
