"""The unit programs under valgrind: nothing read before it was written, nothing lost."""

import os
import re
import subprocess
import time
from pathlib import Path

from project import Result, in_parallel, variable

HERE = Path(__file__).resolve().parent
HANGS = 7200                    # seconds: it has what others leave of the processors

# Programs, the slowest first, so that two at a time end together.
PROGRAMS = ["unit-tls", "unit-monitor", "unit-ledger", "unit-ftp", "unit-worker", "unit-common",
            "unit-auth", "unit-config", "unit-admin"]

# Without openat2 there is no broker; its units run under the sanitizers.
NOT_AT_ALL = {"unit-broker": "valgrind knows no openat2"}

# Tests of calls that valgrind has not, or does in its own way.
NOT_HERE = {
    "pidfd_open": [
        "process: how a child ended is told",
        "process: abandoned and unknown children are waited for",
        "template: each session is a child of ours, with its own descriptors only",
    ],
    "clone3": [
        "tls: fork: forked workers share no random bytes",
        "tls: fork: forked workers greet differently",
    ],
    "seccomp": [
        "seccomp: a list becomes a filter",
        "seccomp: calls on the list go through",
        "seccomp: calls off the list end the process and are reported with their number",
        "seccomp: a report that nobody can take does not keep the process alive",
        "seccomp: calls of another architecture kill",
        "seccomp: a reporting filter tells each call once and makes it",
    ],
    "setrlimit, since it keeps descriptors of its own": [
        "privilege: descriptors can be bounded",
        "posture: a login process has no environment, no core, no terminal",
        "posture: one that stays until logout has few descriptors and little memory",
    ],
    "execve, before which it takes the signals that wait": [
        "monitor reload: a SIGHUP that comes before the start is done after it",
    ],
    "130,000 rows in less than minutes": [
        "store: old known addresses go, and those past the bound",
    ],
    "setrlimit of memory, of which it needs more": [
        "password: too little memory is not a wrong password",
    ],
}

# A leak is what nothing points to any more. Children are silent: what a test's child holds
# when it ends by _exit is no leak, and what it does wrong its parent sees.
VALGRIND = ["valgrind", "--quiet", "--leak-check=full", "--show-leak-kinds=definite",
            "--errors-for-leak-kinds=definite", "--error-exitcode=97", "--num-callers=16",
            "--child-silent-after-fork=yes", f"--suppressions={HERE}/valgrind.supp"]


def skip_list():
    return "\n" + "".join(f"{t}\n" for tests in NOT_HERE.values() for t in tests)


def run(root, build, long):
    result = Result()
    if re.search(rb"__asan_init", (build / "sallyport-worker").read_bytes()):
        raise SystemExit(f"{build}: valgrind needs a build without sanitizers")
    began = time.monotonic()
    subprocess.run(["make", "-s", *PROGRAMS, *variable(build, "$(check_PROGRAMS)").split()],
                   cwd=build, check=True, stdout=subprocess.DEVNULL)
    source = variable(build, "$(srcdir)")
    env = dict(os.environ, SALLYPORT_UNIT_SKIP=skip_list(), SALLYPORT_VALGRIND="1",
               srcdir=str((build / source).resolve()))

    def check(program):
        start = time.monotonic()
        r = subprocess.run([*VALGRIND, f"./{program}"], cwd=build, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           errors="replace", env=env, timeout=HANGS)
        return program, r.returncode, r.stdout, time.monotonic() - start

    tests = skipped = 0
    bad = []
    for program, code, out, seconds in in_parallel(check, PROGRAMS):
        last = re.findall(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", out, re.M)
        if code == 0 and last:
            result.passed += 1
        else:
            result.failed += 1
            bad.append(f"valgrind {program}:\n{out[-6000:]}")
        numbers = last[-1] if last else ("0", "?", "")
        tests, skipped = tests + int(numbers[0]), skipped + int(numbers[2] or 0)
        print(f"valgrind {program}: {numbers[0]} tests passed, {numbers[1]} failed, exit code "
              f"{code}, {seconds:.0f} s")
    for why, names in NOT_HERE.items():
        for name in names:
            print(f"skipped {name} (valgrind has not what it tests: {why})")
    for program, why in NOT_AT_ALL.items():
        print(f"SKIP {program}: {why}")
        result.skipped += 1
    print(f"valgrind: {len(PROGRAMS)} programs, {tests} tests, {skipped} of them skipped, "
          f"{time.monotonic() - began:.0f} s", *bad, sep="\n")    # what is looked for comes last
    return result
