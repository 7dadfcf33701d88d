"""Which lines of the privileged programs the tests run, from a build that counts them.

The counters are shared with the file that each process maps at its start (coverage.c): no
wall has to be left out for them, and no process has to end in order.
"""

import fcntl
import gzip
import json
import os
import shutil
import subprocess
import time
from collections import defaultdict
from pathlib import Path

from project import JOBS, Result, in_parallel, variable

HERE = Path(__file__).resolve().parent

# The programs whose coverage is asked for, and the least of it in percent.
PRIVILEGED = {"monitor": "src/monitor", "broker": "src/broker", "login": "auth",
              "keyholder": "tls/keyholder", "ledger": "src/ledger"}
LEAST = 90
# Shown without a demand: what those link, and the side that owns nothing.
OTHERS = {"base": "src/base", "wire": "src/wire", "config": "src/config",
          "process": "src/process", "ftp": "src/ftp",
          "worker": "src/worker", "worker's TLS": "tls/worker", "transfer": "src/transfer"}

# Run after the unit programs; the long form runs every folder. The longest files come first.
SHORT = ["faults", "hostile", "sandbox/test_posture.py", "e2e/test_lifecycle.py",
         "e2e/test_load.py", "e2e/test_logins.py", "e2e/test_logins_pam.py",
         "e2e/test_protocol_data.py", "e2e/test_protocol_files.py",
         "e2e/test_protocol_listing.py", "e2e/test_tls.py", "e2e/test_startup.py",
         "e2e/test_admin_socket.py", "e2e/test_account_changed.py", "e2e/test_guessing.py",
         "e2e/test_takeover.py", "e2e/test_mistakes.py", "e2e/test_file_systems.py",
         "e2e/test_pam_session.py", "e2e/test_log_evidence.py", "sandbox/test_reporting.py"]
LONG = ["faults", "hostile", "sandbox", "e2e"]


def show(what, argv, cwd, **kw):
    began = time.monotonic()
    r = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, errors="replace", **kw)
    print(f"coverage: {what}: {time.monotonic() - began:.0f} s", flush=True)
    return r


def must(what, argv, cwd, **kw):
    r = show(what, argv, cwd, **kw)
    if r.returncode != 0:       # of several jobs, not the last one need be that which failed
        why = "\n".join(s for s in r.stdout.splitlines() if "***" in s or "rror" in s)
        raise SystemExit(f"{r.stdout[-3000:]}\n{why}\ncoverage: {what} failed")
    return r


def build_counting(root, build):
    """Whoever comes while it is built already waits for that, and finds it done."""
    build.mkdir(parents=True, exist_ok=True)
    with open(build / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return build_locked(root, build)


def build_alone(root, build):
    build_counting(root, build / "coverage")


def build_locked(root, build):
    counters = build / "counters"
    if not (build / "Makefile").exists():
        must("configure", [root / "configure", "-q", "--enable-coverage"], build)
    counters.mkdir(exist_ok=True)
    for path in (build, counters):
        os.chmod(path, 0o755)
    os.chmod(counters, 0o1777)      # tests run programs as other users, too
    must("its object", ["gcc", "-O1", "-fPIE", "-D_GNU_SOURCE",
                        f'-DCOVERAGE_DIRECTORY="{counters}"', "-c", "-o",
                        build / "coverage.o", HERE / "coverage.c"], build)
    settings = ["CFLAGS=-O0 -g -fdata-sections", f"LIBS={build}/coverage.o",
                f"LDFLAGS=-Wl,--wrap=__gcov_exit -Wl,-T,{HERE}/coverage.ld"]
    make = ["make", "-s", f"-j{JOBS}", *settings]
    must("build", [*make, "all"], build)
    # by themselves: "all" is a make of its own, and two of them spoil each other's objects
    must("build of the tests", [*make, *variable(build, "$(check_PROGRAMS)").split()], build)
    for old in [*counters.iterdir(), *build.rglob("*.gcda")]:
        old.unlink()
    return make


def run_tests(root, build, make, long):
    """What fails here fails in the other builds, too, and is not counted twice."""
    r = show("unit programs", [*make, "-k", "check"], build)
    if r.returncode != 0:
        print("coverage: some unit test failed:",
              *[s for s in r.stdout.splitlines() if s.startswith("FAIL")], sep="\n    ")
    env = dict(os.environ, SALLYPORT_BUILD=str(build), PYTHONDONTWRITEBYTECODE="1")
    r = show("programs", ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider",
                          "--tb=no", "-rfE", "-n", str(JOBS + 1), "--dist", "loadfile",
                          *(LONG if long else SHORT)], root / "tests", env=env)
    lines = r.stdout.strip().splitlines()
    named = [s for s in lines if s.startswith(("FAILED", "ERROR"))]
    print("    " + "\n    ".join(named[:20] + lines[-1:]), flush=True)


def collect(build):
    """{file: {line: times}} of all objects together."""
    for counters in sorted((build / "counters").iterdir()):
        subprocess.run([build / counters.name], cwd=build, check=True,
                       env=dict(os.environ, COVERAGE_WRITE="1"))
    out = build / "gcov"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()

    def gcov(item):
        number, data = item
        where = out / str(number)
        where.mkdir()
        subprocess.run(["gcov", "--json-format", data], cwd=where, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return [json.loads(gzip.decompress(f.read_bytes())) for f in where.iterdir()]

    lines = defaultdict(lambda: defaultdict(int))
    for reports in in_parallel(gcov, enumerate(sorted(build.rglob("*.gcda")))):
        for report in reports:
            for file in report["files"]:
                path = (build / report["current_working_directory"] / file["file"]).resolve()
                for line in file["lines"]:
                    lines[path][line["line_number"]] += line["count"]
    return lines


def ranges(numbers):
    """3, 7-9, 12"""
    parts = []
    for n in numbers:
        if parts and parts[-1][1] == n - 1:
            parts[-1][1] = n
        else:
            parts.append([n, n])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def summed(root, lines, name, folder, every_file):
    covered = total = 0
    for path in sorted((root / folder).glob("*.c")):
        of_file = lines.get(path.resolve(), {})
        done = sum(1 for n in of_file.values() if n)
        covered, total = covered + done, total + len(of_file)
        if every_file:
            missing = ranges(sorted(k for k, n in of_file.items() if not n))
            print(f"{path.relative_to(root)!s:32} {done:5} of {len(of_file):5} lines "
                  f"{100 * done / max(1, len(of_file)):5.1f} %"
                  + (f"   not: {missing}" if missing else ""))
    percent = 100 * covered / max(1, total)
    print(f"{'= ' + name:32} {covered:5} of {total:5} lines {percent:5.1f} %")
    return percent


def run(root, build, long):
    build = build / "coverage"
    began = time.monotonic()
    make = build_counting(root, build)
    run_tests(root, build, make, long)
    lines = collect(build)
    result = Result()
    for name, folder in PRIVILEGED.items():
        if summed(root, lines, name, folder, True) > LEAST:
            result.passed += 1
        else:
            print(f"coverage: {name} is to be above {LEAST} %")
            result.failed += 1
    for name, folder in OTHERS.items():
        summed(root, lines, name, folder, False)
    print(f"coverage: {time.monotonic() - began:.0f} s")
    return result
