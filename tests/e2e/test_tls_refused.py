"""What TLS here refuses: bytes in front of it, old versions, weak suites, wrong names.

Hellos are made by hand (rawtls.hello), so that what libssl no longer has is asked for, too;
each table has a row that is served, or it would prove nothing. On both channels.
"""

import os
import socket
import ssl
from contextlib import suppress

import pytest

import rawtls
from ftpclient import HELD_UP, Client
from harness import PASSWORD, Server
from rawtls import Peer, RawClient, TLSError, answer, hello

VERSIONS = ["1.2", "1.3"]
CONTENT = b"for the owner " * 100
HANDSHAKE_FAILURE, PROTOCOL_VERSION, INAPPROPRIATE_FALLBACK = 40, 70, 86
ILLEGAL_PARAMETER, DECODE_ERROR, UNRECOGNIZED_NAME = 47, 50, 112
ECDHE = 0xC02F                      # ECDHE-RSA-AES128-GCM-SHA256
SERVED = (0xC02B, 0xC02C, 0xC02F, 0xC030, 0xCCA8, 0xCCA9)


@pytest.fixture(scope="module")
def short(world):
    s = Server(world, "refused", handshake_timeout="3 s", data_connect_timeout="3 s",
               signatures_burst=10000, signatures_rate=1000)
    s.start()
    yield s
    s.stop()


@pytest.fixture
def place(short):
    f = short.folder()
    f.make("f", CONTENT)
    return f


# ---- bytes in front of the handshake ---------------------------------------------------------
BEHIND = {
    "a command": b"USER guest\r\n", "a login": b"USER guest\r\nPASS x\r\nDELE f\r\n",
    "half a command": b"USER gu", "a letter": b"U", "an empty line": b"\r\n",
    "a bare LF": b"\n", "a ClientHello": hello([ECDHE]),
    "half a ClientHello": hello([ECDHE])[:20], "an alert": rawtls.record(21, b"\1\0"),
}


def served(peer):
    """Does it come to a handshake, and to a reply?"""
    with suppress(OSError), peer:
        peer.handshake()
        peer.sendall(b"NOOP\r\n")
        return peer.recv(4096) != b""
    return False


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("when", ["same segment", "next segment", "behind the ClientHello"])
def test_nothing_that_came_in_clear_is_taken_into_tls(short, behind, when, tried):
    c = short.client(tls=None)
    mark = short.mark()
    if when == "same segment":
        c.raw(b"AUTH TLS\r\n" + BEHIND[behind])
        assert c.reply().code == 503
        assert c.closed(5)
        c.abandon()
    elif when == "next segment":            # before or behind the 234, as it happens
        c.raw(b"AUTH TLS\r\n")
        c.raw(BEHIND[behind])
        if c.reply().code == 234:
            assert not served(Peer(c.sock))
    else:
        c.expect(234, "AUTH TLS")
        peer = Peer(c.sock)
        peer.step()
        c.raw(peer.take() + BEHIND[behind])
        assert not served(peer)
    if when == "same segment":
        short.wait_log(r"tls\.injection reason=bytes-behind-auth", mark)
    tried("bytes in clear behind AUTH TLS")


def test_half_a_telnet_sequence_does_not_reach_into_tls(short):
    """Not a byte of it would be a command, but the first one inside could be lost to it."""
    for half in (b"\xff", b"\xff\xfa", b"\xff\xfb", b"\xff\xf4\xff\xf2"):
        c = short.client(tls=None)
        c.raw(b"AUTH TLS\r\n" + half)
        if c.reply().code == 503:
            assert c.closed(5)
        else:
            c.secure()
            assert c.cmd("SYST").code == 215
        c.abandon()


@pytest.mark.parametrize("before", [b"USER guest\r\n", b"\r\n", b"X", b"\0\0\0\0\0",
                                    b"GET / HTTP/1.1\r\n"])
def test_bytes_before_the_handshake_of_implicit_tls_end_it(short, before, tried):
    s = socket.create_connection(("127.0.0.1", short.implicit), 5 * HELD_UP)
    s.settimeout(5 * HELD_UP)
    s.sendall(before)
    with pytest.raises(OSError), Peer(s) as peer:
        peer.handshake()
        peer.recv(100)
    tried("bytes in clear before implicit TLS")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("command", ["STOR", "RETR"])
def test_bytes_before_the_handshake_of_a_data_connection_end_it(short, place, version, command,
                                                               tried):
    """And cost the rightful connection behind nothing."""
    c = RawClient.of(short, version=version, timeout=10)
    line = f"{command} {place.ftp}/" + ("up" if command == "STOR" else "f")
    for before in (b"injected", b"\n", b"\x00" * 200, b"\x17\x03\x03\x00\x08injected"):
        where = c.passive()
        bad, good = (socket.create_connection(where, 5 * HELD_UP) for _ in range(2))
        bad.settimeout(5 * HELD_UP)
        good.settimeout(10 * HELD_UP)
        bad.sendall(before)
        assert c.cmd(line).code == 150
        with pytest.raises(OSError), Peer(bad, version=version,
                                          session=c.sock.session) as peer:
            peer.handshake()
            peer.recv(100)
        with c.wrap_data(good) as data:
            if command == "STOR":
                data.sendall(CONTENT)
                c.finish(data)
            else:
                assert Client.receive(data) == CONTENT
        assert c.reply().code == 226
        if command == "STOR":
            assert place.read("up") == CONTENT
        tried("bytes in clear before TLS on data connections")
    c.quit()


# ---- what is negotiated ------------------------------------------------------------------------
NOT_SERVED = {
    "RSA key exchange": (0x002F, 0x0035, 0x003C, 0x003D, 0x009C, 0x009D, 0x0041, 0x0084,
                         0x0096, 0xC09C, 0xC09D),
    "ECDHE, CBC, SHA-1": (0xC009, 0xC00A, 0xC013, 0xC014),
    "ECDHE, CBC, SHA-2": (0xC023, 0xC024, 0xC027, 0xC028),
    "finite field DH": (0x0033, 0x0039, 0x0067, 0x006B, 0x009E, 0x009F, 0xCCAA, 0x0016),
    "static DH and ECDH": (0x0031, 0x0037, 0xC004, 0xC005, 0xC00E, 0xC00F, 0xC02D, 0xC031),
    "anonymous": (0x0018, 0x001B, 0x0034, 0x003A, 0x00A6, 0x00A7, 0xC016, 0xC018, 0xC019),
    "NULL": (0x0000, 0x0001, 0x0002, 0x003B, 0xC001, 0xC006, 0xC010, 0xC015),
    "EXPORT": (0x0003, 0x0006, 0x0008, 0x0011, 0x0014, 0x0017, 0x0019),
    "RC4": (0x0004, 0x0005, 0xC007, 0xC011), "DES": (0x0009, 0x0012, 0x0015, 0x001A),
    "3DES": (0x000A, 0x0013, 0xC008, 0xC012, 0xC003, 0xC00D), "IDEA and SEED": (0x0007, 0x0096),
    "PSK and SRP": (0x008C, 0x00A8, 0xC035, 0xC037, 0xD001, 0xC01D, 0xC020),
    "Kerberos": (0x001E, 0x0026),
    "TLS 1.3, in a hello of TLS 1.2": (0x1301, 0x1302, 0x1303),
}
SERVED_HELLOS = [(f"{n:04x}", [n], {}) for n in SERVED] + [
    ("all at once", [n for row in NOT_SERVED.values() for n in row] + [ECDHE], {}),
    ("compression, or not", [ECDHE], {"compressions": b"\1\0"}),
]
REFUSED_HELLOS = [(name, row, {}, {HANDSHAKE_FAILURE}) for name, row in NOT_SERVED.items()] + [
    (f"{n:04x}", [n], {}, {HANDSHAKE_FAILURE}) for row in NOT_SERVED.values() for n in row
] + [
    ("SSL 3.0", [ECDHE, 0x002F, 0x000A], {"version": 0x0300},
     {PROTOCOL_VERSION, HANDSHAKE_FAILURE}),
    ("TLS 1.0", [ECDHE, 0xC013, 0x002F], {"version": 0x0301}, {PROTOCOL_VERSION}),
    ("TLS 1.1", [ECDHE, 0xC013, 0x002F], {"version": 0x0302}, {PROTOCOL_VERSION}),
    ("fallback", [ECDHE, 0x5600], {}, {INAPPROPRIATE_FALLBACK}),
    ("small curves", SERVED, {"groups": (1, 2, 3, 15, 16, 17, 18, 19, 20, 21)},
     {HANDSHAKE_FAILURE}),
    ("no group", SERVED, {"groups": ()}, {HANDSHAKE_FAILURE, DECODE_ERROR}),
    ("SHA-1 signatures", SERVED, {"sigalgs": (0x0201, 0x0202, 0x0203)}, {HANDSHAKE_FAILURE}),
    ("MD5 and SHA-224", SERVED, {"sigalgs": (0x0101, 0x0301, 0x0302, 0x0303)},
     {HANDSHAKE_FAILURE}),
    ("only compressed", [ECDHE], {"compressions": b"\1"},
     {ILLEGAL_PARAMETER, DECODE_ERROR, HANDSHAKE_FAILURE}),
]
SSL_2 = b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + b"\x01\x00\x80\x02\x00\x80\x03\x00" \
    b"\x80\x04\x00\x80\x05\x00\x80\x06\x00\x40\x07\x00\xc0" + bytes(16)


class Control:
    def __init__(self, server):
        self.server = server

    def open(self):
        return socket.create_connection(("127.0.0.1", self.server.implicit), 5 * HELD_UP)


class Data:
    """Data connections of one session, some to each listener."""

    def __init__(self, server):
        self.client = RawClient.of(server, timeout=15)
        self.uses = 0

    def open(self):
        if self.uses % 4 == 0:
            self.where = self.client.passive()
        self.uses += 1
        return socket.create_connection(self.where, 5 * HELD_UP)


@pytest.fixture(params=["control", "data"])
def channel(request, short):
    return (Control if request.param == "control" else Data)(short)


def said(channel, first):
    with channel.open() as s:
        s.sendall(first)
        return answer(s)


def test_what_is_served_is_served(channel, tried):
    for name, suites, options in SERVED_HELLOS:
        a = said(channel, hello(suites, **options))
        assert a[0] == "hello" and a[1] in suites and a[1] in SERVED, (name, a)
        assert a[2] == 0, "compression was chosen"
    tried("ClientHellos that are served", len(SERVED_HELLOS))


@pytest.mark.limit(90)
def test_weak_versions_suites_groups_and_signatures_are_refused(short, place, channel, tried):
    for name, suites, options, alerts in REFUSED_HELLOS:
        a = said(channel, hello(suites, **options))
        assert a[0] == "alert" and a[1] in alerts, (name, a)
    with channel.open() as s:
        s.sendall(SSL_2)
        assert rawtls.ended(s, 5) is not None
    tried("ClientHellos that are refused", len(REFUSED_HELLOS) + 1)
    if isinstance(channel, Data):       # the session is none the worse for it
        assert channel.client.retr(f"RETR {place.ftp}/f") == CONTENT
        channel.client.quit()


def test_suites_of_tls_1_3_are_those_of_the_standard_without_ccm_8(short):
    for suite, fine in (("TLS_AES_128_GCM_SHA256", True), ("TLS_AES_256_GCM_SHA384", True),
                        ("TLS_CHACHA20_POLY1305_SHA256", True),
                        ("TLS_AES_128_CCM_8_SHA256", False), ("TLS_AES_128_CCM_SHA256", False)):
        s = socket.create_connection(("127.0.0.1", short.implicit), 5 * HELD_UP)
        s.settimeout(5 * HELD_UP)
        with Peer(s, version="1.3", suites=suite) as peer:
            if fine:
                peer.handshake()
                assert peer.version() == "TLSv1.3"
            else:
                with pytest.raises(TLSError, match="alert handshake failure"):
                    peer.handshake()


# ---- renegotiation ---------------------------------------------------------------------------
def test_renegotiation_is_refused_on_both_channels(short, place, tried):
    c = RawClient.of(short, version="1.2", timeout=10)
    content = os.urandom(8 << 20)
    place.make("big", content)
    _, data = c.transfer(f"STOR {place.ftp}/up")
    data.sendall(b"x" * 50000)
    data.renegotiate()
    with pytest.raises(TLSError, match="no renegotiation"):
        data.recv(1000)
    data.close()
    assert c.reply().code == 426
    assert not place.path("up").exists()
    # what a client sends into a download is not read, so nothing comes of it
    _, data = c.transfer(f"RETR {place.ftp}/big")
    got = data.recv(1000)
    data.renegotiate()
    with suppress(TLSError):
        while more := data.recv(65536):
            got += more
    assert content.startswith(got)
    data.close()
    assert c.reply().code in (226, 426)
    assert c.retr(f"RETR {place.ftp}/big") == content
    c.sock.renegotiate()
    with pytest.raises(TLSError, match="no renegotiation"):
        c.sock.recv(1000)
    tried("renegotiations", 3)
    c.abandon()


# ---- server names ----------------------------------------------------------------------------
STRANGE = ["www.example.test", "a.b.wild.example.test", "wild.example.test",
           "files.example.test.evil.test", "xfiles.example.test",
           "127.0.0.1.example.test"]


@pytest.fixture
def named(make_server, world):
    def make(**settings):
        certs = world.certs
        one = certs.make("sni", "ec", ["DNS:files.example.test", "DNS:*.wild.example.test"])
        return make_server(certificate=[one.chain], certificate_key=[one.key],
                           handshake_timeout="3 s", data_connect_timeout="3 s", **settings)
    return make


@pytest.mark.slow
def test_a_server_name_that_is_not_ours_is_refused(named, tried):
    """A browser that a man in the middle sent here asked for a web server (ALPACA)."""
    s = named(server_names=["alias.example.test"])
    folder = s.folder()
    folder.make("f", CONTENT)
    n = 0
    for version in VERSIONS:
        for name in STRANGE:
            mark = s.mark()
            with pytest.raises(TLSError, match="alert.*unrecognized name|unrecognized name"):
                RawClient.of(s, None, version=version, server_name=name)
            line = s.wait_log(r"tls\.refused reason=server-name", mark)
            assert f"name={name} " in line and "remedy=server_names" in line, line
            n += 1
        for name in ("files.example.test", "FILES.example.test", "a.wild.example.test",
                     "files.example.test.", "alias.example.test.", "localhost.",
                     "alias.example.test", "localhost", "127.0.0.1", "::1", "2001:db8::1",
                     None):
            c = RawClient.of(s, version=version, server_name=name)
            assert c.retr(f"RETR {folder.ftp}/f") == CONTENT
            n += 1
            # on data connections other names of ours will do, others will not
            for other, fine in ((None, True), ("localhost", True), ("files.example.test", True),
                                ("www.example.test", version == "1.2")):
                c.server_name = other
                where = c.passive()
                first, second = (socket.create_connection(where, 5 * HELD_UP) for _ in range(2))
                first.settimeout(5 * HELD_UP)
                second.settimeout(10 * HELD_UP)
                assert c.cmd(f"RETR {folder.ftp}/f").code == 150
                if fine:
                    with c.wrap_data(first) as data:
                        assert Client.receive(data) == CONTENT
                else:
                    with pytest.raises(TLSError, match="unrecognized name"):
                        c.wrap_data(first)
                    first.close()
                    c.server_name = name
                    with c.wrap_data(second) as data:
                        assert Client.receive(data) == CONTENT
                second.close()
                assert c.reply().code == 226
                n += 1
            c.quit()
    tried("server names asked for", n)


def test_a_star_allows_every_server_name(named):
    s = named(server_names=["*"])
    for version in VERSIONS:
        for name in STRANGE:
            RawClient.of(s, None, version=version, server_name=name).quit()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("offered", [["h2"], ["http/1.1"], ["h2", "http/1.1"], ["smtp", "imap"],
                                     ["ftp-data2"], ["FTP"], ["acme-tls/1"]])
def test_alpn_of_other_protocols_is_refused_on_data_connections_too(short, place, version,
                                                                  offered):
    c = RawClient.of(short, version=version, timeout=10)
    where = c.passive()
    bad, good = (socket.create_connection(where, 5 * HELD_UP) for _ in range(2))
    bad.settimeout(5 * HELD_UP)
    good.settimeout(10 * HELD_UP)
    assert c.cmd(f"RETR {place.ftp}/f").code == 150
    with pytest.raises(TLSError, match="no application protocol"):
        c.wrap_data(bad, alpn=offered)
    with c.wrap_data(good, alpn=["ftp"]) as data:
        assert Client.receive(data) == CONTENT
    assert c.reply().code == 226
    c.quit()


# ---- HTTP ------------------------------------------------------------------------------------
HTTP = ["GET / HTTP/1.1", "get / HTTP/1.1", "GeT /x HTTP/0.9", "HEAD / HTTP/1.1",
        "POST /upload HTTP/1.1", "post / HTTP/1.0", "PUT /f HTTP/1.1", "DELETE /f HTTP/1.1",
        "OPTIONS * HTTP/1.1", "CONNECT a.example:21 HTTP/1.1", "TRACE / HTTP/1.1",
        "PATCH / HTTP/1.1", "PROPFIND / HTTP/1.1", "PRI * HTTP/2.0", "Host: a.example:21",
        "host:a.example", "User-Agent: x", "Content-Length: 10", "Cookie: a=b",
        "GET /" + "a" * 9000 + " HTTP/1.1\r\nHost: a.example"]


@pytest.mark.parametrize("tls, user", [(None, None), ("explicit", None), ("implicit", None),
                                       ("explicit", "guest")])
def test_http_on_the_control_connection_ends_it_before_the_next_line(short, place, tls, user,
                                                                    tried):
    """A form in a browser can post commands; a browser always sends HTTP in front of them."""
    for n, request in enumerate(HTTP):
        c = short.client(tls=tls)
        if user:
            c.login(user, PASSWORD)
        mark = short.mark()
        c.raw(f"{request}\r\nSYST\r\nMKD {place.ftp}/made{n}\r\nUSER guest\r\n".encode())
        replies = []
        with suppress(EOFError, OSError):
            while True:
                replies.append(c.reply().code)
        # an overlong line is 500 by itself; its headers give it away
        assert replies == ([500, 421] if len(request) > 4000 else [421]), (request, replies)
        assert not place.path(f"made{n}").exists()
        short.wait_log(r"control\.http reason=cross-protocol", mark)
        c.abandon()
    tried("HTTP requests on control connections", len(HTTP))


def test_commands_that_look_a_little_like_http_are_no_http(short):
    c = short.login()
    for line in ("OPTS UTF8 ON", "HELP", "OPTIONS", "PUTX /f", "GETTING x", "SITE HELP",
                 "STAT /", "EHLO a.example", "HELO a", "MAIL FROM:<a@b>", "DATA"):
        assert 200 <= c.cmd(line).code < 600
    assert c.cmd("NOOP").code == 200
    c.quit()


def test_no_client_certificate_is_asked_for_on_data_connections(make_server):
    """z/OS fails on a CertificateRequest; also where a full handshake is allowed."""
    s = make_server(resumption_required=False)
    for version in VERSIONS:
        c = s.client(tls=None, version=version, resume=None)
        c.watch_handshakes()
        c.auth()
        c.login("guest", PASSWORD)
        c.names("NLST")
        assert c.handshakes
        assert not [m for _, _, m in c.handshakes
                    if m == ssl._TLSMessageType.CERTIFICATE_REQUEST]
        c.quit()
