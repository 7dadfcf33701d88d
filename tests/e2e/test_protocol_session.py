"""Greeting, login dialogue, FEAT, OPTS, HELP, TYPE, REIN, the form of commands."""

import re
import time

import pytest

from harness import PASSWORD
from patience import Stopwatch

FEATURES = ["AUTH TLS", "PBSZ", "PROT", "UTF8", "MLST", "MFMT", "EPSV", "EPRT", "TVFS",
            "REST STREAM", "MDTM", "SIZE", "CLNT"]


@pytest.fixture
def control(server):
    """Over TLS, not logged in."""
    c = server.client()
    yield c
    c.abandon()


def codes(client, lines):
    return [(line, client.cmd(line).code) for line in lines]


def test_the_greeting_is_220_and_has_the_banner(make_server):
    s = make_server(banner="Harbour Office \"North\" 100%s")
    c = s.client(tls=None)
    assert c.greeting.code == 220
    assert 'Harbour Office "North" 100%s' in c.greeting.text
    c.quit()


def test_user_is_331_for_every_name_with_the_same_text(control):
    known = control.cmd("USER guest").text.replace("guest", "NAME")
    unknown = control.cmd("USER nobody-of-that-name").text.replace("nobody-of-that-name", "NAME")
    assert known.startswith("331 ")
    assert known == unknown


def test_a_login_is_230_and_names_the_account_or_says_so(control):
    assert control.cmd("USER guest").code == 331
    assert control.cmd("PASS " + PASSWORD).code == 230


@pytest.mark.parametrize("line", ["PASS x", "ACCT x"])
def test_pass_and_acct_before_user_are_503(control, line):
    assert control.cmd(line).code == 503


def test_pass_after_login_is_503_or_202(ftp):
    assert ftp.cmd("PASS x").code in (503, 202)


def test_a_second_user_after_login_is_refused_or_begins_a_new_login(ftp):
    r = ftp.cmd("USER guest")
    assert r.code in (331, 503, 530), r
    assert ftp.cmd("NOOP").code == 200


def test_feat_works_before_login_and_lists_what_is_promised(server):
    c = server.client(tls=None)
    r = c.cmd("FEAT")
    c.quit()
    assert r.code == 211
    assert r.lines[0].startswith("211-") and r.lines[-1].startswith("211 ")
    for line in r.inner:
        assert re.fullmatch(r" [!-~][ -~]*", line), f"RFC 2389 wants ' feature': {line!r}"
    have = [line[1:] for line in r.inner]
    for f in FEATURES:
        assert any(h == f or h.startswith((f + " ", f + ";")) for h in have), f"no {f} in {have}"
    facts = next(h for h in have if h.startswith("MLST "))[5:]
    for fact in ("type*;", "size*;", "modify*;", "perm*;", "unique*;", "UNIX.mode*;"):
        assert fact.lower() in facts.lower(), facts
    assert facts.endswith(";")


def test_feat_advertises_nothing_that_is_not_served(ftp):
    for line in ftp.cmd("FEAT").inner:
        verb = line.split()[0]
        if verb in ("UTF8", "TVFS", "REST", "MLST"):
            continue
        assert ftp.cmd("HELP " + verb).code == 214, line
        assert ftp.cmd(verb).code not in (500, 502), line
    # MODE Z, E and HASH are used by clients the moment they stand there.
    assert not [x for x in ftp.cmd("FEAT").inner
                if x.strip().startswith("MODE") and ftp.cmd(x.strip()[:6]).code != 200]


def test_opts(ftp):
    assert ftp.cmd("OPTS UTF8 ON").code == 200
    assert ftp.cmd("opts utf8 on").code == 200
    assert ftp.cmd("OPTS UTF-8 ON").code in (200, 501, 504)
    assert ftp.cmd("OPTS").code == 501
    assert ftp.cmd("OPTS NOOP x").code == 501
    r = ftp.cmd("OPTS MLST size;type;nonsense;")
    assert r.code == 200
    assert re.fullmatch(r"200 MLST OPTS (type;size;|size;type;)", r.text, re.I), r
    fact = ftp.cmd("MLST").inner[0]
    assert re.fullmatch(r" ([Tt]ype=[^; ]+;|[Ss]ize=\d+;)+ /\S*", fact), fact
    assert ftp.cmd("OPTS MLST ").code == 200
    assert re.fullmatch(r"  /\S*", ftp.cmd("MLST").inner[0])


def test_opts_utf8_on_works_before_login(control):
    assert control.cmd("OPTS UTF8 ON").code == 200


def test_syst_noop_clnt(ftp):
    assert ftp.cmd("SYST").text == "215 UNIX Type: L8"
    assert ftp.cmd("NOOP").code == 200
    assert ftp.cmd("CLNT lftp/4.9 (test; x)").code == 200
    assert ftp.cmd("ALLO 1000").code in (200, 202)
    assert ftp.cmd("ALLO 1000 R 80").code in (200, 202)
    assert ftp.cmd("ALLO").code == 501
    assert ftp.cmd("ALLO many").code == 501


def test_help_knows_every_command(ftp):
    r = ftp.cmd("HELP")
    assert r.code == 214
    for verb in ("USER", "RETR", "STOR", "MLSD", "EPSV", "AUTH", "SITE"):
        assert verb in r.text, r
        assert ftp.cmd("HELP " + verb).code == 214
    assert ftp.cmd("HELP retr").code == 214
    assert ftp.cmd("HELP nonsense").code in (501, 502)
    assert ftp.cmd("HELP SITE").code == 214
    site = ftp.cmd("SITE HELP")
    assert site.code in (200, 214)
    for verb in ("CHMOD", "UTIME", "UMASK", "IDLE"):
        assert verb in site.text
    assert ftp.cmd("HELP SITE CHMOD").code in (214, 501)


def test_unknown_commands_are_500_and_known_unserved_ones_502(ftp):
    assert codes(ftp, ["XYZZY", "FOO bar", "A", "LISTEN", "RETRX a", "*"]) == [
        (x, 500) for x in ["XYZZY", "FOO bar", "A", "LISTEN", "RETRX a", "*"]]
    assert codes(ftp, ["SMNT /x"]) == [("SMNT /x", 502)]
    assert ftp.cmd("SITE NONSENSE").code in (500, 501, 502, 504)
    assert ftp.cmd("SITE").code in (500, 501, 504)
    assert ftp.cmd("SITE EXEC id").code in (500, 501, 502, 504)
    for adat in ("ADAT x", "MIC x", "CONF x", "ENC x"):
        assert ftp.cmd(adat).code in (500, 502, 503, 533, 537), adat


def test_missing_or_bad_parameters_are_501(ftp):
    for line in ["RETR", "STOR", "APPE", "DELE", "MKD", "RMD", "RNFR", "CWD ", "SIZE", "MDTM",
                 "MFMT", "MFMT 20200101000000", "MFMT 2020 x", "REST", "REST x", "REST -1",
                 "REST 99999999999999999999999", "TYPE", "MODE", "STRU", "PORT", "PORT 1,2,3",
                 "PORT 1,2,3,4,5,256", "PORT 1,2,3,4,5,6,7", "EPRT", "EPRT |1|x|y|",
                 "EPRT |1|127.0.0.1|99999|", "USER"]:
        code = ftp.cmd(line).code
        assert code == 501 or (line == "CWD " and code == 250) or \
            (line == "USER" and code in (501, 503, 530)), (line, code)


def test_everything_that_needs_a_login_is_530_before_it(control):
    lines = ["PWD", "CWD /", "CDUP", "LIST", "NLST", "MLSD", "MLST", "RETR x", "STOR x",
             "APPE x", "STOU", "DELE x", "MKD x", "RMD x", "RNFR x", "RNTO x", "SIZE x",
             "MDTM x", "MFMT 20200101000000 x", "REST 1", "PASV", "EPSV", "PORT 127,0,0,1,9,9",
             "EPRT |1|127.0.0.1|9999|", "SITE CHMOD 644 x", "ABOR"]
    got = codes(control, lines)
    wrong = [(line, code) for line, code in got
             if code != 530 and not (line == "ABOR" and code in (225, 226))
             and not (line == "RNTO x" and code == 503)]
    assert not wrong


def test_types_in_every_spelling(ftp):
    for line in ["TYPE A", "TYPE A N", "TYPE I", "TYPE L 8", "type a", "Type i", "type l 8",
                 "TYPE a n", "type A n"]:
        assert ftp.cmd(line).code == 200, line
    for line in ["TYPE L 36", "TYPE L 7", "TYPE X", "TYPE I N N", "TYPE L x"]:
        assert ftp.cmd(line).code in (501, 504), line
    assert ftp.cmd("TYPE Q").code in (501, 504)


def test_structure_and_mode(ftp):
    for line in ["STRU F", "stru f", "MODE S", "mode s"]:
        assert ftp.cmd(line).code == 200, line
    for line in ["STRU P", "STRU X", "MODE X", "MODE Q"]:
        assert ftp.cmd(line).code in (501, 504), line


def test_rein_goes_back_to_the_greeting_and_tls_stays(server, folder):
    c = server.login()
    folder.make("a", b"one")
    assert c.cmd("CWD " + folder.ftp).code == 250
    assert c.cmd("REIN").code == 220
    assert c.cmd("PWD").code == 530
    c.login("reader", PASSWORD)
    assert c.cmd("PWD").text.startswith('257 "/"')
    assert c.cmd("SIZE " + folder.ftp + "/a").code == 550       # another jail
    assert c.cmd("REIN").code == 220
    c.login("guest", PASSWORD)
    assert c.retr("RETR " + folder.ftp + "/a") == b"one"
    c.quit()


def test_rein_before_login_is_harmless(control):
    assert control.cmd("REIN").code == 220
    assert control.cmd("REIN").code == 220
    control.login("guest", PASSWORD)


def test_quit_before_login(server):
    c = server.client(tls=None)
    assert c.cmd("QUIT").code == 221
    assert c.closed(5)


def test_verbs_in_lower_case_with_blanks_around_and_bare_lf(ftp):
    for raw in [b"noop\r\n", b"NoOp\n", b"noop \r\n", b"NOOP    \r\n", b"  NOOP\r\n",
                b"noop\t\r\n"]:
        ftp.raw(raw)
        code = ftp.reply().code
        assert code == 200 or raw[:1] == b" " and code == 500 or b"\t" in raw, (raw, code)
    ftp.raw(b"pwd\n")
    assert ftp.reply().code == 257
    ftp.raw(b"type     i   \r\n")
    assert ftp.reply().code == 200
    ftp.raw(b"\xff\xf1NOOP\r\n")        # Telnet NOP
    assert ftp.reply().code == 200


def test_empty_lines_do_no_harm(ftp):
    ftp.raw(b"\r\n\r\n\nNOOP\r\n")
    seen = []
    while not seen or seen[-1] not in (200,):
        seen.append(ftp.reply().code)
    assert set(seen[:-1]) <= {500}


def test_over_long_lines_are_500_and_skipped_whole(ftp):
    for n in (4 * 1024, 5000, 70000, 1000000):
        ftp.raw(b"CWD " + b"a/" * (n // 2) + b"NOOP" + b"\r\n")
        r = ftp.reply()
        assert r.code in ((500, 550, 553, 501) if n == 4096 else (500,)), (n, r)
        assert ftp.cmd("NOOP").code == 200


def test_a_long_line_that_stays_open_is_not_kept(ftp):
    for _ in range(64):
        ftp.raw(b"x" * 65536)
    ftp.raw(b"\r\n")
    assert ftp.reply().code == 500
    assert ftp.cmd("NOOP").code == 200


def test_nul_in_a_command_is_500(ftp):
    ftp.raw(b"MKD a\0b\r\n")
    assert ftp.reply().code in (500, 501)
    assert ftp.cmd("NOOP").code == 200
    assert "a" not in ftp.names()


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                                  b"POST /upload HTTP/1.0\r\nContent-Length: 6\r\n\r\nUSER x\r\n"])
def test_a_browser_is_no_ftp_client(server, line):
    """A page that makes a browser post FTP commands (inter-protocol attack) gets nowhere."""
    c = server.client(tls=None)
    c.raw(line)
    codes = []
    try:
        while not c.closed(0.05) or b"\n" in c.buffer:
            codes.append(c.reply().code)
    except EOFError:
        pass
    assert set(codes) <= {421, 500, 501, 530}, codes
    c.abandon()


def test_pipelined_commands_are_answered_in_order(ftp):
    ftp.raw(b"NOOP\r\nPWD\r\nSYST\r\nTYPE I\r\nXYZZY\r\nNOOP\r\n")
    assert [ftp.reply().code for _ in range(6)] == [200, 257, 215, 200, 500, 200]
    ftp.raw(b"NOOP\r\n" * 500)
    assert [ftp.reply().code for _ in range(500)] == [200] * 500


def test_commands_cut_into_single_bytes(ftp):
    for b in b"NOOP\r\n":
        ftp.raw(bytes([b]))
        time.sleep(0.005)
    assert ftp.reply().code == 200


def test_a_login_in_one_segment(server):
    c = server.client()
    c.raw(b"USER guest\r\nPASS " + PASSWORD.encode() + b"\r\nPWD\r\nQUIT\r\n")
    assert [c.reply().code for _ in range(4)] == [331, 230, 257, 221]
    assert c.closed(5)


def test_commands_are_answered_at_once(ftp):
    """Nagle and delayed ACK would cost 40 ms each (interop.md 15)."""
    ftp.cmd("NOOP")
    begin = Stopwatch()
    for _ in range(50):
        ftp.cmd("NOOP")
        ftp.cmd("EPSV")
    assert begin.own() < 2.0


def test_site_idle(ftp):
    assert ftp.cmd("SITE IDLE").code in (200, 211, 214)
    assert ftp.cmd("SITE IDLE 600").code == 200
    assert ftp.cmd("SITE IDLE 99999999").code in (501, 504, 550)
    assert ftp.cmd("SITE IDLE x").code == 501


def test_stat_without_a_path_is_211(ftp):
    r = ftp.cmd("STAT")
    assert r.code == 211
    assert "guest" in r.text
    assert PASSWORD not in r.text


def test_control_characters_in_names_come_back_harmless(ftp):
    r = ftp.cmd(b"CWD no\x1b[31m\x07such")
    assert r.code in (550, 501, 553)
    assert "\x1b" not in r.text and "\x07" not in r.text
    assert len(r.lines) == 1


@pytest.mark.slow
@pytest.mark.parametrize("tls", [None, "explicit"])
def test_replies_that_nobody_reads_cost_no_time(server, tls):
    """Lines behind them wait, wherever they are; the worker sleeps until they are read."""
    c = server.client(tls=tls)
    worker = server.worker_of(c)
    if worker is None:
        pytest.skip("the worker's descriptors cannot be read here")
    c.sock.settimeout(1)
    with pytest.raises(TimeoutError):
        while True:
            c.raw(b"HELP\r\n" * 2700)

    def ticks():
        fields = open(f"/proc/{worker}/stat").read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    before = ticks()
    time.sleep(1)
    assert ticks() - before < 20, "the worker spins"
    c.abandon()


@pytest.mark.parametrize("tls", [None, "explicit"])
def test_a_pipeline_is_served_whole_before_quit(server, tls):
    c = server.client(tls=tls)
    c.raw(b"HELP\r\n" * 300 + b"QUIT\r\n")
    assert [c.reply().code for _ in range(301)] == [214] * 300 + [221]
    assert c.closed()
