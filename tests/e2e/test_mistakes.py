"""What administrators get wrong: `sallyportd -t` says it with file, line, setting, and the way out."""

import os
import re
import socket

import pytest

import harness
from harness import needs_root, run


class Things:
    """Certificates and keys that are wrong in one way each, made once."""

    def __init__(self, world):
        self.certs = world.certs
        self.good = world.certs.rsa
        self.openssl = world.certs.openssl
        self.dir = world.certs.dir / "mistakes"
        self.dir.mkdir()
        os.chmod(self.dir, 0o755)

    def path(self, name):
        return self.dir / name

    def write(self, name, text=""):
        path = self.path(name)
        path.write_text(text)
        os.chmod(path, 0o600)
        return path

    def key(self, name, *argv):
        """The good key in another form."""
        path = self.path(name)
        self.openssl("pkey", "-in", self.good.key, *argv, "-out", path)
        os.chmod(path, 0o600)
        return path

    def own(self, name, *kind):
        """A certificate that signs itself, and its key."""
        cert, key = self.path(name + ".pem"), self.path(name + ".key")
        self.openssl("req", "-x509", "-nodes", "-newkey", *kind, "-keyout", key, "-out", cert,
                     "-days", "30", "-subj", "/CN=" + name)
        os.chmod(key, 0o600)
        return cert, key


@pytest.fixture(scope="module")
def things(world):
    return Things(world)


@pytest.fixture
def server(world):
    s = harness.Server(world, "mistakes", accounts=False, certificate=[str(world.certs.rsa.chain)],
                       certificate_key=[str(world.certs.rsa.key)])
    s.write()
    s.add_user("somebody")
    return s


def check(s):
    r = run(*s.command("-t"), check=False, timeout=60)
    return r.returncode, r.stderr.splitlines()


def pair(cert, key):
    return {"certificate": [str(cert)], "certificate_key": [str(key)]}


def der_certificate(s, t):
    t.openssl("x509", "-in", t.good.chain, "-outform", "DER", "-out", t.path("cert.der"))
    return pair(t.path("cert.der"), t.good.key)


def der_key(s, t):
    return pair(t.good.chain, t.key("key.der", "-outform", "DER"))


def encrypted_key(s, t):
    return pair(t.good.chain, t.key("key.secret", "-aes128", "-passout", "pass:secret"))


def readable_key(s, t):
    key = t.key("key.open")
    os.chmod(key, 0o644)
    return pair(t.good.chain, key)


def expired(s, t):
    p = t.certs.make("mistake-over", "ec", t.certs.NAMES, days=9, begins=-11)
    return pair(p.chain, p.key)


def to_come(s, t):
    p = t.certs.make("mistake-to-come", "ec", t.certs.NAMES, days=9, begins=3)
    return pair(p.chain, p.key)


def unserved_curve(s, t):
    return pair(*t.own("curve", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"))


def log_is_a_link(s, t):
    (s.dir / "link").symlink_to(s.dir / "target")
    return {"log": str(s.dir / "link")}


def run_directory_is_a_file(s, t):
    (s.dir / "file").write_text("")
    return {"run_directory": str(s.dir / "file")}


def database_is_garbage(s, t):
    database = s.dir / "garbage.db"
    database.write_text("this is no database, whoever says so\n" * 99)
    os.chmod(database, 0o600)
    return {"users_database": str(database)}


def database_where_others_write(s, t):
    folder = s.dir / "open"
    folder.mkdir()
    (s.dir / "users.db").rename(folder / "users.db")
    os.chmod(folder, 0o777)
    return {"users_database": str(folder / "users.db")}


def database_is_a_directory(s, t):
    (s.dir / "db").mkdir()
    return {"users_database": str(s.dir / "db")}


def jail_without_parents(s, t):
    s.tool("user", "set", "somebody", "--jail", s.dir / "no" / "such" / "jail")


def taken(s, t):
    s.other = socket.create_server(("127.0.0.1", 0))
    return {"listen": [f"127.0.0.1:{s.other.getsockname()[1]}"]}


def root(changes):
    def make(s, t):
        needs_root()
        return changes
    return make


# name: what the file has then (or a function that makes it), the setting, what is said
MISTAKES = {
    # words
    "key misspelt": ({"max_sesions": 5}, "max_sesions", r"did you mean max_sessions\?"),
    "key of another server": ({"pasv_min_port": 5}, "pasv_min_port", r"unknown setting"),
    "value misspelt": ({"log_level": "warnning"}, "log_level", r"did you mean warning\?"),
    "value too short": ({"log_level": "info"}, "log_level", r"error, warning, notice or debug"),
    "backend misspelt": ({"auth": ["user"]}, "auth", r"did you mean users\?"),
    "truth misspelt": ({"durable": "flase"}, "durable", r"did you mean false\?"),
    "sandbox misspelt": ({"sandbox": "enfroce"}, "sandbox", r"did you mean enforce\?"),
    "number with a unit": ({"backlog": "4 k"}, "backlog", r"is not a number"),
    "number too large": ({"backlog": 10 ** 9}, "backlog", r"out of range"),
    "time without a unit": ({"idle_timeout": 900}, "idle_timeout", r'did you mean "15 min"\?'),
    "unit misspelt": ({"idle_timeout": "15m"}, "idle_timeout",
                      r'did you mean "15 min"\? Otherwise use ms, s, min, h or d'),
    "time too long": ({"idle_timeout": "900 d"}, "idle_timeout", r"from 10 s to 7 d"),
    "size in powers of ten": ({"allocate_most": "5 GB"}, "allocate_most",
                              r'did you mean "5 GiB"\? Otherwise use B, KiB, MiB, GiB or TiB'),
    "path not absolute": ({"log": "sallyport.log"}, "log", r"or an absolute path"),
    "network with host bits": ({"cleartext_networks": ["10.0.0.1/8"]}, "cleartext_networks",
                               r"is not a valid network"),
    "ports the wrong way round": ({"passive_port_least": 50000, "passive_port_most": 40000},
                                  "passive_port_least", r"is greater than passive_port_most"),
    # certificates and keys
    "certificate missing": (lambda s, t: pair("/nowhere/cert.pem", t.good.key), "certificate",
                            r"cannot read /nowhere/cert.pem: No such file"),
    "certificate and key not as many": ({"certificate_key": []}, "certificate_key",
                                        r"0 keys for 1 certificates"),
    "certificate empty": (lambda s, t: pair(t.write("empty.pem"), t.good.key), "certificate",
                          r"empty\.pem is empty"),
    "certificate is text": (lambda s, t: pair(t.write("text.pem", "hello\n"), t.good.key),
                            "certificate", r"text\.pem: contains no PEM certificate"),
    "certificate in DER": (der_certificate, "certificate", r"cert\.der: it is in DER form"),
    "certificate expired": (expired, "certificate", r"over\.pem: expired on \S+, so clients"),
    "certificate to come": (to_come, "certificate", r"to-come\.pem: not valid before"),
    "certificate weak": (lambda s, t: pair(*t.own("weak", "rsa:1024")), "certificate",
                         r"weak\.pem: its RSA key has fewer than 2048 bits"),
    "key empty": (lambda s, t: pair(t.good.chain, t.write("empty.key")), "certificate_key",
                  r"empty\.key is empty"),
    "key is the certificate": (lambda s, t: pair(t.good.chain, t.write(
        "cert.key", t.good.chain.read_text())), "certificate_key", r"no PEM private key"),
    "key encrypted": (encrypted_key, "certificate_key", r"key\.secret: .* encrypted with a passphrase"),
    "key in DER": (der_key, "certificate_key", r"key\.der: .*DER form"),
    "key of another certificate": (lambda s, t: pair(t.good.chain, t.certs.ec.key),
                                   "certificate_key", r"ec\.key: the key does not match the certificate"),
    "key on an unserved curve": (unserved_curve, "certificate_key", r"use P-256 or P-384"),
    "key that others read": (readable_key, "certificate_key", r"\(mode 644\); run chmod 600"),
    "cipher misspelt": ({"tls_ciphers": "ECDHE-RSA-AES128-GCM-SHA265"}, "tls_ciphers",
                        r"did you mean ECDHE-RSA-AES128-GCM-SHA256\?"),
    "one cipher of two misspelt": (
        {"tls_ciphers": "ECDHE-RSA-AES256-GCM-SHA384:ECDH-RSA-AES128-GCM-SHA256"},
        "tls_ciphers", r"^ECDH-RSA-AES128-GCM-SHA256: .*did you mean ECDHE-RSA-AES128"),
    "cipher not served": ({"tls_ciphers": "AES128-SHA256"}, "tls_ciphers", r"only ECDHE suites"),
    "suite of TLS 1.3 misspelt": (
        {"tls_ciphersuites": "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA265"},
        "tls_ciphersuites", r"^TLS_AES_128_GCM_SHA265: .*did you mean TLS_AES_128_GCM_SHA256"),
    "suites without a certificate": (
        {"certificate": [], "certificate_key": [], "listen_implicit": [], "tls_required": False,
         "tls_ciphers": "NONSENSE"}, "tls_ciphers", r"NONSENSE: unknown cipher suites"),
    # places
    "log is a directory": ({"log": "/tmp"}, "log", r"/tmp is a directory; use a file in it"),
    "log in no directory": ({"log": "/nowhere/log"}, "log", r"/nowhere: No such file"),
    "log is a link": (log_is_a_link, "log", r"is a symbolic link"),
    "run directory is a file": (run_directory_is_a_file, "run_directory", r"Not a directory"),
    "run directory below nothing": ({"run_directory": "/nowhere/run"}, "run_directory",
                                    r"/nowhere: No such file"),
    "programs elsewhere": ({"libexec_directory": "/nowhere"}, "libexec_directory",
                           r"make install"),
    "address of no machine": ({"listen": ["192.0.2.77:2121"]}, "listen",
                              r"this machine has no address 192\.0\.2\.77"),
    "address mistyped": ({"listen": ["127.0.0.1:2121", "[::2]:2121"]}, "listen",
                         r"no address ::2; did you mean ::1\?"),
    "port taken": (taken, "listen", r"already in use by \S+ \(pid \d+\)"),
    "addresses that overlap": ({"listen": ["0.0.0.0:21921"], "listen_implicit":
                                ["127.0.0.1:21921"]}, "listen_implicit", r"cannot both be used"),
    "nothing to listen on": ({"listen": [], "listen_implicit": []}, "listen", r"no address to listen on"),
    # accounts
    "database is garbage": (database_is_garbage, "users_database", r"not a database"),
    "database where others write": (database_where_others_write, "users_database",
                                    r"is writable by group or others"),
    "database is a directory": (database_is_a_directory, "users_database",
                                r"not a regular file"),
    "jail without its parents": (jail_without_parents, "users_database",
                                 r"no account can log in"),
    "worker user missing": (root({"worker_user": "daemn"}), "worker_user",
                            r'no such user: "daemn"; did you mean daemon\?'),
    "one user for keys and workers": (root({"keyholder_user": "daemon", "worker_user": "daemon"}),
                                      "keyholder_user", r"could read the private keys"),
    "PAM service missing": (root({"auth": ["pam"], "pam_service": "logim"}), "pam_service",
                            r"/etc/pam\.d/logim: No such file.*did you mean login\?"),
    "anonymous root missing": (root({"auth": ["anonymous"], "anonymous_user": "daemon",
                                     "anonymous_root": "/nowhere"}), "anonymous_root",
                               r"/nowhere: No such file"),
    "jails of system users nowhere": (root({"auth": ["pam"], "pam_service": "login",
                                            "system_user_jail": "/nowhere/%u"}),
                                      "system_user_jail", r"/nowhere/?: No such file"),
}


def line_of(s, key):
    lines = s.file.read_text().splitlines()
    return 1 + next(i for i, x in enumerate(lines) if x.startswith(key + " ="))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found(server, things, mistake):
    """One fault, at its line; and nothing else that only follows from it."""
    change, key, says = MISTAKES[mistake]
    server.other = None
    server.write(**((change(server, things) if callable(change) else change) or {}))
    code, lines = check(server)
    if server.other is not None:
        server.other.close()
    assert code == 1, lines
    faults = [x for x in lines if ": warning: " not in x]
    if mistake == "certificate weak":   # and so is its key
        faults = [x for x in faults if ": certificate_key: " not in x]
    assert len(faults) == 1, lines
    start = f"{server.file}:{line_of(server, key)}: {key}: "
    assert faults[0].startswith(start) and re.search(says, faults[0][len(start):]), lines


def test_all_mistakes_are_found_at_once(server, things):
    server.write(**pair("/nowhere/a.pem", things.good.key), max_sesions=1)
    server.write(
        certificate=["/nowhere/a.pem", str(things.good.chain), str(things.write("t.pem", "x"))],
        certificate_key=[str(things.good.key), str(things.certs.ec.key), str(things.key("again"))],
        tls_ciphers="AES128-SHA256", log="/tmp", log_level="loud", auth=["users", "pamm"],
        listen=["192.0.2.77:2121"], **database_is_garbage(server, things))
    code, lines = check(server)
    assert code == 1
    told = [re.match(rf"{server.file}:\d+: (\w+): ", x) for x in lines]
    assert all(told), lines
    assert sorted(x[1] for x in told) == sorted([
        "max_sesions", "certificate", "certificate", "certificate_key", "tls_ciphers", "log",
        "log_level", "auth", "listen", "users_database"]), lines
    for ask in (lambda: run(*server.command("-F"), check=False, timeout=60),
                lambda: server.tool("check", check=False, timeout=60)):
        assert sorted(ask().stderr.splitlines()) == sorted(lines)       # the same, by each


def test_a_small_passive_range_is_a_warning(server):
    server.write(passive_port_least=50000, passive_port_most=50099, max_sessions=300)
    code, lines = check(server)
    assert code == 0 and len(lines) == 1, lines
    assert "warning: 100 ports" in lines[0] and "open the ports 50000 to 50299" in lines[0]


def test_one_jail_of_two_is_a_warning(server):
    server.add_user("other", jail=server.dir / "not" / "there")
    code, lines = check(server)
    assert code == 0 and len(lines) == 1, lines
    assert "users_database: warning: other: it does not exist" in lines[0]
    server.write(jail_create=True)
    assert check(server) == (0, [])
    os.chmod(server.dir, 0o775)         # where others may write, nothing is made
    code, lines = check(server)
    os.chmod(server.dir, 0o755)
    assert "other" in "".join(lines) and not (server.dir / "not").exists(), lines


def test_a_running_server_is_no_fault_and_is_left_alone(make_server):
    """Its ports are taken, by itself; -t leaves nothing behind."""
    s = make_server()
    before, mark = sorted(os.listdir(s.dir)), s.mark()
    pids = (s.dir / "run" / "sallyportd.pid").read_text()
    code, lines = check(s)
    assert (code, lines) == (0, [])
    assert sorted(os.listdir(s.dir)) == before
    assert (s.dir / "run" / "sallyportd.pid").read_text() == pids
    assert s.log(mark) == ""
    s.login().quit()


def test_systemd_hears_nothing_of_a_start_that_fails(world):
    """The port is taken: the start ends with 1, and READY=1 is never said."""
    s = harness.Server(world, "systemd", accounts=False)
    s.write()
    s.add_user("somebody")
    with socket.create_server(("127.0.0.1", s.port)), \
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(s.dir / "notify"))
        notify.setblocking(False)
        r = run(*s.command("-F"), check=False, timeout=60,
                env={"NOTIFY_SOCKET": str(s.dir / "notify")})
        assert r.returncode == 1 and "already in use by" in r.stderr, r
        with pytest.raises(BlockingIOError):
            notify.recv(4096)


def test_keys_are_read_by_the_keyholder_alone(world, tmp_path):
    """Of -t, too: it opens them, as a start does, and reads nothing of them."""
    needs_root()
    world.not_sanitized("the leak checker cannot work below strace")
    s = harness.Server(world, "walls", accounts=False)
    s.write()
    s.add_user("somebody")
    trace = tmp_path / "trace"
    run("strace", "-f", "-y", "-e", "trace=read,pread64,readv,preadv,mmap,execve", "-o", trace,
        *s.command("-t"), timeout=120)
    programs, readers = {}, set()
    for line in trace.read_text().splitlines():
        pid, call = line.split(None, 1)
        if call.startswith("execve("):
            programs[pid] = re.search(r'\["([^"]+)"', call)[1]
        elif ".key>" in call:
            readers.add(os.path.basename(programs.get(pid, "?")))
    assert readers == {"sallyport-keyholder"}, readers
