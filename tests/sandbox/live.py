"""The processes of one session, found among all others of a server."""

import procfs
from harness import wait_until


def serving(server, kind):
    """Those of one program that serve a session: a template has no filter yet."""
    found = set()
    for pid in procfs.of_kind(server.pid, "sallyport-" + kind):
        try:
            if procfs.status(pid)["Seccomp"] == "2":
                found.add(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def templates(server):
    """Kind -> processes that sessions are forked from."""
    return {kind: procfs.of_kind(server.pid, "sallyport-" + kind) - serving(server, kind)
            for kind in ("worker", "broker")}


def keyholder(server):
    (pid,) = procfs.of_kind(server.pid, "sallyport-keyholder")
    return pid


def ledger(server):
    """Once it serves: it says so at level debug, and has its filter before that."""
    assert wait_until(lambda: serving(server, "ledger"), 20), "no ledger has come"
    (pid,) = serving(server, "ledger")
    return pid


def the_new_one(server, kind, before):
    """What has come since: also where the descriptors of others cannot be read."""
    assert wait_until(lambda: serving(server, kind) - before), f"no {kind} has come"
    (pid,) = serving(server, kind) - before
    return pid


def connected(server, **kw):
    """A client before its login, and its worker."""
    before = serving(server, "worker")
    client = server.client(**kw)
    return client, the_new_one(server, "worker", before)


def logged_in(server, *who, **kw):
    """A client, its worker and its broker."""
    before = {kind: serving(server, kind) for kind in ("worker", "broker")}
    client = server.login(*who, **kw)
    return (client, *(the_new_one(server, kind, before[kind]) for kind in before))
