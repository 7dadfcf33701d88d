"""CCC: what stands for a password that comes behind it."""

import socket

import pytest

import harness
from harness import PASSWORD, run


def leave_tls(c):
    """CCC, and close_notify both ways; the rest of the session is in clear."""
    c.resume = c.sock.session           # of the last ticket that came
    c.expect(200, "CCC")
    c.sock = c.sock.unwrap()
    c.protected = False


@pytest.fixture(scope="module")
def _branch(world):
    s = harness.Server(world, "ccc", clear_command_users=["guest", "reader"],
                       no_resumption_users=["reader"])
    s.start()
    yield s
    s.stop()


@pytest.fixture
def branch(_branch):
    return _branch.revive()


@pytest.fixture
def cleared(branch):
    c = branch.login()
    leave_tls(c)
    yield c
    c.abandon()


def test_commands_go_on_in_clear_and_data_stays_protected(branch, cleared):
    mark = branch.mark()
    assert cleared.cmd("PWD").code == 257
    assert cleared.cmd("PROT C").code in (503, 534), "data has to be protected as before"
    cleared.data_secure = True
    cleared.stor("STOR behind-ccc", b"content")
    assert cleared.retr("RETR behind-ccc") == b"content"
    assert cleared.cmd("DELE behind-ccc").code == 250
    assert "Control connection not encrypted" in cleared.cmd("STAT").text
    assert branch.wait_log(r"transfer .*tls=TLSv1", mark)


def test_no_password_is_taken_behind_it(branch, cleared):
    mark = branch.mark()
    assert cleared.cmd("USER guest").code == 503
    assert cleared.cmd("PASS " + PASSWORD).code == 503
    assert cleared.cmd("REIN").code == 220
    assert cleared.cmd("USER guest").code == 533
    assert cleared.cmd("PASS " + PASSWORD).code == 503
    assert cleared.cmd("PWD").code == 530
    assert cleared.cmd("QUIT").code == 221
    assert cleared.closed()
    branch.wait_log(r"session\.closed", mark)
    assert "login." not in branch.log(mark) and "breach" not in branch.log(mark)


def test_the_log_says_when(branch):
    mark = branch.mark()
    c = branch.login()
    leave_tls(c)
    assert "tls=TLSv1" in branch.wait_log(r"session\.cleared user=guest", mark)
    c.quit()
    assert "tls=no" in branch.wait_log(r"session\.closed", mark)


def test_tls_can_be_begun_anew_behind_rein(branch, cleared):
    assert cleared.cmd("AUTH TLS").code == 503, "somebody is logged in"
    assert cleared.cmd("REIN").code == 220
    cleared.auth()
    mark = branch.mark()
    cleared.login("guest", PASSWORD)
    assert "tls=TLSv1" in branch.wait_log(r"login\.granted", mark)
    cleared.data_secure, cleared.resume = None, "newest"
    cleared.stor("STOR anew", b"content")
    assert cleared.cmd("DELE anew").code == 250
    cleared.quit()


def test_who_may_log_in_in_clear_still_may_and_the_log_does_not_say_tls(make_server):
    s = make_server(clear_command_users=["guest"], cleartext_users=["guest"])
    c = s.login()
    leave_tls(c)
    assert c.cmd("REIN").code == 220
    mark = s.mark()
    assert c.cmd("USER other").code == 533
    c.login("guest", PASSWORD)
    assert "tls=no cipher=-" in s.wait_log(r"login\.granted user=guest", mark)
    c.quit()


def in_clear_at_once(c, *, behind=b""):
    """As curl --ftp-ssl-ccc-mode passive: no close_notify of our own, after the server's."""
    c.resume = c.sock.session
    c.expect(200, "CCC")
    assert c.sock.recv(1) == b"", "the server's close_notify"
    c.sock = socket.socket(fileno=c.sock.detach())
    c.sock.settimeout(c.timeout)
    c.sock.sendall(behind)
    c.protected = False


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_client_that_sends_no_close_notify_goes_on_in_clear(branch, version):
    c = branch.login(version=version)
    in_clear_at_once(c)
    assert c.cmd("PWD").code == 257
    c.data_secure = True
    c.stor("STOR behind-ccc", b"content")
    assert c.cmd("DELE behind-ccc").code == 250
    assert c.cmd("USER guest").code == 503
    c.quit()


def test_what_is_no_close_notify_ends_the_session_and_the_log_says_why(branch):
    for behind in (b"\x17\x03\x03\x00\x05abcde", b"\x15\x03\x03\x00\x02\x01\x00"):
        mark = branch.mark()
        c = branch.login()
        in_clear_at_once(c, behind=behind + b"PWD\r\n")
        assert c.closed(), "a record that is no close_notify"
        branch.wait_log(r"tls\.failed channel=control reason=.after CCC: ", mark)
        c.abandon()


@pytest.mark.parametrize("mode, user", [("active", "guest"), ("passive", "reader")])
def test_curl(branch, scratch, mode, user):
    """The passive form spoils its TLS session, and so cannot resume it on data connections."""
    path = branch.jail(user) / "f"
    path.write_bytes(b"content")
    branch.own(path)
    run("curl", "-sS", "--max-time", "30", "-u", f"{user}:{PASSWORD}", "--cacert",
        branch.world.certs.ca, "--ssl-reqd", "--ftp-ssl-ccc", "--ftp-ssl-ccc-mode", mode,
        "-o", scratch / "got", f"ftp://127.0.0.1:{branch.port}/f")
    assert (scratch / "got").read_bytes() == b"content"
    path.unlink()
