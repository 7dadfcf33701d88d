"""What the programs of a build are made of, read by readelf, nm and ldd."""

import os
import re
import subprocess
from functools import lru_cache
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SALLYPORT_BUILD", SOURCE / "build")).resolve()

PROGRAMS = ("sallyportd", "sallyport", "sallyport-worker", "sallyport-broker",
            "sallyport-login", "sallyport-keyholder", "sallyport-ledger")

# What instrumented builds (--enable-sanitizers, --enable-coverage) bring with them.
INSTRUMENTS = {"asan", "ubsan", "lsan", "gcc_s", "m", "pthread", "dl", "rt", "stdc++"}


@lru_cache(maxsize=None)
def tool(*argv):
    return subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True,
                          env={**os.environ, "LC_ALL": "C"}).stdout


def built():
    return all((BUILD / p).exists() for p in PROGRAMS)


def instrumented(program):
    return any(lib in ("asan", "ubsan") for lib in needed_all(program))


def libraries_in(text, pattern):
    """Names of libraries without "lib" and version: libssl.so.3 -> ssl."""
    return {m.group(1) for m in re.finditer(pattern, text, re.M)}


def needed_all(program):
    """Libraries that the program itself names."""
    return libraries_in(tool("readelf", "-dW", BUILD / program),
                        r"\(NEEDED\).*\[lib([^]]+?)\.so[^]]*\]")


def needed(program):
    return needed_all(program) - (INSTRUMENTS if instrumented(program) else set())


def loaded(program):
    """Libraries that come with those, too."""
    return libraries_in(tool("ldd", BUILD / program), r"^\s*lib([^\s]+?)\.so")


def imports(path):
    """Symbols that must come from elsewhere."""
    names = set()
    for line in tool("nm", "-u", path).splitlines():
        f = line.split()
        if len(f) == 2 and f[0] in "Uw":
            names.add(f[1].split("@")[0])
    return names


def public(path):
    """Functions with linkage: what an archive offers, and what a program took of it."""
    return {f[2] for f in map(str.split, tool("nm", "--defined-only", path).splitlines())
            if len(f) == 3 and f[1] == "T"}


def objects(folder, program=None):
    """Objects made from the sources of one folder, for one program where it is named."""
    found = sorted((BUILD / folder).glob("*.o"))
    if program:
        prefix = program.replace("-", "_") + "-"
        found = [o for o in found if o.name.startswith(prefix)]
    return found
