"""A captured worker with a guest logged in, against that guest's broker.

It may do what the account may do over FTP, and nothing else.
"""

import os
import stat
import struct
import time
from contextlib import ExitStack

import pytest

from harness import OTHER, ROOT, wait_until
from patience import Stopwatch
from puppet import (BROKER, FAULTS, FDS, MESSAGE_MAX, PERMIT, STATE, Gone, Puppet, kept_away,
                    kernel_keeps_descriptors_away, text, u16, u32, u64, u8)

pytestmark = [pytest.mark.expects(r"\bbreach\b"), pytest.mark.limit(300)]

REACHED = ("USER", "UPLOAD")


def legal_rows(state):
    return [r for r in Puppet.rows.values() if r.legal(BROKER, STATE[state])]


def broken(p, what, failures):
    """The broker is gone, the log says why in one line, and the worker is told to end."""
    try:
        answer = p.get("m")
        if answer is None or answer[0] != "SHUTDOWN":
            failures.append(f"{what}: {answer}")
            return
    except Gone:
        pass
    wait_until(lambda: p.lines(r'[ "]breach '), 3)
    if len(p.lines(r'[ "]breach ')) != 1:
        failures.append(f"{what}: {p.lines()}")


@pytest.mark.parametrize("state", REACHED)
def test_a_message_out_of_place_ends_that_session_alone(captured, state):
    failures, tried = [], 0
    for row in Puppet.rows.values():
        if row.legal(BROKER, STATE[state]):
            continue
        with Puppet(captured) as p:
            p.enter(state)
            fds = 0 if kernel_keeps_descriptors_away() else row.fds
            p.attack(f"forge b {row.type} {fds} least")
            broken(p, f"{row} in {state}", failures)
            tried += 1
    assert not failures
    assert tried > 40


@pytest.mark.parametrize("form", ("least", "most"))
def test_a_message_in_its_place_is_answered(captured, form):
    for row in legal_rows("USER"):
        with Puppet(captured) as p:
            p.enter("USER")
            assert p.do(f"forge b {row.type} 0 {form}") == "ok"
            assert p.get("b") is not None, row
            assert not p.lines(r'[ "]breach '), row
        os.chmod(captured.jail("guest"), 0o755)     # CHMOD of "/": its own, to lock out


@pytest.mark.parametrize("state", REACHED)
def test_a_body_of_a_wrong_size_ends_that_session_alone(captured, state):
    failures = []
    for row in legal_rows(state):
        sizes = {row.most + 1, MESSAGE_MAX + 1}
        if row.least > 0:
            sizes |= {0, row.least - 1}
        for size in sorted(sizes):
            with Puppet(captured) as p:
                p.enter(state)
                p.attack(f"send b {row.type} 0 {'00' * size or '-'}")
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
                    if p.attack(f"fault b {row.type} {field} {fault}") == "impossible":
                        continue
                    broken(p, f"{row} with fault {fault} in field {field}", failures)
                    tried += 1
    assert not failures
    # COMMIT's number has no bound: in UPLOAD there is nothing to get wrong but the size.
    assert tried > 40 or state == "UPLOAD"


@pytest.mark.slow
@pytest.mark.parametrize("state", REACHED)
def test_descriptors_from_a_worker_do_not_come_in(captured, state):
    failures = []
    for row in legal_rows(state):
        for count in FDS:
            with Puppet(captured) as p:
                p.enter(state)
                answer = p.attack(f"forge b {row.type} {count} least")
                what = f"{row} with {count} descriptors in {state}"
                if kernel_keeps_descriptors_away():
                    kept_away(p, answer, what, failures)
                else:
                    broken(p, what, failures)
    assert not failures


@pytest.mark.parametrize("state", REACHED)
def test_an_unknown_number_or_none_ends_that_session_alone(captured, state):
    failures = []
    for command in ("send b 0 0 00", "send b 65535 0 00", "send b 200 0 00",
                    "record b 07"):
        with Puppet(captured) as p:
            p.enter(state)
            p.attack(command)
            broken(p, f"{command} in {state}", failures)
    assert not failures


def test_a_worker_that_does_not_go_is_ended(captured):
    with Puppet(captured) as p:
        p.enter("USER")
        p.attack("record b 07")
        assert p.ended(15)
        assert len(p.lines(r'[ "]breach ')) == 1


def test_floods_end_that_session_at_most(captured):
    for row in legal_rows("USER"):
        with Puppet(captured) as p:
            p.enter("USER")
            for _ in range(10):
                if p.attack(f"flood b {row.type} 1000") == "gone":
                    break
            if row.name != "CHMOD":
                captured.serves()
        if row.name == "CHMOD":         # of "/": it has locked its own account out
            captured.at_rest()
            os.chmod(captured.jail("guest"), 0o755)


# ---- what the account may not do -------------------------------------------------------

def failed(answer, code=None):
    name, body, fds = answer
    return name == "FAILED" and fds == 0 and (code is None or body[0] == code)


def listing(path):
    return text(path) + text(path) + u8(0) + u32(0) + u32(0)


def writing(path, how=0):
    return text(path) + u8(how) + u64(0) + u64(0)


def content(p):
    return bytes.fromhex(p.do("read 4096").split()[1].replace("-", ""))


@pytest.fixture
def jail(captured):
    """A jail with a few files, a secret beside it, and links that lead there."""
    jail = captured.jail("guest")
    secret = captured.dir / "jails" / "secret"
    secret.write_bytes(b"SECRET")
    os.chmod(secret, 0o666)
    inside = jail / "inside"
    inside.write_bytes(b"INSIDE")
    captured.own(inside)
    links = {"up": "../secret", "far": str(secret), "root": "/",
             "proc": "/proc/self/root", "loop": "loop"}
    for name, target in links.items():
        if not (jail / name).is_symlink():
            os.symlink(target, jail / name)
    yield jail
    assert secret.read_bytes() == b"SECRET"
    assert secret.stat().st_mode & 0o777 == 0o666
    secret.unlink()
    for name in (*links, "inside", "pipe"):
        if os.path.lexists(jail / name):
            os.unlink(jail / name)


ESCAPES = ("/../secret", "/../../../../../../etc/passwd", "/./../secret",
           "/inside/../../secret", "//../secret", "/up", "/far",
           "/root/../secret", "/root/etc/passwd",
           "/proc/self/root/etc/passwd", "/proc/1/environ", "/dev/null", "/loop",
           "/loop/x", "/" + "../" * 500 + "etc/passwd", "/" + "a/" * 2000 + "x",
           "/\udcff\udcfe", "/.", "/..", "/", "/a\nb", "/a\rb",
           "/%s%n", "/~root", "/*", "/inside/", "/inside/.")


def test_no_path_leads_out_of_the_jail(captured, jail):
    with Puppet(captured) as p:
        p.enter("USER")
        for path in ESCAPES:
            name, _, fds = p.ask("b", "OPEN_READ", text(path))
            if name == "OPENED":
                assert content(p) not in (b"SECRET",) and b"root:" not in content(p), path
            else:
                assert name == "FAILED" and fds == 0, (path, name)


def test_nothing_outside_of_the_jail_is_changed(captured, jail):
    around = sorted(os.listdir(jail.parent))
    with Puppet(captured) as p:
        p.enter("USER")
        for path in ESCAPES:
            for name, body in (("MKDIR", text(path + "-new")), ("DELETE", text(path)),
                               ("RMDIR", text("/..")), ("CHMOD", text(path) + u16(0o755)),
                               ("UTIME", text(path) + u64(0) + u32(0)),
                               ("RENAME", text(path) + text("/../stolen")),
                               ("RENAME", text("/../secret") + text("/stolen"))):
                assert p.ask("b", name, body)[0] in ("DONE", "FAILED"), (name, path)
            if not (jail / "inside").exists():
                (jail / "inside").write_bytes(b"INSIDE")
                captured.own(jail / "inside")
    assert sorted(os.listdir(jail.parent)) == around


def test_uploads_stay_in_the_jail(captured, jail):
    around = sorted(os.listdir(jail.parent))
    for path in ("/../new", "/up", "/far", "/root/tmp/new", "/proc/self/mem",
                 "/dev/null"):
        with Puppet(captured) as p:
            p.enter("USER")
            if p.ask("b", "OPEN_WRITE", writing(path))[0] == "UPLOADING":
                p.do("write " + b"OVERWRITTEN".hex())
                assert p.ask("b", "COMMIT", u64(11))[0] in ("DONE", "FAILED")
    assert sorted(os.listdir(jail.parent)) == around


def test_a_fifo_does_not_hold_the_broker(captured, jail):
    os.mkfifo(jail / "pipe")
    captured.own(jail / "pipe")
    with Puppet(captured) as p:
        p.enter("USER")
        assert failed(p.ask("b", "OPEN_READ", text("/pipe")))
        assert failed(p.ask("b", "OPEN_WRITE", writing("/pipe")))


def test_a_descriptor_for_reading_cannot_write(captured, jail):
    with Puppet(captured) as p:
        p.enter("USER")
        assert p.ask("b", "OPEN_READ", text("/inside"))[0] == "OPENED"
        assert content(p) == b"INSIDE"
        assert p.do("write " + b"X".hex()).startswith("failed")
    assert (jail / "inside").read_bytes() == b"INSIDE"


@pytest.mark.expects(r"\bcrashed\b")
def test_an_unfinished_upload_replaces_nothing(captured, jail):
    with Puppet(captured) as p:
        p.enter("USER")
        assert p.ask("b", "OPEN_WRITE", writing("/inside"))[0] == "UPLOADING"
        assert p.do("write " + b"HALF".hex()) == "ok"
        assert p.attack("crash") == "gone"
    captured.at_rest()
    assert (jail / "inside").read_bytes() == b"INSIDE"


def test_a_commit_that_lies_about_its_size_makes_nothing_up(captured, jail):
    """What was written is what is stored; the number is for the log."""
    for size in (0, 1, 1 << 40, (1 << 64) - 1):
        with Puppet(captured) as p:
            p.enter("USER")
            assert p.ask("b", "OPEN_WRITE", writing("/inside"))[0] == "UPLOADING"
            assert p.do("write " + b"HALF".hex()) == "ok"
            assert p.ask("b", "COMMIT", u64(size))[0] in ("DONE", "FAILED")
        assert (jail / "inside").read_bytes() in (b"HALF", b"INSIDE")


def test_what_a_mode_may_have_is_bounded(captured, jail):
    with Puppet(captured) as p:
        p.enter("USER")
        p.attack(p.step("b", "CHMOD", text("/inside") + u16(0o4755)))
        failures = []
        broken(p, "CHMOD 4755", failures)
        assert not failures
    assert stat.S_IMODE((jail / "inside").stat().st_mode) & 0o7000 == 0


def test_an_account_that_may_only_read_cannot_write(captured):
    jail = captured.jail("reader")
    file, folder = jail / "file", jail / "folder"
    file.write_bytes(b"READ")
    folder.mkdir(exist_ok=True)
    captured.own(file)
    captured.own(folder)
    before = sorted(os.listdir(jail)), file.stat().st_mtime, file.stat().st_mode
    with Puppet(captured) as p:
        p.secure().login("reader")
        for how in (0, 1, 2):
            assert failed(p.ask("b", "OPEN_WRITE", writing("/file", how)), PERMIT)
            assert failed(p.ask("b", "OPEN_WRITE", writing("/new", how)), PERMIT)
        for name, body in (("MKDIR", text("/new")), ("RMDIR", text("/folder")),
                           ("DELETE", text("/file")),
                           ("RENAME", text("/file") + text("/new")),
                           ("CHMOD", text("/file") + u16(0o600)),
                           ("UTIME", text("/file") + u64(0) + u32(0))):
            assert failed(p.ask("b", name, body), PERMIT), name
        assert p.ask("b", "OPEN_READ", text("/file"))[0] == "OPENED"
        assert p.do("write " + b"X".hex()).startswith("failed")
    assert (sorted(os.listdir(jail)), file.stat().st_mtime, file.stat().st_mode) == before


@pytest.mark.skipif(not ROOT, reason="needs root: files of another user")
def test_the_files_of_others_stay_theirs(captured, jail):
    theirs = jail / "theirs"
    theirs.write_bytes(b"THEIRS")
    captured.own(theirs, OTHER)
    os.chmod(theirs, 0o600)
    try:
        with Puppet(captured) as p:
            p.enter("USER")
            assert failed(p.ask("b", "OPEN_READ", text("/theirs")))
            assert failed(p.ask("b", "CHMOD", text("/theirs") + u16(0o666)))
        assert theirs.read_bytes() == b"THEIRS"
    finally:
        theirs.unlink()


def test_one_session_cannot_reach_the_upload_of_another(captured, jail):
    with Puppet(captured) as one, Puppet(captured) as other:
        one.enter("USER")
        other.enter("USER")
        assert one.ask("b", "OPEN_WRITE", writing("/shared"))[0] == "UPLOADING"
        assert failed(other.ask("b", "OPEN_WRITE", writing("/shared")))
        assert one.ask("b", "ABANDON")[0] == "DONE"
    wait_until(lambda: not (jail / "shared").exists(), 3)
    (jail / "shared").unlink(missing_ok=True)


def test_a_worker_whose_upload_was_taken_over_writes_no_more(make_captured):
    """It does not go when it is told to, and writes as long as it lives."""
    server = make_captured("takeover", takeover_silence="1 s")
    partial = server.jail("guest") / ".sp-part.taken"
    with Puppet(server) as one, Puppet(server) as other:
        one.enter("USER")
        other.enter("USER")
        assert one.ask("b", "OPEN_WRITE", writing("/taken"))[0] == "UPLOADING"
        assert one.do("write " + b"mine".hex()) == "ok"
        assert failed(other.ask("b", "OPEN_WRITE", writing("/taken", 1)))
        assert wait_until(lambda: time.time() - partial.stat().st_ctime > 1.1, 15)
        assert other.send("b", "OPEN_WRITE", writing("/taken", 1)) == "ok"
        assert one.get("m")[0] == "SHUTDOWN"
        while one.attack("write " + b"more".hex()) != "gone":
            one.attack("get m 20")              # there is nothing more: a moment passes
        name, body, _ = other.get("b")
        assert name == "UPLOADING"
        (offset,) = struct.unpack("<Q", body[-8:])
        assert offset == partial.stat().st_size >= len(b"minemore")
        assert other.ask("b", "COMMIT", u64(0))[0] == "DONE"
        assert (server.jail("guest") / "taken").stat().st_size == offset
        assert other.lines() and one.lines("upload.taken_over .*by=" + other.id)


def test_a_listing_nobody_reads_does_not_hold_the_broker_for_ever(captured, jail):
    many = jail / "many"
    many.mkdir()
    captured.own(many)
    for i in range(3000):
        (many / f"a-name-of-some-length-to-fill-the-pipe-{i}").touch()
    try:
        with Puppet(captured) as p:
            p.enter("USER")
            assert p.ask("b", "LIST", listing("/many"))[0] == "LISTING"
            assert p.attack("QUIT") == "gone"
        captured.at_rest()
    finally:
        for f in many.iterdir():
            f.unlink()
        many.rmdir()


def test_a_broker_whose_answers_nobody_reads_ends_at_logout(captured):
    """The worker keeps its end of the old broker's channel; the monitor waits 2 s."""
    with Puppet(captured) as p:
        p.enter("USER")
        p.attack(f"flood b {p.rows['SPACE'].type} 1000")
        p.attack(f"flood b {p.rows['SPACE'].type} 1000")
        began = Stopwatch()
        assert p.ask("m", "LOGOUT")[0] == "LOGGED_OUT"
        assert began.own() < 1.5


def test_descriptors_that_nobody_reads_are_no_other_sessions_loss(make_captured, tried):
    """Those on their way count for all sessions of an account together (ETOOMANYREFS)."""
    captured = make_captured("unread", max_sessions_per_address=100)
    (captured.jail("guest") / "f").write_bytes(b"f")
    with ExitStack() as stack:
        for _ in range(24):
            p = stack.enter_context(Puppet(captured))
            p.enter("USER")
            for _ in range(80):
                p.attack(p.step("b", "OPEN_READ", text("/f")))
                tried("descriptors that nobody reads")
        with Puppet(captured) as honest:
            honest.enter("USER")
            for _ in range(20):
                assert honest.ask("b", "OPEN_READ", text("/f"))[0] == "OPENED"
    assert "broker.ended" not in captured.log()


def test_the_broker_ends_with_its_worker(captured):
    for _ in range(5):
        with Puppet(captured) as p:
            p.enter("UPLOAD")
        with pytest.raises((Gone, OSError)):
            p.do("rows")
