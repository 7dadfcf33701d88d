"""PASV, EPSV, PORT, EPRT, PBSZ, PROT: how data connections are agreed upon."""

import re
import socket

import pytest

from ftpclient import HELD_UP, Client
from harness import PASSWORD, wait_until
from patience import Stopwatch


@pytest.fixture
def sample(folder):
    folder.make("sample", b"0123456789" * 100)
    return b"0123456789" * 100


@pytest.mark.parametrize("mode", ["PASV", "EPSV", "EPSV 1", "PORT", "EPRT"])
def test_every_way_on_ipv4(ftp, folder, sample, mode):
    assert ftp.retr("RETR sample", mode=mode) == sample
    ftp.stor("STOR up", sample, mode=mode)
    assert folder.read("up") == sample
    assert "sample" in ftp.names("NLST", mode=mode)


@pytest.mark.parametrize("mode", ["EPSV", "EPSV 2", "EPRT"])
def test_every_way_on_ipv6(server, folder, sample, mode):
    c = server.login(host="::1")
    c.expect(250, "CWD " + folder.ftp)
    assert c.retr("RETR sample", mode=mode) == sample
    c.stor("STOR up", sample, mode=mode)
    assert folder.read("up") == sample
    c.quit()


def test_pasv_on_ipv6_is_refused_or_useful(server):
    c = server.login(host="::1")
    assert c.cmd("PASV").code in (425, 501, 502, 522, 550, 227)
    assert c.cmd("NOOP").code == 200
    c.quit()


def test_forms_of_227_and_229(ftp):
    assert re.fullmatch(r"227 .*\(127,0,0,1,\d+,\d+\)\.?", ftp.cmd("PASV").text)
    assert re.fullmatch(r"229 .*\(\|\|\|\d+\|\)\.?", ftp.cmd("EPSV").text)


def test_pasv_announces_the_address_the_client_connected_to(make_server):
    """127.0.0.2 is a second address of every Linux machine's loopback."""
    s = make_server()
    s.restart(listen=[f"0.0.0.0:{s.port}"], listen_implicit=[])
    c = s.login(host="127.0.0.2")
    assert c.passive("PASV")[0] == "127.0.0.2"
    c.quit()


def test_passive_address_of_the_configuration(make_server):
    s = make_server(passive_address=["127.0.0.0/8=192.0.2.77"])
    c = s.login()
    assert c.passive("PASV")[0] == "192.0.2.77"
    c.passive("EPSV")
    c.quit()


def test_passive_ports_are_of_the_range_and_not_in_order(make_server):
    s = make_server(passive_port_least=28000, passive_port_most=28099)
    c = s.login()
    ports = [c.passive("EPSV")[1] for _ in range(30)]
    assert all(28000 <= p <= 28099 for p in ports)
    steps = {b - a for a, b in zip(ports, ports[1:])}
    assert len(steps) > 3, f"predictable: {ports}"
    c.quit()


def test_a_full_range_of_ports_is_425_and_no_more(make_server):
    s = make_server(passive_port_least=28200, passive_port_most=28201)
    sessions = [s.login() for _ in range(3)]
    codes = [c.cmd("EPSV").code for c in sessions]
    assert codes[:2] == [229, 229] and codes[2] in (421, 425, 451), codes
    assert sessions[2].cmd("NOOP").code == 200
    sessions[0].quit()
    assert wait_until(lambda: sessions[2].cmd("EPSV").code == 229, 5, 0.1), \
        "a closed session keeps its port"
    for c in sessions[1:]:
        c.quit()


def test_a_new_pasv_closes_the_old_listener(ftp):
    host, port = ftp.passive("EPSV")
    ftp.passive("EPSV")
    with pytest.raises(OSError):
        socket.create_connection((host, port), 3)


def test_epsv_all_then_only_epsv(ftp, folder, sample):
    assert ftp.cmd("EPSV ALL").code == 200
    for line in ("PASV", "PORT 127,0,0,1,200,200", "EPRT |1|127.0.0.1|51400|"):
        assert ftp.cmd(line).code in (501, 503, 520, 522, 550), line
    assert ftp.retr("RETR sample") == sample


def test_protocols_that_do_not_exist_are_522_with_a_list(ftp):
    for line in ("EPRT |3|127.0.0.1|51400|", "EPSV 3"):
        r = ftp.cmd(line)
        assert r.code == 522, line
        assert re.search(r"\(1(,2)?\)|\(2,1\)", r.text), r
    assert ftp.cmd("EPSV nonsense").code in (501, 522)


@pytest.mark.parametrize("line", [
    "PORT 192,0,2,2,200,200", "PORT 127,0,0,2,200,200", "PORT 10,0,0,1,200,200",
    "EPRT |1|192.0.2.2|51400|", "EPRT |1|127.0.0.3|51400|", "EPRT |2|::1|51400|",
    "EPRT |2|::ffff:192.0.2.2|51400|", "PORT 0,0,0,0,200,200", "PORT 255,255,255,255,200,200"])
def test_active_mode_to_a_foreign_address_is_refused(ftp, line):
    """The bounce attack (RFC 2577 section 2)."""
    assert ftp.cmd(line).code in (500, 501, 504, 522, 550), line
    r = ftp.cmd("LIST")
    assert r.code in (425, 503, 521, 522, 550), r


@pytest.mark.parametrize("line", ["PORT 127,0,0,1,0,22", "PORT 127,0,0,1,3,255",
                                  "EPRT |1|127.0.0.1|1023|", "PORT 127,0,0,1,0,0"])
def test_active_mode_to_a_service_port_is_refused(ftp, line):
    assert ftp.cmd(line).code in (500, 501, 504, 550), line


def test_active_switched_off(make_server):
    s = make_server(active=False)
    c = s.login()
    for line in ("PORT 127,0,0,1,200,200", "EPRT |1|127.0.0.1|51400|"):
        assert c.cmd(line).code in (500, 502, 522, 550, 501), line
    c.names("NLST")
    c.quit()


def test_nobody_listens_in_active_mode(make_server):
    s = make_server(data_connect_timeout="2 s")
    c = s.login()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        assert c.cmd(f"PORT 127,0,0,1,{port >> 8},{port & 255}").code == 200
        r = c.cmd("NLST")
        if r.code in (125, 150):
            r = c.reply()
        assert r.code == 425
    assert c.cmd("NOOP").code == 200
    c.names("NLST")
    c.quit()


@pytest.mark.slow
def test_nobody_comes_in_passive_mode(make_server):
    s = make_server(data_connect_timeout="2 s")
    c = s.login()
    c.passive()
    begin = Stopwatch()
    r = c.cmd("NLST")
    if r.code in (125, 150):
        r = c.reply()
    assert r.code == 425
    assert 1 < begin.passed() and begin.own() < 6
    c.names("NLST")
    c.quit()


def test_a_transfer_without_pasv_or_port_is_425_or_503(ftp, sample):
    assert ftp.cmd("RETR sample").code in (425, 503)
    assert ftp.retr("RETR sample") == sample
    assert ftp.cmd("RETR sample").code in (425, 503)     # one listener, one transfer


def test_data_connections_of_strangers_are_not_served(make_server):
    """Somebody else's connection, arriving first at the passive port, gets nothing and does
    not take the owner's place (port stealing)."""
    s = make_server(cleartext_networks=["127.0.0.0/8"])
    folder = s.folder()
    folder.make("secret", b"for the owner alone")
    c = s.login(tls=None)
    host, port = c.passive()
    thief = socket.socket()
    thief.bind(("127.0.0.9", 0))
    thief.settimeout(1)
    try:
        thief.connect((host, port))
    except OSError:
        pass                                            # not even let in: all the better
    c.send(f"RETR {folder.ftp}/secret")
    owner = socket.create_connection((host, port), 5 * HELD_UP)
    owner.settimeout(8 * HELD_UP)
    assert c.reply().code in (125, 150)
    with owner:
        assert Client.receive(owner) == b"for the owner alone"
    assert c.reply().code == 226
    try:
        assert thief.recv(100) == b""
    except OSError:
        pass
    thief.close()
    c.quit()


# ---- protection (RFC 2228, RFC 4217) -------------------------------------------------------
def test_pbsz_and_prot_in_order(server):
    c = server.client(tls=None)
    assert c.cmd("PBSZ 0").code == 503
    assert c.cmd("PROT P").code == 503
    c.auth()
    assert c.cmd("PROT P").code == 503                  # RFC 4217 section 9: PBSZ first
    r = c.cmd("PBSZ 0")
    assert r.code == 200
    assert c.cmd("PBSZ x").code == 501
    assert c.cmd("PBSZ").code == 501
    r = c.cmd("PBSZ 65536")
    assert r.code == 200 and "PBSZ=0" in r.text
    assert c.cmd("PROT P").code == 200
    assert c.cmd("PROT p").code == 200
    assert c.cmd("PROT S").code == 536
    assert c.cmd("PROT E").code == 536
    assert c.cmd("PROT Z").code == 504
    assert c.cmd("PROT").code == 501
    c.quit()


@pytest.mark.parametrize("tls", ["SSL", "TLS-P", "implicit"])
def test_a_protection_that_is_only_implied_ends_with_a_refused_prot_c(server, folder, tls):
    folder.make("f", b"content")
    c = server.client(tls="implicit" if tls == "implicit" else None)
    if tls != "implicit":
        c.expect(234, "AUTH " + tls)
        c.secure()
    c.expect(331, "USER guest")
    c.expect(230, "PASS " + PASSWORD)
    c.expect(250, "CWD " + folder.ftp)
    c.data_secure = True
    assert c.retr("RETR f") == b"content"
    c.expect(200, "PBSZ 0")
    c.expect(534, "PROT C")
    for mode in ("EPSV", "PORT"):
        c.passive() if mode == "EPSV" else c.active(mode).close()
        for line in ("RETR f", "STOR up", "LIST", "NLST", "MLSD"):
            assert c.cmd(line).code == 521, "nothing is agreed upon"
    c.expect(200, "PROT P")
    assert c.retr("RETR f") == b"content"
    c.expect(534, "PROT C")
    assert c.retr("RETR f") == b"content", "what PROT P said stays (RFC 2228)"
    assert folder.names() == ["f"]
    c.quit()


def test_prot_c_is_refused(ftp):
    assert ftp.cmd("PROT C").code in (533, 534, 536)
    ftp.names("NLST")                                   # still P


def test_data_without_prot_p_are_refused(server, folder, sample):
    c = server.client()
    c.expect(331, "USER guest")
    c.expect(230, "PASS " + PASSWORD)
    for line in ("NLST", f"RETR {folder.ftp}/sample", f"STOR {folder.ftp}/new"):
        r = c.cmd("EPSV")
        if r.code == 229:
            r = c.cmd(line)
        assert r.code in (503, 521, 522, 533, 534), (line, r)
    assert folder.names() == ["sample"]
    c.expect(200, "PBSZ 0")
    c.expect(200, "PROT P")
    assert c.retr(f"RETR {folder.ftp}/sample") == sample
    c.quit()


def test_clear_data_where_the_configuration_allows(make_server):
    s = make_server(data_protection_required=False)
    folder = s.folder()
    folder.make("x", b"in clear")
    c = s.login()
    assert c.cmd("PROT C").code == 200
    c.data_secure = False
    assert c.retr(f"RETR {folder.ftp}/x") == b"in clear"
    c.expect(200, "PROT P")
    c.data_secure = True
    assert c.retr(f"RETR {folder.ftp}/x") == b"in clear"
    c.quit()


def test_ccc_in_clear_is_533(clear_ftp):
    assert clear_ftp.cmd("CCC").code == 533


def test_ccc_is_refused(ftp):
    assert ftp.cmd("CCC").code in (500, 502, 533, 534, 550)
    assert ftp.cmd("NOOP").code == 200


@pytest.mark.slow
def test_a_client_that_speaks_clear_on_a_tls_data_connection(ftp, folder):
    """Bytes that are no TLS end that transfer alone, and store nothing."""
    s = socket.create_connection(ftp.passive(), 10 * HELD_UP)
    assert ftp.cmd("STOR clear").code in (125, 150)
    s.sendall(b"this is not a ClientHello\r\n" * 10)
    s.close()
    assert ftp.reply().code in (425, 426, 522, 521, 534)
    assert folder.names() == []
    ftp.stor("STOR well", b"ok")
    assert folder.names() == ["well"]
