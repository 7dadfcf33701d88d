"""What the machine around it does to a session is a reply, and no death of a process."""

import os
import resource
from contextlib import contextmanager, suppress

import procfs
import pytest

LIMIT = 1 << 20


@contextmanager
def file_size(limit):
    """Whoever is started meanwhile may not write a larger file (ulimit -f, LimitFSIZE=)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def limited(make_server):
    with file_size(LIMIT):
        return make_server(cleartext_networks=["127.0.0.0/8"])


def send(c, data, content):
    """As much as is taken: it may be refused before all is sent."""
    with data, suppress(OSError):
        data.sendall(content)
        c.finish(data)


@pytest.mark.parametrize("tls", ["explicit", None])
def test_a_file_beyond_the_limit_of_its_size_is_552(limited, tls):
    folder = limited.folder()
    c = limited.login(tls=tls)
    c.expect(250, "CWD " + folder.ftp)
    for line, size in (("STOR big", 4 << 20), ("STOR just", LIMIT + 1), ("STOU", LIMIT + 1)):
        r, data = c.transfer(line)
        assert r.code == 150, r
        send(c, data, bytes(size))
        assert c.reply().code == 552, line
    c.stor("STOR whole", bytes(LIMIT))
    assert folder.path("whole").stat().st_size == LIMIT
    r, data = c.transfer("APPE whole")
    send(c, data, b"x")
    assert c.reply().code == 552
    assert not folder.path("big").exists() and not folder.path("just").exists()
    c.expect(200, "NOOP")
    c.quit()


def test_a_log_that_may_not_grow_ends_nothing(server):
    pid = server.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        c = server.login()
        c.expect(200, "NOOP")
        c.quit()
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    server.login().quit()


@pytest.mark.parametrize("which", ["server", "clear_server"])
def test_a_file_that_becomes_shorter_is_451(request, which):
    """In clear and by TLS; no page of it that could be gone is mapped."""
    s = request.getfixturevalue(which)
    folder = s.folder()
    folder.make("f", os.urandom(64 << 20))
    c = s.login(tls="explicit" if which == "server" else None)
    r, data = c.transfer(f"RETR {folder.ftp}/f")
    assert data.recv(1000)
    workers = procfs.of_kind(s.pid, "sallyport-worker")
    assert workers and not [m for w in workers for m in procfs.mappings(w) if m[3].endswith("/f")]
    os.truncate(folder.path("f"), 0)
    with data, suppress(OSError):       # TLS says that it was cut
        while data.recv(1 << 20):
            pass
    assert c.reply().code == 451
    c.expect(200, "NOOP")
    c.quit()
