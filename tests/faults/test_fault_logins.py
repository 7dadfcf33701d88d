"""A fault in each system call of a login, by each process that takes part in it: the
attempt ends in time, nobody gets in with less walls or without the password, nothing is
left behind, and the next login is served."""

import os
import time
from pathlib import Path

import pytest

import procfs
from faults import (ALL_CALLS, BOUND, WHOLE, FaultServer, Gone, Tracer, choices, rules,
                    say, told, transfer, tried_all)
from harness import LONG, PAM_PASSWORD, PAM_SERVICE, PAM_USER, needs_root

pytestmark = [
    pytest.mark.limit(3600 if LONG else 240),
    pytest.mark.expects(r"\b(worker|broker|login)\.crashed signal=9 "),
    pytest.mark.expects(r"\bsession\.closed reason=(crashed|worker-error) "),
    pytest.mark.expects(r"\b(worker|broker|login)\.ended status=1"),
]


@pytest.fixture(scope="module")
def _users(world):
    needs_root()
    world.not_sanitized("what it wraps around malloc ends the process where a call fails")
    s = FaultServer(world, "fault-logins")
    s.start()
    s.remember()
    yield s
    s.stop()


@pytest.fixture
def users(_users):
    yield _users
    _users.at_rest()
    _users.serves()
    _users.at_rest()


@pytest.fixture
def pam(world):
    needs_root()
    world.not_sanitized("its crypt(3) breaks pam_unix")
    s = FaultServer(world, "fault-pam", auth=["pam"], pam_service=PAM_SERVICE)
    s.account, s.home = (PAM_USER, PAM_PASSWORD), Path(os.path.expanduser("~" + PAM_USER))
    s.start()
    s.remember()
    yield s
    s.at_rest()
    s.stop()


class Visitor:
    """Comes, logs in, stores a file, leaves; takes what it is told."""

    def __init__(self, server, tls, password=None, sees_walls=False):
        self.server, self.tls = server, tls
        self.name, self.password = server.account
        if password is not None:
            self.password = password
        self.login = self.stored = None
        self.sees_walls = sees_walls    # a template that is new cannot be told from them

    def visit(self):
        c = told(lambda: self.server.client(tls=None, greet=False, timeout=BOUND))
        if c == "closed":
            return
        try:
            self.talk(c)
        finally:
            c.abandon()

    def talk(self, c):
        code = told(lambda: c.reply().code)
        if code != 220:
            assert code in (421, "closed"), code
            return
        if self.tls:
            code = say(c, "AUTH TLS")
            if code != 234:
                assert code == "closed" or code >= 400, code
                return
            if told(c.secure) == "closed":
                return
        if say(c, "USER " + self.name) != 331:
            return
        self.login = say(c, "PASS " + self.password)
        if self.login != 230:
            assert self.login == "closed" or 400 <= self.login < 600, self.login
            return
        if self.sees_walls:
            self.look()
        if self.tls:
            say(c, "PBSZ 0")
            say(c, "PROT P")
        if say(c, "TYPE I") == 200:
            self.stored = transfer(c, "STOR f", WHOLE)[0]
        say(c, "QUIT")

    def look(self):
        """The walls of worker and broker while they serve."""
        for kind in ("worker", "broker"):
            for pid in self.server.of_kind(kind):
                if pid in self.server.templates:
                    continue
                try:
                    s = procfs.status(pid)
                except (FileNotFoundError, ProcessLookupError):
                    continue            # the fault has ended it meanwhile
                assert "0" not in s["Uid"].split() and "0" not in s["Gid"].split(), kind
                for caps in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
                    assert int(s[caps], 16) == 0, f"{kind}: {caps} {s[caps]}"
                assert s["Seccomp"].strip() == "2" and s["NoNewPrivs"].strip() == "1", kind


def trace(server, target, *how):
    """A tracer at the target. What the last fault has ended may take its time to be gone."""
    for _ in range(100):
        try:
            return Tracer(server.world,
                          server.pid if target == "monitor" else server.template(target), *how)
        except Gone:
            time.sleep(0.05)
    raise AssertionError(f"no {target} lives on")


def strike(server, target, birth, visitor, action, at, choice, what):
    """One visit with one fault. The tracer of it."""
    server.templates = {server.template(k) for k in ("worker", "broker", "login")}
    stored = server.home / "f"
    stored.unlink(missing_ok=True)
    t = trace(server, target, birth, action, at, choice, what)
    try:
        visitor.visit()
    finally:
        t.end()
    where = f"{action} at {at} of the {target}, struck {t.hit}: login {visitor.login}"
    try:
        server.at_rest()
        if visitor.stored == 226:
            assert stored.read_bytes() == WHOLE, "226, and the file is not whole"
    except AssertionError as e:
        raise AssertionError(f"{where}: {e}\n" + server.log()[-1500:]) from None
    return t


def calls_of(server, target, birth, what, tls=None, password=None):
    """How many calls a visit has, once it goes well with the tracer at its side."""
    good = (230, 226) if password is None else (530, None)
    counted = []
    for _ in range(6):
        v = Visitor(server, tls, password)
        t = strike(server, target, birth, v, "count", 0, 0, what)
        if (v.login, v.stored) == good:
            counted.append(t.counted)
        if len(counted) == 2:
            return max(counted)
    raise AssertionError(f"no visit goes well: {v.login}, {v.stored}, {t.said}")


def sweep(server, target, birth, side, tried, tls=None, step=1, kills=3):
    """Each call that may fail fails once, and at each third the process is killed."""
    hits = 0

    def again(action, at, choice=0, what=rules(side)):
        nonlocal hits
        # who was killed is followed by a new template, which looks like a session's process
        # without walls; and to kill takes no wall away
        visitor = Visitor(server, tls, sees_walls=birth and action == "error")
        t = strike(server, target, birth, visitor, action, at, choice, what)
        if t.hit:
            hits += 1
            tried(f"system calls of the {target} at a login that "
                  + ("failed" if action == "error" else "were its last"))
        return t

    n = calls_of(server, target, birth, rules(side), tls)
    for k in range(1, n + 1, 1 if LONG else step):
        for choice in choices(k // step):
            if tried_all(side, choice, again("error", k, choice).hit):
                break
    assert hits >= n // step // 2, f"only {hits} of {n} calls were struck"
    if kills:
        n = calls_of(server, target, birth, ALL_CALLS, tls)
        for k in range(1, n + 1, 1 if LONG else kills):
            again("kill", k, what=ALL_CALLS)


def test_in_a_worker_from_its_birth_on(users, tried):
    sweep(users, "worker", True, "worker", tried)


def test_in_a_worker_that_shakes_hands(users, tried):
    sweep(users, "worker", True, "worker", tried, "explicit", 3, 20)


def test_in_a_broker_from_its_birth_on(users, tried):
    sweep(users, "broker", True, "broker", tried)


def test_in_a_login_by_the_users_database(users, tried):
    sweep(users, "login", True, "login", tried, kills=6)


def test_in_a_login_by_pam(pam, tried):
    sweep(pam, "login", True, "login", tried, step=6, kills=30)


def test_no_fault_lets_a_wrong_password_in(users, tried):
    what = rules("login")

    for k in range(1, calls_of(users, "login", True, what, password="wrong") + 1):
        v = Visitor(users, None, "wrong")
        t = strike(users, "login", True, v, "error", k, k, what)
        assert v.login != 230, f"a wrong password is let in by {t.hit}"
        tried("faults in a login with a wrong password")


@pytest.mark.parametrize("kind", ["worker", "broker", "login"])
@pytest.mark.expects(r"\btemplate\.ended kind=\w+ ready=(yes|no) ")
def test_in_a_template_that_forks(users, kind, tried):
    sweep(users, kind, False, "template", tried, kills=1)


@pytest.mark.expects(r"\bkeyholder\.(ended|crashed)\b")
def test_in_the_keyholder(users, tried):
    sweep(users, "keyholder", False, "keyholder", tried, "explicit", kills=1)


@pytest.mark.parametrize("tls", [None, "explicit"], ids=["clear", "tls"])
@pytest.mark.expects(r"\bbreach side=template kind=\w+ fault=cannot-send")
@pytest.mark.expects(r"\btemplate\.ended kind=\w+ ready=(yes|no) ")
@pytest.mark.expects(r"\bkeyholder\.(ended|crashed)\b")
def test_in_the_monitor(users, tls, tried):
    sweep(users, "monitor", False, "monitor", tried, tls, step=1 if tls is None else 3, kills=0)
