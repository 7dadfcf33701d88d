"""Links that are swapped in a tight loop while commands run: nothing outside is touched.

The directory and the file that a path names are all the time exchanged with links to outside,
so that between any two looks of the server the path may mean something else.
"""

import os
import stat
from contextlib import suppress

import pytest

from harness import needs_root, times
from jail_rows import ROWS, attempt
from patience import Stopwatch
from swapper import Swapper

SHORT, WHOLE = 0.3, 10                  # seconds for each row
PATIENCE = 6                            # for both outcomes to be seen

# -l, -d, -a and a pattern differ in what they show, not in how the path is walked
RACED = [r for r in ROWS if r.line not in ("LIST -la {}", "LIST -d {}", "XCWD {}", "XMKD {}",
                                           "XRMD {}", "XCUP", "NLST {}/*", "STAT {}/*")]


class Scene:
    """`swapped` is a directory or a link to outside, `victim` a file or a link to one."""

    def __init__(self, cell, outside):
        self.cell = cell
        real = cell.mkdir("swapped")
        self.real = os.open(real, os.O_RDONLY | os.O_DIRECTORY)
        os.symlink(outside.root, cell.path("evil"))
        cell.make("victim", b"inside")
        os.symlink(outside.root / "secret", cell.path("evil-victim"))
        self.refresh()

    def refresh(self):
        """What a command has taken or made is as before, whatever the name means now."""
        for name in os.listdir(self.real):
            if name not in ("secret", "sub"):
                self.remove(name)
        for name in ("secret", "sub"):
            try:
                there = os.stat(name, dir_fd=self.real, follow_symlinks=False)
                if stat.S_ISDIR(there.st_mode) == (name == "sub"):
                    continue
                self.remove(name)
            except FileNotFoundError:
                pass
            self.make(name)
        for name in os.listdir(self.cell.disk):
            if name not in ("swapped", "evil", "victim", "evil-victim", "mine"):
                self.remove(name, None, self.cell.disk)
        if not os.path.lexists(self.cell.path("mine")):
            self.cell.make("mine", b"mine")

    def make(self, name):
        if name == "sub":
            os.mkdir(name, dir_fd=self.real)
        else:
            fd = os.open(name, os.O_CREAT | os.O_WRONLY, 0o666, dir_fd=self.real)
            os.write(fd, b"inside, as it should be")
            os.close(fd)
        self.cell.server.own(f"/proc/self/fd/{self.real}/{name}")

    def remove(self, name, at=-1, under=None):
        at = self.real if at == -1 else at
        path = name if under is None else os.path.join(under, name)
        try:
            os.unlink(path, dir_fd=at)
        except IsADirectoryError:
            os.rmdir(path, dir_fd=at)

    def close(self):
        os.close(self.real)


@pytest.fixture
def scene(cell, outside):
    s = Scene(cell, outside)
    yield s
    s.close()


@pytest.mark.parametrize("row", RACED, ids=lambda r: r.name)
def test_a_directory_swapped_with_a_link_outside(inmate, cell, outside, scene, tried, row):
    before = outside.state()
    outcomes = {True: 0, False: 0}
    n = 0
    pairs = [(cell.path("swapped"), cell.path("evil"))]
    with Swapper(*pairs) as swapper:
        begin = Stopwatch()
        while True:
            for wanted in row.on.split():
                done = attempt(inmate, row, "swapped/" + wanted)
                outcomes[done.code < 400] += 1
                n += 1
                assert outside.gives_away(done.shown) == [], done
                assert done.code != 421, done
                inmate.expect(250, "CWD " + cell.ftp)
                scene.refresh()
            took = begin.own()
            if took > PATIENCE or (took > times(SHORT, WHOLE) and all(outcomes.values())):
                break
    assert outside.state() == before
    tried("commands while links were swapped", n)
    tried("swaps of a directory and a link outside", swapper.count)
    assert swapper.count > 100 and n > 3
    assert outcomes[True] and outcomes[False], f"one state was never met: {outcomes}"


class Pair:
    """`victim` and `evil`, one of them a file and the other what make_evil makes."""

    def __init__(self, cell, make_evil, is_evil):
        self.cell, self.make_evil, self.is_evil = cell, make_evil, is_evil
        self.names = [cell.path("victim"), cell.path("evil")]
        self.make()

    def make(self):
        """Under other names first: this test, too, would follow a link that is swapped in."""
        self.make_evil(self.cell.path("new-evil"))
        self.cell.make("new-victim", b"inside")
        for name in ("evil", "victim"):
            os.rename(self.cell.path("new-" + name), self.cell.path(name))

    def refresh(self):
        """A command may have put a file over either, or taken one away."""
        if not os.path.lexists(self.cell.path("mine")):
            self.cell.make("mine", b"mine")
        modes = []
        for name in self.names:
            try:
                modes.append(os.lstat(name).st_mode)
            except FileNotFoundError:
                modes.append(None)
        if None in modes or not any(map(self.is_evil, modes)) or all(map(self.is_evil, modes)):
            for name in self.names:
                with suppress(FileNotFoundError):
                    os.unlink(name)
            self.make()


@pytest.mark.parametrize("row", [r for r in RACED if "secret" in r.on and "*" not in r.line],
                         ids=lambda r: r.name)
def test_a_file_swapped_with_a_link_outside(inmate, cell, outside, tried, row):
    """The last name of the path. What acts on the link itself may find either."""
    before = outside.state()
    pair = Pair(cell, lambda at: os.symlink(outside.root / "secret", at), stat.S_ISLNK)
    n = 0
    with Swapper(pair.names) as swapper:
        begin = Stopwatch()
        while begin.passed() < times(SHORT, WHOLE) or n <= 3:
            pair.refresh()
            done = attempt(inmate, row, "victim")
            n += 1
            assert outside.gives_away(done.shown) == [], done
    assert outside.state() == before
    tried("commands while links were swapped", n)
    tried("swaps of a file and a link outside", swapper.count)
    assert swapper.count > 100 and n > 3


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fifo", "null", "zero"])
def test_a_file_swapped_with_what_must_not_be_opened(inmate, cell, tried, kind):
    """A FIFO or device that is there when it is opened, but was a file when looked at."""
    if kind == "fifo":
        pair = Pair(cell, make_fifo(cell), stat.S_ISFIFO)
    else:
        needs_root()
        pair = Pair(cell, make_device(cell, 3 if kind == "null" else 5), stat.S_ISCHR)
    rows = [r for r in RACED if "secret" in r.on and "*" not in r.line
            and r.verb not in ("DELE", "RNFR", "RNTO", "STOU")]
    # a download is what would show that the wrong one was opened
    rows += 2 * len(rows) * [next(r for r in rows if r.verb == "RETR" and r.rest is None)]
    codes, wanted = set(), {("RETR", True), ("RETR", False), ("APPE", True), ("APPE", False)}
    with Swapper(pair.names) as swapper:
        begin = Stopwatch()
        while begin.passed() < times(1.5, 30) or (not wanted <= codes and begin.own() < PATIENCE):
            for row in rows:
                pair.refresh()
                started = Stopwatch()
                done = attempt(inmate, row, "victim")
                took = started.own()
                assert took < 5, f"{row.name} took {took:.1f} s"
                assert len(done.shown) < 20000, f"{row.name} read from the device"
                codes.add((row.verb, done.code < 400))
                tried("commands while a FIFO or device was swapped")
    tried("swaps of a file and a FIFO or device", swapper.count)
    assert wanted <= codes, codes


def make_fifo(cell):
    def make(at):
        os.mkfifo(at)
        os.chmod(at, 0o666)
        cell.server.own(at)
    return make


def make_device(cell, minor):
    def make(at):
        try:
            os.mknod(at, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
        except PermissionError:
            pytest.skip("mknod(2) is not allowed here")
        os.chmod(at, 0o666)
    return make
