"""The jail's own server: no TLS, no disk syncs, so that a test can try thousands of times."""

import pytest

from harness import Server
from jail_rows import Outside


@pytest.fixture(scope="session")
def _jail_server(world):
    s = Server(world, "jail", cleartext_networks=["127.0.0.0/8", "::1/128"], durable=False,
               log_level="debug")
    try:
        s.start()
        yield s
        s.stop()
    finally:
        s.kill()


@pytest.fixture
def jailer(_jail_server):
    """The server of these tests."""
    return _jail_server.revive()


@pytest.fixture
def cell(jailer):
    """A fresh folder of its guest."""
    return jailer.folder()


@pytest.fixture
def inmate(jailer, cell):
    """A session of its guest, in that folder."""
    c = jailer.login(tls=None)
    c.expect(250, "CWD " + cell.ftp)
    yield c
    c.abandon()


@pytest.fixture
def outside(jailer):
    """A tree beside the jail; after the test not a byte, mode or time of it has changed."""
    o = Outside(jailer, jailer.dir / f"outside-{next(jailer.folders)}")
    before = o.state()
    yield o
    assert o.state() == before, "something outside of the jail has changed"
