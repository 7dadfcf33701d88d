"""What the live processes are, read from /proc: identities, roots, capabilities, seccomp."""

import os
import pwd
import re
import stat

import pytest

import harness
import procfs
from harness import GUEST, ROOT, wait_until

KINDS = ["sallyport-worker", "sallyport-broker", "sallyport-login", "sallyport-keyholder"]


class Live:
    """A server with one session, which has a transfer running."""

    def __init__(self, server):
        self.server = server
        self.before = {k: procfs.of_kind(server.pid, k) for k in KINDS}
        self.client = server.client(tls=None)
        assert wait_until(lambda: self.new("sallyport-worker"), 5)
        self.worker = self.one("sallyport-worker")
        self.worker_at_start = snapshot(self.worker)
        self.client.auth()
        self.worker_with_tls = snapshot(self.worker)
        self.client.login("guest", harness.PASSWORD)
        self.broker = self.one("sallyport-broker")
        self.folder = server.folder()
        r, self.data = self.client.transfer(f"STOR {self.folder.ftp}/f")
        self.data.sendall(b"x" * 100000)
        self.client.expect(200, "NOOP")
        self.worker_in_transfer = snapshot(self.worker)
        self.broker_in_transfer = snapshot(self.broker)

    def new(self, kind):
        return procfs.of_kind(self.server.pid, kind) - self.before[kind]

    def one(self, kind):
        found = self.new(kind)
        assert len(found) == 1, f"{kind}: {found}"
        return found.pop()


def snapshot(pid):
    """Everything at one moment; what this environment hides is None."""
    s = {"pid": pid, "status": procfs.status(pid)}
    for what in ("root", "cwd"):
        try:
            s[what] = os.readlink(f"/proc/{pid}/{what}")
        except OSError:
            s[what] = None
    try:
        s["fds"] = procfs.descriptors(pid)
    except OSError:
        s["fds"] = None
    s["owner"] = os.stat(f"/proc/{pid}/environ").st_uid
    with open(f"/proc/{pid}/limits") as f:
        s["limits"] = {line[:26].strip(): line[26:].split()[:2] for line in f}
    try:
        with open(f"/proc/{pid}/environ", "rb") as f:
            s["environ"] = f.read()
    except OSError:
        s["environ"] = None
    return s


@pytest.fixture(scope="module")
def live(world):
    server = harness.Server(world, "posture")
    server.start()
    x = Live(server)
    yield x
    x.client.finish(x.data)
    assert x.client.reply().code == 226
    x.client.quit()
    server.stop()


MOMENTS = ["worker_at_start", "worker_with_tls", "worker_in_transfer", "broker_in_transfer",
           "keyholder", "worker_template"]


@pytest.fixture(params=MOMENTS)
def process(request, live):
    """Each unprivileged process at each moment of its life."""
    if request.param == "keyholder":
        (pid,) = live.before["sallyport-keyholder"]
        return "keyholder", snapshot(pid)
    if request.param == "worker_template":
        return "worker", snapshot(min(live.before["sallyport-worker"]))
    return request.param.split("_")[0], getattr(live, request.param)


def ids(user):
    p = pwd.getpwnam(user)
    return p.pw_uid, p.pw_gid


USERS = {"worker": "sallyport", "keyholder": "sallyport-keys", "broker": GUEST}


@pytest.mark.skipif(not ROOT, reason="needs root: other identities")
def test_identity(process):
    kind, p = process
    uid, gid = ids(USERS[kind])
    assert p["status"]["Uid"].split() == [str(uid)] * 4
    assert p["status"]["Gid"].split() == [str(gid)] * 4
    assert set(p["status"]["Groups"].split()) <= {str(gid)}
    assert uid != 0 and gid != 0


def test_no_capability(process):
    kind, p = process
    for which in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(p["status"][which], 16) == 0, which
    if ROOT:
        assert int(p["status"]["CapBnd"], 16) == 0


def test_no_new_privileges(process):
    kind, p = process
    assert p["status"]["NoNewPrivs"] == "1"


def test_seccomp(process, request):
    kind, p = process
    if "template" not in request.node.name:     # a template forks; its children load the filter
        assert p["status"]["Seccomp"] == "2"


def test_root_directory(process, live):
    kind, p = process
    if p["root"] is None:
        pytest.skip("the root link cannot be read here")
    if not ROOT and p["root"] == "/":
        pytest.skip("no user namespaces here: no chroot without root")
    if kind == "broker":
        assert p["root"] == str(live.server.jail())
        return
    assert p["root"].startswith(str(live.server.dir / "run"))
    assert os.listdir(p["root"]) == [], "the empty directory is not empty"
    st = os.stat(p["root"])
    assert st.st_uid == os.geteuid() and not st.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def test_not_dumpable(process):
    """/proc/PID of a process that cannot be dumped or traced by its user belongs to root."""
    if not ROOT:
        pytest.skip("needs root to tell the owners apart")
    kind, p = process
    assert p["owner"] == 0


def test_no_core_file(process):
    kind, p = process
    assert p["limits"]["Max core file size"] == ["0", "0"]


def test_bounded_memory(world, live):
    world.not_sanitized("its shadow is larger than any limit")
    for p in (live.worker_at_start, live.worker_with_tls, live.worker_in_transfer):
        assert p["limits"]["Max address space"] == [str(256 << 20)] * 2


def test_an_empty_environment(process):
    kind, p = process
    if p["environ"] is None:
        pytest.skip("the environment cannot be read here")
    assert p["environ"].strip(b"\0") == b""


ALLOWED = {
    "worker": r"socket:\[\d+\]|/dev/null|anon_inode:\[(eventpoll|eventfd|timerfd)\]|pipe:\[\d+\]",
    "keyholder": r"socket:\[\d+\]|/dev/null",
    "broker": r"socket:\[\d+\]|/dev/null|pipe:\[\d+\]",
}


def test_open_descriptors(process, live):
    """A closed list: its channels, the client, the files of this transfer, and no more."""
    kind, p = process
    if p["fds"] is None:
        pytest.skip("the descriptors cannot be read here")
    fds = {n: t for n, t in p["fds"].items() if not (n == 2 and t == str(live.server.logfile))}
    jail = str(live.server.jail())
    other = {n: t for n, t in fds.items()
             if not re.fullmatch(ALLOWED[kind], t) and not t.startswith(jail)}
    assert not other, f"{kind} holds {other}"
    assert all(fds.get(n) in ("/dev/null", None) for n in (0, 1, 2)), fds
    assert len(fds) <= 12, fds
    if kind == "worker":
        assert not any(os.path.isdir(t) for t in fds.values() if t.startswith(jail)), \
            "a directory has come to the worker"


def test_before_login_a_worker_has_two_sockets_alone(live):
    for p in (live.worker_at_start, live.worker_with_tls):
        if p["fds"] is None:
            pytest.skip("the descriptors cannot be read here")
        above = [t for n, t in p["fds"].items() if n > 2]
        assert sum(t.startswith("socket:") for t in above) == 2, above
        assert not any(t.startswith("/") for t in above), above


def test_the_monitor_and_others_have_no_key(live):
    """The private key's file is read by the keyholder alone, and is closed again."""
    if not ROOT:
        pytest.skip("needs root to read the memory of others")
    key = open(live.server.world.certs.ec.key, "rb").read()
    import base64
    der = base64.b64decode(b"".join(x for x in key.splitlines() if b"-----" not in x))
    secret = der[der.index(b"\x04\x20") + 2:][:32]
    assert len(secret) == 32
    for name, pid in [("worker", live.worker), ("broker", live.broker),
                      ("worker template", min(live.before["sallyport-worker"])),
                      ("monitor", live.server.pid)]:
        found = in_memory(pid, [secret, secret[::-1]])
        assert not found, f"the {name} has the private key in its memory"


def test_passwords_are_wiped(live):
    if not ROOT:
        pytest.skip("needs root to read the memory of others")
    live.server.world.not_sanitized("it keeps freed memory for a while")
    secret = harness.PASSWORD.encode()
    for name, pid in [("worker", live.worker), ("broker", live.broker),
                      ("monitor", live.server.pid)]:
        assert not in_memory(pid, [secret]), f"the {name} has kept the password"


def in_memory(pid, secrets):
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            m = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line)
            lo, hi = int(m.group(1), 16), int(m.group(2), 16)
            if "r" not in m.group(3) or "[v" in line or hi - lo > 256 << 20:
                continue
            try:
                mem.seek(lo)
                content = mem.read(hi - lo)
            except OSError:
                continue
            if any(s in content for s in secrets):
                return True
    return False


def test_the_run_directory_is_for_root_alone(live):
    st = os.stat(live.server.dir / "run")
    assert st.st_uid == os.geteuid()
    assert not st.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def test_processes_have_no_privileged_parent_but_the_monitor(live):
    for pid in (live.worker, live.broker):
        assert procfs.parent(pid) == live.server.pid


def test_login_is_over_when_the_login_is(live):
    assert wait_until(lambda: not live.new("sallyport-login"), 5), "login processes live on"


def test_start_up_says_which_walls_are_missing(live):
    log = live.server.log()
    if ROOT:
        missing = [x for x in log.splitlines()
                   if "wall.missing" in x and "landlock" not in x.lower()]
        assert not missing, missing
    elif not os.path.exists("/proc/self/ns/user"):
        assert "wall.missing" in log
