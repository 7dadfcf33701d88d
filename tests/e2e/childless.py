"""Runs a command, with SIGTERM passed on: ends with its code, or with 99 where it leaves a child.

What a process that ends has not waited for becomes a child of this one, alive or not.
"""

import ctypes
import os
import signal
import subprocess
import sys

PR_SET_CHILD_SUBREAPER = 36
LEFT = 99


def has_children():
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
command = subprocess.Popen(
    sys.argv[1:], preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM}))
signal.signal(signal.SIGTERM, lambda *_: command.terminate())
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
code = command.wait()
sys.exit(LEFT if has_children() else code)
