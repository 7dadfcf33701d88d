"""curl, killed in the middle of an upload in clear.

Its kernel closes both connections, in an order and at a pace of its own, and nothing but that
tells its end from the end of a file. Before the server looked twice, more than a third of these
were stored as whole; on an idle machine none is now. The bound leaves room for a machine on
which the dying process is made to wait between the two; tests/unit/test_transfer.c has the same
without a clock.
"""

import os
import random
import re
import signal
import subprocess
import time

import pytest

from harness import PASSWORD, times, wait_until

KILLS = times(40, 400)


def begun(directory):
    return any(f.stat().st_size > 0 for f in directory.iterdir())


def kill_one(server, number, piece):
    """curl sends what it reads from a pipe that nobody closes while it lives."""
    folder = server.folder()
    reading, writing = os.pipe()
    curl = subprocess.Popen(
        ["curl", "-sS", "-T", "-", "-u", "guest:" + PASSWORD,
         f"ftp://127.0.0.1:{server.port}{folder.ftp}/f"],
        stdin=reading, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(reading)
    try:
        os.write(writing, bytes(piece))
        wait_until(lambda: begun(folder.path("")), timeout=20, step=0.005)
        if piece > 4096:                        # anywhere in the middle of a flood
            os.set_blocking(writing, False)
            for _ in range(random.randrange(100)):
                try:
                    os.write(writing, bytes(piece))
                except BlockingIOError:
                    time.sleep(0.0005)
        curl.send_signal(number)
        assert curl.wait() == -number
    finally:
        curl.kill()
        curl.wait()
        os.close(writing)


@pytest.mark.limit(120)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("piece", [1000, 65536])
def test_the_upload_of_a_killed_client_is_not_stored(clear_server, number, piece):
    mark = clear_server.mark()
    for _ in range(KILLS):
        kill_one(clear_server, number, piece)

    def codes():
        return re.findall(r"\btransfer .*?reply=(\d+)", clear_server.log(mark))

    wait_until(lambda: len(codes()) == KILLS, timeout=20)
    assert set(codes()) <= {"426", "226"}
    assert codes().count("226") <= KILLS // 6, f"{codes().count('226')} of {KILLS} were stored"
