"""tls_kernel = true, on whatever kernel this is: all works; where it cannot, that is said.

That the kernel does seal is looked for by tests/kernel, under a kernel that can.
"""

import errno
import os
import socket

import pytest

from harness import Server

CONTENT = os.urandom(3 << 20)


def kernel_has_tls():
    with socket.socket() as s:
        try:
            s.setsockopt(socket.IPPROTO_TCP, 31, b"tls")        # TCP_ULP
        except OSError as e:
            return e.errno == errno.ENOTCONN
    return True


@pytest.fixture(scope="module")
def one(world):
    s = Server(world, "kernel", tls_kernel=True)
    s.start()
    yield s
    s.stop()


def test_a_kernel_that_cannot_is_told_of_at_start(one):
    told = "tls.kernel available=false" in one.log()
    assert told != kernel_has_tls()


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("size", [0, 1, 16384, 16385, 300_000, len(CONTENT)])
def test_what_is_stored_comes_back(one, version, size):
    c = one.login(version=version)
    c.expect(250, "CWD " + one.folder().ftp)
    c.stor("STOR there", CONTENT[:size])
    assert c.retr("RETR there") == CONTENT[:size]
    assert c.retr("RETR there", rest=size // 2) == CONTENT[size // 2:size]
    assert c.names("NLST") == ["there"]
    c.quit()


def test_ascii_and_many_in_a_row(one):
    c = one.login()
    c.expect(250, "CWD " + one.folder().ftp)
    c.stor("STOR lines", b"one\ntwo\n" * 5000)
    c.expect(200, "TYPE A")
    assert c.retr("RETR lines") == b"one\r\ntwo\r\n" * 5000
    c.expect(200, "TYPE I")
    for _ in range(20):
        assert c.retr("RETR lines") == b"one\ntwo\n" * 5000
    c.quit()
