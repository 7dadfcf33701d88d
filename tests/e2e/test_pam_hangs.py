"""PAM hangs: accounts of the users database log in all the same, and no name is told."""

import fcntl
import os
from pathlib import Path

import pytest

import harness
import procfs
from harness import PAM_SERVICE, PAM_USER, PASSWORD, needs_root, run, wait_until
from test_logins import attempt

HERE = Path(__file__).resolve().parent
RIGHT = "open sesame"
PLACES = 4                      # logins_at_once; of one address one at a time

pytestmark = [pytest.mark.expects(r"login\.(pam_hangs|hung)")]


class Pam:
    """A service whose module hangs until told otherwise."""

    def __init__(self, world, directory):
        module = directory / "pam_hangs.so"
        run("gcc", "-std=c17", "-D_GNU_SOURCE", "-shared", "-fPIC", "-Wall", "-o", module,
            HERE / "pam_hangs.c", "-lpam")
        self.log = directory / "came"
        self.log.write_text("")
        self.lock = open(directory / "lock", "w")
        self.service = Path("/etc/pam.d", f"{PAM_SERVICE}-hangs-{os.getpid()}")
        self.service.write_text("".join(
            f"{kind} required {module} lock={directory / 'lock'} log={self.log}\n"
            for kind in ("auth", "account", "session")))

    def hang(self, yes):
        fcntl.flock(self.lock, fcntl.LOCK_EX if yes else fcntl.LOCK_UN)

    def came(self):
        return self.log.read_text().split()


@pytest.fixture
def pam(world, tmp_path):
    needs_root()
    tmp_path.chmod(0o755)
    p = Pam(world, tmp_path)
    p.hang(True)
    yield p
    p.hang(False)
    p.lock.close()
    p.service.unlink()


@pytest.fixture
def server(make_server, pam):
    return make_server(auth=["users", "pam"], pam_service=pam.service.name,
                       logins_at_once=PLACES, login_timeout="10 min")


class Waiting:
    """A login whose answer is awaited; each from an address of its own."""

    def __init__(self, server, number, user, password):
        self.user = user
        self.client = server.client(source=f"127.0.1.{number}", timeout=120)
        self.client.expect(331, f"USER {user}")
        self.client.send(f"PASS {password}")
        self.told = None

    def answered(self):
        """The reply, if it has come."""
        if self.told is None:
            self.client.sock.settimeout(0.01)
            try:
                self.told = self.client.reply()
            except TimeoutError:
                pass
            finally:
                self.client.sock.settimeout(self.client.timeout)
        return self.told


def logins(server):
    return len(procfs.of_kind(server.pid, "sallyport-login")) - 1


def test_accounts_of_the_database_log_in_while_all_places_hang(server, pam):
    clients = [Waiting(server, n, PAM_USER, RIGHT) for n in range(1, 3 * PLACES + 1)]
    server.wait_log(r"login\.pam_hangs")
    for _ in range(3):
        server.login("guest", PASSWORD, source="127.0.2.1").quit()
    # as many hang as there are places, as many wait, and others are told so
    assert wait_until(lambda: sum(c.answered() is not None for c in clients) >= PLACES, 8)
    told = [c.told for c in clients if c.told]
    assert len(told) == PLACES and all(r.code == 421 for r in told), told
    assert len(pam.came()) == PLACES
    assert wait_until(lambda: logins(server) == 2 * PLACES, 8)
    server.login("guest", PASSWORD, source="127.0.1.1").quit()      # beside one that hangs
    pam.hang(False)
    for c in clients:
        if c not in [x for x in clients if x.told]:
            assert c.client.reply().code == 230
            c.client.quit()
    assert "login.hung" not in server.log()


def test_refusals_for_want_of_a_place_tell_no_names(server, pam):
    """Three kinds of names, each often: what they are told depends on when they came."""
    names = ["guest", PAM_USER, "nobody-here"]
    hung = [Waiting(server, n, PAM_USER, RIGHT) for n in range(1, PLACES + 1)]
    server.wait_log(r"login\.pam_hangs")
    assert wait_until(lambda: len(pam.came()) == PLACES, 8)
    waiting = []
    for n in range(4 * len(names)):
        waiting.append(Waiting(server, 100 + n, names[n % len(names)], "wrong"))
        # for each that comes one is turned away: of the first ones, any; then the next one
        assert wait_until(lambda: sum(c.answered() is not None for c in waiting)
                          >= len(waiting) - PLACES, 8)
    early, late = waiting[:-PLACES], waiting[-PLACES:]
    assert {c.user for c in early} == set(names) == {c.user for c in late}
    assert len({c.told.text for c in early}) == 1 and early[0].told.code == 421
    for c in early:
        assert c.client.closed(8)
    assert not any(c.answered() for c in late)
    pam.hang(False)
    assert {c.client.reply().text.replace(c.user, "NAME") for c in late} == {"530 Login incorrect."}
    for c in hung:
        assert c.client.reply().code == 230


def test_what_the_database_refused_counts_where_it_is_told_to_try_again(server, pam):
    """Else passwords could be guessed for nothing while PAM hangs."""
    server.reload(failure_delay_most="15 s", failure_ban="1 h")
    hung = [Waiting(server, n, PAM_USER, RIGHT) for n in range(1, PLACES + 1)]
    server.wait_log(r"login\.pam_hangs")
    one = [Waiting(server, 100, "guest", "wrong")]
    server.wait_log(r"login\.refused user=guest reason=credentials")
    others = [Waiting(server, 101 + n, "nobody-here", "wrong") for n in range(PLACES)]
    assert wait_until(one[0].answered, 8) and one[0].told.code == 421
    assert "login.refused user=guest reason=busy" not in server.log()
    pam.hang(False)
    for c in hung + others:
        c.client.reply()


def test_places_of_those_that_take_too_long_go_to_those_that_wait(make_server, pam):
    s = make_server(auth=["users", "pam"], pam_service=pam.service.name, logins_at_once=PLACES,
                    login_timeout="8 s")
    hung = [Waiting(s, n, PAM_USER, RIGHT) for n in range(1, PLACES + 1)]
    s.wait_log(r"login\.pam_hangs")
    assert wait_until(lambda: len(pam.came()) == PLACES, 8)
    other = Waiting(s, 100, PAM_USER, RIGHT)
    wrong = Waiting(s, 101, "guest", "wrong")
    assert not other.answered() and not wrong.answered()
    for c in hung:
        assert c.client.reply().text == "421 Timeout: login took too long; closing connection."
    pam.hang(False)
    assert wrong.client.reply().code == 530
    assert other.client.reply().code == 230
    s.wait_log(r"login\.hung")


def test_without_a_hang_nobody_is_turned_away(server, pam):
    pam.hang(False)
    names = [("guest", "wrong"), (PAM_USER, "wrong"), ("nobody-here", "wrong"), (PAM_USER, RIGHT)]
    clients = [Waiting(server, n + 1, *names[n % len(names)]) for n in range(8 * PLACES)]
    for c in clients:
        assert c.client.reply().code == (230 if names[clients.index(c) % len(names)][1] == RIGHT
                                         else 530)
        c.client.abandon()
    assert "login.pam_hangs" not in server.log()


def test_pam_alone_hangs_alone(make_server, pam):
    """Without the users database, all is as with it."""
    s = make_server(auth=["pam"], pam_service=pam.service.name, logins_at_once=PLACES)
    clients = [Waiting(s, n, PAM_USER, RIGHT) for n in range(1, 2 * PLACES + 1)]
    s.wait_log(r"login\.pam_hangs")
    pam.hang(False)
    for c in clients:
        assert c.client.reply().code == 230
        c.client.quit()
    assert attempt(s.client(), PAM_USER, "wrong").code == 530


def test_a_system_user_is_not_asked_where_the_database_says_yes(server, pam):
    server.login().quit()
    assert pam.came() == []


def test_anonymous_ahead_of_pam_does_not_wait(make_server, world, pam):
    root = world.dir / "public"
    root.mkdir()
    root.chmod(0o755)
    s = make_server(auth=["users", "anonymous", "pam"], pam_service=pam.service.name,
                    logins_at_once=PLACES, anonymous_root=root, anonymous_user=harness.GUEST)
    hung = [Waiting(s, n, PAM_USER, RIGHT) for n in range(1, 2 * PLACES + 1)]
    s.wait_log(r"login\.pam_hangs")
    assert attempt(s.client(source="127.0.2.1"), "anonymous", "a@b").code == 230
    pam.hang(False)
    for c in hung:
        assert c.client.reply().code == 230
