"""tests/bench works: every kind of row gives a figure, and the load client believes nothing."""

import json
import mmap
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parent.parent / "bench"
# the rows that are run twice in each round
TWICE = re.compile(r"(RETR|STOR) (plain|TLS), 4 MiB|RETR TLS, 4 x 2 MiB|(RETR|STOR) plain, 4 KiB|"
                   r"(LIST|MLSD|NLST), 300 entries$|\d+ (polite|readers) beside |"
                   r"STOR to disk, (not )?synced, 4 MiB")


def built(world, program):
    path = world.build / program
    assert path.exists(), f"{path} is not built: make check TESTS= builds it"
    return str(path)


@pytest.mark.slow
@pytest.mark.limit(120)
def test_every_kind_of_row_has_a_figure(world, scratch):
    world.not_sanitized("its figures mean nothing")
    if os.getuid() != 0:
        pytest.skip("tests/bench needs root: users and cgroups")
    if not os.access("/sys/fs/cgroup/cpuacct", os.W_OK) and not os.access(
            "/sys/fs/cgroup/cgroup.procs", os.W_OK):
        pytest.skip("no cgroup can be made here")
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode != 0:
        pytest.skip("no mount namespace can be made here")
    built(world, "bench-load"), built(world, "bench-limits")
    r = subprocess.run([sys.executable, "-B", str(BENCH / "bench.py"), "--tiny", "--whole",
                        "--build", str(world.build), "--rounds", "1", "--peers", "",
                        "--json", str(scratch / "all.json")],
                       stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=110)
    assert r.returncode == 0, r.stdout + r.stderr
    found = json.loads((scratch / "all.json").read_text())
    titles = subprocess.run([sys.executable, "-B", str(BENCH / "bench.py"), "--tiny", "--list"],
                            capture_output=True, text=True, check=True).stdout.splitlines()
    titles = [x.removesuffix(" (--whole)") for x in titles]
    # what a machine has not (a file system, a program) is said, with the reason
    assert [x for x in titles if x not in found["skipped"]] == [x["title"] for x in found["rows"]]
    assert all(reason and reason in r.stderr for reason in found["skipped"].values())
    assert len(titles) > 80 and found["failures"] == []
    assert found["servers"]["sallyport"]["version"] != "unknown"
    for row in found["rows"]:
        values = row["servers"]["sallyport"]["values"]
        assert len(values) == (2 if TWICE.match(row["title"]) else 1), row
        assert min(values) > 0, row
        assert row["servers"]["sallyport"]["client_cpu_percent"][0] > 0, row
        assert all(x["values"][0] > 0 for x in row["limits"].values()), row
        assert row["title"] in r.stdout
    # the forms are what they claim to be, and nothing of them is left
    for form, size in found["folios_KiB"].items():
        assert size > 0 and (not form.endswith("-4k") or size == mmap.PAGESIZE / 1024), form
    assert "tmpfs-4k" in found["folios_KiB"]
    run = found["home"].removesuffix("/home")
    assert run not in Path("/proc/self/mounts").read_text()
    assert not os.path.exists(run)
    loops = [x.read_text() for x in Path("/sys/block").glob("loop*/loop/backing_file")]
    assert not [x for x in loops if run in x], loops
    burst = [x for x in found["rows"] if x["title"].startswith("burst of 10 ")]
    assert burst[0]["servers"]["sallyport"]["values"] == [10]


class Fake:
    """A server that says what it is told to, and sends so many bytes for any RETR."""

    def __init__(self, replies, sent=0):
        self.replies, self.sent = replies, sent
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.data = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        control, _ = self.listener.accept()
        with control, control.makefile("rb") as lines:
            control.sendall(b"220 fake\r\n")
            for line in lines:
                verb = line.split()[0].decode()
                if verb == "EPSV":
                    port = self.data.getsockname()[1]
                    control.sendall(b"229 here (|||%d|)\r\n" % port)
                elif verb == "RETR" and verb not in self.replies:
                    control.sendall(b"150 now\r\n")
                    peer, _ = self.data.accept()
                    with peer:
                        peer.sendall(b"x" * self.sent)
                    control.sendall(b"226 done\r\n")
                else:
                    control.sendall(self.replies[verb].encode())

    def close(self):
        self.listener.close()
        self.data.close()
        self.thread.join(5)


LOGIN = {"USER": "331 ?\r\n", "PASS": "230 in\r\n", "TYPE": "200 ok\r\n", "QUIT": "221 bye\r\n"}

DECEITS = [
    ("all is well", LOGIN, 4096, 0, ""),
    ("a byte is missing", LOGIN, 4095, 1, "load: f: 4095 bytes, not 4096"),
    ("a byte too many", LOGIN, 4097, 1, "load: f: 4097 bytes, not 4096"),
    ("no such file", dict(LOGIN, RETR="550 gone\r\n"), 0, 1,
     'load: RETR f: 150 expected, not "550 gone"'),
    ("no login", dict(LOGIN, PASS="530 no\r\n"), 0, 1, 'load: PASS w: 230 expected, not "530 no"'),
    ("no answer", dict(LOGIN, TYPE=""), 0, 2, "load: not done within its time limit"),
]


@pytest.mark.slow
@pytest.mark.parametrize("replies, sent, code, line", [d[1:] for d in DECEITS],
                         ids=[d[0] for d in DECEITS])
def test_the_load_client_is_not_deceived(world, replies, sent, code, line):
    fake = Fake(replies, sent)
    try:
        r = subprocess.run([built(world, "bench-load"), "get", "--port", str(fake.port),
                            "--user", "u", "--password", "w", "--name", "f", "--bytes", "4096",
                            "--limit", "2"], stdin=subprocess.DEVNULL, capture_output=True,
                           text=True, timeout=30)
    finally:
        fake.close()
    assert r.returncode == code, r.stdout + r.stderr
    assert r.stderr.strip() == line
    assert bool(r.stdout) == (code == 0)
    if code == 0:
        result = json.loads(r.stdout)
        assert (result["bytes"], result["files"], result["works"]) == (4096, 1, 1)
