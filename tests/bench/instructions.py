#!/usr/bin/env python3
"""tests/bench/instructions.py - how many instructions an operation takes, beside what it took

    instructions.py --build DIR [--update] [--only TEXT]

Instructions do not wander with the machine: the same program does the same work with the same
number of them, whatever else goes on. So a change that makes an operation dearer is seen here,
at each landing, and not when somebody measures seconds months later. What is counted are the
programs of tests/fuzz: the real worker, broker, monitor and TLS of one build, in one process with
somebody played at their other ends, outside the kernel, under valgrind --tool=callgrind. An
operation's figure is the difference between doing it a few times and more times.

instructions.toml has the figures that are expected. More by MOST is a failure; less by as much
is said, so that it is written down (--update) and cannot creep back.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

EXPECTED = Path(__file__).resolve().parent / "instructions.toml"
MOST = 10                       # per cent
UNDONE = 50                     # percent less: rather an operation that is refused by now
LIMIT = 7200                    # seconds of one count: only what hangs takes that long
FEW, MORE = 4, 16               # how often an operation is done


def says(text):
    return b"\0" + text.encode() + b"\n"


def path(text):
    return text.encode() + b"\n"


PASSIVE, DATA, DATA_CLOSE, LONG = b"\3", b"\5", b"\7", b"\x08"
SESSION = b"\0\0\2"             # fair peers, a login: see fuzz_session.c
LONG_SESSION = LONG + SESSION[1:]
BROKER = b"\xff\xff"            # every permit: see fuzz_broker.c
OPEN_READ, OPEN_WRITE, COMMIT, LIST, FACTS, STATUS, MKDIR, RMDIR = 0, 1, 2, 4, 5, 6, 8, 9
NUMBER = b"\0"
UP = b"\x01" + path("up") + b"\0" + b"\0\0" + b"\0\0"     # STOR, from the start, no ALLO
# what is done: the program, what comes before, the operation; "twice" is of whole inputs
WORKS = {
    "worker: NOOP": ("session", SESSION, says("NOOP")),
    "worker: SIZE": ("session", SESSION, says("SIZE a")),
    "worker: EPSV and RETR of 99 bytes": ("session", SESSION, PASSIVE + says("RETR a")),
    "worker: EPSV and RETR of a long file":
        ("session", LONG_SESSION, PASSIVE + says("RETR a")),
    "worker: EPSV and STOR of 32 bytes":
        ("session", SESSION, PASSIVE + says("STOR a") + DATA + b"\x08" + b"x" * 32 + DATA_CLOSE),
    "worker: EPSV and LIST of a line": ("session", SESSION, PASSIVE + says("LIST")),
    "worker: EPSV and LIST of 1,000 lines": ("session", LONG_SESSION, PASSIVE + says("LIST")),
    "worker: a session with a login": ("session", SESSION, None),
    "broker: a file is opened for reading": ("broker", BROKER, bytes([OPEN_READ]) + path("a")),
    "broker: a file is stored":
        ("broker", BROKER, UP + b"\xfe\x05" + b"12345" + bytes([COMMIT]) + b"\5\0"),
    "broker: size and time of a file": ("broker", BROKER, bytes([STATUS]) + path("a")),
    "broker: a directory is made and removed":
        ("broker", BROKER, bytes([MKDIR]) + path("n") + bytes([RMDIR]) + path("n")),
    "broker: a directory is listed":
        ("broker", BROKER, bytes([LIST]) + path("") + path("") + b"\1" + b"\0\0" + b"\0\0"),
    "monitor: a session": ("monitor", b"", b"\0\0"),
    "monitor: a session with a login": ("monitor", b"", b"\0\0\7\0"),
    "tls: a handshake of 1.3, both sides": ("tls", b"\0\n\n\0\0\0", None),
    "tls: a handshake of 1.2, both sides": ("tls", b"\4\n\n\0\0\0", None),
}
MONITORED = 2                   # sessions at most in one input of the monitor's


def count(build, program, content, times=1):
    """Instructions of one run of a program with an input."""
    with tempfile.NamedTemporaryFile(prefix="sallyport-count-") as f:
        os.chmod(f.name, 0o644)
        f.write(content)
        f.flush()
        done = subprocess.run(
            # what a played peer says, and which of it is meant, are none of the operation's
            ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
             "--toggle-collect=forge_message", "--toggle-collect=fuzz_choose*",
             "--collect-atstart=yes",
             str(build / f"fuzz-{program}"), *[f.name] * times],
            capture_output=True, text=True, timeout=LIMIT, check=False,
            env={"PATH": os.environ["PATH"], "SALLYPORT_COUNTED": "1", "TZ": "UTC"})
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not found:
        raise RuntimeError(f"fuzz-{program} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return int(found[1])


def measure(build, work):
    program, head, step = work
    if step is None:
        few, more = count(build, program, head, FEW), count(build, program, head, MORE)
        return (more - few) / (MORE - FEW)
    if program == "monitor":
        return (count(build, program, step * MONITORED) - count(build, program, b"")) / MONITORED
    most = MORE if program == "session" else 7      # requests that one input may have
    few = count(build, program, head + step * 2)
    return (count(build, program, head + step * most) - few) / (most - 2)


def judge(name, got, expected):
    """(fine, a line)."""
    if expected is None:
        return False, f"{name}: {got} instructions, and none expected: --update"
    change = 100 * (got - expected) / expected
    line = f"{name}: {got} instructions, {change:+.1f} % of {expected}"
    if change > MOST:
        return False, line + f": dearer by more than {MOST} %"
    if change < -UNDONE:
        return False, line + ": is it still done? If so, write it down with --update"
    return True, line + (": cheaper; write it down with --update" if change < -MOST else "")


def main():
    arg = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    arg.add_argument("--build", type=Path, required=True)
    arg.add_argument("--update", action="store_true", help="what is counted is expected now")
    arg.add_argument("--only", default="", help="operations whose name contains this")
    a = arg.parse_args()
    a.build = a.build.resolve()
    works = {n: w for n, w in WORKS.items() if a.only in n}
    if shutil.which("valgrind") is None:
        print("SKIP: valgrind is not installed")
        print(f"0 passed, 0 failed, {len(works)} skipped")
        return 0
    with open(EXPECTED, "rb") as f:
        expected = tomllib.load(f)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        counts = dict(zip(works, pool.map(lambda w: round(measure(a.build, w)), works.values())))
    if a.update:
        expected = {n: counts.get(n, expected.get(n)) for n in WORKS}
        EXPECTED.write_text("# Written by instructions.py --update: instructions outside the "
                            "kernel, x86-64, gcc of Debian 12.\n"
                            + "".join(f'"{n}" = {v}\n' for n, v in expected.items()))
    judged = [judge(n, v, expected.get(n)) for n, v in counts.items()]
    print("\n".join(("" if fine else "FAILED ") + line for fine, line in judged))
    print(f"tried:     {len(judged)} operations counted")
    failed = sum(not fine for fine, _ in judged)
    print(f"{len(judged) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not judged else 0


if __name__ == "__main__":
    sys.exit(main())
