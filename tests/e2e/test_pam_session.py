"""What PAM sets for a session (limits, umask, groups) reaches the processes of that session."""

import os
import pwd
import signal
import shutil
import stat
from contextlib import suppress
from pathlib import Path

import pytest

import harness
import procfs
from harness import (PAM_PASSWORD, PAM_SERVICE, PAM_USER, PASSWORD, needs_root, run, wait_until)
from test_logins import refusal

HERE = Path(__file__).resolve().parent
MOST = 100_000                  # bytes of a file
JOINED = 65000                  # a group that nobody has
BIG = os.urandom(3 * MOST)


class Limited:
    """A server whose PAM service sets what a test writes into its two files."""

    def __init__(self, world):
        module = world.dir / "pam_joins.so"
        run("gcc", "-std=c17", "-D_GNU_SOURCE", "-shared", "-fPIC", "-Wall", "-o", module,
            HERE / "pam_joins.c", "-lpam")
        self.module, self.limits = module, world.dir / "limits.conf"
        self.service = Path("/etc/pam.d", f"{PAM_SERVICE}-session-{os.getpid()}")
        self.server = harness.Server(world, "pam-session", auth=["users", "pam"],
                                     pam_service=self.service.name, umask=0o002,
                                     cleartext_networks=["127.0.0.0/8"])
        self.set()

    def set(self, limits="", umask="022", group=JOINED):
        self.limits.write_text("".join(f"{PAM_USER} - {x}\n" for x in limits.split(";") if x))
        self.service.write_text(
            f"auth required pam_unix.so\nauth required {self.module} group={group}\n"
            "account required pam_unix.so\nsession required pam_unix.so\n"
            f"session required pam_limits.so conf={self.limits}\n"
            + (f"session required pam_umask.so umask={umask}\n" if umask else ""))

    def login(self, **kw):
        return self.server.login(PAM_USER, PAM_PASSWORD, timeout=30, **kw)

    def broker(self):
        """Of the only session."""
        uid = pwd.getpwnam(PAM_USER).pw_uid

        def found():
            return [p for p in procfs.of_kind(self.server.pid, "sallyport-broker")
                    if procfs.status(p)["Uid"].split()[0] == str(uid)]
        assert wait_until(lambda: len(found()) == 1), found()   # that of the last test may end yet
        return found()[0]


@pytest.fixture(scope="module")
def _limited(world):
    needs_root()
    world.not_sanitized("its crypt(3) breaks pam_unix")
    found = Limited(world)
    found.server.start()
    yield found
    found.server.stop()
    found.service.unlink()


@pytest.fixture
def limited(_limited):
    _limited.server.revive()
    yield _limited


@pytest.fixture
def home():
    at = Path(os.path.expanduser("~" + PAM_USER))

    def clear():
        for made in at.iterdir():
            if made.name not in (".bash_logout", ".bashrc", ".profile"):      # of /etc/skel
                shutil.rmtree(made) if made.is_dir() else made.unlink()
    clear()                     # what a run left that was ended
    yield at
    clear()


@pytest.mark.parametrize("tls", ["explicit", None])
def test_a_file_becomes_no_larger_than_the_limit(limited, home, tls):
    """552 wherever it is found: by ALLO, before 150, while bytes arrive; in each mode."""
    limited.set(f"fsize {MOST // 1000}")        # of pam_limits: 1024 bytes each
    most = MOST // 1000 * 1024
    c = limited.login(tls=tls)
    assert c.cmd(f"ALLO {most + 1}").code == 552
    assert c.cmd(f"ALLO {most}").code == 200
    c.stor("STOR f", BIG[:most])
    assert (home / "f").read_bytes() == BIG[:most]
    for line in ("STOR half", "APPE small"):
        c.expect(200, "TYPE I")
        r, data = c.transfer(line)
        with suppress(OSError), data:
            data.sendall(BIG)
        assert c.reply().code == 552, line
    c.passive("EPSV")
    assert c.cmd("APPE f").code == 552          # there is no room from the beginning
    c.expect(200, "TYPE A")
    r, data = c.transfer("STOR f")
    with suppress(OSError), data:
        data.sendall(b"line\r\n" * most)
    assert c.reply().code == 552
    assert (home / "f").read_bytes() == BIG[:most]
    for f in home.iterdir():
        assert f.stat().st_size <= most, f
    # the limit is that account's: the next login of the session has none
    c.expect(220, "REIN")
    if tls:
        c.expect(200, "PBSZ 0")
        c.expect(200, "PROT P")
    c.login("guest", PASSWORD)
    c.expect(200, "TYPE I")
    c.stor("STOR f", BIG)
    c.expect(250, "DELE f")
    c.quit()


def soft_limits(pid):
    """Name -> soft limit, as /proc has them."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    return {x[:25].strip(): x[26:46].strip() for x in lines}


def test_what_is_set_is_set_in_the_broker(limited):
    limited.set("fsize 100;nofile 100;as 500000;cpu 7;priority 3")
    c = limited.login()
    pid = limited.broker()
    found = soft_limits(pid)
    for name, most in (("file size", 102400), ("open files", 100), ("address space", 512000000),
                       ("cpu time", 7 * 60)):
        assert found["Max " + name] == str(most), name
    assert os.getpriority(os.PRIO_PROCESS, pid) == 3
    c.retr("LIST")
    c.quit()
    assert wait_until(lambda: not procfs.alive(pid), 10)


def test_nothing_is_looser_than_without_pam(limited):
    found = []
    for limits in ("", "nofile 1030;as unlimited;fsize unlimited"):
        limited.set(limits)
        c = limited.login()
        pid = limited.broker()
        found.append((soft_limits(pid), os.getpriority(os.PRIO_PROCESS, pid)))
        c.quit()
        assert wait_until(lambda: not procfs.alive(pid), 10)
    assert found[0] == found[1]


@pytest.mark.parametrize("umask, mode", [("077", 0o600), ("007", 0o660), ("022", 0o644),
                                         ("000", 0o664), (None, 0o664)])
def test_the_mask_of_pam_stands_beside_that_of_the_server(limited, home, umask, mode):
    limited.set(umask=umask)
    c = limited.login()
    c.stor("STOR f", b"x")
    assert stat.S_IMODE(os.stat(home / "f").st_mode) == mode
    c.expect(257, "MKD d")
    assert stat.S_IMODE(os.stat(home / "d").st_mode) == mode | mode >> 2 & 0o111
    c.quit()


def test_groups_that_a_module_adds_count(limited, home):
    (home / "d").mkdir()
    os.chown(home / "d", 0, JOINED)
    os.chmod(home / "d", 0o770)
    limited.set()
    c = limited.login()
    c.stor("STOR d/f", b"x")
    c.expect(250, "DELE d/f")
    c.quit()
    limited.set(group=0)
    assert refusal(limited.server, PAM_USER, PAM_PASSWORD, timeout=30).code == 530
    limited.server.wait_log(r"login\.account_unusable .*group 0")


def test_a_session_whose_processor_time_is_over_ends_and_nobody_is_shut_out(limited):
    limited.set("cpu 1")
    c = limited.login()
    mark = limited.server.mark()
    os.kill(limited.broker(), signal.SIGXCPU)       # the kernel would after a minute of work
    assert c.reply().code == 421
    limited.server.wait_log(r"session\.closed", mark)
    assert "crashed" not in limited.server.log(mark)
    c.abandon()
    limited.login().quit()
