"""Templates that die or cannot start: clients hear of it, or feel nothing."""

import os
import shutil
import signal
import socket

import pytest

import harness
from harness import procfs, run, wait_until


def only_template(s, kind="sallyport-worker"):
    """The process that forks those of the kind; no session is there."""
    assert wait_until(lambda: len(procfs.of_kind(s.pid, kind)) == 1, 8), \
        procfs.of_kind(s.pid, kind)
    (pid,) = procfs.of_kind(s.pid, kind)
    return pid


def stopped(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rpartition(")")[2].split()[0] == "T"


@pytest.mark.expects(r"template\.ended kind=worker")
@pytest.mark.parametrize("implicit", [False, True])
def test_clients_of_a_template_that_dies_are_told(make_server, implicit):
    """With 421, where there is no TLS yet to come; in any case they do not wait."""
    s = make_server(log_level="debug")
    port = s.implicit if implicit else s.port
    pid = only_template(s)
    os.kill(pid, signal.SIGSTOP)
    assert wait_until(lambda: stopped(pid), 8)
    mark = s.mark()
    clients = []
    for n in range(5):
        clients.append(socket.create_connection(("127.0.0.1", port), 10))
        # with the next one, the monitor has asked the template for the one before
        assert wait_until(lambda: s.log(mark).count("session.opened") > n, 8)
    last = clients.pop()
    os.kill(pid, signal.SIGKILL)
    for c in clients:
        c.settimeout(20)
        said = b""
        while chunk := c.recv(1000):
            said += chunk
        c.close()
        assert said == (b"" if implicit else b"421 Service not available; try again later.\r\n")
    last.close()
    assert "template.ended kind=worker" in s.log(mark)
    s.login().quit()


PROGRAMS = ("sallyport-worker", "sallyport-broker", "sallyport-login", "sallyport-keyholder",
            "sallyport-ledger")


@pytest.fixture
def installed(world, tmp_path):
    """A folder with copies of the programs, which a test may replace."""
    folder = tmp_path / "libexec"
    folder.mkdir()
    for d in (folder, *folder.parents[:2]):
        os.chmod(d, 0o755)
    for name in PROGRAMS:
        shutil.copy2(world.build / name, folder / name)
    return folder


@pytest.mark.expects(r"keyholder\.(crashed|ended)")
@pytest.mark.parametrize("how", ["replaced", "removed"])
def test_programs_change_under_a_server_that_runs(make_server, installed, world, how):
    """As a package does it; those it began with serve until a reload takes the new ones."""
    s = make_server(libexec_directory=str(installed), template_sessions=2)
    for name in PROGRAMS:
        (installed / name).unlink()
        if how == "replaced":
            shutil.copy2("/bin/false", installed / name)
    for _ in range(8):
        s.login().quit()
    (keyholder,) = procfs.of_kind(s.pid, "sallyport-keyholder")
    mark = s.mark()
    os.kill(keyholder, signal.SIGKILL)
    s.wait_log("keyholder.crashed", mark)
    s.login().quit()
    mark = s.mark()
    s.reload()
    assert "reload.refused" in s.log(mark), s.log(mark)
    s.login().quit()
    for name in PROGRAMS:
        (installed / name).unlink(missing_ok=True)
        shutil.copy2(world.build / name, installed / name)
    mark = s.mark()
    s.reload()
    assert "reload.done" in s.log(mark), s.log(mark)
    s.login().quit()
    assert "template.kept" not in s.log()


def test_a_second_server_is_refused(make_server, world):
    s = make_server()
    other = harness.Server(world, "second", accounts=False,
                           run_directory=s.settings["run_directory"])
    other.write()
    r = run(world.build / "sallyportd", "-F", "-c", other.file, check=False, timeout=20)
    assert r.returncode == 1
    assert f"the server with pid {s.pid} is using it" in r.stderr, r.stderr
    assert (s.dir / "run" / "sallyportd.pid").read_text() == f"{s.pid}\n"
    s.login().quit()


def test_a_removed_run_directory_is_made_again(make_server):
    s = make_server(template_sessions=2)
    shutil.rmtree(s.dir / "run")
    for _ in range(8):
        s.login().quit()
    assert "run-directory.missing" in s.log()
    assert (s.dir / "run" / "sallyportd.pid").read_text() == f"{s.pid}\n"
