"""A captured worker against the monitor: every message, in every state, right and wrong.

What has to hold, whatever it sends: only its own session ends, the log says once what it
did, the monitor goes on as the same process, and nothing is left behind (the fixture).
"""

import re
import resource
import time
from contextlib import suppress
from pathlib import Path

import pytest

from harness import PASSWORD, ROOT, wait_until
from patience import Stopwatch
from puppet import (FAULTS, FDS, MESSAGE_MAX, MONITOR, STATE, Gone, Puppet, text, kept_away,
                    kernel_keeps_descriptors_away, u16, u32, u64, u8)

pytestmark = [pytest.mark.expects(r"\bbreach\b|sandbox\.violation|\bcrashed\b"),
              pytest.mark.limit(300)]

LOG_DEF = Path(__file__).resolve().parents[2] / "include" / "base" / "log.def"
REACHED = ("CLEAR", "SECURE", "LOGIN", "USER", "LEAVING")


def broken(p, what, failures):
    """The session is over, and the log says so in one line."""
    if not p.ended():
        failures.append(f"{what}: the session goes on")
        return
    wait_until(lambda: p.lines(r'[ "]breach '), 3)
    lines = p.lines(r'[ "]breach ')
    if len(lines) != 1:
        failures.append(f"{what}: {len(lines)} lines of a breach: {p.lines()}")
    elif "side=worker" not in lines[0]:
        failures.append(f"{what}: {lines[0]}")


def legal_rows(state):
    return [r for r in Puppet.rows.values() if r.legal(MONITOR, STATE[state])]


@pytest.mark.parametrize("state", REACHED)
def test_a_message_out_of_place_ends_that_session_alone(captured, state):
    failures, tried = [], 0
    for row in Puppet.rows.values():
        if row.legal(MONITOR, STATE[state]):
            continue
        if state == "LEAVING" and row.legal(MONITOR, STATE["SECURE"]):
            continue            # it may have left by then
        with Puppet(captured) as p:
            p.enter(state)
            fds = 0 if kernel_keeps_descriptors_away() else row.fds
            p.attack(f"forge m {row.type} {fds} least")
            broken(p, f"{row} in {state}", failures)
            tried += 1
        if failures:            # each further one would be waited for as long
            break
    assert not failures
    assert tried > 40


@pytest.mark.parametrize("state", REACHED)
@pytest.mark.parametrize("form", ("least", "most"))
def test_a_message_in_its_place_harms_nobody(captured, state, form):
    """Well-formed, but with values that make no sense."""
    for row in legal_rows(state):
        with Puppet(captured) as p:
            p.enter(state)
            for _ in range(3):
                if p.attack(f"forge m {row.type} 0 {form}") == "gone":
                    break
        assert len(p.lines(r'[ "]breach ')) <= 1


@pytest.mark.parametrize("state", REACHED)
def test_a_body_of_a_wrong_size_ends_that_session_alone(captured, state):
    failures = []
    for row in legal_rows(state):
        sizes = {row.most + 1, MESSAGE_MAX + 1, MESSAGE_MAX + 2000}
        if row.least > 0:
            sizes |= {0, row.least - 1}
        for size in sorted(sizes):
            with Puppet(captured) as p:
                p.enter(state)
                p.attack(f"send m {row.type} 0 {'00' * size or '-'}")
                broken(p, f"{row} of {size} bytes in {state}", failures)
    assert not failures


@pytest.mark.slow
@pytest.mark.parametrize("state", REACHED)
def test_a_field_with_a_fault_ends_that_session_alone(captured, state):
    failures, tried = [], 0
    for row in legal_rows(state):
        for field in range(row.fields):
            for fault in FAULTS:
                with Puppet(captured) as p:
                    p.enter(state)
                    if p.attack(f"fault m {row.type} {field} {fault}") == "impossible":
                        continue
                    broken(p, f"{row} with fault {fault} in field {field} in {state}",
                           failures)
                    tried += 1
    assert not failures
    assert tried > 0


@pytest.mark.parametrize("state", REACHED)
def test_descriptors_from_a_worker_do_not_come_in(captured, state):
    failures = []
    for row in legal_rows(state):
        for count in FDS:
            with Puppet(captured) as p:
                p.enter(state)
                answer = p.attack(f"forge m {row.type} {count} least")
                what = f"{row} with {count} descriptors in {state}"
                if kernel_keeps_descriptors_away():
                    kept_away(p, answer, what, failures)
                else:
                    broken(p, what, failures)
    assert not failures


@pytest.mark.parametrize("state", REACHED)
def test_an_unknown_number_or_none_ends_that_session_alone(captured, state):
    failures = []
    numbers = [0, max(r.type for r in Puppet.rows.values()) + 1, 0x7fff, 0xffff]
    for command in [f"send m {n} 0 00" for n in numbers] + ["record m 07", "record m ff"]:
        with Puppet(captured) as p:
            p.enter(state)
            p.attack(command)
            broken(p, f"{command} in {state}", failures)
    assert not failures


@pytest.mark.parametrize("state", REACHED)
def test_an_empty_record_ends_the_session_at_most(captured, state):
    with Puppet(captured) as p:
        p.enter(state)
        p.attack("record m -")


@pytest.mark.parametrize("state", REACHED)
def test_floods_end_that_session_alone(captured, state):
    """Also when it reads none of the answers: the monitor never waits for it."""
    for row in legal_rows(state):
        with Puppet(captured) as p:
            p.enter(state)
            for _ in range(20):
                if p.attack(f"flood m {row.type} 1000") == "gone":
                    break
            captured.serves()       # while the flood's answers lie about
        assert len(p.lines(r'[ "]breach ')) <= 1


def test_a_worker_that_crashes_is_logged_as_an_attack(captured):
    for state in REACHED:
        with Puppet(captured) as p:
            p.enter(state)
            assert p.attack("crash") == "gone"
            crash = r"worker\.crashed .*signal=11"
            assert wait_until(lambda: p.lines(crash), 5), p.lines()


def test_a_worker_that_just_leaves_is_no_attack(captured):
    for state in REACHED:
        with Puppet(captured) as p:
            p.enter(state)
            assert p.attack("QUIT") == "gone"
        assert not p.lines(r"breach|crashed")


def test_a_report_of_its_own_sandbox_ends_it(captured):
    with Puppet(captured) as p:
        p.attack(p.step("m", "SANDBOX", u32(0xc000003e) + u32(59)))
        assert p.ended()
        violation = r"sandbox\.violation .*call=execve"
        assert wait_until(lambda: p.lines(violation), 5), p.lines()


def test_a_worker_cannot_write_another_line_into_the_log(captured):
    forged = 'x session=AAAA-1 peer=192.0.2.1 login.ok user=root'
    breaking_out = 'x" user=root text="y\\" user=root \\'
    with Puppet(captured) as p:
        p.send("m", "LOG", u16(0) + text(forged))
        p.send("m", "LOG", u16(0) + text("a\x1b[2Jb\x7f\u202e\x85c"))
        p.send("m", "LOG", u16(0) + text(breaking_out))
        assert wait_until(lambda: len(p.lines(r"side=worker")) == 3, 5), p.lines()
        first, second, third = p.lines(r"side=worker")
    # Who said it stands in front of what was said.
    assert first.index(f"session={p.id} ") < first.index("side=worker")
    assert first.index("side=worker") < first.index(forged)
    assert not [c for c in second if not c.isprintable()]
    # What was said is one quoted field, whatever it looks like.
    for line in (first, second, third):
        assert re.fullmatch(rf'\S+ \w+ session={p.id} peer=\S+ side=worker text="[^"]*"',
                            line), line


def test_a_worker_cannot_say_what_others_did(captured):
    """Each event has its senders: a worker that says another one has broken a rule."""
    rows = re.findall(r'^EVENT\((\w+), "([\w.-]+)", \w+, ([\w |]+),', LOG_DEF.read_text(), re.M)
    others = [i for i, (_id, _name, senders) in enumerate(rows)
              if not {"WORKER", "ANYONE"} & set(senders.split(" | "))]
    names = [rows[i][1] for i in others]
    assert "file.deleted" in names
    for event in (*others[::20], others[names.index("file.deleted")],
                  len(rows), 65535):
        with Puppet(captured) as p:
            with suppress(Gone):        # it may be over before it has said so
                p.send("m", "LOG", u16(event) + text("path=/a"))
            assert wait_until(lambda: p.lines(r"breach side=worker message=LOG"), 5), event
            assert not p.lines(r"path=/a"), event


def test_a_worker_that_fills_the_log_is_slowed(captured):
    """Nobody is logged in: 100 lines at once, 20 a second from there on, and no breach."""
    with Puppet(captured) as p:
        began = Stopwatch()
        for _ in range(5):
            p.attack(f"flood m {p.rows['LOG'].type} 2000")
            p.attack("get m 50")
        wait_until(lambda: len(p.lines(r"side=worker")) >= 100, 5)
        seconds = began.passed()
        lines = len(p.lines(r"side=worker"))
        with Puppet(captured, source=("127.0.0.9", 0)) as honest:
            honest.enter("USER")        # nobody else waits for it
    assert 100 <= lines <= 100 + 20 * (seconds + 1) + 1, (lines, seconds)
    assert not p.lines("breach|log.suppressed")


def test_a_worker_that_fills_the_log_with_transfers_is_slowed(captured, tried):
    """An honest client's are all there, and so are these: 10,000, and 5,000 a second."""
    with Puppet(captured) as p:
        p.enter("USER")
        began, sent = Stopwatch(), 0
        while sent < 14000 and (answer := p.do(f"flood m {p.rows['TRANSFER'].type} 300")):
            sent += int(answer.split()[1])
            time.sleep(0.001)
        assert p.do("get m 0") == "nothing"
        assert wait_until(lambda: len(p.lines(r" transfer ")) == sent, 20), sent
        seconds = began.passed()
    assert wait_until(lambda: p.lines(r"session\.closed"), 10)
    lines = len(p.lines(r" transfer "))
    assert lines == sent
    assert lines <= 10000 + 5000 * seconds + 1, (lines, seconds)
    assert not p.lines("breach|log.suppressed")
    assert f" transfers={sent} " in p.lines(r"session\.closed")[0]
    tried("lines of transfers that were made up", sent)


def test_floods_without_end_keep_nobody_waiting(captured, tried):
    """All of them are heard in turn, and nobody is ended for it: clients pipeline, too."""
    crowd, sent = [], 0
    try:
        for _ in range(4):
            crowd.append(Puppet(captured).enter("USER"))
        with Puppet(captured, source=("127.0.0.9", 0)) as honest:
            honest.enter("USER")
            for _ in range(20000):
                if sent > 4 * 11000:
                    break
                for p in crowd:
                    sent += int(p.do(f"flood m {p.rows['TRANSFER'].type} 2000").split()[1])
                assert honest.ask("m", "LISTEN", b"", 20)[0] == "LISTENING"
        for p in crowd:
            assert p.do("get m 0") == "nothing"
            assert p.attack("QUIT") == "gone"
        wait_until(lambda: all(p.lines(r"session\.closed") for p in crowd), 20)
        heard = [p.lines(r"session\.closed")[0] for p in crowd]
        assert sum(int(line.split("transfers=")[1].split()[0]) for line in heard) == sent
        assert not any(p.lines("breach") for p in crowd)
    finally:
        for p in crowd:
            p.sock.close()
    tried("messages of floods beside an honest session", sent)


def test_a_report_of_a_sandbox_is_one_line_from_whomever(captured):
    """Said again and again by the one that it is about."""
    with Puppet(captured) as p:
        p.attack(f"flood m {p.rows['SANDBOX'].type} 200")
        assert p.ended()
        assert wait_until(lambda: p.lines(r"session\.closed|violation"), 5)
    assert len(p.lines(r"sandbox\.violation")) == 1


def test_no_password_is_taken_in_clear(captured):
    with Puppet(captured) as p:
        p.attack(p.step("m", "LOGIN", text("guest") + text(PASSWORD)))
        try:
            assert p.get("m")[0] == "LOGIN_REFUSED"
        except Gone:
            pass
    # before any process of PAM or the database has seen it
    assert wait_until(lambda: p.lines(r"breach .*fault=login-in-clear"), 5), p.lines()
    assert not p.lines(r"login\.")


def test_guessing_passwords_is_bounded(captured):
    """By the monitor, for one session; how fast is bounded by login_failure_delay."""
    guesses = 0
    with Puppet(captured) as p:
        p.secure()
        try:
            while guesses < 50:
                p.try_login("guest", f"guess-{guesses}")
                answer = p.get("m")
                if answer is not None:
                    assert answer[0] in ("LOGIN_REFUSED", "SHUTDOWN"), answer
                if answer is None or answer[0] == "SHUTDOWN":
                    break
                guesses += 1
        except Gone:
            pass
    assert 1 <= guesses <= 3


@pytest.mark.slow
def test_a_flood_of_logins_from_one_address_lets_others_pass(make_captured):
    captured = make_captured("logins", argon2_memory="64 MiB", argon2_operations=2)
    crowd = []
    try:
        for _ in range(100):
            crowd.append(Puppet(captured, 60).secure())
        for p in crowd:
            p.try_login("guest", "wrong")
        with Puppet(captured, 60, ("127.0.0.9", 0)) as p:
            p.secure().login()
            assert len(captured.log(p.mark).split("login.refused")) < 50
    finally:
        for p in crowd:
            p.sock.close()


@pytest.mark.slow
@pytest.mark.limit(120)
def test_logins_that_cannot_be_started_are_refused_one_by_one(make_captured):
    """Without descriptors all that wait fail at once: not each inside of the one before."""
    if not ROOT:
        pytest.skip("needs root: it takes the monitor's descriptors away")
    captured = make_captured("starved", max_sessions_per_address=2000, argon2_at_once=1,
                             argon2_memory="256 MiB", argon2_operations=8, logins_at_once=1)
    crowd = []
    try:
        for _ in range(600):
            crowd.append(Puppet(captured, 60).secure())
        for p in crowd:
            p.try_login("guest", "wrong")
        resource.prlimit(captured.pid, resource.RLIMIT_NOFILE, (10, 4096))
        assert wait_until(lambda: captured.log().count("reason=error") > 500, 30)
        resource.prlimit(captured.pid, resource.RLIMIT_NOFILE, (4096, 4096))
    finally:
        for p in crowd:
            p.sock.close()
    captured.serves()


HASHED = b" " * 64 + b"TLS 1.3, server CertificateVerify\0" + b"x" * 32


def sign(p):
    name, _, _ = p.ask("m", "SIGN", u8(0) + u16(0x0403) + text(HASHED))
    assert name == "SIGNED", name


def test_signatures_are_bounded(captured):
    """With nobody logged in: four, and one a second; whoever asks for more waits."""
    begin = Stopwatch()
    with Puppet(captured) as p:
        for n in range(1, 8):
            sign(p)
            assert n <= 4 + begin.passed() + 1, (n, begin.passed())
        assert p.lines(r"signature\.waits user=-")


def test_signatures_are_bounded_by_account_and_address(make_captured):
    """More sessions are no more signatures, nor is another login; other addresses are not
    kept waiting."""
    captured = make_captured("signatures", signatures_burst=20, signatures_rate=10)
    signed = 0
    begin = Stopwatch()
    with Puppet(captured).secure().login() as one, Puppet(captured).secure().login() as two:
        for _ in range(25):
            sign(one)
            sign(two)
            signed += 2
            assert signed <= 20 + 10 * (begin.passed() + 1), (signed, begin.passed())
        assert one.lines(r"signature\.waits user=guest")
        with Puppet(captured, 60, ("127.0.0.9", 0)) as other:
            mark = captured.mark()
            other.secure().login()
            for _ in range(10):
                sign(other)
            assert "signature." not in captured.log(mark)
    with Puppet(captured).secure().login() as again:
        for _ in range(10):
            sign(again)
            signed += 1
            assert signed <= 20 + 10 * (begin.passed() + 1), (signed, begin.passed())


def test_a_signature_is_made_for_handshakes_only(captured):
    """Else a captured worker has a key that signs whatever it likes."""
    bodies = (b"", b"x", b"x" * 512,
              b" " * 64 + b"TLS 1.3, client CertificateVerify\0" + b"x" * 32)
    with Puppet(captured) as p:
        for scheme in (0x0403, 0x0804, 0x0201, 0x0000, 0xffff):
            for body in bodies:
                name, _, _ = p.ask("m", "SIGN", u8(0) + u16(scheme) + text(body))
                assert name == "SIGN_REFUSED", (hex(scheme), body)
        for key in (2, 31):
            name, _, _ = p.ask("m", "SIGN", u8(key) + u16(0x0403) + text("x" * 130))
            assert name == "SIGN_REFUSED", key


def test_data_sockets_are_bounded_and_closed_behind_it(captured):
    with Puppet(captured) as p:
        p.enter("USER")
        try:
            for _ in range(300):
                name, body, fds = p.ask("m", "LISTEN")
                if name != "LISTENING":
                    break
                assert fds == 1
        except Gone:
            pass
        assert captured.settled()[1] < captured.rest[1] + 40


def listens(port):
    with open("/proc/net/tcp") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    return any(r[1].endswith(f":{port:04X}") and r[3] == "0A" for r in rows)


def test_a_listener_is_shut_down_in_the_hands_of_whoever_keeps_it(make_captured):
    """It never closes one: a second one, UNLISTEN, a report and the time end the first."""
    server = make_captured("listeners", data_connect_timeout="1 s")
    report = (text("RETR") + text("/x") + u64(1) + u64(1) + u16(226) + text("") + u8(0)
              + u8(0))

    def listen(p):
        name, body, _ = p.ask("m", "LISTEN")
        assert name == "LISTENING"
        return int.from_bytes(body, "little")

    with Puppet(server) as p:
        p.enter("USER")
        first = listen(p)
        assert listens(first)
        second = listen(p)
        assert not listens(first) and listens(second)
        p.send("m", "UNLISTEN")
        assert wait_until(lambda: not listens(second), 10)
        third = listen(p)
        p.send("m", "TRANSFER", report)
        assert wait_until(lambda: not listens(third), 10)
        fourth = listen(p)
        assert listens(fourth)
        assert wait_until(lambda: not listens(fourth), 30, 0.2), "it is kept for ever"
        assert not p.lines("breach")


@pytest.mark.parametrize("name", ["LISTEN", "CONNECT"])
def test_data_sockets_nobody_takes_do_not_pile_up(captured, name):
    """Sockets in unread answers are open, too, and each passive one holds a port."""
    with Puppet(captured) as p:
        p.enter("USER")
        p.attack(f"flood m {p.rows[name].type} 100")
        assert p.ended()
        assert len(p.lines(r"breach .* fault=does-not-read")) == 1


def test_nor_do_listeners_that_a_report_asks_for(captured):
    """TRANSFER with next is answered as LISTEN is, and bounded as LISTEN is."""
    report = (text("RETR") + text("/x") + u64(1) + u64(1) + u16(226) + text("") + u8(0)
              + u8(1))
    with Puppet(captured) as p:
        p.enter("USER")
        p.send("m", "TRANSFER", report)
        assert p.get("m")[0] == "LISTENING"
        for _ in range(3):
            p.attack(p.step("m", "TRANSFER", report))
        assert p.ended()
        assert len(p.lines(r"breach .* message=TRANSFER fault=does-not-read")) == 1


def test_no_connection_to_a_privileged_port(captured):
    """And the address is never its to choose."""
    with Puppet(captured) as p:
        p.enter("USER")
        for port in (0, 1, 22, 25, 1023):
            assert p.ask("m", "CONNECT", u16(port))[0] == "DATA_FAILED", port


def test_a_worker_may_not_act_on_a_transfer_or_data_before_login(captured):
    for name, body in (("LISTEN", b""), ("CONNECT", u16(2000))):
        with Puppet(captured) as p:
            p.secure()
            p.attack(p.step("m", name, body))
            assert p.ended() and len(p.lines(r'[ "]breach ')) == 1


def test_a_cancelled_login_leaves_nothing_behind(captured):
    with Puppet(captured) as p:
        p.secure()
        with suppress(Gone):            # the last refusal ends the session, at any step
            for _ in range(3):
                p.try_login()
                p.send("m", "LOGIN_CANCEL")
                answer = p.get("m")
                assert answer[0] in ("LOGIN_REFUSED", "SHUTDOWN"), answer


def test_logging_in_and_out_many_times_leaves_nothing_behind(captured):
    with Puppet(captured) as p:
        p.secure()
        for _ in range(10):
            p.login()
            assert p.ask("m", "LOGOUT")[0] == "LOGGED_OUT"
        assert not p.lines("breach")


def test_the_old_broker_serves_nobody_after_logout(captured):
    with Puppet(captured) as p:
        p.enter("USER")
        assert p.ask("m", "LOGOUT")[0] == "LOGGED_OUT"
        with pytest.raises((Gone, AssertionError)):
            p.ask("b", "SPACE", text("/"))


@pytest.mark.slow
@pytest.mark.limit(60)
def test_silence_before_login_is_ended_by_the_monitor(make_captured):
    """The worker's own clock is its client's, then."""
    server = make_captured("silence", login_timeout="5 s")
    for state in ("CLEAR", "SECURE"):
        with Puppet(server) as p:
            p.enter(state)
            assert p.ended(20), f"it sits in {state} for ever"
    server.at_rest()


def test_an_address_whose_workers_break_rules_is_shut_out(make_captured):
    server = make_captured("ban", violations=3, violation_ban="10 min")
    for _ in range(3):
        with Puppet(server) as p:
            p.attack("record m ff")
            assert p.ended()
            assert wait_until(lambda: p.lines(r'[ "]breach '), 5)

    def refused():
        try:
            with Puppet(server, timeout=5):
                return False
        except (Gone, OSError, AssertionError):
            return True
    assert wait_until(refused, 5, 0.2)
    server.at_rest()
