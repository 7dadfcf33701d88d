"""The server in a container, and under the lines with which systemd hardens a unit.

tests/sandbox/confined.c refuses what they refuse.
"""

import os

import pytest

import harness
from harness import PAM_PASSWORD, PAM_SERVICE, PAM_USER, needs_root

DOCKER = ["docker", "docker-capabilities"]


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


def test_users_of_the_system_log_in_in_a_container(make_server):
    needs_root()
    server = make_server(walls=DOCKER, auth=["users", "pam"], pam_service=PAM_SERVICE)
    is_served(server, PAM_USER, PAM_PASSWORD)
