"""Certificates that end, have ended or have not begun: served, shown, and said."""

import re
import ssl

import pytest

from harness import PASSWORD, run


@pytest.fixture(scope="module")
def dated(world):
    make, names = world.certs.make, world.certs.NAMES
    return {"over": make("over", "ec", names, days=9, begins=-11),
            "to-come": make("to-come", "rsa", names, days=9, begins=3),
            "soon": make("soon", "ec", names, days=5),
            "other": make("other", "ec", ["DNS:other.example"], days=9, begins=-11)}


def of(*pairs):
    return {"certificate": [str(p.chain) for p in pairs],
            "certificate_key": [str(p.key) for p in pairs]}


def shown(server, name=None):
    """The certificate that a client gets who looks at no date."""
    c = server.client(tls=None)
    c.expect(234, "AUTH TLS")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(c.sock, server_hostname=name) as s:
        return ssl.DER_cert_to_PEM_cert(s.getpeercert(binary_form=True))


def is_of(pem, pair):
    return pem.strip() in pair.chain.read_text()


def checks(server):
    return run(server.world.build / "sallyportd", "-t", "-c", server.file, check=False)


def test_one_of_several_refuses_nothing_else(make_server, dated, world):
    """It has ended, or not begun; at the start, at a reload, and whatever its place."""
    s = make_server(**of(dated["over"], world.certs.rsa, dated["to-come"], dated["other"]))
    assert is_of(shown(s), world.certs.rsa)
    assert is_of(shown(s, "localhost"), world.certs.rsa)
    assert is_of(shown(s, "other.example"), dated["other"])
    s.login().quit()
    log = s.log()
    for name in ("over", "other"):
        assert re.search(rf"error .*certificate\.expired file=\S+/{name}\.pem until=\S+Z days=2 ",
                         log), log
    assert re.search(r"error .*certificate\.not-yet-valid file=\S+/to-come\.pem from=", log), log
    assert checks(s).returncode == 0
    mark = s.mark()
    s.reload(**of(world.certs.ec, dated["over"], dated["to-come"]))
    assert "reload.done" in s.log(mark), s.log(mark)
    assert is_of(shown(s), world.certs.ec)


@pytest.mark.parametrize("which", ["over", "to-come"])
def test_the_only_one_is_served_to_who_wants_it(make_server, dated, which):
    """Clear sessions, too, and through many templates; a client that looks at dates refuses."""
    s = make_server(template_sessions=2, tls_required=False, **of(dated[which]))
    for _ in range(8):
        assert is_of(shown(s), dated[which])
    c = s.client(tls=None)
    c.login("guest", PASSWORD)
    c.quit()
    with pytest.raises(ssl.SSLCertVerificationError):
        s.client()
    assert not re.search(r"template\.(ended|failed|kept)", s.log()), s.log()


def test_one_that_ends_soon_is_told_once(make_server, dated, world):
    s = make_server(**of(dated["soon"], world.certs.rsa))
    lines = [x for x in s.log().splitlines() if "certificate." in x]
    assert len(lines) == 2, lines       # of 5 and of 30 days
    assert "warning" in lines[0] and "certificate.expires" in lines[0], lines
    assert "soon.pem" in lines[0] and re.search(r"days=[45] remedy=.renew it", lines[0]), lines


def test_the_tool_shows_dates(make_server, dated, world):
    def check():
        return run(world.build / "sallyport", "-c", s.file, "check", check=False)
    s = make_server(**of(world.certs.ec, dated["soon"]))
    r = check()
    assert r.returncode == 0, r.stderr
    assert re.search(r"ec\.pem: ECDSA, 256 bits, valid until \d{4}-\S+Z \((29|30) days\)", r.stdout), r
    assert re.search(r"soon\.pem: .*\([45] days\); renew it soon", r.stdout), r
    s.write(**of(world.certs.ec, dated["over"], dated["to-come"]))
    r = check()
    assert r.returncode == 1 and "over.pem: expired on" in r.stderr, r
    assert "to-come.pem: not valid before" in r.stderr, r
    s.write(certificate=[str(world.certs.ec.chain)], certificate_key=[str(world.certs.rsa.key)])
    r = check()
    assert r.returncode == 1 and "does not match the certificate" in r.stderr, r


def test_a_certificate_that_cannot_work_is_refused(make_server, world):
    """And a reload that is refused leaves all as it was."""
    s = make_server()
    broken = s.dir / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    mark = s.mark()
    s.reload(certificate=[str(broken)], certificate_key=[str(world.certs.ec.key)])
    assert "reload.refused" in s.log(mark), s.log(mark)
    s.login().quit()
    s.login(tls="implicit").quit()
