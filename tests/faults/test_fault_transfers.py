"""A fault in each system call of worker and broker while they transfer, commit, and change
names: no hang, no false 226, no lost old file, nothing left that nobody owns."""

import os
import shutil
from operator import le

import pytest

import procfs
from faults import (ALL_CALLS, BOUND, HALF, OLD, PART, WHOLE, FaultServer, Tracer, choices,
                    rules, say, state, transfer, tried_all)
from harness import LONG, needs_root, wait_until

pytestmark = [
    pytest.mark.limit(1800 if LONG else 240),
    pytest.mark.expects(r"\b(worker|broker)\.crashed signal=9 "),
    pytest.mark.expects(r"\bbroker\.ended status=1"),
    pytest.mark.expects(r"\bsession\.closed reason=crashed user=guest "),
]


class Visit:
    """A session in a folder of its own, begun anew when a fault has ended it."""

    def __init__(self, server, tls):
        self.server, self.tls = server, tls
        self.folder = server.folder()
        self.client = self.worker = self.broker = None

    def renew(self):
        if self.client is not None:
            if say(self.client, "NOOP") == 200:
                return
            self.end()
        self.server.at_rest()
        before = set(self.server.of_kind("broker"))
        self.client = self.server.login(tls=self.tls, timeout=BOUND)
        assert self.client.cmd("CWD " + self.folder.ftp).code == 250
        self.worker = self.server.worker_of(self.client)
        # a template may be replaced meanwhile, if a broker of it died: that one has no filter
        self.broker, = (p for p in set(self.server.of_kind("broker")) - before
                        if procfs.status(p)["Seccomp"] == "2")
        self.least = self.files()

    def end(self):
        self.client.abandon()
        self.client = None

    def files(self):
        """Descriptors of both sides, between two commands."""
        return [len(procfs.descriptors(p)) for p in (self.worker, self.broker)]

    def fresh(self, content):
        """The folder with these files, and nothing else."""
        for name in self.folder.names():
            path = self.folder.path(name)
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name, what in content.items():
            if what is None:
                self.folder.mkdir(name)
            else:
                self.folder.make(name, what, 0o600)

    def on_disk(self):
        return {n: None if self.folder.path(n).is_dir() else self.folder.read(n)
                for n in self.folder.names()}


def need(fact, otherwise):
    """An assert that does not print the bytes of files."""
    if not fact:
        raise AssertionError(otherwise)


class Upload:
    """line: the command. before: what lies there. whole: what lies there after 226."""

    good = 226

    def __init__(self, line, before, whole, sends=WHOLE, rest=None, grows=False, allo=None):
        self.line, self.before, self.whole = line, before, whole
        self.sends, self.rest, self.grows, self.allo = sends, rest, grows, allo

    def run(self, c):
        if self.allo is not None and say(c, f"ALLO {self.allo}") == "closed":
            return "closed"
        return transfer(c, self.line, self.sends, self.rest)[0]

    def check(self, v, code, hit):
        there = v.on_disk()
        old = self.before.get("f")
        final, part = there.pop("f", None), there.pop(PART + "f", None)
        need(not there, f"{code}: {list(there)} besides")
        if code == 226:
            need(final == self.whole, "226, and the file is not whole")
            need(part is None, "226, and a partial")
            need(hit[0] != "fsync", "226, and the disk has said that it is not stored")
            if old is not None:
                assert os.stat(v.folder.path("f")).st_mode & 0o777 == 0o600, "open to others"
            return
        assert code == "closed" or 400 <= code < 600, code
        fits = [old]
        # nobody can tell the client once it is renamed: the name has the whole file
        if code == "closed" or hit[0] == "fsync":
            fits.append(self.whole)
        if self.grows:          # APPE to a file that is there goes into that file
            need(final.startswith(old) and self.whole.startswith(final), "old bytes changed")
        else:
            need(final in fits, f"{code}: {final and len(final)} bytes are there")
        if part is not None:
            # resumed by its owner, or taken away by the next upload of that name
            need(self.whole.startswith(part), "a partial that is no beginning")
            if old is None and part == b"":
                need(hit[0] in ("unlinkat", "statx") or hit[1] == "SIGKILL", "an empty one")

    def owned(self, v):
        """What was left is taken away by the next upload."""
        if PART + "f" not in v.folder.names():
            return
        v.renew()
        assert transfer(v.client, "STOR f", WHOLE)[0] == 226
        need(v.on_disk() == {"f": WHOLE}, "the next upload does not clear the partial away")


class Unique(Upload):
    def check(self, v, code, hit):
        there = v.on_disk()
        need(there.pop("f") == OLD, "the old file is another")
        for name, content in there.items():
            if name.startswith(PART):
                need(code != 226 and WHOLE.startswith(content), "a partial that is no beginning")
                need(content or hit[0] in ("unlinkat", "statx") or hit[1] == "SIGKILL",
                     "an empty partial")
            else:
                need(name.startswith("f.") and content == WHOLE, f"{name} is not whole")
                need(code in (226, "closed") or hit[0] == "fsync", f"{code}, and {name}")
        if code == 226:
            need(list(there.values()) == [WHOLE], "226, and no file")

    def owned(self, v):
        pass                    # its owner has the name by 150, and goes on with it


class Download:
    good, before = 226, {"f": WHOLE}

    def __init__(self, line):
        self.line = line

    def run(self, c):
        self.code, self.got = transfer(c, self.line)
        return self.code

    def check(self, v, code, hit):
        need(v.on_disk() == self.before, "files changed")
        if code == 226:
            if self.line.startswith("RETR"):
                need(self.got == WHOLE, "226, and not the whole file")
            else:
                assert b"f\r\n" in self.got, self.got
        else:
            assert code == "closed" or 400 <= code < 600, code

    def owned(self, v):
        pass


class Change:
    """A command that is done or not done, and says which."""

    def __init__(self, lines, before, after, good):
        self.lines, self.before, self.after, self.good = lines, before, after, good

    def run(self, c):
        code = None
        for line in self.lines:
            code = say(c, line)
            if code == "closed" or code >= 400:
                break
        return code

    def check(self, v, code, hit):
        there = v.on_disk()
        if code == self.good:
            need(there == self.after, f"{code}, and {list(there)}")
        elif code == "closed":
            need(there in (self.before, self.after), f"{code}, and {list(there)}")
        else:
            need(400 <= code < 600 and there == self.before, f"{code}, and {list(there)}")

    def owned(self, v):
        pass


STEPS = {
    "RETR": Download("RETR f"),
    "LIST": Download("LIST"),
    "MLSD": Download("MLSD"),
    "STOR-new": Upload("STOR f", {}, WHOLE),
    "STOR-over": Upload("STOR f", {"f": OLD}, WHOLE),
    "ALLO-STOR": Upload("STOR f", {}, WHOLE, allo=4 << 20),
    "APPE": Upload("APPE f", {"f": OLD}, OLD + WHOLE, grows=True),
    "APPE-resumes": Upload("APPE f", {PART + "f": HALF}, WHOLE, WHOLE[len(HALF):]),
    "REST-STOR": Upload("STOR f", {PART + "f": HALF}, WHOLE, WHOLE[20000:], 20000),
    "REST-inside": Upload("STOR f", {"f": OLD}, OLD[:9000] + HALF, HALF, 9000),
    "REST-over": Upload("STOR f", {"f": OLD, PART + "f": HALF}, WHOLE, WHOLE[20000:], 20000),
    "STOU": Unique("STOU f", {"f": OLD}, WHOLE),
    "RNTO": Change(["RNFR f", "RNTO g"], {"f": OLD, "g": HALF}, {"g": OLD}, 250),
    "DELE": Change(["DELE f"], {"f": OLD}, {}, 250),
    "MKD": Change(["MKD d"], {}, {"d": None}, 257),
    "RMD": Change(["RMD d"], {"d": None}, {}, 250),
}


@pytest.fixture(scope="module")
def _server(world):
    needs_root()
    world.not_sanitized("what it wraps around malloc ends the process where a call fails")
    s = FaultServer(world, "faults")
    s.start()
    s.remember()
    yield s
    s.stop()


@pytest.fixture
def visit(_server):
    made = []

    def make(tls=None):
        made.append(Visit(_server, tls))
        return made[-1]
    yield make
    for v in made:
        if v.client is not None:
            v.end()
    _server.at_rest()
    _server.serves()
    _server.at_rest()


def strike(v, step, side, action, at, choice, what):
    """One fault, and everything that has to hold behind it. Its tracer."""
    v.renew()
    v.fresh(step.before)
    # what was just passed on is closed a moment later: the least that was seen counts
    v.least = [min(n) for n in zip(v.least, v.files())]
    c = v.client
    t = Tracer(v.server.world, getattr(v, side), False, action, at, choice, what)
    try:
        code = step.run(c)
        code = "closed" if code == 421 else code    # the last word before the end
    finally:
        t.end()
    where = f"{action} at {at}, struck {t.hit}: {code}"
    try:
        # not two replies, not none: the next command has its own
        assert say(c, "NOOP") in ((200,) if code == 226 and t.hit is None
                                  else (200, 421, "closed"))
        if say(c, "NOOP") != 200:
            v.end()
            assert wait_until(lambda: state(v.worker) == state(v.broker) == "X", BOUND), \
                "worker or broker lives on, or is a zombie"
        elif action != "count":
            assert wait_until(lambda: all(map(le, v.files(), v.least)), 3), \
                f"descriptors of worker and broker: {v.files()}, not {v.least}"
        need(t.hit is not None or code == step.good, "it fails, and nothing was struck")
        step.check(v, code, t.hit or ("nothing", "0"))
        step.owned(v)
    except AssertionError as e:
        raise AssertionError(f"{where}: {e}\n" + v.server.log()[-1500:]) from None
    return t


def count(v, step, side, what):
    for _ in range(2):          # the first warms what is made once
        t = strike(v, step, side, "count", 0, 0, what)
    return t.counted


def sweep(v, step, side, tried, every=1):
    n = count(v, step, side, rules(side))
    for k in range(1, n + 1, 1 if LONG else every):
        for choice in choices(k):
            t = strike(v, step, side, "error", k, choice, rules(side))
            if t.hit:
                tried(f"system calls of a {side} in a transfer that failed")
            if tried_all(side, choice, t.hit):
                break
    n = count(v, step, side, ALL_CALLS)
    for k in range(1, n + 1, 1 if LONG else 3 * every):
        if strike(v, step, side, "kill", k, 0, ALL_CALLS).hit:
            tried(f"system calls of a {side} in which it was killed")


@pytest.mark.parametrize("side", ["worker", "broker"])
@pytest.mark.parametrize("step", STEPS)
def test_a_call_that_fails_in(visit, step, side, tried):
    sweep(visit(), STEPS[step], side, tried)


@pytest.mark.parametrize("step", ["RETR", "STOR-over"])
def test_a_call_of_the_worker_that_fails_inside_tls_in(visit, step, tried):
    sweep(visit("explicit"), STEPS[step], "worker", tried, every=3)
