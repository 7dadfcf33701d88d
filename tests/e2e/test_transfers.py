"""Big, sparse, odd, interrupted, resumed, stalled."""

import hashlib
import os
import random
import socket
import time

import pytest

from ftpclient import Client
from harness import PASSWORD, procfs, wait_until
from patience import Stopwatch

GIB = 1 << 30


def random_file(path, size):
    """Random content, cheaply: its sha256."""
    h = hashlib.sha256()
    block = os.urandom(1 << 20)
    with open(path, "wb") as f:
        for n in range(size >> 20):
            part = block[n % 1000:] + n.to_bytes(8, "big") + block[:n % 1000]
            part = part[:1 << 20]
            f.write(part)
            h.update(part)
    return h.hexdigest()


def checksum(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while part := f.read(1 << 20):
            h.update(part)
    return h.hexdigest()


@pytest.mark.slow
@pytest.mark.limit(120)
@pytest.mark.parametrize("tls, version", [("explicit", "1.3"), ("explicit", "1.2"), (None, None)])
def test_a_big_file_up_and_down(request, scratch, tls, version):
    server = request.getfixturevalue("server" if tls else "clear_server")
    folder = server.folder()
    want = random_file(scratch / "big", 256 << 20)
    c = server.login(tls=tls, version=version, timeout=60)
    c.expect(250, "CWD " + folder.ftp)
    r, data = c.transfer("STOR big")
    with data, open(scratch / "big", "rb") as f:
        while part := f.read(1 << 20):
            data.sendall(part)
        c.finish(data)
    assert c.reply().code == 226
    assert checksum(folder.path("big")) == want
    h = hashlib.sha256()
    r, data = c.transfer("RETR big")
    with data:
        buffer = bytearray(1 << 20)
        while n := data.recv_into(buffer):
            h.update(memoryview(buffer)[:n])
    assert c.reply().code == 226
    assert h.hexdigest() == want
    c.quit()
    os.unlink(folder.path("big"))


@pytest.mark.slow
@pytest.mark.limit(120)
def test_a_sparse_file_over_4_gib(clear_server, clear_folder, clear_ftp):
    size = 4 * GIB + 300 * (1 << 20) + 17
    marks = {0: b"begin", GIB - 2: b"one gig", 2 * GIB - 3: b"two gigs", 4 * GIB - 4: b"four gigs",
             4 * GIB + 12345: b"beyond", size - 3: b"end"}
    path = clear_folder.make("sparse")
    with open(path, "r+b") as f:
        for at, text in marks.items():
            f.seek(at)
            f.write(text)
        f.truncate(size)
    clear_ftp.timeout = 60
    assert clear_ftp.cmd("SIZE sparse").text == f"213 {size}"
    assert clear_ftp.retr("RETR sparse", rest=size - 3) == b"end"
    assert clear_ftp.retr("RETR sparse", rest=4 * GIB + 12345)[:6] == b"beyond"
    r, data = clear_ftp.transfer("RETR sparse")
    at = 0
    buffer = bytearray(4 << 20)
    pending = sorted(marks.items())
    zeros = bytes(len(buffer))
    with data:
        while n := data.recv_into(buffer):
            inside = [(o, t) for o, t in pending if o < at + n and o + len(t) > at]
            if not inside:
                assert buffer[:n] == zeros[:n] if n < 4096 else not any(buffer[:n:4096])
            for o, t in inside:
                lo, hi = max(o, at), min(o + len(t), at + n)
                assert buffer[lo - at:hi - at] == t[lo - o:hi - o], f"wrong bytes at {o}"
            at += n
    assert at == size
    assert clear_ftp.reply().code == 226
    os.unlink(path)


@pytest.mark.limit(120)
def test_an_upload_continued_beyond_4_gib(server, folder, ftp):
    size = 4 * GIB + 1000
    path = folder.make("sparse")
    os.truncate(path, size)
    ftp.timeout = 60
    ftp.stor("STOR sparse", b"the end", rest=size)
    with open(path, "rb") as f:
        assert os.fstat(f.fileno()).st_size == size + 7
        f.seek(size - 4)
        assert f.read() == b"\0\0\0\0the end"
    ftp.stor("APPE sparse", b" and more")
    assert path.stat().st_size == size + 16
    assert ftp.retr("RETR sparse", rest=size) == b"the end and more"
    assert f"{size + 16}" in "".join(ftp.names("LIST sparse"))
    os.unlink(path)


@pytest.mark.slow
@pytest.mark.limit(120)
@pytest.mark.parametrize("kind", ["tls", "clear"])
def test_500_transfers_in_one_session(request, kind):
    ftp = request.getfixturevalue("ftp" if kind == "tls" else "clear_ftp")
    folder = request.getfixturevalue("folder" if kind == "tls" else "clear_folder")
    for n in range(250):
        content = b"%d" % n * 100
        mode = ("EPSV", "PASV", "PORT", "EPRT")[n % 4]
        ftp.stor(f"STOR f{n % 10}", content, mode=mode)
        assert ftp.retr(f"RETR f{n % 10}", mode=mode) == content, n
    assert len(folder.names()) == 10


# ---- directories -----------------------------------------------------------------------------
@pytest.mark.limit(90)
def test_20000_names(ftp, folder):
    names = [f"{n:05}-{'x' * (n % 60)}.dat" for n in range(20000)]
    random.Random(1).shuffle(names)
    for n in names:
        os.close(os.open(folder.path(n), os.O_CREAT | os.O_WRONLY, 0o644))
    names.sort()
    assert sorted(ftp.names("NLST")) == names      # as the file system has them
    assert [x.split()[-1] for x in ftp.names("LIST") if not x.startswith("total")] == names
    mlsd = [x.split(" ", 1)[1] for x in ftp.names("MLSD")]
    assert sorted(x for x in mlsd if x not in (".", "..")) == names
    assert len(ftp.names("NLST 0001*")) == 10
    begin = Stopwatch()
    ftp.names("LIST")
    assert begin.own() < 3


ODD = [b"with space", b" leading space", b"trailing space ", b"two  spaces",
       "Füße-日本語-🦊".encode(), b"latin1-\xe4\xf6\xfc", b"-dash", b"--", b"-rf",
       b'quo"tes', b"apo'strophe", b"per%cent%s%n",
       b"back\\slash", b"a;b=c; d", b"star*", b"quest?", b"[bracket]", b"{a,b}", b"~tilde", b"~",
       b"$HOME", b"`id`", b"tab\there", b"x" * 255, ("ä" * 127).encode(), b"...", b". dot",
       b"#hash", b"226 Transfer complete", b"CON", b"a:b", b"|pipe", b"trailing.", b"\xf0\x28\x8c\x28"]


@pytest.mark.parametrize("name", ODD, ids=[repr(n)[2:40] for n in ODD])
def test_odd_names(ftp, folder, name):
    content = os.urandom(100)
    ftp.stor(b"STOR " + name, content)
    assert os.listdir(os.fsencode(folder.disk)) == [name]
    assert ftp.retr(b"RETR " + name) == content
    assert ftp.cmd(b"SIZE " + name).code == 213
    shown = [x.encode("utf-8", "surrogateescape") for x in ftp.names("NLST -a")]
    assert name in shown or b"\t" in name
    shown = [x.encode("utf-8", "surrogateescape").split(b" ", 1)[1] for x in ftp.names("MLSD")]
    assert name in shown or b"\t" in name
    listed = [x for x in ftp.retr("LIST -A").split(b"\r\n") if x and not x.startswith(b"total")]
    assert len(listed) == 1 and (listed[0].endswith(b" " + name) or b"\t" in name)
    assert ftp.cmd(b"RNFR " + name).code == 350
    assert ftp.cmd(b"RNTO " + name[:200] + b"2").code == 250
    assert ftp.cmd(b"MKD " + name).code == 257
    assert ftp.cmd(b"CWD " + (b"./~" if name == b"~" else name)).code == 250
    assert ftp.cmd("CDUP").code in (200, 250)
    assert ftp.cmd(b"RMD " + name).code == 250
    assert ftp.cmd(b"DELE " + name[:200] + b"2").code == 250
    assert folder.names() == []


LOCAL = [b"new\nline", b"\r\n-rw-r--r-- 1 root root 1 Jan 1 2020 forged", b"carriage\rreturn",
         b"esc\x1b[2Jape", b"bell\x07", b"\x01\x02\x7f", b"type=dir; forged", b"\xff\xfe",
         b"a\n226 forged\n", b"tab\t", b"\xff\xf4\xff\xf2"]


@pytest.mark.parametrize("name", LOCAL, ids=range(len(LOCAL)))
def test_names_made_locally_list_safely(ftp, folder, name):
    """Whatever a local user calls a file: one entry is one line, and none is forged."""
    folder.make(name, b"x")
    folder.make("zzz", b"y")
    for line in ("NLST", "LIST", "LIST -la", "LIST -R", "MLSD"):
        text = ftp.retr(line)
        lines = [x for x in text.split(b"\r\n")
                 if x and not x.startswith(b"total") and x not in (b".:",)]
        if line in ("LIST -la", "MLSD"):
            lines = [x for x in lines if not x.endswith((b" .", b" .."))]
        if line == "LIST -R":
            lines = [x for x in lines if not x.endswith(b":")]
        assert len(lines) == 2, (line, text)
        for x in lines:
            assert b"\n" not in x and b"\r" not in x, (line, text)
        if line.startswith("LIST"):
            assert b"\x1b" not in text and b"\x07" not in text, (line, text)
    r = ftp.cmd("STAT " + folder.ftp)
    assert r.code in (211, 212, 213)
    assert len([x for x in r.inner if "zzz" in x]) == 1
    assert not any(x.startswith("226") for x in r.lines)
    assert ftp.cmd("NOOP").code == 200


def test_a_cr_in_a_name_is_written_as_telnet_says(ftp, folder):
    """RFC 2640 section 2.1: CR NUL in a path is a CR. One alone is taken for itself."""
    ftp.expect(257, b"MKD a\r\0b")
    ftp.expect(257, b"MKD c\rd\r\0")
    assert folder.names() == ["a\rb", "c\rd\r"]
    ftp.expect(250, b"RMD a\rb")
    ftp.expect(250, b"CWD c\r\0d\r\0")
    assert len(ftp.expect(257, "PWD").lines) == 1     # and replies have none: some clients end
    ftp.expect(250, "CDUP")                           # a line there
    ftp.expect(250, b"RMD c\r\0d\r\0")
    assert folder.names() == []


# ---- what happens to interrupted uploads -----------------------------------------------------
def cut(client, line, content, rest=None):
    """An upload whose connection breaks after content has arrived."""
    r, data = client.transfer(line, rest=rest)
    assert data is not None, r
    data.sendall(content)
    client.expect(200, "NOOP")
    time.sleep(0.1)
    raw = socket.socket(fileno=data.detach()) if hasattr(data, "unwrap") else data
    raw.shutdown(socket.SHUT_WR) if hasattr(data, "unwrap") else client.send("ABOR")
    r = client.reply()
    raw.close()
    assert r.code == 426, r
    if not hasattr(data, "unwrap"):
        client.reply()


@pytest.mark.parametrize("kind", ["tls", "clear"])
def test_a_failed_overwrite_leaves_the_old_file(request, kind):
    ftp = request.getfixturevalue("ftp" if kind == "tls" else "clear_ftp")
    folder = request.getfixturevalue("folder" if kind == "tls" else "clear_folder")
    folder.make("f", b"the old content")
    cut(ftp, "STOR f", b"new" * 10000)
    assert folder.read("f") == b"the old content"
    ftp.stor("STOR f", b"all of the new")
    assert folder.read("f") == b"all of the new"
    assert folder.names() == ["f"], "a part was left behind"


@pytest.mark.parametrize("how", ["STOR", "APPE"])
@pytest.mark.parametrize("kind", ["tls", "clear"])
def test_an_interrupted_upload_is_resumed(request, kind, how):
    ftp = request.getfixturevalue("ftp" if kind == "tls" else "clear_ftp")
    folder = request.getfixturevalue("folder" if kind == "tls" else "clear_folder")
    content = os.urandom(3 << 20)
    cut(ftp, "STOR f", content[:1 << 20])
    assert not folder.path("f").exists(), "an unfinished upload is visible on disk"
    r = ftp.cmd("SIZE f")
    assert r.code == 213, "over FTP the unfinished file has its final name"
    size = int(r.text.split()[1])
    assert 0 < size <= 1 << 20
    assert "f" in ftp.names("NLST")
    if how == "STOR":
        ftp.stor("STOR f", content[size:], rest=size)
    else:
        ftp.stor("APPE f", content[size:])
    assert hashlib.sha256(folder.read("f")).digest() == hashlib.sha256(content).digest()
    assert folder.names() == ["f"]


def test_an_upload_resumed_in_another_session_after_three_cuts(server, folder):
    content = os.urandom(2 << 20)
    size = 0
    for n in range(3):
        c = server.login()
        c.expect(250, "CWD " + folder.ftp)
        cut(c, "STOR f", content[size:size + 500000], rest=size or None)
        size = int(c.expect(213, "SIZE f").text.split()[1])
        c.abandon()
    assert size > 0
    c = server.login()
    c.expect(250, "CWD " + folder.ftp)
    c.stor("STOR f", content[size:], rest=size)
    assert folder.read("f") == content
    assert folder.names() == ["f"]
    c.quit()


@pytest.mark.parametrize("kind", ["tls", "clear"])
def test_what_comes_slowly_does_not_wait_in_memory(request, kind):
    """Whoever dies then loses little, and the file tells that its client is not silent."""
    ftp = request.getfixturevalue("ftp" if kind == "tls" else "clear_ftp")
    folder = request.getfixturevalue("folder" if kind == "tls" else "clear_folder")
    r, data = ftp.transfer("STOR f")
    assert data is not None, r
    partial, size = folder.path(".sp-part.f"), 200_000
    data.sendall(b"x" * size)
    with data:
        for _ in range(3):
            assert wait_until(lambda: partial.exists() and partial.stat().st_size == size, 20)
            data.sendall(b"y" * 10)
            size += 10
        ftp.finish(data)
    assert ftp.reply().code == 226
    assert folder.path("f").stat().st_size == size


def test_an_interrupted_upload_begun_afresh(ftp, folder):
    cut(ftp, "STOR f", b"x" * 300000)
    ftp.stor("STOR f", b"short")
    assert folder.read("f") == b"short"
    assert folder.names() == ["f"]


def test_an_interrupted_upload_can_be_deleted_and_renamed(ftp, folder):
    cut(ftp, "STOR f", b"x" * 300000)
    assert ftp.cmd("DELE f").code == 250
    assert ftp.cmd("SIZE f").code == 550
    assert folder.names() == []


def test_an_interrupted_resume_of_a_complete_file_keeps_it(ftp, folder):
    folder.make("f", b"0123456789")
    cut(ftp, "STOR f", b"x" * 300000, rest=10)
    assert folder.read("f")[:10] == b"0123456789"
    size = int(ftp.expect(213, "SIZE f").text.split()[1])
    ftp.stor("STOR f", b"END", rest=size)
    got = folder.read("f")
    assert got.startswith(b"0123456789") and got.endswith(b"END")


def test_an_upload_is_invisible_until_complete(ftp, folder, server):
    r, data = ftp.transfer("STOR f")
    for _ in range(5):
        data.sendall(b"x" * 100000)
        time.sleep(0.05)
        assert "f" not in folder.names()
    with data:
        ftp.finish(data)
    assert ftp.reply().code == 226
    assert folder.names() == ["f"]
    assert folder.path("f").stat().st_size == 500000


def test_two_uploads_of_one_name_do_not_mix(server, folder, ftp):
    r, data = ftp.transfer("STOR f")
    data.sendall(b"A" * 100000)
    other = server.login()
    other.expect(250, "CWD " + folder.ftp)
    r, second = other.transfer("STOR f")
    if second is not None:
        with second:
            second.sendall(b"B" * 50000)
            other.finish(second)
        other.reply()
    else:
        assert r.code in (450, 550, 553), r
    with data:
        data.sendall(b"A" * 100000)
        ftp.finish(data)
    assert ftp.reply().code == 226
    assert folder.read("f") in (b"A" * 200000, b"B" * 50000)
    other.quit()


def test_a_file_overwritten_during_its_download_is_read_whole(ftp, server, folder):
    old = os.urandom(16 << 20)
    folder.make("f", old)
    r, data = ftp.transfer("RETR f")
    got = data.recv(1000)
    other = server.login()
    other.stor(f"STOR {folder.ftp}/f", b"new")
    with data:
        got += ftp.receive(data)
    assert ftp.reply().code == 226
    assert got == old
    assert folder.read("f") == b"new"
    other.quit()


# ---- time ------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.limit(60)
def test_idle_sessions_end_and_long_transfers_do_not(make_server):
    s = make_server(idle_timeout="10 s", data_stall_timeout="1 min")
    folder = s.folder()
    folder.make("big", os.urandom(20 << 20))
    idle, active, up = s.login(), s.login(), s.login()
    r, data = active.transfer(f"RETR {folder.ftp}/big")
    r, updata = up.transfer(f"STOR {folder.ftp}/up")
    begin = Stopwatch()
    while begin.passed() < 15:        # a byte now and then: slow, but not stalled
        updata.sendall(b"x")
        data.recv(20000)
        time.sleep(0.5)
    assert idle.closed(5), "an idle session outlived idle_timeout"
    assert idle.buffer.startswith(b"421"), idle.buffer
    with data:
        active.receive(data)
    assert active.reply().code == 226
    assert active.cmd("NOOP").code == 200
    with updata:
        up.finish(updata)
    assert up.reply().code == 226
    up.quit()
    active.quit()
    s.wait_log(r"idle|session\.(end|clos)", 0)


@pytest.mark.slow
@pytest.mark.limit(60)
def test_a_slow_reader_is_not_stalled(make_server):
    """Less than what is gathered for one send, in less than the time for it: still progress."""
    s = make_server(data_stall_timeout="5 s")
    folder = s.folder()
    folder.make("big", os.urandom(20 << 20))
    c = s.login()
    r, data = c.transfer(f"RETR {folder.ftp}/big", before=lambda d: d.setsockopt(
        socket.SOL_SOCKET, socket.SO_RCVBUF, 4096))
    begin = Stopwatch()
    while begin.passed() < 15:
        assert data.recv(4096)
        time.sleep(0.2)
    c.send("STAT")
    assert c.reply().code == 211, "a transfer that moved was ended"
    Client.reset(data)
    c.abandon()


@pytest.mark.slow
@pytest.mark.limit(60)
def test_stalled_transfers_end(make_server):
    s = make_server(data_stall_timeout="5 s")
    folder = s.folder()
    folder.make("big", os.urandom(20 << 20))
    down, up = s.login(), s.login()
    r, data = down.transfer(f"RETR {folder.ftp}/big")
    r, updata = up.transfer(f"STOR {folder.ftp}/up")
    updata.sendall(b"x" * 1000)
    begin = Stopwatch()
    for c in (down, up):
        assert c.reply().code in (421, 426)
    assert 3 < begin.passed() and begin.own() < 14
    assert not folder.path("up").exists()
    Client.reset(data)
    Client.reset(updata)
    for c in (down, up):
        c.abandon()


@pytest.mark.slow
def test_site_idle_shortens_the_wait(make_server):
    s = make_server()
    c = s.login()
    assert c.cmd("SITE IDLE 10").code == 200
    begin = Stopwatch()
    assert c.closed(20)
    assert 7 < begin.passed() and begin.own() < 15


@pytest.mark.slow
@pytest.mark.limit(120)
def test_memory_of_a_worker_is_flat(server, folder, world):
    """What a client sends does not pile up."""
    world.not_sanitized("it keeps freed memory for a while")
    c = server.login()
    c.expect(250, "CWD " + folder.ftp)
    worker = server.worker_of(c)
    if worker is None:
        pytest.skip("the worker's descriptors cannot be read here")

    def round_(n):
        for k in range(n):
            c.raw(b"NOOP\r\nPWD\r\nXYZZY " + b"y" * 3000 + b"\r\nCWD /no/such\r\nMLST\r\nSIZE x\r\n"
                  b"REST 5\r\nRNFR x\r\nSTAT\r\nHELP\r\nFEAT\r\nOPTS UTF8 ON\r\nEPSV\r\nTYPE I\r\n"
                  b"REST 0\r\n")
            for _ in range(15):
                c.reply()
        c.raw(b"z" * 300000 + b"\r\n")
        c.reply()
        for k in range(n // 10):
            c.stor("STOR f", b"x" * 100)
            c.retr("RETR f")
            c.names("LIST")

    round_(100)
    before = procfs.resident(worker)
    round_(700)
    after = procfs.resident(worker)
    assert after - before < 512 * 1024, f"grew from {before} to {after} bytes"
    c.quit()


@pytest.mark.slow
def test_a_client_that_never_reads_replies_is_bounded(server, world):
    """Commands pipelined without end, replies never read: the server stops reading, too."""
    world.not_sanitized("it keeps freed memory for a while")
    c = server.login()
    worker = server.worker_of(c)
    before = procfs.resident(worker) if worker else 0
    c.sock.settimeout(3)
    try:
        for _ in range(2000):
            c.sock.sendall(b"HELP\r\n" * 5000)
    except (OSError, TimeoutError):
        pass
    if worker and wait_until(lambda: procfs.alive(worker), 0.1):
        assert procfs.resident(worker) - before < 4 << 20
    Client.reset(c.sock)
    server.login("guest", PASSWORD).quit()
