"""tls_kernel = true under a kernel that can: what is sent is right, and the kernel sealed it.

Runs as root in the virtual machine of tests/kernel/run: the counters are the whole system's,
and one test takes the module away.
"""

import ctypes
import hashlib
import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

import procfs
from ftpclient import Client
from harness import PASSWORD, Server, run, times, wait_until
from rawtls import RawClient

pytestmark = pytest.mark.skipif(
    not os.environ.get("SALLYPORT_KERNEL"),
    reason="changes and counts what belongs to the whole system: run it by tests/kernel/run")

TCP_ULP = 31
FINIT_MODULE, DELETE_MODULE = 313, 176          # x86-64
RECORD = 16384
KIB, MIB = 1 << 10, 1 << 20
CONTENT = os.urandom(MIB + 17)
LINES = b"to be sealed by whom\n" * 20000
CIPHERS = {"TLS_AES_128_GCM_SHA256": 128, "TLS_AES_256_GCM_SHA384": 256,
           "TLS_CHACHA20_POLY1305_SHA256": 256}


# ---- what the kernel counts ------------------------------------------------------------------
def counters():
    text = Path("/proc/net/tls_stat").read_text()
    return {k: int(v) for k, v in map(str.split, text.splitlines())}


class Sealed:
    """with Sealed(n): the kernel took n connections to seal (None: some or none), none to
    open, and is done."""

    def __init__(self, count):
        self.count = count

    def __enter__(self):
        self.before = counters()

    def __exit__(self, failure, *_):
        if failure:
            return
        now = counters()
        if self.count is not None:
            assert now["TlsTxSw"] - self.before["TlsTxSw"] == self.count
        for opened in ("TlsRxSw", "TlsRxDevice", "TlsTxDevice", "TlsDecryptError"):
            assert now[opened] == self.before[opened], opened
        assert wait_until(lambda: counters()["TlsCurrTxSw"] == 0, 5), "a connection is left"


# ---- servers ---------------------------------------------------------------------------------
def served(world, name, **settings):
    s = Server(world, name, **settings)
    s.start()
    yield s
    s.stop()


@pytest.fixture(scope="module")
def sealing(world):
    yield from served(world, "sealing", tls_kernel=True)


@pytest.fixture(scope="module")
def plain(world):
    yield from served(world, "plain", tls_kernel=False)


@pytest.fixture(params=["yes", "no"])
def either(request, sealing, plain):
    """Both settings, which must do the same but for who seals."""
    s = sealing if request.param == "yes" else plain
    s.seals = int(request.param == "yes")
    return s


def session(server, kind=Client, **kw):
    """A guest's session in a fresh folder, which is c.folder."""
    kw.setdefault("version", "1.3")
    c = server.login(**kw) if kind is Client else kind.of(server, **kw)
    c.folder = server.folder()
    c.expect(250, "CWD " + c.folder.ftp)
    return c


@pytest.fixture
def ftp(sealing):
    c = session(sealing)
    yield c
    c.abandon()


def big(folder, name="big", size=64 * MIB):
    """A file of random content that repeats at no record's length; its digest."""
    block, h, left = os.urandom(MIB - 31), hashlib.sha256(), size
    with open(folder.make(name), "wb") as f:
        while left > 0:
            part = block[:left]
            f.write(part)
            h.update(part)
            left -= len(part)
    return h.digest()


def digest(data):
    """Of all that comes, to the close_notify."""
    h = hashlib.sha256()
    buffer = bytearray(MIB)
    while n := data.recv_into(buffer):
        h.update(memoryview(buffer)[:n])
    return h.digest()


def ends_badly(data):
    """What still came, after which a client must not believe that it was all."""
    n = 0
    with pytest.raises(OSError):
        while True:
            part = data.recv(MIB)
            if not part:
                break
            n += len(part)
    data.close()
    return n


# ---- the machine -----------------------------------------------------------------------------
def test_this_kernel_has_the_module():
    with socket.create_server(("127.0.0.1", 0)) as listener, \
            socket.create_connection(listener.getsockname()) as s:
        s.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
    assert "TlsTxSw" in counters()


def test_the_server_finds_it(sealing):
    assert "tls.kernel" not in sealing.log()


# ---- who seals -------------------------------------------------------------------------------
SIZES = [0, 1, RECORD - 1, RECORD, RECORD + 1, 2 * RECORD, 65536, 65537, 300 * KIB, len(CONTENT)]


@pytest.mark.parametrize("size", SIZES)
def test_a_download(either, size):
    c = session(either)
    c.folder.make("f", CONTENT[:size])
    with Sealed(either.seals):
        assert c.retr("RETR f") == CONTENT[:size]
    c.quit()


@pytest.mark.parametrize("host, mode", [("127.0.0.1", "PASV"), ("127.0.0.1", "EPSV"),
                                        ("127.0.0.1", "PORT"), ("127.0.0.1", "EPRT"),
                                        ("::1", "EPSV"), ("::1", "EPRT")])
@pytest.mark.parametrize("tls", ["explicit", "implicit"])
def test_a_download_whichever_way_it_is_connected(sealing, host, mode, tls):
    c = session(sealing, host=host, tls=tls)
    c.folder.make("f", CONTENT)
    with Sealed(1):
        assert c.retr("RETR f", mode=mode) == CONTENT
    c.quit()


@pytest.mark.limit(120)
def test_64_mib(either):
    c = session(either)
    want = big(c.folder)
    with Sealed(either.seals):
        r, data = c.transfer("RETR big")
        with data:
            assert digest(data) == want
        assert c.reply().code == 226
    os.unlink(c.folder.path("big"))
    c.quit()


def test_uploads(ftp):
    """Nothing is opened by it. What little is sent may be: when a connection is secured, it
    can be open which way it will be used."""
    with Sealed(None):
        for line in ("STOR f", "APPE f", "STOU"):
            ftp.stor(line, CONTENT)
    assert ftp.folder.read("f") == CONTENT * 2
    assert ftp.retr("RETR f", rest=len(CONTENT)) == CONTENT


def test_tls_1_2_is_not_sealed_by_it(sealing):
    c = session(sealing, version="1.2")
    with Sealed(0):
        c.stor("STOR f", CONTENT)
        assert c.retr("RETR f") == CONTENT
        assert c.names("NLST") == ["f"]
    c.quit()


def test_control_connections_are_not_sealed_by_it(sealing):
    with Sealed(0):
        c = session(sealing)
        for _ in range(50):
            assert c.cmd("NOOP").code == 200
        c.quit()


@pytest.mark.parametrize("cipher", CIPHERS)
def test_each_cipher(make_server, cipher):
    s = make_server(tls_kernel=True, tls_ciphersuites=cipher)
    c = session(s)
    c.folder.make("f", CONTENT)
    with Sealed(1):
        r, data = c.transfer("RETR f")
        with data:
            assert data.cipher()[0] == cipher and data.cipher()[2] == CIPHERS[cipher]
            assert c.receive(data) == CONTENT
        assert c.reply().code == 226
    with Sealed(1):
        assert c.names("MLSD")
    c.quit()


# ---- listings and what else goes through memory ----------------------------------------------
@pytest.mark.limit(120)
def test_listings(either):
    c = session(either)
    names = [f"name-{n:04}-{'x' * (n % 50)}" for n in range(1500)]
    for n in names:
        c.folder.path(n).touch()
    for line in ("MLSD", "NLST", "LIST"):
        with Sealed(either.seals):
            listed = [x.split()[-1] for x in c.names(line) if not x.startswith("total")]
        assert sorted(x for x in listed if x not in (".", "..")) == names, line
    c.quit()


def test_ascii(either):
    c = session(either)
    c.folder.make("f", LINES)
    c.expect(200, "TYPE A")
    with Sealed(either.seals):
        assert c.retr("RETR f") == LINES.replace(b"\n", b"\r\n")
    c.quit()


@pytest.mark.parametrize("at", [1, RECORD - 1, RECORD, 150001, len(CONTENT) - RECORD - 1,
                                len(CONTENT) - 1, len(CONTENT)])
def test_rest_in_the_middle(ftp, at):
    ftp.folder.make("f", CONTENT)
    with Sealed(1):
        assert ftp.retr("RETR f", rest=at) == CONTENT[at:]


# ---- ends ------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [0, 1, RECORD, 300 * KIB])
def test_a_download_ends_with_close_notify_and_fin(either, size):
    """Both are there before the client has said its own; unwrap raises where ours is not."""
    c = session(either)
    c.folder.make("f", CONTENT[:size])
    r, data = c.transfer("RETR f")
    assert c.receive(data) == CONTENT[:size]
    bare = data.unwrap()
    assert bare.recv(10) == b"", "something behind close_notify"
    bare.close()
    assert c.reply().code == 226
    c.quit()


def test_abor(either):
    c = session(either)
    want = big(c.folder)
    with Sealed(2 * either.seals):
        r, data = c.transfer("RETR big")
        assert len(data.recv(1000)) > 0
        c.send("ABOR")
        assert c.reply().code == 426
        assert ends_badly(data) < 60 * MIB
        assert c.reply().code in (225, 226)
        assert c.cmd("NOOP").code == 200
        r, data = c.transfer("RETR big")
        with data:
            assert digest(data) == want
        assert c.reply().code == 226
    c.quit()


@pytest.mark.limit(120)
@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_client_that_goes_away(either, how):
    """Often, as it depends on where the kernel was when it heard: Linux 6.1 may go on as if
    somebody was there, and 226 be said of what nobody got."""
    c = session(either, RawClient)      # reads all that is there: its close is no reset yet
    big(c.folder, size=24 * MIB)
    many = times(16, 100)
    with Sealed(many * either.seals):
        for _ in range(many):
            r, data = c.transfer("RETR big")
            data.recv(1000)
            Client.reset(data.sock) if how == "reset" else data.sock.close()
            end = c.reply()
            assert end.code == 426, end
            data.close()
    c.folder.make("f", CONTENT)
    assert c.retr("RETR f") == CONTENT
    c.quit()


@pytest.mark.parametrize("left", [0, 1, 5 * MIB + 1000], ids=["nothing", "a byte", "5 MiB"])
def test_a_file_that_becomes_shorter(either, left):
    c = session(either)
    want = big(c.folder)
    r, data = c.transfer("RETR big")
    assert len(data.recv(1000)) > 0
    os.truncate(c.folder.path("big"), left)
    ends_badly(data)
    assert c.reply().code in (426, 451)
    assert c.cmd("NOOP").code == 200
    assert big(c.folder) != want
    c.folder.make("f", CONTENT)
    assert c.retr("RETR f") == CONTENT
    c.quit()


def test_a_file_that_grows_is_sent_as_it_was(either):
    c = session(either)
    want = big(c.folder)
    r, data = c.transfer("RETR big")
    with open(c.folder.path("big"), "ab") as f:
        f.write(b"more" * 1000)
    with data:
        got = c.receive(data)
    assert c.reply().code == 226
    assert hashlib.sha256(got[:64 * MIB]).digest() == want
    c.quit()


@pytest.mark.parametrize("asking", [False, True], ids=["plain", "asking"])
def test_a_key_update_during_a_download_harms_nothing(either, asking):
    """A client may change its own keys; nobody reads that it asks for ours."""
    c = session(either, RawClient)
    want = big(c.folder, size=16 * MIB)
    r, data = c.transfer("RETR big")
    h = hashlib.sha256(data.recv(1000))
    data.key_update(asking)
    data.flush()
    while part := data.recv(MIB):
        h.update(part)
    assert c.reply().code == 226
    assert h.digest() == want and data.ended_well
    data.close()
    c.quit()


@pytest.mark.parametrize("asking", [False, True], ids=["plain", "asking"])
def test_a_key_update_during_an_upload(either, asking):
    """The kernel cannot be given a second key: who asks for one may lose the connection, and
    then nothing is stored. OpenSSL 3.0 makes one only to send payload, of which is none."""
    c = session(either, RawClient)
    c.folder.make("f", b"the old")
    r, data = c.transfer("STOR f")
    data.sendall(CONTENT[:50_000])
    data.key_update(asking)
    with suppress(OSError):
        data.sendall(CONTENT[50_000:])
        c.finish(data)
    end = c.reply()
    assert end.code == 226 or (asking and either.seals and end.code == 426), end
    data.close()
    assert c.folder.read("f") == (CONTENT if end.code == 226 else b"the old")
    assert c.retr("RETR f") == c.folder.read("f")
    c.quit()


# ---- slow ones -------------------------------------------------------------------------------
def test_a_client_that_stops_reading_for_a_while(either):
    c = session(either)
    want = big(c.folder, size=24 * MIB)
    other = session(either)
    other.folder.make("f", CONTENT)
    with Sealed(2 * either.seals):
        r, data = c.transfer("RETR big")
        h = hashlib.sha256(first := data.recv(1000))
        assert first
        begin = time.monotonic()
        assert other.retr("RETR f") == CONTENT
        assert c.cmd("NOOP").code == 200
        worker = either.worker_of(c)
        before = cpu(worker)
        time.sleep(max(3, 5 - (time.monotonic() - begin)))
        assert cpu(worker) - before < 1, "the worker spins while nobody reads"
        with data:
            buffer = bytearray(MIB)
            while n := data.recv_into(buffer):
                h.update(memoryview(buffer)[:n])
        assert h.digest() == want
        assert c.reply().code == 226
    other.quit()
    c.quit()


def cpu(pid):
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.limit(120)
def test_a_client_with_a_tiny_buffer_that_reads_slowly(either):
    c = session(either)
    c.folder.make("f", CONTENT[:400_000])
    with Sealed(either.seals), socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        s.settimeout(c.timeout)
        s.connect(c.passive())
        assert c.cmd("RETR f").code == 150
        data = c.wrap_data(s)
        got = bytearray()
        while part := data.recv(1500):
            got += part
            time.sleep(0.01)
        assert bytes(got) == CONTENT[:400_000]
        data.close()
        assert c.reply().code == 226
    c.quit()


# ---- many ------------------------------------------------------------------------------------
@pytest.mark.limit(180)
@pytest.mark.parametrize("ticket", ["newest", "first"])
def test_many_downloads_in_one_session(sealing, ticket):
    c = session(sealing, resume=ticket)
    c.folder.make("small", CONTENT[:3000])
    c.folder.make("large", CONTENT[:100_000])
    worker = sealing.worker_of(c)
    many = times(100, 1000)
    with Sealed(many):
        for n in range(many):
            name, size = ("small", 3000) if n % 2 else ("large", 100_000)
            r, data = c.transfer("RETR " + name)
            with data:
                assert data.session_reused
                assert c.receive(data) == CONTENT[:size], n
            assert c.reply().code == 226
    assert len(procfs.descriptors(worker)) < 12
    c.quit()


@pytest.mark.limit(120)
def test_several_at_once(sealing):
    clients = [session(sealing) for _ in range(4)]
    wants = [big(c.folder, size=8 * MIB + n) for n, c in enumerate(clients)]
    got = {}

    def one(n, c):
        r, data = c.transfer("RETR big")
        with data:
            got[n] = digest(data)
        assert c.reply().code == 226

    with Sealed(len(clients)):
        threads = [threading.Thread(target=one, args=x) for x in enumerate(clients)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert [got.get(n) for n in range(len(clients))] == wants
    for c in clients:
        c.quit()


def test_curl(sealing, scratch):
    folder = sealing.folder()
    want = big(folder, size=16 * MIB + 3)
    with Sealed(1):
        run("curl", "-sS", "--ssl-reqd", "--tlsv1.3", "-u", "guest:" + PASSWORD, "--cacert",
            sealing.world.certs.ca, "-o", scratch / "got",
            f"ftp://127.0.0.1:{sealing.port}{folder.ftp}/big")
    assert hashlib.sha256((scratch / "got").read_bytes()).digest() == want


def test_a_client_that_sends_in_the_middle_of_a_download(sealing):
    """Nobody does, but it must not be mistaken for anything."""
    c = session(sealing)
    want = big(c.folder, size=24 * MIB)
    r, data = c.transfer("RETR big")
    h = hashlib.sha256(data.recv(1000))
    with suppress(OSError):
        data.sendall(b"bytes that nobody asked for")
    try:
        while part := data.recv(MIB):
            h.update(part)
        whole = h.digest() == want
    except OSError:
        whole = False
    data.close()
    end = c.reply()
    assert end.code == (226 if whole else 426), end
    assert c.cmd("NOOP").code == 200
    c.quit()


# ---- without the module ----------------------------------------------------------------------
class Module:
    """The module tls, which can be taken away while no socket has it."""
    libc = ctypes.CDLL(None, use_errno=True)
    file = next(Path("/modules").glob("*-tls.ko"), None) if Path("/modules").exists() else None

    @classmethod
    def remove(cls):
        def gone():
            return cls.libc.syscall(DELETE_MODULE, b"tls", os.O_NONBLOCK) == 0
        assert wait_until(gone, 10, 0.2), os.strerror(ctypes.get_errno())

    @classmethod
    def load(cls):
        with open(cls.file, "rb") as f:
            assert cls.libc.syscall(FINIT_MODULE, f.fileno(), b"", 0) == 0


def test_a_module_that_goes_away_and_comes_back(sealing, make_server):
    """A server that had found it works without; one that starts without says so."""
    c = session(sealing)
    c.folder.make("f", CONTENT)
    assert c.retr("RETR f") == CONTENT
    Module.remove()
    try:
        assert c.retr("RETR f") == CONTENT
        c.stor("STOR up", CONTENT)
        late = make_server(tls_kernel=True)
        assert "tls.kernel available=false" in late.log()
        d = session(late)
        d.folder.make("f", CONTENT)
        assert d.retr("RETR f") == CONTENT
        d.quit()
    finally:
        Module.load()
    with Sealed(1):
        assert c.retr("RETR f") == CONTENT
    c.quit()
