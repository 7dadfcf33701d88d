"""Every command that takes a path, ways out of the jail, and an outside that is watched.

ROWS is the one table: a command of src/worker/commands.c that is neither there nor in
NO_PATH fails test_jail_paths.py, so that a new command comes with its row.
"""

import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

from harness import HERE

SOURCE = HERE.parent.parent / "src" / "worker"
INTRUDER = b"written by a client that must not"
SECRET = b"outside of the jail: nobody over FTP may see this\n"
SIZE = 77747
MOST = 4 << 20                          # bytes of a download that are read: a device has no end
TIME = 981173106                        # 2001-02-03 04:05:06 UTC
UNSEEN = "unseen-5f1c"
GIVEN_AWAY = [SECRET[:30], UNSEEN.encode(), b"20010203", b"Feb  3  2001",
              re.compile(rb"\b%d\b" % SIZE)]

# Verbs without a path in their parameter, or without one that the broker sees.
NO_PATH = set("USER PASS ACCT REIN QUIT PWD XPWD AUTH PBSZ PROT CCC TYPE STRU MODE PORT EPRT "
              "PASV EPSV REST ALLO ABOR SYST FEAT OPTS CLNT HELP NOOP".split())
NO_PATH |= {"SITE UMASK", "SITE IDLE", "SITE HELP"}


class Row(NamedTuple):
    line: str                           # {} is the path
    on: str                             # what it is tried on: secret, sub (a directory), new
    kind: str = ""                      # "", get, put: what the data connection does
    rest: int = None
    before: tuple = ()                  # commands that come first
    link: bool = False                  # acts on a link itself, so it may well succeed

    @property
    def verb(self):
        words = self.line.split()
        return " ".join(words[:2]) if words[0] == "SITE" else words[0]

    @property
    def name(self):
        before = "".join(b.split()[0] + "+" for b in self.before)
        return f"{before}{'REST+' if self.rest else ''}{self.line.replace(' {}', '')}"


ROWS = [
    Row("CWD {}", "sub"), Row("XCWD {}", "sub"),
    Row("CDUP", "sub", before=("CWD {}",)), Row("XCUP", "sub", before=("CWD {}",)),
    Row("MKD {}", "new sub"), Row("XMKD {}", "new"),
    Row("RMD {}", "sub"), Row("XRMD {}", "sub"),
    Row("DELE {}", "secret sub", link=True),
    Row("RNFR {}", "secret sub", link=True),
    Row("RNTO taken", "secret sub", before=("RNFR {}",), link=True),
    Row("RNTO {}", "new secret", before=("RNFR mine",), link=True),
    Row("RETR {}", "secret", "get"), Row("RETR {}", "secret", "get", rest=7),
    Row("STOR {}", "secret new", "put"), Row("STOR {}", "secret", "put", rest=7),
    Row("APPE {}", "secret new", "put"), Row("APPE {}", "secret", "put", rest=7),
    Row("STOU {}", "secret new sub", "put", link=True),
    Row("LIST {}", "sub secret", "get", link=True), Row("LIST -la {}", "sub", "get", link=True),
    Row("LIST -aR {}", "sub", "get", link=True), Row("LIST -d {}", "sub", "get", link=True),
    Row("LIST {}/*", "sub", "get", link=True), Row("LIST {}*", "secret", "get", link=True),
    Row("NLST {}", "sub secret", "get", link=True), Row("NLST -lR {}", "sub", "get", link=True),
    Row("NLST {}/*", "sub", "get", link=True),
    Row("MLSD {}", "sub secret", "get"), Row("MLST {}", "sub secret"),
    Row("STAT {}", "sub secret", link=True), Row("STAT {}/*", "sub", link=True),
    Row("SIZE {}", "secret"), Row("SIZE {}", "secret", before=("TYPE A",)),
    Row("MDTM {}", "secret sub"), Row("MDTM 20200101000000 {}", "secret"),
    Row("MFMT 20200101000000 {}", "secret sub"), Row("SITE UTIME 202001010000 {}", "secret sub"),
    Row("SITE CHMOD 600 {}", "secret sub"),
]


def verbs_served():
    """The verbs of the tables in the source: what is served, SITE's own apart."""
    text = (SOURCE / "commands.c").read_text()
    main = set(re.findall(r'^    \{ "(\w+)", cmd_\w+,', text, re.M)) - {"SITE"}
    site = re.findall(r'^    \{ "(\w+)", site_\w+,', (SOURCE / "cmd_site.c").read_text(), re.M)
    return main | {"SITE " + s for s in site}


class Done(NamedTuple):
    code: int
    shown: bytes                        # all that came back: replies and data


def attempt(c, row, path, content=INTRUDER):
    """The whole command, with its transfer to the end."""
    seen = len(c.replies)
    got = b""
    r = None
    for line in row.before:
        r = c.cmd(line.replace("{}", path))
        if r.code >= 400:
            break
    else:
        line = row.line.replace("{}", path)
        if row.kind == "":
            r = c.cmd(line)
        else:
            r, data = c.transfer(line, rest=row.rest)
            if data is not None:
                with data:
                    if row.kind == "put":
                        data.sendall(content)
                        c.finish(data)
                    else:
                        got = c.receive(data, MOST)
                r = c.reply()
    if "TYPE A" in row.before:
        c.expect(200, "TYPE I")
    texts = "\n".join(x.text for x in c.replies[seen:]).encode("utf-8", "surrogateescape")
    return Done(r.code, texts + b"\n" + got)


class Outside:
    """A tree that everybody on the machine, and the guest first, could read and write."""

    def __init__(self, server, root, unseen=UNSEEN, content=SECRET, size=SIZE, time=TIME):
        self.server, self.root = server, Path(root)
        self.unseen, self.content, self.size, self.time = unseen, content, size, time
        self.make()

    def make(self):
        r = self.root
        (r / "sub" / self.unseen).mkdir(parents=True)
        times = -(-self.size // len(self.content))
        for f in (r / "secret", r / "sub" / "secret"):
            f.write_bytes((self.content * times)[:self.size])
        (r / (self.unseen + "-empty")).mkdir()
        os.symlink("secret", r / "onward")
        for p in [r, *r.rglob("*")]:
            if not p.is_symlink():
                os.chmod(p, 0o777 if p.is_dir() else 0o666)
            self.server.own(p)
        for p in [*r.rglob("*"), r]:
            os.utime(p, (self.time, self.time), follow_symlinks=False)

    def remake(self):
        shutil.rmtree(self.root)
        self.make()

    def state(self):
        """All of it but the times of reading."""
        found = {}
        for p in [self.root, *sorted(self.root.rglob("*"))]:
            s = p.lstat()
            content = os.readlink(p) if p.is_symlink() else p.read_bytes() if p.is_file() else ""
            found[str(p)] = (s.st_ino, s.st_mode, s.st_nlink, s.st_uid, s.st_gid, s.st_mtime_ns,
                             s.st_ctime_ns, content)
        return found

    def gives_away(self, shown):
        """What of it is in what a client was shown."""
        return [m for m in GIVEN_AWAY
                if (m in shown if isinstance(m, bytes) else m.search(shown))]


def _link(d, name, to):
    os.symlink(to, d / name)


def _away(target, *rest):
    """A way by a link to a directory: `away` and what is asked for below it."""
    def build(d, o, t):
        _link(d, "away", target(o))
        return "/".join(("away",) + tuple(r(o) for r in rest) + (t,))
    return build


def _straight(prefix):
    return lambda d, o, t: f"{prefix}{str(o)[1:]}/{t}"


def _chain(d, o, t):
    _link(d, "away", "deep/second")
    _link(d / "deep", "second", "../third")
    _link(d, "third", str(o))
    return "away/" + t


def _middle(d, o, t):
    _link(d / "deep", "away", str(o.parent))
    return f"deep/away/{o.name}/{t}"


def _behind_link(d, o, t):
    _link(d, "in", "deep/er")
    return f"in/{'../' * 20}{str(o)[1:]}/{t}"


def _to(target, shown="link"):
    """A way by a link to the very thing."""
    def build(d, o, t):
        _link(d, "link", target(d, o, t))
        return shown
    return build


def _second(d, o, t):
    _link(d / "deep", "two", f"{o}/{t}")
    return "deep/two"


def _loop(d, o, t):
    _link(d, "loop", "link")
    return "loop"


def up(o):
    return "../" * 30 + str(o)[1:]


# name -> build(directory of this attempt, outside, what is wanted there): the path to ask for
WAYS = {
    "dots": _straight("../" * 30),
    "dots from the root": _straight("/" + "../" * 30),
    "dots and slashes": _straight("/..//.././/..//./../"),
    "dots behind a directory": _straight("deep/er/" + "../" * 20),
    "dots behind nothing": _straight("none/" + "../" * 20),
    "an absolute path": _straight("/"),
    "two slashes": _straight("//"),
    "an absolute link": _away(str),
    "a relative link": _away(up),
    "a link in the middle": _middle,
    "a link to /": _away(lambda o: "/", lambda o: str(o)[1:]),
    "a link upwards": _away(lambda o: "../" * 25, lambda o: str(o)[1:]),
    "dots behind a link": _behind_link,
    "a chain of links": _chain,
    "/proc/self/root": _away(lambda o: "/proc/self/root", lambda o: str(o)[1:]),
    "/proc/self/cwd": _away(lambda o: "/proc/self/cwd/" + "../" * 9, lambda o: str(o)[1:]),
    "a link to it": _to(lambda d, o, t: f"{o}/{t}"),
    "a relative link to it": _to(lambda d, o, t: f"{up(o)}/{t}"),
    "a link to a link to it": _to(_second),
    "a link to it and a slash": _to(lambda d, o, t: f"{o}/{t}", "link/"),
    "a link to it and a dot": _to(lambda d, o, t: f"{o}/{t}", "link/."),
    "a link to a link outside": _to(lambda d, o, t: f"{o}/onward"),
    "links in a circle": _to(_loop),
}


class Workshop:
    """A fresh directory for each attempt, made on disk and left when the test ends."""

    def __init__(self, folder):
        self.folder, self.n = folder, 0

    def fresh(self):
        self.n += 1
        name = f"w{self.n}"
        d = Path(self.folder.mkdir(name))
        for sub in ("deep", "deep/er"):
            (d / sub).mkdir()
            self.folder.server.own(d / sub)
        (d / "mine").write_bytes(b"mine")
        self.folder.server.own(d / "mine")
        return d, f"{self.folder.ftp}/{name}"
