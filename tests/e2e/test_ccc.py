"""CCC: what stands for a password that comes behind it."""

import pytest

import harness
from harness import PASSWORD


def leave_tls(c):
    """CCC, and close_notify both ways; the rest of the session is in clear."""
    c.resume = c.sock.session           # of the last ticket that came
    c.expect(200, "CCC")
    c.sock = c.sock.unwrap()
    c.protected = False


@pytest.fixture(scope="module")
def _branch(world):
    s = harness.Server(world, "ccc", clear_command_users=["guest"])
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
