"""tests/bench/peers.py - Debian's FTP servers, unpacked side by side

Their packages conflict, so they are not installed: "apt-get download" brings each with those
libraries it needs that this machine has not, "dpkg-deb -x" lays it into a directory of its
own below the cache, and it is started from there with LD_LIBRARY_PATH. Where nothing can be
downloaded, an installed one is taken. Nothing of the system is changed.
"""
import glob
import os
import re
import subprocess

PACKAGES = {
    "vsftpd": ["vsftpd"],
    "proftpd": ["proftpd-core", "proftpd-mod-crypto"],
    "pure-ftpd": ["pure-ftpd"],
}


class Peer:
    """Where a peer lies: root is "" for an installed one."""

    def __init__(self, name, root):
        self.root = root
        self.binary = f"{root}/usr/sbin/{name}"
        self.libraries = ":".join(
            sorted({os.path.dirname(p) for p in glob.glob(root + "/**/lib*.so*",
                                                          recursive=True)})) if root else ""
        self.how = f"unpacked in {root}" if root else "installed"

    def environment(self):
        return {"LD_LIBRARY_PATH": self.libraries} if self.libraries else {}

    def complete(self):
        """It is there, and so are its libraries."""
        if not os.access(self.binary, os.X_OK):
            return False
        r = subprocess.run(["ldd", self.binary], capture_output=True, text=True, check=False,
                           env=dict(os.environ, **self.environment()))
        return r.returncode == 0 and "not found" not in r.stdout


def output(*words, **more):
    return subprocess.run(words, capture_output=True, text=True, check=True, **more).stdout


def installed(package):
    r = subprocess.run(["dpkg-query", "-W", "-f", "${Status}", package],
                       capture_output=True, text=True, check=False)
    return r.stdout.endswith("ok installed")


def libraries_of(package_file):
    """Packages of libraries that this one depends on."""
    text = output("dpkg-deb", "-f", package_file, "Depends")
    first = [re.split(r"[ (|:]", d.strip())[0] for d in text.split(",") if d.strip()]
    return [p for p in first if p.startswith("lib") and not p.startswith("libpam-")]


def download(packages, into):
    """The files of these packages and of the libraries they need and this machine lacks."""
    wanted, done, files = list(packages), set(), []
    while wanted:
        name = wanted.pop()
        done.add(name)
        before = set(os.listdir(into))
        output("apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", name, cwd=into,
               timeout=300)
        for new in set(os.listdir(into)) - before:
            files.append(os.path.join(into, new))
            wanted += [p for p in libraries_of(files[-1])
                       if p not in done and p not in wanted and not installed(p)]
    return files


def unpack(name, cache, say):
    """Into CACHE/NAME; False and a word where that is not possible."""
    root = os.path.join(cache, name)
    files = os.path.join(cache, name + ".deb")
    os.makedirs(files, exist_ok=True)
    try:
        try:
            found = download(PACKAGES[name], files)
        except subprocess.CalledProcessError:
            output("apt-get", "update", "-q", timeout=300)      # no list of packages yet
            found = download(PACKAGES[name], files)
        for f in found:
            output("dpkg-deb", "-x", f, root)
            os.unlink(f)
    except (OSError, subprocess.SubprocessError) as e:
        reason = (getattr(e, "stderr", "") or str(e)).strip().splitlines()[-1:]
        say(f"{name}: cannot be downloaded: {' '.join(reason)}")
        return False
    return True


def find(name, cache, say):
    """A Peer, or None where it is not to be had."""
    if name not in PACKAGES:
        raise SystemExit(f"no such peer: {name} (there are {', '.join(PACKAGES)})")
    peer = Peer(name, os.path.join(cache, name))
    if peer.complete():
        return peer
    if unpack(name, cache, say):
        peer = Peer(name, os.path.join(cache, name))
        if peer.complete():
            return peer
        say(f"{name}: unpacked in {peer.root}, but libraries are missing: ldd {peer.binary}")
    peer = Peer(name, "")
    if peer.complete():
        say(f"{name}: the installed one is taken")
        return peer
    say(f"{name}: MISSING, the table is without it")
    return None
