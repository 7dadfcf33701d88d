"""What the tests of abuse share: floods, exact answers, and how much a process has."""

import re
import select
import socket
import ssl
import time
from contextlib import suppress

from harness import procfs, wait_until

PIECE = 16384


def _send_some(sock, data):
    try:
        return sock.send(data[:PIECE])
    except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
        return 0


def _read_some(sock):
    try:
        got = sock.recv(65536)
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return None
    return got


def pump(c, data, replies, timeout=30):
    """Sends all of data as fast as it goes, and reads meanwhile: the codes of the replies.

    Ends when so many replies are here, or the connection is closed."""
    end = time.monotonic() + timeout
    data = memoryview(data)
    got = bytearray(c.buffer)
    c.buffer = b""
    closed = False
    c.sock.settimeout(0)
    try:
        while not closed and (len(data) > 0 or finals(got) < replies):
            assert time.monotonic() < end, \
                f"{len(data)} bytes unsent, {finals(got)} of {replies} replies in {timeout} s"
            select.select([c.sock], [c.sock] if len(data) else [], [], 0.2)
            with suppress(ConnectionError, BrokenPipeError, ssl.SSLError):
                data = data[_send_some(c.sock, data) if len(data) else 0:]
            try:
                while (part := _read_some(c.sock)) is not None:
                    closed = closed or part == b""
                    got += part
                    if closed:
                        break
            except ConnectionError:
                closed = True
    finally:
        c.sock.settimeout(c.timeout)
    codes, rest = codes_of(bytes(got))
    c.buffer = rest
    return codes


def finals(text):
    """How many replies end in these bytes."""
    return len(re.findall(rb"(?m)^[1-6]\d\d [^\n]*\n", text))


def codes_of(text):
    """The codes of the whole replies in these bytes, each checked for its form; the rest."""
    whole, rest = text[:text.rfind(b"\n") + 1], text[text.rfind(b"\n") + 1:]
    codes, open_code = [], None
    for line in whole.split(b"\n")[:-1]:
        assert line.endswith(b"\r"), f"a bare LF ends a reply line: {line!r}"
        if open_code is None:
            assert re.match(rb"[1-6]\d\d[ -]", line), f"not a reply: {line!r}"
            if line[3:4] == b"-":
                open_code = line[:3]
            else:
                codes.append(int(line[:3]))
        elif line.startswith(open_code + b" "):
            codes.append(int(open_code))
            open_code = None
        else:
            assert not re.match(rb"\d\d\d ", line), f"an end of another reply: {line!r}"
    return codes, rest


def in_step(c):
    """The client has read all replies: NOOP is the next one."""
    assert c.buffer == b"", f"a reply too many: {c.buffer!r}"
    r = c.cmd("NOOP")
    assert r.code == 200 and "NOOP OK" in r.text, r
    assert c.buffer == b"", f"a reply too many: {c.buffer!r}"


def memory(pid):
    """Bytes of VmRSS."""
    return int(procfs.status(pid)["VmRSS"].split()[0]) * 1024


def serves(pid):
    """A process of a session has more descriptors than a template, which has its channel."""
    try:
        return 4 in procfs.descriptors(pid)
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return False


def census(server):
    """How many processes of sessions live, of each kind."""
    # the kernel's own list: a look at every process of the machine takes too long here
    with open(f"/proc/{server.pid}/task/{server.pid}/children") as f:
        kinds = [procfs.name(int(p)) for p in f.read().split() if serves(int(p))]
    return {k: kinds.count("sallyport-" + k) for k in ("worker", "broker", "login")}


def settled(server, timeout=8):
    """No session is left, nor a process of one."""
    assert wait_until(lambda: not any(census(server).values()), timeout), \
        f"processes of sessions live on: {census(server)}"


def half_close(s):
    """FIN to the server, the other direction stays open; of TLS only the TCP below."""
    raw = socket.socket(fileno=s.detach()) if isinstance(s, ssl.SSLSocket) else s
    raw.shutdown(socket.SHUT_WR)
    return raw
