"""curl, as people call it."""

import hashlib
import os

import pytest

from harness import PASSWORD, run


def sha(data):
    return hashlib.sha256(data).hexdigest()


class Curl:
    def __init__(self, server, host="127.0.0.1", scheme="ftp", tls=True):
        self.server = server
        port = server.implicit if scheme == "ftps" else server.port
        self.base = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
        self.options = ["curl", "-sS", "--max-time", "30", "-u", "guest:" + PASSWORD,
                        "--cacert", str(server.world.certs.ca)]
        if tls and scheme == "ftp":
            self.options.append("--ssl-reqd")

    def __call__(self, path, *options, check=True):
        return run(*self.options, *options, self.base + path, check=check, timeout=40)


@pytest.fixture
def content():
    return os.urandom(3_000_000)


@pytest.fixture
def files(folder, scratch, content):
    folder.make("down", content)
    (scratch / "up").write_bytes(content)
    return folder


# No active mode here: curl 7.88, Debian 12's, accepts the connection and then never begins
# TLS on it, with every server. In clear it is tested below.
WAYS = {"explicit": [], "explicit 1.2": ["--tls-max", "1.2"], "explicit 1.3": ["--tlsv1.3"],
        "pasv": ["--disable-epsv"],
        "no alpn": ["--no-alpn"], "single cwd": ["--ftp-method", "singlecwd"],
        "no cwd": ["--ftp-method", "nocwd"], "keepalive": ["--keepalive-time", "1"],
        "cipher": ["--tls-max", "1.2", "--ciphers", "ECDHE-RSA-AES256-GCM-SHA384"]}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scheme", ["ftp", "ftps"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_down_and_up(server, files, scratch, content, way, scheme, host):
    if way == "pasv":
        host = "127.0.0.1"                      # PASV has no IPv6
    curl = Curl(server, host, scheme)
    curl(files.ftp + "/down", "-o", str(scratch / "got"), *WAYS[way])
    assert sha((scratch / "got").read_bytes()) == sha(content)
    curl(files.ftp + "/new", "-T", str(scratch / "up"), *WAYS[way])
    assert sha(files.read("new")) == sha(content)


@pytest.mark.parametrize("options", [[], ["--disable-epsv"], ["--ftp-port", "-"],
                                     ["--ftp-port", "-", "--disable-eprt"]])
def test_in_clear(clear_server, clear_folder, scratch, content, options):
    clear_folder.make("down", content)
    (scratch / "up").write_bytes(content)
    curl = Curl(clear_server, tls=False)
    curl(clear_folder.ftp + "/down", "-o", str(scratch / "got"), *options)
    assert (scratch / "got").read_bytes() == content
    curl(clear_folder.ftp + "/new", "-T", str(scratch / "up"), *options)
    assert clear_folder.read("new") == content


def test_in_clear_is_refused_by_default(server, files):
    r = Curl(server, tls=False)(files.ftp + "/down", "-o", "/dev/null", check=False)
    assert r.returncode == 67, r.stderr             # CURLE_LOGIN_DENIED


@pytest.mark.parametrize("scheme", ["ftp", "ftps"])
def test_ftp_ssl_control_is_told_521(server, files, scratch, scheme):
    """It says AUTH SSL, which implies PROT P, and PROT C, and goes on as if that were granted:
    behind 150 each would wait for the other's bytes."""
    curl = Curl(server, scheme=scheme, tls=False)
    for transfer in (["-o", str(scratch / "got")], ["-T", str(scratch / "up")]):
        r = curl(files.ftp + "/down", "--ftp-ssl-control", *transfer, check=False)
        assert r.returncode in (19, 25) and "521" in r.stderr, (r.returncode, r.stderr)


def test_a_wrong_password(server):
    curl = Curl(server)
    r = curl("/", "-u", "guest:wrong", check=False)
    assert r.returncode == 67, (r.returncode, r.stderr)


def test_resume_of_a_download(server, files, scratch, content):
    (scratch / "got").write_bytes(content[:1_234_567])
    Curl(server)(files.ftp + "/down", "-C", "-", "-o", str(scratch / "got"))
    assert (scratch / "got").read_bytes() == content


def test_resume_of_an_upload(server, files, scratch, content):
    files.make("part", content[:1_234_567])
    Curl(server)(files.ftp + "/part", "-C", "-", "-T", str(scratch / "up"))
    assert files.read("part") == content


def test_range(server, files, scratch, content):
    Curl(server)(files.ftp + "/down", "-r", "1000-1999", "-o", str(scratch / "got"))
    assert (scratch / "got").read_bytes() == content[1000:2000]


def test_append(server, files, scratch, content):
    files.make("log", b"first ")
    Curl(server)(files.ftp + "/log", "--append", "-T", str(scratch / "up"))
    assert files.read("log") == b"first " + content


def test_listings(server, files):
    curl = Curl(server)
    assert "down" in curl(files.ftp + "/").stdout
    assert curl(files.ftp + "/", "-l").stdout.split() == ["down"]
    assert "type=file" in curl(files.ftp + "/", "-X", "MLSD").stdout.lower()
    assert "down" in curl(files.ftp + "/", "-X", "LIST -a").stdout


def test_head_of_a_file(server, files, content):
    out = Curl(server)(files.ftp + "/down", "-I").stdout
    assert f"Content-Length: {len(content)}" in out
    assert "Last-Modified:" in out


def test_quote_before_and_after(server, files, scratch):
    Curl(server)(files.ftp + "/", "-o", "/dev/null", "-Q", f"MKD {files.ftp}/made",
                 "-Q", f"-RNFR {files.ftp}/down", "-Q", f"-RNTO {files.ftp}/made/moved",
                 "-Q", f"*DELE {files.ftp}/no-such-file", "-Q", f"SITE CHMOD 755 {files.ftp}/made")
    assert files.names() == ["made"]
    assert os.listdir(files.path("made")) == ["moved"]


def test_create_dirs(server, files, scratch, content):
    Curl(server)(files.ftp + "/a/b/c/file", "--ftp-create-dirs", "-T", str(scratch / "up"))
    assert (files.disk / "a/b/c/file").read_bytes() == content


def test_ascii(server, files):
    files.make("text", b"one\ntwo\n")
    r = run(*Curl(server).options, "-B", Curl(server).base + files.ftp + "/text", timeout=30)
    assert r.stdout in ("one\r\ntwo\r\n", "one\ntwo\n")


def test_a_missing_file(server, files):
    r = Curl(server)(files.ftp + "/nothing", check=False)
    assert r.returncode == 78, (r.returncode, r.stderr)         # REMOTE_FILE_NOT_FOUND


def test_an_upload_that_may_not_be(server, scratch, content):
    (scratch / "up").write_bytes(content)
    r = Curl(server)("/new", "-u", "reader:" + PASSWORD, "-T", str(scratch / "up"), check=False)
    assert r.returncode == 25, (r.returncode, r.stderr)         # UPLOAD_FAILED


@pytest.mark.slow
def test_many_files_over_one_connection(server, files, scratch):
    names = [f"n{n}" for n in range(60)]
    for n in names:
        files.make(n, n.encode() * 100)
    curl = Curl(server)
    run(*curl.options, "--remote-name-all", *[f"{curl.base}{files.ftp}/{n}" for n in names],
        cwd=scratch, timeout=50)
    for n in names:
        assert (scratch / n).read_bytes() == n.encode() * 100


@pytest.mark.parametrize("name", ["with space", "Füße", "-dash", "per%cent", "quote'\"s", "a;b"])
def test_odd_names(server, files, scratch, name, content):
    from urllib.parse import quote
    curl = Curl(server)
    curl(f"{files.ftp}/{quote(name)}", "-T", str(scratch / "up"))
    assert files.read(name) == content
    curl(f"{files.ftp}/{quote(name)}", "-o", str(scratch / "got"))
    assert (scratch / "got").read_bytes() == content


def test_an_empty_file(server, files, scratch):
    (scratch / "zero").write_bytes(b"")
    Curl(server)(files.ftp + "/zero", "-T", str(scratch / "zero"))
    assert files.read("zero") == b""
    Curl(server)(files.ftp + "/zero", "-o", str(scratch / "got0"))


def test_the_port_20_of_active_mode(make_server, scratch):
    """As root the data connection comes from the port that the firewall rules know."""
    s = make_server(active_port=20020)
    folder = s.folder()
    folder.make("f", b"content")
    c = s.login()
    listener = c.active("PORT")
    c.expect((125, 150), f"RETR {folder.ftp}/f")
    conn, peer = listener.accept()
    assert peer[1] == 20020
    with c.wrap_data(conn) as data:
        assert c.receive(data) == b"content"
    listener.close()
    assert c.reply().code == 226
    assert c.retr(f"RETR {folder.ftp}/f", mode="PORT") == b"content"
    c.quit()
