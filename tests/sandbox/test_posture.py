"""What the live processes are, read from /proc: identities, roots, capabilities, seccomp."""

import os
import pwd
import re
import stat
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest

import harness
import live as live_processes
import procfs
from harness import GUEST, PAM_SERVICE, PAM_USER, ROOT, wait_until

KINDS = ["sallyport-worker", "sallyport-broker", "sallyport-login", "sallyport-keyholder",
         "sallyport-ledger"]
PRIVILEGED = ["monitor", "broker_template", "login_template", "login_at_work", "login_asleep"]


class Live:
    """A server with one session, which has a transfer running."""

    def __init__(self, server):
        self.server, self.at = server, {}
        self.before = {k: procfs.of_kind(server.pid, k) for k in KINDS}
        self.note(monitor=server.pid, **{
            f"{kind}_template": min(self.before["sallyport-" + kind])
            for kind in ("worker", "broker", "login")})
        self.note(keyholder=live_processes.keyholder(server))
        self.note(ledger=live_processes.ledger(server))
        self.client, self.worker = live_processes.connected(server, tls=None)
        self.note(worker_at_start=self.worker)
        self.client.auth()
        self.note(worker_with_tls=self.worker)
        self.log_in()
        (self.broker,) = live_processes.serving(server, "broker")
        self.note(worker_logged_in=self.worker, broker_logged_in=self.broker)
        self.folder = server.folder()
        self.transfers()
        if ROOT and not server.world.sanitized:
            self.log_in_by_pam()

    def note(self, **processes):
        for moment, pid in processes.items():
            self.at[moment] = snapshot(pid)

    def logins(self):
        return procfs.of_kind(self.server.pid, "sallyport-login") - \
            self.before["sallyport-login"]

    def log_in(self):
        """Its hash takes a while: the login process is looked at while it computes."""
        t = threading.Thread(target=self.client.login, args=("guest", harness.PASSWORD))
        t.start()
        assert wait_until(self.logins, 10, step=0)
        self.note(login_at_work=min(self.logins()))
        t.join()

    def transfers(self):
        c, folder = self.client, self.folder
        folder.make("big")
        os.truncate(folder.disk / "big", 256 << 20)
        for n in range(1500):
            folder.make(f"{'n' * 200}{n}")
        for moment, line in (("retrieving", "RETR big"), ("listing", "LIST")):
            c.expect(250, "CWD " + folder.ftp)
            _, data = c.transfer(line)
            time.sleep(0.1)
            self.note(**{"worker_" + moment: self.worker, "broker_" + moment: self.broker})
            data.close()
            c.reply()
        _, self.data = c.transfer(f"STOR {folder.ftp}/f")
        self.data.sendall(b"x" * 100000)
        c.expect(200, "NOOP")
        self.note(worker_storing=self.worker, broker_storing=self.broker)

    def log_in_by_pam(self):
        """Its process clears up behind the verdict: what it then holds stays for hours."""
        c = self.server.login(PAM_USER, harness.PAM_PASSWORD, timeout=30)
        (pid,) = self.logins()
        wait_until(lambda: limits(pid)["Max open files"][0] != "1024", 10)
        self.note(login_asleep=pid)
        c.quit()

    def new(self, kind):
        return procfs.of_kind(self.server.pid, kind) - self.before[kind]


def limits(pid):
    """Name -> [soft, hard], as texts."""
    with open(f"/proc/{pid}/limits") as f:
        return {line[:26].strip(): line[26:].split()[:2] for line in f}


def snapshot(pid):
    """Everything at one moment; what this environment hides is None."""
    s = {"pid": pid, "status": procfs.status(pid), "maps": procfs.mappings(pid)}
    for what in ("root", "cwd"):
        try:
            s[what] = os.readlink(f"/proc/{pid}/{what}")
        except OSError:
            s[what] = None
    try:
        s["fds"] = procfs.descriptors(pid)
        s["kinds"] = {n: kind_of(pid, n) for n in s["fds"]}
        s["namespaces"] = {n: os.readlink(f"/proc/{pid}/ns/{n}")
                           for n in os.listdir(f"/proc/{pid}/ns")}
    except OSError:
        s["fds"] = s["kinds"] = s["namespaces"] = None
    s["owner"] = os.stat(f"/proc/{pid}/environ").st_uid
    s["limits"] = limits(pid)
    try:
        with open(f"/proc/{pid}/environ", "rb") as f:
            s["environ"] = f.read()
    except OSError:
        s["environ"] = None
    return s


def kind_of(pid, fd):
    mode = os.stat(f"/proc/{pid}/fd/{fd}").st_mode
    for name, test in (("file", stat.S_ISREG), ("directory", stat.S_ISDIR),
                       ("socket", stat.S_ISSOCK), ("pipe", stat.S_ISFIFO),
                       ("device", stat.S_ISCHR)):
        if test(mode):
            return name
    return "other"


@pytest.fixture(scope="module")
def live(world):
    extra = {"auth": ["users", "pam"], "pam_service": PAM_SERVICE} if ROOT else {}
    server = harness.Server(world, "posture", argon2_memory="64 MiB", argon2_operations=4, **extra)
    server.start()
    x = Live(server)
    yield x
    x.client.finish(x.data)
    assert x.client.reply().code == 226
    x.client.quit()
    server.stop()


MOMENTS = ["worker_at_start", "worker_with_tls", "worker_logged_in", "worker_retrieving",
           "worker_listing", "worker_storing", "broker_logged_in", "broker_retrieving",
           "broker_listing", "broker_storing", "keyholder", "ledger",
           "worker_template"]


@pytest.fixture(params=MOMENTS)
def process(request, live, tried):
    """Each unprivileged process at each moment of its life."""
    tried("properties of live processes")
    return request.param.split("_")[0], live.at[request.param]


@pytest.fixture(params=PRIVILEGED)
def privileged(request, live, tried):
    """Each process that is root, and why not all that it is."""
    if request.param not in live.at:
        pytest.skip("no login by PAM without root, or under AddressSanitizer")
    tried("properties of live processes")
    return request.param, live.at[request.param]


def ids(user):
    p = pwd.getpwnam(user)
    return p.pw_uid, p.pw_gid


USERS = {"worker": "sallyport", "keyholder": "sallyport-keys", "ledger": "sallyport-ledger",
         "broker": GUEST}


@pytest.mark.slow
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
    if kind == "ledger":
        assert p["root"] == str(live.server.dir / "ledger")
        assert set(os.listdir(p["root"])) <= {"ledger.db", "ledger.db-journal"}
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
    most = {"worker": 256 << 20, "broker": 1 << 30}
    for moment in MOMENTS:
        kind = moment.split("_")[0]
        if kind not in most or moment.endswith("_template"):
            continue
        p = live.at[moment]
        assert p["limits"]["Max address space"] == [str(most[kind])] * 2, moment


def test_an_empty_environment(process):
    kind, p = process
    if p["environ"] is None:
        pytest.skip("the environment cannot be read here")
    assert p["environ"].strip(b"\0") == b""


ALLOWED = {
    "worker": r"socket:\[\d+\]|/dev/null|anon_inode:\[(eventpoll|eventfd|timerfd)\]|pipe:\[\d+\]",
    "keyholder": r"socket:\[\d+\]|/dev/null",
    "ledger": r"socket:\[\d+\]|/dev/null|.*/ledger(/ledger\.db(-journal)?)?",
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
    for p in (live.at["worker_at_start"], live.at["worker_with_tls"]):
        if p["fds"] is None:
            pytest.skip("the descriptors cannot be read here")
        above = [t for n, t in p["fds"].items() if n > 2]
        assert sum(t.startswith("socket:") for t in above) == 2, above
        assert not any(t.startswith("/") for t in above), above


# How many of each kind, above 0, 1 and 2: (least, most), or exactly.
HELD = {
    "worker_at_start": {"socket": 2},                   # client, monitor
    "worker_with_tls": {"socket": 2},
    "worker_logged_in": {"socket": 3},                  # and the broker
    "worker_retrieving": {"socket": 4, "file": 1},      # and the data connection
    "worker_listing": {"socket": (3, 4), "pipe": (0, 1)},
    "worker_storing": {"socket": 4, "file": 1},
    "broker_logged_in": {"socket": 2, "directory": 1},  # monitor, worker, the jail
    "broker_retrieving": {"socket": 2, "directory": 1, "file": (0, 1)},
    "broker_listing": {"socket": 2, "directory": (1, 3), "pipe": (0, 1)},
    "broker_storing": {"socket": 2, "directory": 2, "file": 1},
    "keyholder": {"socket": 1},
    "ledger": {"socket": 1, "directory": 1, "file": (1, 2)},    # the database, its journal
    "worker_template": {"socket": 1},
    "broker_template": {"socket": 1},
    "login_template": {"socket": 1},
    "login_at_work": {"socket": 1, "file": (0, 2)},     # slots, the users database
    "login_asleep": {"socket": 1},
}


@pytest.mark.parametrize("moment", HELD)
def test_what_is_open_is_what_the_moment_needs(live, tried, moment):
    if moment not in live.at:
        pytest.skip("no login by PAM without root, or under AddressSanitizer")
    kinds = live.at[moment]["kinds"]
    if kinds is None:
        pytest.skip("the descriptors cannot be read here")
    count = Counter(k for n, k in kinds.items() if n > 2)
    for kind in set(count) | set(HELD[moment]):
        allowed = HELD[moment].get(kind, 0)
        least, most = allowed if isinstance(allowed, tuple) else (allowed, allowed)
        assert least <= count[kind] <= most, (kind, live.at[moment]["fds"])
    tried("open descriptors looked at", len(kinds))


LIMITS = {"worker": {"Max open files": 24, "Max processes": 0},
          "broker": {"Max open files": 1024, "Max processes": 0},
          "keyholder": {"Max open files": 8, "Max processes": 0},
          "ledger": {"Max open files": 16, "Max processes": 0}}


def test_limits(process, request):
    kind, p = process
    if "template" in request.node.name:
        return                      # it forks; its children are limited
    for limit, most in LIMITS[kind].items():
        assert p["limits"][limit] == [str(most)] * 2, limit


def test_a_login_that_stays_is_bounded(live):
    """Until its session is closed by PAM. One that checks a password needs what a hash takes."""
    if "login_asleep" not in live.at:
        pytest.skip("no login by PAM without root, or under AddressSanitizer")
    for limit, most in {"Max open files": 256, "Max data size": 256 << 20,
                        "Max file size": 1 << 30, "Max core file size": 0}.items():
        assert live.at["login_asleep"]["limits"][limit] == [str(most)] * 2, limit
    # the hard one stays: pam_limits may be to set more, and refuses who it cannot
    assert live.at["login_at_work"]["limits"]["Max open files"][0] == "1024"


def no_code_can_be_made(p):
    """No mapping is writable and executable; nothing executable but programs and libraries."""
    for low, _, mode, what in p["maps"]:
        assert not ("w" in mode and "x" in mode), f"{low:x} {mode} {what}"
        assert "x" not in mode or what.startswith("/") or what in ("[vdso]", "[vsyscall]"), \
            f"{low:x} {mode} {what}"


def test_no_memory_to_put_code_into(process):
    no_code_can_be_made(process[1])


def test_one_thread_and_no_namespace_of_its_own(process, live):
    """With root the walls are ids, root directory and filters; no namespace is made."""
    _, p = process
    assert p["status"]["Threads"] == "1"
    if p["namespaces"] is None or not ROOT:
        pytest.skip("the namespaces cannot be read here, or are those of a rootless start")
    assert p["namespaces"] == live.at["monitor"]["namespaces"]


# ---- those that are root ------------------------------------------------------------------

def test_what_is_root_has_little_else(privileged, live):
    name, p = privileged
    assert p["status"]["Threads"] == "1"
    assert p["limits"]["Max core file size"] == ["0", "0"]
    assert int(p["status"]["CapAmb"], 16) == int(p["status"]["CapInh"], 16) == 0
    no_code_can_be_made(p)
    if name != "monitor" and p["environ"] is not None:
        assert p["environ"].strip(b"\0") == b""
    if ROOT:
        assert p["status"]["Uid"].split() == ["0"] * 4
        assert p["status"]["Gid"].split() == ["0"] * 4
        assert p["root"] == "/" and p["cwd"] == "/"
        assert p["namespaces"] == live.at["monitor"]["namespaces"]


# What the monitor itself needs, what of the rest goes to programs that it executes, and what a
# template of brokers has, from which it becomes users. Bits as linux/capability.h has them.
OWN = {"CAP_KILL": 5, "CAP_NET_BIND_SERVICE": 10, "CAP_SYS_RESOURCE": 24, "CAP_DAC_OVERRIDE": 1,
       "CAP_DAC_READ_SEARCH": 2, "CAP_BPF": 39}
OF_PROGRAMS = {"CAP_SETUID": 7, "CAP_SETGID": 6, "CAP_SETPCAP": 8, "CAP_SYS_CHROOT": 18,
               "CAP_CHOWN": 0, "CAP_FOWNER": 3, "CAP_AUDIT_WRITE": 29}
OF_BROKERS = ["CAP_SETUID", "CAP_SETGID", "CAP_SYS_CHROOT"]


def bits(*capabilities):
    have = int(procfs.status(os.getpid())["CapBnd"], 16)
    return sum(1 << n for c in capabilities for n in c.values()) & have


def filters_are_roots():
    """Does this kernel keep socket filters for CAP_NET_ADMIN? Mainline does not."""
    attach = ("import ctypes, socket, struct; pass_all = ctypes.create_string_buffer("
              "struct.pack('HBBI', 6, 0, 0, 0xffff), 8)\n"
              "with socket.socket() as s: s.setsockopt("
              "socket.SOL_SOCKET, 26, struct.pack('H6xQ', 1, ctypes.addressof(pass_all)))")
    r = subprocess.run([sys.executable, "-c", attach], user=61234, group=61234, extra_groups=[],
                       capture_output=True, text=True, check=False)
    assert r.returncode == 0 or "PermissionError" in r.stderr, r.stderr
    return r.returncode != 0


def capabilities_of(p):
    return {which: int(p["status"]["Cap" + which], 16) for which in ("Prm", "Eff", "Bnd")}


def test_of_the_capabilities_of_root_the_monitor_has_its_own(live):
    if not ROOT:
        pytest.skip("needs root: there is no capability to be without")
    have = capabilities_of(live.at["monitor"])
    own = bits(OWN, {"CAP_NET_ADMIN": 12} if filters_are_roots() else {})
    assert have == {"Prm": own, "Eff": own, "Bnd": own | bits(OF_PROGRAMS)}
    (line,) = re.findall(r'capabilities kept="(.*)" for_programs="(.*)"', live.server.log())
    assert set(line[0].split()) - {"CAP_NET_ADMIN"} <= set(OWN) and set(line[1].split()) == set(OF_PROGRAMS)
    login = capabilities_of(live.at["login_template"])
    assert login == dict.fromkeys(login, own | bits(OF_PROGRAMS))


def test_a_template_of_brokers_can_become_users_and_nothing_else(live):
    if not ROOT:
        pytest.skip("needs root: there is no capability to be without")
    have = capabilities_of(live.at["broker_template"])
    three = bits({c: OF_PROGRAMS[c] for c in OF_BROKERS})
    assert have == {"Prm": three, "Eff": three, "Bnd": 0}


def test_no_program_that_a_broker_template_starts_would_have_a_capability(live):
    if not ROOT:
        pytest.skip("needs root: there is no capability to be without")
    assert int(live.at["broker_template"]["status"]["CapBnd"], 16) == 0


def test_modules_of_the_name_service_are_loaded_before_the_fork(live):
    """Those that /etc/nsswitch.conf names for users and groups, and that are installed."""
    if "login_asleep" not in live.at:
        pytest.skip("no login by PAM without root, or under AddressSanitizer")
    wanted = set()
    with open("/etc/nsswitch.conf", encoding="utf-8") as f:
        for line in f:
            words = line.partition("#")[0].split()
            if words and words[0] in ("passwd:", "group:", "shadow:", "initgroups:"):
                wanted |= {f"libnss_{w}.so.2" for w in words[1:] if w.isalnum()}
    wanted -= {"libnss_files.so.2"}
    known = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True,
                           check=False).stdout
    wanted = {w for w in wanted if w in known}
    if not wanted:
        pytest.skip("only files serve users and groups here")
    mapped = {os.path.basename(what) for _, _, _, what in live.at["login_template"]["maps"]}
    assert wanted <= mapped


def test_nobody_else_is_root(live):
    """Whatever is root is the monitor, a template of broker or login, or a login."""
    if not ROOT:
        pytest.skip("needs root: other identities")
    for moment, p in live.at.items():
        assert ("0" in p["status"]["Uid"].split()) == (moment in PRIVILEGED), moment
        assert (p["status"]["Seccomp"] == "2") == (
            moment not in PRIVILEGED and moment != "worker_template"), moment


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
