"""`sallyport user` changes an account: its sessions end, and are told why."""

import os
import re
import socket
import struct
import threading
from itertools import count

import pytest

import harness
import procfs
from ftpclient import SLOWER
from harness import PASSWORD, run, wait_until
from patience import Stopwatch
from test_logins import refusal

OTHER = "another password"


@pytest.fixture(scope="module")
def accounts(world):
    s = harness.Server(world, "account-changed")
    s.start()
    yield s
    s.stop()


@pytest.fixture
def bob(accounts, numbers=count(1)):
    """An account of this test alone."""
    name = f"bob{next(numbers)}"
    accounts.add_user(name)
    return name


def user(server, command, name, *options, says=None, **kw):
    """Changes an account; what the tool says of its sessions."""
    r = server.tool("user", command, name, *options, **kw)
    assert r.stdout == "", r.stdout
    if says is None:
        assert r.stderr == "", r.stderr
    else:
        assert re.fullmatch(says, r.stderr), r.stderr


def ends(count, name):
    return f"sallyport: note: sessions of {name} ended: {count}\n"


ENDING = {
    "disabled": (("set", "--disable"), "421 This account was disabled; closing connection.",
                 "disabled", "account-disabled"),
    "expired": (("set", "--expires", "2020-01-31"), "421 This account has expired; closing connection.",
                "expired", "account-expired"),
    "deleted": (("del",), "421 This account was deleted; closing connection.",
                "deleted", "account-deleted"),
    "password": (("passwd", "--password-stdin"),
                 "421 The password of this account was changed; closing connection.",
                 "password", "password-changed"),
    **{what: (("set", *options), "421 This account was changed; log in again.",
              "rights", "account-changed")
       for what, options in (("read only", ("--read-only",)), ("jail", ("--jail", "/srv")),
                             ("networks", ("--networks", "192.0.2.0/24")),
                             ("an exception", ("--ccc", "on")), ("its uid", ("--uid", "bin")))},
}


@pytest.mark.parametrize("what", ENDING)
def test_its_sessions_end_and_are_told_why(accounts, bob, what):
    (command, *options), text, change, reason = ENDING[what]
    if what == "its uid":
        harness.needs_root()
    ours = [accounts.login(bob), accounts.login(bob, host="::1")]
    other = accounts.login()
    mark = accounts.mark()
    user(accounts, command, bob, *options, says=ends(2, bob), input=OTHER + "\n")
    for c in ours:
        assert c.closed(8) and c.buffer == text.encode() + b"\r\n", c.buffer
    other.expect(200, "NOOP")
    other.quit()
    line = accounts.wait_log(r"account\.changed", mark)
    assert f"user={bob} change={change} uid={os.geteuid()} sessions=2" in line, line
    accounts.wait_log(rf"session\.closed reason={reason} user={bob} ", mark)


@pytest.mark.parametrize("options", [("--start", "/somewhere"), ("--umask", "077"),
                                     ("--sessions", "7"), ("--expires", "2096-01-31"),
                                     ("--enable", "--writable", "--ccc", "off", "--networks", "")])
def test_what_does_not_concern_them_ends_no_session(accounts, bob, options):
    c = accounts.login(bob)
    mark = accounts.mark()
    user(accounts, "set", bob, *options)
    c.expect(200, "NOOP")
    c.quit()
    assert "account.changed" not in accounts.log(mark)


def test_only_the_new_password_is_right(accounts, bob):
    c = accounts.login(bob)
    user(accounts, "passwd", bob, "--password-stdin", says=ends(1, bob), input=OTHER + "\n")
    assert c.closed(8)
    assert refusal(accounts, bob, PASSWORD).code == 530
    accounts.login(bob, OTHER).quit()


def test_a_password_that_is_made_up_is_alone_on_standard_output(accounts, bob):
    c = accounts.login(bob)
    r = accounts.tool("user", "passwd", bob, "--random")
    assert re.fullmatch(r"[A-Za-z0-9]{20}\n", r.stdout)
    assert r.stderr == ends(1, bob)
    assert c.closed(8)
    accounts.login(bob, r.stdout.strip()).quit()


def test_a_download_ends_with_it(accounts, bob):
    (accounts.jail(bob) / "f").write_bytes(b"x" * (64 << 20))
    c = accounts.login(bob)
    r, data = c.transfer("RETR f")
    data.recv(1)
    user(accounts, "set", bob, "--disable", says=ends(1, bob))
    assert c.reply().code == 426
    assert c.closed(8) and c.buffer == b"421 This account was disabled; closing connection.\r\n"
    data.close()


def test_an_upload_ends_with_it_and_can_be_resumed(accounts, bob):
    c = accounts.login(bob)
    r, data = c.transfer("STOR f")
    data.sendall(b"x" * (16 << 20))         # more than lies in sockets: some has been written
    user(accounts, "passwd", bob, "--password-stdin", says=ends(1, bob), input=OTHER + "\n")
    assert c.reply().code == 426
    assert c.closed(8) and c.buffer.startswith(b"421 The password "), c.buffer
    data.close()
    # its broker has settled the upload
    assert wait_until(lambda: len(procfs.of_kind(accounts.pid, "sallyport-broker")) == 1, 8)
    assert not (accounts.jail(bob) / "f").exists()
    c = accounts.login(bob, OTHER)
    arrived = int(c.expect(213, "SIZE f").text.split()[1])
    assert c.stor("STOR f", b"y" * 10, rest=arrived).code == 226
    assert (accounts.jail(bob) / "f").read_bytes() == b"x" * arrived + b"y" * 10
    c.quit()


def test_a_name_that_begins_or_ends_alike_is_another(accounts, bob):
    others = [bob + "x", "x" + bob, bob.upper(), bob[1:]]
    for name in others:
        accounts.add_user(name)
    sessions = [accounts.login(name) for name in others]
    user(accounts, "del", bob)
    for c in sessions:
        c.expect(200, "NOOP")
        c.quit()


def test_another_database_is_not_the_servers(accounts, bob, tmp_path):
    tmp_path.chmod(0o700)
    c = accounts.login(bob)
    mark = accounts.mark()
    db = tmp_path / "other.db"
    accounts.tool("-d", db, "user", "add", bob, "--jail", "/srv", "--uid", "bin",
                  "--password-stdin", input=PASSWORD + "\n")
    user(accounts, "set", bob, "--disable", "-d", db)
    c.expect(200, "NOOP")
    assert "account.changed" not in accounts.log(mark)
    again = tmp_path / "again"
    again.symlink_to(accounts.dir)
    user(accounts, "set", bob, "--disable", "-d", again / "users.db", says=ends(1, bob))
    assert c.closed(8)


def test_without_a_server_nobody_has_to_be_told(make_server):
    s = make_server()
    s.stop()
    user(s, "passwd", "guest", "--password-stdin", input=OTHER + "\n")
    user(s, "set", "guest", "--disable")
    user(s, "del", "guest")


def test_a_server_that_cannot_be_told_is_a_warning_with_what_to_do(make_server):
    s = make_server()
    s.stop()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    here = os.open(".", os.O_PATH)
    os.chdir(s.dir / "run" / "admin")
    try:
        listener.bind("socket")
    finally:
        os.fchdir(here)
        os.close(here)
    listener.listen()

    def turn_away():
        for _ in range(2):
            listener.accept()[0].close()
    thread = threading.Thread(target=turn_away, daemon=True)
    thread.start()
    user(s, "set", "guest", "--disable", says=r"(?s)sallyport: .*\nsallyport: warning: .*sessions"
         r" of guest .*until the server is restarted.*user set guest --disable.*\n")
    user(s, "del", "guest", says=r"(?s)sallyport: .*\nsallyport: warning: .*sessions of guest "
         r"continue until the server is restarted\n")
    thread.join(20 * SLOWER)
    listener.close()


def test_a_disabled_account_can_be_told_again(accounts, bob):
    """Where the server was not reached the first time."""
    db = accounts.dir / "users.db"
    c = accounts.login(bob)
    copy = accounts.dir / "nowhere.conf"        # the same database, and no server
    copy.write_text(accounts.file.read_text().replace(str(accounts.dir / "run"),
                                                      str(accounts.dir / "run-of-nobody")))
    run(accounts.world.build / "sallyport", "-c", copy, "user", "set", bob, "--disable")
    c.expect(200, "NOOP")
    assert db.exists()
    user(accounts, "set", bob, "--disable", says=ends(1, bob))
    assert c.closed(8)


def test_a_stranger_ends_no_session(make_server):
    """With the way to the socket open, which it is not."""
    harness.needs_root()
    s = make_server()
    c = s.login()
    table = re.findall(r"^MESSAGE\((\w+),", (harness.HERE.parent.parent / "include/wire/messages.def")
                       .read_text(), re.M)
    request = struct.pack("<HH", table.index("ACCOUNT_CHANGED") + 1, 5) + b"guest\1"
    admin = s.dir / "run" / "admin"
    os.chmod(admin, 0o755)
    os.chmod(admin / "socket", 0o666)
    run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c",
        "import contextlib, socket\n"
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
        "s.settimeout(20)\n"
        "s.connect('socket')\n"
        "with contextlib.suppress(OSError):\n"      # it may be closed already
        f"    s.send({request!r})\n"
        "with contextlib.suppress(ConnectionResetError):\n"
        "    assert s.recv(100) == b''\n", cwd=admin)
    s.wait_log(r"admin\.refused uid=65534")
    assert "account.changed" not in s.log()
    c.expect(200, "NOOP")
    c.quit()


def test_it_takes_no_longer_with_many_sessions(make_server):
    """All of them, at once."""
    s = make_server(max_sessions_per_address=200)
    clients = [s.login() for _ in range(harness.times(24, 150))]
    watch = Stopwatch()
    user(s, "set", "guest", "--read-only", says=ends(len(clients), "guest"))
    for c in clients:
        assert c.closed(8)
        assert c.buffer.startswith(b"421 This account was changed")
    assert watch.own() < 30
    s.login().quit()
