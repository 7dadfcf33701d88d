"""A captured broker and a captured login against the monitor, and a worker that was asked.

They know one account or one password, and must not be able to harm another session. What
has to hold is the same: that session ends, one line says why, nothing is left behind.
"""

import pwd
import struct

import pytest

import deform
from harness import GUEST, PASSWORD, ROOT, wait_until
from patience import Stopwatch
from puppet import (BROKER, LOGIN, MONITOR, STATE, WORKER, Gone, Puppet, text, u8, u16, u32, u64,
                    kept_away, kernel_keeps_descriptors_away, require_puppet, start)

pytestmark = [pytest.mark.expects(r"\bbreach\b|sandbox\.violation|\bcrashed\b"
                                  r"|(broker|login)\.ended"),
              pytest.mark.limit(300)]

SENDER = {"worker": WORKER, "broker": BROKER, "login": LOGIN}


@pytest.fixture(scope="module")
def _captured_broker(world):
    require_puppet(world)
    s = start(world, "broker", captured=("worker", "broker"))
    yield s
    s.stop()


@pytest.fixture(scope="module")
def _captured_login(world):
    require_puppet(world)
    s = start(world, "login", captured=("worker", "login"))
    yield s
    s.stop()


def rests(server):
    assert server.pid == server.first_pid
    server.at_rest()
    server.serves()
    server.at_rest()


@pytest.fixture
def with_broker(_captured_broker):
    yield _captured_broker
    rests(_captured_broker)


@pytest.fixture
def with_login(_captured_login):
    yield _captured_login
    rests(_captured_login)


class Session(Puppet):
    """A captured worker with a captured broker or login, in a state of the monitor's."""

    def __init__(self, server, side, state):
        super().__init__(server)
        self.other = None
        self.secure()
        getattr(self, f"{side}_{state}".lower())()
        self.culprit = self if side == "worker" else self.other

    def __exit__(self, *error):
        super().__exit__(*error)
        if self.other:
            self.other.sock.close()

    def broker_start(self):
        self.try_login()
        self.other = self.server.side("broker", self.id)

    def broker_user(self):
        self.broker_start()
        assert self.other.send("m", "SERVING") == "ok"
        assert self.get("m")[0] == "LOGGED_IN"

    def login_login(self):
        self.try_login()
        self.other = self.server.side("login", self.id)

    def login_question(self):
        self.other = self.asked()

    worker_question = login_question

    def login_user(self):
        self.login_login()
        assert self.other.send("m", "GRANTED", granted(self.server)) == "ok"
        assert self.get("m")[0] == "LOGGED_IN"


def granted(server, **changes):
    ids = pwd.getpwnam(GUEST) if ROOT else None
    account = {"backend": text("users"), "user": text("guest"), "group": text("guest"),
               "uid": u32(ids.pw_uid if ids else server.dir.stat().st_uid),
               "gid": u32(ids.pw_gid if ids else server.dir.stat().st_gid),
               "groups": text(""), "jail": text(str(server.jail("guest"))),
               "start": text("/"), "permits": u32(0xffffffff), "flags": u32(0),
               "umask": u32(0o22), "session_limit": u32(0), "file_bound": u64(0),
               "memory": u64(0), "cpu": u32(0), "files": u32(0), "nice": u8(0)}
    return b"".join({**account, **changes}.values())


def broken(p, side, what, failures):
    """The session is over, and the log says so in one line."""
    if not p.ended():
        failures.append(f"{what}: the session goes on")
        return
    wait_until(lambda: p.lines(r'[ "]breach '), 3)
    lines = p.lines(r'[ "]breach ')
    if len(lines) != 1 or f"side={side}" not in lines[0]:
        failures.append(f"{what}: {p.lines()}")


PLACES = [("broker", "START"), ("broker", "USER"), ("login", "LOGIN"),
          ("login", "QUESTION"), ("login", "USER"), ("worker", "QUESTION")]


def server_for(request, side):
    return request.getfixturevalue("with_broker" if side == "broker" else "with_login")


def rows_for(side, state):
    return deform.legal(SENDER[side], MONITOR, STATE[state])


def passes_none(p, side, what, failures, answer):
    """The kernel refuses it, or it is a breach."""
    if kernel_keeps_descriptors_away():
        kept_away(p, answer, what, failures)
    else:
        broken(p, side, what, failures)


def all_break(request, tried, side, state, ways, end=None):
    server = server_for(request, side)
    failures, count = [], 0
    for what, command in ways(rows_for(side, state)):
        with Session(server, side, state) as p:
            answer = p.culprit.attack(command)
            if answer == "impossible":
                continue
            what = f"{what} from {side} in {state}"
            if end:
                end(p, side, what, failures, answer)
            else:
                broken(p, side, what, failures)
            count += 1
        if failures:            # each further one would be waited for as long
            break
    assert not failures
    assert count > 5
    tried(f"deformed messages of a captured {side} to the monitor", count)


@pytest.mark.slow
@pytest.mark.parametrize("side, state", PLACES)
def test_a_message_out_of_place_ends_that_session_alone(request, tried, side, state):
    fds = 0 if kernel_keeps_descriptors_away() else None
    all_break(request, tried, side, state, lambda rows: deform.out_of_place(rows, fds=fds))


@pytest.mark.parametrize("side, state", PLACES)
def test_a_malformed_message_ends_that_session_alone(request, tried, side, state):
    all_break(request, tried, side, state, deform.malformed)


@pytest.mark.parametrize("side, state", PLACES)
def test_descriptors_nobody_asked_for_do_not_come_in(request, tried, side, state):
    all_break(request, tried, side, state, deform.miscounted, passes_none)


@pytest.mark.parametrize("side, state", PLACES)
def test_no_kind_of_descriptor_comes_in(request, tried, side, state):
    """Each kind once; what was left open would be seen when the server is at rest."""
    server = server_for(request, side)
    failures, count, kinds = [], 0, None
    while kinds is None or kinds:
        with Session(server, side, state) as p:
            kinds = p.culprit.things() if kinds is None else kinds
            kind = kinds.pop()
            if p.culprit.do(f"hold {kind}") != "ok":
                continue
            p.culprit.do("give held")
            answer = p.culprit.attack(f"forge m {p.rows['LOG'].type} 2 least")
            passes_none(p, side, f"a descriptor of {kind} from {side} in {state}", failures,
                        answer)
            count += 1
    assert not failures
    assert count > 12
    tried("kinds of descriptors passed to the monitor", count)


@pytest.mark.parametrize("side, state", PLACES)
@pytest.mark.parametrize("form", ("least", "most", "odd"))
def test_a_message_in_its_place_harms_nobody(request, tried, side, state, form):
    """Well-formed, but with values that make no sense, or are no UTF-8."""
    server = server_for(request, side)
    for row in rows_for(side, state):
        with Session(server, side, state) as p:
            for _ in range(3):
                if p.culprit.attack(f"forge m {row.type} {row.fds} {form}") == "gone":
                    break
            tried(f"messages in their place from a captured {side}")
        assert len(p.lines(r'[ "]breach ')) <= 1
        assert not [line for line in p.lines() if not line.isprintable()]
        assert not p.lines(r"login\.granted user=a+ ")


@pytest.mark.parametrize("side, state", PLACES)
def test_floods_end_that_session_alone(request, tried, side, state):
    server = server_for(request, side)
    for row in rows_for(side, state):
        with Session(server, side, state) as p:
            for _ in range(20):
                answer = p.culprit.attack(f"flood m {row.type} 1000")
                if answer == "gone":
                    break
                tried(f"messages of floods from a captured {side}", int(answer.split()[1]))
            server.serves()
        assert len(p.lines(r'[ "]breach ')) <= 1
        assert len(p.lines(r"sandbox\.violation")) <= 1
        if state != "USER":             # then it may have 10,000 lines, and is slowed
            assert len(p.lines()) < 400


@pytest.mark.parametrize("side, state", PLACES)
def test_one_that_dies_takes_its_session_at_most(request, side, state):
    """In the middle of a login, too: half of one is none."""
    server = server_for(request, side)
    for how, line in (("crash", rf"{side}\.crashed signal=11"), ("QUIT", None)):
        with Session(server, side, state) as p:
            assert p.culprit.attack(how) == "gone"
            if line:
                assert wait_until(lambda: p.lines(line), 5), p.lines()
                assert len(p.lines(line)) == 1
        assert not p.lines(r'[ "]breach ')
        if state in ("LOGIN", "QUESTION", "START"):
            assert not p.lines(r"login\.granted")


@pytest.mark.slow
@pytest.mark.limit(60)
def test_half_a_login_is_ended_in_time(world):
    """Whoever of the three falls silent: nobody sits in front of it for ever."""
    require_puppet(world)
    servers, crowd = [], []
    try:
        for side, states in (("login", ("LOGIN", "QUESTION")), ("broker", ("START",))):
            servers.append(start(world, "half", captured=("worker", side),
                                 login_timeout="5 s"))
            for state in states:
                for _ in range(3):
                    crowd.append(Session(servers[-1], side, state))
        for p in crowd:
            assert p.ended(20), f"{p.greeting} sits there for ever"
            assert not p.lines(r'[ "]breach ')
            p.other.sock.close()
        for server in servers:
            server.at_rest()
    finally:
        for server in servers:
            server.stop()


NEVER = {"root": {"uid": u32(0)}, "root's group": {"gid": u32(0)},
         "a supplementary group 0": {"groups": u16(8) + u32(5) + u32(0)},
         "half a group": {"groups": u16(3) + b"\1\2\3"},
         "uid -1": {"uid": u32(0xffffffff)}, "gid -1": {"gid": u32(0xffffffff)},
         "the worker's uid": {"uid": "sallyport"},
         "the keyholder's uid": {"uid": "sallyport-keys"},
         "a jail with ..": {"jail": text("/tmp/../etc")},
         "a start with ..": {"start": text("/../..")},
         "no name": {"user": text("")}, "no backend": {"backend": text("")}}


@pytest.mark.parametrize("what", NEVER)
def test_a_captured_login_cannot_grant_what_no_account_has(with_login, tried, what):
    if not ROOT:
        pytest.skip("needs root: without it there is one uid, ours")
    changes = {k: u32(pwd.getpwnam(v).pw_uid) if isinstance(v, str) else v
               for k, v in NEVER[what].items()}
    with Session(with_login, "login", "LOGIN") as p:
        assert p.other.send("m", "GRANTED", granted(with_login, **changes)) == "ok"
        name, body, _ = p.get("m")
        assert name == "LOGIN_REFUSED"
        assert not p.lines(r"login\.granted")
        assert len(p.lines(r"account\.unusable")) == 1
    tried("accounts that nobody may be granted")


def test_a_verdict_after_the_verdict_is_a_breach(with_login):
    for second in ("GRANTED", "REFUSED", "QUESTION"):
        failures = []
        with Session(with_login, "login", "USER") as p:
            p.other.attack(p.other.step("m", second, granted(with_login)
                                        if second == "GRANTED" else u8(1) + text("")
                                        if second == "REFUSED" else text("again?")))
            broken(p, "login", second, failures)
        assert not failures


def test_what_a_captured_login_says_is_one_escaped_line(with_login):
    forged = "session=AAAA-1 peer=192.0.2.1 login.granted user=root"
    with Session(with_login, "login", "LOGIN") as p:
        p.other.send("m", "LOG", u16(0) + text(forged))
        p.other.send("m", "LOG", u16(0) + text(b"a\x1b[2Jb\x7f\xff\xc0\x80c"))
        p.other.send("m", "REFUSED", u8(1) + text(b"\x1b]0;x\x07 \xff why"))
        assert p.get("m")[0] == "LOGIN_REFUSED"
        assert wait_until(lambda: p.lines(r"login\.refused"), 5)
        assert wait_until(lambda: len(p.lines("side=login")) == 2, 5), p.lines()
        lines = p.lines()
    first = next(line for line in lines if forged in line)
    assert first.index("side=login") < first.index(forged)
    assert not [line for line in lines if not line.isprintable()]


def test_a_question_is_asked_again_and_again_but_not_for_ever(with_login):
    """A captured login cannot keep a client busy beyond login_timeout; here: no leak."""
    with Session(with_login, "login", "QUESTION") as p:
        for i in range(20):
            assert p.send("m", "LOGIN_ANSWER", text(f"answer {i}")) == "ok"
            name, body, _ = p.other.get("m")
            assert name == "ANSWER" and body == text(f"answer {i}")
            assert p.other.send("m", "QUESTION", text("and now?")) == "ok"
            assert p.get("m")[0] == "LOGIN_QUESTION"
        assert p.send("m", "LOGIN_CANCEL") == "ok"
        assert p.get("m")[0] == "LOGIN_REFUSED"


def test_an_answer_goes_to_its_own_login_only(with_login):
    """Two sessions are asked at once."""
    with Session(with_login, "login", "QUESTION") as one, \
            Session(with_login, "login", "QUESTION") as two:
        one.send("m", "LOGIN_ANSWER", text("of the first"))
        two.send("m", "LOGIN_ANSWER", text("of the second"))
        assert one.other.get("m")[1] == text("of the first")
        assert two.other.get("m")[1] == text("of the second")
        one.other.send("m", "REFUSED", u8(1) + text(""))
        assert one.get("m")[0] == "LOGIN_REFUSED"
        assert two.get("m", 0.2) is None
        two.other.send("m", "GRANTED", granted(with_login))
        assert two.get("m")[0] == "LOGGED_IN"
        assert one.get("m", 0.2) is None


def test_a_login_with_a_session_behind_it_cannot_reach_into_it(with_login):
    """After its verdict it may say nothing, and its death ends nothing."""
    with Session(with_login, "login", "USER") as p:
        assert p.other.attack("crash") == "gone"
        assert wait_until(lambda: p.lines(r"login\.crashed"), 5)
        assert p.ask("b", "SPACE", text("/"))[0] in ("AVAILABLE", "FAILED")


def test_a_broker_that_goes_takes_its_worker_along_in_time(with_broker):
    with Session(with_broker, "broker", "USER") as p:
        assert p.other.attack("QUIT") == "gone"
        began = Stopwatch()
        try:
            assert p.get("m")[0] == "SHUTDOWN"
        except Gone:
            pass
        assert began.own() < 4


def test_the_password_is_not_in_what_a_broker_is_told(with_broker):
    """It knows the account; what the account's owner typed it never sees."""
    p = Puppet(with_broker).secure()
    with p:
        p.try_login()
        with with_broker.side("broker", p.id) as broker:
            assert b"guest" in broker.first_message()
            assert PASSWORD.encode() not in broker.first_message()
            assert broker.get("m", 0.2) is None         # there was GRANT, and no more


def change_password(server):
    """To what it was: the account has been changed all the same."""
    server.tool("user", "passwd", "guest", "--password-stdin", input=PASSWORD + "\n")


def test_a_grant_for_an_account_that_was_changed_meanwhile_is_none(with_login):
    with Session(with_login, "login", "LOGIN") as p:
        change_password(with_login)
        assert p.other.send("m", "GRANTED", granted(with_login)) == "ok"
        name, body, _ = p.get("m")
        assert (name, body[:1]) == ("LOGIN_REFUSED", u8(1))
        assert "reason=credentials" in p.lines(r"login\.refused user=guest")[0]
        assert not p.lines(r"login\.granted")


def test_a_change_of_an_account_is_no_matter_to_another_backend(with_login):
    with Session(with_login, "login", "LOGIN") as p:
        change_password(with_login)
        assert p.other.send("m", "GRANTED", granted(with_login, backend=text("pam"))) == "ok"
        assert p.get("m")[0] == "LOGGED_IN"


def test_a_change_before_the_broker_is_ready_is_a_wrong_password(with_broker):
    with Session(with_broker, "broker", "START") as p:
        change_password(with_broker)
        name, body, _ = p.get("m")
        assert (name, body[:1]) == ("LOGIN_REFUSED", u8(1))
        assert p.other.ended()
        assert not p.lines(r"login\.granted")


def upload():
    return u32(8) + u32(1) + u64(4711)


class Logged(Session):
    """A captured worker and its captured broker, from an address, in an account."""

    def __init__(self, server, user="guest", source=None):
        Puppet.__init__(self, server, source=(source, 0) if source else None)
        self.other = None
        self.secure().try_login(user)
        self.other = server.side("broker", self.id)
        assert self.other.send("m", "SERVING") == "ok"
        assert self.get("m")[0] == "LOGGED_IN"

    def asked(self):
        """(the number of the question, seconds)"""
        name, body, _ = self.other.get("m")
        number, major, minor, inode, seconds = struct.unpack("<QIIQI", body)
        assert name == "YIELD" and (major, minor, inode) == (8, 1, 4711)
        return number, seconds

    def answer(self, number, yes):
        return self.other.send("m", "YIELDS", u64(number) + u8(yes))

    def take_over(self):
        assert self.other.send("m", "TAKE_OVER", upload()) == "ok"

    def has_taken(self):
        assert self.other.get("m")[0] == "TAKEN_OVER"


def test_an_upload_is_taken_over_within_an_account(with_broker):
    """Each of its other sessions is asked, and whoever says yes ends itself."""
    with Logged(with_broker) as asks, Logged(with_broker) as near, \
            Logged(with_broker, source="127.0.0.2") as far, \
            Logged(with_broker, "reader") as reader:
        asks.take_over()
        (number, seconds), (same, longer) = near.asked(), far.asked()
        assert (number, seconds, longer) == (same, 10, 60)
        assert near.answer(number, 0) == "ok"
        assert asks.other.get("m", 0.1) is None
        assert far.answer(number, 0) == "ok"
        asks.has_taken()                        # nobody had it
        asks.take_over()
        number, _ = near.asked()
        assert far.asked()[0] == number
        assert near.answer(number, 1) == "ok"
        name, body, _ = near.get("m")
        assert name == "SHUTDOWN" and b"Another session of your account" in body
        assert near.other.attack("QUIT") == "gone"
        assert asks.other.get("m", 0.1) is None, "its worker is still there"
        assert near.attack("QUIT") == "gone"
        asks.has_taken()
        assert near.lines("upload.taken_over user=guest by=" + asks.id)
        assert reader.other.get("m", 0.1) is None
        for p in (asks, far, reader):
            assert p.ask("m", "LISTEN")[0] == "LISTENING"


def test_brokers_that_vanish_keep_nobody_waiting(with_broker):
    with Logged(with_broker) as asks, Logged(with_broker) as gone:
        asks.take_over()
        gone.asked()
        assert gone.other.attack("QUIT") == "gone"
        asks.has_taken()
    with Logged(with_broker) as asks, Logged(with_broker) as deaf:
        asks.take_over()
        deaf.asked()
        asks.has_taken()                        # after some seconds
    with Logged(with_broker) as asks, Logged(with_broker) as stays:
        asks.take_over()
        number, _ = stays.asked()
        assert asks.other.attack("QUIT") == "gone"
        assert asks.ended()
        assert stays.answer(number, 1) == "ok"
        assert stays.ask("m", "LISTEN")[0] == "LISTENING"


def test_a_captured_broker_takes_over_nothing_of_another_account(with_broker):
    """Nor does it end a session by answers to questions that it was not asked."""
    with Logged(with_broker, "reader") as thief, Logged(with_broker) as asks, \
            Logged(with_broker) as holds:
        for _ in range(50):
            thief.take_over()
            thief.has_taken()                   # at once: there was nobody to ask
        assert holds.other.get("m", 0.1) is None
        asks.take_over()
        number, _ = holds.asked()
        for n in range(number - 3, number + 4):
            assert thief.answer(n, 1) == "ok"
        assert asks.other.get("m", 0.1) is None
        assert holds.answer(number, 0) == "ok"
        asks.has_taken()
        assert thief.ask("m", "LISTEN")[0] == "LISTENING"


def test_two_questions_at_once_are_a_breach(with_broker):
    failures = []
    with Logged(with_broker) as asks, Logged(with_broker) as holds:
        asks.take_over()
        holds.asked()
        asks.other.attack(asks.other.step("m", "TAKE_OVER", upload()))
        broken(asks, "broker", "two at once", failures)
    assert not failures
