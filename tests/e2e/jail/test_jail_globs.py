"""Patterns that explode: bounded time and memory, and nobody else feels them."""

import os
import shutil
import threading
import time

from patience import Stopwatch
import procfs
import pytest

from harness import Server, times

TICKS = os.sysconf("SC_CLK_TCK")
CPU_MOST = 10                           # seconds of the broker for one pattern
MEMORY_MOST = 128 << 20
OTHERS_MOST = 2.0                       # seconds that any other session ever waits

PATTERNS = {
    "stars in each directory": "*/" * 8 + "*",
    "many directories of stars": "*/" * 100 + "*",
    "two thousand stars": "*" * 2000,
    "stars and letters": "*a" * 400,
    "stars that match nearly": "*a" * 120 + "b",
    "stars in all components": "/".join(["*a*a*a*a*a*a*b*"] * 5),
    "links in circles": "l?/" * 30 + "l?",
    "question marks": "?" * 255,
    "stars and question marks": "*?" * 500,
    "braces": "{a,b}" * 60,
    "braces with stars": "{*a,*b,*c,*d}" * 3 + "*",
    "braces of stars, as many as are followed": "{*a*a*a*a*,*b*b*b*b*}" * 6,
    "braces in each component": "/".join(["{d*,*}{0,1,2,3,*}"] * 6),
    "a brace of a thousand": "{" + ",".join("a" * (i % 7) for i in range(1000)) + "}*",
    "nested braces": "{" * 500 + "a" + "}" * 500,
    "open braces": "{a," * 600,
    "open brackets": "[" * 3000,
    "open brackets and stars": "*[" * 1000,
    "brackets": "[a-z]" * 300,
    "long brackets": "*[" + "a-z" * 300 + "]*[" + "!0-9" * 200 + "]b",
    "negated brackets": "*[!b]" * 200,
    "backslashes": "\\" * 3000,
    "backslashes and stars": "\\**" * 900,
    "as long as a line may be": "*" * 4080,
    "a component that is too long": "*" + "a" * 3000,
    "dots": "./*/../*/" * 100 + "*",
    "dots in the middle": "*/../" * 300 + "*",
    "bytes that are no characters": "*\udcff" * 300,
    "characters of four bytes": "*\U0001f512" * 300,
}


@pytest.fixture(scope="module")
def ward(world):
    """A server with a tree of 1,364 directories, 5,000 names in one, and links in circles."""
    s = Server(world, "globs", cleartext_networks=["127.0.0.0/8"], durable=False)
    try:
        s.start()
        f = s.folder()
        names = ["d0", "d1", "d2", "a" * 250]
        level = [f.disk]
        for _ in range(5):
            level = [d / n for d in level for n in names]
            for d in level:
                d.mkdir()
        crowd = f.disk / "d0"
        for i in range(times(5000, 50000)):
            os.close(os.open(crowd / ("a" * 240 + f"{i:06}"), os.O_CREAT | os.O_WRONLY, 0o644))
        for i in range(4):              # through them each directory is met for ever
            os.symlink(".", f.disk / f"l{i}")
            os.symlink("../..", level[0] / f"l{i}")
        yield s, f
        shutil.rmtree(f.disk)
        s.stop()
    finally:
        s.kill()


def cpu(pid):
    """Seconds of processor time, from /proc/PID/stat."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def cpu_of(pids):
    return sum(map(cpu, pids))


class Neighbour(threading.Thread):
    """Another session that does this and that; the longest that it had to wait."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.client = server.login("reader", tls=None)
        self.over, self.worst, self.count, self.error = False, 0, 0, None

    def run(self):
        try:
            while not self.over:
                for do in (lambda: self.client.expect(200, "NOOP"),
                           lambda: self.client.names("LIST"), lambda: self.client.expect(250, "CWD /")):
                    begin = Stopwatch()
                    do()
                    self.worst = max(self.worst, begin.own())
                    self.count += 1
                time.sleep(0.02)
            self.client.quit()
        except Exception as e:                  # shown by the test: a thread has nobody to tell
            self.error = e


@pytest.mark.slow
@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_that_explodes_is_bounded(ward, tried, name):
    server, folder = ward
    neighbour = Neighbour(server)
    before = procfs.of_kind(server.pid, "sallyport-broker")
    c = server.login(tls=None, timeout=times(15, 60))
    # a new template may be among them: it does nothing that would count
    mine = procfs.of_kind(server.pid, "sallyport-broker") - before
    assert mine
    c.expect(250, "CWD " + folder.ftp)
    neighbour.start()
    try:
        for line in ("NLST ", "LIST -d ", "NLST d0/", "STAT "):
            spent = cpu_of(mine)
            begin = Stopwatch()
            if line == "STAT ":
                r = c.cmd(line + PATTERNS[name])
                assert len(r.text) < 4 << 20
            else:
                r, data = c.transfer(line + PATTERNS[name])
                if data is not None:
                    with data:
                        assert len(c.receive(data)) < times(64 << 20, 512 << 20)
                    r = c.reply()
            assert 200 <= r.code < 600, r
            assert r.code != 421, r
            spent = cpu_of(mine) - spent
            memory = max(int(procfs.status(p)["VmHWM"].split()[0]) * 1024 for p in mine)
            took = begin.own()
            said = f"{line}{name}: {spent:.2f} s of CPU, {took:.2f} s, {memory >> 20} MiB, {r}"
            assert spent < times(CPU_MOST, 10 * CPU_MOST), said
            assert server.world.sanitized or memory < MEMORY_MOST, said
            tried("patterns that explode")
    finally:
        neighbour.over = True
        neighbour.join(10)
    assert neighbour.error is None, neighbour.error
    assert neighbour.worst < OTHERS_MOST, f"another session waited {neighbour.worst:.2f} s"
    tried("commands of another session meanwhile", neighbour.count)
    c.quit()


def test_a_pattern_means_what_it_says_all_the_same(ward):
    server, folder = ward
    c = server.login(tls=None)
    c.expect(250, "CWD " + folder.ftp)
    assert sorted(c.names("NLST d?")) == ["d0", "d1", "d2"]
    assert sorted(c.names("NLST */d[12]/d1")) == sorted(
        f"{x}/{y}/d1" for x in ("d0", "d1", "d2", "a" * 250, "l0", "l1", "l2", "l3")
        for y in ("d1", "d2"))
    assert len(c.names("NLST {d0,d1}/{d1,d2,none}")) == 4
    c.quit()


def test_long_paths_of_many_matches_do_not_fill_the_memory(ward, tried):
    """20,000 matches whose paths have 3,800 bytes each would be 76 MB, twice over."""
    server, folder = ward
    fd = os.open(folder.disk, os.O_RDONLY)
    for _ in range(15):
        os.mkdir("n" * 250, dir_fd=fd)
        below = os.open("n" * 250, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    for i in range(20000):
        os.close(os.open(f"f{i}", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)
    before = procfs.of_kind(server.pid, "sallyport-broker")
    c = server.login(tls=None, timeout=times(15, 60))
    mine = procfs.of_kind(server.pid, "sallyport-broker") - before
    for line, code in (("NLST ", 550), ("STAT ", 550), ("LIST -d ", 550)):
        c.passive()
        r = c.cmd(line + folder.ftp + "/n*" * 15 + "/f*")
        assert r.code == code, r
        memory = max(int(procfs.status(p)["VmHWM"].split()[0]) * 1024 for p in mine)
        assert server.world.sanitized or memory < 96 << 20, f"{memory >> 20} MiB"
        tried("patterns that explode")
    c.expect(200, "NOOP")
    # fewer of them are listed
    assert len(c.names("NLST " + folder.ftp + "/n*" * 15 + "/f1?")) == 10
    c.quit()
