"""sandbox = report: what is off the lists is told and done; an ordinary day tells nothing."""

import os
import re
import signal
import socket

import pytest

import harness
import inject
import live
from harness import PAM_PASSWORD, PAM_SERVICE, PAM_USER, PASSWORD, ROOT

REPORTED = r"sandbox\.report"
BIG = 8 << 20


@pytest.fixture(scope="module")
def reporting(world):
    extra = {"auth": ["users", "pam"], "pam_service": PAM_SERVICE} if ROOT else {}
    s = harness.Server(world, "reporting", sandbox="report",
                       cleartext_networks=["127.0.0.0/8", "::1/128"], **extra)
    s.start()
    yield s
    s.stop()


def test_the_log_says_so_at_start_and_at_each_reload(reporting):
    line = reporting.wait_log(r"wall\.missing what=seccomp")
    assert "warning" in line and "sandbox = report" in line
    mark = reporting.mark()
    reporting.reload()
    reporting.wait_log(r"wall\.missing what=seccomp", mark)


def test_another_word_is_refused(reporting):
    reporting.write(sandbox="permissive")
    r = reporting.tool("check", check=False)
    reporting.write(sandbox="report")
    assert r.returncode != 0
    assert "enforce" in r.stdout + r.stderr and "permissive" in r.stdout + r.stderr


# ---- an ordinary day ----------------------------------------------------------------------

COMMANDS = ["SYST", "FEAT", "HELP", "HELP STOR", "NOOP", "STAT", "PWD", "XPWD", "CLNT test",
            "OPTS UTF8 ON", "OPTS MLST type;size;modify;", "STRU F", "MODE S", "TYPE A",
            "SIZE small", "TYPE I", "SIZE small", "MDTM small", "MFMT 20200101000000 small",
            "MLST small", "STAT small", "STAT .", "ALLO 1000", "SITE HELP", "SITE UMASK 027",
            "SITE CHMOD 640 small", "SITE UTIME 20200101000000 small", "SITE IDLE 100",
            "MKD d", "CWD d", "CDUP", "XMKD e", "XRMD e", "RNFR small", "RNTO d/moved",
            "RNFR d/moved", "RNTO small", "RMD d", "REST 5", "ABOR", "ACCT x", "ADAT x",
            "SMNT x", "NONSENSE", "DELE not-there", "RETR not-there", "CWD not-there",
            "STOR ../../etc/x", "MKD d/d/d", "RMD /", "LANG en", "PORT 1,2,3,4,5,6",
            "EPRT |1|192.0.2.1|80|", "EPSV ALL"]


def listings(c, mode):
    for line in ("LIST", "LIST -la", "LIST *", "NLST", "NLST s*", "MLSD", "LIST small",
                 "NLST nothing*"):
        _, data = c.transfer(line, mode)
        if data is not None:
            with data:
                c.receive(data)
            c.reply()


def transfers(c, mode, content):
    c.stor("STOR file", content, mode)
    assert c.retr("RETR file", mode) == content
    assert c.retr("RETR file", mode, rest=1000) == content[1000:]
    c.stor("APPE file", b"more", mode)
    c.stor("STOR file", b"in the middle", mode, rest=500)
    c.stor("STOU", b"unique", mode)
    c.expect(200, "TYPE A")
    c.stor("STOR text", b"a\r\nb\r\n", mode)
    assert c.retr("RETR text", mode) == b"a\r\nb\r\n"
    c.expect(200, "TYPE I")
    c.stor("STOR file", content, mode)          # over one that is there


def broken_transfers(c, mode):
    for line, content in (("STOR half", b"x" * 300000), ("RETR big", None)):
        _, data = c.transfer(line, mode)
        if content:
            data.sendall(content)
        c.synch()
        data.close()
        c.send("NOOP")
        while c.reply().code != 200:
            continue
    _, data = c.transfer("STOR cut", mode)
    data.sendall(b"x" * 1000)
    c.reset(data)
    c.reply()
    _, data = c.transfer("RETR big", mode)
    c.reset(data)
    c.reply()


def a_day(server, folder, tried, who, tls, mode):
    c = server.login(*who, tls=tls)
    if folder:
        c.expect(250, "CWD " + folder.ftp)
    c.stor("STOR small", b"small", mode)
    c.stor("STOR big", os.urandom(BIG), mode)
    transfers(c, mode, os.urandom(300000))
    listings(c, mode)
    broken_transfers(c, mode)
    for line in COMMANDS:
        c.cmd(line)
    for name in c.names("NLST"):
        c.cmd("DELE " + name)
    c.quit()
    tried("commands while the sandbox reported", len(COMMANDS) + 40)


DAYS = [("explicit", "EPSV"), ("explicit", "PORT"), ("implicit", "PASV"), ("explicit", "EPRT"),
        (None, "EPSV"), (None, "PORT"), (None, "PASV")]


@pytest.mark.parametrize("tls,mode", DAYS)
def test_an_ordinary_session_reports_nothing(reporting, tried, tls, mode):
    mark = reporting.mark()
    a_day(reporting, reporting.folder(), tried, ("guest", PASSWORD), tls, mode)
    assert not re.search(REPORTED, reporting.log(mark))


@pytest.mark.parametrize("tls,mode", [("explicit", "EPSV"), (None, "PASV")])
def test_an_account_that_may_only_read_reports_nothing(reporting, tried, tls, mode):
    """Its broker has a list of its own; what it may not do ends in 550, and in no call."""
    for name, content in (("small", b"small"), ("big", os.urandom(BIG))):
        (reporting.jail("reader") / name).write_bytes(content)
    (reporting.jail("reader") / "deep").mkdir(exist_ok=True)
    (reporting.jail("reader") / "many").mkdir(exist_ok=True)
    for n in range(3000):
        (reporting.jail("reader") / "many" / f"{'n' * 100}{n}").touch()
    mark = reporting.mark()
    c = reporting.login("reader", tls=tls)
    listings(c, mode)
    for line in ("LIST many", "NLST many/n*1", "MLSD many", "LIST -R"):
        c.retr(line, mode)
    assert c.retr("RETR small", mode, rest=2) == b"all"
    assert len(c.retr("RETR big", mode)) == BIG
    for line in ("STOR new", "APPE small", "STOU"):
        assert c.transfer(line, mode)[0].code == 550, line
    _, data = c.transfer("RETR big", mode)
    c.reset(data)
    c.reply()
    for line in [*COMMANDS, "AVBL", "AVBL deep", "DELE small", "CWD deep", "STAT .."]:
        c.cmd(line)
    c.quit()
    assert not re.search(REPORTED, reporting.log(mark))
    tried("commands while the sandbox reported", len(COMMANDS) + 20)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_each_tls_version_reports_nothing(reporting, version):
    mark = reporting.mark()
    c = reporting.login(version=version)
    c.stor("STOR f" + version, b"x" * 100000)
    c.retr("RETR f" + version)
    c.quit()
    assert not re.search(REPORTED, reporting.log(mark))


@pytest.mark.skipif(not ROOT, reason="needs root: PAM")
def test_a_system_user_reports_nothing(reporting, world, tried):
    world.not_sanitized("its crypt(3) breaks pam_unix")
    mark = reporting.mark()
    a_day(reporting, None, tried, (PAM_USER, PAM_PASSWORD), "explicit", "EPSV")
    assert not re.search(REPORTED, reporting.log(mark))


def test_what_goes_wrong_reports_nothing(reporting):
    """Refused logins, ends at every moment, a signal, a stopped process, a lost broker."""
    mark = reporting.mark()
    c = reporting.client()
    for _ in range(3):
        c.cmd("USER guest")
        c.cmd("PASS wrong")
    assert c.closed()
    reporting.client(tls=None, greet=False).abandon()
    c = reporting.client(tls=None)
    c.reset(c.sock)
    c = reporting.client(tls=None)
    c.cmd("AUTH TLS")
    c.raw(b"no TLS at all\r\n\r\n")
    c.closed(2)
    c = reporting.login()
    r, data = c.transfer("STOR lost")
    data.sendall(b"x" * 1000)
    c.abandon()
    data.close()
    c = reporting.login("reader")
    c.cmd("EPSV")
    c.expect(550, "STOR x")
    c.quit()
    if ROOT:
        c, worker, broker = live.logged_in(reporting)
        for pid in (worker, broker):
            os.kill(pid, signal.SIGSTOP)
            os.kill(pid, signal.SIGCONT)
        c.expect(200, "NOOP")
        c.quit()
    assert not re.search(REPORTED, reporting.log(mark))


# ---- the other way round: it would have been seen ----------------------------------------------

@pytest.mark.expects(REPORTED)
@pytest.mark.parametrize("side", ["worker", "broker"])
def test_a_forbidden_call_is_reported_and_the_session_goes_on(reporting, tried, side):
    inject.require()
    folder = reporting.folder()
    c, worker, broker = live.logged_in(reporting)
    pid = {"worker": worker, "broker": broker}[side]
    mark = reporting.mark()
    for _ in range(3):
        assert inject.call(pid, "getppid") == ("returned", reporting.pid)
    assert inject.call(pid, "memfd_create", 0, 0)[1] == -14         # EFAULT: it was made
    what, fd = inject.call(pid, "socket", socket.AF_UNIX, socket.SOCK_STREAM, 0)
    assert what == "returned" and fd > 2
    assert inject.call(pid, "clone") == ("returned", -38)           # ENOSYS
    c.stor(f"STOR {folder.ftp}/f", b"content")
    assert folder.read("f") == b"content"
    c.retr(f"LIST {folder.ftp}")
    lines = [x for x in reporting.log(mark).splitlines() if re.search(REPORTED, x)]
    calls = [re.search(r"call=(\S+)", x)[1] for x in lines if f"side={side}" in x]
    assert sorted(calls) == ["clone", "getppid", "memfd_create", "socket"], lines
    c.quit()
    tried("forbidden calls reported", len(calls))


@pytest.mark.expects(REPORTED)
def test_a_forbidden_call_of_the_keyholder_is_reported(reporting, tried):
    inject.require()
    pid, mark = live.keyholder(reporting), reporting.mark()
    assert inject.call(pid, "getppid") == ("returned", reporting.pid)
    line = reporting.wait_log(REPORTED, mark)
    assert "side=keyholder call=getppid" in line
    reporting.login(version="1.3").quit()
    assert live.keyholder(reporting) == pid
    tried("forbidden calls reported")
