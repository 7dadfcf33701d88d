"""Starting, stopping, reloading, checking the configuration, the log file."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import harness
from ftpclient import HELD_UP, Client
from harness import PASSWORD, procfs, run, wait_until
from patience import Stopwatch


def test_sigterm_tells_every_client_and_settles_uploads(make_server):
    s = make_server()
    folder = s.folder()
    folder.make("big", os.urandom(20 << 20))
    folder.make("old", b"the old content")
    greeted, secured, idle = s.client(tls=None), s.client(), s.login()
    up, down = s.login(), s.login()
    r, updata = up.transfer(f"STOR {folder.ftp}/old")
    updata.sendall(b"half of the new")
    r, downdata = down.transfer(f"RETR {folder.ftp}/big")
    downdata.recv(1000)
    begin = Stopwatch()
    s.process.send_signal(signal.SIGTERM)
    for c in (greeted, secured, idle):
        assert c.closed(8)
        assert c.buffer.startswith(b"421"), c.buffer
    for c in (up, down):
        assert c.closed(8)
        assert b"421" in c.buffer or b"426" in c.buffer, c.buffer
    s.stop()
    assert begin.own() < 8
    assert folder.read("old") == b"the old content"
    for d in (updata, downdata):
        Client.reset(d)
    assert "process.killed" not in s.log(), s.log()[-2000:]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_until_the_end_do_not_cut_the_end_short(make_server, number):
    """A second one ends it at once, the hundredth must not end it in the middle of that."""
    for _ in range(5):
        s = make_server()
        s.login()
        s.process.send_signal(signal.SIGTERM)
        for n in range(2_000_000):
            os.kill(s.pid, number)          # it is not waited for, so nobody else has the pid
            if n % 100 == 0 and not procfs.alive(s.pid):
                break
        assert s.process.wait(10 * HELD_UP) == 0, s.log()[-2000:]
        s.stop()


def test_sigterm_while_handshakes_and_logins_hang(make_server):
    """A client that does not go on cannot hold the server back, and nobody has to be killed."""
    s = make_server()
    implicit = socket.create_connection(("127.0.0.1", s.implicit), 5 * HELD_UP)
    half = s.client(tls=None)
    half.expect(234, "AUTH TLS")
    half.raw(b"\x16\x03\x01\x02\x00\x01")
    login = s.client()
    login.expect(331, "USER guest")
    login.send("PASS wrong")
    waiting = s.login()
    waiting.passive()
    waiting.send("NLST")
    time.sleep(0.1)
    begin = Stopwatch()
    s.stop()
    took = begin.own()
    assert "process.killed" not in s.log(), s.log()[-2000:]
    assert took < 6, f"{took} s"
    implicit.close()


def test_an_idle_server_stops_at_once(make_server):
    s = make_server()
    begin = Stopwatch()
    s.stop()
    assert begin.own() < 1.5
    assert "stopped" in s.log()


@pytest.fixture
def childless(world):
    s = harness.Server(world, "childless")
    s.inside = [sys.executable, Path(__file__).with_name("childless.py")]
    yield s
    s.stop()


def test_no_process_is_left_of_a_server_that_was_stopped(childless):
    """systemd kills what is left, and says so."""
    s = childless.start()
    c = s.login()
    s.process.send_signal(signal.SIGTERM)
    assert c.closed(8)
    assert s.process.wait(10 * HELD_UP) == 0, s.log()[-2000:]


def test_no_process_is_left_of_a_start_that_failed(childless, world):
    s = childless
    s.write(certificate=[str(world.certs.ec.chain)], certificate_key=[str(world.certs.rsa.key)])
    r = run(*s.command("-F"), check=False, timeout=30)
    assert r.returncode == 1 and "key.failed" in r.stderr, r


def test_sigint_stops_too(make_server):
    s = make_server()
    s.process.send_signal(signal.SIGINT)
    assert s.process.wait(8 * HELD_UP) == 0


def test_the_death_of_the_monitor_ends_everything(make_server):
    s = make_server()
    folder = s.folder()
    c = s.login()
    r, data = c.transfer(f"STOR {folder.ftp}/f")
    data.sendall(b"x" * 1000)
    family = procfs.descendants(s.pid)
    s.process.kill()
    s.process.wait(5 * HELD_UP)
    assert wait_until(lambda: not any(map(procfs.alive, family)), 10), \
        str([(p, procfs.name(p)) for p in family if procfs.alive(p)])
    assert c.closed(5)
    assert not folder.path("f").exists()
    Client.reset(data)
    harness.Server.running.remove(s)


def test_a_restart_while_old_connections_linger(make_server):
    """Connections in TIME_WAIT do not keep the port."""
    s = make_server()
    kept = s.login()
    s.restart()
    kept.abandon()
    s.login().quit()


def test_a_taken_port_is_told(make_server, world):
    s = make_server()
    other = harness.Server(world, "taken", listen=[f"127.0.0.1:{s.port}"], accounts=False)
    other.write()
    other.tool("user", "list", check=False)
    r = run(world.build / "sallyportd", "-F", "-c", other.file, check=False, timeout=20)
    assert r.returncode != 0
    assert str(s.port) in r.stderr, r.stderr


def test_in_the_background(make_server, world):
    """Without -F the command returns 0 once the server serves."""
    s = make_server()
    s.stop()
    s.write(log=str(s.logfile))
    r = run(world.build / "sallyportd", "-c", s.file, timeout=20)
    assert r.stdout == "" and r.stderr == ""
    s.login().quit()
    (pid,) = [p for p in procfs.pids() if procfs.name(p) == "sallyportd"
              and str(s.file) in cmdline(p)]
    assert procfs.parent(pid) != os.getpid()
    os.kill(pid, signal.SIGTERM)
    assert wait_until(lambda: not procfs.alive(pid), 8)


def cmdline(pid):
    try:
        with open(f"/proc/{pid}/cmdline") as f:
            return f.read().split("\0")
    except OSError:
        return []


def test_log_file_and_its_rotation(make_server):
    s = make_server()
    log = s.dir / "server.log"
    s.restart(log=str(log))
    s.login().quit()
    assert "login.granted" in log.read_text()
    os.rename(log, s.dir / "server.log.1")
    s.process.send_signal(signal.SIGHUP)
    assert wait_until(log.exists, 8), "the log file was not opened anew"
    s.login().quit()
    assert wait_until(lambda: "login.granted" in log.read_text(), 5)
    st = os.stat(log)
    assert not st.st_mode & 0o007, "others may read the log"


def test_reload_takes_new_settings_for_new_sessions(make_server):
    s = make_server(banner="the first")
    old = s.login()
    s.reload(banner="the second")
    c = s.client(tls=None)
    assert "the second" in c.greeting.text
    c.quit()
    old.names("NLST")
    old.quit()


def test_reload_takes_new_listeners(make_server):
    s = make_server()
    extra = harness.free_port()
    old = s.login()
    s.reload(listen=[f"127.0.0.1:{s.port}", f"127.0.0.1:{extra}"])
    c = Client("127.0.0.1", extra, cafile=s.world.certs.ca)
    c.login("guest", PASSWORD)
    c.names("NLST")
    c.quit()
    s.reload(listen=[f"127.0.0.1:{s.port}"])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", extra), 3)
    old.names("NLST")
    old.quit()


@pytest.mark.slow
def test_reloads_in_a_row_during_sessions(make_server):
    s = make_server()
    folder = s.folder()
    kept = [s.login()]
    for n in range(6):
        s.reload(banner=f"number {n}")
        kept.append(s.login())
    for n, c in enumerate(kept):
        c.stor(f"STOR {folder.ftp}/f{n}", b"x")
        c.quit()
    assert wait_until(lambda: len(procfs.of_kind(s.pid, "sallyport-keyholder")) == 1, 10), \
        "keyholders of old configurations live on"


# ---- faults of the configuration ---------------------------------------------------------------
@pytest.fixture
def config(world):
    s = harness.Server(world, "config", accounts=False)
    s.write()
    return s


def check(config):
    return run(config.world.build / "sallyportd", "-t", "-c", config.file, check=False, timeout=20)


def test_a_good_configuration_is_checked(config):
    config.add_user("somebody")
    r = check(config)
    assert r.returncode == 0, r.stderr
    r = run(config.world.build / "sallyport", "-c", config.file, "check", check=False)
    assert r.returncode == 0, r.stdout + r.stderr


FAULTS = ["nonsense = 1", "idle_timeout = soon", "idle_timeout = 1s", "idle_timeout = 900", "backlog = 99999999",
          'listen = {"not an address"}', 'listen = {"127.0.0.1:99999"}', 'tls_minimum = "1.0"',
          'auth = {"telepathy"}', 'cleartext_networks = {"10.0.0.0/99"}', 'umask = "999"',
          "tls_required = perhaps", 'log_level = "shouting"', "passive_port_least = 80",
          'certificate_key = {"/nonexistent"}', 'certificate = {"/nonexistent"}',
          'worker_user = "root"', 'worker_user = "nobody-of-that-name"',
          'passive_address = {"10.0.0.0/8="}', "idle_timeout = 99999999999999999999d"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_names_file_line_and_key(config, fault):
    key = fault.split(" ")[0]
    if key == "worker_user" and not harness.ROOT:
        pytest.skip("needs root: without it every process has the server's own uid")
    lines = [x for x in config.file.read_text().splitlines() if not x.startswith(key + " ")]
    lines.insert(3, fault)
    config.file.write_text("\n".join(lines) + "\n")
    for argv in (["-t"], ["-F"]):
        r = run(config.world.build / "sallyportd", *argv, "-c", config.file, check=False,
                timeout=20)
        said = r.stderr + r.stdout
        assert r.returncode != 0, fault
        assert key in said, said
        if key not in ("certificate", "certificate_key", "worker_user"):
            assert f"{config.file}:4" in said, said
        assert not re.search(r"Segmentation|assert", said)


def test_every_fault_is_told_at_once(config):
    config.file.write_text(config.file.read_text() + "one = 1\nidle_timeout = 1\ntwo = 2\n")
    said = check(config).stderr
    assert "one" in said and "two" in said and "idle_timeout" in said, said


def test_a_syntax_error_names_its_line(config):
    config.file.write_text("listen = {\"127.0.0.1:2121\"\nbanner = \"x\"\n")
    r = check(config)
    assert r.returncode != 0 and re.search(re.escape(str(config.file)) + r":\d", r.stderr), r.stderr


def test_a_missing_configuration(world):
    r = run(world.build / "sallyportd", "-t", "-c", "/nonexistent/sallyport.conf", check=False)
    assert r.returncode != 0 and "/nonexistent/sallyport.conf" in r.stderr


def test_a_key_that_others_can_read_is_refused(config, world):
    pair = world.certs.make("open-key", "ec", ["DNS:localhost"])
    os.chmod(pair.key, 0o644)
    config.write(certificate=[pair.chain], certificate_key=[pair.key])
    r = check(config)
    assert r.returncode != 0 and "open-key.key" in r.stderr, r.stderr


def test_a_key_that_does_not_fit_its_certificate_is_refused(config, world):
    config.write(certificate=[world.certs.ec.chain], certificate_key=[world.certs.rsa.key])
    p = subprocess.Popen([str(world.build / "sallyportd"), "-F", "-c", str(config.file)],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said, _ = p.communicate(timeout=15 * HELD_UP)
        assert p.returncode != 0
        assert "ec.pem" in said or "rsa.key" in said, said
    except subprocess.TimeoutExpired:
        p.terminate()
        said, _ = p.communicate(timeout=15 * HELD_UP)
        pytest.fail("a server whose key does not fit its certificate starts:\n" + said)


def test_the_version(world):
    r = run(world.build / "sallyportd", "-V")
    assert re.search(r"sallyportd? \d+\.\d+", r.stdout), r.stdout
