"""A captured broker against the real worker of its session.

It is its account's own; what it sends in the place of a file harms that account alone. The
worker may fail, but neither waits for ever nor takes another session along.
"""

import threading

import pytest

import deform
import procfs
from harness import PASSWORD, needs_root, wait_until
from puppet import (BROKER, STATE, WORKER, Gone, require_puppet, start, text, u8, u32, u64)

pytestmark = [pytest.mark.expects(r"\bbreach\b|(worker|broker)\.ended|\bcrashed\b.*signal=(13|25)"),
              pytest.mark.limit(300)]

SIZE = 1 << 20


@pytest.fixture(scope="module")
def _real_worker(world):
    needs_root()
    require_puppet(world)
    s = start(world, "realworker", captured=("broker",), data_connect_timeout="5 s",
              data_stall_timeout="5 s")
    yield s
    s.stop()


@pytest.fixture
def server(_real_worker):
    yield _real_worker
    assert _real_worker.pid == _real_worker.first_pid
    _real_worker.at_rest()
    _real_worker.serves()
    _real_worker.at_rest()


class Session:
    """A client that is logged in, and the broker behind it. answers: by name of a question,
    what the broker says to it; all other ones fail."""

    def __init__(self, server, answers, watched=True):
        self.server, self.answers = server, {}
        self.client = server.client()
        self.worker = server.worker_of(self.client) if watched else None
        self.client.cmd("USER guest")
        self.client.send("PASS " + PASSWORD)
        self.broker = server.side("broker")
        self.done = (self.broker.step("b", "DONE"),)
        self.answers = {"CHDIR": self.done, "UMASK": self.done}
        self.asked, self.impossible, self.over = [], False, threading.Event()
        self.broker.send("m", "SERVING")
        self.thread = threading.Thread(target=self.answer)
        self.thread.start()
        try:
            assert self.client.reply().code == 230
        except BaseException:
            self.__exit__()
            raise
        for line in ("PBSZ 0", "PROT P", "TYPE I"):
            assert self.client.cmd(line).code == 200
        self.answers.update(answers)

    def answer(self):
        try:
            while not self.over.is_set():
                got = self.broker.get("b", 0.005)
                if got is None:
                    continue
                self.asked.append(got[0])
                no = self.broker.step("b", "FAILED", u8(1) + u32(2))
                for step in self.answers.get(got[0], (no,)):
                    if self.broker.attack(step) == "impossible":
                        self.impossible = True
                        self.broker.attack(no)
        except (Gone, OSError):
            pass

    def try_to(self, line, content=None):
        """A transfer, to whatever end; the client has enough after a while."""
        self.client.sock.settimeout(3)
        try:
            _, data = self.client.transfer(line, "EPSV")
            if data is None:
                return
            with data:
                data.settimeout(0.5)
                if content is None:
                    for _ in range(100):
                        if not data.recv(65536):
                            break
                else:
                    data.sendall(content)
                    data.unwrap()
            self.client.reply()
        except Exception:           # however it failed, it is over
            pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        """The client goes; its worker has to go, though its broker still lives."""
        self.client.abandon()
        gone = self.worker is None \
            or wait_until(lambda: not procfs.alive(self.worker), 15, 0.002)
        self.over.set()
        self.thread.join(10)
        self.broker.sock.close()
        assert gone, f"the worker waits for ever, after {self.asked}"


PLACES = {"OPEN_READ": ("OPENED", u64(SIZE), "RETR file", None),
          "OPEN_WRITE": ("UPLOADING", text("/file") + u64(0), "STOR file", b"c" * SIZE),
          "LIST": ("LISTING", b"", "LIST", None)}


def kinds_of(server):
    c = server.client()
    c.cmd("USER guest")
    c.send("PASS " + PASSWORD)
    with server.side("broker") as broker:
        kinds = broker.things()
    c.abandon()
    return kinds


@pytest.mark.slow
@pytest.mark.parametrize("question", PLACES)
def test_any_descriptor_in_the_place_of_a_file(server, tried, question):
    name, body, line, content = PLACES[question]
    failures = []
    for kind in kinds_of(server):
        with Session(server, {}) as s:
            s.answers[question] = (
                f"hold {kind}", "give held", s.broker.step("b", name, body, 1), "give none",
                *([s.broker.step("b", "LISTED", u64(3))] if question == "LIST" else []))
            if question == "OPEN_WRITE":
                s.answers.update(COMMIT=s.done, ABANDON=s.done)
            s.try_to(line, content)
            if question not in s.asked:
                failures.append(f"{kind} for {name}: not asked, but {s.asked}")
        tried(f"kinds of descriptors in the place of {name}")
    assert not failures


@pytest.mark.slow
def test_a_wrong_message_to_a_worker_ends_its_session_alone(server, tried):
    """As an answer to a question; every way in which one can be wrong."""
    kinds_of(server)
    failures = []
    rows = deform.legal(BROKER, WORKER, STATE["USER"])
    ways = [w for w in deform.every(rows, "b") if "out of place" not in w[0]
            or w[0].split()[0] in ("LOG", "OPEN_READ", "COMMIT", "SERVING", "LOGGED_IN",
                                   "SHUTDOWN", "SPAWNED", "KEY", "GRANT")]
    s = None
    for what, command in ways:
        if s is None:
            s = Session(server, {}, watched=False)
        s.answers["CHDIR"], s.impossible = (command,), False
        s.client.send("CWD /somewhere")
        try:
            while True:
                r = s.client.reply()
                if s.impossible:
                    break
                if r.code != 421:       # and then it closes
                    failures.append(f"{what}: {r}")
        except TimeoutError:
            failures.append(f"{what}: the worker still waits")
        except (OSError, EOFError):
            pass
        if not s.impossible:
            tried("deformed messages of a captured broker to its worker")
            s.__exit__()
            s = None
    if s is not None:
        s.__exit__()
    assert not failures
