"""A sallyportd under test: its world (build, certificates, users), its process, its log."""

import fcntl
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path

import pytest

import procfs
from certificates import Certificates
from ftpclient import HELD_UP, SLOWER, Client
from patience import Stopwatch

HERE = Path(__file__).resolve().parent
ROOT = os.geteuid() == 0
PASSWORD = "correct horse battery staple"
PAM_PASSWORD = "Pam-Passw0rd!"
GUEST = "sp-test-guest"         # owns the files of guests
OTHER = "sp-test-other"         # owns what guests must not touch
PAM_USER = "sp-test-pam"        # logs in through PAM
PAM_SERVICE = "sallyport-test"

# The short form runs at each landing, the long one by "make check-long".
LONG = bool(os.environ.get("SALLYPORT_LONG"))

# What no test may leave in a log without saying so (marker `expects`).
ALARMS = re.compile(
    r"sandbox\.(violation|report)|crashed|worker-error|breach|assert|Sanitizer|runtime error"
    r"|\b(worker|broker|login|keyholder|ledger|template)\.ended\b.*status=[1-9]")


def times(short, long):
    """How often a test tries: the first number here, the second in the long form."""
    return long if LONG else short


def needs_root():
    if not ROOT:
        pytest.skip("needs root: system users and ids")


def run(*argv, timeout=60, check=True, **kw):
    """A program to its end; output as text that keeps every byte."""
    argv = [str(a) for a in argv]
    r = subprocess.run(argv, timeout=timeout * SLOWER * HELD_UP,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       stdin=kw.pop("stdin", None if "input" in kw else subprocess.DEVNULL),
                       text=True, errors="surrogateescape", **kw)
    if check and r.returncode != 0:
        raise AssertionError(f"{' '.join(argv)}: exit {r.returncode}\n"
                             f"stdout: {r.stdout[-3000:]}\nstderr: {r.stderr[-3000:]}")
    return r


# Of all processes that run tests on this machine, whoever started them, each has ports of its
# own: who has bound the name of a lane (an abstract one: it goes with the process) has its ports.
LANES = 48
PORTS_OF_LANE = 12000 // LANES


def _lane():
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    for lane in range(LANES):
        try:
            name.bind(f"\0sallyport-tests-lane-{lane}")
            return lane, name
        except OSError:
            continue
    raise RuntimeError(f"{LANES} processes run tests here already")


_ports, _taken = count(), []


def free_port():
    """A port nobody listens on, outside the range that the kernel hands out itself."""
    if not _taken:
        _taken.append(_lane())
    while True:
        port = 20000 + _taken[0][0] * PORTS_OF_LANE + next(_ports) % PORTS_OF_LANE
        try:
            for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
                with socket.socket(family) as s:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    s.bind((host, port))
            return port
        except OSError:
            continue


class World:
    """What all servers of one run share."""

    def __init__(self):
        self.build = Path(os.environ.get("SALLYPORT_BUILD", HERE.parent.parent / "build"))
        self.build = self.build.resolve()
        self.dir = None
        self.certs = None
        worker = self.build / "sallyport-worker"
        self.sanitized = worker.exists() and b"__asan_init" in worker.read_bytes()
        self.slower = SLOWER * (5 if self.sanitized else 1)     # bounds are for what is installed

    def not_sanitized(self, why):
        if self.sanitized:
            pytest.skip("a build with AddressSanitizer: " + why)

    def require_build(self):
        for name in ("sallyportd", "sallyport", "sallyport-worker", "sallyport-broker",
                     "sallyport-login", "sallyport-keyholder", "sallyport-ledger"):
            if not (self.build / name).exists():
                pytest.exit(f"{self.build}/{name} is not built; set SALLYPORT_BUILD", 2)

    def prepare(self):
        self.dir = Path(tempfile.mkdtemp(prefix="sp-e2e-"))
        os.chmod(self.dir, 0o755)
        self.certs = Certificates(self.dir / "certs")
        if ROOT:
            with open("/tmp/.sallyport-e2e.lock", "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self.make_users()

    def make_users(self):
        for name in ("sallyport", "sallyport-keys", "sallyport-ledger"):
            self.user(name, "--system", "--no-create-home", "--home-dir", "/nonexistent")
        self.user(GUEST, "--no-create-home", "--home-dir", "/nonexistent")
        self.user(OTHER, "--no-create-home", "--home-dir", "/nonexistent")
        self.user(PAM_USER, "--create-home")
        run("chpasswd", input=f"{PAM_USER}:{PAM_PASSWORD}\n")
        # whole at any moment: tests of another run may be logging in by it
        new = Path("/etc/pam.d", f".{PAM_SERVICE}-{os.getpid()}")
        new.write_text("auth required pam_unix.so\naccount required pam_unix.so\n"
                       "session required pam_unix.so\n")
        new.rename(new.with_name(PAM_SERVICE))

    @staticmethod
    def user(name, *options):
        try:
            pwd.getpwnam(name)
        except KeyError:
            run("useradd", *options, "--user-group", "--shell", "/usr/sbin/nologin", name)

    def clean(self):
        if os.environ.get("SALLYPORT_KEEP"):
            print(f"\nkept: {self.dir}")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)


class Folder:
    """A folder of one test inside a jail: where it is on disk and over FTP."""

    def __init__(self, server, disk, ftp):
        self.server, self.disk, self.ftp = server, disk, ftp

    def path(self, name):
        return self.disk / name if isinstance(name, str) else os.fsencode(self.disk) + b"/" + name

    def make(self, name, content=b"", mode=0o644):
        """A file that the guest owns."""
        p = self.path(name)
        with open(p, "wb") as f:
            f.write(content)
        os.chmod(p, mode)
        self.server.own(p)
        return p

    def mkdir(self, name, mode=0o755):
        p = self.path(name)
        os.mkdir(p)
        os.chmod(p, mode)
        self.server.own(p)
        return p

    def read(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def names(self):
        return sorted(os.listdir(self.disk))


class Server:
    running = []

    @classmethod
    def all_of(cls, marks):
        return list(dict.fromkeys(list(marks) + cls.running))

    def __init__(self, world, name, accounts=True, walls=(), **settings):
        self.world = world
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:60]
        self.dir = Path(tempfile.mkdtemp(prefix=name + "-", dir=world.dir))
        os.chmod(self.dir, 0o755)
        self.file = self.dir / "sallyport.conf"
        self.logfile = self.dir / "log"
        self.port, self.implicit = free_port(), free_port()
        self.process = None
        self.folders = count(1)
        self.with_accounts = accounts
        self.walls = walls      # what tests/sandbox/confined.c puts around it
        self.inside = []        # a command that runs it in a mount namespace of the test
        self.settings = {
            "listen": [f"127.0.0.1:{self.port}", f"[::1]:{self.port}"],
            "listen_implicit": [f"127.0.0.1:{self.implicit}", f"[::1]:{self.implicit}"],
            "run_directory": str(self.dir / "run"),
            "state_directory": str(self.dir / "ledger"),
            "libexec_directory": str(world.build),
            "users_database": str(self.dir / "users.db"),
            "certificate": [str(world.certs.ec.chain), str(world.certs.rsa.chain)],
            "certificate_key": [str(world.certs.ec.key), str(world.certs.rsa.key)],
            "argon2_memory": "8 MiB",
            "argon2_operations": 1,
            "login_failure_delay": "200 ms",
            "failure_delay_most": 0,    # a test may guess; test_guessing.py has them on
            "failure_ban": 0,
            "active_port": 0,
            "log": "stderr",
            "log_level": "notice",
        }
        if not ROOT:
            me = pwd.getpwuid(os.geteuid()).pw_name
            self.settings.update(worker_user=me, keyholder_user=me, ledger_user=me)
        if os.environ.get("SALLYPORT_SANDBOX"):     # "report": the whole suite once more
            self.settings["sandbox"] = os.environ["SALLYPORT_SANDBOX"]
        if os.environ.get("SALLYPORT_TLS_KERNEL"):  # "yes": once more in tests/kernel
            self.settings["tls_kernel"] = os.environ["SALLYPORT_TLS_KERNEL"] == "yes"
        self.settings.update(settings)

    # ---- files ---------------------------------------------------------------------------
    @staticmethod
    def value(v):
        if isinstance(v, bool):
            return "true" if v else "false"
        if isinstance(v, int):
            return str(v)
        if isinstance(v, (list, tuple)):
            return "{" + ", ".join(Server.value(str(x)) for x in v) + "}"
        return '"' + str(v).replace("\\", "\\\\").replace('"', '\\"') + '"'

    def write(self, **changes):
        self.settings.update(changes)
        self.file.write_text("".join(f"{k} = {self.value(v)}\n"
                                     for k, v in self.settings.items() if v is not None))

    def own(self, path, user=GUEST):
        if ROOT:
            p = pwd.getpwnam(user)
            os.chown(path, p.pw_uid, p.pw_gid, follow_symlinks=False)

    def jail(self, name="guest"):
        return self.dir / "jails" / name

    def make_jail(self, name):
        jail = self.jail(name)
        jail.mkdir(parents=True, exist_ok=True)
        os.chmod(jail.parent, 0o755)
        os.chmod(jail, 0o755)
        self.own(jail)
        return jail

    def folder(self, name="guest"):
        ftp = f"/t{next(self.folders)}"
        disk = self.jail(name) / ftp[1:]
        disk.mkdir()
        os.chmod(disk, 0o755)
        self.own(disk)
        return Folder(self, disk, ftp)

    # ---- accounts ------------------------------------------------------------------------
    def tool(self, *argv, **kw):
        return run(*self.inside, self.world.build / "sallyport", "-c", self.file, *argv, **kw)

    def add_user(self, name, *options, password=PASSWORD, jail=None, ids=True):
        jail = self.make_jail(name) if jail is None else jail
        argv = ["user", "add", name, "--jail", jail]
        if ids:
            p = pwd.getpwnam(GUEST) if ROOT else pwd.getpwuid(os.geteuid())
            argv += ["--uid", p.pw_uid, "--gid", p.pw_gid]
        self.tool(*argv, *options, "--password-stdin", input=password + "\n")
        return jail

    # ---- process -------------------------------------------------------------------------
    def command(self, *options):
        around = [self.world.build / "confined", *self.walls, "--"] if self.walls else []
        return [str(x) for x in
                (*self.inside, *around, self.world.build / "sallyportd", *options, "-c", self.file)]

    def start(self):
        self.write()
        if self.with_accounts:
            self.with_accounts = False
            self.add_user("guest")
            self.add_user("reader", "--read-only")
        log = open(self.logfile, "ab")
        self.process = subprocess.Popen(
            self.command("-F"),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, start_new_session=True)
        log.close()
        Server.running.append(self)
        self.wait_ready()
        return self

    def wait_ready(self, timeout=20):
        watch = Stopwatch()
        last = None
        while watch.own() < timeout * SLOWER:
            if self.process.poll() is not None:
                raise AssertionError(f"sallyportd ended with {self.process.returncode}:\n"
                                     + self.log())
            try:
                with socket.create_connection(("127.0.0.1", self.port), 2) as s:
                    s.settimeout(5 * SLOWER * HELD_UP)
                    if s.recv(200).startswith(b"220"):
                        s.sendall(b"QUIT\r\n")
                        return
                    last = "no 220"
            except OSError as e:
                last = e
            time.sleep(0.05)
        raise AssertionError(f"sallyportd does not answer ({last}):\n" + self.log())

    def revive(self):
        """A server that a test has brought down must not take the others with it."""
        if self.process.poll() is not None:
            Server.running.remove(self)
            self.start()
        return self

    @property
    def pid(self):
        return self.process.pid

    def stop(self, timeout=15):
        if self not in Server.running:
            return
        children = procfs.descendants(self.pid) if self.process.poll() is None else []
        try:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
            try:
                code = self.process.wait(timeout * SLOWER * HELD_UP)
            except subprocess.TimeoutExpired:
                raise AssertionError(f"SIGTERM did not end sallyportd in {timeout} s:\n"
                                     + self.log()[-3000:]) from None
            assert code == 0, f"sallyportd ended with {code}:\n" + self.log()[-3000:]
            assert wait_until(lambda: not any(map(procfs.alive, children)), 5), \
                "processes outlive the monitor: " + \
                str([(p, procfs.name(p)) for p in children if procfs.alive(p)])
        finally:
            self.kill()

    def kill(self):
        if self in Server.running:
            Server.running.remove(self)
        if self.process and self.process.poll() is None:
            children = procfs.descendants(self.pid)
            self.process.kill()
            self.process.wait(10 * HELD_UP)
            for p in children:
                try:
                    os.kill(p, signal.SIGKILL)
                except ProcessLookupError:
                    pass

    def restart(self, **changes):
        self.stop()
        self.settings.update(changes)
        self.start()

    def reload(self, **changes):
        """New configuration by SIGHUP; returns once the log has said so."""
        self.write(**changes)
        mark = self.mark()
        self.process.send_signal(signal.SIGHUP)
        self.wait_log(r"reload", mark, timeout=15)

    # ---- log -----------------------------------------------------------------------------
    def log(self, since=0):
        with open(self.logfile, "rb") as f:
            f.seek(since)
            return f.read().decode("utf-8", "surrogateescape")

    def mark(self):
        return self.logfile.stat().st_size if self.logfile.exists() else 0

    def wait_log(self, pattern, since=0, timeout=8):
        """The first line with the pattern; fails with the log if none comes."""
        found = None

        def look():
            nonlocal found
            for line in self.log(since).splitlines():
                if re.search(pattern, line):
                    found = line
                    return True
            return False
        assert wait_until(look, timeout), \
            f"no log line with {pattern!r}; the log says:\n{self.log(since)[-4000:]}"
        return found

    def alarms(self, since, allowed):
        return [line for line in self.log(since).splitlines()
                if ALARMS.search(line) and not any(re.search(a, line) for a in allowed)]

    # ---- clients -------------------------------------------------------------------------
    def client(self, tls="explicit", host="127.0.0.1", **kw):
        """Connected and greeted; with TLS, if any, not logged in."""
        port = self.implicit if tls == "implicit" else self.port
        return Client(host, port, tls=tls, cafile=self.world.certs.ca, **kw)

    def login(self, user="guest", password=PASSWORD, **kw):
        c = self.client(**kw)
        try:
            c.login(user, password)
        except BaseException:
            c.abandon()
            raise
        return c

    def worker_of(self, client):
        """The process at the other end of a client's control connection."""
        return procfs.owner_of_connection(client.local_port, client.port, self.pid)


def wait_until(what, timeout=5, step=0.02):
    """Whether it becomes true, within so many seconds of a machine that is not held up."""
    watch = Stopwatch()
    while True:
        if what():
            return True
        if watch.own() > timeout * SLOWER:
            return False
        time.sleep(step)
