"""ALLO: what a client announces is kept free for it, and what it does not use goes back."""

import os

import pytest

from harness import run, wait_until
from test_clients_lftp import Lftp

MIB = 1 << 20
PART = ".sp-part."


def on_disk(path):
    return os.stat(path).st_blocks * 512


def announced(ftp, size, line, rest=None):
    """The upload has begun, and nothing has been sent."""
    ftp.expect(200, f"ALLO {size}")
    reply, data = ftp.transfer(line, rest=rest)
    assert reply.code == 150
    return data


@pytest.fixture
def place(server):
    """A folder whose file system can give blocks to a file that has not grown into them."""
    folder = server.folder()
    fd = os.open(folder.make("probe"), os.O_WRONLY)
    try:
        os.posix_fallocate(fd, 0, MIB)
    finally:
        os.close(fd)
    if on_disk(folder.path("probe")) < MIB:
        pytest.skip("this file system allocates nothing ahead")
    os.unlink(folder.path("probe"))
    return folder


@pytest.fixture
def ftp(place):
    c = place.server.login()
    c.expect(250, "CWD " + place.ftp)
    yield c
    c.abandon()


def test_what_is_announced_is_allocated_and_the_rest_given_back(place, ftp, tried):
    with announced(ftp, 32 * MIB, "STOR f") as data:
        assert on_disk(place.path(PART + "f")) >= 32 * MIB
        assert os.path.getsize(place.path(PART + "f")) == 0
        data.sendall(b"x" * 1000)
        ftp.finish(data)
    assert ftp.reply().code == 226
    assert place.read("f") == b"x" * 1000 and on_disk(place.path("f")) < MIB
    tried("announced uploads that came short")
    # it was for that one
    reply, data = ftp.transfer("STOR g")
    with data:
        assert reply.code == 150 and on_disk(place.path(PART + "g")) < MIB
        ftp.finish(data)
    assert ftp.reply().code == 226


def test_one_that_is_longer_than_announced_is_whole(place, ftp):
    content = os.urandom(5 * MIB)
    with announced(ftp, 2 * MIB, "STOR f") as data:
        data.sendall(content)
        ftp.finish(data)
    assert ftp.reply().code == 226
    assert place.read("f") == content


@pytest.mark.parametrize("size", [0, 3 * MIB])
def test_what_breaks_off_keeps_only_what_came(place, ftp, size):
    part = place.path(PART + "f")
    data = announced(ftp, 32 * MIB, "STOR f")
    assert on_disk(part) >= 32 * MIB
    data.sendall(b"y" * size)
    wait_until(lambda: os.path.getsize(part) >= size // 2)
    ftp.raw(b"ABOR\r\n")
    assert [ftp.reply().code, ftp.reply().code] == [426, 226]
    data.close()
    if size == 0:
        assert not os.path.exists(part)
    else:
        assert size // 2 <= os.path.getsize(part) <= size and on_disk(part) <= size + MIB


def test_a_session_that_ends_gives_it_back(place):
    c = place.server.login()
    c.expect(250, "CWD " + place.ftp)
    data = announced(c, 32 * MIB, "STOR f")
    part = place.path(PART + "f")
    assert on_disk(part) >= 32 * MIB
    c.abandon()
    data.close()
    wait_until(lambda: not os.path.exists(part))


def test_what_the_limit_leaves_is_written_all_the_same(place, make_server):
    s = make_server("allo", allocate_most="4 MiB")
    folder = s.folder()
    c = s.login()
    c.expect(250, "CWD " + folder.ftp)
    content = os.urandom(9 * MIB)
    with announced(c, len(content), "STOR f") as data:
        assert 4 * MIB <= on_disk(folder.path(PART + "f")) < 6 * MIB
        data.sendall(content)
        c.finish(data)
    assert c.reply().code == 226
    assert folder.read("f") == content
    c.quit()


@pytest.fixture
def small(place):
    """A file system of 16 MiB below the folder."""
    path = place.mkdir("small")
    if run("mount", "-t", "tmpfs", "-o", "size=16m,mode=777", "none", path, check=False).returncode:
        pytest.skip("to mount a small file system needs root")
    yield path
    run("umount", "-l", path)


def test_half_of_what_is_free_stays_free(place, small, ftp, tried):
    """Whatever is announced: the disk is not one client's."""
    other = place.server.login()
    for c in (ftp, other):
        c.expect(250, f"CWD {place.ftp}/small")
    ftp.expect(552, f"ALLO {17 * MIB}")
    with announced(ftp, 15 * MIB, "STOR f") as one:
        assert 7 * MIB <= on_disk(small / (PART + "f")) <= 8 * MIB
        with announced(other, 7 * MIB, "STOR g") as two:
            assert 3 * MIB <= on_disk(small / (PART + "g")) <= 4 * MIB
            two.sendall(b"x" * 7 * MIB)         # and there is room for all of it
            other.finish(two)
        assert other.reply().code == 226
        ftp.finish(one)
    assert ftp.reply().code == 226
    assert os.path.getsize(small / "g") == 7 * MIB and on_disk(small / "f") == 0
    # announced to the one, taken by the other: said before anything is sent
    ftp.expect(200, f"ALLO {8 * MIB}")
    other.stor("STOR h", b"x" * 5 * MIB)
    reply, _ = ftp.transfer("STOR i")
    assert reply.code == 552 and "i" not in os.listdir(small)
    tried("uploads into a file system of 16 MiB", 4)
    other.abandon()


@pytest.mark.parametrize("line, code", [
    ("ALLO 9000000000000000000", 552), ("ALLO x", 501), ("LIST nothing", 425), ("ABOR", 226),
])
def test_it_is_taken_back(place, ftp, line, code):
    ftp.expect(200, f"ALLO {32 * MIB}")
    ftp.expect(code, line)
    reply, data = ftp.transfer("STOR f")
    with data:
        assert reply.code == 150 and on_disk(place.path(PART + "f")) < MIB
        ftp.finish(data)
    assert ftp.reply().code == 226


@pytest.mark.parametrize("between", ["TYPE I", "PBSZ 0", "NOOP", "MKD d"])
def test_it_outlasts_what_is_no_transfer(place, ftp, between):
    ftp.expect(200, f"ALLO {8 * MIB} R 100")
    assert ftp.cmd(between).code < 300
    reply, data = ftp.transfer("STOR f")
    with data:
        assert reply.code == 150 and on_disk(place.path(PART + "f")) >= 8 * MIB
        ftp.finish(data)
    assert ftp.reply().code == 226


def test_the_rest_of_an_upload_is_announced_with_it(place, ftp):
    """The size is that of the whole file, as lftp says it before REST and STOR."""
    place.make(PART + "f", b"z" * 100)
    with announced(ftp, 8 * MIB, "STOR f", rest=100) as data:
        assert on_disk(place.path(PART + "f")) >= 8 * MIB
        data.sendall(b"!")
        ftp.finish(data)
    assert ftp.reply().code == 226
    assert place.read("f") == b"z" * 100 + b"!" and on_disk(place.path("f")) < MIB


def test_lftp_announces_what_it_puts(place, scratch):
    (scratch / "up").write_bytes(os.urandom(3 * MIB))
    done = Lftp(place.server, scratch, ftp__use_allo="yes")(
        f"debug 5; cd {place.ftp}; put up")
    assert f"ALLO {3 * MIB}" in done.stdout + done.stderr
    assert place.read("up") == (scratch / "up").read_bytes()
