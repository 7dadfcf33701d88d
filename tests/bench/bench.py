#!/usr/bin/env python3
"""tests/bench/bench.py - CPU of the whole server for a unit of work, beside its peers

    bench.py [--build DIR] [--rounds N] [--only TEXT]... [--peers NAME,NAME] [--list]

Runs as root on loopback, with files on tmpfs (some 4 GiB of /dev/shm). Each server runs in
a cgroup of its own, so the CPU of all its processes, living and dead, is counted. Rounds
are interleaved and the median is shown: rates of a shared machine wander, so the ratio to
a peer in the same run is what counts. Peers are those of Debian, where they are installed.
A server that fails at something is left out of that row, aloud.
"""
import argparse
import os
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from client import Client
from servers import PEERS, Sallyport, write

HERE = os.path.dirname(os.path.abspath(__file__))
USER, PASSWORD = "sp-bench", "bench-password"
MIB = b"x" * (1 << 20)
FIRST_PORT = 42101


def connect(server, tls, login=True):
    return Client(server.port, tls, *((USER, PASSWORD) if login else ()))


# ---- works: each returns one figure ---------------------------------------------------------

def big(verb, tls, rate=False):
    def run(server):
        c = connect(server, tls)
        cpu, clock = server.cpu(), time.monotonic()
        if verb == "RETR":
            c.drain("RETR big", 1 << 30)
        else:
            c.store("STOR up", MIB, 1024)
        cpu, clock = server.cpu() - cpu, time.monotonic() - clock
        if verb == "STOR":
            os.unlink(server.where + "/home/up")
        c.quit()
        return 1 / clock if rate else cpu
    return run


def small(verb, tls, rate=False, count=1000):
    def run(server):
        c = connect(server, tls)
        cpu, clock = server.cpu(), time.monotonic()
        for i in range(count):
            if verb == "STOR":
                c.store(f"STOR up{i}", MIB[:4096])
            elif len(c.fetch("RETR small")) != 4096:
                raise ConnectionError("RETR small: not all came")
        cpu, clock = server.cpu() - cpu, time.monotonic() - clock
        c.quit()
        for i in range(count if verb == "STOR" else 0):
            os.unlink(server.where + f"/home/up{i}")
        return count / clock if rate else cpu / count * 1000
    return run


def login(tls, rate=False, count=60):
    def run(server):
        server.settle()
        cpu, clock = server.cpu(), time.monotonic()
        for _ in range(count):
            connect(server, tls).quit()
        clock = time.monotonic() - clock
        server.settle()
        return count / clock if rate else (server.cpu() - cpu) / count * 1000
    return run


def listing(verb):
    def run(server):
        c = connect(server, False)
        cpu = server.cpu()
        lines = c.fetch(verb + " many").count(b"\n")
        cpu = server.cpu() - cpu
        c.quit()
        if lines < 50000:
            raise ConnectionError(f"{verb}: {lines} lines")
        return cpu
    return run


def memory(logged_in, count=300):
    def run(server):
        server.settle()
        before, clients = server.group.pss(), []
        try:
            for _ in range(count):
                clients.append(connect(server, logged_in, logged_in))
            server.settle()
            return (server.group.pss() - before) / count
        finally:
            for c in clients:
                c.quit()
            server.settle()
    return run


def many_downloads(server, count=64):
    """All begin, then all are drained at once."""
    clients = [connect(server, True) for _ in range(count)]
    cpu = server.cpu()
    open_ones = {}
    for c in clients:
        raw, stream = c.begin("RETR medium")
        raw.setblocking(False)
        open_ones[raw.fileno()] = (c, raw, stream)
    poll, view = select.epoll(), bytearray(1 << 20)
    for fd in open_ones:
        poll.register(fd, select.EPOLLIN)
    until = time.monotonic() + 60
    while open_ones:
        ready = poll.poll(0.1)
        if time.monotonic() > until:
            raise TimeoutError(f"{len(open_ones)} of {count} downloads do not end")
        if not ready:           # all has come; some servers wait for our end first
            for _, _, stream in open_ones.values():
                stream.put_end()
        for fd, _ in ready:
            c, raw, stream = open_ones[fd]
            if raw.recv_into(view) == 0:
                poll.unregister(fd)
                raw.setblocking(True)
                c.end(raw, stream)
                del open_ones[fd]
    cpu = server.cpu() - cpu
    for c in clients:
        c.quit()
    return cpu / (count * 16 / 1024)


def many_sessions(server, count=1000, at_once=16):
    server.settle()
    cpu, left, lock, faults = server.cpu(), [count], threading.Lock(), []

    def work():
        while True:
            with lock:
                if left[0] == 0 or faults:
                    return
                left[0] -= 1
            try:
                c = connect(server, True)
                c.fetch("RETR small")
                c.quit()
            except OSError as e:
                faults.append(e)

    threads = [threading.Thread(target=work) for _ in range(at_once)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if faults:
        raise faults[0]
    server.settle()
    return server.cpu() - cpu


def burst(server, count=1000, patience=10):
    """How many of those who connect in one moment are not greeted in time."""
    poll, waiting = select.epoll(), {}
    for _ in range(count):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", server.port))
        poll.register(s, select.EPOLLIN)
        waiting[s.fileno()] = s
    until, greeted, kept = time.monotonic() + patience, 0, []
    while waiting and time.monotonic() < until:
        for fd, _ in poll.poll(0.2):
            s = waiting.pop(fd)
            try:
                greeted += s.recv(200).startswith(b"220")
            except OSError:
                pass
            poll.unregister(s)
            kept.append(s)
    for s in kept + list(waiting.values()):
        s.close()
    server.settle()
    return count - greeted


WORKS = [
    ("RETR plain, 1 GiB", "CPU-s/GiB", big("RETR", False)),
    ("RETR TLS, 1 GiB", "CPU-s/GiB", big("RETR", True)),
    ("RETR TLS, 1 GiB, rate", "GiB/s", big("RETR", True, rate=True)),
    ("STOR plain, 1 GiB", "CPU-s/GiB", big("STOR", False)),
    ("STOR TLS, 1 GiB", "CPU-s/GiB", big("STOR", True)),
    ("RETR TLS, 64 x 16 MiB at once", "CPU-s/GiB", many_downloads),
    ("RETR plain, 4 KiB", "CPU-ms/file", small("RETR", False)),
    ("RETR TLS, 4 KiB", "CPU-ms/file", small("RETR", True)),
    ("STOR plain, 4 KiB", "CPU-ms/file", small("STOR", False)),
    ("STOR TLS, 4 KiB", "CPU-ms/file", small("STOR", True)),
    ("RETR TLS, 4 KiB, rate", "files/s", small("RETR", True, rate=True)),
    ("login and quit, plain", "CPU-ms", login(False)),
    ("login and quit, TLS", "CPU-ms", login(True)),
    ("login and quit, TLS, rate", "per s", login(True, rate=True)),
    ("LIST, 50,000 entries", "CPU-s", listing("LIST")),
    ("MLSD, 50,000 entries", "CPU-s", listing("MLSD")),
    ("memory, 300 logged in, TLS", "KiB/session", memory(True)),
    ("memory, 300 before login", "KiB/session", memory(False)),
    ("1,000 sessions, TLS, 4 KiB each", "CPU-s", many_sessions),
    ("burst of 1,000 connections", "lost", burst),
]


# ---- the run --------------------------------------------------------------------------------

def prepare(where):
    home = where + "/home"
    os.makedirs(home + "/many")
    subprocess.run(["userdel", USER], capture_output=True, check=False)
    for words, text in [
        (["useradd", "--home-dir", home, "--no-create-home", "--shell", "/bin/sh", USER], ""),
        (["chpasswd", "-c", "SHA512"], f"{USER}:{PASSWORD}\n"),
        (["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
          "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj", "/CN=localhost",
          "-keyout", where + "/key.pem", "-out", where + "/cert.pem"], ""),
    ]:
        subprocess.run(words, check=True, capture_output=True, text=True, input=text)
    both = ""
    for name in ("key.pem", "cert.pem"):
        with open(f"{where}/{name}") as f:
            both += f.read()
    write(where + "/both.pem", both, 0o600)
    for name, blocks in (("warm", 3072), ("big", 1024), ("medium", 16)):
        with open(f"{home}/{name}", "wb") as f:
            for _ in range(blocks):
                f.write(MIB)
    # a virtual machine's memory is dear the first time that it is touched: not in a round
    os.unlink(home + "/warm")
    with open(home + "/small", "wb") as f:
        f.write(MIB[:4096])
    for i in range(50000):
        os.close(os.open(f"{home}/many/file-{i:05d}.txt", os.O_CREAT | os.O_WRONLY, 0o644))
    subprocess.run(["chown", "-R", USER, home], check=True)


def measure(servers, rounds, work):
    """Name of server -> its median, or None."""
    title, _, run = work
    got = {s.name: [] for s in servers}
    failed = set()
    for _ in range(rounds):
        for s in servers:
            if s.name in failed:
                continue
            try:
                got[s.name].append(run(s))
            except (OSError, ValueError) as e:
                failed.add(s.name)
                print(f"  {s.name}: {title}: {e}", file=sys.stderr)
    return {n: statistics.median(v) if v and n not in failed else None
            for n, v in got.items()}


def main():
    arg = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    arg.add_argument("--build", default=os.path.join(HERE, "../../build"))
    arg.add_argument("--rounds", type=int, default=3)
    arg.add_argument("--only", action="append", help="rows whose title contains this")
    arg.add_argument("--peers", default=",".join(PEERS))
    arg.add_argument("--list", action="store_true", help="the titles, and no run")
    a = arg.parse_args()
    works = [w for w in WORKS if any(text in w[0] for text in a.only or [""])]
    if a.list:
        print("\n".join(w[0] for w in works))
        return
    if os.getuid() != 0:
        raise SystemExit("root is needed: servers with logins of system users, and cgroups")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))     # by way of finally
    where = tempfile.mkdtemp(prefix="sallyport-bench-", dir="/dev/shm")
    os.chmod(where, 0o755)
    kinds = [Sallyport] + [PEERS[n] for n in a.peers.split(",")
                           if n in PEERS and os.path.exists(PEERS[n].binary)]
    servers = [k(where, FIRST_PORT + i, os.path.abspath(a.build))
               for i, k in enumerate(kinds)]
    try:
        prepare(where)
        for s in servers:
            s.start()
        print(time.strftime("%Y-%m-%d %H:%M, ") + f"{os.cpu_count()} CPUs, Linux "
              f"{os.uname().release}, median of {a.rounds}")
        print(f"{'work':32}{'unit':12}" + "".join(f"{s.name:>11}" for s in servers))
        for work in works:
            got = measure(servers, a.rounds, work)
            print(f"{work[0]:32}{work[1]:12}" + "".join(
                f"{'-':>11}" if v is None else f"{v:11.3f}" if v < 100 else f"{v:11.0f}"
                for v in got.values()), flush=True)
    finally:
        for s in servers:
            s.stop()
        subprocess.run(["userdel", USER], capture_output=True, check=False)
        shutil.rmtree(where, ignore_errors=True)


if __name__ == "__main__":
    main()
