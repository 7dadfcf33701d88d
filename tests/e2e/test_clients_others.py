"""tnftp, ncftp, wget, Python's ftplib, openssl s_client, Perl's Net::FTP."""

import ftplib
import io
import os
import re
import ssl

import pytest

from harness import HERE, PASSWORD, run


@pytest.fixture
def content():
    return os.urandom(1_500_000)


# ---- in clear: these have no TLS ---------------------------------------------------------------
@pytest.mark.parametrize("options", [["-p"], ["-A"]], ids=["passive", "active"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_tnftp(clear_server, clear_folder, scratch, content, options, host):
    clear_folder.make("down", content)
    (scratch / "up").write_bytes(content)
    script = "\n".join([f"open {host} {clear_server.port}", f'user guest "{PASSWORD}"',
                        f"cd {clear_folder.ftp}", "binary", "get down got", "size down",
                        "put up new",
                        "append up twice", "append up twice", "mkdir sub", "ls", "nlist",
                        "rename new sub/renamed", "modtime down", "chmod 600 down",
                        "restart 1000", "get down rest", "system", "pwd", "mlsd", "feat",
                        "delete down", "quit", ""])
    env = dict(os.environ, HOME=str(scratch))
    r = run("tnftp", "-n", "-i", "-v", *options, input=script, cwd=scratch, env=env, timeout=40)
    assert (scratch / "got").read_bytes() == content, r.stdout
    assert clear_folder.read("sub/renamed") == content
    assert clear_folder.read("twice") == content * 2
    assert clear_folder.names() == ["sub", "twice"]
    assert not re.search(r"^5\d\d ", r.stdout, re.M), r.stdout


def test_tnftp_auto_fetch(clear_server, clear_folder, scratch, content):
    clear_folder.make("f", content)
    from urllib.parse import quote
    run("tnftp", "-o", "got",
        f"ftp://guest:{quote(PASSWORD)}@127.0.0.1:{clear_server.port}/{clear_folder.ftp}/f",
        cwd=scratch, timeout=30, env=dict(os.environ, HOME=str(scratch)))
    assert (scratch / "got").read_bytes() == content


@pytest.mark.parametrize("options", [["-F"], ["-E"]], ids=["passive", "active"])
def test_ncftp(clear_server, clear_folder, scratch, content, options):
    clear_folder.make("down", content)
    clear_folder.mkdir("sub")
    (scratch / "up file").write_bytes(content)
    common = ["-u", "guest", "-p", PASSWORD, "-P", clear_server.port, *options]
    env = dict(os.environ, HOME=str(scratch))
    run("ncftpget", "-V", "-t", "10", *common, "127.0.0.1", scratch, clear_folder.ftp + "/down",
        env=env, timeout=30)
    assert (scratch / "down").read_bytes() == content
    run("ncftpput", "-V", "-t", "10", *common, "127.0.0.1", clear_folder.ftp + "/sub",
        scratch / "up file", env=env, timeout=30)
    assert (clear_folder.disk / "sub" / "up file").read_bytes() == content
    r = run("ncftpls", "-t", "10", *common, f"ftp://127.0.0.1{clear_folder.ftp}/", env=env,
            timeout=30)
    assert {x.rstrip("/") for x in r.stdout.split()} == {"down", "sub"}, r.stdout
    r = run("ncftpls", "-l", "-t", "10", *common, f"ftp://127.0.0.1{clear_folder.ftp}/", env=env,
            timeout=30)
    assert str(len(content)) in r.stdout
    run("ncftpget", "-R", "-V", "-t", "10", *common, "127.0.0.1", scratch, clear_folder.ftp,
        env=env, timeout=30)
    assert (scratch / clear_folder.ftp[1:] / "sub" / "up file").read_bytes() == content


def test_wget(clear_server, clear_folder, scratch, content):
    clear_folder.make("f", content)
    clear_folder.mkdir("sub")
    (clear_folder.disk / "sub" / "g h").write_bytes(b"deep")
    os.chmod(clear_folder.disk / "sub" / "g h", 0o644)
    base = f"ftp://127.0.0.1:{clear_server.port}{clear_folder.ftp}"
    login = ["--user=guest", "--password=" + PASSWORD, "--tries=2", "--timeout=10"]
    run("wget", "-nv", *login, "-O", scratch / "got", base + "/f", timeout=30)
    assert (scratch / "got").read_bytes() == content
    (scratch / "f").write_bytes(content[:500_000])
    run("wget", "-nv", "-c", *login, base + "/f", cwd=scratch, timeout=30)
    assert (scratch / "f").read_bytes() == content
    run("wget", "-nv", *login, "--no-passive-ftp", "-O", scratch / "got2", base + "/f", timeout=30)
    assert (scratch / "got2").read_bytes() == content
    run("wget", "-nv", *login, "-r", "-nH", "--cut-dirs=1", "-P", scratch / "tree", base + "/",
        timeout=30)
    assert (scratch / "tree" / "sub" / "g h").read_bytes() == b"deep"
    run("wget", "-nv", *login, "-O", scratch / "globbed", base + "/f*", cwd=scratch,
        timeout=30)
    assert (scratch / "globbed").read_bytes() == content


def test_wget_in_clear_is_refused_by_default(server, folder, scratch):
    folder.make("f", b"x")
    r = run("wget", "-nv", "--user=guest", "--password=" + PASSWORD, "--tries=1", "--timeout=10",
            "-O", scratch / "got", f"ftp://127.0.0.1:{server.port}{folder.ftp}/f", check=False,
            timeout=30)
    assert r.returncode != 0


def test_wget_ftps(server, folder, scratch, content):
    """wget resumes its control session on data connections (ftps implicit and explicit)."""
    folder.make("f", content)
    for url in (f"ftps://127.0.0.1:{server.implicit}", f"ftps://127.0.0.1:{server.port}"):
        implicit = ["--ftps-implicit"] if str(server.implicit) in url else []
        r = run("wget", "-nv", *implicit, "--ca-certificate", server.world.certs.ca, "--user=guest",
                "--password=" + PASSWORD, "--tries=1", "--timeout=15", "-O", scratch / "got",
                f"{url}{folder.ftp}/f", check=False, timeout=30)
        if "Unsupported scheme" in r.stderr:
            pytest.skip("this wget has no ftps")
        assert r.returncode == 0, r.stderr
        assert (scratch / "got").read_bytes() == content


# ---- Python's ftplib -----------------------------------------------------------------------------
class ResumingFTP(ftplib.FTP_TLS):
    """What people paste from the web: ftplib with the session of the control connection."""

    def ntransfercmd(self, cmd, rest=None):
        conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p:
            conn = self.context.wrap_socket(conn, server_hostname=self.host,
                                            session=self.sock.session)
        return conn, size


def python_ftp(server, kind, host="127.0.0.1", user="guest"):
    f = kind(context=ssl.create_default_context(cafile=str(server.world.certs.ca)), timeout=15)
    f.connect(host, server.port)
    f.login(user, PASSWORD)
    f.prot_p()
    return f


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("passive", [True, False])
def test_ftplib_with_resumption(server, folder, content, host, passive):
    f = python_ftp(server, ResumingFTP, host)
    f.set_pasv(passive)
    f.cwd(folder.ftp)
    f.storbinary("STOR up", io.BytesIO(content))
    assert folder.read("up") == content
    got = io.BytesIO()
    f.retrbinary("RETR up", got.write)
    assert got.getvalue() == content
    got = io.BytesIO()
    f.retrbinary("RETR up", got.write, rest=1000)
    assert got.getvalue() == content[1000:]
    assert f.nlst() == ["up"]
    assert dict(f.mlsd())["up"]["size"] == str(len(content))
    lines = []
    f.retrlines("LIST", lines.append)
    assert len([x for x in lines if x.endswith(" up")]) == 1
    f.storlines("STOR lines", io.BytesIO(b"one\ntwo\n"))
    assert folder.read("lines") == b"one\ntwo\n"
    f.voidcmd("TYPE I")
    assert f.size("up") == len(content)
    assert f.mkd("sub") == folder.ftp + "/sub"
    f.rename("up", "sub/up")
    f.delete("sub/up")
    f.rmd("sub")
    assert f.pwd() == folder.ftp
    f.quit()


@pytest.mark.parametrize("passive", [True, False])
def test_ftplib_without_resumption_is_told_522(server, folder, content, passive):
    """It reads the reply when it has sent all, and loses it if the connection breaks before."""
    folder.make("down", content)
    f = python_ftp(server, ftplib.FTP_TLS)
    f.set_pasv(passive)
    f.cwd(folder.ftp)
    for transfer in (lambda: f.storbinary("STOR up", io.BytesIO(content * 4)),
                     lambda: f.storlines("STOR up", io.BytesIO(b"line\n" * 1000)),
                     lambda: f.retrbinary("RETR down", lambda _: None), f.nlst):
        with pytest.raises(ftplib.error_perm, match="^522 .*no_resumption_users"):
            transfer()
    assert folder.names() == ["down"]
    f.quit()


@pytest.mark.parametrize("by", ["account", "network"])
def test_ftplib_without_resumption_where_exempted(make_server, content, by):
    s = make_server(**({"no_resumption_users": ["guest"]} if by == "account"
                       else {"no_resumption_networks": ["127.0.0.1"]}))
    folder = s.folder()
    f = python_ftp(s, ftplib.FTP_TLS)
    f.cwd(folder.ftp)
    f.storbinary("STOR up", io.BytesIO(content))
    assert folder.read("up") == content
    got = io.BytesIO()
    f.retrbinary("RETR up", got.write)
    assert got.getvalue() == content
    f.quit()


def test_ftplib_in_clear(clear_server, clear_folder, content):
    f = ftplib.FTP(timeout=15)
    f.connect("127.0.0.1", clear_server.port)
    f.login("guest", PASSWORD)
    f.cwd(clear_folder.ftp)
    f.storbinary("STOR up", io.BytesIO(content))
    got = io.BytesIO()
    f.retrbinary("RETR up", got.write)
    assert got.getvalue() == content
    f.transfercmd("RETR up")
    assert f.abort()[:3] in ("225", "226", "426")
    f.close()


# ---- openssl s_client --------------------------------------------------------------------------
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_saved_session_is_good_for_its_ftp_session_alone(server, scratch, version):
    """A new control connection is another FTP session: its old ticket is worth nothing there,
    and a full handshake follows, not a failure."""
    common = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-starttls", "ftp",
              "-CAfile", server.world.certs.ca, "-crlf", version]
    # -ign_eof: a line that begins with Q would else end s_client instead of the session
    r = run(*common, "-ign_eof", "-sess_out", scratch / "session", input="NOOP\nQUIT\n",
            timeout=20, check=False)
    assert "New, TLSv1" in r.stdout and "221 " in r.stdout
    assert (scratch / "session").exists(), "no ticket came"
    r = run(*common, "-ign_eof", "-sess_in", scratch / "session", input="QUIT\n", timeout=20,
            check=False)
    assert "Reused, TLSv1" not in r.stdout
    assert "New, TLSv1" in r.stdout and "Verify return code: 0 (ok)" in r.stdout


# ---- Perl's Net::FTP -----------------------------------------------------------------------------
def test_net_ftp_gives_transfers_up_inside_tls(make_server):
    """Its ABOR is announced by urgent data that it writes past its own TLS."""
    s = make_server(no_resumption_users=["guest"])
    folder = s.folder()
    with open(folder.make("big"), "r+b") as f:
        f.truncate(64 << 20)
    r = run("perl", HERE / "client.pl", s.port, s.world.certs.ca, "guest", PASSWORD, folder.ftp)
    assert r.stdout == "in step\n", (r.stdout, r.stderr)
    s.wait_log(r"session\.closed reason=ended .*transfers=6")
