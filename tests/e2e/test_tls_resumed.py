"""A thousand resumed transfers in one session, and nothing grows.

Some clients spend each ticket once (Java), others keep the first for ever; all of them
count on every data connection of a session being resumed (interop.md 1 and 2).
"""

import os

import pytest

import procfs
from ftpclient import Client
from harness import LONG, times
from rawtls import RawClient

VERSIONS = ["1.2", "1.3"]
MANY = times(200, 1000)
CONTENT = os.urandom(3000)


def rss(pid):
    """KiB of memory of a process."""
    return int(procfs.status(pid)["VmRSS"].split()[0])


def lines(folder):
    """Downloads, uploads and listings in turn, from both sides of a connection."""
    while True:
        for line in (f"RETR {folder.ftp}/f", f"STOR {folder.ftp}/up", f"LIST {folder.ftp}",
                     f"APPE {folder.ftp}/up", f"MLSD {folder.ftp}", f"NLST {folder.ftp}"):
            for mode in ("EPSV", "PASV", "PORT", "EPRT"):
                yield line, mode


def transfer(c, line, mode):
    """One transfer, resumed, to its 226."""
    r, data = c.transfer(line, mode)
    assert r.code == 150, r
    with data:
        assert data.session_reused
        if line[:4] in ("STOR", "APPE"):
            data.sendall(CONTENT)
            c.finish(data)
        else:
            got = Client.receive(data)
            assert got == CONTENT if line.startswith("RETR") else b"f" in got
        assert not data.sessions, "a ticket on a data connection"
    end = c.reply()
    assert end.code == 226, end


@pytest.mark.slow
@pytest.mark.limit(60 if MANY < 1000 else 600)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("ticket", ["each once", "the first"]
                         + (["the first and the newest in turn"] if LONG else []))
def test_many_resumed_transfers_in_one_session(server, folder, version, ticket, tried):
    folder.make("f", CONTENT)
    c = RawClient.of(server, version=version, timeout=30)
    worker = server.worker_of(c)
    spent, before = set(), 0
    mark = server.mark()
    work = lines(folder)
    for n in range(MANY):
        line, mode = next(work)
        old = ticket == "the first" or (ticket != "each once" and n % 2)
        c.resume = "first" if old else "newest"
        offered = len(c.sock.sessions)
        transfer(c, line, mode)
        if version == "1.3":
            assert len(c.sock.sessions) > offered, "no fresh ticket before the transfer"
        if ticket == "each once" and version == "1.3":
            assert c.sock.session not in spent
            spent.add(c.sock.session)
        if n == MANY // 4:              # every lazily made page is there by now
            before = rss(worker)
    after = rss(worker)
    if not server.world.sanitized:      # that keeps freed memory for a while
        assert after - before < 400, f"the worker grew from {before} to {after} KiB"
    assert "data.refused" not in server.log(mark)
    if ticket == "each once" and version == "1.3":
        assert len(spent) == MANY
    assert len(os.listdir(f"/proc/{worker}/fd")) < 12
    tried(f"resumed transfers in one session, {ticket} of its tickets", MANY)
    c.quit()
