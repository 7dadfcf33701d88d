"""`sallyport reload` and `sallyport ban`: the tool asks the running server."""

import os
import re
import socket
import stat
import subprocess

import pytest

import harness
from ftpclient import SLOWER
from harness import run, wait_until

# Everything here comes from 127.0.0.1 or ::1; the other addresses are documentation's.
STRANGER = "192.0.2.7"


def fails(server, *argv, code=1):
    r = server.tool(*argv, check=False)
    assert r.returncode == code, (argv, r.returncode, r.stdout, r.stderr)
    return r.stderr


def bans(server):
    """Who, why and how long, of each line of the list."""
    lines = server.tool("ban", "list").stdout.splitlines()
    return [tuple(re.split(r" {2,}", line.strip())) for line in lines[1:]]


def turned_away(server, host="127.0.0.1"):
    """What a client hears that gets no session; None: it has one."""
    with socket.create_connection((host, server.port), 5) as s:
        s.settimeout(10 * SLOWER)
        heard = s.recv(200)
    return heard if heard.startswith(b"421") else None


def test_only_its_owner_reaches_the_socket(server):
    directory = server.dir / "run" / "admin"
    st = directory.stat()
    assert stat.S_IMODE(st.st_mode) == 0o700 and st.st_uid == os.geteuid()
    st = (directory / "socket").stat()
    assert stat.S_ISSOCK(st.st_mode) and stat.S_IMODE(st.st_mode) == 0o600
    assert st.st_uid == os.geteuid()


def test_a_stranger_with_the_way_in_open_is_still_refused(make_server):
    harness.needs_root()
    s = make_server()
    admin = s.dir / "run" / "admin"
    os.chmod(admin, 0o755)
    os.chmod(admin / "socket", 0o666)
    r = run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
            "/usr/bin/python3", "-c",
            "import socket, sys\n"
            "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
            "s.settimeout(20)\n"
            "s.connect('socket')\n"             # the whole path may be too long for one
            "sys.exit(0 if s.recv(100) == b'' else 3)\n", cwd=admin, check=False)
    assert r.returncode == 0, r.stderr
    s.wait_log(r"admin\.refused uid=65534")


# ---- reload ------------------------------------------------------------------------------
def test_a_reload_that_succeeds_is_over_when_the_tool_ends(make_server):
    s = make_server()
    s.write(banner="another banner")
    r = s.tool("reload")
    assert r.stdout == r.stderr == ""
    c = s.client(tls=None)
    assert "another banner" in c.greeting.text
    c.quit()


@pytest.mark.parametrize("key, value, says", [
    ("max_sessions", 0, r"sallyport\.conf:\d+: max_sessions: "),
    ("no_such_setting", 7, r"sallyport\.conf:\d+: no_such_setting: "),
    ("certificate", ["/nowhere/cert.pem", "/nowhere/rsa.pem"], r"certificate.*/nowhere/cert\.pem"),
    ("listen", ["192.0.2.1:2121"], r'listen\.failed address=192\.0\.2\.1:2121 fault="'),
])
def test_a_reload_that_is_refused_says_why(make_server, key, value, says):
    s = make_server()
    before = s.file.read_text()
    s.write(**{key: value})
    said = fails(s, "reload")
    assert re.search(says, said), said
    assert "the server keeps its configuration" in said
    s.login().quit()                    # it serves as before
    s.file.write_text(before)
    s.tool("reload")


def test_reloads_asked_for_at_once_are_all_answered(make_server):
    s = make_server()
    tool = [str(s.world.build / "sallyport"), "-c", str(s.file), "reload"]
    asked = [subprocess.Popen(tool, stderr=subprocess.PIPE) for _ in range(12)]
    for p in asked:
        _, said = p.communicate(timeout=120 * SLOWER)
        assert p.returncode == 0, said
    assert "reload.refused" not in s.log()


def test_without_a_server_the_tool_says_so(make_server):
    s = make_server()
    s.stop()
    for argv in (("reload",), ("ban", "list"), ("ban", "add", STRANGER),
                 ("ban", "remove", STRANGER)):
        said = fails(s, *argv)
        assert "no server is running" in said and "-c FILE" in said, said
    assert not (s.dir / "run" / "admin" / "socket").exists()


def test_what_a_killed_server_leaves_there_is_no_hindrance(make_server):
    s = make_server()
    s.kill()
    assert (s.dir / "run" / "admin" / "socket").exists()
    assert "no server is running" in fails(s, "reload")
    s.start()
    s.tool("reload")


def test_a_run_directory_with_a_long_name(make_server):
    """An address of a socket has 108 bytes, a path may have more."""
    s = make_server()
    s.stop()
    deep = s.dir / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    s.settings["run_directory"] = str(deep / "run")
    s.start()
    s.tool("reload")
    assert bans(s) == []


# ---- bans --------------------------------------------------------------------------------
def test_an_address_is_shut_out_and_let_in_again(make_server):
    s = make_server()
    a, b = s.login(), s.login(host="::1")
    assert s.tool("ban", "add", "127.0.0.0/8").stdout == \
        "127.0.0.0/8 is banned forever; sessions ended: 1\n"
    assert a.closed(8)
    assert a.buffer == b"421 Your address is banned; closing connection.\r\n"
    b.expect(200, "NOOP")
    assert turned_away(s)
    s.wait_log(r"session\.refused peer=127\.0\.0\.1 reason=banned")
    s.wait_log(r"session\.closed reason=banned user=guest ")
    assert bans(s) == [("127.0.0.0/8", "manual", "forever")]
    assert "127.0.0.1 is still banned, because 127.0.0.0/8 is banned" in \
        fails(s, "ban", "remove", "127.0.0.1")
    s.tool("ban", "remove", "127.0.0.0/8")
    assert bans(s) == []
    s.login().quit()
    assert "127.0.0.0/8 is not banned" in fails(s, "ban", "remove", "127.0.0.0/8")


def test_a_ban_for_a_time_and_through_a_reload(make_server):
    s = make_server()
    s.tool("ban", "add", STRANGER, "12h")
    s.tool("ban", "add", "2001:db8:1:2:3::4", "90s")
    s.tool("reload")
    assert sorted(bans(s)) == [("192.0.2.7", "manual", "11 h"),
                               ("2001:db8:1:2::/64", "manual", "1 min")]


def test_a_ban_for_a_second_is_over_after_it(make_server):
    s = make_server()
    s.tool("ban", "add", "127.0.0.1", "1 s")
    assert wait_until(lambda: turned_away(s) is None, 10, 0.1)
    assert bans(s) == []


@pytest.mark.parametrize("argv", [
    ("list", "x"), ("add",), ("add", "anna"), ("add", "192.0.2.1/24"), ("add", "192.0.2.1/33"),
    ("add", "192.0.2.1", "0"), ("add", "192.0.2.1", "-5"), ("add", "192.0.2.1", "5y"),
    ("add", "192.0.2.1", "99999999999"), ("add", "192.0.2.1", "60", "60"), ("remove",),
    ("remove", "192.0.2.1", "192.0.2.2"), ("lift", "192.0.2.1"), (), ("list", "--all"),
])
def test_a_wrong_ban_is_explained_and_changes_nothing(server, argv):
    assert fails(server, "ban", *argv, code=2).strip()
    assert bans(server) == []


def test_a_file_with_a_fault_does_not_keep_the_server_from_being_reached(make_server):
    """The attack does not wait until somebody has finished editing."""
    s = make_server()
    s.write(max_sessions=0)
    s.tool("ban", "add", STRANGER)
    assert bans(s) == [("192.0.2.7", "manual", "forever")]


def test_a_long_list_arrives_whole(make_server):
    """More than the socket between tool and server has room for."""
    s = make_server()
    most = harness.times(600, 16384)
    for i in range(most):
        s.tool("ban", "add", f"10.{i >> 8}.{i & 255}.0/24", "1h")
    assert sorted(who for who, _, _ in bans(s)) == \
        sorted(f"10.{i >> 8}.{i & 255}.0/24" for i in range(most))
