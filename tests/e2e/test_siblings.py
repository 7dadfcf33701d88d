"""What a crash takes along: sessions of its template and address; and accounts whose brokers die.

Faults are sent as SIGABRT: a sanitizer would make an exit of SIGSEGV.
"""

import os
import pwd
import re
import signal
from pathlib import Path

import pytest

import procfs
from harness import GUEST, PASSWORD, needs_root, wait_until

TOLD = b"421 A failure in another session ended this one; connect again.\r\n"
BROKER = "sallyport-broker"


@pytest.fixture
def server(make_server):
    needs_root()                # else a process cannot be told from its template by its uid
    return make_server(violations=3, violation_ban="10 min", template_sessions=1000)


def uid_of(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^Uid:\s+(\d+)", status, re.M).group(1))


def brokers(server):
    """Those that serve an account; templates are root."""
    found = set()
    for pid in procfs.of_kind(server.pid, BROKER):
        try:
            if uid_of(pid) == pwd.getpwnam(GUEST).pw_uid:
                found.add(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def login_with_broker(server, user="guest", **how):
    before = brokers(server)
    client = server.login(user, **how)
    (pid,) = brokers(server) - before
    return client, pid


def ends_with_word(client):
    assert client.closed(8)
    assert client.buffer == TOLD, client.buffer


@pytest.mark.expects(r"worker\.crashed")
def test_a_crash_ends_the_sessions_that_are_laid_out_alike(server):
    victim, sibling, before_login = server.login(), server.login("reader"), server.client()
    stranger = server.login(source="127.0.0.2")
    os.kill(server.worker_of(victim), signal.SIGABRT)
    assert victim.closed(8)
    ends_with_word(sibling)
    ends_with_word(before_login)
    server.wait_log(r"siblings\.ended .*kind=worker sessions=2")
    server.wait_log(r"session\.closed reason=sibling user=reader ")
    stranger.expect(200, "NOOP")
    stranger.quit()
    server.login().quit()


@pytest.mark.expects(r"worker\.crashed")
def test_one_of_another_template_goes_on(server):
    victim = server.login()
    server.reload(banner="afresh")
    other = server.login()
    os.kill(server.worker_of(victim), signal.SIGABRT)
    assert victim.closed(8)
    server.wait_log(r"worker\.crashed")
    other.expect(200, "NOOP")
    other.quit()
    assert "siblings.ended" not in server.log()


@pytest.mark.expects(r"worker\.crashed")
def test_a_ban_for_violations_ends_all_sessions_of_its_address(server):
    """Also those of a template before or behind; the list shows it, and the tool lifts it."""
    for _ in range(2):
        victim = server.login()
        mark = server.mark()
        os.kill(server.worker_of(victim), signal.SIGABRT)
        assert victim.closed(8)
        server.wait_log(r"worker\.crashed", mark)
    old = server.login()
    stranger = server.login(source="127.0.0.2")
    server.reload(banner="afresh")
    victim = server.login()
    os.kill(server.worker_of(victim), signal.SIGABRT)
    server.wait_log(r"address\.banned peer=127\.0\.0\.1 .*violations=3 sessions=1")
    assert old.closed(8)
    assert old.buffer == b"421 Your address is banned; closing connection.\r\n"
    stranger.expect(200, "NOOP")
    assert "127.0.0.1" in server.tool("ban", "list").stdout
    server.tool("ban", "remove", "127.0.0.1")
    server.login().quit()


# ---- brokers ----------------------------------------------------------------------------

@pytest.mark.expects(r"broker\.crashed|account\.shut")
def test_an_account_whose_brokers_die_is_refused_for_a_while(server):
    for _ in range(3):
        templates = procfs.of_kind(server.pid, BROKER)
        client, broker = login_with_broker(server)
        templates -= {broker}
        mark = server.mark()
        os.kill(broker, signal.SIGABRT)
        server.wait_log(r"broker\.crashed signal=6", mark)
        assert client.closed(8)
        assert wait_until(lambda t=templates: not t & procfs.of_kind(server.pid, BROKER), 10), \
            "its template lives on"
    server.wait_log(r'account\.shut account=users:guest seconds=600 deaths=3')
    c = server.client()
    assert c.cmd("USER guest").code == 331
    assert c.cmd("PASS " + PASSWORD).code == 421
    c.abandon()
    server.wait_log(r"login\.refused user=guest reason=deaths")
    server.login("reader").quit()               # of the same address
    assert "users:guest" in server.tool("ban", "list").stdout
    server.tool("ban", "remove", "users:guest")
    server.login().quit()
    r = server.tool("ban", "remove", "users:guest", check=False)
    assert r.returncode == 1 and "users:guest is not banned" in r.stderr


@pytest.mark.expects(r"broker\.crashed")
def test_a_broker_that_is_killed_counts_for_nothing(server):
    """By a kernel without memory, or by an administrator."""
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGKILL):
        client, broker = login_with_broker(server)
        mark = server.mark()
        os.kill(broker, number)
        server.wait_log(rf"broker\.crashed signal={number.value}", mark)
        assert client.closed(8)
        client.abandon()
    server.login().quit()
    assert "account.shut" not in server.log()
    assert "siblings.ended" not in server.log()


@pytest.mark.expects(r"broker\.crashed")
def test_a_brokers_crash_ends_sessions_of_its_account_alone(server):
    victim, broker = login_with_broker(server)
    sibling, other = server.login(source="127.0.0.2"), server.login("reader")
    os.kill(broker, signal.SIGABRT)
    assert victim.closed(8)
    ends_with_word(sibling)
    server.wait_log(r"siblings\.ended .*kind=broker sessions=1")
    other.expect(200, "NOOP")
    other.quit()
