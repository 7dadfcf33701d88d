#!/usr/bin/env python3
"""Takes one wall away at a time, and sees a test go red.

    tests/wall/without.py --list
    tests/wall/without.py                  every wall of removals/*.toml
    tests/wall/without.py --short          the walls marked `short = true`
    tests/wall/without.py worker: jail     those whose area or name begins so
    tests/wall/without.py --build DIR ...  with the objects of a build in the tree

A test that stays green without the wall that it is said to show proves nothing. So each entry
names a place in the source, what stands there without the wall, and a test: with the wall the
test passes, without it the test fails. Work is done on a copy of the tree, in a scratch
directory, never in the tree itself.

    [[wall]]
    name = "worker: seccomp filter"
    file = "src/worker/sandbox.c"
    old = "what stands there, once"
    new = "what stands there without the wall; it still compiles"
    red = "sandbox/test_calls.py::test_name"     # of pytest, or a program of `make check`,
                                                 # or "fuzz:name", a fuzzer's corpus
    short = true                                 # runs at every landing
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
REMOVALS = Path(__file__).resolve().parent / "removals"
PYTHON = "/usr/bin/python3"     # the one that Debian's pytest belongs to
# Seconds. They end what hangs; a busy machine stays far below them.
BUILD_LIMIT, TEST_LIMIT = 1800, 1200
NOT_COPIED = shutil.ignore_patterns("build", "build-*[!x]", ".git", ".quickstart", "*.o",
                                    "autom4te.cache", "__pycache__")
GREEN, RED, BROKEN = "green", "red", "broken"


class Wall:
    def __init__(self, area, row):
        self.area = area
        self.name, self.file = row.pop("name"), row.pop("file")
        self.old, self.new, self.red = row.pop("old"), row.pop("new"), row.pop("red")
        self.short = row.pop("short", False)
        if row:
            raise SystemExit(f"removals/{area}.toml: {self.name}: unknown keys: {', '.join(row)}")

    @property
    def of_pytest(self):
        return ".py" in self.red

    @property
    def of_corpus(self):
        return self.red[5:] if self.red.startswith("fuzz:") else None

    def fault(self):
        """What is wrong with the entry itself; None if nothing."""
        path = ROOT / self.file
        if not path.is_file():
            return f"there is no {self.file}"
        found = path.read_text().count(self.old)
        if found != 1:
            return f"what is to be taken away stands {found} times in {self.file}, not once"
        if self.old == self.new:
            return "nothing is taken away"
        return None


def read_walls():
    walls = []
    for file in sorted(REMOVALS.glob("*.toml")):
        with open(file, "rb") as f:
            walls += [Wall(file.stem, dict(row)) for row in tomllib.load(f).get("wall", [])]
    return walls


def run(argv, cwd, log, limit, **env):
    """Exit code; None if it took too long. Everything it started ends with it."""
    with open(log, "ab") as out:
        p = subprocess.Popen([str(a) for a in argv], cwd=cwd, stdin=subprocess.DEVNULL,
                             stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
                             env=os.environ | {k: str(v) for k, v in env.items()})
        try:
            return p.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGTERM)
            try:
                p.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(p.pid, signal.SIGKILL)
                p.wait()
            return None


class Workshop:
    """A copy of the tree, built, in which one wall at a time is missing."""

    def __init__(self, directory, build):
        self.tree, self.log = directory / "tree", directory / "log"
        self.build = self.tree / "build"
        os.chmod(directory, 0o755)      # tests run parts of it under other uids
        shutil.copytree(ROOT, self.tree, ignore=NOT_COPIED, symlinks=True)
        if build:
            self.take(build)
        else:
            self.configure()

    def take(self, build):
        """Objects that are newer than their sources, here too; logs of what runs there come
        and go meanwhile."""
        makefile = (build / "Makefile").read_text()
        if not re.search(r"^srcdir = \.\.$", makefile, re.M):
            raise SystemExit(f"{build} was not configured as ../configure")
        try:
            shutil.copytree(build, self.build, symlinks=True,
                            ignore=shutil.ignore_patterns("*.log", "*.xml", "pytest-*", "coverage"))
        except shutil.Error as e:
            lost = [source for source, _, why in e.args[0] if Path(source).exists()]
            if lost:
                raise SystemExit(f"not copied: {lost}") from e
        # what is left unused without a wall is no fault
        (self.build / "Makefile").write_text(makefile.replace(" -Werror", ""))

    def configure(self):
        self.build.mkdir()
        if not (self.tree / "configure").exists():
            self.must(["autoreconf", "-fi"], self.tree)
        self.must(["../configure", "-q", "--prefix=/usr", "--sysconfdir=/etc",
                   "--localstatedir=/var", "--runstatedir=/run"], self.build)

    def fresh(self):
        if not self.make_all():
            sys.stdout.write(self.tail())
            raise SystemExit("the tree does not build as it is")

    def must(self, argv, cwd):
        if run(argv, cwd, self.log, BUILD_LIMIT) != 0:
            sys.stdout.write(self.tail())
            raise SystemExit(f"{argv[0]} failed")

    def make_all(self):
        """The programs, and those of the tests, which are not run yet."""
        return run(["make", "-s", f"-j{os.cpu_count()}", "check", "TESTS="], self.build, self.log,
                   BUILD_LIMIT) == 0

    def test(self, wall):
        """GREEN, RED, or BROKEN: the test could not be run at all."""
        if wall.of_corpus:
            program = self.build / f"fuzz-{wall.of_corpus}"
            if not os.access(program, os.X_OK):
                return BROKEN
            code = run([self.tree / "tests/fuzz/replay", "--build", self.build, wall.of_corpus],
                       self.build, self.log, TEST_LIMIT)
            return GREEN if code == 0 else RED
        if not wall.of_pytest:
            result = self.build / (wall.red + ".trs")
            result.unlink(missing_ok=True)
            run(["make", "-s", "check", f"TESTS={wall.red}"], self.build, self.log, TEST_LIMIT)
            said = result.read_text() if result.exists() else ""
            return (GREEN if ":test-result: PASS" in said
                    else RED if ":test-result: FAIL" in said else BROKEN)
        mark = self.log.stat().st_size if self.log.exists() else 0
        code = run([PYTHON, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider",
                    wall.red],
                   self.tree / "tests", self.log, TEST_LIMIT, SALLYPORT_BUILD=self.build,
                   PYTHONDONTWRITEBYTECODE="1")
        with open(self.log, "rb") as f:
            f.seek(mark)
            said = f.read().decode("utf-8", "replace")
        ran = re.search(r"\d+ (passed|failed|error)", said)
        if code == 0:
            return GREEN if re.search(r"\d+ passed", said) else BROKEN  # all were skipped
        return RED if code in (1, None) and (ran or code is None) else BROKEN

    def without(self, wall):
        file = self.tree / wall.file
        whole = file.read_text()
        file.write_text(whole.replace(wall.old, wall.new))
        try:
            if not self.make_all():
                return BROKEN
            return self.test(wall)
        finally:
            file.write_text(whole)

    def tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-12:]) + "\n"


def try_all(walls, shop):
    passed = failed = skipped = 0
    known = {}                  # test -> its result with every wall in place
    for wall in walls:
        if wall.fault() is None and wall.red not in known:
            known[wall.red] = shop.test(wall)
    for wall in walls:
        start = time.monotonic()
        why = wall.fault()
        if why is None:
            before = known[wall.red]
            if before == BROKEN:
                why = f"{wall.red} cannot be run"
            elif before == RED:
                why = f"{wall.red} is red with the wall in place"
        after = None
        if why is None:
            after = shop.without(wall)
            if after == BROKEN:
                why = "without it nothing builds, or the test cannot be run"
            elif after == GREEN:
                why = f"{wall.red} stays green without it"
        took = time.monotonic() - start
        if why is None:
            passed += 1
            print(f"ok    {wall.name}: {wall.red} goes red without it ({took:.1f} s)", flush=True)
        else:
            failed += 1
            print(f"FAIL  {wall.name} ({wall.area}.toml): {why}", flush=True)
            if after is not GREEN:
                print(shop.tail())
    # what was changed last is whole again
    if not shop.make_all():
        failed += 1
        print("FAIL  the copy does not build any more after all was put back")
    return passed, failed, skipped


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("which", nargs="*", help="beginnings of areas or names")
    p.add_argument("--list", action="store_true")
    p.add_argument("--short", action="store_true")
    p.add_argument("--build", type=Path)
    options = p.parse_args()
    walls = read_walls()
    if options.which:
        walls = [w for w in walls
                 if any(w.area == b or w.name.startswith(b) for b in options.which)]
    if options.short:
        walls = [w for w in walls if w.short]
    if not walls:
        raise SystemExit("no such wall; see --list")
    if options.list:
        for w in walls:
            print(f"{w.area:10s} {w.name:50s} {w.red}" + (f"   ! {w.fault()}" if w.fault() else ""))
        return 0
    with tempfile.TemporaryDirectory(prefix="sallyport-walls-") as scratch:
        shop = Workshop(Path(scratch), options.build)
        shop.fresh()
        passed, failed, skipped = try_all(walls, shop)
    print(f"tried: {passed + failed:7d} walls taken away")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
