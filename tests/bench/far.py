"""tests/bench/far.py - what a user far away waits for, in round trips of the link

The servers run once more, at the far end of a link of 50 ms and 400 Mbit/s (link.py), and
real clients work them by TLS: wall clock over the round trip's time, with the login. So the
figure is what the protocol, the client and the server make of the distance; it hardly wanders,
and each row is run once.
"""
import os
import shutil
import time

from clients import cpu, missing, run
from link import Link
from servers import NotStarted
from works import MIB, Row, Work, amount, take_away

DELAY, RATE = 0.025, 400e6          # of each direction


class Far:
    """The link, and of each server a second one beyond it, both when they are first needed."""

    def __init__(self, bench):
        self.bench, self.servers = bench, {}
        self.where, self.home = bench.where + "/far", bench.home
        self.link = Link(DELAY, RATE)
        os.mkdir(self.where)
        for name in ("cert.pem", "key.pem", "both.pem"):
            shutil.copy(f"{bench.where}/{name}", self.where)
        for folder in ("far", "far-up"):
            os.mkdir(f"{self.home}/{folder}")
        for i in range(counts(bench.sizes)["mirror"]):
            with open(f"{self.home}/far/f{i}", "wb") as f:
                f.write(b"x" * bench.sizes.small)
        bench.write_big(self.home + "/far/big", counts(bench.sizes)["bytes"])
        for path in (self.home + "/far", self.home + "/far-up"):
            shutil.chown(path, bench.user)

    def server(self, like):
        if like.name not in self.servers:
            s = self.servers[like.name] = type(like)(self.where, like.program)
            s.name, s.address = like.name + "-far", Link.SERVER
            try:
                with self.link.server():
                    s.start()
            except NotStarted as e:
                raise ValueError(str(e)) from None
        return self.servers[like.name]

    def close(self):
        for s in self.servers.values():
            s.stop()
        self.link.close()


def close(bench):
    if hasattr(bench, "far"):
        bench.far.close()


def counts(sizes):
    return {"several": sizes.client_files, "up": sizes.client_files // 2,
            "mirror": sizes.client_files * 5, "bytes": sizes.form // 4}


def trips(bench, like, work):
    """Round trips that work(bench, server) takes at the client's end."""
    if not hasattr(bench, "far"):
        bench.far = Far(bench)
    server, link = bench.far.server(like), bench.far.link
    used, since = cpu(), time.monotonic()
    with link.client():
        work(bench, server)
    seconds = time.monotonic() - since
    return [link.trips(seconds)], {"cpu": cpu() - used, "seconds": seconds}


def curl(bench, server, *words):
    return run(["curl", "-q", "-sS", "--ssl-reqd", "-k", "-u",
                f"{bench.user}:{bench.password}",
                *(w.replace("SERVER", f"ftp://{server.address}:{server.port}")
                  for w in words)], bench)


def down(bench, server, count):
    curl(bench, server, f"SERVER/far/f[0-{count - 1}]", "-o", "got/f#1")
    take_away(bench.local + "/got", "f", count, bench.sizes.small)


def up(bench, server, count):
    curl(bench, server, "-T", f"f[0-{count - 1}]", "SERVER/far-up/")
    take_away(bench.home + "/far-up", "f", count, bench.sizes.small)


def mirror(bench, server, count):
    folder = bench.local + "/mirror"
    try:
        run(["lftp", "-c", "set net:max-retries 1; set net:timeout 20; "
             "set ssl:verify-certificate false; set ftp:ssl-force true; "
             "set ftp:ssl-protect-data true; "
             f"open -p {server.port} -u {bench.user},{bench.password} {server.address}; "
             f"mirror --parallel=4 --exclude big far {folder}"], bench)
        take_away(folder, "f", count, bench.sizes.small)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def big(bench, server, verb, size):
    if verb == "get":
        curl(bench, server, "SERVER/far/big", "-o", "got/big0")
        take_away(bench.local + "/got", "big", 1, size)
    else:
        curl(bench, server, "-T", bench.home + "/far/big", "SERVER/far-up/big0")
        take_away(bench.home + "/far-up", "big", 1, size)


def make_works(bench):
    n, works = counts(bench.sizes), []

    def add(client, title, work):
        reason = missing(client) or ("" if os.path.exists("/dev/net/tun")
                                     else "there is no /dev/net/tun")
        works.append(Work([Row(f"far {client}, {title}", "round trips")],
                          lambda b, s: trips(b, s, work), rounds=1, missing=reason))

    add("curl", "login and a file", lambda b, s: down(b, s, 1))
    add("curl", f"login and {n['several']} files", lambda b, s: down(b, s, n["several"]))
    add("curl", f"login and {n['up']} uploads", lambda b, s: up(b, s, n["up"]))
    add("lftp", f"mirror of {n['mirror']} files, 4 at once",
        lambda b, s: mirror(b, s, n["mirror"]))
    for verb in ("get", "put"):
        add("curl", f"{amount(n['bytes'] // MIB * MIB)} {'down' if verb == 'get' else 'up'}",
            lambda b, s, v=verb: big(b, s, v, n["bytes"]))
    return works
