"""gcc -fanalyzer, clang-tidy and cppcheck over each file, each once for each change of it."""

import hashlib
import re
import shutil
import subprocess
import time
from pathlib import Path

from project import Result, flags, in_parallel, sources


def text_of(argv, cwd):
    return subprocess.run(argv, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, text=True, errors="replace")


def exit_code(argv, cwd):
    """A way to look at a file: what ends with anything but 0 has found something."""
    def look(f):
        r = text_of(argv(f), cwd)
        return r.returncode == 0, r.stdout
    return look


class Analyser:
    """One tool; look(file) gives whether it is clean, and what the tool said."""

    def __init__(self, name, root, build, tool, look, told=""):
        self.name, self.root, self.build, self.tool_look = name, root, build, look
        self.flags = flags(build)
        if shutil.which(tool) is None:
            raise SystemExit(f"{tool} is missing: apt-get install {tool}")
        self.same = "\0".join([text_of([tool, "--version"], root).stdout, told, *self.flags,
                               *(p.read_text() for p in Path(__file__).parent.glob("*.py"))])
        self.stamps = build / "analysis" / name

    def digest(self, file):
        """Of all that the tool sees, comments too: an answer to a finding is one."""
        r = subprocess.run(["gcc", "-E", "-CC", "-O2", "-std=c17", *self.flags, str(file)],
                           cwd=self.build, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        if r.returncode != 0:
            return None
        return hashlib.sha256(self.same.encode() + r.stdout + file.read_bytes()).hexdigest()

    def look(self, file):
        """'unchanged', 'clean', or what was found."""
        short = file.relative_to(self.root)
        stamp = self.stamps / f"{short}.clean"
        digest = self.digest(file)
        if digest and stamp.exists() and stamp.read_text() == digest:
            return "unchanged"
        good, said = self.tool_look(str(file))
        if not good:
            stamp.unlink(missing_ok=True)
            return f"{short}:\n{said.strip() or 'the tool ended with a fault'}\n"
        if digest:
            stamp.parent.mkdir(parents=True, exist_ok=True)
            stamp.write_text(digest)
        return "clean"

    def run(self):
        began = time.monotonic()
        files = sources(self.root)
        seen = in_parallel(self.look, files)
        found = [s for s in seen if s not in ("clean", "unchanged")]
        print(*found, sep="\n", end="")
        print(f"{self.name}: {len(files)} files, {seen.count('unchanged')} unchanged since "
              f"they were clean, {seen.count('clean')} looked at and clean, {len(found)} with "
              f"findings, {time.monotonic() - began:.0f} s")
        return Result(len(files) - len(found), len(found), 0)


FINDING = re.compile(r"^(\S+?):(\d+):\d+: warning: .*\[-W(?:analyzer-)?([a-z0-9=-]+)\]$", re.M)


def unanswered(text):
    """What gcc found, but for what a comment on its line or the one above answers.

    gcc's pragmas would be warnings of clang; so: /* fanalyzer(malloc-leak): why it is none */
    """
    for file, number, name in FINDING.findall(text):
        lines = Path(file).read_text().splitlines()[max(0, int(number) - 2):int(number)]
        if not any(re.search(rf"/\* fanalyzer\({name}\): \w", line) for line in lines):
            yield f"{file}:{number}: {name}"


def fanalyzer(root, build, long):
    """gcc gives up on a function with too many states: it gets four times its usual room."""
    def compiled(f):
        r = text_of(["gcc", "-std=c17", "-O1", "-fanalyzer", "-Wall", "-Wextra",
                     "--param=analyzer-max-enodes-per-program-point=32",
                     "--param=analyzer-bb-explosion-factor=20", *flags_of(build),
                     "-c", "-o", "/dev/null", f], build)
        return r.returncode == 0 and not list(unanswered(r.stdout)), r.stdout

    return Analyser("fanalyzer", root, build, "gcc", compiled).run()


def tidy(root, build, long):
    told = (root / ".clang-tidy").read_text()
    # The path-sensitive checks cost four times what all others do, and gcc's analyser looks
    # for the same things: they are for the long form. Without those that contradict style.md:
    # it has no Annex K, orders a struct for its reader, and lets "(rc = f()) != SP_OK" be.
    more = ["--checks=clang-analyzer-*,-clang-analyzer-optin.performance.Padding,"
            "-clang-analyzer-deadcode.DeadStores,-clang-analyzer-security.insecureAPI."
            "DeprecatedOrUnsafeBufferHandling"] if long else []
    return Analyser("tidy-long" if long else "tidy", root, build, "clang-tidy", exit_code(
        lambda f: ["clang-tidy", "--quiet", f"--config-file={root}/.clang-tidy", *more, f,
                   "--", "-std=c17", *flags_of(build)], build), told).run()


def cppcheck(root, build, long):
    # cppcheck reads no header of the system but this one, whose macros declare our lists
    queue = text_of(["gcc", "-E", "-M", "-x", "c", "-include", "sys/queue.h", "/dev/null"],
                    build).stdout.split()
    queue = next(h for h in queue if h.endswith("sys/queue.h"))
    return Analyser("cppcheck", root, build, "cppcheck", exit_code(lambda f: [
        "cppcheck", "--quiet", "--std=c11", "--library=posix,gnu", "--inline-suppr",
        "--enable=warning,performance,portability,style", "--error-exitcode=1",
        f"--suppressions-list={root}/tests/analysis/cppcheck.supp", f"--include={queue}",
        "--template={file}:{line}: {severity}: {message} [{id}]", *flags_of(build), f], build),
        (root / "tests/analysis/cppcheck.supp").read_text()).run()


_flags = {}


def flags_of(build):
    if build not in _flags:
        _flags[build] = flags(build)
    return _flags[build]
