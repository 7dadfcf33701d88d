"""tests/bench/works.py - what is measured: the rows of the table

A Work is run once for each server and round and gives one figure for each of its rows, and
the result of the load client, whose CPU stands in the table, too.
"""
import json
import os
import resource
import select
import subprocess
import threading
import time
from dataclasses import dataclass, field

GIB, MIB = 1 << 30, 1 << 20
OFTEN = 2                           # times in each round: works that are quick and wander


def sessions_most():
    """5,000, or what the hard limit of open files lets sallyportd serve (8 for each)."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        return 5000
    return min(5000, (hard - 192) // 8 // 100 * 100)


@dataclass
class Sizes:
    big: int = GIB
    medium: int = 16 * MIB
    small: int = 4096
    downloads: int = 64             # of medium, at once
    files: int = 2000               # small ones in one session
    logins: int = 60
    entries: int = 50000
    entries_whole: int = 1000000
    idle: tuple = (300, 1000, sessions_most())
    fetches: int = 1000
    burst: int = 1000
    polite: int = 63
    readers: int = 8
    seconds: int = 5                # of each look at fairness
    disk_files: int = 2000
    disk_sessions: int = 16
    form: int = 256 * MIB           # the large file in each form: see forms.py
    entries_cold: int = 100000
    client_files: int = 40          # by lftp, curl and Python


# as many idle sessions as outweigh what the server itself takes or gives back meanwhile
TINY = Sizes(4 * MIB, 2 * MIB, 4096, 4, 20, 4, 300, 400, (24, 25, 26), 8, 10, 5, 2, 1, 16, 4,
             4 * MIB, 300, 4)


def amount(n):
    for unit, size in (("GiB", GIB), ("MiB", MIB), ("KiB", 1024)):
        if n >= size:
            return f"{n // size} {unit}"
    return f"{n} bytes"


@dataclass
class Limit:
    """A bare loop of limits.c; its figure times scale is of the row's unit."""
    what: str
    folder: str
    count: int
    scale: float
    form: object = None             # of forms.py: how the file is made ready


@dataclass
class Row:
    title: str
    unit: str
    more: bool = False              # more is better
    limits: list = field(default_factory=list)      # the machine, and then the design alone
    compare: bool = True            # a ratio says something
    tuned: bool = False             # sallyport's sizes of pieces were chosen on one machine


@dataclass
class Work:
    rows: list
    run: callable                   # (bench, server) -> figures, result of the client
    whole: bool = False             # takes long: only with --whole
    durable: bool = False           # by the server that syncs, and by no other
    rounds: int = 1000              # at most
    often: bool = False             # OFTEN times in each round
    in_vain: bool = False           # once before the first round: who is first pays for memory
    form: object = None             # of forms.py: what has to be there
    missing: str = ""               # why it cannot be run here

    def turns(self, rounds):
        return min(rounds * (OFTEN if self.often else 1), self.rounds)


# ---- the load client ------------------------------------------------------------------------

class Load:
    """The load client at work. Its faults are raised as ValueError with its own line."""

    def __init__(self, bench, server, mode, tls=False, user="", limit=120, **options):
        words = [bench.build + "/bench-load", mode, "--port", str(server.port),
                 "--limit", str(limit)]
        if user:
            words += ["--user", user, "--password", bench.password]
        if tls:
            words += ["--tls"]
        for name, value in options.items():
            words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
        self.patience = limit + 10
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, bufsize=0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for f in (self.process.stdin, self.process.stdout, self.process.stderr):
            f.close()

    def line(self):
        if not select.select([self.process.stdout], [], [], self.patience)[0]:
            raise ValueError("the load client says nothing")
        text = self.process.stdout.readline().decode()
        if not text:
            raise ValueError(self.process.stderr.read().decode().strip() or "load: ended")
        return text

    def go(self):
        self.process.stdin.write(b"\n")

    def result(self):
        return json.loads(self.line())

    def end(self):
        self.go()
        if self.process.wait(self.patience) != 0:
            raise ValueError(self.process.stderr.read().decode().strip())


def held(bench, server, mode, **options):
    """The client's result, and the CPU of the server from after login until before QUIT."""
    with Load(bench, server, mode, hold=True, **options) as load:
        load.line()
        cpu = server.cpu()
        load.go()
        result = load.result()
        cpu = server.cpu() - cpu
        load.end()
    return result, cpu


def settled(bench, server, mode, **options):
    """The client's result, and the CPU of all that its sessions cost."""
    server.settle()
    cpu = server.cpu()
    with Load(bench, server, mode, **options) as load:
        result = load.result()
        load.process.wait(load.patience)
    server.settle()
    return result, server.cpu() - cpu


def percentiles(bench, server, **options):
    """What sessions wait beside another one."""
    result, _ = settled(bench, server, "fair", tls=True, user=bench.user,
                        seconds=bench.sizes.seconds, **options)
    return [result[p] for p in ("p50", "p95", "p99")], result


def take_away(folder, name, count, size):
    """What was uploaded, all of it and nothing else."""
    for i in range(count):
        path = f"{folder}/{name}{i}"
        if os.path.getsize(path) != size:
            raise ValueError(f"{path}: {os.path.getsize(path)} bytes arrived, not {size}")
        os.unlink(path)


# ---- works ----------------------------------------------------------------------------------

def big(bench, server, verb, tls):
    size = bench.sizes.big
    if verb == "put":
        bench.warm(size)
    else:
        bench.touch("big")
    result, cpu = held(bench, server, verb, tls=tls, user=bench.user, bytes=size,
                       name="big" if verb == "get" else "up")
    if verb == "put":
        take_away(bench.home, "up", 1, size)
    return [cpu * GIB / size, size / GIB / result["seconds"]], result


def small(bench, server, verb, tls):
    size, count = bench.sizes.small, bench.sizes.files
    result, cpu = held(bench, server, verb, tls=tls, user=bench.user, bytes=size, count=count,
                       name="small" if verb == "get" else "up")
    if verb == "put":
        take_away(bench.home, "up", count, size)
    return [cpu / count * 1000, count / result["seconds"]], result


def downloads(bench, server, name="medium"):
    count, size = bench.sizes.downloads, bench.sizes.medium
    result, cpu = held(bench, server, "many", tls=True, user=bench.user, count=count,
                       name=name, bytes=size)
    return [cpu * GIB / (count * size)], result


def login(bench, server, tls):
    count = bench.sizes.logins
    result, cpu = settled(bench, server, "login", tls=tls, user=bench.user, count=count)
    return [cpu / count * 1000, count / result["seconds"]], result


def listing(bench, server, verb):
    result, cpu = held(bench, server, "list", user=bench.user, verb=verb, name="many",
                       count=bench.sizes.entries)
    return [cpu], result


def listing_whole(bench, server, verb):
    """And the most memory that the server has meanwhile, looked at 20 times a second."""
    most, over = [0], threading.Event()

    def look():
        while not over.is_set():
            most[0] = max(most[0], server.group.pss())
            time.sleep(0.05)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        result, cpu = held(bench, server, "list", user=bench.user, verb=verb, limit=300,
                           name="whole", count=bench.sizes.entries_whole)
    finally:
        over.set()
        watcher.join()
    return [cpu, most[0] / 1024], result


def idle(bench, server, logged_in, which):
    """Memory and processes of sessions that are held, and a login's CPU beside them."""
    count, few = bench.sizes.idle[which], max(bench.sizes.logins // 2, 1)
    server.settle()
    memory, processes, cpu = server.group.pss(), len(server.group.pids()), server.cpu()
    with Load(bench, server, "idle", tls=logged_in, user=bench.user if logged_in else "",
              count=count, limit=bench.patience) as load:
        result = load.result()
        server.settle()
        cpu = server.cpu() - cpu
        figures = [(server.group.pss() - memory) / count,
                   (len(server.group.pids()) - processes) / count]
        if logged_in:
            _, beside = settled(bench, server, "login", tls=True, user=bench.user, count=few)
            figures += [cpu / count * 1000, beside / few * 1000]
        load.end()
    server.settle()
    return figures, result


def fetches(bench, server):
    result, cpu = settled(bench, server, "fetch", tls=True, user=bench.user, name="small",
                          bytes=bench.sizes.small, count=bench.sizes.fetches, sessions=16)
    return [cpu, result["files"] / result["seconds"]], result


def burst(bench, server):
    result, _ = settled(bench, server, "burst", count=bench.sizes.burst, seconds=10)
    return [result["files"]], result


def beside_greedy(bench, server):
    bench.touch("big")
    return percentiles(bench, server, name="small", bytes=bench.sizes.small,
                       count=bench.sizes.polite, pause=200, greedy="big")


def beside_slow(bench, server):
    return percentiles(bench, server, name="medium", bytes=bench.sizes.medium,
                       count=bench.sizes.readers, pause=0, slow="big")


def disk_big(bench, server):
    size = bench.sizes.big
    bench.sync()
    bench.warm(size)
    result, _ = held(bench, server, "put", user=bench.disk_user, bytes=size, name="up")
    take_away(bench.disk_home, "up", 1, size)
    return [result["seconds"] * GIB / size], result


def disk_small(bench, server, sessions):
    size, count = bench.sizes.small, bench.sizes.disk_files
    bench.sync()
    result, _ = held(bench, server, "put", user=bench.disk_user, bytes=size, count=count,
                     sessions=sessions, name="up")
    take_away(bench.disk_home, "up", count, size)
    return [result["seconds"] / count * 1000], result


# ---- the table ------------------------------------------------------------------------------

def reading(verb, folder):
    return [Limit("names" if verb == "NLST" else "list", folder, 1, 1)]


def make_works(bench):
    z, home, disk = bench.sizes, bench.home, bench.disk_home
    mib = z.big // MIB
    works = []

    def add(run, *rows, **more):
        works.append(Work(list(rows), run, **more))

    for verb, tls, whats in (("get", False, ["sendfile"]),
                             ("get", True, ["seal-send", "seal-read"]),
                             ("put", False, ["splice"]), ("put", True, ["open", "open-write"])):
        name = f"{'RETR' if verb == 'get' else 'STOR'} {'TLS' if tls else 'plain'}"
        add(lambda b, s, v=verb, t=tls: big(b, s, v, t),
            Row(f"{name}, {amount(z.big)}", "CPU-s/GiB", tuned=True,
                limits=[Limit(what, home, mib, GIB / z.big) for what in whats]),
            Row(f"{name}, {amount(z.big)}, rate", "GiB/s", more=True), often=True)
    add(downloads, Row(f"RETR TLS, {z.downloads} x {amount(z.medium)} at once", "CPU-s/GiB",
                       tuned=True, limits=[Limit(what, home, mib, GIB / z.big)
                                           for what in ("seal-send", "seal-read")]), often=True)
    for verb, tls in (("get", False), ("get", True), ("put", False), ("put", True)):
        name = f"{'RETR' if verb == 'get' else 'STOR'} {'TLS' if tls else 'plain'}"
        add(lambda b, s, v=verb, t=tls: small(b, s, v, t),
            Row(f"{name}, {amount(z.small)}", "CPU-ms/file",
                limits=[Limit(what, home, z.files, 1000 / z.files)
                        for what in ([verb + "-tls"] if tls else [verb, verb + "-walls"])]),
            Row(f"{name}, {amount(z.small)}, rate", "files/s", more=True),
            often=not tls)
    for tls in (False, True):
        name = f"login and quit, {'TLS' if tls else 'plain'}"
        add(lambda b, s, t=tls: login(b, s, t),
            Row(name, "CPU-ms",
                limits=[Limit("login" + "-tls" * tls, home, z.logins, 1000 / z.logins)]),
            Row(name + ", rate", "per s", more=True))
    for verb in ("LIST", "MLSD", "NLST"):
        add(lambda b, s, v=verb: listing(b, s, v),
            Row(f"{verb}, {z.entries:,} entries", "CPU-s",
                limits=reading(verb, home + "/many")),
            often=True)
    for which, count in enumerate(z.idle):
        rounds = 1000 if which == 0 else 1
        beside = f"{count:,} logged in"
        add(lambda b, s, w=which: idle(b, s, True, w),
            Row(f"memory, {beside}", "KiB/session"),
            Row(f"processes, {beside}", "per session", compare=False),
            Row(f"login, each of {count:,}", "CPU-ms"),
            Row(f"login and quit beside {count:,}", "CPU-ms"),
            whole=which == 2, rounds=rounds)
        add(lambda b, s, w=which: idle(b, s, False, w),
            Row(f"memory, {count:,} before login", "KiB/session"),
            Row(f"processes, {count:,} before login", "per session", compare=False),
            whole=which == 2, rounds=rounds)
    add(fetches, Row(f"{z.fetches:,} sessions, TLS, {amount(z.small)} each", "CPU-s"),
        Row(f"{z.fetches:,} sessions, TLS, rate", "per s", more=True))
    add(burst, Row(f"burst of {z.burst:,} connections", "answered", more=True))
    add(beside_greedy, *(Row(f"{z.polite} polite beside a greedy one, {p}", "ms")
                         for p in ("p50", "p95", "p99")), often=True, in_vain=True)
    add(beside_slow, *(Row(f"{z.readers} readers beside a slow one, {p}", "ms")
                       for p in ("p50", "p95", "p99")), often=True, in_vain=True)
    for durable, how in ((True, "synced"), (False, "not synced")):
        add(disk_big, Row(f"STOR to disk, {how}, {amount(z.big)}", "s/GiB",
                          limits=[Limit("sync-big" if durable else "disk-big", disk, mib,
                                        GIB / z.big)]),
            durable=durable, often=True)
        for sessions in (1, z.disk_sessions):
            add(lambda b, s, n=sessions: disk_small(b, s, n),
                Row(f"STOR to disk, {how}, {z.disk_files:,} by {sessions}", "ms/file",
                    limits=[Limit("sync-small" if durable else "disk-small", disk,
                                  z.disk_files, 1000 / z.disk_files)]),
                durable=durable)
    for verb in ("LIST", "MLSD", "NLST"):
        add(lambda b, s, v=verb: listing_whole(b, s, v),
            Row(f"{verb}, {z.entries_whole:,} entries", "CPU-s",
                limits=reading(verb, home + "/whole")),
            Row(f"{verb}, {z.entries_whole:,} entries, memory", "MiB at most"),
            whole=True, rounds=1)
    return works
