"""What a session holds and costs does not grow with their number: 300, 1,000, 5,000 at once.

tests/bench measures the same beside the peers, as far as the hard limit of open files lets it;
in the virtual machine of tests/kernel/run root may raise that. Some 20 minutes where it is
emulated, and a MiB of memory for each session:

    SALLYPORT_SESSIONS=5000 make check-kernel \\
        KERNEL="--memory 9000 --cpus 2 kernel/test_many_sessions.py"
"""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bench"))

import bench  # noqa: E402  (after the path is set)
import works  # noqa: E402
from servers import Sallyport  # noqa: E402

MOST = int(os.environ.get("SALLYPORT_SESSIONS") or 0)
COUNTS = sorted({min(n, MOST) for n in (300, 1000, MOST)})

pytestmark = pytest.mark.skipif(
    not os.environ.get("SALLYPORT_KERNEL") or MOST < 600,
    reason="takes long: SALLYPORT_SESSIONS=5000 and tests/kernel/run")


class Patient(Sallyport):
    """Nobody is sent away while the others log in on an emulated processor."""

    def arguments(self):
        words = super().arguments()
        with open(words[-1], "a", encoding="ascii") as f:
            f.write("idle_timeout = 1d\nidle_timeout_most = 1d\n"
                    "login_timeout = 1h\n")
        return words


@pytest.fixture
def the_bench(world):
    subprocess.run(["mount", "-t", "cgroup2", "none", "/sys/fs/cgroup"], check=True)
    b = bench.Bench(world.build, "/tmp", replace(works.TINY, idle=COUNTS, logins=20))
    b.patience = 4000
    try:
        b.prepare(whole=False)
        b.servers = [Patient(b.where, b.build)]
        b.servers[0].start()
        yield b
    finally:
        b.clean()
        subprocess.run(["umount", "/sys/fs/cgroup"], check=True)


@pytest.mark.limit(900)
def test_the_cost_of_a_session_does_not_grow(the_bench, capsys):
    server = the_bench.servers[0]
    said, held, waiting = [], [], []
    for which, count in enumerate(COUNTS):
        (memory, processes, login, beside), _ = works.idle(the_bench, server, True, which)
        held.append((memory, login, beside))
        (alone, of_them), _ = works.idle(the_bench, server, False, which)
        waiting.append(alone)
        said.append(f"{count:,} sessions: {memory:.0f} KiB each in {processes:.2f} processes, "
                    f"{login:.0f} CPU-ms to log in, {beside:.0f} CPU-ms for one more login and "
                    f"QUIT; before login {alone:.0f} KiB each in {of_them:.2f} processes")
        with capsys.disabled():
            print("\n" + said[-1], flush=True)
        assert 1.9 < processes < 3.1 and 0.9 < of_them < 1.1
    for memory, login, beside in held[1:]:
        assert memory < 1.1 * held[0][0], said
        # time, on an emulated processor: that it does not grow by the number is all it says
        assert login < 2 * held[0][1] and beside < 2 * held[0][2], said
    assert max(waiting) < 1.1 * waiting[0] + 10, said
