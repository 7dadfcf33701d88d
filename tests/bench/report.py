"""tests/bench/report.py - figures of many rounds as a table, as JSON and as a picture"""
import json
import os
import platform
import shutil
import statistics
import subprocess
import time

NAME = "sallyport"
TUNED = " *"
TUNED_SAYS = ("* sallyport's sizes of pieces for these works were chosen by measuring on one "
              "machine\n(AMD EPYC, L2 1 MiB, L3 16 MiB, Linux 6.18); another may rank them "
              "differently")


def number(v):
    if v is None:
        return "-"
    return f"{v:.3f}" if v < 10 else f"{v:.2f}" if v < 100 else f"{v:,.0f}"


def spread(values):
    """Half of the range, in percent of the median."""
    middle = statistics.median(values)
    return (max(values) - min(values)) / 2 / middle * 100 if middle else 0


class Line:
    """One row with all that was measured: values by server, values of the bare limits."""

    def __init__(self, row):
        self.row, self.values, self.limits, self.busy = row, {}, {}, {}

    def add(self, server, figure, result):
        self.values.setdefault(server, []).append(figure)
        self.busy.setdefault(server, []).append(result["cpu"] / result["seconds"] * 100)

    def median(self, server):
        values = self.values.get(server)
        return statistics.median(values) if values else None

    def best_peer(self):
        known = {s: self.median(s) for s in self.values if s != NAME}
        if not known:
            return None
        return (max if self.row.more else min)(known, key=known.get)

    def ratio(self):
        """Of the cost to that of the best peer: below 1 sallyport is ahead."""
        peer, own = self.best_peer(), self.median(NAME)
        if peer is None or own is None or not self.row.compare:
            return None
        theirs = self.median(peer)
        if not own or not theirs:
            return None
        return theirs / own if self.row.more else own / theirs

    def text(self, servers):
        cells = ""
        for s in servers:
            v = self.values.get(s)
            cell = number(self.median(s)) + (f" ±{spread(v):.0f}" if v and len(v) > 1 else "")
            cells += f"{cell:>14}"
        ratio = self.ratio()
        limits = [f"{number(statistics.median(v)):>10} {what}" for what, v in self.limits.items()]
        busy = self.busy.get(NAME)
        client = f"{statistics.median(busy):.0f} %" if busy else "-"
        title = self.row.title + TUNED * self.row.tuned
        return (f"{title:47}{self.row.unit:13}{cells}"
                f"{'-' if ratio is None else format(ratio, '.2f'):>8}{client:>8}"
                + ("".join(limits) or f"{'-':>10}"))

    def as_json(self):
        return {
            "title": self.row.title, "unit": self.row.unit, "tuned": self.row.tuned,
            "more_is_better": self.row.more,
            "servers": {s: {"median": self.median(s), "spread_percent": spread(v), "values": v,
                            "client_cpu_percent": self.busy[s]}
                        for s, v in self.values.items()},
            "best_peer": self.best_peer(), "ratio": self.ratio(),
            "limits": {what: {"median": statistics.median(v), "values": v}
                       for what, v in self.limits.items()},
        }


def head(servers):
    return (f"{'work':47}{'unit':13}" + "".join(f"{s:>14}" for s in servers)
            + f"{'ratio':>8}{'client':>8}{'limit':>10}")


def words(path, key):
    try:
        with open(path) as f:
            for line in f:
                if line.startswith(key):
                    return line[len(key):].strip(" \t\n:=\"")
    except OSError:
        pass
    return "unknown"


def machine():
    r = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=False)
    return {
        "cpu": words("/proc/cpuinfo", "model name"), "cores": os.cpu_count(),
        "memory_MiB": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "kernel": platform.release(), "system": words("/etc/os-release", "PRETTY_NAME"),
        "openssl": r.stdout.strip(), "load_before": os.getloadavg()[0],
    }


def forms(folios, main):
    """The head's lines about where the large files lie. main: of the rows without a form."""
    def size(kib):
        return f"{kib:,.0f} KiB" if kib else "unknown"
    return ("mean folio: large file of the rows without a form (/dev/shm) " + size(main)
            + "".join(f"; {name} {size(kib)}" for name, kib in folios.items()))


def write_json(path, about, lines):
    with open(path, "w") as f:
        json.dump(dict(about, rows=[x.as_json() for x in lines]), f, indent=1)
        f.write("\n")


def plot(path, about, lines, say):
    """Bars of the ratio to the best peer, the best row first. True if it was drawn."""
    rows = sorted(((x.ratio(), f"{x.row.title}, {x.row.unit}", x.best_peer())
                   for x in lines if x.ratio()), key=lambda r: r[0])
    if not rows:
        say("no plot: there is no row with a peer")
        return False
    if shutil.which("gnuplot") is None:
        say("no plot: gnuplot is missing (apt-get install gnuplot-nox)")
        return False
    clean = {ord(c): " " for c in "\"\\{}_^@&~"}
    data = "\n".join(f'{r:.4f} {i} {0 if r <= 1 else 1} "{t.translate(clean)}" "{r:.2f} {p}"'
                     for i, (r, t, p) in enumerate(rows))
    low, high = min(rows[0][0] * 0.8, 0.5), max(rows[-1][0] * 2.5, 2)
    when, m = about["date"], about["machine"]
    script = f"""
set terminal pngcairo size 1250,{170 + 24 * len(rows)} font "sans,11" noenhanced
set output "{path}"
$rows << END
{data}
END
set title "sallyport: cost of each work, best peer = 1 (left of the line: sallyport is ahead)\\n\
{when}, {m['cpu'].translate(clean)}, {m['cores']} cores, Linux {m['kernel']}, \
median of {about['rounds']} or {about['rounds_often']}"
set logscale x 2
set xrange [{low}:{high}]
set yrange [{len(rows) - 0.3}:-0.7]
set xtics (0.125, 0.25, 0.5, 0.75, 1, 1.5, 2, 4, 8)
set x2label ""
set grid xtics lc rgb "#dddddd"
set arrow 1 from 1,-0.7 to 1,{len(rows) - 0.3} nohead lw 2 lc rgb "#333333" front
unset key
set style fill solid 0.9 noborder
set lmargin 54
set rmargin 4
color(c) = c == 0 ? 0x4c9a6a : 0xc0603f
plot $rows using (1):2:(1):1:($2-0.35):($2+0.35):(color($3)):ytic(4) \
         with boxxyerror lc rgb variable, \
     $rows using ($1 < 1 ? 1 : $1):2:5 with labels left offset 0.7,0 font "sans,9"
"""
    r = subprocess.run(["gnuplot"], input=script, capture_output=True, text=True, check=False)
    if r.returncode != 0:
        say(f"no plot: gnuplot says {r.stderr.strip()[-500:]}")
    return r.returncode == 0


def date():
    return time.strftime("%Y-%m-%d %H:%M")
