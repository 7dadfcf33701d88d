#!/usr/bin/env python3
"""tests/bench/bench.py - what each work costs the server, beside its peers

    make bench [BENCH="--only TEXT --rounds 5"]     or     bench.py --build DIR ...

Runs as root on loopback, with files on tmpfs (some 4 GiB of /dev/shm) and, for uploads that
are synced, in --disk. The README beside this file tells what is measured and how to read it.
A server that fails at something is left out of that row, aloud.
"""
import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import clients
import far
import forms
import report
import works_forms
from peers import find
from servers import PEERS, Group, NotStarted, Sallyport, SallyportDurable, write
from works import GIB, OFTEN, TINY, Sizes
from works import make_works as make_common

HERE = os.path.dirname(os.path.abspath(__file__))
CONTENT = b"x" * (1 << 20)
FAULTS = (OSError, ValueError, subprocess.SubprocessError)
WARM_CPUS = 8                   # of more, not all are warmed: a second each


def make_works(bench):
    return (make_common(bench) + clients.make_works(bench) + far.make_works(bench)
            + works_forms.make_works(bench))


def say(text):
    print("  " + text, file=sys.stderr, flush=True)


def command(*words, **more):
    """Users are made under a lock that another program may hold for a moment."""
    for _ in range(20):
        r = subprocess.run(words, capture_output=True, text=True, check=False, **more)
        if r.returncode == 0:
            return
        time.sleep(0.3)
    raise SystemExit(f"{words[0]}: {r.stderr.strip()}")


class Bench:
    """Everything that a run makes, and takes away again."""

    password = "bench-password"
    patience = 300              # seconds for as many sessions as are held at once

    def __init__(self, build, disk, sizes):
        self.build, self.sizes = os.path.abspath(build), sizes
        self.user, self.disk_user = f"spb{os.getpid()}", f"spd{os.getpid()}"
        self.where = tempfile.mkdtemp(prefix="sallyport-bench-", dir="/dev/shm")
        self.disk = tempfile.mkdtemp(prefix="sallyport-bench-", dir=disk)
        self.home, self.disk_home = self.where + "/home", self.disk + "/home"
        self.servers, self.durable, self.limits = [], None, {}
        self.places = forms.Places(self.home, self.where, sizes, say)

    def prepare(self, whole, wanted=(), entries=False):
        """wanted: forms of large files; entries: a large folder on ext4."""
        for folder in (self.where, self.disk):
            os.chmod(folder, 0o755)
        for user, home in ((self.user, self.home), (self.disk_user, self.disk_home)):
            os.mkdir(home)
            command("useradd", "--home-dir", home, "--no-create-home", "--shell", "/bin/sh",
                    user)
            command("chpasswd", "-c", "SHA512", input=f"{user}:{self.password}\n")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj",
                        "/CN=localhost", "-keyout", "key.pem", "-out", "cert.pem"],
                       check=True, capture_output=True, cwd=self.where)
        both = ""
        for name in ("key.pem", "cert.pem"):
            with open(f"{self.where}/{name}") as f:
                both += f.read()
            # where limits.c looks; the home is of a user that nobody else has
            shutil.copy(f"{self.where}/{name}", f"{self.home}/{name}")
        write(self.where + "/both.pem", both, 0o600)
        self.fill(whole)
        clients.prepare(self)
        for user, home in ((self.user, self.home), (self.disk_user, self.disk_home)):
            subprocess.run(["chown", "-R", user, home], check=True)
        self.places.make({f.place for f in wanted}, entries, self.user)

    def fill(self, whole):
        z, home = self.sizes, self.home
        self.warm(3 * z.big)
        for name, size in (("big", z.big), ("medium", z.medium)):
            self.write_big(f"{home}/{name}", size)
        with open(home + "/small", "wb") as f:
            f.write(CONTENT[:z.small])
        for folder, count in (("many", z.entries), ("whole", z.entries_whole if whole else 0)):
            os.mkdir(f"{home}/{folder}")
            for i in range(count):
                os.close(os.open(f"{home}/{folder}/file-{i:07d}.txt",
                                 os.O_CREAT | os.O_WRONLY, 0o644))

    @staticmethod
    def write_big(path, size):
        with open(path, "wb") as f:
            for _ in range(size >> 20):
                f.write(CONTENT)

    def warm(self, size, folder=""):
        """A virtual machine gives memory that is free back to its host, and the first touch of
        it is dear: not in a round, where it would fall to whoever comes first. Each processor
        keeps a stock of free pages for itself, so each frees as much as it may need. folder: of
        the file system that will take them, for it may want larger pieces of memory."""
        path = (folder or self.where) + "/warm"
        everywhere = os.sched_getaffinity(0)
        try:
            for cpu in sorted(everywhere)[:WARM_CPUS]:
                os.sched_setaffinity(0, {cpu})
                self.write_big(path, size)
                os.unlink(path)
        finally:
            os.sched_setaffinity(0, everywhere)

    def touch(self, name):
        """For the same reason, what has lain untouched for rows is read before it is sent."""
        piece = bytearray(1 << 20)
        with open(f"{self.home}/{name}", "rb", buffering=0) as f:
            while f.readinto(piece):
                pass

    def start(self, peers, durable):
        self.servers = [Sallyport(self.where, self.build)]
        self.servers[0].start()
        if durable:
            self.durable = SallyportDurable(self.where, self.build)
            self.durable.start()
        for p, found in peers.items():
            peer = PEERS[p](self.where, found)
            try:
                peer.start()
                self.servers.append(peer)
            except NotStarted as e:
                peer.stop()
                say(f"{e}: the table is without it")

    def all(self):
        return self.servers + [self.durable] * (self.durable is not None)

    def limit(self, limit, n):
        """Its figure of round n: rows may share it."""
        key = (limit.what, limit.folder, limit.count, limit.form, n)
        if key not in self.limits:
            self.limits[key] = self.run_limit(limit)
        return self.limits[key] * limit.scale

    def run_limit(self, limit):
        scarce = limit.form is not None and limit.form.how == "scarce"
        group = Group("limit") if scarce else None
        if limit.form is not None:
            self.places.ready(limit.form, limit.folder)
        try:
            if scarce:
                group.bound_memory(self.places.scarce)
            r = subprocess.run([self.build + "/bench-limits", limit.what, limit.folder,
                                str(limit.count)], capture_output=True, text=True, check=False,
                               timeout=150, preexec_fn=group.enter_memory if scarce else None)
        finally:
            if scarce:
                group.remove()
        if r.returncode != 0:
            raise ValueError(r.stderr.strip() or "limits failed")
        return float(r.stdout)

    def sync(self):
        """What was written to the disk before is not part of the next measurement."""
        subprocess.run(["sync", "-f", self.disk], check=True)

    def clean(self):
        far.close(self)
        for s in self.all():
            s.stop()
        for user in (self.user, self.disk_user):
            for _ in range(10):
                # 6: there is none; else the lock is another's for a moment
                if subprocess.run(["userdel", user], capture_output=True,
                                  check=False).returncode in (0, 6):
                    break
                time.sleep(0.3)
        self.places.remove()        # before its folders: no file system is emptied
        shutil.rmtree(self.where, ignore_errors=True)
        shutil.rmtree(self.disk, ignore_errors=True)


def order(servers, n):
    """Of round n. In as many rounds as there are servers each has each place."""
    count = max(len(servers), 1)
    first = n % count
    turned = servers[first:] + servers[:first]
    return turned[::-1] if n // count % 2 == 1 else turned


def measure(bench, work, rounds, failures):
    """The lines of this work. Who fails at it is out of them."""
    lines = [report.Line(r) for r in work.rows]
    servers = [bench.durable] if work.durable else list(bench.servers)
    if work.in_vain:            # what fails here fails in the rounds, too, and is told there
        with contextlib.suppress(*FAULTS):
            work.run(bench, servers[-1])
    for n in range(work.turns(rounds)):
        for s in order(servers, n):
            name = report.NAME if work.durable else s.name
            try:
                figures, result = work.run(bench, s)
            except FAULTS as e:
                say(f"{s.name}: {work.rows[0].title}: {e}")
                failures.append(f"{s.name}: {work.rows[0].title}: {e}")
                servers.remove(s)
                for x in lines:
                    x.values.pop(name, None)
                if s.process.poll() is not None:
                    say(f"{s.name}: has ended, and is started again")
                    s.stop()
                    s.start()
                continue
            for x, figure in zip(lines, figures):
                x.add(name, figure, result)
        for x in lines:
            for limit in x.row.limits:
                try:
                    figure = bench.limit(limit, n)
                    x.limits.setdefault(limit.what, []).append(figure)
                except (ValueError, subprocess.SubprocessError) as e:
                    say(f"limit {limit.what}: {e}")
    return lines


def arguments():
    arg = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    arg.add_argument("--build", default=os.path.join(HERE, "../../build"))
    arg.add_argument("--rounds", type=int, default=3)
    arg.add_argument("--only", action="append", help="rows whose title contains this")
    arg.add_argument("--file-form", metavar="FORM,...", help="only rows of large files in "
                     "these forms: all, " + ", ".join(f.name for f in forms.FORMS)
                     + "; none: no such row")
    arg.add_argument("--peers", default=",".join(PEERS), help="some of them; '' is none")
    arg.add_argument("--whole", action="store_true", help="the rows that take long, too")
    arg.add_argument("--tiny", action="store_true", help="sizes to try the bench itself")
    arg.add_argument("--disk", default="/var/tmp", help="a directory on the real disk")
    arg.add_argument("--cache", default="/var/cache/sallyport-bench",
                     help="where the peers are unpacked")
    arg.add_argument("--json", metavar="FILE", help="all figures, with the machine")
    arg.add_argument("--plot", metavar="FILE.png", help="ratios as bars (gnuplot)")
    arg.add_argument("--list", action="store_true", help="the titles, and no run")
    return arg.parse_args()


def wanted_forms(text):
    """None: these rows, and all others."""
    if text is None or text == "none":
        return None if text is None else ()
    known = {f.name: f for f in forms.FORMS}
    names = list(known) if text == "all" else text.split(",")
    for name in names:
        if name not in known:
            raise SystemExit(f"no such form: {name} (there are {', '.join(known)})")
    return [known[name] for name in names]


def choose(a, bench):
    which = wanted_forms(a.file_form)

    def in_form(work):
        return which is None or (work.form is None if not which else work.form in which)
    return [w for w in make_works(bench) if (a.whole or not w.whole) and in_form(w) and any(
        text in r.title for text in a.only or [""] for r in w.rows)]


def what_can_be_run(works, bench):
    """Skipped is what cannot be, and by what reason: {title: reason}."""
    left, skipped = [], {}
    for w in works:
        reason = w.missing or (w.form is not None and bench.places.missing(w.form)) or ""
        if reason:
            skipped.update({r.title: reason for r in w.rows})
        else:
            left.append(w)
    for reason in sorted(set(skipped.values())):
        say(f"{reason}: {sum(x == reason for x in skipped.values())} rows are skipped")
    return left, skipped


def run(a, bench):
    works = choose(a, bench)
    if not works:
        raise SystemExit("no row has such a title: --list shows them, some need --whole")
    peers = {p: find(p, a.cache, say) for p in filter(None, a.peers.split(","))}
    peers = {p: found for p, found in peers.items() if found is not None}
    bench.prepare(any(limit.folder.endswith("/whole")
                      for w in works for limit in w.rows[0].limits),
                  {w.form for w in works if w.form is not None},
                  any(limit.folder.endswith("/entries")
                      for w in works for limit in w.rows[0].limits))
    works, skipped = what_can_be_run(works, bench)
    if not works:
        raise SystemExit("none of these rows can be run here")
    bench.start(peers, any(w.durable for w in works))
    folios = bench.places.folios({w.form for w in works if w.form is not None})
    main_folio = forms.folio_size(bench.home + "/big")
    about = {"date": report.date(), "machine": report.machine(), "rounds": a.rounds,
             "rounds_often": OFTEN * a.rounds,
             "folios_KiB": dict(folios, main=main_folio), "skipped": skipped,
             "home": bench.home,
             "sizes": vars(bench.sizes), "command": " ".join(sys.argv),
             "servers": {s.name: {"version": s.version(),
                                  "how": peers[s.name].how if s.name in peers else "built"}
                         for s in bench.servers}}
    m = about["machine"]
    print(f"{about['date']}, {m['cpu']}, {m['cores']} cores, Linux {m['kernel']}, "
          f"{m['openssl']}\n" + ", ".join(f"{n} {v['version']}" for n, v in
                                          about["servers"].items())
          + f"; median of {a.rounds} (of {about['rounds_often']} where it is quick and wanders), "
          "± half of the range in %; ratio to the best peer "
          "(below 1: sallyport is ahead)\n" + report.forms(folios, main_folio))
    names, lines, failures = [s.name for s in bench.servers], [], []
    begun = time.monotonic()
    print(report.head(names), flush=True)
    try:
        for work in works:
            for x in measure(bench, work, a.rounds, failures):
                lines.append(x)
                print(x.text(names), flush=True)
        if any(x.row.tuned for x in lines):
            print(report.TUNED_SAYS)
        for reason in sorted(set(skipped.values())):
            print(f"skipped ({reason}): " + "; ".join(t for t in skipped if skipped[t] == reason))
    finally:                    # stopped half way: what there is
        about["failures"], about["seconds"] = failures, round(time.monotonic() - begun)
        if a.json:
            report.write_json(a.json, about, lines)
        if a.plot:
            report.plot(a.plot, about, lines, say)
    return 1 if any(f.startswith(report.NAME) for f in failures) else 0


def main():
    a = arguments()
    sizes = TINY if a.tiny else Sizes()
    if a.list:
        nowhere = argparse.Namespace(sizes=sizes, home="", disk_home="")
        a.whole = True
        print("\n".join(r.title + (" (--whole)" if w.whole else "")
                        for w in choose(a, nowhere) for r in w.rows))
        return 0
    if os.getuid() != 0:
        raise SystemExit("root is needed: servers with logins of system users, and cgroups")
    for program in ("sallyportd", "bench-load", "bench-limits"):
        if not os.access(os.path.join(a.build, program), os.X_OK):
            raise SystemExit(f"{program} is not in {a.build}: make bench builds it")
    if shutil.disk_usage("/dev/shm").free < 5 * sizes.big:
        raise SystemExit(f"/dev/shm has less than {5 * sizes.big / GIB:.2g} GiB free")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit("stopped"))         # by way of finally
    bench = Bench(a.build, a.disk, sizes)
    try:
        return run(a, bench)
    except NotStarted as e:
        raise SystemExit(str(e)) from None
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)           # users and servers go in any case
        bench.clean()


if __name__ == "__main__":
    sys.exit(main())
