"""Accounts of the users database, anonymous logins, refusals and their time, limits."""

import os
import re
import sqlite3
import stat
import time

import pytest

from harness import GUEST, PASSWORD, needs_root, wait_until
from patience import Stopwatch


def attempt(client, user, password):
    """The final reply of one login."""
    r = client.cmd("USER " + user)
    return client.cmd("PASS " + password) if r.code == 331 else r


def refusal(server, user, password=PASSWORD, **kw):
    c = server.client(**kw)
    try:
        return attempt(c, user, password)
    finally:
        c.abandon()


def test_right_and_wrong(server):
    mark = server.mark()
    server.login().quit()
    line = server.wait_log(r"login\.granted", mark)
    assert "guest" in line and "127.0.0.1" in line and re.search(r"TLSv1\.[23]", line), line
    assert refusal(server, "guest", "hunter2-typo").code == 530
    line = server.wait_log(r"login\.refused", mark)
    assert "guest" in line and "127.0.0.1" in line
    assert PASSWORD not in server.log() and "hunter2" not in server.log(mark)


@pytest.mark.parametrize("user, password", [
    ("guest", ""), ("guest", PASSWORD + "x"), ("guest", PASSWORD[:-1]), ("guest", PASSWORD.upper()),
    ("Guest", PASSWORD), ("guest ", PASSWORD + " "), ("../guest", PASSWORD), ("root", "root"),
    ("", PASSWORD), ("guest'--", PASSWORD), ("' OR 1=1 --", "x"), ("x" * 255, PASSWORD),
    ("x" * 1000, PASSWORD), ("guest%s%n", PASSWORD), ("guést", PASSWORD), ("guest", "x" * 1024),
    ("guest", "x" * 3000), ("sallyport", ""), ("anonymous", "a@b")])
def test_nobody_else_gets_in(server, user, password):
    r = refusal(server, user, password)
    assert r.code in (530, 501, 500, 503, 421) or user == "guest " and r.code == 230, r
    server.login().quit()


@pytest.mark.slow
def test_wrong_name_and_wrong_password_look_the_same(make_server):
    """Answers come at multiples of the delay, which is long beside the hash."""
    s = make_server(login_failure_delay="1 s", argon2_memory="64 MiB", argon2_operations=2)
    texts, times = set(), {"guest": [], "nobody-here": []}
    for n in range(4):
        for user in times:
            c = s.client()
            c.cmd("USER " + user)
            begin = Stopwatch()
            texts.add(c.cmd("PASS wrong").text.replace(user, "NAME"))
            times[user].append((begin.passed(), begin.own()))
            c.abandon()
    assert len(texts) == 1, texts
    late = {user: sorted(passed % 1 - (passed - own) for passed, own in times[user])
            for user in times}
    for user in times:
        assert all(passed > 0.99 for passed, _ in times[user]), times
        assert late[user][-1] < 0.15, times     # at a second, whole, but for the machine's part


def test_several_refusals_then_421(make_server):
    s = make_server(login_attempts=3)
    c = s.client()
    codes = [attempt(c, "guest", "wrong").code for _ in range(3)]
    assert codes[:2] == [530, 530] and codes[2] in (421, 530), codes
    assert c.closed(5), "the session goes on"
    if codes[2] == 530:
        assert b"421" in c.buffer
    c.abandon()


def test_a_refusal_then_the_right_password(server):
    c = server.client()
    assert attempt(c, "guest", "wrong").code == 530
    assert c.cmd("PWD").code == 530
    c.login("guest", PASSWORD)
    c.quit()


@pytest.mark.slow
def test_login_timeout(make_server):
    s = make_server(login_timeout="5 s")
    silent, busy, logged_in = s.client(tls=None), s.client(), s.login()
    begin = Stopwatch()
    assert silent.closed(12)
    assert 3 < begin.passed() and begin.own() < 10
    busy.timeout = 8
    try:
        while True:                     # NOOP does not keep it alive
            busy.cmd("NOOP")
            time.sleep(0.3)
            assert begin.own() < 15
    except (EOFError, OSError):
        pass
    assert logged_in.cmd("NOOP").code == 200
    logged_in.quit()


@pytest.mark.slow
def test_a_slow_login_dialogue_ends_too(make_server):
    s = make_server(login_timeout="5 s")
    c = s.client(tls=None)
    begin = Stopwatch()
    try:
        while begin.passed() < 15:
            c.raw(b"x")
            time.sleep(0.3)
    except OSError:
        pass
    assert begin.own() < 10
    c.abandon()


# ---- what an account may be --------------------------------------------------------------------
@pytest.fixture(scope="module")
def accounts(world):
    import harness
    s = harness.Server(world, "accounts")
    s.start()
    yield s
    s.stop()


def test_disabled_and_enabled_while_the_server_runs(accounts):
    accounts.add_user("off", "--disable")
    assert refusal(accounts, "off").code == 530
    accounts.tool("user", "set", "off", "--enable")
    accounts.login("off").quit()
    accounts.tool("user", "set", "off", "--disable")
    assert refusal(accounts, "off").code == 530


def test_expired(accounts):
    accounts.add_user("old", "--expires", "2020-01-31")
    assert refusal(accounts, "old").code == 530
    accounts.tool("user", "set", "old", "--expires", "2099-12-31")
    accounts.login("old").quit()


def test_networks(accounts):
    accounts.add_user("netted", "--networks", "192.0.2.0/24,127.0.0.7,::1")
    assert refusal(accounts, "netted").code == 530
    accounts.login("netted", source="127.0.0.7").quit()
    accounts.login("netted", host="::1").quit()
    r = refusal(accounts, "netted")
    wrong = refusal(accounts, "netted", "wrong")
    assert r.text == wrong.text, "a right password is told apart from a wrong one"


def test_session_limit(accounts):
    accounts.add_user("two", "--sessions", "2")
    kept = [accounts.login("two") for _ in range(2)]
    r = refusal(accounts, "two")
    assert r.code in (421, 530), r
    assert re.search(r"session|too many|limit", r.text, re.I), "the text must say why"
    accounts.login("guest").quit()
    kept[0].quit()

    def again():
        c = accounts.client()
        r = attempt(c, "two", PASSWORD)
        c.abandon()
        return r.code == 230
    assert wait_until(again, 5, 0.3)
    kept[1].quit()


def test_a_password_changed_while_the_server_runs(accounts):
    accounts.add_user("changing")
    there = accounts.login("changing")
    accounts.tool("user", "passwd", "changing", "--password-stdin", input="another password!\n")
    assert refusal(accounts, "changing").code == 530
    accounts.login("changing", "another password!").quit()
    assert there.closed(8), "who knew the old one stays in"


def test_added_and_deleted_while_the_server_runs(accounts):
    assert refusal(accounts, "newcomer").code == 530
    accounts.add_user("newcomer")
    accounts.login("newcomer").quit()
    assert "newcomer" in accounts.tool("user", "list").stdout
    accounts.tool("user", "del", "newcomer")
    assert refusal(accounts, "newcomer").code == 530
    assert "newcomer" not in accounts.tool("user", "list").stdout


def test_start_directory(accounts):
    jail = accounts.make_jail("starter")
    (jail / "in" / "side").mkdir(parents=True)
    accounts.add_user("starter", "--start", "/in/side", jail=jail)
    c = accounts.login("starter")
    assert c.cmd("PWD").text.startswith('257 "/in/side"')
    assert c.cmd("CWD /").code == 250
    c.quit()


def test_umask_of_an_account(accounts):
    jail = accounts.add_user("private", "--umask", "077")
    c = accounts.login("private")
    c.stor("STOR f", b"x")
    assert c.cmd("MKD d").code == 257
    c.quit()
    assert stat.S_IMODE(os.stat(jail / "f").st_mode) == 0o600
    assert stat.S_IMODE(os.stat(jail / "d").st_mode) == 0o700


def test_exceptions_of_an_account(make_server):
    s = make_server(data_connect_timeout="3 s")
    s.add_user("oldclient", "--no-resumption", "on", "--no-close-notify", "on")
    c = s.login("oldclient", resume=None)
    c.stor("STOR f", b"x")
    assert c.retr("RETR f") == b"x"
    c.quit()


@pytest.mark.parametrize("password", ["Füße und 日本語", " blanks around ",
                                      "semi;colon'quote\"", "x" * 200, "%n%s%n%s", "back\\slash"])
def test_odd_passwords(accounts, password):
    name = "odd%d" % (hash(password) & 0xffffff)
    accounts.add_user(name, password=password)
    accounts.login(name, password).quit()
    if password.strip() != password:
        assert refusal(accounts, name, password.strip()).code == 530


@pytest.mark.parametrize("name", ["with space", "dot.ted", "at@example.org", "ünïcode", "UPPER"])
def test_odd_account_names(accounts, name):
    accounts.add_user(name)
    c = accounts.login(name)
    c.stor("STOR f", b"x")
    c.quit()


def test_hashes_are_made_anew_when_their_cost_changes(make_server):
    s = make_server()
    mark = s.mark()
    s.reload(argon2_operations=2)
    s.login().quit()
    s.wait_log(r"login\.rehashed.*guest", mark)
    s.login().quit()


def test_a_missing_jail_is_made_where_configured(make_server):
    needs_root()
    s = make_server(jail_create=True, jail_create_mode="0710")
    jail = s.jail("fresh")
    s.add_user("fresh", jail=s.dir / "jails" / "%u")
    assert not jail.exists()
    c = s.login("fresh")
    c.stor("STOR f", b"x")
    c.quit()
    st = os.stat(jail)
    assert stat.S_IMODE(st.st_mode) == 0o710
    import pwd
    assert st.st_uid == pwd.getpwnam(GUEST).pw_uid


@pytest.mark.slow
def test_many_logins_at_once(make_server):
    """Argon2 runs are bounded: a flood of logins waits, and does not exhaust memory."""
    from concurrent.futures import ThreadPoolExecutor
    s = make_server(argon2_memory="64 MiB", argon2_at_once=2, logins_at_once=8)
    with ThreadPoolExecutor(20) as pool:
        good = [pool.submit(lambda: s.login(timeout=40).quit()) for _ in range(20)]
        bad = [pool.submit(refusal, s, "guest", "wrong", timeout=40) for _ in range(20)]
        assert all(f.result(50).code == 221 for f in good)
        assert all(f.result(50).code in (530, 421) for f in bad)


# ---- in clear ------------------------------------------------------------------------------------
def test_cleartext_accounts(make_server):
    s = make_server(cleartext_users=["reader"])
    c = s.client(tls=None)
    assert attempt(c, "reader", PASSWORD).code == 230
    c.names("NLST")
    c.quit()
    c = s.client(tls=None)
    r = attempt(c, "guest", PASSWORD)
    assert r.code in (421, 530, 533, 534), r
    c.abandon()
    s.login("guest").quit()


def test_cleartext_accounts_of_the_database(make_server):
    """`user add --cleartext on`: USER is 331 in clear for such names alone, from now on."""
    s = make_server()

    def user(name):
        c = s.client(tls=None)
        try:
            return c.cmd("USER " + name).code
        finally:
            c.abandon()

    assert user("reader") == 533
    mark = s.mark()
    s.tool("user", "set", "reader", "--cleartext", "on")
    s.add_user("scanner", "--cleartext", "on")
    s.wait_log("account.changed user=scanner change=added", mark)
    assert wait_until(lambda: user("reader") == 331 and user("scanner") == 331)
    assert user("guest") == user("nobody-at-all") == 533
    for name in ("reader", "scanner"):
        c = s.client(tls=None)
        assert attempt(c, name, PASSWORD).code == 230
        c.names("NLST")
        c.quit()
    assert refusal(s, "scanner", "wrong", tls=None).code == 530
    s.restart()                                         # it is no memory of the last one
    assert user("scanner") == 331 and user("guest") == 533
    # the server was not told: the name is exempt still, but the account is not
    with sqlite3.connect(s.dir / "users.db") as db:
        db.execute("UPDATE accounts SET cleartext_data = 0 WHERE name = 'reader'")
    db.close()
    assert refusal(s, "reader", tls=None).code == 530
    assert "why=\"the account may not log in without TLS\"" in s.log()
    s.tool("user", "set", "scanner", "--cleartext", "off")
    assert wait_until(lambda: user("scanner") == 533)
    s.login("scanner").quit()


def test_cleartext_networks(make_server):
    s = make_server(cleartext_networks=["127.0.0.8/32"])
    c = s.client(tls=None, source="127.0.0.8")
    assert attempt(c, "guest", PASSWORD).code == 230
    c.quit()
    assert refusal(s, "guest", tls=None).code in (421, 530, 533, 534)


# ---- anonymous ---------------------------------------------------------------------------------
@pytest.mark.parametrize("tls", ["explicit", None])
def test_anonymous(make_server, tls):
    needs_root()
    root = None

    def settings(server_dir):
        return {"auth": ["users", "anonymous"], "anonymous_user": GUEST,
                "anonymous_root": str(server_dir)}
    import tempfile
    root = tempfile.mkdtemp(prefix="sallyport-anonymous-")
    try:
        os.chmod(root, 0o755)
        with open(root + "/pub", "w") as f:
            f.write("for everybody")
        s = make_server(cleartext_networks=["127.0.0.0/8"], **settings(root))
        for name in ("anonymous", "ftp"):
            c = s.client(tls=tls)
            assert attempt(c, name, "me@example.org").code == 230
            if tls:
                c.expect(200, "PBSZ 0")
                c.expect(200, "PROT P")
            assert c.retr("RETR pub") == b"for everybody"
            for line in ("STOR x", "APPE pub", "STOU"):
                c.passive()
                assert c.cmd(line).code in (550, 553), line
            for line in ("DELE pub", "MKD x", "RMD /", "SITE CHMOD 777 pub"):
                assert c.cmd(line).code in (550, 553), line
            c.quit()
        s.login("guest").quit()
    finally:
        os.unlink(root + "/pub")
        os.rmdir(root)


def test_the_log_escapes_what_clients_send(server):
    mark = server.mark()
    evil = "x\x1b[31m\x07 fake=1"
    refusal(server, evil, "wrong")
    line = server.wait_log(r"login\.refused", mark)
    assert "\x1b" not in server.log(mark) and "\x07" not in server.log(mark)
    assert " fake=1" not in line, "a name has forged a field"


def test_sessions_log_their_id(server):
    mark = server.mark()
    server.login().quit()
    line = server.wait_log(r"login\.granted", mark)
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z notice ", line), line
    assert re.search(r"session=\S+-\d+", line)
