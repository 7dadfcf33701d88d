"""Swaps two names by renameat2(RENAME_EXCHANGE) until its input ends; says how often.

A program of its own, so that it swaps while the test waits for the server.
"""

import ctypes
import os
import subprocess
import sys
import time

AT_FDCWD, EXCHANGE = -100, 2


class Swapper:
    """with Swapper((a, b), ...): each pair is swapped all the time, in turn."""

    def __init__(self, *pairs):
        self.argv = [os.fspath(name) for pair in pairs for name in pair]
        self.count = 0

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, "-B", __file__, *self.argv],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"swapping\n"
        return self

    def __exit__(self, *why):
        try:
            out, _ = self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self.count = int(out)


def main(names):
    libc = ctypes.CDLL(None, use_errno=True)
    pairs = [tuple(os.fsencode(n) for n in names[i:i + 2]) for i in range(0, len(names), 2)]
    for a, b in pairs:
        if libc.renameat2(AT_FDCWD, a, AT_FDCWD, b, EXCHANGE) != 0:
            sys.exit(f"renameat2: {os.strerror(ctypes.get_errno())}")
    print("swapping", flush=True)
    os.set_blocking(0, False)
    n = 1
    give_up = time.monotonic() + 600
    while time.monotonic() < give_up:
        for _ in range(200):
            for a, b in pairs:
                n += libc.renameat2(AT_FDCWD, a, AT_FDCWD, b, EXCHANGE) == 0
        try:
            if os.read(0, 1) == b"":
                break
        except BlockingIOError:
            pass
    print(n)


if __name__ == "__main__":
    main(sys.argv[1:])
