"""What a client far away need not wait for: shown by what it does not send.

A round trip is saved where the server goes on without hearing from the client. So here the
client keeps back what it would send, and what should come has to come all the same.
"""

import os
import socket
import ssl
from contextlib import suppress

import pytest

from ftpclient import HELD_UP, Client

CONTENT = os.urandom(100000)


class Half:
    """A data connection over TLS whose client's half of the handshake is kept back."""

    def __init__(self, client, hello=None):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = client.context.wrap_bio(self.incoming, self.outgoing,
                                           server_hostname="localhost",
                                           session=client.sock.session)
        with suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        self.hello = hello or self.outgoing.read()
        self.sock = None

    def connect(self, address):
        self.sock = socket.create_connection(address)
        self.sock.settimeout(20 * HELD_UP)
        return self

    def say_hello(self):
        self.sock.sendall(self.hello)

    def raw(self):
        """All that the server sends, to its FIN."""
        parts = []
        while part := self.sock.recv(65536):
            parts.append(part)
        return b"".join(parts)

    def receive(self):
        """What that says, to the close_notify which has to be there."""
        self.incoming.write(self.raw())
        self.tls.do_handshake()
        parts = []
        with suppress(ssl.SSLZeroReturnError):
            while part := self.tls.read(65536):
                parts.append(part)
        return b"".join(parts)


@pytest.fixture
def client(server):
    c = server.login(version="1.3")
    yield c
    c.abandon()


@pytest.mark.parametrize("first", ["hello", "command"])
@pytest.mark.parametrize("line", ["RETR {}/f", "MLSD {}", "NLST {}"])
def test_a_download_does_not_wait_for_the_clients_half(client, folder, line, first):
    """File, close_notify, FIN and 226 behind the server's half, a round trip earlier."""
    folder.make("f", CONTENT)
    for _ in range(2):                  # a new ticket came with the reply to EPSV
        address = client.passive()
        half = Half(client).connect(address)
        if first == "hello":
            half.say_hello()
        client.send(line.format(folder.ftp))
        if first == "command":
            assert client.reply().code == 150
            half.say_hello()
        got = half.receive()
        assert half.tls.session_reused
        assert (got == CONTENT) if line.startswith("RETR") else (b"f\r\n" in got)
        if first == "hello":
            assert client.reply().code == 150
        assert client.reply().code == 226
        half.sock.sendall(half.outgoing.read())         # at last, and nobody needs it
        half.sock.close()
    folder.make("g", b"after that")
    assert client.retr(f"RETR {folder.ftp}/g") == b"after that"
    client.quit()


def test_a_recorded_client_hello_does_not_take_the_owners_place(client, folder):
    """Who listened in and sends it once more gets no file, and the owner still does."""
    folder.make("f", CONTENT)
    address = client.passive()
    recorded = Half(client).connect(address)
    client.send(f"RETR {folder.ftp}/f")
    assert client.reply().code == 150
    recorded.say_hello()
    assert recorded.receive() == CONTENT
    assert client.reply().code == 226
    recorded.sock.close()
    address = client.passive()
    echo = Half(client, recorded.hello).connect(address)
    echo.say_hello()
    assert echo.sock.recv(1)            # the server has answered it
    client.send(f"RETR {folder.ftp}/f")
    assert client.reply().code == 150
    owner = client.wrap_data(socket.create_connection(address, 20 * HELD_UP))
    assert owner.session_reused
    with owner:
        assert Client.receive(owner) == CONTENT
    assert client.reply().code == 226
    assert len(echo.raw()) < 1000       # its half of a handshake, and no file
    echo.sock.close()
    client.quit()


def test_an_upload_waits_for_the_clients_half(client, folder):
    """Its bytes could be nobody else's, but are not read before."""
    address = client.passive()
    half = Half(client).connect(address)
    client.send(f"STOR {folder.ftp}/f")
    assert client.reply().code == 150
    half.say_hello()
    while True:
        half.incoming.write(half.sock.recv(65536))
        with suppress(ssl.SSLWantReadError):
            half.tls.do_handshake()
            break
    half.tls.write(CONTENT)
    with suppress(ssl.SSLWantReadError):
        half.tls.unwrap()
    half.sock.sendall(half.outgoing.read())
    assert client.reply().code == 226
    half.sock.close()
    assert folder.read("f") == CONTENT
    client.quit()
