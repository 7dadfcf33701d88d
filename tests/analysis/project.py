"""What the build directory knows: its flags, its programs, and how to run two at a time."""

import os
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

JOBS = int(os.environ.get("JOBS", os.cpu_count() or 2))


@dataclass
class Result:
    passed: int = 0
    failed: int = 0
    skipped: int = 0


def variable(build, text):
    """A piece of text as the Makefile there expands it."""
    r = subprocess.run(["make", "-s", "--no-print-directory", "--eval", f"p:;@:$(info {text})",
                        "p"], cwd=build, stdout=subprocess.PIPE, text=True, check=True)
    return r.stdout.strip().splitlines()[-1]


def flags(build):
    """-D and -I, as every program is compiled with together."""
    found = shlex.split(variable(
        build, "$(DEFS) $(DEFAULT_INCLUDES) $(AM_CPPFLAGS) $(OPENSSL_CFLAGS) $(SODIUM_CFLAGS)"
               " $(SQLITE_CFLAGS) $(CONFUSE_CFLAGS) $(EVENT_CFLAGS) $(SECCOMP_CFLAGS)"))
    return [f"-I{(build / f[2:]).resolve()}" if f.startswith("-I") else f
            for f in found if f.startswith(("-I", "-D"))]


def sources(root):
    """Every C file of the product."""
    return sorted([*root.glob("src/*/*.c"), *root.glob("auth/*.c"), *root.glob("tls/*/*.c")])


def in_parallel(what, items):
    with ThreadPoolExecutor(JOBS) as pool:
        return list(pool.map(what, items))
