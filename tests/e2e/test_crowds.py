"""Sessions in which nobody logs in keep nobody out."""

import socket

import pytest

from harness import PASSWORD, wait_until


@pytest.fixture
def small(make_server):
    return make_server(max_sessions=40, max_sessions_per_address=8)


def hold(server, source):
    """A connection that says nothing."""
    s = socket.socket()
    s.settimeout(10)
    s.bind((source, 0))
    s.connect(("127.0.0.1", server.port))
    return s


def is_open(s):
    """Says whether the server still serves it; reads what it has sent."""
    s.setblocking(False)
    try:
        while True:
            got = s.recv(4096)
            if got == b"" or got.startswith(b"421"):
                return False
    except BlockingIOError:
        return True
    except OSError:
        return False


def test_ten_addresses_keep_nobody_out(small):
    inside = small.login(source="127.0.4.1")
    held = []
    try:
        for n in range(120):
            held.append(hold(small, f"127.0.5.{n % 10 + 1}"))
        # half of the places is what all of them have
        assert wait_until(lambda: sum(map(is_open, held)) <= 20, 20)
        for n in range(6):
            c = small.login(source=f"127.0.6.{n + 1}")
            assert c.cmd("NOOP").code == 200
            c.quit()
            held.append(hold(small, f"127.0.5.{n + 1}"))
        assert inside.cmd("NOOP").code == 200
        assert any(map(is_open, held))
        small.wait_log(r"session\.closed reason=crowded|session\.dropped")
    finally:
        for s in held:
            s.close()
    inside.quit()


def test_a_colleague_of_silent_clients_logs_in(small):
    held = [hold(small, "127.0.7.1") for _ in range(4)]
    try:
        # 4 of 8 are less than the 16 that there is always room for
        c = small.login(source="127.0.7.1")
        assert c.cmd("NOOP").code == 200
        assert all(map(is_open, held))
        c.quit()
    finally:
        for s in held:
            s.close()


def test_who_logs_out_is_counted_again(small):
    """REIN makes a session one of those without a login, and a login takes it out."""
    c = small.login(source="127.0.8.1")
    assert c.cmd("REIN").code == 220
    held = []
    try:
        for n in range(60):
            held.append(hold(small, f"127.0.5.{n % 10 + 1}"))
        assert wait_until(lambda: sum(map(is_open, held)) <= 20, 20)
        # from where there is only this one it is not the one that goes
        c.login("guest", PASSWORD)
        assert c.cmd("NOOP").code == 200
    finally:
        for s in held:
            s.close()
    c.quit()
