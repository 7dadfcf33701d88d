"""Processes of a session that do what the test says (captured_worker.c)."""

import errno
import re
import shutil
import socket
import struct
import subprocess
from pathlib import Path

from ftpclient import HELD_UP
import harness
import procfs
from harness import wait_until

MONITOR, WORKER, BROKER, LOGIN, KEYHOLDER, TEMPLATE, ADMIN, LEDGER = (1 << i for i in range(8))
STATES = ("START", "READY", "CLEAR", "SECURE", "LOGIN", "QUESTION", "USER", "UPLOAD",
          "LEAVING", "END")
STATE = {name: 1 << i for i, name in enumerate(STATES)}
MESSAGE_MAX = 16384
FAULTS = range(9)               # enum forge_fault
FDS = (1, 2, 3, 4, 5, 16)       # counts of descriptors that no worker's message has

BESIDE = "127.0.0.3"            # nobody else comes from there
ANSWER = 5 * HELD_UP            # seconds: what hangs is ended by the test's own limit
PERMIT = 2                      # enum fail_code: the account may not


class Gone(Exception):
    """The session has ended."""


class Row:
    def __init__(self, words):
        self.name = words.pop(1)
        (self.type, self.sender, self.receiver, self.states, self.fds, self.least,
         self.most, self.fields) = map(int, words)

    def legal(self, receiver, state):
        return bool(self.sender & WORKER and self.receiver & receiver
                    and self.states & state)

    def __repr__(self):
        return self.name


def text(value):
    value = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return struct.pack("<H", len(value)) + value


def u8(value):
    return struct.pack("<B", value)


def u16(value):
    return struct.pack("<H", value)


def u32(value):
    return struct.pack("<I", value)


def u64(value):
    return struct.pack("<Q", value)


class Steps:
    """One captured process: the steps that it takes, and what it answers."""
    rows = {}                   # name -> Row, read from the program once

    def __init__(self, sock, timeout=10):
        self.sock = sock
        self.sock.settimeout(timeout * HELD_UP)
        self.buffer = b""
        self.id = "before its greeting"
        self.first = None           # a step that is taken together with the next one
        self.greeting = self.line()
        self.id = self.greeting.split()[1]
        if not Steps.rows:
            self.sock.sendall(b"rows\n")
            for line in self.more():
                row = Row(line.split()[1:])
                Steps.rows[row.name] = row

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.sock.close()

    def line(self):
        while b"\r\n" not in self.buffer:
            try:
                more = self.sock.recv(65536)
            except (ConnectionResetError, BrokenPipeError):
                more = b""
            if not more:
                raise Gone(self.id)
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("ascii")

    def more(self):
        while (line := self.line()) != "ok":
            yield line

    def do(self, command):
        """One step; what the process answers. Gone: it ended meanwhile."""
        first, self.first = self.first, None
        try:
            both = f"{first}\n{command}\n" if first else f"{command}\n"
            self.sock.sendall(both.encode("ascii"))
        except (ConnectionResetError, BrokenPipeError):
            raise Gone(self.id) from None
        if first:
            self.line()
        return self.line()

    def attack(self, command):
        """A step after which the session may be over."""
        try:
            return self.do(command)
        except Gone:
            return "gone"

    def step(self, where, name, body=b"", fds=0):
        return f"send {where} {self.rows[name].type} {fds} {body.hex() or '-'}"

    def send(self, *what, **how):
        return self.do(self.step(*what, **how))

    def get(self, where="m", timeout=ANSWER):
        """(name, body, descriptors) of the next message; None if none comes in time."""
        answer = self.do(f"get {where} {int(timeout * 1000)}").split()
        if answer[0] == "nothing":
            return None
        if answer[0] == "closed":
            raise Gone(self.id)
        name = next(r.name for r in self.rows.values() if r.type == int(answer[1]))
        return name, bytes.fromhex(answer[3]) if answer[3] != "-" else b"", int(answer[2])

    def ask(self, where, name, body=b"", timeout=ANSWER):
        assert self.send(where, name, body) == "ok"
        answer = self.get(where, timeout)
        assert answer is not None, f"{name} was not answered"
        return answer

    def first_message(self):
        """The body of what the monitor said when it was started."""
        return bytes.fromhex(self.do("first").split()[1])

    def things(self):
        """The kinds of descriptors that it can hand over."""
        self.sock.sendall(b"things\n")
        return list(self.more())

    def ended(self, timeout=8):
        """Waits for its end: the monitor has closed or killed everything."""
        self.sock.settimeout(timeout * HELD_UP)
        try:
            while self.sock.recv(65536):
                pass
        except ConnectionResetError:
            pass
        except socket.timeout:
            return False
        return True


class Puppet(Steps):
    """A captured worker, and its session."""

    def __init__(self, server, timeout=10, source=None):
        self.server = server
        self.mark = server.mark()
        super().__init__(socket.create_connection(("127.0.0.1", server.port), timeout * HELD_UP,
                                                  source), timeout)
        assert re.fullmatch(r"220 [A-Z0-9]+-\d+", self.greeting), self.greeting

    def lines(self, pattern=""):
        """The log's lines of this session."""
        return [line for line in self.server.log(self.mark).splitlines()
                if f"session={self.id} " in line and re.search(pattern, line)]

    # ---- ways into each state ----------------------------------------------------------
    def asked(self):
        """Logging in, with a captured login that has asked."""
        self.try_login()
        login = self.server.side("login", self.id)
        login.send("m", "QUESTION", text("your code?"))
        name, _, _ = self.get("m")
        assert name == "LOGIN_QUESTION", name
        return login

    def secure(self):
        """A worker that says there was a handshake cannot be proved wrong."""
        assert self.send("m", "SECURED", text("TLSv1.3") + text("TLS_AES_128_GCM_SHA256")
                         + text("") + u8(0)) == "ok"
        return self

    def try_login(self, user="guest", password=harness.PASSWORD):
        assert self.send("m", "LOGIN", text(user) + text(password)) == "ok"
        return self

    def login(self, user="guest", password=harness.PASSWORD):
        self.try_login(user, password)
        name, _, _ = self.get("m")
        if name == "SHUTDOWN":      # another one of its template has crashed, say
            raise Gone(self.id)
        assert name == "LOGGED_IN", name
        return self

    def enter(self, state):
        """
        LOGIN and LEAVING pass by themselves, soon: the message that leads there is sent
        right before the next one, so that the monitor finds both.
        """
        if state == "CLEAR":
            return self
        self.secure()
        if state == "QUESTION":     # the server's login is captured, too
            self.side = self.asked()
        elif state == "LOGIN":
            self.first = self.step("m", "LOGIN", text("guest") + text(harness.PASSWORD))
        elif state in ("USER", "UPLOAD", "LEAVING"):
            self.login()
        if state == "UPLOAD":
            name, _, _ = self.ask("b", "OPEN_WRITE",
                                  text(f"/upload-{self.id}") + u8(0) + u64(0) + u64(0))
            assert name == "UPLOADING", name
        elif state == "LEAVING":
            self.first = self.step("m", "LOGOUT")
        return self


class HostileServer(harness.Server):
    """The real server, but for its worker, or for other ones of its programs."""

    def __init__(self, world, name, captured=("worker",), **settings):
        super().__init__(world, name, **settings)
        self.captured = captured
        self.libexec = self.dir / "libexec"
        self.libexec.mkdir()
        for side in ("worker", "broker", "login", "keyholder"):
            program = self.libexec / f"sallyport-{side}"
            if side in captured:
                # no link: it looks for what lies beside it
                shutil.copy(world.build / "captured-worker", program)
            else:
                program.symlink_to(world.build / program.name)
        if "ledger" in captured:    # others have none: it would come while one looks what is there
            shutil.copy(world.build / "captured-worker", self.libexec / "sallyport-ledger")
        self.control = socket.socket(socket.AF_UNIX)
        self.control.bind(str(self.libexec / "control"))
        self.control.listen(1000)
        self.control.settimeout(15 * HELD_UP)
        self.settings.update({
            "libexec_directory": str(self.libexec), "violation_ban": 0,
            "login_failure_delay": 0, "template_sessions": 1000000,
            "durable": False, **settings})

    def side(self, kind, session=None):
        """The next captured broker or login that was started, of that session."""
        while True:
            side = Steps(self.control.accept()[0])
            if side.greeting.split()[2] == kind and session in (None, side.id):
                return side
            side.sock.close()   # left over from a session that has ended

    def honest(self, side, yes):
        """Whether the templates executed from now on are the real program."""
        link = self.libexec / f"sallyport-{side}.honest"
        if yes:
            link.symlink_to(self.world.build / f"sallyport-{side}")
        else:
            link.unlink(missing_ok=True)

    def stop(self, *args, **kw):
        try:
            super().stop(*args, **kw)
        finally:
            self.control.close()

    def settled(self):
        """What the monitor has while no session is there."""
        names = sorted(procfs.name(p) for p in procfs.children(self.pid)
                       if procfs.alive(p))
        try:
            return names, len(procfs.descriptors(self.pid))
        except PermissionError:
            return names, 0     # rootless: the monitor is nobody's to look into

    def remember(self):
        """Called after a first session: nothing may be left behind from then on.

        At rest there is one process of each program, and no zombie: the monitor has seen the
        end of all others, and closed what it had of them.
        """
        previous = None

        def still():
            nonlocal previous
            last, previous = previous, self.settled()
            names = previous[0]
            return last == previous and len(names) == len(set(names) - {""}) >= 4 \
                and len(procfs.children(self.pid)) == len(names)
        assert wait_until(still, 15, 0.2), (self.settled(), self.log()[-2000:])
        self.rest = previous
        self.first_pid = self.pid

    def at_rest(self):
        assert self.process.poll() is None, "the monitor ended:\n" + self.log()[-3000:]
        assert wait_until(lambda: self.settled() == self.rest, 15, 0.05), \
            f"left behind: {self.settled()}, not {self.rest}"

    def serves(self):
        """A new session works from beginning to end.

        Of an address and account of its own: a crash takes along what shares both its
        template and these (e2e/test_siblings.py).
        """
        if "worker" not in self.captured:
            c = self.client(source=BESIDE)
            assert c.cmd("FEAT").code == 211
            c.abandon()
            return
        with Puppet(self, 10 * self.world.slower, (BESIDE, 0)) as p:
            p.secure()
            if "login" in self.captured:
                return
            if "broker" in self.captured:
                p.try_login("reader")
                with self.side("broker", p.id) as broker:
                    broker.send("m", "SERVING")
                    assert p.get("m")[0] == "LOGGED_IN"
                return
            p.login("reader")
            assert p.ask("b", "SPACE", text("/"))[0] in ("AVAILABLE", "FAILED")


class Driven(Steps):
    """The test in the monitor's place; the process that it drives is a real one."""

    def __init__(self, world, program, uid, gid):
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [str(world.build / "captured-worker"), "drive",
                 str(world.build / program), str(uid), str(gid)],
                stdin=theirs, cwd="/", env={})
        super().__init__(ours)

    def __exit__(self, *error):
        super().__exit__(*error)
        self.process.wait(10 * HELD_UP)

    def said(self, timeout=ANSWER):
        """The next message that is no line for the log; None if none comes any more."""
        while True:
            try:
                answer = self.get("m", timeout)
            except Gone:
                return None
            if answer is None or answer[0] != "LOG":
                return answer


def require_puppet(world):
    assert (Path(world.build) / "captured-worker").exists(), \
        f"{world.build}/captured-worker is not built: make check TESTS= builds it"


def start(world, name, **settings):
    """A server with captured workers, at rest."""
    s = HostileServer(world, name, **settings)
    try:
        s.start()
        s.serves()
        s.remember()
    except BaseException:
        s.kill()
        raise
    return s


def kernel_keeps_descriptors_away():
    """Linux 6.16 and later refuse to send one to who takes none (SO_PASSRIGHTS)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        try:
            s.getsockopt(socket.SOL_SOCKET, 83)
        except OSError:
            return False
    return True


def kept_away(p, answer, what, failures):
    """The kernel refused to send the descriptors, and the session goes on."""
    if answer != f"failed {errno.EPERM}" or p.lines(r'[ "]breach '):
        failures.append(f"{what}: {answer}, {p.lines()}")
