"""A writable jail root: what a user plants where a library would look is looked at by nobody."""

import os
import re
import time
from pathlib import Path

from patience import Stopwatch
import procfs
import pytest

from harness import needs_root
from inotify import Watch

SYSTEM = """etc/passwd etc/group etc/shadow etc/nsswitch.conf etc/localtime etc/timezone
etc/ld.so.preload etc/ld.so.cache etc/ld.so.conf etc/hosts etc/resolv.conf etc/host.conf
etc/gai.conf etc/services etc/locale.alias etc/ssl/openssl.cnf usr/lib/ssl/openssl.cnf
etc/pam.d/sallyport etc/sallyport/sallyport.conf etc/krb5.conf etc/security/limits.conf
lib/x86_64-linux-gnu/libnss_files.so.2 lib/x86_64-linux-gnu/libnss_compat.so.2
lib/x86_64-linux-gnu/libnss_ldap.so.2 lib/x86_64-linux-gnu/libc.so.6
lib/x86_64-linux-gnu/libgcc_s.so.1 lib/aarch64-linux-gnu/libc.so.6 lib64/libnss_files.so.2
lib64/ld-linux-x86-64.so.2 usr/lib/x86_64-linux-gnu/gconv/gconv-modules.cache
usr/lib/x86_64-linux-gnu/gconv/gconv-modules usr/lib/x86_64-linux-gnu/ossl-modules/legacy.so
usr/lib/x86_64-linux-gnu/engines-3/afalg.so usr/lib/locale/locale-archive
usr/lib/locale/C.utf8/LC_CTYPE usr/share/locale/locale.alias usr/share/zoneinfo/UTC
usr/share/zoneinfo/Europe/Berlin usr/share/zoneinfo/localtime usr/share/zoneinfo/posixrules
bin/sh bin/ls bin/gzip bin/tar usr/bin/md5sum dev/null dev/log dev/urandom run/nscd/socket""".split()
# What other servers show, obey or execute.
SERVERS = """.message .messages welcome.msg .welcome .banner .ftpaccess .ftpquota .htaccess .htpasswd
.netrc .rhosts .forward .profile .bashrc .login .hushlogin .ssh/authorized_keys .procmailrc
README .notar .nodelete shutdown.msg .shutmsg .cwdmsg .override .dlink index.html .lsrc .dir_colors
.sallyport .sp-access pure-ftpd.conf vsftpd.conf""".split()
PLANTED = b"planted by a user: if this is read, obeyed or shown, it is a hole\n"


@pytest.fixture
def planted(make_server):
    """A server with a jail of plain files in all these places, and the list of them."""
    s = make_server(durable=False, cleartext_networks=["127.0.0.0/8"])
    jail = s.jail()
    for name in SYSTEM + SERVERS:
        p = jail / name
        p.parent.mkdir(parents=True, exist_ok=True)
        p.write_bytes(content_for(name))
        os.chmod(p, 0o777)
    for p in [jail, *jail.rglob("*")]:
        s.own(p)
    return s, [jail / n for n in SYSTEM + SERVERS]


def content_for(name):
    if name.endswith("passwd"):
        return b"guest:x:0:0:root:/:/bin/sh\nevil:x:1001:1001::/:/bin/sh\n" + PLANTED
    if name.endswith("group"):
        return b"evil:x:1001:\n" + PLANTED
    if "localtime" in name or "zoneinfo" in name:
        # the time zone UTC-9, as a file: a listing in it would be nine hours off
        zone = Path("/usr/share/zoneinfo/Asia/Tokyo")
        if zone.exists():
            return zone.read_bytes()
        return b"TZif2" + bytes(15) + bytes(24) + b"\nJST-9\n"
    if name.endswith((".so", ".so.2", ".so.6", ".so.1")):
        for real in ("/lib/x86_64-linux-gnu/libc.so.6", "/lib/aarch64-linux-gnu/libc.so.6"):
            if os.path.exists(real):
                return Path(real).read_bytes()[:4096]
    return PLANTED


def session_of_everything(c):
    """A bit of every kind of command; what was shown."""
    d = f"d{c.local_port}"
    c.expect(257, "MKD " + d)
    c.stor("STOR f", b"x\ny\n")
    shown = c.retr("RETR f")
    assert shown == b"x\ny\n"
    c.expect(200, "TYPE A")
    c.stor("STOR a", b"line\r\n")
    c.expect(213, "SIZE a")
    c.expect(200, "TYPE I")
    for line in ("LIST -la", "LIST -laR", "NLST -a", "MLSD", "LIST f", "LIST *.nothing*", "LIST e*"):
        try:
            shown += c.retr(line)
        except AssertionError:
            pass                            # a pattern without a match is refused
    for line in ("CWD etc", "CWD /", "CWD .ssh", "CDUP", "STAT", "STAT f", "STAT /", "MLST f", "FEAT",
                 "SYST", "HELP", "SITE HELP", "MDTM f", "MFMT 20250102030405 f", "OPTS UTF8 ON",
                 "SITE CHMOD 600 f", "SITE UTIME 202501020304 f", "SITE UMASK", "PWD", "CWD ~",
                 "RNFR f", "RNTO g", "DELE g", "DELE a", "RMD " + d, "NOOP"):
        r = c.cmd(line)
        shown += (r.text + "\n").encode("utf-8", "surrogateescape")
    return shown


def maps(pid):
    return Path(f"/proc/{pid}/maps").read_text()


def test_planted_files_are_opened_by_nobody(planted, tried):
    needs_root()
    s, paths = planted
    system = [p for p in paths if p.is_file()]
    with Watch(system) as watch:
        for tls in ("explicit", None):
            c = s.login(tls=tls)
            shown = session_of_everything(c)
            assert PLANTED.strip() not in shown, "a planted text was shown"
            workers = procfs.of_kind(s.pid, "sallyport-worker")
            brokers = procfs.of_kind(s.pid, "sallyport-broker")
            assert workers and brokers
            for pid in workers | brokers:
                text = maps(pid)
                assert "/libc.so.6" in text, "the maps could be read"
                assert str(s.jail()) not in text and "jails" not in text, text
                inodes = {int(m) for m in re.findall(r"^\S+ \S+ \S+ \S+ (\d+)", text, re.M)}
                assert not inodes & {p.stat().st_ino for p in system}
                tried("processes whose maps were looked at for planted libraries")
            c.quit()
        time.sleep(0.1)
        assert watch.events() == []
        tried("planted system files watched", len(system))
        # and the watch does see what is opened: a download, asked for by its name
        c = s.login(tls=None)
        assert PLANTED in c.retr("RETR /etc/hosts")
        assert {p for p, _ in watch.events()} == {str(s.jail() / "etc/hosts")}
        c.quit()


def test_planted_files_change_no_reply_and_no_listing(make_server, planted, tried):
    """The same session in a jail with them and in one without."""
    s, paths = planted
    clean = make_server("clean", durable=False, cleartext_networks=["127.0.0.0/8"])

    def told(server):
        jail = server.jail()
        made = jail / "same"
        made.mkdir()
        (made / "f").write_bytes(b"x")
        os.chmod(made / "f", 0o640)
        for p in (made, made / "f"):
            server.own(p)
            os.utime(p, (1700000000, 1700000000))
        c = server.login(tls=None)
        lines = [c.greeting.text]
        for line in ("PWD", "CWD same", "STAT f", "MDTM f", "SIZE f", "CDUP", "CWD /", "SYST", "FEAT",
                     "HELP", "SITE HELP", "SITE UMASK", "CWD nothing", "DELE nothing", "QUIT"):
            if line == "CDUP":
                lines += c.names("LIST -la")[:1] + c.names("LIST") + c.names("MLSD")
            lines.append(c.cmd(line).text)
        c.abandon()
        return [re.sub(r"unique=\w+|create=[\d.]+", "", x) for x in lines]

    ours, theirs = told(clean), told(s)
    assert ours == theirs
    tried("replies and lines compared with and without planted files", len(ours))
    line = next(x for x in theirs if x.endswith(" f"))
    assert re.search(r"guest +sp-test-guest|guest +\S+", line), line
    assert "Nov 14  2023" in line, "the time is UTC: " + line
    assert any("modify=20231114221320" in x for x in theirs)


def test_a_jail_full_of_fifos_holds_nobody_up(make_server):
    """Whoever opened one of them would hang."""
    s = make_server()
    c = s.login()
    jail = s.jail()
    for n in SYSTEM + SERVERS:
        p = jail / n
        p.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(p, 0o666)
    for p in [jail, *jail.rglob("*")]:
        s.own(p)
    begin = Stopwatch()
    for x in (c, s.login()):
        x.timeout = 8
        session_of_everything(x)
        x.quit()
    assert begin.own() < 8


def test_nothing_planted_is_executed(planted, tried):
    """Each planted program would leave a mark; the broker may execute nothing anyway."""
    s, paths = planted
    mark = s.jail() / "executed"
    for name in SYSTEM:
        if "bin/" in name:
            (s.jail() / name).write_text(f"#!/bin/sh\ntouch {mark} /executed\n")
    c = s.login(tls=None)
    session_of_everything(c)
    for name in ("bin/ls|", "|bin/sh", "f; /bin/sh", "$(bin/sh)", "`bin/sh`", "f\\|bin/sh"):
        for line in ("RETR ", "LIST ", "NLST ", "STOR ", "STAT "):
            c.passive()
            r = c.cmd(line + name)
            if r.code in (125, 150):
                c.cmd("ABOR")
                c.reply()
            tried("names that would be commands of a shell")
    for line in ("SITE EXEC bin/sh", "SITE INDEX x", "SITE GROUP x", "SITE ALIAS", "SITE CDPATH"):
        assert c.cmd(line).code >= 500
    assert not mark.exists() and not os.path.exists("/executed")
    assert "sandbox." not in s.log()
    c.quit()


def test_nothing_is_loaded_once_a_session_runs(planted):
    """What is mapped is the same before and after: no library, no locale comes late."""
    needs_root()
    s, paths = planted
    c = s.login(tls=None)
    before = {p: files_mapped(p) for kind in ("broker", "worker")
              for p in procfs.of_kind(s.pid, "sallyport-" + kind)}
    assert any(f.endswith("/libc.so.6") for files in before.values() for f in files)
    session_of_everything(c)
    assert before == {p: files_mapped(p) for p in before}
    c.quit()


def files_mapped(pid):
    return sorted(set(re.findall(r"(/\S+)$", maps(pid), re.M)))
