"""Directories, renames, deletion, times, sizes, modes."""

import os
import re
import time

import pytest


def test_pwd_quotes_by_doubling(ftp, folder):
    assert ftp.cmd('MKD say "hi"').code == 257
    r = ftp.cmd('CWD say "hi"')
    assert r.code == 250
    for verb in ("PWD", "XPWD"):
        assert ftp.cmd(verb).text.startswith(f'257 "{folder.ftp}/say ""hi"""')
    assert folder.names() == ['say "hi"']


def test_walking_the_tree(ftp, folder):
    folder.mkdir("a")
    (folder.disk / "a" / "b").mkdir()

    def where():
        return re.match(r'257 "([^"]*)"', ftp.cmd("PWD").text).group(1)

    home = folder.ftp
    for line, code, there in [("CWD a", 250, home + "/a"), ("CWD b", 250, home + "/a/b"),
                              ("CDUP", (200, 250), home + "/a"),
                              ("XCUP", (200, 250), home), ("CWD a/b/", 250, home + "/a/b"),
                              ("CWD ..", 250, home + "/a"), ("CWD ./b/./..//b", 250, home + "/a/b"),
                              ("XCWD " + home, 250, home), ("CWD nowhere", 550, home),
                              ("CWD /", 250, "/"), ("CDUP", (200, 250), "/"),
                              ("CWD ../../..", 250, "/"), ("CWD //", 250, "/")]:
        got = ftp.cmd(line).code
        assert got == code or isinstance(code, tuple) and got in code, (line, got)
        assert where() == there, line


def test_cwd_to_a_file_is_550(ftp, folder):
    folder.make("file")
    assert ftp.cmd("CWD file").code == 550
    assert ftp.cmd("CWD file/x").code == 550


def test_mkd_answers_the_absolute_path(ftp, folder):
    assert ftp.cmd("MKD sub").text.startswith(f'257 "{folder.ftp}/sub"')
    assert ftp.cmd("XMKD sub/two").text.startswith(f'257 "{folder.ftp}/sub/two"')
    assert ftp.cmd(f"MKD {folder.ftp}/three").text.startswith(f'257 "{folder.ftp}/three"')
    assert ftp.cmd("MKD sub").code in (521, 550)
    assert ftp.cmd("MKD no/such/parent").code == 550
    assert folder.names() == ["sub", "three"]


def test_rmd_and_dele_keep_to_their_kind(ftp, folder):
    folder.make("file")
    folder.mkdir("full")
    (folder.disk / "full" / "x").write_text("")
    folder.mkdir("empty")
    assert ftp.cmd("DELE empty").code == 550
    assert ftp.cmd("RMD file").code == 550
    assert ftp.cmd("RMD full").code == 550
    assert ftp.cmd("RMD empty").code == 250
    assert ftp.cmd("DELE file").code == 250
    assert ftp.cmd("DELE file").code == 550
    assert ftp.cmd("XRMD full").code == 550
    assert folder.names() == ["full"]


def test_rename(ftp, folder):
    folder.make("old", b"content")
    folder.mkdir("dir")
    assert ftp.cmd("RNFR old").code == 350
    assert ftp.cmd("RNTO dir/new").code == 250
    assert (folder.disk / "dir" / "new").read_bytes() == b"content"
    assert ftp.cmd("RNFR nothing").code == 550
    assert ftp.cmd("RNTO x").code == 503


def test_rnfr_and_rnto_are_adjacent(ftp, folder):
    folder.make("old")
    assert ftp.cmd("RNTO new").code == 503
    assert ftp.cmd("RNFR old").code == 350
    assert ftp.cmd("NOOP").code == 200
    assert ftp.cmd("RNTO new").code == 503
    assert ftp.cmd("RNFR old").code == 350
    assert ftp.cmd("RNTO new").code == 250
    assert ftp.cmd("RNTO again").code == 503
    assert folder.names() == ["new"]


def test_a_directory_cannot_move_into_itself(ftp, folder):
    folder.mkdir("a")
    assert ftp.cmd("RNFR a").code == 350
    assert ftp.cmd("RNTO a/b").code in (550, 553)
    assert folder.names() == ["a"]


def test_the_root_can_neither_be_removed_nor_renamed(ftp):
    assert ftp.cmd("RMD /").code in (550, 553)
    assert ftp.cmd("DELE /").code in (550, 553)
    if ftp.cmd("RNFR /").code == 350:
        assert ftp.cmd("RNTO /x").code in (550, 553)


def test_size_and_mdtm(ftp, folder):
    folder.make("file", b"x" * 12345)
    os.utime(folder.path("file"), (1234567890, 1234567890))
    assert ftp.cmd("TYPE I").code == 200
    assert ftp.cmd("SIZE file").text == "213 12345"
    assert ftp.cmd("MDTM file").text == "213 20090213233130"
    folder.mkdir("dir")
    for line in ("SIZE dir", "SIZE nothing", "MDTM nothing"):
        assert ftp.cmd(line).code == 550, line


def test_mdtm_shows_fractions_of_a_second(ftp, folder):
    folder.make("file")
    os.utime(folder.path("file"), ns=(0, 1234567890 * 10**9 + 250_000_000))
    r = ftp.cmd("MDTM file").text
    assert re.fullmatch(r"213 20090213233130(\.25\d*)?", r), r


def test_size_in_ascii_counts_the_octets_of_the_transfer(ftp, folder):
    folder.make("file", b"a\nb\nc\n")
    assert ftp.cmd("TYPE A").code == 200
    r = ftp.cmd("SIZE file")
    assert r.text == "213 9" or r.code == 550, r
    assert ftp.cmd("TYPE I").code == 200
    assert ftp.cmd("SIZE file").text == "213 6"


def test_mfmt_sets_the_time_and_mdtm_with_a_time_does_too(ftp, folder):
    folder.make("file")
    r = ftp.cmd("MFMT 20200102030405 file")
    assert re.match(r"213 Modify=20200102030405(\.0+)?; \S*file", r.text, re.I), r
    assert os.stat(folder.path("file")).st_mtime == 1577934245
    assert ftp.cmd("MFMT 20201399000000 file").code == 501
    assert ftp.cmd("MFMT 20200102030405 nothing").code == 550
    assert ftp.cmd("MDTM 20100102030405 file").code in (213, 250)
    assert os.stat(folder.path("file")).st_mtime == 1262401445


def test_a_name_that_begins_like_a_time_can_be_asked_for(ftp, folder):
    folder.make("20100102030405 file")
    os.utime(folder.path("20100102030405 file"), (1234567890, 1234567890))
    r = ftp.cmd("MDTM 20100102030405 file")
    assert r.text.startswith("213 20090213233130"), r


def test_site_utime(ftp, folder):
    folder.make("file")
    assert ftp.cmd("SITE UTIME 20200102030405 file").code == 200
    assert os.stat(folder.path("file")).st_mtime == 1577934245
    r = ftp.cmd("SITE UTIME file 20100102030405 20100102030405 20100102030405 UTC")
    if r.code == 200:
        assert os.stat(folder.path("file")).st_mtime == 1262401445


def test_site_chmod(ftp, folder):
    folder.make("my file", mode=0o644)
    assert ftp.cmd("SITE CHMOD 600 my file").code == 200
    assert os.stat(folder.path("my file")).st_mode & 0o7777 == 0o600
    assert ftp.cmd("SITE CHMOD 0755 my file").code == 200
    assert os.stat(folder.path("my file")).st_mode & 0o7777 == 0o755
    for bad in ("SITE CHMOD", "SITE CHMOD 644", "SITE CHMOD 999 my file", "SITE CHMOD x my file"):
        assert ftp.cmd(bad).code == 501, bad
    assert ftp.cmd("SITE CHMOD 4755 my file").code in (501, 550)
    assert os.stat(folder.path("my file")).st_mode & 0o7000 == 0
    assert ftp.cmd("SITE CHMOD 644 nothing").code == 550


def test_umask(ftp, folder):
    ftp.stor("STOR first", b"")
    assert os.stat(folder.path("first")).st_mode & 0o777 == 0o644
    assert ftp.cmd("MKD d1").code == 257
    assert os.stat(folder.path("d1")).st_mode & 0o777 == 0o755
    assert ftp.cmd("SITE UMASK").code == 200
    assert "022" in ftp.cmd("SITE UMASK").text
    assert ftp.cmd("SITE UMASK 077").code == 200
    assert ftp.cmd("SITE UMASK 999").code == 501
    ftp.stor("STOR second", b"")
    assert os.stat(folder.path("second")).st_mode & 0o777 == 0o600
    assert ftp.cmd("MKD d2").code == 257
    assert os.stat(folder.path("d2")).st_mode & 0o777 == 0o700


def test_files_belong_to_the_account(ftp, folder, server):
    ftp.stor("STOR mine", b"x")
    assert ftp.cmd("MKD dir").code == 257
    owner = os.stat(folder.disk)
    for name in ("mine", "dir"):
        st = os.stat(folder.path(name))
        assert (st.st_uid, st.st_gid) == (owner.st_uid, owner.st_gid)


def test_stat_of_a_path_lists_over_the_control_connection(ftp, folder):
    folder.make("one", b"x" * 77)
    folder.make("200 two", b"")
    r = ftp.cmd("STAT " + folder.ftp)
    assert r.code in (211, 212, 213)
    text = r.text
    assert " one" in text and "200 two" in text and " 77 " in text
    for line in r.inner:
        assert not re.match(r"\d\d\d", line), line
    r = ftp.cmd("STAT one")
    assert r.code in (211, 212, 213) and " 77 " in r.text
    assert ftp.cmd("STAT nothing").code in (450, 550)


def test_avbl_tells_free_space(ftp):
    r = ftp.cmd("AVBL")
    assert r.code in (213, 502, 500)
    if r.code == 213:
        assert int(r.text.split()[1]) > 0


def test_mdtm_of_a_directory_does_no_harm(ftp, folder):
    folder.mkdir("d")
    assert ftp.cmd("MDTM d").code in (213, 550)


@pytest.mark.parametrize("name", ["x" * 256, "x" * 4000])
def test_a_name_too_long_is_refused(ftp, name):
    assert ftp.cmd("MKD " + name).code in (550, 553, 501, 500)
    assert ftp.cmd("SIZE " + name).code in (550, 553, 501, 500)


def test_a_deep_path(ftp, folder):
    for _ in range(40):
        assert ftp.cmd("MKD deeper-and-deeper").code == 257
        assert ftp.cmd("CWD deeper-and-deeper").code == 250
    ftp.stor("STOR bottom", b"mud")
    assert ftp.retr("RETR bottom") == b"mud"
    path = folder.ftp + "/deeper-and-deeper" * 40
    assert ftp.cmd("PWD").text.startswith(f'257 "{path}"')
    assert ftp.retr(f"RETR {path}/bottom") == b"mud"


def test_times_are_utc(ftp, folder):
    ftp.stor("STOR now", b"")
    got = ftp.cmd("MDTM now").text[4:18]
    now = time.time()
    assert abs(time.mktime(time.strptime(got + "UTC", "%Y%m%d%H%M%S%Z")) - time.timezone - now) < 90
