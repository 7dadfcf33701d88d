"""What /proc tells of the processes under test."""

import os
import re
from contextlib import suppress
from pathlib import Path


def status(pid):
    """/proc/PID/status as a dictionary of texts."""
    text = Path(f"/proc/{pid}/status").read_text()
    return dict(line.split(":\t", 1) if ":\t" in line else (line.rstrip(":"), "")
                for line in text.splitlines())


def alive(pid):
    try:
        return status(pid)["State"][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def name(pid):
    """The program's file name; from the command line where exe may not be read."""
    try:
        exe = os.readlink(f"/proc/{pid}/exe")
        return os.path.basename(exe.removesuffix(" (deleted)"))
    except PermissionError:
        with suppress(OSError):
            argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            return os.path.basename(argv[0].decode("utf-8", "replace"))
    except (FileNotFoundError, ProcessLookupError):
        pass
    return ""


def parent(pid):
    try:
        return int(status(pid)["PPid"])
    except (FileNotFoundError, ProcessLookupError):
        return -1


def pids():
    return [int(p) for p in os.listdir("/proc") if p.isdigit()]


def children(pid):
    return [p for p in pids() if parent(p) == pid]


def descendants(pid):
    found = []
    queue = [pid]
    while queue:
        more = children(queue.pop())
        found += more
        queue += more
    return found


def descriptors(pid):
    """Number -> what it points to."""
    found = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(fd)] = os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:
            pass
    return found


def resident(pid):
    """Bytes that belong to this process alone, from smaps_rollup."""
    total = 0
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_"):
            total += int(line.split()[1]) * 1024
    return total


def owner_of_connection(client_port, server_port, monitor):
    """The child of the monitor that has the server's end of a TCP connection open."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            f = line.split()
            if (int(f[1].rsplit(":", 1)[1], 16), int(f[2].rsplit(":", 1)[1], 16)) == \
                    (server_port, client_port):
                inodes.add(f[9])
    for pid in children(monitor):
        try:
            for target in descriptors(pid).values():
                m = re.fullmatch(r"socket:\[(\d+)\]", target)
                if m and m.group(1) in inodes:
                    return pid
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
    return None


def of_kind(monitor, kind):
    """The monitor's living children of one program, such as "sallyport-worker"."""
    return {p for p in children(monitor) if name(p) == kind and alive(p)}


def mappings(pid):
    """Each mapping of a process: (low, high, permissions, what is mapped)."""
    found = []
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        m = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \d+\s*(.*)", line)
        found.append((int(m[1], 16), int(m[2], 16), m[3], m[4]))
    return found


def search_memory(pid, needles, piece=16 << 20):
    """Needle (bytes) -> where it stands in the memory of a process: (address, mapping)."""
    found = {n: [] for n in needles}
    overlap = max(map(len, needles)) - 1
    with open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for low, high, mode, what in mappings(pid):
            if "r" not in mode or what.startswith("[v"):
                continue
            at, before = low, b""
            while at < high:
                try:
                    mem.seek(at)
                    content = mem.read(min(piece, high - at))
                except (OSError, ValueError):
                    content = b""
                if not content:         # a hole, or pages of a file that has become shorter
                    at, before = at + min(piece, high - at), b""
                    continue
                whole, start = before + content, at - len(before)
                for n in needles:
                    i = whole.find(n)
                    while i != -1:
                        found[n].append((start + i, what))
                        i = whole.find(n, i + 1)
                at += len(content)
                before = whole[-overlap:] if overlap else b""
    return found
