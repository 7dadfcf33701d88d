"""System users through PAM."""

import os
import stat
from pathlib import Path

import pytest

import harness
import procfs
from harness import PAM_PASSWORD, PAM_SERVICE, PAM_USER, PASSWORD, needs_root, run, wait_until
from test_logins import attempt, refusal

HERE = Path(__file__).resolve().parent


def unix_module(world):
    needs_root()
    world.not_sanitized("its crypt(3) breaks pam_unix")


@pytest.fixture(scope="module")
def pam(world):
    unix_module(world)
    s = harness.Server(world, "pam", auth=["users", "pam"], pam_service=PAM_SERVICE)
    s.start()
    yield s
    s.stop()


@pytest.fixture(scope="module")
def home():
    needs_root()
    return Path(os.path.expanduser("~" + PAM_USER))


def test_a_system_user_in_its_jail(pam, home):
    c = pam.login(PAM_USER, PAM_PASSWORD)
    assert c.cmd("PWD").text.startswith('257 "/"')
    c.stor("STOR from-ftp", b"content")
    st = os.stat(home / "from-ftp")
    assert st.st_uid == os.stat(home).st_uid
    assert (home / "from-ftp").read_bytes() == b"content"
    assert c.cmd("CWD /etc").code == 550
    assert c.cmd("DELE from-ftp").code == 250
    c.quit()


def test_accounts_of_both_backends(pam):
    pam.login("guest", PASSWORD).quit()
    pam.login(PAM_USER, PAM_PASSWORD).quit()


@pytest.mark.parametrize("user, password", [(PAM_USER, "wrong"), ("root", "x"), ("daemon", ""),
                                            ("sallyport", ""), ("nobody-here", "x")])
def test_refusals_look_the_same(pam, user, password):
    r = refusal(pam, user, password, timeout=30)
    reference = refusal(pam, "guest", "wrong", timeout=30)
    assert r.code == 530
    assert r.text.replace(user, "NAME") == reference.text.replace("guest", "NAME")


def test_users_below_the_least_uid_stay_out(pam):
    """With the right password, too."""
    name = "sp-test-system"
    pam.world.user(name, "--system", "--no-create-home", "--home-dir", "/var/empty")
    run("chpasswd", input=f"{name}:{PAM_PASSWORD}\n")
    assert refusal(pam, name, PAM_PASSWORD, timeout=30).code == 530
    run("usermod", "--lock", name)


def test_an_expired_password_is_told(pam):
    """The password was right: the user has to know what to do."""
    run("chage", "-d", "0", PAM_USER)
    try:
        r = refusal(pam, PAM_USER, PAM_PASSWORD, timeout=30)
        assert r.code == 530
        assert "password" in r.text.lower() and "chang" in r.text.lower() \
            or "expired" in r.text.lower(), r
        assert refusal(pam, PAM_USER, "wrong", timeout=30).text == \
            refusal(pam, "guest", "wrong", timeout=30).text
    finally:
        run("chage", "-d", "2026-01-01", PAM_USER)
    pam.login(PAM_USER, PAM_PASSWORD, timeout=30).quit()


def test_the_shipped_service_refuses_shells_that_are_not_in_etc_shells(make_server, world):
    """With the right password, and like a wrong one."""
    unix_module(world)
    service = Path("/etc/pam.d", f"{PAM_SERVICE}-shipped-{os.getpid()}")
    service.write_bytes((HERE.parents[1] / "etc" / "sallyport.pam").read_bytes())
    name = "sp-test-shell"
    world.user(name, "--create-home")
    run("chpasswd", input=f"{name}:{PAM_PASSWORD}\n")
    try:
        s = make_server(auth=["pam"], pam_service=service.name)
        run("usermod", "--shell", "/bin/sh", name)
        s.login(name, PAM_PASSWORD, timeout=30).quit()
        wrong = refusal(s, name, "wrong", timeout=30)
        run("usermod", "--shell", "/usr/sbin/nologin", name)
        assert refusal(s, name, PAM_PASSWORD, timeout=30).text == wrong.text
    finally:
        run("usermod", "--lock", name)
        service.unlink()


def test_groups_of_the_system_user_count(pam, home):
    run("groupadd", "-f", "sp-test-group")
    run("usermod", "-a", "-G", "sp-test-group", PAM_USER)
    shared = home / "shared"
    shared.mkdir(exist_ok=True)
    os.chown(shared, 0, __import__("grp").getgrnam("sp-test-group").gr_gid)
    os.chmod(shared, 0o770)
    c = pam.login(PAM_USER, PAM_PASSWORD)
    c.stor("STOR shared/f", b"x")
    assert c.cmd("DELE shared/f").code == 250
    c.quit()
    shared.rmdir()


def test_jail_patterns_for_system_users(make_server, world):
    unix_module(world)
    import tempfile
    base = Path(tempfile.mkdtemp(prefix="sallyport-jails-"))
    os.chmod(base, 0o755)
    s = make_server(auth=["pam"], pam_service=PAM_SERVICE, jail_create=True,
                    jail_create_mode="0750", system_user_jail=f"{base}/%g/%u")
    (base / PAM_USER).mkdir()
    c = s.login(PAM_USER, PAM_PASSWORD, timeout=30)
    c.stor("STOR f", b"x")
    c.quit()
    jail = base / PAM_USER / PAM_USER
    assert (jail / "f").read_bytes() == b"x"
    assert stat.S_IMODE(os.stat(jail).st_mode) == 0o750
    run("rm", "-rf", base)


def test_system_users_outside_of_a_jail_where_configured(make_server, home, world):
    unix_module(world)
    s = make_server(auth=["pam"], pam_service=PAM_SERVICE, jail_system_users=False)
    c = s.login(PAM_USER, PAM_PASSWORD, timeout=30)
    assert c.cmd("PWD").text.startswith(f'257 "{home}"')
    assert c.cmd("CWD /etc").code == 250
    assert b"root:" in c.retr("RETR passwd")
    c.passive()
    assert c.cmd("RETR shadow").code == 550
    c.quit()


# ---- what a login costs ---------------------------------------------------------------------------
def test_a_login_hashes_the_password_once(make_server, world):
    """However often pam_unix asks; and what is not the same question is hashed."""
    unix_module(world)
    module, log = world.dir / "pam_hashes.so", world.dir / "hashes"
    run("gcc", "-std=c17", "-D_GNU_SOURCE", "-shared", "-fPIC", "-Wall", "-o", module,
        HERE / "pam_hashes.c", "-lpam", "-lcrypt")
    service = Path("/etc/pam.d", f"{PAM_SERVICE}-hashes-{os.getpid()}")
    service.write_text(f"auth required pam_unix.so\nauth required {module} log={log}\n"
                       f"account required pam_unix.so\naccount required {module} log={log}\n")
    asked = ["known", "hashed", "known", "hashed"]
    try:
        s = make_server(auth=["pam"], pam_service=service.name)
        assert refusal(s, PAM_USER, "wrong", timeout=30).code == 530
        assert log.read_text().split() == asked
        s.login(PAM_USER, PAM_PASSWORD, timeout=30).quit()
        assert refusal(s, PAM_USER, "wrong", timeout=30).code == 530
        assert log.read_text().split() == asked + asked + ["hashed"] + asked
    finally:
        service.unlink()


# ---- a conversation with several questions -------------------------------------------------------
@pytest.fixture(scope="module")
def two_questions(world):
    needs_root()
    module = world.dir / "pam_two_questions.so"
    run("gcc", "-std=c17", "-D_GNU_SOURCE", "-shared", "-fPIC", "-Wall", "-o", module,
        HERE / "pam_two_questions.c", "-lpam")
    notes = world.dir / "pam-sessions"
    notes.write_text("")
    service = Path("/etc/pam.d", f"{PAM_SERVICE}-two-{os.getpid()}")
    service.write_text(f"auth required {module}\naccount required {module}\n"
                       f"session required {module} log={notes}\n")
    s = harness.Server(world, "two-questions", auth=["pam"], pam_service=service.name)
    s.notes = notes
    s.start()
    yield s
    s.stop()
    service.unlink()


def dialogue(server, password, code):
    c = server.client()
    c.expect(331, "USER " + PAM_USER)
    r = c.expect(332, "PASS " + password)
    assert "One-time code" in r.text, r
    return c, c.cmd("ACCT " + code)


def test_a_second_question_is_332_and_acct_answers_it(two_questions):
    c, r = dialogue(two_questions, "open sesame", "424242")
    assert r.code == 230, r
    assert c.cmd("PWD").code == 257
    c.quit()


def test_wrong_answers_to_several_questions(two_questions):
    texts = set()
    for password, code in (("wrong", "424242"), ("open sesame", "000000")):
        c, r = dialogue(two_questions, password, code)
        assert r.code == 530
        texts.add(r.text)
        assert c.cmd("PWD").code == 530
        assert c.cmd("ACCT 424242").code == 503
        c.abandon()
    assert len(texts) == 1


def test_auth_ends_a_conversation_that_began_in_clear(two_questions):
    two_questions.restart(cleartext_networks=["127.0.0.0/8"])
    c = two_questions.client(tls=None)
    c.expect(331, "USER " + PAM_USER)
    c.expect(332, "PASS open sesame")
    c.auth()
    c.expect(503, "ACCT 424242")
    c.expect(331, "USER " + PAM_USER)
    c.expect(332, "PASS open sesame")
    c.expect(230, "ACCT 424242")
    c.quit()


def test_leaving_at_a_question_is_no_breach(two_questions):
    c = two_questions.client()
    c.expect(331, "USER " + PAM_USER)
    c.expect(332, "PASS open sesame")
    c.abandon()
    wait_until(lambda: len(procfs.of_kind(two_questions.pid, "sallyport-login")) == 1)


def test_another_command_ends_the_conversation(two_questions):
    c = two_questions.client()
    c.expect(331, "USER " + PAM_USER)
    c.expect(332, "PASS open sesame")
    r = c.cmd("USER " + PAM_USER)
    assert r.code in (331, 503)
    if r.code == 331:
        c.expect(332, "PASS open sesame")
    assert c.cmd("ACCT 424242").code == 230
    c.quit()


def test_a_client_that_leaves_in_the_middle(two_questions):
    from harness import procfs
    c = two_questions.client()
    c.expect(331, "USER " + PAM_USER)
    c.expect(332, "PASS open sesame")
    c.abandon()
    assert wait_until(lambda: len(procfs.of_kind(two_questions.pid, "sallyport-login")) <= 1, 8), \
        "a login process waits for ever"


def test_pam_sessions_are_opened_and_closed(two_questions):
    two_questions.notes.write_text("")

    def notes():
        return two_questions.notes.read_text().split("\n")[:-1]

    c, r = dialogue(two_questions, "open sesame", "424242")
    assert notes() == [f"open {PAM_USER}"]
    c.quit()
    assert wait_until(lambda: notes() == [f"open {PAM_USER}", f"close {PAM_USER}"], 5), notes()
    c, r = dialogue(two_questions, "open sesame", "424242")
    c.abandon()                             # without QUIT
    assert wait_until(lambda: notes().count(f"close {PAM_USER}") == 2, 5), notes()
    c, r = dialogue(two_questions, "open sesame", "424242")
    assert c.cmd("REIN").code == 220
    assert wait_until(lambda: notes().count(f"close {PAM_USER}") == 3, 5), notes()
    c.quit()
    c = two_questions.client()
    assert attempt(c, PAM_USER, "x").code in (332, 530)
    c.abandon()
    assert notes().count(f"open {PAM_USER}") == 3
