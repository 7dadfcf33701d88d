"""Numbers beyond every bound, and restart points beyond every end."""

import os

import pytest

from abusetools import in_step, pump

BIG = 2 ** 63 - 1
NUMBERS = [0, 1, 5, 2 ** 16 - 1, 2 ** 16, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1,
           2 ** 53, BIG - 1, BIG, BIG + 1, 2 ** 64 - 1, 2 ** 64, 2 ** 64 + 1, 2 ** 64 + 5, 2 ** 65,
           10 ** 19, 2 ** 128, 10 ** 400, int("9" * 4000)]
NONSENSE = ["-1", "+1", "--1", "0x10", "010h", "1e9", "1.0", ".5", "1,000", "1 000", "1\t0",
            "NaN", "inf", "'1'", "\u0661", "\uff11", "-9223372036854775808", "%d", "1;2", "1_000"]
# text, the number it is or None
VALUES = [(str(n), n) for n in NUMBERS] + [(t, None) for t in NONSENSE] \
    + [("", None), (" ", None), ("007", 7), ("0" * 3000 + "1", 1)]


def short(text):
    return text[:40]


def rest_code(n):
    return 350 if n is not None and n <= BIG else 501


def test_rest_takes_64_bits_and_forgets_what_it_refuses(ftp, folder, tried):
    folder.make("f", b"0123456789")
    for text, n in VALUES:
        ftp.expect(350, "REST 3")
        r = ftp.cmd("REST " + text)
        assert r.code == rest_code(n), (short(text), r)
        if n is None or n > BIG:
            assert ftp.retr("RETR f") == b"0123456789", short(text)
        else:
            assert str(n) in r.text
            ftp.expect((225, 226), "ABOR")
        assert ftp.retr("RETR f") == b"0123456789", short(text)
        in_step(ftp)
        tried("numbers in REST")


def test_all_numbers_in_one_write(ftp):
    lines = "".join(f"REST {t}\r\n" for t, _ in VALUES).encode()
    assert pump(ftp, lines, len(VALUES)) == [rest_code(n) for _, n in VALUES]
    in_step(ftp)


def test_allo(ftp, folder, tried):
    for text, n in VALUES:
        for line, bad in ((f"ALLO {text}", n is None or n > BIG),
                          (f"ALLO {text} R 80", n is None or n > BIG),
                          (f"ALLO 1 R {text}", n is None or n > BIG),
                          (f"ALLO 1 r {text}", n is None or n > BIG),
                          (f"ALLO 1 {text}", True), (f"ALLO 1 R80 {text}", True)):
            if line.strip() == "ALLO 1":
                bad = False
            r = ftp.cmd(line)
            assert r.code in ((501,) if bad else (200, 552)), (short(line), r)
            tried("numbers in ALLO")
    assert ftp.cmd(f"ALLO {BIG}").code == 552
    assert ftp.cmd("ALLO 1").code == 200
    in_step(ftp)


@pytest.mark.parametrize("place", range(6))
def test_port(ftp, place, tried):
    for text, n in VALUES + [("256", 256), ("255", 255), ("0255", None), ("", None)]:
        fields = ["127", "0", "0", "1", "200", "1"]
        fields[place] = text
        line = "PORT " + ",".join(fields)
        good = n is not None and n <= 255 and len(text) <= 3
        if place < 4:                       # another address than ours
            good = good and n == int(["127", "0", "0", "1"][place])
        if place == 4:
            good = good and n >= 4
        if not text.strip():
            good = False
        r = ftp.cmd(line)
        assert r.code == (200 if good else 501), (short(line), r)
        tried("numbers in PORT")
    for line in ("PORT 127,0,0,1,200", "PORT 127,0,0,1,200,1,1", "PORT ,,,,,", "PORT 1", "PORT -1",
                 "PORT 127.0.0.1,200,1", "PORT 127,0,0,1,200,1,", "PORT " + "1," * 2000):
        assert ftp.cmd(line).code == 501, line
    ftp.expect(226, "ABOR") if ftp.cmd("ABOR").code == 225 else None
    in_step(ftp)


def test_eprt(ftp, tried):
    for text, n in VALUES:
        r = ftp.cmd(f"EPRT |1|127.0.0.1|{text}|")
        good = n is not None and 1024 <= n <= 65535
        assert r.code == (200 if good else 501), ("port", short(text), r)
        r = ftp.cmd(f"EPRT |{text}|127.0.0.1|50000|")
        wanted = 501 if n is None or n > 65535 else 200 if n == 1 else 522
        assert r.code == wanted, ("protocol", short(text), r)
        r = ftp.cmd(f"EPRT |1|{text}.0.0.1|50000|")
        assert r.code == 501, ("address", short(text), r)
        tried("numbers in EPRT", 3)
    for line in ("EPRT |1|127.0.0.1|50000", "EPRT |", "EPRT ||||", "EPRT |1|127.0.0.1|50000||",
                 "EPRT 1127.0.0.1150000", "EPRT |1|::1|50000|", "EPRT |1|127.0.0.1%lo|50000|",
                 "EPRT |1|localhost|50000|", "EPRT |1|127.1|50000|", "EPRT |1|2130706433|50000|",
                 "EPRT |1|0x7f000001|50000|", "EPRT |1|0177.0.0.1|50000|", "EPRT \x7f1\x7f"):
        assert ftp.cmd(line).code == 501, line
    in_step(ftp)


def test_epsv(ftp, tried):
    for text, n in VALUES:
        r = ftp.cmd(f"EPSV {text}")
        wanted = 229 if n == 1 or not text.strip() else 501 if n is None or n > 65535 else 522
        assert r.code == wanted, (short(text), r)
        tried("numbers in EPSV")
    assert ftp.cmd("ABOR").code == 225
    in_step(ftp)


def test_representation_and_options(control, logged_in, tried):
    for text, n in VALUES:
        given = text.strip() != ""
        for line, code in ((f"TYPE L {text}", 504), (f"TYPE {text}", 504 if text else 501),
                           (f"TYPE A {text}", 504 if given else 200),
                           (f"MODE {text}", 504 if text else 501),
                           (f"STRU {text}", 504 if text else 501)):
            r = control.cmd(line)
            assert r.code == (code if logged_in else 530), (short(line), r)
        r = control.cmd(f"OPTS {text}")
        assert r.code == 501, (short(text), r)
        r = control.cmd(f"OPTS MLST {text}")
        assert r.code == 200 and len(r.text) < 200, (short(text), r)
        r = control.cmd(f"HELP {text}")
        assert r.code == (501 if given else 214), (short(text), r)
        if control.protected:
            r = control.cmd(f"PBSZ {text}")
            assert r.code == (200 if n is not None and n < 2 ** 32 else 501), (short(text), r)
        tried("numbers in options", 9)
    in_step(control)


def test_site(ftp, folder, tried):
    path = folder.make("f", b"x")
    mode = os.stat(path).st_mode
    for text, n in VALUES + [("7777777777", None), ("07777777777", None), ("888", 888),
                             ("1000", 1000), ("00000000000644", 644), ("-644", None),
                             ("4755", 4755)]:
        digits = text.strip()
        octal = 0 < len(digits) <= 5 and digits.isascii() and digits.isdigit() \
            and all(d < "8" for d in digits) and int(digits, 8) <= 0o7777
        r = ftp.cmd(f"SITE CHMOD {text} f")
        if octal:
            assert r.code == (200 if int(digits, 8) <= 0o777 else 550), (short(text), r)
        else:
            assert r.code in (501, 550, 553), (short(text), r)
            assert "1 000" in text or r.code == 501, (short(text), r)
        os.chmod(path, mode & 0o777)
        r = ftp.cmd(f"SITE UMASK {text}")
        assert r.code == (200 if not digits or octal and int(digits, 8) <= 0o777 else 501), \
            (short(text), r)
        r = ftp.cmd(f"SITE IDLE {text}")
        fine = n is not None and 10 <= n <= 7200 or not digits
        assert r.code == (200 if fine else 501), (short(text), r)
        assert ftp.cmd(f"SITE UTIME {text} f").code == 501, short(text)
        tried("numbers in SITE", 4)
    ftp.expect(200, "SITE UMASK 022")
    ftp.expect(200, "SITE IDLE 900")
    in_step(ftp)


TIMES = [
    ("00000101000000", False), ("00010101000000", True), ("99991231235959", True),
    ("999990101000000", False), ("20240230000000", False), ("20240229000000", True),
    ("20230229000000", False), ("19000229000000", False), ("20000229000000", True),
    ("20241301000000", False), ("20240001000000", False), ("20240100000000", False),
    ("20240132000000", False), ("20240431000000", False), ("20240101240000", False),
    ("20240101006000", False), ("20240101000061", False), ("20240101000060", True),
    ("20240101000000." + "9" * 3000, True), ("20240101000000." + "0" * 4000, True),
    ("20240101000000.", False), ("20240101000000.-1", False), ("20240101000000.1e3", False),
    ("2024010100000", False), ("202401010000000", False), ("-2024010100000", False),
    ("+2024010100000", False), ("2024-01-01T00:00", False), ("20240101 00000", False),
    ("99999999999999", False), ("0" * 14, False), ("1" * 4000, False),
]


def test_times(ftp, folder, tried):
    path = folder.make("f", b"x")
    for text, fine in TIMES:
        os.utime(path, (1000000000, 1000000000))
        r = ftp.cmd(f"MFMT {text} f")
        assert r.code == (213 if fine else 501), (short(text), r)
        if not fine:
            assert os.stat(path).st_mtime == 1000000000, short(text)
        os.utime(path, (1000000000, 1000000000))
        r = ftp.cmd(f"MDTM {text} f")
        assert r.code in ((213,) if fine else (501, 550, 553)), (short(text), r)
        if not fine:
            assert os.stat(path).st_mtime == 1000000000, short(text)
        assert ftp.cmd(f"MDTM {text}").code in (501, 550, 553), short(text)
        in_step(ftp)
        tried("impossible times", 3)
    ftp.raw(b"MFMT 20240101000000." + b"1" * 10000 + b" f\r\n")
    assert ftp.reply().code == 500
    for text, n in VALUES:
        assert ftp.cmd(f"MFMT {text} f").code == 501, short(text)
        assert ftp.cmd(f"MDTM {text} f").code in (501, 550, 553), short(text)
        tried("numbers in MFMT and MDTM", 2)
    in_step(ftp)


def test_numbers_as_names(ftp):
    """Where no number is asked for, it is a name that is not there."""
    for text, _ in VALUES:
        if not text.strip():
            continue
        for verb in ("STAT ./", "SIZE", "MLST", "CWD", "DELE", "RNFR", "RMD"):
            r = ftp.cmd(f"{verb}{'' if verb[-1] == '/' else ' '}{text}")
            assert r.code in (550, 553), (verb, short(text), r)
    in_step(ftp)


# ---- restart points ----------------------------------------------------------------------
@pytest.mark.parametrize("mode", ["EPSV", "active"])
def test_rest_beyond_the_end_of_a_download(ftp, folder, tried, mode):
    folder.make("f", b"12345")
    folder.make("empty")
    for name, size in (("f", 5), ("empty", 0)):
        for offset in (0, 1, 4, 5, 6, 7, 4096, 2 ** 31, 2 ** 32, 2 ** 63 - 1):
            r, data = ftp.transfer(f"RETR {name}", mode, rest=offset)
            if offset > size:
                assert data is None and r.code == 554, (offset, r)
                assert ftp.cmd("RETR f").code == 425, "its data connection was left"
            else:
                with data:
                    assert ftp.receive(data) == b"12345"[offset:size]
                assert ftp.reply().code == 226
            assert ftp.retr("RETR f", mode) == b"12345"
            tried("restart points")
    ftp.expect(200, "TYPE A")       # octets as transferred: found only by reading
    for offset in (0, 4, 5, 6, 11, 12, 2 ** 63 - 1):
        r, data = ftp.transfer("RETR f", mode, rest=offset)
        if offset > 11:             # more than two for each byte: it is clear before
            assert data is None and r.code == 554, (offset, r)
            continue
        assert r.code == 150
        with data:
            if offset <= 5:
                assert ftp.receive(data) == b"12345"[offset:]
        assert ftp.reply().code == (226 if offset <= 5 else 554)
    in_step(ftp)


@pytest.mark.parametrize("verb", ["STOR", "APPE"])
@pytest.mark.parametrize("kind", ["I", "A"])
def test_rest_beyond_the_end_of_an_upload_makes_no_hole(ftp, folder, verb, kind, tried):
    ftp.expect(200, f"TYPE {kind}")
    for name, content in (("f", b"12345"), ("empty", b""), ("none", None)):
        for offset in (1, 5, 6, 10, 4096, 2 ** 31, 2 ** 32, 2 ** 63 - 1):
            if content is not None:
                folder.make(name, content)
            r, data = ftp.transfer(f"{verb} {name}", rest=offset)
            if offset > len(content or b""):
                wanted = (550, 554) if content is None else (554,)
                assert data is None and r.code in wanted, (name, offset, r)
                assert folder.path(name).exists() == (content is not None)
                if content is not None:
                    assert folder.read(name) == content
            else:
                with data:
                    data.sendall(b"new")
                    ftp.finish(data)
                assert ftp.reply().code == 226
                assert folder.read(name) == content[:offset] + b"new"
            tried("restart points")
    assert folder.names() == ["empty", "f"]
    in_step(ftp)


KEEP = ["SYST", "PWD", "TYPE I", "STRU F", "MODE S", "CWD .", "FEAT", "HELP", "STAT", "STAT f",
        "MLST f", "MDTM f", "SIZE f", "RNFR f", "RNTO", "DELE nothing", "MKD ", "RMD nothing",
        "OPTS UTF8 ON", "CLNT x", "NOOP", "ALLO 5", "EPSV", "PASV",
        "SITE HELP", "SITE UMASK", "USER x", "PASS x", "ACCT x", "XYZZY", "PBSZ 0",
        "AUTH KERBEROS"]
# the transfer that was meant, or perhaps was
FORGET = ["RETR", "RETR nothing", "RETR f", "STOR", "STOR /no/such", "APPE", "STOU /no/such",
          "LIST nothing", "NLST nothing", "MLSD nothing", "ABOR", "REST x", "REST -1",
          "REST 99999999999999999999", "", "  ", "\x80", "NOOP\0", "CLNT " + "x" * 5000]


@pytest.mark.slow
def test_a_restart_point_outlasts_what_is_no_transfer(ftp, folder, tried):
    folder.make("f", b"0123456789")
    for line in KEEP:
        ftp.expect(350, "REST 4")
        assert ftp.cmd(line).code >= 200
        assert ftp.retr("RETR f") == b"456789", line
        assert ftp.retr("RETR f") == b"0123456789", line
        ftp.expect(350, "REST 4")
        assert ftp.cmd(line).code >= 200
        ftp.stor("STOR f", b"456789")
        assert folder.read("f") == b"0123456789", line
        tried("commands between REST and a transfer")
    in_step(ftp)


def test_a_restart_point_is_used_up(ftp, folder, tried):
    folder.make("f", b"0123456789")
    for line in FORGET:
        ftp.expect(350, "REST 4")
        ftp.raw(line.encode("latin-1") + b"\r\n")
        assert ftp.reply().code >= 200
        assert ftp.retr("RETR f") == b"0123456789", line
        tried("commands between REST and a transfer")
    in_step(ftp)


def test_a_rename_is_forgotten_by_any_line_in_between(ftp, folder):
    folder.make("f", b"x")
    for line in [x for x in KEEP + FORGET if x[:2] != "RN"] + ["CDUP"]:
        ftp.expect(350, "RNFR f")
        ftp.raw(line.encode("latin-1") + b"\r\n")
        ftp.reply()
        ftp.expect(250, "CWD " + folder.ftp) if line == "CDUP" else None
        ftp.expect(503, "RNTO g")
    assert folder.names() == ["f"]
    in_step(ftp)
