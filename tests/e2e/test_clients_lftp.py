"""lftp: mirror, reget, mput, active mode."""

import hashlib
import os

import pytest

from harness import PASSWORD, run


class Lftp:
    def __init__(self, server, home, host="127.0.0.1", scheme="ftp", user="guest", **settings):
        port = server.implicit if scheme == "ftps" else server.port
        url = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
        self.home = home
        preset = {"ssl:ca-file": server.world.certs.ca, "ssl:verify-certificate": "yes",
                  "ftp:ssl-force": "yes", "ftp:ssl-protect-data": "yes", "net:max-retries": "2",
                  "net:timeout": "10", "net:reconnect-interval-base": "1", "cmd:fail-exit": "yes",
                  "net:persist-retries": "0"}
        preset.update({k.replace("__", ":").replace("_", "-"): v for k, v in settings.items()})
        self.head = "".join(f"set {k} {v}; " for k, v in preset.items())
        self.head += f"open -u {user},'{PASSWORD}' {url}; "

    def __call__(self, script, check=True, timeout=55):
        env = dict(os.environ, HOME=str(self.home), LFTP_HOME=str(self.home / "lftp"),
                   LC_ALL="C.UTF-8", TERM="dumb")
        return run("lftp", "--norc", "-c", self.head + script, cwd=self.home, env=env,
                   check=check, timeout=timeout)


def plant(root, files):
    for name, size in files.items():
        p = root / name
        p.parent.mkdir(parents=True, exist_ok=True)
        p.write_bytes(os.urandom(size))


def tree(root):
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in root.rglob("*") if p.is_file()}


FILES = {"a.txt": 10, "empty": 0, "dir/b.bin": 300000, "dir/deeper/c.bin": 1500000,
         "dir/with space/d e.txt": 100, "Füße/ünï.txt": 50, "many/1": 1, "many/2": 2,
         "many/3": 3, ".hidden/x": 9}

WAYS = {"explicit": {}, "implicit": {"scheme": "ftps"}, "IPv6": {"host": "::1"},
        "1.2": {"ssl__priority": '"NORMAL:-VERS-TLS1.3"'},
        "1.3": {"ssl__priority": '"NORMAL:-VERS-TLS-ALL:+VERS-TLS1.3"'},
        "active": {"ftp__passive_mode": "off"},
        "no mlsd": {"ftp__use_mlsd": "no", "ftp__list_options": "-a"},
        "mlsd": {"ftp__use_mlsd": "yes"},
        "sync": {"ftp__sync_mode": "on"}, "pipelined": {"ftp__sync_mode": "off"}}


@pytest.mark.slow
@pytest.mark.limit(90)
@pytest.mark.parametrize("way", WAYS)
def test_mirror_up_and_down(server, folder, scratch, way):
    plant(scratch / "src", FILES)
    lftp = Lftp(server, scratch, **WAYS[way])
    lftp(f"mirror -R --parallel=3 src {folder.ftp}/copy; "
         f"mirror --parallel=3 {folder.ftp}/copy back")
    want = tree(scratch / "src")
    assert tree(folder.disk / "copy") == want
    assert tree(scratch / "back") == want
    # times are kept (MFMT, MDTM): a second mirror has nothing to do
    again = lftp(f"mirror -R --verbose=3 src {folder.ftp}/copy; "
                 f"mirror --verbose=3 {folder.ftp}/copy back")
    assert "Transferring" not in again.stdout + again.stderr, again.stdout


def test_mirror_in_clear(clear_server, clear_folder, scratch):
    plant(scratch / "src", FILES)
    lftp = Lftp(clear_server, scratch, ftp__ssl_force="no", ftp__ssl_allow="no")
    lftp(f"mirror -R src {clear_folder.ftp}/copy; mirror {clear_folder.ftp}/copy back")
    assert tree(clear_folder.disk / "copy") == tree(scratch / "src") == tree(scratch / "back")


@pytest.mark.slow
def test_mirror_with_delete(server, folder, scratch):
    plant(scratch / "src", FILES)
    lftp = Lftp(server, scratch)
    lftp(f"mirror -R src {folder.ftp}/copy")
    (scratch / "src/a.txt").unlink()
    (scratch / "src/many/2").unlink()
    lftp(f"mirror -R --delete src {folder.ftp}/copy")
    assert tree(folder.disk / "copy") == tree(scratch / "src")


def test_put_get_and_reget(server, folder, scratch):
    content = os.urandom(2_000_000)
    (scratch / "f").write_bytes(content)
    lftp = Lftp(server, scratch)
    lftp(f"cd {folder.ftp}; put f")
    assert folder.read("f") == content
    lftp(f"get {folder.ftp}/f -o got")
    assert (scratch / "got").read_bytes() == content
    (scratch / "got").write_bytes(content[:700_000])
    lftp(f"get -c {folder.ftp}/f -o got")
    assert (scratch / "got").read_bytes() == content
    folder.make("g", content[:900_000])
    lftp(f"cd {folder.ftp}; put -c f -o g")
    assert folder.read("g") == content


def test_pget_in_parts(server, folder, scratch):
    content = os.urandom(5_000_000)
    folder.make("big", content)
    Lftp(server, scratch)(f"pget -n 4 {folder.ftp}/big -o big")
    assert (scratch / "big").read_bytes() == content


def test_mput_and_mget_of_odd_names(server, folder, scratch):
    names = ["with space", "-dash", "Füße", "per%cent", "semi;colon", "hash#", "(paren)", "a&b",
             "plus+", "quote'", 'double"quote']
    for n in names:
        (scratch / "up" / n).parent.mkdir(exist_ok=True)
        (scratch / "up" / n).write_bytes(n.encode() * 10)
    lftp = Lftp(server, scratch)
    lftp(f"lcd up; mput -O {folder.ftp} *")
    assert folder.names() == sorted(names)
    (scratch / "down").mkdir()
    lftp(f"cd {folder.ftp}; lcd down; mget *")
    for n in names:
        assert (scratch / "down" / n).read_bytes() == n.encode() * 10


def test_everyday_commands(server, folder, scratch):
    lftp = Lftp(server, scratch)
    r = lftp(f"cd {folder.ftp}; mkdir -p one/two; echo hello > /dev/null; put /etc/hostname -o h; "
             "mv h one/h2; chmod 600 one/h2; ls one; cls -l one; du one; find; rm one/h2; "
             "rmdir one/two; rmdir one; pwd; site help; quote noop; glob -d echo *")
    assert "h2" in r.stdout
    assert folder.names() == []


def test_an_empty_upload(server, folder, scratch):
    (scratch / "zero").write_bytes(b"")
    Lftp(server, scratch)(f"cd {folder.ftp}; put zero")
    assert folder.read("zero") == b""


def test_a_missing_file_and_a_wrong_password(server, folder, scratch):
    assert Lftp(server, scratch)(f"get {folder.ftp}/nothing", check=False).returncode != 0
    bad = Lftp(server, scratch, user="nobody-here")
    r = bad("ls", check=False)
    assert r.returncode != 0 and "530" in r.stderr, r.stderr


def test_ascii_get_and_put(server, folder, scratch):
    folder.make("text", b"one\ntwo\n")
    lftp = Lftp(server, scratch)
    lftp(f"get -a {folder.ftp}/text -o got")
    assert (scratch / "got").read_bytes() == b"one\ntwo\n"
    lftp(f"cd {folder.ftp}; put -a got -o back")
    assert folder.read("back") == b"one\ntwo\n"


def test_linked_folders_are_entered_and_not_walked_in_circles(server, folder, scratch):
    d = folder.mkdir("d")
    (d / "in").write_bytes(b"inside")
    os.chmod(d / "in", 0o644)
    for to, name in (("d", "link"), (".", "d/here"), ("..", "d/up")):
        os.symlink(to, folder.disk / name)
    lftp = Lftp(server, scratch, ftp__use_mlsd="yes")
    assert lftp(f"cd {folder.ftp}/link; cat in").stdout == "inside"
    r = lftp(f"cd {folder.ftp}; find; mirror . {scratch}/got")
    assert sorted(r.stdout.split()) == ["./", "./d/", "./d/here", "./d/in", "./d/up", "./link"]
    assert os.readlink(scratch / "got" / "link") == "d"
    assert (scratch / "got" / "d" / "in").read_bytes() == b"inside"
