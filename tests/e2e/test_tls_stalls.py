"""TLS peers that stall, trickle and flood, on both channels: dropped in time, at no cost.

The server has short waits; while an attacker holds his connection, another session works.
"""

import os
import socket
import threading
import time
from contextlib import suppress

import pytest

from ftpclient import HELD_UP
from patience import Stopwatch
import rawtls
from harness import LONG, Server
from rawtls import Peer, RawClient, ended

HANDSHAKE = 1                       # seconds, as the server below has it
IN_TIME = HANDSHAKE + 3             # for a machine that is busy with other tests
VERSIONS = ["1.2", "1.3"]
CONTENT = b"for the other " * 100


@pytest.fixture(scope="module")
def short(world):
    s = Server(world, "stalls", handshake_timeout=f"{HANDSHAKE} s", data_connect_timeout="6 s",
               login_timeout="5 s", idle_timeout="1 min", signatures_burst=1000,
               signatures_rate=1000)
    s.start()
    yield s
    s.stop()


@pytest.fixture
def place(short):
    f = short.folder()
    f.make("f", CONTENT)
    return f


def cpu(pid):
    """Seconds of CPU that a process has used; 0 once it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
    except OSError:
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---- how a handshake can come to nothing ------------------------------------------------------
# Each gets a socket and a Peer that may shake hands over it; it ends when the server did.
def pause(sock, seconds):
    """Waits, or less if the server is through with us: True then."""
    sock.settimeout(seconds)
    try:
        while True:
            if not sock.recv(65536):
                return True
    except TimeoutError:
        return False
    except OSError:
        return True


def trickle(sock, data, at_once, every=0.05):
    """data in pieces, until the server ends it."""
    for at in range(0, len(data), at_once):
        with suppress(OSError):
            sock.sendall(data[at:at + at_once])
        if pause(sock, every):
            return
    pause(sock, 30)


def first_flight(peer):
    peer.step()
    return peer.take()


def nothing(sock, peer):
    pause(sock, 30)


def half_a_header(sock, peer):
    sock.sendall(first_flight(peer)[:3])
    pause(sock, 30)


def half_a_hello(sock, peer):
    sock.sendall(first_flight(peer)[:60])
    pause(sock, 30)


def hello_by_the_byte(sock, peer):
    trickle(sock, first_flight(peer), 1)


def hello_in_records(sock, peer):
    """A ClientHello of which each record has one byte."""
    body = first_flight(peer)[rawtls.RECORD:]
    trickle(sock, b"".join(rawtls.record(22, body[i:i + 1], 0x0301)
                           for i in range(len(body))), 6)


def endless_hello(sock, peer):
    """A handshake message that claims 16 MiB, and brings them, in time or not."""
    head = b"\x01\xff\xff\xff" + b"\x03\x03" + bytes(1000)
    trickle(sock, rawtls.record(22, head) * 2000, 40000, 0.01)


def stop_after_server_hello(sock, peer):
    sock.sendall(first_flight(peer))
    pause(sock, 30)


def never_finished(sock, peer):
    """All but the last byte of the last flight."""
    sock.settimeout(5 * HELD_UP)
    sock.sendall(first_flight(peer))
    out = b""
    while not out:
        data = sock.recv(65536)
        if not data:
            return
        peer.give(data)
        peer.step()
        out = peer.take()
    sock.sendall(out[:-1])
    pause(sock, 30)


def empty_records(sock, peer):
    trickle(sock, rawtls.record(22, b"", 0x0301) * 3000, 5000, 0.01)


def warnings(sock, peer):
    sock.sendall(first_flight(peer))
    trickle(sock, rawtls.record(21, b"\x01\x5a") * 3000, 7000, 0.01)    # user_canceled


def change_cipher_specs(sock, peer):
    sock.sendall(first_flight(peer))
    trickle(sock, rawtls.record(20, b"\x01") * 3000, 6000, 0.01)


STALLS = [nothing, half_a_header, half_a_hello, hello_by_the_byte, hello_in_records,
          endless_hello, stop_after_server_hello, never_finished, empty_records, warnings,
          change_cipher_specs]


def together(version, begin_one, clients):
    """All stalls at once, each on a socket that begin_one made: (threads, what they took)."""
    took = {}

    def one(how, client):
        sock = begin_one(client)
        begin = Stopwatch()
        with Peer(sock, version=version) as peer:
            with suppress(OSError):
                how(sock, peer)
            if ended(sock, 10) is not None:
                took[how.__name__] = begin.own()

    threads = [threading.Thread(target=one, args=x, daemon=True)
               for x in zip(STALLS, clients)]
    for t in threads:
        t.start()
    return threads, took


def watch(short, place, threads, took, workers):
    """Another session is served meanwhile; every stall ended in time, and cost little."""
    other = short.login()
    n = 0
    while any(t.is_alive() for t in threads):
        assert other.retr(f"RETR {place.ftp}/f") == CONTENT
        n += 1
        time.sleep(0.05)
    assert n >= 2, "another session was not served meanwhile"
    for how in STALLS:
        assert took.get(how.__name__, 99) < IN_TIME, (how.__name__, took)
    assert sum(map(cpu, workers)) < 1
    other.quit()


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("tls", ["explicit", "implicit"])
def test_a_stalled_handshake_of_a_control_connection_ends_in_time(short, place, version, tls,
                                                                 tried):
    clients = [short.client(tls=None) for _ in STALLS] if tls == "explicit" else STALLS
    workers = [short.worker_of(c) for c in clients] if tls == "explicit" else []

    def begin(client):
        if tls == "implicit":
            return socket.create_connection(("127.0.0.1", short.implicit), 10 * HELD_UP)
        client.expect(234, "AUTH TLS")
        return client.sock

    threads, took = together(version, begin, clients)
    watch(short, place, threads, took, workers)
    tried("stalled handshakes of control connections", len(STALLS))


@pytest.mark.slow
@pytest.mark.parametrize("mode, version", [("active", "1.2"), ("active", "1.3"),
                                           ("passive", "1.3")]
                         + ([("passive", "1.2")] if LONG else []))
def test_a_stalled_handshake_of_a_data_connection_ends_in_time(short, place, version, mode,
                                                              tried):
    clients = [RawClient.of(short, version=version, timeout=20) for _ in STALLS]
    workers = [short.worker_of(c) for c in clients]
    line = f"RETR {place.ftp}/f"

    def begin(client):
        if mode == "passive":
            s = socket.create_connection(client.passive(), 10 * HELD_UP)
            assert client.cmd(line).code == 150
            return s
        with client.active() as listener:
            assert client.cmd(line).code == 150
            return listener.accept()[0]

    threads, took = together(version, begin, clients)
    watch(short, place, threads, took, workers)
    for how, c in zip(STALLS, clients):
        r = c.reply()
        assert r.code in (425, 426, 522), (how.__name__, r)
        assert c.retr(line) == CONTENT          # the session itself goes on
        c.quit()
    tried("stalled handshakes of data connections", len(STALLS))


# ---- floods inside an established connection -------------------------------------------------
class Flood(threading.Thread):
    """KeyUpdates as fast as the server takes them, for some seconds or until it ends."""

    def __init__(self, peer, kind, seconds):
        super().__init__(daemon=True)
        self.peer, self.kind, self.seconds = peer, kind, seconds
        self.sent, self.ended = 0, False

    def run(self):
        sock, end = self.peer.sock, time.monotonic() + self.seconds
        sock.settimeout(0.2)
        waiting = b""
        while time.monotonic() < end and not self.ended:
            if not waiting:
                for _ in range(500):
                    self.peer.key_update(self.kind == "asking")
                waiting = self.peer.take()
                self.sent += 500
            try:
                waiting = waiting[sock.send(waiting):]
            except TimeoutError:
                pass
            except OSError:
                self.ended = True


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "asking"] if LONG else ["plain"])
def test_a_flood_of_key_updates_does_not_stop_the_clocks_of_a_session(short, place, kind,
                                                                      tried):
    """Nobody logs in: the deadline for that ends the session in the middle of the flood."""
    other = short.login()
    mark = short.mark()
    c = RawClient.of(short, None, version="1.3")
    f = Flood(c.sock, kind, 20)
    f.start()
    while f.is_alive():
        assert other.retr(f"RETR {place.ftp}/f") == CONTENT
        time.sleep(0.05)
    assert f.ended
    if kind == "plain":         # the worker saw its clock; it had not to be killed
        assert "process.killed" not in short.log(mark)
    tried("KeyUpdates in floods", f.sent)
    c.abandon()
    other.quit()


@pytest.mark.parametrize("kind", ["plain", "asking"])
@pytest.mark.parametrize("line", ["STOR {}/up", "RETR {}/f"])
def test_a_flood_of_key_updates_on_a_data_connection_does_not_hold_up_its_session(
        short, place, kind, line, tried):
    """Commands are heard, and ABOR ends it; an upload of nothing else is never stored."""
    os.truncate(place.make("f"), 256 << 20)      # more than all buffers on the way
    c = RawClient.of(short, version="1.3", timeout=5 * short.world.slower)
    _, data = c.transfer(line.format(place.ftp))
    f = Flood(data, kind, 4)
    f.start()
    time.sleep(0.3)
    begin = Stopwatch()
    c.send("NOOP")
    c.send("ABOR")
    codes = [c.reply().code for _ in range(3)]
    assert begin.own() < 2 * short.world.slower, "commands waited behind a flood"
    # the transfer may have failed by then: its 426 comes first
    assert codes in ([200, 426, 226], [426, 200, 226], [426, 200, 225]), codes
    f.join(6)
    data.sock.close()
    tried("KeyUpdates in floods", f.sent)
    assert not place.path("up").exists()
    c.quit()
