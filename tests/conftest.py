"""Fixtures of all tests that run the real server: tests/e2e, tests/sandbox.

The server under test lies in the build directory named by SALLYPORT_BUILD (else ../build
beside this folder). SALLYPORT_KEEP=1 leaves its files and logs behind for reading.
"""

import os
import resource
import signal
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent / "e2e"))

import harness  # noqa: E402  (after the path is set)
from ftpclient import Client  # noqa: E402
from patience import Stopwatch  # noqa: E402


def pytest_configure(config):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item, nextitem):
    """No test hangs: an alarm ends it, in set-up and tear-down, too."""
    if threading.current_thread() is not threading.main_thread():
        yield           # pytest-xdist may run tests elsewhere, where there are no signals
        return
    marker = item.get_closest_marker("limit")
    seconds = (marker.args[0] if marker else 60) * harness.times(1, 5) * harness.SLOWER
    watch = Stopwatch()

    def ring(signum, frame):
        if watch.own() > seconds:
            # no OSError, which TimeoutError is: tests catch those
            pytest.fail(f"the test took longer than {seconds} s")

    old = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, 10)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


_tried = Counter()


@pytest.fixture(scope="session")
def tried():
    """tried("what", n) adds to the numbers that stand at the end of the run."""
    def add(what, n=1):
        _tried[what] += n
    return add


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):         # one of several, under pytest-xdist
        session.config.workeroutput["tried"] = dict(_tried)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    _tried.update(getattr(node, "workeroutput", {}).get("tried", {}))


def pytest_terminal_summary(terminalreporter):
    if _tried:
        terminalreporter.section("tried")
        for what, n in sorted(_tried.items()):
            terminalreporter.write_line(f"tried: {n:7d} {what}")


@pytest.fixture(scope="session")
def world():
    """Build directory, scratch directory, certificates and system users of this run."""
    w = harness.World()
    w.require_build()
    w.prepare()
    yield w
    for s in list(harness.Server.running):      # whose fixture failed before it ended them
        s.kill()
    w.clean()


def _running(world, name, **settings):
    s = harness.Server(world, name, **settings)
    try:
        s.start()
    except BaseException:
        s.kill()
        raise
    return s


@pytest.fixture(scope="session")
def _default_server(world):
    s = _running(world, "default")
    yield s
    s.stop()


@pytest.fixture(scope="session")
def _clear_server(world):
    s = _running(world, "clear", cleartext_networks=["127.0.0.0/8", "::1/128"])
    yield s
    s.stop()


@pytest.fixture
def server(_default_server):
    """The server as it is configured by default, but for paths, ports and cheap hashes."""
    return _default_server.revive()


@pytest.fixture
def clear_server(_clear_server):
    """A server that lets clients of the loopback log in and transfer without TLS."""
    return _clear_server.revive()


@pytest.fixture
def make_server(world, request):
    """A factory of servers with special settings, ended with the test."""
    made = []

    def make(name=None, **settings):
        s = _running(world, name or request.node.name, **settings)
        made.append(s)
        return s

    yield make
    for s in made:
        s.stop()


@pytest.fixture(autouse=True)
def quiet_log(request):
    """After each test: nobody crashed, no sandbox was touched, no message was malformed."""
    marks = {s: s.mark() for s in harness.Server.running}
    yield
    allowed = [m.args[0] for m in request.node.iter_markers("expects")]
    bad = []
    for s in harness.Server.all_of(marks):
        bad += s.alarms(marks.get(s, 0), allowed)
    assert not bad, "the log has alarms:\n" + "\n".join(bad)


@pytest.fixture
def folder(server):
    """A fresh folder of this test in the jail of the default server's guest."""
    return server.folder()


@pytest.fixture
def clear_folder(clear_server):
    return clear_server.folder()


@pytest.fixture
def ftp(server, folder):
    """A guest's session over explicit TLS, in its fresh folder."""
    c = server.login()
    assert c.cmd("CWD " + folder.ftp).code == 250
    yield c
    c.abandon()


@pytest.fixture
def clear_ftp(clear_server, clear_folder):
    """The same without TLS."""
    c = clear_server.login(tls=None)
    assert c.cmd("CWD " + clear_folder.ftp).code == 250
    yield c
    c.abandon()


@pytest.fixture
def scratch(tmp_path):
    """A directory for local files of clients."""
    os.chmod(tmp_path, 0o755)
    return tmp_path


@pytest.fixture
def client_class():
    return Client
