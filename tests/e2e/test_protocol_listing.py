"""LIST, NLST, MLSD, MLST: forms, options, globs, facts."""

import os
import re
import stat
import time

import pytest

from patience import Stopwatch

LONG = re.compile(r"[-dlpscb?]([-r][-w][-xsStT]){3}[+.@]? +\d+ +\S+ +\S+ +(\d+) "
                  r"((Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d "
                  r"( ?\d{4}|\d\d:\d\d)) (.*)")


@pytest.fixture
def tree(folder):
    folder.make("file.txt", b"x" * 1000)
    folder.make("other.txt", b"y" * 10)
    folder.make("-file", b"dash")
    folder.make(".hidden", b"h")
    folder.make("with space", b"s")
    d = folder.mkdir("dir")
    (d / "inner").write_text("z" * 5)
    folder.server.own(d / "inner")
    os.symlink("file.txt", folder.path("link"))
    os.utime(folder.path("other.txt"), (1000000000, 1000000000))
    return folder


def listing(ftp, line):
    """name -> match of the long form, for every line of a LIST."""
    found = {}
    for text in ftp.names(line):
        if text.startswith("total "):
            continue
        m = LONG.fullmatch(text)
        assert m, f"not in the form of ls -l: {text!r}"
        found[m.group(6)] = m
    return found


def test_list_is_in_the_form_of_ls(ftp, tree):
    found = listing(ftp, "LIST")
    assert set(found) == {"file.txt", "other.txt", "-file", "with space", "dir",
                          "link -> file.txt"}
    assert found["file.txt"].group(0).startswith("-rw-r--r--")
    assert found["file.txt"].group(2) == "1000"
    assert found["dir"].group(0).startswith("drwxr-xr-x")
    assert found["link -> file.txt"].group(0).startswith("lrwxrwxrwx")
    assert re.match(r"Sep +9  ?2001", found["other.txt"].group(3))
    now = time.strftime("%b", time.gmtime())
    assert found["file.txt"].group(3).startswith(now) and ":" in found["file.txt"].group(3)


@pytest.mark.parametrize("line", ["LIST -a", "LIST -la", "LIST -al", "LIST -a -l", "LIST -L -a",
                                  "LIST -la ."])
def test_list_with_options_of_ls(ftp, tree, line):
    found = listing(ftp, line)
    assert {".hidden", "file.txt", ".", ".."} <= set(found), line


def test_options_and_a_path(ftp, tree):
    assert set(listing(ftp, "LIST -a -l dir")) == {".", "..", "inner"}
    assert set(listing(ftp, "LIST dir")) == {"inner"}
    assert set(listing(ftp, "LIST -l file.txt")) == {"file.txt"}
    assert set(listing(ftp, "LIST with space")) == {"with space"}
    assert [x.rsplit("/", 1)[-1] for x in listing(ftp, "LIST -d dir")] == ["dir"]


def test_a_file_whose_name_begins_with_a_dash(ftp, tree):
    assert list(listing(ftp, "LIST -file")) == ["-file"]
    assert list(listing(ftp, "LIST -- -file")) == ["-file"]
    assert [x.rsplit("/", 1)[-1] for x in ftp.names("NLST -file")] == ["-file"]
    assert ftp.retr("RETR -file") == b"dash"


def test_a_name_that_exists_wins_over_options_of_its_spelling(ftp, folder):
    for name in ("-a", "-l", "-al x", "-rt", "f"):
        folder.make(name)
    for line, wanted in (("-a", ["-a"]), ("-al x", ["-al x"]), ("-r -a", ["-a"]),
                         ("-r -t -l", ["-l"]), ("-- -l", ["-l"]), ("-rt", ["-rt"]),
                         ("-r", ["f", "-rt", "-l", "-al x", "-a"]), ("-l f", ["f"])):
        assert list(listing(ftp, "LIST " + line)) == wanted, line
        assert [x[-len(w):] for x, w in zip(ftp.names("NLST " + line), wanted)] == wanted, line
        shown = [LONG.fullmatch(x.strip()) for x in ftp.cmd("STAT " + line).inner]
        assert [m.group(6) for m in shown if m] == wanted, line


def facts(ftp, line="MLSD"):
    found = {}
    for text in ftp.names(line):
        these, name = text.split(" ", 1)
        found[name] = dict(f.split("=", 1) for f in these.split(";") if f)
    return found


def test_mlsd_shows_links_to_directories_as_links(ftp, folder):
    folder.mkdir("d")
    folder.make("f", b"12345")
    for to, name in (("d", "to-d"), (folder.ftp + "/d", "absolute"), ("..", "up"), ("f", "to-f"),
                     ("/etc", "out"), ("../" * 9 + "etc", "climbs"), ("not yet", "nowhere"),
                     ("not-yet", "later")):
        os.symlink(to, folder.path(name))
    found = facts(ftp)
    types = {name: f["type"] for name, f in found.items() if name not in (".", "..")}
    assert types == {"d": "dir", "f": "file", "to-f": "file", "to-d": "OS.unix=slink:d",
                     "absolute": f"OS.unix=slink:{folder.ftp}/d", "up": "OS.unix=slink:..",
                     "out": "OS.unix=symlink", "climbs": "OS.unix=symlink",
                     "nowhere": "OS.unix=symlink", "later": "OS.unix=slink:not-yet"}
    assert found["to-f"]["size"] == "5" and found["to-f"]["unique"] == found["f"]["unique"]
    assert found["to-d"]["unique"] == found["d"]["unique"] and "e" in found["to-d"]["perm"]
    # nor does LIST tell what may be a path of the machine
    assert set(listing(ftp, "LIST")) == {
        "d", "f", "to-f -> f", "to-d -> d", f"absolute -> {folder.ftp}/d", "up -> ..", "out",
        "climbs", "nowhere -> not yet", "later -> not-yet"}
    # a linked folder is a folder to who names it
    assert ftp.expect(250, "MLST to-d").inner[0].lstrip().startswith("type=dir;")
    ftp.expect(250, "CWD to-d")
    ftp.expect(250, "DELE ../to-d")


def test_times_have_no_fraction(ftp, folder):
    """Commons Net returns null for one, .NET the year 1."""
    folder.make("f")
    for line in ("MFMT 20200102030405.678 f", "MFMT 20200102030405 f"):
        ftp.expect(213, line)
        assert facts(ftp)["f"]["modify"] == "20200102030405"
        assert ftp.cmd("MDTM f").text == "213 20200102030405"
    assert re.search("modify=20200102030405;", ftp.cmd("MLST f").inner[0])


def test_order(ftp, tree):
    names = list(listing(ftp, "LIST"))
    assert names == sorted(names)
    assert list(listing(ftp, "LIST -r")) == sorted(names, reverse=True)
    assert list(listing(ftp, "LIST -t"))[-1] == "other.txt"
    assert list(listing(ftp, "LIST -tr"))[0] == "other.txt"
    by_size = [x for x in listing(ftp, "LIST -S") if not x.startswith(("dir", "link"))]
    assert by_size == ["file.txt", "other.txt", "-file", "with space"]
    assert ftp.names("LIST -1")[0] == "-file"


def test_recursive(ftp, tree):
    text = "\n".join(ftp.names("LIST -R"))
    assert "inner" in text and "dir:" in text


def test_globs(ftp, tree):
    assert set(listing(ftp, "LIST *.txt")) == {"file.txt", "other.txt"}
    assert set(ftp.names("NLST *.txt")) == {"file.txt", "other.txt"}
    assert set(ftp.names("NLST ?ther.*")) == {"other.txt"}
    assert set(ftp.names("NLST [f-o]*.txt")) == {"file.txt", "other.txt"}
    assert [x.rsplit("/", 1)[-1] for x in ftp.names("NLST d*/inn*")] == ["inner"]
    r = ftp.transfer("NLST *.nothing")
    if r[1] is None:
        assert r[0].code in (450, 550)
    else:
        with r[1]:
            assert ftp.receive(r[1]) == b""
        assert ftp.reply().code in (226, 450, 550)


def test_a_name_that_looks_like_a_glob_is_found_as_it_is(ftp, folder):
    folder.make("a[1].txt", b"bracket")
    folder.make("a1.txt", b"plain")
    assert "a[1].txt" in "".join(ftp.names("LIST a[1].txt"))
    assert ftp.retr("RETR a[1].txt") == b"bracket"


def test_globs_are_bounded(ftp, folder):
    for n in range(100):
        folder.mkdir(f"d{n}")
        for m in range(5):
            (folder.disk / f"d{n}" / f"e{m}").mkdir()
    begin = Stopwatch()
    for pattern in ("*/*/*/*/*/*/*/*/*", "*" * 200 + "x", "*a*a*a*a*a*a*a*a*a*b",
                    "[" * 300, "{a,b}" * 100, "*/../" * 60 + "*"):
        r, data = ftp.transfer("NLST " + pattern)
        if data:
            with data:
                ftp.receive(data)
            assert ftp.reply().code in (226, 450, 451, 550)
        else:
            assert r.code in (450, 501, 550, 553), (pattern, r)
    assert begin.own() < 15


def test_nlst_gives_names_alone(ftp, tree):
    assert set(ftp.names("NLST")) == {"file.txt", "other.txt", "-file", "with space", "dir", "link"}
    assert {x.rsplit("/", 1)[-1] for x in ftp.names("NLST dir")} == {"inner"}
    # what NLST names can be used as it is (RFC 1123 section 4.1.2.7): mget depends on it
    for name in ftp.names("NLST dir"):
        assert ftp.cmd("SIZE " + name).code == 213 or "/" not in name
    assert set(ftp.names("NLST -a")) >= {".hidden"}
    assert LONG.fullmatch([x for x in ftp.names("NLST -l") if not x.startswith("total")][0])


def test_nlst_of_nothing(ftp, folder):
    r, data = ftp.transfer("NLST")
    if data:
        with data:
            assert ftp.receive(data) == b""
        assert ftp.reply().code in (226, 450, 550)
    else:
        assert r.code in (450, 550)


@pytest.mark.parametrize("verb", ["LIST", "NLST", "MLSD"])
def test_a_missing_directory_is_refused_before_150(ftp, verb):
    r, data = ftp.transfer(verb + " no-such-directory")
    if data is not None:
        data.close()
        pytest.fail(f"{verb} of nothing began a transfer: {r} {ftp.reply()}")
    assert r.code in (450, 550)


def facts_of(line):
    m = re.fullmatch(r"((?:[A-Za-z.]+=[^; ]*;)*) (.*)", line, re.S)
    assert m, f"not in the form of RFC 3659: {line!r}"
    facts = dict(f.split("=", 1) for f in m.group(1).split(";") if f)
    return {k.lower(): v for k, v in facts.items()}, m.group(2)


def test_mlsd(ftp, tree):
    found = {}
    for line in ftp.names("MLSD"):
        facts, name = facts_of(line)
        found[name] = facts
    assert set(found) >= {"file.txt", "other.txt", "-file", "with space", "dir", ".hidden"}
    f = found["file.txt"]
    assert f["type"] == "file" and f["size"] == "1000"
    assert re.fullmatch(r"\d{14}(\.\d+)?", f["modify"])
    assert found["other.txt"]["modify"].startswith("20010909014640")
    assert set("rwadf") <= set(f["perm"])
    assert f["unix.mode"] in ("0644", "644")
    d = found["dir"]
    assert d["type"] == "dir" and set("elcm") <= set(d["perm"])
    types = {n: x["type"].lower() for n, x in found.items()}
    assert types.get(".", "cdir") == "cdir" and types.get("..", "pdir") == "pdir"
    assert len({x["unique"] for x in found.values()}) >= len(found) - 2
    owner = os.stat(tree.path("file.txt"))
    assert f["unix.uid"] == str(owner.st_uid) and f["unix.gid"] == str(owner.st_gid)


def test_mlsd_of_a_file_is_501(ftp, tree):
    r, data = ftp.transfer("MLSD file.txt")
    if data:
        data.close()
    assert r.code in (501, 550)


def test_mlst(ftp, tree):
    r = ftp.cmd("MLST file.txt")
    assert r.code == 250 and len(r.inner) == 1
    assert r.inner[0].startswith(" ")
    facts, name = facts_of(r.inner[0][1:])
    assert facts["size"] == "1000"
    assert name in (tree.ftp + "/file.txt", "file.txt")
    r = ftp.cmd("MLST")
    facts, name = facts_of(r.inner[0][1:])
    assert facts["type"].lower() in ("dir", "cdir")
    assert ftp.cmd("MLST nothing").code == 550
    assert ftp.cmd("MLST dir").code == 250


def test_modes_in_listings_are_those_on_disk(ftp, folder):
    for mode in (0o600, 0o755, 0o444, 0o4755, 0o2750, 0o1777, 0o7777):
        folder.make(f"m{mode:o}", mode=mode)
    found = listing(ftp, "LIST")
    for name, m in found.items():
        want = stat.filemode(os.stat(folder.path(name)).st_mode)
        assert m.group(0).split()[0] == want, name


def test_listings_in_ascii_and_binary_are_the_same(ftp, tree):
    ftp.expect(200, "TYPE A")
    one = ftp.names("LIST")
    ftp.expect(200, "TYPE I")
    assert ftp.names("LIST") == one


def test_the_six_months_rule(ftp, folder):
    now = time.time()
    for name, age in (("new", 3600), ("old", 200 * 86400), ("future", -400 * 86400)):
        folder.make(name)
        os.utime(folder.path(name), (now - age, now - age))
    found = listing(ftp, "LIST")
    assert ":" in found["new"].group(3)
    assert ":" not in found["old"].group(3)
    assert ":" not in found["future"].group(3)
