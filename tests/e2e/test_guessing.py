"""Whoever guesses passwords is slowed down, then shut out; those beside it go on working.

The days that this takes pass in tests/unit/test_guessers.c, by a clock of its own. Here the
figures are small. Clients of several addresses come from 127.0.0.0/8.
"""

import os
import re
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import procfs
from ftpclient import SLOWER
from harness import PASSWORD, Server

NAMES = 5                       # that may fail at one address


@pytest.fixture
def guarded(make_server):
    """failure_delay_most is 1 s, which every delay is then."""
    return make_server(failure_delay_most="1 s", failure_names=NAMES, failure_ban="1 h",
                       login_attempts=100, login_failure_delay=0, log_level="debug")


def attempt(server, user, password=PASSWORD, source=None):
    """The reply to one login of a connection of its own."""
    c = server.client(source=source)
    try:
        r = c.cmd("USER " + user)
        return c.cmd("PASS " + password) if r.code == 331 else r
    finally:
        c.abandon()


def checked(server):
    return len(re.findall(r"login\.refused .*reason=credentials", server.log()))


def test_a_guesser_is_shut_out_and_colleagues_work(guarded):
    assert attempt(guarded, "guest").code == 230        # from now on known at 127.0.0.1
    for n in range(NAMES):
        r = attempt(guarded, f"nobody{n}", "wrong")
        assert r.code == 530 and "Login incorrect" in r.text
    line = guarded.wait_log(r"address\.shut")
    assert "peer=127.0.0.1" in line and f"names={NAMES}" in line
    for name, password in (("nobody0", "wrong"), ("reader", "wrong"), ("reader", PASSWORD)):
        r = attempt(guarded, name, password)
        assert r.code == 530 and "Too many failed logins" in r.text, r
    assert checked(guarded) == NAMES, "a password was checked all the same"
    guarded.wait_log(r"login\.refused user=reader reason=failures .*shut out")
    # the colleague, and everybody elsewhere
    assert attempt(guarded, "guest").code == 230
    assert attempt(guarded, "reader", source="127.0.0.2").code == 230
    assert attempt(guarded, "guest", "wrong").code == 530
    assert attempt(guarded, "guest").code == 230


def test_an_old_password_shuts_nobody_out(guarded):
    """A program with an old password tries as fast as it can, beside others."""
    assert attempt(guarded, "guest").code == 230
    begin = time.monotonic()
    for n in range(8):
        assert "Login incorrect" in attempt(guarded, "reader", "old").text
    # three are free, and each of the others waits its second behind the one before
    assert time.monotonic() - begin > 4
    assert attempt(guarded, "guest").code == 230
    assert attempt(guarded, "reader").code == 230       # the new password, in its turn
    assert "address.shut" not in guarded.log()


def test_guesses_at_once_are_no_faster(guarded):
    """One name, twenty connections: what is checked is bounded by the time that passed."""
    begin = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        texts = {r.text for r in pool.map(
            lambda n: attempt(guarded, "guest", f"wrong{n}"), range(40))}
    passed = time.monotonic() - begin
    # three are free, and as many more as are checked at once (a quarter of logins_at_once)
    assert checked(guarded) <= 3 + 8 + passed + 1
    assert any("Too many failed logins" in t for t in texts), texts


def test_who_does_not_wait_for_the_verdict_is_counted(guarded):
    for n in range(NAMES):
        c = guarded.client()
        assert c.cmd(f"USER nobody{n}").code == 331
        c.raw(b"PASS wrong\r\n")
        guarded.wait_log(rf"login\.(refused user=nobody{n} |slowed)")
        c.abandon()
    guarded.wait_log(r"address\.shut peer=127\.0\.0\.1 .* for=all")


# ---- shut out: seen and lifted by the tool ----------------------------------------------

def bans(server):
    """Who and why, of each line of the list."""
    return [tuple(line.split()[:2]) for line in
            server.tool("ban", "list").stdout.splitlines()[1:]]


def guess(server, source):
    for n in range(NAMES):
        assert attempt(server, f"nobody{n}", "wrong", source).code == 530


def turned_away(server, source):
    """Whether a client from there hears 421 and nothing else."""
    with socket.create_connection(("127.0.0.1", server.port), 10, (source, 0)) as s:
        s.settimeout(30 * SLOWER)
        return s.recv(200).startswith(b"421")


def test_where_nobody_is_known_nobody_gets_a_connection(guarded):
    here, there = (guarded.client(source=f"127.0.4.{n}") for n in (1, 2))
    guess(guarded, "127.0.4.1")
    assert here.closed(8)
    assert here.buffer == b"421 Your address is banned; closing connection.\r\n"
    assert turned_away(guarded, "127.0.4.1")
    there.expect(200, "NOOP")
    there.quit()
    assert bans(guarded) == [("127.0.4.1", "guesses")]
    guarded.tool("ban", "remove", "127.0.4.1")
    assert bans(guarded) == []
    assert attempt(guarded, "guest", source="127.0.4.1").code == 230


def test_where_somebody_is_known_strangers_are_let_in_again(guarded):
    shut_out(guarded)
    assert bans(guarded) == [("127.0.0.1", "strangers")]
    still_shut_out(guarded)
    guarded.tool("ban", "remove", "127.0.0.0/24")
    assert bans(guarded) == []
    assert attempt(guarded, "reader").code == 230
    r = guarded.tool("ban", "remove", "127.0.0.1", check=False)
    assert r.returncode == 1 and "127.0.0.1 is not banned" in r.stderr


def test_an_account_under_attack_is_slowed_for_strangers_alone(guarded):
    assert attempt(guarded, "guest").code == 230
    for n in range(12):
        assert attempt(guarded, "guest", "wrong", source=f"127.0.1.{n + 1}").code == 530
    mark = guarded.mark()
    assert attempt(guarded, "guest").code == 230
    assert "login.slowed" not in guarded.log(mark), "its owner waits for the guessers"
    assert attempt(guarded, "guest", source="127.0.2.1").code == 230
    assert "login.slowed" in guarded.log(mark), "a stranger does not wait"


def test_a_name_does_not_tell_whether_it_exists(guarded):
    """The same failures, the same treatment: an account, and a name that nobody has."""
    shapes = []
    for name in ("reader", "nobody"):
        source = f"127.0.3.{len(shapes) + 1}"
        mark = guarded.mark()
        texts = [attempt(guarded, name, "wrong", source).text for _ in range(6)]
        shapes.append((texts, guarded.log(mark).count("login.slowed") > 0))
    assert shapes[0] == shapes[1], shapes


# ---- across restarts --------------------------------------------------------------------

def shut_out(server):
    """guest is known at 127.0.0.1, which is then shut out for all others."""
    assert attempt(server, "guest").code == 230
    for n in range(NAMES):
        assert attempt(server, f"nobody{n}", "wrong").code == 530
    server.wait_log(r"address\.shut")


def behind(server, pattern, since=0):
    """Where the first match ends in the log: what comes behind it is not missed."""
    server.wait_log(pattern, since)
    text = server.log(since)
    text = text[:re.search(pattern, text).end()]
    return since + len(text.encode("utf-8", "surrogateescape"))


def wait_kept(server, since):
    """The ledger has stored everything that was logged before since."""
    server.wait_log(r"ledger\.kept whole=yes news=no", since, timeout=30)


def still_shut_out(server):
    r = attempt(server, "reader")
    assert r.code == 530 and "Too many failed logins" in r.text, r
    assert attempt(server, "guest").code == 230
    assert attempt(server, "reader", source="127.0.0.2").code == 230


def ready(server, mark=0):
    server.wait_log(r"ledger\.ready", mark)


def test_a_restart_forgets_nothing(guarded):
    ready(guarded)
    shut_out(guarded)
    guarded.stop()
    mark = guarded.mark()
    guarded.start()
    ready(guarded, mark)
    still_shut_out(guarded)


def test_a_restart_forgets_no_ban(guarded):
    """For guesses, by hand for a time and for ever; and none that was lifted."""
    ready(guarded)
    guess(guarded, "127.0.4.1")
    guarded.tool("ban", "add", "127.0.5.0/24")
    guarded.tool("ban", "add", "2001:db8::/32", "7d")
    guarded.tool("ban", "add", "192.0.2.7")
    guarded.stop()
    for _ in range(2):
        mark = guarded.mark()
        guarded.start()
        ready(guarded, mark)
        assert sorted(bans(guarded)) == [
            ("127.0.4.1", "guesses"), ("127.0.5.0/24", "manual"), ("192.0.2.7", "manual"),
            ("2001:db8::/32", "manual")]
        rest = guarded.tool("ban", "list").stdout
        assert rest.count("forever") == 2 and "6 days" in rest, rest
        assert turned_away(guarded, "127.0.4.1") and turned_away(guarded, "127.0.5.9")
        guarded.stop()
    mark = guarded.mark()
    guarded.start()
    ready(guarded, mark)
    guarded.tool("ban", "remove", "127.0.0.0/8")
    guarded.stop()
    mark = guarded.mark()
    guarded.start()
    ready(guarded, mark)
    assert [who for who, _ in sorted(bans(guarded))] == ["192.0.2.7", "2001:db8::/32"]
    assert attempt(guarded, "guest", source="127.0.4.1").code == 230


def test_a_killed_monitor_forgets_nothing_that_was_kept(guarded):
    ready(guarded)
    shut_out(guarded)
    wait_kept(guarded, behind(guarded, r"address\.shut"))
    guarded.process.kill()
    guarded.process.wait()
    mark = guarded.mark()
    guarded.revive()
    ready(guarded, mark)
    still_shut_out(guarded)


@pytest.mark.expects(r"ledger\.(ended|failed|crashed)")
def test_without_a_ledger_the_service_goes_on(world):
    """Its database is no database: the log says so, memory alone is left."""
    s = Server(world, "no-ledger", failure_names=NAMES, failure_ban="1 h",
               login_failure_delay=0)
    folder = s.dir / "ledger"
    folder.mkdir(0o700)
    (folder / "ledger.db").write_bytes(b"no database at all" * 1000)
    s.own(folder, "sallyport-ledger")
    s.own(folder / "ledger.db", "sallyport-ledger")
    s.start()
    try:
        s.wait_log(r"side=ledger text=\"ledger\.failed")
        s.wait_log(r"ledger\.ended")
        shut_out(s)
        still_shut_out(s)
    finally:
        s.stop()


@pytest.mark.expects(r"ledger\.crashed")
def test_a_killed_ledger_is_started_again_and_told_everything(guarded):
    ready(guarded)
    shut_out(guarded)
    (pid,) = procfs.of_kind(guarded.pid, "sallyport-ledger")
    os.kill(pid, signal.SIGKILL)
    # what the killed one said stands before this line, what its successor says behind it
    wait_kept(guarded, behind(guarded, r"ledger\.crashed"))
    assert procfs.of_kind(guarded.pid, "sallyport-ledger") - {pid}
    guarded.stop()
    mark = guarded.mark()
    guarded.start()
    ready(guarded, mark)
    still_shut_out(guarded)


def test_a_ledger_that_hangs_stops_nothing(guarded):
    ready(guarded)
    (pid,) = procfs.of_kind(guarded.pid, "sallyport-ledger")
    os.kill(pid, signal.SIGSTOP)
    shut_out(guarded)
    still_shut_out(guarded)
    guarded.stop()


def with_state(make_server, state):
    return make_server(failure_delay_most="1 s", failure_names=NAMES, login_attempts=100,
                       login_failure_delay=0, log_level="debug", state_directory=str(state))


@pytest.mark.expects(r"ledger\.(failed|ended)")
@pytest.mark.parametrize("kind", ["open to others", "a file", "a link"])
def test_a_state_directory_that_is_none_costs_memory_alone(make_server, tmp_path, kind):
    """The log says what to do, and logins go on."""
    state = tmp_path / "state"
    if kind == "a file":
        state.write_text("")
    elif kind == "a link":
        state.symlink_to(tmp_path)
    else:
        state.mkdir()
        state.chmod(0o755)
    s = with_state(make_server, state)
    if kind == "open to others":
        s.wait_log(r"ledger\.failed directory=.*it must belong to ledger_user and have mode 0700")
    else:
        s.wait_log(r"ledger\.failed step=state_directory")
    assert attempt(s, "guest").code == 230
    assert attempt(s, "guest", "wrong").code == 530


def test_a_ledger_waits_for_the_one_before(make_server, guarded):
    """That of a monitor that was killed may still be writing."""
    ready(guarded)
    (pid,) = procfs.of_kind(guarded.pid, "sallyport-ledger")
    second = with_state(make_server, guarded.settings["state_directory"])
    second.wait_log(r"ledger\.waits directory=")
    assert attempt(second, "guest").code == 230
    assert "ledger.ready" not in second.log()
    assert procfs.alive(pid)
    guarded.stop()
    second.wait_log(r"ledger\.ready", timeout=30)
