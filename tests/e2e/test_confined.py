"""The server in a container, and under the lines with which systemd hardens a unit.

tests/sandbox/confined.c refuses what they refuse. Where a session could not be served, the start
fails, and says what is missing.
"""

import os
import re
import shutil

import pytest

import harness
import procfs
from harness import PAM_PASSWORD, PAM_SERVICE, PAM_USER, needs_root, run

DOCKER = ["docker", "docker-capabilities"]
ANY_UID = 1000680000


def is_served(server, user="guest", password=harness.PASSWORD):
    """All that a session asks of the kernel: TLS, every way of a file, names, modes, a listing."""
    content = os.urandom(3 << 20)
    for tls in ("explicit", "implicit"):
        c = server.login(user, password, tls=tls)
        c.stor("STOR one", content)
        c.stor("STOR one", content[::-1])       # over an older one
        c.stor("STOR one", b"rest", rest=1 << 20)
        assert c.retr("RETR one") == content[::-1][:1 << 20] + b"rest"
        c.expect(257, "MKD directory")
        c.expect(200, "SITE CHMOD 640 one")
        c.expect(213, "MFMT 20200102030405 one")
        c.expect(350, "RNFR one")
        c.expect(250, "RNTO directory/two")
        assert c.names("NLST directory") and c.names("MLSD") and c.names("LIST -a")
        c.expect(250, "DELE directory/two")
        c.expect(250, "RMD directory")
        c.quit()


@pytest.mark.parametrize("walls", [
    ["docker"], DOCKER, ["docker", "no-new-privileges"], ["namespaces"], ["write-execute"],
    ["namespaces", "write-execute", "no-new-privileges"],
], ids="-".join)
def test_sessions_are_served(make_server, walls):
    """No clone3(2), no namespaces, no memory to execute, and 14 capabilities are enough."""
    if "docker-capabilities" in walls:
        needs_root()
    server = make_server(walls=walls)
    is_served(server)
    assert "wall.failed" not in server.log() and "error" not in server.log()


def test_users_of_the_system_log_in_in_a_container(world, make_server):
    world.not_sanitized("LeakSanitizer needs calls that are refused here")
    needs_root()
    server = make_server(walls=DOCKER, auth=["users", "pam"], pam_service=PAM_SERVICE)
    is_served(server, PAM_USER, PAM_PASSWORD)


def test_any_uid_with_group_0_and_a_root_file_system_to_read(world, request):
    """As OpenShift runs containers; what the server writes lies in one directory."""
    needs_root()
    s = harness.Server(world, "any-uid", accounts=False)
    s.walls = ["docker", f"ids={ANY_UID}:0", f"read-only={s.dir}"]
    request.addfinalizer(s.stop)
    s.settings.update(certificate=str(s.dir / "chain"), certificate_key=str(s.dir / "key"))
    shutil.copy(world.certs.ec.chain, s.dir / "chain")
    shutil.copy(world.certs.ec.key, s.dir / "key")
    s.write()
    s.jail().mkdir(parents=True)
    for path in (s.dir, s.jail().parent, s.jail(), s.dir / "chain", s.dir / "key"):
        os.chown(path, ANY_UID, 0)
    run(world.build / "sallyport", "-c", s.file, "user", "add", "guest", "--jail", s.jail(),
        "--password-stdin", input=harness.PASSWORD + "\n", user=ANY_UID, group=0,
        extra_groups=[])
    s.start()
    is_served(s)
    assert os.listdir(s.jail()) == []


@pytest.mark.parametrize("walls, says, does", [
    (["without=clone:EPERM"], "call=clone", "SystemCallFilter="),
    (["without=pidfd_open:ENOSYS"], "call=pidfd_open", "SystemCallFilter="),
    (["without=splice:EPERM"], "call=splice", "seccomp profile of the container"),
    (["suid-sgid"], "call=openat2", "remove RestrictSUIDSGID="),
    (["without=openat2:EPERM"], "call=openat2", "container runtime"),
    (["without=seccomp:EPERM"], "call=seccomp", "SystemCallFilter="),
    (["without=statx:kill"], "call=statx signal=31", "SystemCallFilter="),
], ids=lambda x: x if isinstance(x, str) else "-".join(x))
def test_a_call_that_sessions_need_is_missing(world, walls, says, does):
    """Before "ready", and by name: with the first client it would be too late."""
    world.not_sanitized("LeakSanitizer needs calls that are refused here")
    is_refused(world, walls, says, does)


@pytest.mark.parametrize("walls, says", [
    (["without=chroot:EPERM"], "call=chroot"), (["without=chroot:kill"], "call=chroot signal=31"),
    (["without=setresuid:EPERM"], "call=setresuid"),
    (["without=setgroups:EPERM"], "call=setgroups"),
    (["without-capability=18"], "capability=CAP_SYS_CHROOT"),
    (["without-capability=7"], "capability=CAP_SETUID"),
    (["without-capability=6"], "capability=CAP_SETGID"),
    (["without-capability=5"], "capability=CAP_KILL"),
], ids=lambda x: x if isinstance(x, str) else "-".join(x))
def test_root_without_what_makes_it_root(world, walls, says):
    needs_root()
    is_refused(world, walls, says, "SystemCallFilter=|CapabilityBoundingSet=")


def test_programs_keep_an_ambient_capability(make_server):
    """As a PAM module may need that mounts homes: login starts with it, nobody else has it."""
    needs_root()
    sys_admin = 1 << 21
    server = make_server(walls=[*DOCKER[:1], "ambient=21"])
    is_served(server)
    for kind, has in (("login", True), ("broker", False), ("worker", False)):
        pid = min(procfs.of_kind(server.pid, "sallyport-" + kind))
        for which in ("CapPrm", "CapBnd"):
            assert bool(int(procfs.status(pid)[which], 16) & sys_admin) == has, (kind, which)
    for which in ("CapPrm", "CapAmb", "CapInh"):
        assert not int(procfs.status(server.pid)[which], 16) & sys_admin, which


def is_refused(world, walls, says, does):
    s = harness.Server(world, "refused", accounts=False, walls=walls)
    s.write()
    s.add_user("guest")
    r = run(*s.command("-F"), check=False, timeout=30)
    assert r.returncode == 1
    line, last = r.stderr.splitlines()[-2:]
    assert "ready" not in r.stderr
    assert f"start.missing {says}" in line and re.search(does, line), r.stderr
    assert 'start.failed fault="sessions could not be served here' in last
