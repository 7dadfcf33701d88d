"""TLS on the control connection: versions, names, certificates, ALPN, misuse, deadlines."""

import os
import re
import socket
import ssl

import pytest

from ftpclient import HELD_UP
from harness import PASSWORD, Server, run
from patience import Stopwatch


def s_client(server, *options, implicit=False, host="127.0.0.1", text="QUIT\r\n", timeout=20):
    port = server.implicit if implicit else server.port
    argv = ["openssl", "s_client", "-connect", f"{host}:{port}", "-CAfile",
            server.world.certs.ca, "-crlf", *options]
    if not implicit:
        argv += ["-starttls", "ftp"]
    return run(*argv, input=text, check=False, timeout=timeout)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("tls", ["explicit", "implicit"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_every_version_way_and_family(server, folder, version, tls, host):
    c = server.login(version=version, tls=tls, host=host)
    assert c.sock.version() == "TLSv" + version
    c.expect(250, "CWD " + folder.ftp)
    content = os.urandom(100000)
    r, data = c.transfer("STOR f")
    with data:
        assert data.version() == "TLSv" + version
        assert data.session_reused
        data.sendall(content)
        c.finish(data)
    assert c.reply().code == 226
    assert c.retr("RETR f") == content
    c.quit()


@pytest.mark.parametrize("how", ["TLS", "SSL", "TLS-C", "tls"])
def test_names_of_the_mechanism(server, how):
    c = server.client(tls=None)
    c.auth(how)
    c.login("guest", PASSWORD)
    c.quit()


def test_auth_with_other_mechanisms(server):
    c = server.client(tls=None)
    for how in ("GSSAPI", "KERBEROS_V4", "X"):
        assert c.cmd("AUTH " + how).code in (504, 534)
    assert c.cmd("AUTH").code == 501
    c.auth()
    c.login("guest", PASSWORD)
    assert c.cmd("AUTH TLS").code in (503, 534)
    assert c.cmd("NOOP").code == 200
    c.quit()


@pytest.mark.parametrize("option", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused(server, option):
    r = s_client(server, option, "-cipher", "ALL:@SECLEVEL=0")
    assert r.returncode != 0
    assert "Cipher is (NONE)" in r.stdout, r.stdout
    assert re.search(r"alert protocol version|alert number 70", r.stderr), r.stderr


def test_ciphers_without_forward_secrecy_or_authentication_are_refused(server):
    for cipher in ("AES128-SHA", "AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA", "aNULL", "eNULL"):
        r = s_client(server, "-tls1_2", "-cipher", cipher + ":@SECLEVEL=0")
        assert "Cipher is (NONE)" in r.stdout, cipher


def test_tls_minimum(make_server):
    s = make_server(tls_minimum="1.3")
    s.login(version="1.3").quit()
    with pytest.raises((ssl.SSLError, OSError)):
        s.client(version="1.2")


def test_user_before_tls_is_refused_and_no_password_taken(server):
    c = server.client(tls=None)
    r = c.cmd("USER guest")
    assert r.code in (421, 530, 533, 534), r
    assert re.search(r"TLS", r.text), "the text must say what to do"
    assert c.cmd("PASS " + PASSWORD).code in (503, 530, 533, 534)
    assert c.cmd("PWD").code == 530
    c.auth()
    c.login("guest", PASSWORD)
    c.quit()


@pytest.mark.parametrize("behind", [b"USER guest\r\n", b"NOOP\r\n", b"X", b"\0" * 100])
def test_plaintext_behind_auth_tls_ends_the_session(server, behind):
    """A man in the middle could put commands in front of the protected ones."""
    c = server.client(tls=None)
    c.raw(b"AUTH TLS\r\n" + behind)
    with pytest.raises((OSError, EOFError, ssl.SSLError, AssertionError)):
        if c.reply().code != 234:
            raise EOFError
        c.secure()
        c.login("guest", PASSWORD)
    assert c.closed(5)
    c.abandon()


def test_bytes_that_are_no_tls_end_the_handshake(server):
    c = server.client(tls=None)
    c.expect(234, "AUTH TLS")
    c.raw(b"USER guest\r\nPASS x\r\n")
    assert c.closed(5)
    c.abandon()
    c = server.client(tls=None, greet=False)
    c.abandon()
    s = socket.create_connection(("127.0.0.1", server.implicit), 5 * HELD_UP)
    s.settimeout(5 * HELD_UP)
    s.sendall(b"USER guest\r\n" * 5)
    try:
        while s.recv(1000):
            pass
    except OSError:
        pass
    s.close()


@pytest.mark.slow
def test_handshakes_have_deadlines(make_server):
    s = make_server(handshake_timeout="2 s")
    idle = socket.create_connection(("127.0.0.1", s.implicit), 10 * HELD_UP)
    c = s.client(tls=None)
    c.expect(234, "AUTH TLS")
    c.raw(b"\x16\x03\x01\x02\x00\x01")              # the beginning of a ClientHello
    begin = Stopwatch()
    assert c.closed(8)
    assert 1 < begin.passed() and begin.own() < 6
    idle.settimeout(8 * HELD_UP)
    try:
        while idle.recv(1000):
            pass
    except ConnectionError:
        pass
    idle.close()
    c.abandon()
    s.login().quit()


@pytest.mark.slow
def test_data_handshakes_have_deadlines(make_server):
    s = make_server(handshake_timeout="2 s", data_connect_timeout="3 s")
    folder = s.folder()
    folder.make("f", b"x" * 10)
    c = s.login()
    stalled = socket.create_connection(c.passive(), 5 * HELD_UP)
    r = c.cmd(f"RETR {folder.ftp}/f")
    assert r.code in (125, 150)
    begin = Stopwatch()
    assert c.reply().code in (425, 426, 522)
    assert begin.own() < 12
    stalled.close()
    assert c.retr(f"RETR {folder.ftp}/f") == b"x" * 10
    c.quit()


ALPN = [(None, None), (["ftp"], "ftp"), (["x-filezilla-ftp", "ftp"], "ftp"),
        (["ftp", "x-filezilla-ftp"], "ftp"), (["h2", "ftp"], "ftp")]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("offered, chosen", ALPN)
def test_alpn(server, offered, chosen, version):
    c = server.login(alpn=offered, version=version)
    assert c.sock.selected_alpn_protocol() == chosen
    c.names("NLST")
    c.quit()


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("offered", [["x-filezilla-ftp"], ["http/1.1"], ["h2", "http/1.1"],
                                     ["ftp-data"], ["FTP"]])
def test_alpn_without_ftp_is_refused(server, offered, version):
    """A TLS connection meant for a web server must not end at ours (ALPACA attack)."""
    with pytest.raises((ssl.SSLError, OSError)) as e:
        server.client(alpn=offered, version=version)
    assert "no application protocol" in str(e.value).lower().replace("_", " "), e.value


@pytest.mark.slow
@pytest.mark.parametrize("offered, fine", [(["ftp-data"], True), (["ftp"], True),
                                           (["h2", "ftp-data"], True), (["h2"], False)])
def test_alpn_of_data_connections(make_server, offered, fine):
    s = make_server(data_connect_timeout="2 s", handshake_timeout="2 s")
    c = s.login(alpn=["ftp"])
    c.context.set_alpn_protocols(offered)
    if fine:
        c.names("NLST")
    else:
        with pytest.raises((ssl.SSLError, OSError)):
            c.names("NLST")
        assert c.reply().code in (425, 426, 522)
        c.context.set_alpn_protocols(["ftp"])
        c.names("NLST")
    c.quit()


# ---- certificates ------------------------------------------------------------------------------
def names_of(client):
    return {v for k, v in client.sock.getpeercert().get("subjectAltName", ())}


def test_the_server_name_chooses_the_certificate(make_server, world):
    certs = world.certs
    one = certs.make("files", "ec", ["DNS:files.example.test"])
    wild = certs.make("wild", "rsa", ["DNS:*.wild.example.test"])
    s = make_server(certificate=[certs.ec.chain, one.chain, wild.chain],
                    certificate_key=[certs.ec.key, one.key, wild.key])
    for version in ("1.2", "1.3"):
        for name, san in [("localhost", "localhost"),
                          ("files.example.test", "files.example.test"),
                          ("FILES.example.TEST", "files.example.test"),
                          ("a.wild.example.test", "*.wild.example.test")]:
            c = s.login(server_name=name, version=version)
            assert san in names_of(c), name
            c.names("NLST")
            c.quit()
        context = ssl.create_default_context(cafile=str(certs.ca))
        context.check_hostname = False
        c = s.client(server_name=None, context=context)
        assert "localhost" in names_of(c)
        c.quit()


@pytest.mark.parametrize("kind", ["ec", "rsa", "ec384"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_one_key_of_each_kind(make_server, world, kind, version):
    pair = world.certs.make(f"only-{kind}-{version}", kind, world.certs.NAMES)
    s = make_server(certificate=[pair.chain], certificate_key=[pair.key])
    c = s.login(version=version)
    assert c.retr("LIST") is not None
    c.quit()


def test_rsa_and_ecdsa_side_by_side(server):
    """The client's ciphers decide which of two certificates for one name is shown."""
    for cipher, kind in [("ECDHE-RSA-AES128-GCM-SHA256", "rsa"),
                         ("ECDHE-ECDSA-AES128-GCM-SHA256", "ec")]:
        c = server.login(version="1.2", ciphers=cipher)
        subject = dict(x[0] for x in c.sock.getpeercert()["subject"])
        assert subject["commonName"] == "sallyport test " + kind
        c.names("NLST")
        c.quit()
    for sigalgs, kind in [("rsa_pss_rsae_sha256", "rsa"), ("ecdsa_secp256r1_sha256", "ec")]:
        r = s_client(server, "-tls1_3", "-sigalgs", sigalgs)
        assert "CN = sallyport test " + kind in r.stdout, r.stdout[:2000]


def test_the_chain_is_sent_whole(server):
    r = s_client(server, "-showcerts")
    assert "Verify return code: 0 (ok)" in r.stdout
    assert r.stdout.count("BEGIN CERTIFICATE") >= 2


def test_reload_takes_a_new_certificate_and_keeps_old_sessions(make_server, world):
    s = make_server(certificate=[world.certs.ec.chain], certificate_key=[world.certs.ec.key])
    folder = s.folder()
    folder.make("f", b"still here")
    old = s.login()
    new = world.certs.make("renewed", "ec", world.certs.NAMES)
    s.reload(certificate=[new.chain], certificate_key=[new.key])
    c = s.login()
    subject = dict(x[0] for x in c.sock.getpeercert()["subject"])
    assert subject["commonName"] == "sallyport test renewed"
    for x in (old, c):
        assert x.retr(f"RETR {folder.ftp}/f") == b"still here"
        x.quit()


def test_a_reload_with_a_fault_keeps_the_old_configuration(make_server):
    s = make_server()
    mark = s.mark()
    s.file.write_text(s.file.read_text() + "nonsense = 1\n")
    s.process.send_signal(__import__("signal").SIGHUP)
    s.wait_log(r"nonsense", mark)
    s.login().quit()


def test_no_client_certificate_is_asked_for(server):
    for version in ("1.2", "1.3"):
        context = ssl.create_default_context(cafile=str(server.world.certs.ca))
        c = server.client(tls=None, version=version, context=context)
        c.watch_handshakes()
        c.auth()
        assert not [m for _, d, m in c.handshakes
                    if d == "read" and m == ssl._TLSMessageType.CERTIFICATE_REQUEST]
        c.quit()


def test_the_control_connection_ends_with_close_notify(server):
    c = server.login()
    c.expect(221, "QUIT")
    assert c.sock.recv(100) == b""          # raises SSLEOFError on a bare FIN
    c.abandon()


def test_renegotiation_is_refused(server):
    """TLS 1.2 renegotiation costs the server a signature each time."""
    r = s_client(server, "-tls1_2", text="R\n", timeout=20)
    assert "RENEGOTIATING" in r.stderr and "no renegotiation" in r.stderr, r.stderr


def test_s_client_explicit_and_implicit(server):
    for implicit in (False, True):
        for version in ("-tls1_2", "-tls1_3"):
            r = s_client(server, version, "-alpn", "ftp", implicit=implicit)
            assert "Verify return code: 0 (ok)" in r.stdout, r.stdout[-2000:]
            assert "ALPN protocol: ftp" in r.stdout
            assert version[4:].replace("_", ".") in r.stdout


@pytest.fixture(scope="module")
def hurried(world):
    """Of full handshakes four at once, and four a second."""
    s = Server(world, "hurried", resumption_required=False, signatures_burst=4, signatures_rate=4)
    s.start()
    yield s
    s.stop()


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_who_makes_a_full_handshake_for_each_file_waits_and_loses_none(hurried, version):
    """Nor is anybody else kept: who resumes needs no signature."""
    folder, mark = hurried.folder(), hurried.mark()
    c, other = hurried.login(resume=None, version=version), hurried.login("reader")
    assert c.cmd("CWD " + folder.ftp).code == 250
    begin = Stopwatch()
    for n in range(1, 13):
        c.stor(f"STOR f{n}", b"x" * 100)
        assert n <= 4 + 4 * (begin.passed() + 1), \
            f"{n} full handshakes in {begin.passed():.1f} s, where the rate is 4 a second"
        other.names("NLST")
    assert len(folder.names()) == 12
    log = hurried.log(mark)
    assert "signature.waits user=guest" in log and "signature.limited" not in log
    other.quit()
    c.abandon()
