"""cached_file_most: what a large file leaves in the page cache, looked at by mincore(2).

The kernel may take pages of any file for reasons of its own (some machines reclaim what is
cold: DAMON): so "it stays" is asked as "most of it is there", where without cause there would
be nothing. "It leaves" is asked strictly.
"""

import ctypes
import mmap
import os

import pytest

from harness import Server

MOST = 8 << 20                          # of a file that stays
LARGE = 160 << 20
LEFT = 24 << 20                         # what may be in use when the end is reached


def cached(path):
    """Bytes of the file that are in the page cache."""
    size = os.path.getsize(path)
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open(path, os.O_RDONLY)
    try:
        with mmap.mmap(fd, size, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE) as m:
            at = (ctypes.c_char * size).from_buffer(m)
            seen = (ctypes.c_ubyte * (-(-size // mmap.PAGESIZE)))()
            assert libc.mincore(ctypes.byref(at), ctypes.c_size_t(size), seen) == 0
            del at
            return sum(x & 1 for x in seen) * mmap.PAGESIZE
    finally:
        os.close(fd)


def stays(path, size):
    return cached(path) >= size * 3 // 4


@pytest.fixture(scope="module")
def one(world):
    s = Server(world, "cache", cached_file_most=f"{MOST >> 20} MiB")
    s.start()
    yield s
    s.stop()


@pytest.fixture
def place(one):
    """A folder whose file system has a cache that can be left: not a tmpfs."""
    folder = one.folder()
    name = folder.make("probe", b"x" * 65536)
    fd = os.open(name, os.O_RDWR)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)
    if cached(name) != 0:
        pytest.skip("nothing leaves the cache of this file system (a tmpfs)")
    return folder


def make(folder, name, size):
    path = folder.make(name, b"")
    with open(path, "r+b") as f:
        for _ in range(size >> 20):
            f.write(os.urandom(1 << 20))
        os.fsync(f.fileno())
    assert stays(path, size)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("tls", [None, "explicit"])
def test_a_large_file_leaves_when_it_was_sent(world, place, tls):
    s = Server(world, "cache-clear", cached_file_most=f"{MOST >> 20} MiB",
               cleartext_networks=["127.0.0.0/8"]) if tls is None else place.server
    if tls is None:
        s.start()
    try:
        folder = s.folder()
        large, small = make(folder, "large", LARGE), make(folder, "small", MOST)
        c = s.login(tls=tls)
        c.expect(250, "CWD " + folder.ftp)
        assert len(c.retr("RETR large")) == LARGE
        assert len(c.retr("RETR small")) == MOST
        c.quit()
        assert cached(large) <= LEFT
        assert stays(small, MOST)
    finally:
        if tls is None:
            s.stop()


@pytest.mark.slow
def test_only_what_was_sent_leaves(one, place):
    large = make(place, "large", LARGE)
    c = one.login()
    c.expect(250, "CWD " + place.ftp)
    assert len(c.retr("RETR large", rest=LARGE // 2)) == LARGE // 2
    c.quit()
    assert stays(large, LARGE // 2)
    assert cached(large) <= LARGE // 2 + LEFT


def test_a_large_file_leaves_when_it_was_stored(one, place):
    c = one.login()
    c.expect(250, "CWD " + place.ftp)
    c.stor("STOR large", bytes(LARGE))
    c.stor("STOR small", bytes(MOST))
    c.quit()
    assert cached(place.path("large")) <= LARGE // 16      # all but what is in use somewhere
    assert stays(place.path("small"), MOST)
