"""How long something took, and how much of that was the machine's fault.

A bound such as "in 5 seconds" says what the server may take for itself. On a machine that is
busy with something else the same work takes longer by the clock, and that is no fault. The
kernel counts the time in which any process had to wait for a processor, for a disk or for
memory (/proc/pressure). A Stopwatch takes that time off: so a bound holds the server to
what it takes on a machine that has time for it, and a server that hangs is found on any.
"""

import time
from pathlib import Path

PRESSURE = Path("/proc/pressure")
# Waiting for others is never all of the time that passed: what hangs has an end.
LEAST_SHARE = 1 / 20


def held_up():
    """Seconds since the start of the machine in which somebody waited for it."""
    total = 0
    for what in ("cpu", "io", "memory"):
        try:
            some = (PRESSURE / what).read_text().split("\n")[0]
        except OSError:                 # a kernel that does not count
            continue
        total += int(some.rsplit("total=", 1)[1])
    return total / 1e6


class Stopwatch:
    """Runs from where it is made."""

    def __init__(self):
        self.began, self.held = time.monotonic(), held_up()

    def passed(self):
        """Seconds by the clock: for what may not happen too early."""
        return time.monotonic() - self.began

    def own(self):
        """Seconds in which nothing else held the machine up: for what may not take too long."""
        passed = self.passed()
        return max(passed - (held_up() - self.held), passed * LEAST_SHARE)
