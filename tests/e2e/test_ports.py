"""Passive ports where there are few of them: each comes back, and nobody has them all."""

import socket

import pytest

from ftpclient import HELD_UP
from harness import wait_until

NOBODY = 27300          # below the ports that the kernel gives to whoever connects


def small(make_server, least, count, **settings):
    return make_server(passive_port_least=NOBODY + least,
                       passive_port_most=NOBODY + least + count - 1,
                       cleartext_networks=["127.0.0.0/8"], **settings)


def connect(c, where, source="127.0.0.1"):
    s = socket.create_connection(where, 10 * HELD_UP, (source, 0))
    s.settimeout(15 * HELD_UP)
    return s


def takes(c):
    return c.cmd("EPSV").code == 229


def test_a_port_that_nobody_uses_comes_back(make_server):
    s = small(make_server, 0, 1, data_connect_timeout="1 s")
    idle, other = s.login(tls=None), s.login(tls=None)
    where = idle.passive()
    mark = s.mark()
    assert other.cmd("EPSV").code == 425        # at once, and the log says what helps
    s.wait_log(r"passive\.short ports=27300-27300 held=1 remedy=.*passive_port_most", mark)
    assert other.cmd("EPSV").code == 425
    assert wait_until(lambda: takes(other), 20, 0.1), "the port is held for ever"
    assert s.log(mark).count("passive.short") == 1
    r = idle.cmd("NLST")
    assert r.code == 425 and "PASV or EPSV again" in r.text, r
    assert other.cmd("ABOR").code == 225
    assert wait_until(lambda: takes(idle), 20, 0.1)
    with connect(idle, where) as data:
        idle.expect(150, "NLST")
        idle.receive(data)
    assert idle.reply().code == 226
    for c in (idle, other):
        c.quit()


def test_who_connected_in_time_is_served_later(make_server):
    """In clear the connection waits for its command, whatever becomes of the port."""
    s = small(make_server, 10, 1, data_connect_timeout="1 s")
    folder = s.folder()
    folder.make("f", b"content")
    c, other = s.login(tls=None), s.login(tls=None)
    with connect(c, c.passive()) as data:
        assert wait_until(lambda: takes(other), 20, 0.1)
        c.expect(150, f"RETR {folder.ftp}/f")
        assert c.receive(data) == b"content"
    assert c.reply().code == 226
    other.quit()
    c.quit()


def test_a_port_is_others_while_its_transfer_runs(make_server):
    s = small(make_server, 20, 1, data_connect_timeout="10 min")
    folder = s.folder()
    with open(folder.make("large"), "r+b") as f:
        f.truncate(64 << 20)
    busy, other = s.login(tls=None), s.login(tls=None)
    with connect(busy, busy.passive()) as data:
        busy.expect(150, f"RETR {folder.ftp}/large")
        assert len(data.recv(1000)) > 0
        assert wait_until(lambda: takes(other), 20, 0.1), "held as long as the transfer"
        assert 1000 + len(busy.receive(data)) >= 64 << 20
    assert busy.reply().code == 226
    for c in (busy, other):
        c.quit()


@pytest.mark.parametrize("sources, account", [
    (["127.0.0.1"] * 6, "other"),                               # one address has them all
    ([f"127.0.0.{n}" for n in range(11, 17)], "other"),         # one account has them all
], ids=["address", "account"])
def test_who_holds_most_gives_way(make_server, sources, account):
    s = small(make_server, 30 if sources[0] == sources[1] else 40, 6)
    s.add_user(account, jail=s.make_jail(account))
    crowd = [s.login(tls=None, source=source) for source in sources]
    ports = [c.passive() for c in crowd]
    mine = [s.login(account, tls=None, source="127.0.0.9") for _ in range(4)]
    assert not takes(s.login(tls=None, source=sources[0]))      # one more of theirs: none
    where = [c.passive() for c in mine[:3]]     # a half: then both have the same
    assert mine[3].cmd("EPSV").code == 425
    # the oldest ones gave way; the others have what they were given
    for c, at, source in list(zip(crowd, ports, sources))[3:]:
        with connect(c, at, source) as data:
            c.expect(150, "NLST")
            c.receive(data)
        assert c.reply().code == 226
    for c in crowd[:3]:
        assert c.cmd("NLST").code in (425, 150)
    with connect(mine[0], where[0], "127.0.0.9") as data:
        mine[0].expect(150, "NLST")
        mine[0].receive(data)
    assert mine[0].reply().code == 226
    for c in mine:
        assert c.cmd("NOOP").code == 200
        c.quit()
    for c in crowd[3:]:
        c.quit()
    for c in crowd[:3]:
        c.abandon()
