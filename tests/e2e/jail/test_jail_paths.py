"""Every command that takes a path, along every way out: nothing outside, read or written."""

import os

import procfs
import pytest

from harness import needs_root, times
from jail_rows import (NO_PATH, ROWS, WAYS, Outside, Workshop, attempt, verbs_served)


def test_every_command_of_the_source_has_its_row_or_takes_no_path():
    rows = {r.verb for r in ROWS}
    served = verbs_served()
    assert len(served) > 45, served
    assert served - rows - NO_PATH == set(), "commands without a row in jail_rows.py"
    assert (rows | NO_PATH) - served == set(), "rows of commands that are not there"
    assert rows & NO_PATH == set()


def test_a_broker_has_the_jail_for_its_root(jailer, inmate):
    needs_root()
    brokers = procfs.of_kind(jailer.pid, "sallyport-broker")
    roots = {os.readlink(f"/proc/{p}/root") for p in brokers}
    uids = {procfs.status(p)["Uid"].split()[0] for p in brokers}
    # the template is the one that is still root, in the root of the system
    assert str(jailer.jail()) in roots, roots
    assert roots <= {str(jailer.jail()), "/"}, roots
    assert len(uids - {"0"}) == 1, uids


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.name)
def test_no_way_leads_out(inmate, cell, outside, tried, row):
    before = outside.state()
    shop = Workshop(cell)
    for way, build in WAYS.items():
        for wanted in row.on.split():
            d, ftp = shop.fresh()
            inmate.expect(250, "CWD " + ftp)
            path = build(d, outside.root, wanted)
            done = attempt(inmate, row, path)
            said = f"{row.name} by {way}, {path}: {done.code} {done.shown[-300:]}"
            assert done.code >= 400 or row.link, said
            assert outside.gives_away(done.shown) == [], said
            assert outside.state() == before, said
            tried("path commands along ways out of the jail")


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.name)
def test_every_way_ends_at_the_same_path_inside(jailer, inmate, cell, outside, tried, row):
    """The jail has a tree of the same name: there a command lands that is led outside."""
    before = outside.state()
    mirror = jailer.jail() / str(outside.root)[1:]
    mirror.parent.mkdir(parents=True, exist_ok=True)
    twin = Outside(jailer, mirror, unseen="twin", content=b"inside", size=999, time=1500000000)
    for p in [mirror, *mirror.parents]:
        if p == jailer.jail():
            break
        jailer.own(p)
    shop = Workshop(cell)
    served = 0
    for way, build in WAYS.items():
        for wanted in row.on.split():
            d, ftp = shop.fresh()
            inmate.expect(250, "CWD " + ftp)
            path = build(d, outside.root, wanted)
            fresh = twin.state()
            done = attempt(inmate, row, path)
            said = f"{row.name} by {way}, {path}: {done.code} {done.shown[-300:]}"
            assert outside.gives_away(done.shown) == [], said
            assert outside.state() == before, said
            if done.code < 400:
                served += 1
            if row.kind == "put" and not row.link and done.code < 400:
                assert twin.state() != fresh, "stored elsewhere: " + said
            if twin.state() != fresh:
                twin.remake()
            tried("path commands along ways that end inside")
    # /proc is not in the jail, circles and slashes behind a file end nowhere
    least = 0 if row.verb in ("RMD", "XRMD", "MKD", "XMKD") else len(WAYS) // 2
    assert served >= least, f"{row.name}: only {served} of the ways were gone at all"


def test_links_inside_the_jail_work(inmate, cell):
    """What is refused is leaving, not links."""
    d = cell.mkdir("dir")
    (d / "f").write_bytes(b"inside")
    cell.server.own(d / "f")
    links = {"relative": "dir/f", "absolute": cell.ftp + "/dir/f", "to-dir": cell.ftp + "/dir",
             "dotty": "/../../.." + cell.ftp + "/dir/f", "chain": "relative"}
    for name, to in links.items():
        os.symlink(to, cell.path(name))
    for name in ("relative", "absolute", "to-dir/f", "dotty", "chain", "to-dir/../dir/./f"):
        assert inmate.retr("RETR " + name) == b"inside", name
    inmate.expect(250, "CWD to-dir")
    assert inmate.names("NLST") == ["f"]
    # out again the way it went in, as a person means it
    inmate.expect(250, "CDUP")
    assert "to-dir" in inmate.names("NLST")


def test_an_upload_through_a_link_inside_keeps_the_link(inmate, cell):
    cell.make("f", b"old")
    os.symlink("f", cell.path("link"))
    os.symlink("not-yet", cell.path("dangling"))
    inmate.stor("STOR link", b"new")
    inmate.stor("STOR dangling", b"first")
    assert cell.read("f") == b"new" and cell.read("not-yet") == b"first"
    assert os.path.islink(cell.path("link")) and os.path.islink(cell.path("dangling"))


def test_dele_and_rename_act_on_the_link(inmate, cell, outside):
    cell.make("f", b"kept")
    for i, to in enumerate(("f", str(outside.root / "secret"), str(outside.root), "nowhere")):
        os.symlink(to, cell.path(f"link{i}"))
        os.symlink(to, cell.path(f"other{i}"))
        assert inmate.cmd(f"DELE link{i}").code == 250
        assert not os.path.lexists(cell.path(f"link{i}"))
        r = inmate.cmd(f"RNFR other{i}")
        if r.code == 350:
            assert inmate.cmd(f"RNTO moved{i}").code == 250
            assert os.readlink(cell.path(f"moved{i}")) == to
        assert inmate.cmd(f"RMD other{i}").code >= 500
    assert cell.read("f") == b"kept"


def test_a_renamed_link_does_not_become_a_way_out(inmate, cell, outside):
    """A relative link that is harmless where it lies, moved to where it would not be."""
    d = cell.mkdir("a")
    os.mkdir(d / "b")
    cell.server.own(d / "b")
    os.symlink("../../..", d / "b" / "link")
    inmate.expect(350, "RNFR a/b/link")
    inmate.expect(250, "RNTO /link-at-the-root")
    try:
        shown = {n.rsplit("/", 1)[-1] for n in inmate.names("NLST /link-at-the-root")}
        assert cell.ftp[1:] in shown, "it leads to the root of the jail"
        for line in (f"CWD /link-at-the-root/{outside.root.name}", "CWD /link-at-the-root/jails",
                     f"SIZE /link-at-the-root/{outside.root.name}/secret",
                     f"MKD /link-at-the-root/{outside.root.name}/new"):
            assert inmate.cmd(line).code >= 500, line
    finally:
        inmate.expect(250, "DELE /link-at-the-root")


def test_the_servers_own_names_are_nobodys(inmate, cell, tried):
    """An unfinished upload's name on disk cannot be named, by any command."""
    cell.make(".sp-part.other", b"an unfinished upload")
    os.symlink(".sp-part.other", cell.path("link"))
    cell.mkdir(".sp-part.dir")
    before = cell.names()
    for row in ROWS:
        for path in (".sp-part.other", "./.sp-part.other", ".sp-part.dir", ".sp-part.new",
                     ".sp-part.dir/new", cell.ftp + "/.sp-part.other"):
            if row.verb == "RNTO" and "RNFR" in row.before[0]:
                cell.make("mine")
            done = attempt(inmate, row, path)
            if "*" not in row.line:
                assert done.code in (550, 553), (row.name, path, done)
            assert b"unfinished" not in done.shown, (row.name, path)
            inmate.expect(250, "CWD " + cell.ftp)
            tried("commands on names that the server keeps for itself")
    names = set(cell.names()) - {"mine"}
    assert names == set(before), names


def test_proc_and_dev_are_not_there(inmate):
    for path in ("/proc", "/proc/self/root", "/proc/1/root/etc/passwd", "/dev/null", "/sys",
                 "/etc/passwd", "/lib", "/bin/sh"):
        for row in ROWS:
            if "new" not in row.on and "sub" not in row.on:
                assert attempt(inmate, row, path).code >= 400 or "*" in row.line, (row, path)
        assert inmate.cmd("CWD " + path).code == 550, path


def test_a_proc_in_the_jail_leads_nowhere(jailer, inmate, cell, outside, tried):
    """Mounted into the jail by an administrator's mistake: magic links are not followed."""
    needs_root()
    target = cell.mkdir("proc")
    if os.system(f"mount -t proc proc {target} 2>/dev/null") != 0:
        pytest.skip("mount(2) is not allowed here")
    before = outside.state()
    broker = next(p for p in procfs.of_kind(jailer.pid, "sallyport-broker")
                  if procfs.status(p)["Uid"].split()[0] != "0")
    out = str(outside.root)[1:]
    try:
        for pid in ("self", str(broker), *times((), ("thread-self", str(jailer.pid), "1"))):
            paths = [f"proc/{pid}/{magic}" for magic in ("root", "cwd", "exe", "fd/3", "fd/4")]
            paths += [f"proc/{pid}/root/{out}/{t}" for t in ("secret", "sub", "new")]
            paths += [f"proc/{pid}/cwd/{out}/secret", f"proc/{pid}/map_files", f"proc/{pid}/mem"]
            for path in paths:
                for row in ROWS:
                    inmate.expect(250, "CWD " + cell.ftp)
                    if "mine" in "".join(row.before):
                        cell.make("mine")
                    done = attempt(inmate, row, path)
                    assert outside.gives_away(done.shown) == [], (row.name, path, done)
                    if not row.link and row.kind and not path.endswith("map_files"):
                        assert done.code >= 400, (row.name, path, done)
                    tried("commands on magic links of /proc")
            assert outside.state() == before, pid
    finally:
        assert os.system(f"umount -l {target}") == 0
