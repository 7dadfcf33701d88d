"""Uploads over TLS that do not end by close_notify are never complete (truncation attack).

Whoever is on the way can end a TCP connection; only the client can say close_notify. What
came is kept as a partial file that REST or APPE goes on with, the old file stays as it was.
"""

import os
import socket
from contextlib import suppress

import pytest

import rawtls
from ftpclient import HELD_UP, Client
from harness import Server, times, wait_until
from rawtls import Peer, RawClient, TLSError

VERSIONS = ["1.2", "1.3"]
OLD = b"the old file"
CONTENT = os.urandom(70000)
CLOSE_NOTIFY = b"\x01\x00"


@pytest.fixture(scope="module")
def one(world):
    s = Server(world, "ends", data_connect_timeout="5 s", handshake_timeout="5 s")
    s.start()
    yield s
    s.stop()


@pytest.fixture(params=VERSIONS)
def session(request, one):
    c = RawClient.of(one, version=request.param, timeout=10)
    yield c
    c.abandon()


@pytest.fixture
def place(one):
    return one.folder()


# ---- ways to end: each gets a connection over which all content but the last has gone ---------
def fin(data, last):
    data.sendall(last)
    data.sock.shutdown(socket.SHUT_WR)


def close(data, last):
    data.sendall(last)
    data.sock.close()


def reset(data, last):
    data.sendall(last)
    Client.reset(data.sock)


def encrypted(data, last):
    """The record of the last bytes, unsent."""
    data.put(last)
    return data.take()


def in_a_record(data, last):
    """FIN in the middle of a record."""
    out = encrypted(data, last)
    data.sock.sendall(out[:-len(last) // 2])
    data.sock.shutdown(socket.SHUT_WR)


def in_a_header(data, last):
    data.sock.sendall(encrypted(data, last)[:3])
    data.sock.shutdown(socket.SHUT_WR)


def plain_alert(data, last):
    """A close_notify that somebody on the way has made up."""
    data.sendall(last)
    data.sock.sendall(rawtls.record(21, CLOSE_NOTIFY))
    data.sock.shutdown(socket.SHUT_WR)


def plain_alert_as_data(data, last):
    """The same, in the clothes of an encrypted record of TLS 1.3."""
    data.sendall(last)
    data.sock.sendall(rawtls.record(23, CLOSE_NOTIFY + b"\x15"))
    data.sock.shutdown(socket.SHUT_WR)


def bent_close_notify(data, last):
    data.sendall(last)
    data.close_notify()
    out = data.take()
    data.sock.sendall(out[:-1] + bytes([out[-1] ^ 1]))
    data.sock.shutdown(socket.SHUT_WR)


def half_a_close_notify(data, last):
    data.sendall(last)
    data.close_notify()
    data.sock.sendall(data.take()[:-1])
    data.sock.shutdown(socket.SHUT_WR)


def bent_record(data, last):
    out = encrypted(data, last)
    data.close_notify()
    data.sock.sendall(out[:-1] + bytes([out[-1] ^ 1]) + data.take())


def record_left_out(data, last):
    """The last record is missing, close_notify is not."""
    encrypted(data, last)
    data.close_notify()
    data.sock.sendall(data.take())


def record_twice(data, last):
    out = encrypted(data, last)
    data.close_notify()
    data.sock.sendall(out + out + data.take())


def records_swapped(data, last):
    first, second = encrypted(data, last[:100]), encrypted(data, last[100:])
    data.close_notify()
    data.sock.sendall(second + first + data.take())


def fatal_alert(data, last):
    """The client itself gives up: not a good end."""
    data.sendall(last)
    data.give(rawtls.record(23, b"not a record at all" * 2))
    with suppress(TLSError):
        data.recv(10)                   # libssl answers by bad_record_mac
    data.flush()


ENDS = [fin, close, reset, in_a_record, in_a_header, plain_alert, plain_alert_as_data,
        bent_close_notify, half_a_close_notify, bent_record, record_left_out, record_twice,
        records_swapped, fatal_alert]


def start(c, line, rest=None):
    r, data = c.transfer(line, rest=rest)
    assert r.code == 150, r
    return data


def cut_short(c, line, end, rest=None, content=CONTENT):
    """An upload that ends the wrong way: its final reply."""
    data = start(c, line, rest)
    with suppress(ConnectionError):
        data.sendall(content[:-400])
        end(data, content[-400:])
    r = c.reply()
    with suppress(OSError):
        data.close()
    return r


@pytest.mark.parametrize("end", ENDS, ids=lambda f: f.__name__)
def test_a_cut_upload_is_never_stored(session, place, end, tried):
    """STOR over an old file and to a new name, APPE, STOU, and STOR that goes on."""
    c, n = session, 0
    c.expect(250, "CWD " + place.ftp)
    for line in ("STOR over", "STOR new", "APPE grown", "APPE begun", "STOU"):
        place.make("over", OLD)
        place.make("grown", OLD)
        before = set(place.names())
        r = cut_short(c, line, end)
        assert r.code in (426, 451), (line, r)
        # what is there of it is no file under a final name
        assert place.read("over") == OLD, line
        # bytes added to a file are written in place (broker/upload.h): then only ours
        assert place.read("grown").startswith(OLD), line
        assert (OLD + CONTENT).startswith(place.read("grown")), line
        assert not place.path("new").exists() and not place.path("begun").exists()
        assert not [x for x in set(place.names()) - before if not x.startswith(".")], line
        n += 1
    tried("uploads cut without close_notify", n)


@pytest.mark.parametrize("line", ["STOR part", "APPE part"])
@pytest.mark.parametrize("end", [fin, reset, in_a_record, plain_alert],
                         ids=lambda f: f.__name__)
def test_a_cut_upload_can_be_gone_on_with(session, place, line, end, tried):
    """Cut a second time in its continuation, and whole at the end."""
    c = session
    c.expect(250, "CWD " + place.ftp)
    assert cut_short(c, "STOR part", end).code in (426, 451)
    for cuts in range(2):
        have = int(c.expect(213, "SIZE part").text.split()[1])
        assert have <= len(CONTENT)
        assert not place.path("part").exists()
        rest = have if line.startswith("STOR") else None
        # what lies there is what was sent; never a byte that a forger added
        if cuts == 0 and len(CONTENT) - have > 0:
            continue_with = CONTENT[have:]
            r = cut_short(c, line, end, rest, continue_with)
            assert r.code in (426, 451), r
            assert not place.path("part").exists()
        else:
            data = start(c, line, rest)
            with data:
                data.sendall(CONTENT[have:])
                c.finish(data)
            assert c.reply().code == 226
            assert place.read("part") == CONTENT
            break
        tried("uploads cut without close_notify", 2)


def test_bytes_behind_close_notify_are_not_of_the_file(session, place):
    """After the end nothing counts: neither records nor noise."""
    c = session
    c.expect(250, "CWD " + place.ftp)
    for n, behind in enumerate([b"more " * 100, b"", rawtls.record(23, b"x" * 100)]):
        data = start(c, f"STOR f{n}")
        data.sendall(CONTENT)
        data.close_notify()
        data.sock.sendall(data.take() + behind)
        assert c.reply().code == 226
        data.close()
        assert place.read(f"f{n}") == CONTENT


def test_a_connection_that_ends_before_its_handshake_is_no_empty_file(session, place):
    """Nor one whose handshake is ended by an alert that anybody could have sent."""
    c = session
    c.expect(250, "CWD " + place.ftp)
    place.make("over", OLD)
    for how in ("fin", "reset", "hello, fin", "hello, alert", "hello, alert, fin"):
        listener = c.active()
        assert c.cmd("STOR over").code == 150
        s, _ = listener.accept()
        listener.close()
        s.settimeout(5 * HELD_UP)
        if "hello" in how:
            peer = Peer(s, version=c.tls_["version"], session=c.sock.session)
            peer.step()
            peer.flush()
            assert s.recv(1)
        if "alert" in how:
            s.sendall(rawtls.record(21, CLOSE_NOTIFY))
        if how == "reset":
            Client.reset(s)
        elif "fin" in how:
            s.shutdown(socket.SHUT_WR)
        r = c.reply()
        assert r.code in (425, 426, 522), (how, r)
        s.close()
        assert place.read("over") == OLD, how


@pytest.mark.parametrize("how", ["fin", "reset", "alert", "bent"])
def test_a_cut_download_is_no_success(one, session, place, how, tried):
    """The client goes away in the middle: 426, and the session serves on."""
    c = session
    big = os.urandom(8 << 20)
    place.make("big", big)
    c.expect(250, "CWD " + place.ftp)
    for _ in range(times(2, 20)):
        data = start(c, "RETR big")
        assert data.recv(1000)
        if how == "fin":
            data.sock.close()
        elif how == "reset":
            Client.reset(data.sock)
        elif how == "alert":
            data.sock.sendall(rawtls.record(21, CLOSE_NOTIFY))
            Client.reset(data.sock)
        else:
            data.sock.sendall(rawtls.record(23, os.urandom(100)))
            data.sock.close()
        assert c.reply().code in (426, 451)
        data.close()
        tried("downloads cut")
    assert c.retr("RETR big") == big


def test_no_partial_is_left_open_by_a_worker(one, session):
    """The descriptors of cut uploads are closed: the session would run out of them."""
    pid = one.worker_of(session)
    assert wait_until(lambda: len(os.listdir(f"/proc/{pid}/fd")) < 12)
