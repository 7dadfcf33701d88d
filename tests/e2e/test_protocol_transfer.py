"""RETR, STOR, APPE, STOU, REST, ASCII, ABOR, and commands while a transfer runs."""

import hashlib
import os
import re
import time

import pytest

from ftpclient import Client
from harness import wait_until

BIG = 24 << 20                  # more than all socket buffers on the way


@pytest.fixture
def big(folder):
    content = os.urandom(1 << 20) * (BIG >> 20)
    folder.make("big", content)
    return content


@pytest.fixture
def clear_big(clear_folder):
    content = os.urandom(1 << 20) * (BIG >> 20)
    clear_folder.make("big", content)
    return content


@pytest.mark.parametrize("size", [0, 1, 2, 1459, 1460, 16383, 16384, 16385, 65536, 131073,
                                  1048576, 3333333])
def test_sizes_around_every_boundary(ftp, folder, size):
    content = os.urandom(size)
    ftp.stor("STOR f", content)
    assert folder.read("f") == content
    assert ftp.retr("RETR f") == content
    assert folder.names() == ["f"]


@pytest.mark.parametrize("size", [0, 1, 65536, 3333333])
def test_sizes_in_clear(clear_ftp, clear_folder, size):
    content = os.urandom(size)
    clear_ftp.stor("STOR f", content)
    assert clear_folder.read("f") == content
    assert clear_ftp.retr("RETR f") == content
    assert clear_ftp.retr("RETR f", mode="PORT") == content


def test_226_tells_bytes(ftp, folder):
    assert re.search(r"\b5000\b", ftp.stor("STOR f", b"x" * 5000).text)
    r, data = ftp.transfer("RETR f")
    assert re.search(r"\b5000\b", r.text), r            # clients show progress from it
    with data:
        ftp.receive(data)
    assert ftp.reply().code == 226


def test_a_transfer_is_logged(ftp, folder, server):
    mark = server.mark()
    ftp.stor("STOR logged name", b"x" * 4321)
    line = server.wait_log(r"transfer.*4321", mark)
    assert "guest" in line or re.search(r"session=\S+", line)
    assert "logged" in line and "logged name" not in line, "a name must be escaped"
    assert "STOR" in line and "127.0.0.1" in line


def test_retr_of_what_is_no_file_is_550_before_150(ftp, folder):
    folder.mkdir("dir")
    for name in ("nothing", "dir", ".", "/", "..", "nothing/deeper"):
        ftp.passive()
        r = ftp.cmd("RETR " + name)
        assert r.code == 550, (name, r)


def test_stor_that_cannot_be_is_refused_before_150(ftp, folder):
    folder.mkdir("dir")
    for name in ("dir", ".", "/", "nothing/deeper"):
        ftp.passive()
        r = ftp.cmd("STOR " + name)
        assert r.code in (550, 553), (name, r)


def test_stor_overwrites(ftp, folder):
    folder.make("f", b"a long old content")
    ftp.stor("STOR f", b"new")
    assert folder.read("f") == b"new"
    assert folder.names() == ["f"]


def test_appe(ftp, folder):
    ftp.stor("APPE log", b"one ")
    ftp.stor("APPE log", b"two")
    assert folder.read("log") == b"one two"


def test_stou_names_the_file(ftp, folder):
    names = set()
    for n in range(5):
        r, data = ftp.transfer("STOU" if n % 2 else "STOU given")
        m = re.match(r"(?:125|150) FILE: (.+)$", r.lines[0])
        assert m, f"RFC 1123 section 4.1.2.9 wants '150 FILE: name': {r}"
        with data:
            data.sendall(b"scan %d" % n)
            ftp.finish(data)
        assert ftp.reply().code in (226, 250)
        names.add(m.group(1).rsplit("/", 1)[-1])
        assert folder.read(m.group(1).rsplit("/", 1)[-1]) == b"scan %d" % n
    assert len(names) == 5 and set(folder.names()) == names


def test_rest_and_retr(ftp, folder):
    folder.make("f", b"0123456789")
    assert ftp.retr("RETR f", rest=4) == b"456789"
    assert ftp.retr("RETR f") == b"0123456789"          # used up
    assert ftp.retr("RETR f", rest=0) == b"0123456789"
    assert ftp.retr("RETR f", rest=10) == b""
    r, data = ftp.transfer("RETR f", rest=11)
    assert data is None and r.code in (550, 554), r


def test_rest_is_counted_in_the_type_of_the_transfer(ftp, folder):
    folder.make("f", b"a\nb\nc\n")
    ftp.expect(350, "REST 3")
    ftp.expect(200, "TYPE A")
    assert ftp.retr("RETR f") == b"b\r\nc\r\n"


def test_rest_before_pasv_is_kept(ftp, folder):
    """Some clients send REST, then PASV (RFC 3659 section 5 has it the other way round)."""
    folder.make("f", b"0123456789")
    ftp.expect(350, "REST 5")
    assert ftp.retr("RETR f") == b"56789"


def test_rest_and_stor(ftp, folder):
    folder.make("f", b"0123456789")
    ftp.stor("STOR f", b"abc", rest=4)
    assert folder.read("f")[:7] == b"0123abc"
    assert folder.read("f") in (b"0123abc", b"0123abc789")
    ftp.stor("STOR f", b"END", rest=len(folder.read("f")))
    assert folder.read("f").endswith(b"abcEND") or folder.read("f").endswith(b"789END")
    before = folder.read("f")
    r, data = ftp.transfer("STOR f", rest=4000)
    if data is not None:
        data.close()
    assert data is None and r.code in (550, 554), r     # a hole is no upload
    assert folder.read("f") == before


def test_rest_and_appe(ftp, folder):
    """FileZilla resumes an upload by APPE, others by REST + STOR."""
    folder.make("f", b"01234")
    ftp.stor("APPE f", b"56789")
    assert folder.read("f") == b"0123456789"


# ---- ASCII -----------------------------------------------------------------------------------
ASCII = [(b"", b""), (b"a\n", b"a\r\n"), (b"a\nb", b"a\r\nb"), (b"\n\n\n", b"\r\n\r\n\r\n"),
         (b"a\rb\n", b"a\rb\r\n"), (b"x" * 100000 + b"\n", b"x" * 100000 + b"\r\n"),
         (b"line of text\n" * 50000, b"line of text\r\n" * 50000)]


@pytest.mark.parametrize("disk, wire", ASCII, ids=range(len(ASCII)))
def test_ascii_both_ways(ftp, folder, disk, wire):
    folder.make("text", disk)
    ftp.expect(200, "TYPE A")
    assert ftp.retr("RETR text") == wire
    ftp.stor("STOR copy", wire)
    assert folder.read("copy") == disk


def test_crlf_cut_between_two_segments(clear_ftp, clear_folder):
    clear_ftp.expect(200, "TYPE A")
    r, data = clear_ftp.transfer("STOR f")
    for part in (b"one\r", b"\ntwo\r", b"x\r", b"\r\n", b"\nend\r"):
        data.sendall(part)
        time.sleep(0.05)
    data.close()
    assert clear_ftp.reply().code == 226
    assert clear_folder.read("f") == b"one\ntwo\rx\r\n\nend\r"


def test_ascii_upload_of_bare_line_feeds_keeps_them(ftp, folder):
    ftp.expect(200, "TYPE A")
    ftp.stor("STOR f", b"unix\nlines\n")
    assert folder.read("f") == b"unix\nlines\n"


def test_rest_in_ascii_counts_transferred_octets(ftp, folder):
    folder.make("f", b"ab\ncd\nef\n")
    ftp.expect(200, "TYPE A")
    whole = b"ab\r\ncd\r\nef\r\n"
    for n in range(len(whole)):
        r, data = ftp.transfer("RETR f", rest=n)
        if data is None:
            assert r.code in (501, 504, 550, 554), r
            continue
        with data:
            got = ftp.receive(data)
        assert ftp.reply().code == 226
        assert got == whole[n:], n


def test_rest_in_ascii_beyond_the_end(ftp, folder):
    folder.make("f", b"ab\ncd\n")
    ftp.expect(200, "TYPE A")
    assert ftp.retr("RETR f", rest=8) == b""
    r, data = ftp.transfer("RETR f", rest=9)
    data.close()
    assert ftp.reply().code == 554
    assert ftp.transfer("RETR f", rest=100)[0].code == 554
    assert ftp.transfer("STOR f", rest=9)[0].code == 554
    ftp.stor("STOR f", b"ef\r\n", rest=8)
    assert folder.read("f") == b"ab\ncd\nef\n"


def test_ascii_is_counted_so_far_and_no_further(make_server):
    """Permits come first: who may not upload is told so, whatever the length."""
    s = make_server(ascii_size_most="1000 B")
    for user, codes in (("guest", (213, 550, 226, 554)), ("reader", (213, 550, 550, 550))):
        jail = s.jail(user)
        for name, length in (("short", 1000), ("long", 3000)):
            jail.joinpath(name).write_bytes(b"x" * length)
            s.own(jail / name)
        c = s.login(user=user)
        c.expect(200, "TYPE A")
        assert (c.cmd("SIZE short").code, c.cmd("SIZE long").code) == codes[:2]
        for rest, code in zip((1000, 2000), codes[2:]):
            r, data = c.transfer("STOR long", rest=rest)
            if data is not None:
                with data:
                    data.sendall(b"y" * 2000)
                    c.finish(data)
                r = c.reply()
            assert r.code == code, r
            assert code != 550 or "Not permitted" in r.text
        c.quit()
    assert s.jail("guest").joinpath("long").read_bytes() == b"x" * 1000 + b"y" * 2000


# ---- while a transfer runs -------------------------------------------------------------------
def test_noop_and_stat_during_a_download(ftp, big):
    r, data = ftp.transfer("RETR big")
    with data:
        got = data.recv(1000)
        assert ftp.cmd("NOOP").code == 200
        r = ftp.cmd("STAT")
        assert r.code in (211, 213), r
        assert re.search(r"\d{3,}", r.text)
        got += ftp.receive(data)
    assert got == big
    assert ftp.reply().code == 226


def test_noop_and_stat_during_an_upload(ftp, folder):
    content = os.urandom(500000)
    r, data = ftp.transfer("STOR f")
    with data:
        data.sendall(content[:300000])
        assert ftp.cmd("NOOP").code == 200
        assert ftp.cmd("STAT").code in (211, 213)
        data.sendall(content[300000:])
        ftp.finish(data)
    assert ftp.reply().code == 226
    assert folder.read("f") == content


def test_other_commands_wait_or_are_refused_during_a_transfer(ftp, big):
    r, data = ftp.transfer("RETR big")
    ftp.raw(b"PWD\r\nNOOP\r\n")
    with data:
        assert ftp.receive(data) == big
    seen = [ftp.reply().code for _ in range(3)]
    assert sorted(seen) in ([200, 226, 257], [200, 226, 503], [200, 226, 450]), seen
    assert ftp.cmd("NOOP").code == 200


def test_quit_during_a_download_waits_for_its_end(ftp, big):
    r, data = ftp.transfer("RETR big")
    ftp.send("QUIT")
    time.sleep(0.3)
    with data:
        assert ftp.receive(data) == big
    assert [ftp.reply().code, ftp.reply().code] == [226, 221]
    assert ftp.closed(5)


def test_quit_during_an_upload_waits_for_its_end(ftp, folder):
    r, data = ftp.transfer("STOR f")
    with data:
        data.sendall(b"one ")
        ftp.send("QUIT")
        time.sleep(0.3)
        data.sendall(b"two")
        ftp.finish(data)
    assert [ftp.reply().code, ftp.reply().code] == [226, 221]
    assert folder.read("f") == b"one two"


def abort(client, how):
    if how == "synch":
        client.synch()
    elif how == "lower":
        client.send("abor")
    else:
        client.send("ABOR")


def drain(data):
    """Read what is left, however the connection ends."""
    try:
        while data.recv(262144):
            pass
    except OSError:
        pass
    data.close()


@pytest.mark.parametrize("how", ["plain", "synch", "lower"])
@pytest.mark.parametrize("kind", ["tls", "clear"])
def test_abor_during_a_download(request, how, kind):
    ftp = request.getfixturevalue("ftp" if kind == "tls" else "clear_ftp")
    content = request.getfixturevalue("big" if kind == "tls" else "clear_big")
    r, data = ftp.transfer("RETR big")
    data.recv(1000)
    abort(ftp, how)
    assert ftp.reply().code == 426
    drain(data)
    assert ftp.reply().code in (225, 226)
    assert ftp.cmd("NOOP").code == 200
    assert hashlib.sha256(ftp.retr("RETR big")).digest() == hashlib.sha256(content).digest()


@pytest.mark.parametrize("how", ["plain", "synch"])
@pytest.mark.parametrize("kind", ["tls", "clear"])
def test_abor_during_an_upload(request, how, kind):
    ftp = request.getfixturevalue("ftp" if kind == "tls" else "clear_ftp")
    folder = request.getfixturevalue("folder" if kind == "tls" else "clear_folder")
    folder.make("f", b"the old content")
    r, data = ftp.transfer("STOR f")
    data.sendall(b"half of the new")
    abort(ftp, how)
    assert ftp.reply().code == 426
    assert ftp.reply().code in (225, 226)
    drain(data)
    assert folder.read("f") == b"the old content"
    assert ftp.cmd("NOOP").code == 200
    ftp.stor("STOR f", b"new")
    assert folder.read("f") == b"new"


@pytest.mark.parametrize("how", ["plain", "synch"])
@pytest.mark.parametrize("kind", ["tls", "clear"])
def test_abor_without_a_transfer(request, how, kind):
    ftp = request.getfixturevalue("ftp" if kind == "tls" else "clear_ftp")
    abort(ftp, how)
    assert ftp.reply().code in (225, 226)
    assert ftp.cmd("NOOP").code == 200
    ftp.names("NLST")
    abort(ftp, how)
    assert ftp.reply().code in (225, 226)
    assert ftp.cmd("NOOP").code == 200


def test_abor_after_pasv_before_the_transfer(ftp):
    ftp.passive()
    assert ftp.cmd("ABOR").code in (225, 226)
    ftp.names("NLST")


def test_abor_while_the_data_connection_is_awaited(ftp, folder):
    folder.make("f", b"x")
    ftp.passive()
    ftp.send("RETR f")
    time.sleep(0.2)
    ftp.send("ABOR")
    codes = [ftp.reply().code]
    while codes[-1] not in (225, 226):
        codes.append(ftp.reply().code)
    assert [c for c in codes if c in (425, 426)], codes
    assert ftp.cmd("NOOP").code == 200
    assert ftp.retr("RETR f") == b"x"


def test_abor_that_comes_with_the_command_itself(ftp, folder):
    folder.make("f", b"x" * 10)
    s = ftp.passive()
    ftp.raw(b"RETR f\r\nABOR\r\nNOOP\r\n")
    codes = []
    while not codes or codes[-1] != 200:
        codes.append(ftp.reply().code)
    assert codes[-2] in (225, 226) and s


def test_abor_of_a_listing(ftp, folder):
    for n in range(3000):
        (folder.disk / f"{n:04}-{'x' * 200}").touch()
    r, data = ftp.transfer("LIST")
    data.recv(100)
    ftp.send("ABOR")
    codes = [ftp.reply().code]
    drain(data)
    while codes[-1] not in (225, 226) or len(codes) < 2:
        codes.append(ftp.reply().code)
    assert codes in ([426, 226], [426, 225], [226, 226], [226, 225]), codes
    assert len(ftp.names("NLST")) == 3000


def test_a_client_that_closes_its_data_connection_in_a_download(ftp, big):
    r, data = ftp.transfer("RETR big")
    data.recv(1000)
    Client.reset(data)
    assert ftp.reply().code in (426, 451)
    assert ftp.retr("RETR big") == big


def test_a_client_that_resets_its_upload_publishes_nothing(ftp, folder):
    r, data = ftp.transfer("STOR f")
    data.sendall(b"x" * 100000)
    Client.reset(data)
    assert ftp.reply().code in (426, 451)
    assert not folder.path("f").exists()


def test_a_client_that_vanishes_in_an_upload_publishes_nothing(server, folder):
    c = server.login()
    c.expect(250, "CWD " + folder.ftp)
    worker = server.worker_of(c)
    r, data = c.transfer("STOR f")
    data.sendall(b"x" * 100000)
    Client.reset(data)
    Client.reset(c.sock)
    if worker:
        assert wait_until(lambda: not os.path.exists(f"/proc/{worker}"), 10)
    time.sleep(0.2)
    assert not folder.path("f").exists()


def test_a_client_that_vanishes_in_a_download(server, folder, big):
    c = server.login()
    c.expect(250, "CWD " + folder.ftp)
    worker = server.worker_of(c)
    r, data = c.transfer("RETR big")
    data.recv(100)
    Client.reset(c.sock)
    if worker:
        assert wait_until(lambda: not os.path.exists(f"/proc/{worker}"), 10), \
            "the worker of a client that is gone lives on"
    drain(data)
