"""The system calls of worker, broker, keyholder and ledger: what is off their lists is refused."""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import harness
import inject
import live
import procfs
from harness import wait_until

TOP = Path(__file__).resolve().parent.parent.parent
SIDES = ["worker", "worker-tls", "broker", "broker-read", "keyholder", "ledger"]

# How many system calls each list has: one more is a decision, not an accident.
LISTED = {"worker": 37, "worker-tls": 37, "broker": 46, "broker-read": 28, "keyholder": 20,
          "ledger": 40}


def run_side(world, tried, side, *argv):
    """Number of tries by what was tried; the program's text."""
    program = world.build / f"sandbox-{side}"
    if not program.exists():
        pytest.fail(f"{program} is not built; make check builds it")
    r = subprocess.run([str(program), *map(str, argv)], stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=50)
    print(r.stdout)
    assert r.returncode == 0, r.stdout[-4000:]
    counts = {what: int(n) for n, what in re.findall(r"(?m)^tried (\d+) (.*)$", r.stdout)}
    for what, n in counts.items():
        tried(what, n)
    return counts, r.stdout


@pytest.mark.slow
@pytest.mark.parametrize("side", SIDES)
def test_every_call_off_the_list_is_refused(world, tried, side):
    """Each number of the kernel's table, each value of a narrowed argument, other gates."""
    world.not_sanitized("its runtime needs calls of its own")
    counts, _ = run_side(world, tried, side, "calls")
    on = counts[f"system calls on the list of the {side}: allowed"]
    off = counts[f"system calls off the list of the {side}: refused"]
    assert on + off >= 590
    if platform.machine() == "x86_64":
        assert on == LISTED[side], "the list has changed; is that meant?"


@pytest.mark.parametrize("file", ["src/worker/sandbox.c", "src/broker/sandbox.c",
                                  "tls/keyholder/sandbox.c", "src/ledger/sandbox.c",
                                  "src/process/seccomp.c"])
def test_every_allowed_call_has_its_reason(tried, file):
    bare = []
    for n, line in enumerate((TOP / file).read_text().splitlines(), 1):
        if not re.match(r"\s+(ALLOW|\{ (CALL|SCMP))", line):
            continue
        tried("reasons of allowed system calls", len(re.findall(r"ALLOW|\{ ", line)) or 1)
        if not re.search(r"/\* .*\w{3}.* ?\*/", line):
            bare.append(f"{file}:{n}: {line.strip()}")
    assert not bare, "allowed without a reason:\n" + "\n".join(bare)


# ---- Landlock alone -----------------------------------------------------------------------

@pytest.mark.parametrize("side", SIDES)
def test_landlock_holds_without_chroot_and_filter(world, tried, side, scratch):
    for folder in ("", "jail", "jail/a", "jail/b", "empty"):
        (scratch / folder).mkdir(exist_ok=True)
        os.chmod(scratch / folder, 0o777)
    for file in ("out", "jail/in"):
        (scratch / file).write_text("x")
        os.chmod(scratch / file, 0o666)
    for file in ("run", "jail/run"):
        shutil.copy("/bin/true", scratch / file)
        os.chmod(scratch / file, 0o755)
    (scratch / "jail/way").symlink_to("../out")
    for above in scratch.parents:           # pytest's own directories are for one user alone
        if above.stat().st_uid == os.geteuid() and above not in (Path("/"), Path("/tmp")):
            os.chmod(above, above.stat().st_mode | 0o011)
    counts, text = run_side(world, tried, side, "outside", scratch)
    if "no Landlock" in text:
        pytest.skip("this kernel has no Landlock")
    assert counts[f"things that Landlock alone refuses a {side}"] >= 29
    assert (scratch / "out").read_text() == "x"
    assert {p.name for p in scratch.iterdir()} == {"out", "run", "jail", "empty"}


# ---- in the live processes ----------------------------------------------------------------

DANGEROUS = ["open", "openat", "socket", "connect", "execve", "fork", "clone", "clone3",
             "ptrace", "kill", "bind", "mount", "setuid", "chroot", "unshare", "bpf",
             "io_uring_setup", "keyctl", "userfaultfd", "process_vm_readv", "memfd_create",
             "prctl", "pidfd_getfd"]


@pytest.fixture(scope="module")
def victim(world):
    inject.require()
    world.not_sanitized("its runtime needs calls of its own")
    s = harness.Server(world, "calls", cleartext_networks=["127.0.0.0/8"], violation_ban=0)
    s.start()
    yield s
    s.stop()


def in_a_worker(server):
    return live.connected(server, tls=None)


def in_a_broker(server):
    client, _, pid = live.logged_in(server, tls=None)
    return client, pid


@pytest.mark.slow
@pytest.mark.expects(r"sandbox\.violation")
@pytest.mark.parametrize("side,begin", [("worker", in_a_worker), ("broker", in_a_broker)])
def test_a_forbidden_call_ends_that_session_alone(victim, tried, side, begin):
    """Made in the running process, each in a session of its own. (Those of the same template
    are not spared, if they have a worker's address or a broker's account:
    tests/e2e/test_siblings.py.)"""
    bystander = victim.login("reader", tls=None, source="127.0.0.2")
    for name in DANGEROUS:
        client, pid = begin(victim)
        mark = victim.mark()
        # the monitor may kill it between its message and its end
        assert inject.call(pid, name) in (("exited", 159), ("killed", 9)), name
        line = victim.wait_log(r"sandbox\.violation", mark)
        assert f"side={side} call={name} pid={pid}" in line, line
        assert client.closed(), name
        client.abandon()
        assert not procfs.alive(pid)
        tried(f"forbidden calls made in a live {side}")
    bystander.expect(200, "NOOP")
    bystander.quit()


# Landlock has no rule for the mode, the times, the owner and the attributes of a file.
CHANGES = ["fchmod", "fchmodat2", "chmod", "fchmodat", "fchown", "fchownat", "utimensat",
           "fsetxattr", "fremovexattr", "ftruncate", "fallocate", "unlinkat", "renameat2",
           "mkdirat", "linkat", "symlinkat", "copy_file_range", "flock"]


@pytest.mark.expects(r"sandbox\.violation")
def test_a_broker_that_may_only_read_has_no_call_that_changes(victim, tried):
    for name in CHANGES:
        client, _, pid = live.logged_in(victim, "reader", tls=None)
        mark = victim.mark()
        assert inject.call(pid, name) in (("exited", 159), ("killed", 9)), name
        line = victim.wait_log(r"sandbox\.violation", mark)
        assert f"side=broker call={name} pid={pid}" in line, line
        client.abandon()
        tried("calls that change something made in a live broker that may only read")
    client, _, pid = live.logged_in(victim, tls=None)
    assert inject.call(pid, "fchmod") == ("returned", -9)       # EBADF: this one may write
    client.quit()


@pytest.mark.expects(r"sandbox\.violation")
@pytest.mark.expects(r"keyholder\.ended")
def test_a_forbidden_call_ends_the_keyholder_and_a_new_one_comes(victim, tried):
    for name in DANGEROUS[:harness.times(2, len(DANGEROUS))]:
        pid = live.keyholder(victim)
        mark = victim.mark()
        assert inject.call(pid, name) == ("exited", 159), name
        line = victim.wait_log(r"sandbox\.violation", mark)
        assert f"side=keyholder call={name}" in line, line
        assert wait_until(lambda: procfs.of_kind(victim.pid, "sallyport-keyholder") - {pid}, 20)
        client = victim.login()
        client.quit()
        tried("forbidden calls made in a live keyholder")
