"""tests/bench/clients.py - what a user waits for: small files by clients that people use

lftp, curl and Python's ftplib (with the few lines that make it resume TLS sessions, as people
paste them), one file after another in one session by TLS. Wall clock, not CPU: a client that
waits for a timer of the kernel costs nothing, and its user waits all the same. The login and
the first file, which warms the session, are not counted.
"""
import ftplib
import os
import resource
import shutil
import ssl
import subprocess
import time

from works import Row, Work, amount, take_away

PATIENCE = 90                       # seconds for the files of one round


def run(words, bench):
    """Its output; HOME is empty, so that no settings of root count."""
    r = subprocess.run(words, capture_output=True, text=True, check=False, timeout=PATIENCE,
                       cwd=bench.local, env={"HOME": bench.local, "PATH": os.environ["PATH"]})
    if r.returncode != 0:
        raise ValueError(f"{words[0]}: {(r.stderr or r.stdout).strip()[-300:]}")
    return r.stdout


def lftp(bench, server, verb, count):
    names = [f"f{i}" for i in range(count + 1)]
    first, rest = names[0], " ".join(names[1:])
    script = f"""set cmd:fail-exit true
set xfer:clobber true
set net:max-retries 1
set net:timeout 20
set ssl:verify-certificate false
set ftp:ssl-force true
set ftp:ssl-protect-data true
open -p {server.port} -u {bench.user},{bench.password} 127.0.0.1
"""
    if verb == "get":
        script += f"cd clients\nget -O got {first}\n!date +%s%N\nget -O got {rest}\n"
    else:
        script += f"cd up\nput {first}\n!date +%s%N\nput {rest}\n"
    path = f"{bench.local}/script"
    with open(path, "w") as f:
        f.write(script + "!date +%s%N\n")
    begun, ended = (int(x) for x in run(["lftp", "-f", path], bench).split()[-2:])
    return (ended - begun) / 1e9


def curl(bench, server, verb, count):
    """It tells the time of each file."""
    url = f"ftp://127.0.0.1:{server.port}"
    what = ([f"{url}/clients/f[0-{count}]", "-o", "got/f#1"] if verb == "get"
            else ["-T", f"f[0-{count}]", f"{url}/up/"])
    times = [float(x) for x in run(
        ["curl", "-q", "-sS", "--ssl-reqd", "-k", "-u", f"{bench.user}:{bench.password}", "-w",
         "%{time_total}\n", *what], bench).split()]
    if len(times) != count + 1:
        raise ValueError(f"curl: {len(times)} files, not {count + 1}")
    return sum(times[1:])


class Resuming(ftplib.FTP_TLS):
    def ntransfercmd(self, cmd, rest=None):
        conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p:
            conn = self.context.wrap_socket(conn, server_hostname=self.host,
                                            session=self.sock.session)
        return conn, size


def python(bench, server, verb, count):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    begun = 0.0
    try:
        with Resuming(context=context, timeout=20) as session:
            session.connect("127.0.0.1", server.port)
            session.login(bench.user, bench.password)
            session.prot_p()
            for i in range(count + 1):
                if i == 1:
                    begun = time.monotonic()
                if verb == "get":
                    with open(f"{bench.local}/got/f{i}", "wb") as f:
                        session.retrbinary(f"RETR clients/f{i}", f.write)
                else:
                    with open(f"{bench.local}/f{i}", "rb") as f:
                        session.storbinary(f"STOR up/f{i}", f)
            taken = time.monotonic() - begun
    except (*ftplib.all_errors, ValueError) as e:
        raise ValueError(f"python: {e!r}") from None
    return taken


CLIENTS = {"lftp": lftp, "curl": curl, "python": python}
FEWER = {"curl": 4}                 # it tells times by itself, and waits for peers up to 1 s a file


def cpu():
    return sum(sum(resource.getrusage(who)[:2])
               for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def files(bench, server, client, verb):
    count, size = max(bench.sizes.client_files // FEWER.get(client, 1), 1), bench.sizes.small
    used, since = cpu(), time.monotonic()
    seconds = CLIENTS[client](bench, server, verb, count)
    result = {"cpu": cpu() - used, "seconds": time.monotonic() - since}
    if verb == "put":
        take_away(bench.home + "/up", "f", count + 1, size)
    else:
        take_away(bench.local + "/got", "f", count + 1, size)
    return [seconds / count * 1000], result


def prepare(bench):
    """Files on both sides, before the home is given to its user."""
    bench.local = bench.where + "/local"
    for folder in (bench.local, bench.local + "/got", bench.home + "/clients",
                   bench.home + "/up"):
        os.mkdir(folder)
    for folder in (bench.local, bench.home + "/clients"):
        for i in range(bench.sizes.client_files + 1):
            with open(f"{folder}/f{i}", "wb") as f:
                f.write(b"x" * bench.sizes.small)


def missing(client):
    return "" if client == "python" or shutil.which(client) else f"{client} is not installed"


def make_works(bench):
    return [Work([Row(f"{client}, TLS, {amount(bench.sizes.small)} "
                      f"{'down' if verb == 'get' else 'up'}", "ms/file")],
                 lambda b, s, c=client, v=verb: files(b, s, c, v), missing=missing(client))
            for client in CLIENTS for verb in ("get", "put")]
