"""An FTP client on raw sockets that can do right and wrong, a step at a time.

Every wait has a deadline (Client.timeout), for what hangs. A reply is read whole and checked for
its form;
texts are UTF-8 with surrogateescape, so that no byte gets lost.
"""

import os
import re
import socket
import ssl
import struct
from contextlib import suppress

# How many times longer everything takes here: an emulated machine says so (tests/kernel).
SLOWER = int(os.environ.get("SALLYPORT_SLOWER", "1"))
# How many times longer a deadline of the kernel's or of Python's is, which knows no Stopwatch:
# it only ends what hangs. What may not take long is asked of a Stopwatch (patience.py).
HELD_UP = 20

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def to_bytes(text):
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


class ReplyError(AssertionError):
    """A reply with another code than the one that was needed."""


class Reply:
    def __init__(self, lines):
        self.lines = lines
        self.code = int(lines[0][:3])

    @property
    def text(self):
        return "\n".join(self.lines)

    @property
    def inner(self):
        """The lines between the first and the last."""
        return self.lines[1:-1]

    def __repr__(self):
        return f"<{self.text}>"


class Client:
    def __init__(self, host, port, tls="explicit", cafile=None, version=None, timeout=15,
                 resume="newest", alpn=None, server_name="localhost", ciphers=None,
                 source=None, greet=True, context=None):
        self.host, self.port, self.timeout = host, port, timeout * SLOWER * HELD_UP
        self.resume = resume            # "newest", "first", None, or an ssl.SSLSession
        self.server_name = server_name
        self.first_session = None
        self.protected = False
        self.data_secure = None         # None: as the control connection is
        self.buffer = b""
        self.replies = []
        self.handshakes = []            # (socket, "read" or "write", message) of TLS
        self.context = context or ssl.create_default_context(cafile=cafile)
        if cafile is None and context is None:
            self.context.check_hostname = False
            self.context.verify_mode = ssl.CERT_NONE
        # Python sets it, and an end without close_notify would look like any other
        self.context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
        if version:
            self.context.minimum_version = self.context.maximum_version = VERSIONS[version]
        if alpn is not None:
            self.context.set_alpn_protocols(alpn)
        if ciphers:
            self.context.set_ciphers(ciphers)
        self.source = (source, 0) if source else None   # of data connections, too
        self.sock = socket.create_connection((host, port), self.timeout, self.source)
        self.sock.settimeout(self.timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.v6 = self.sock.family == socket.AF_INET6
        self.local_port = self.sock.getsockname()[1]
        self.greeting = None
        try:
            if tls == "implicit":
                self.secure()
            if greet:
                self.greeting = self.reply()
            if tls == "explicit":
                if self.greeting.code != 220:
                    raise ReplyError(f"greeting: {self.greeting}")
                self.auth()
        except BaseException:
            self.abandon()
            raise

    def watch_handshakes(self):
        """From now on self.handshakes has each handshake message of new TLS connections."""
        def note(conn, direction, version, content, message, data):
            if content == ssl._TLSContentType.HANDSHAKE:
                self.handshakes.append((conn, direction, message))
        self.context._msg_callback = note

    def tickets(self, conn):
        """How many tickets a watched connection has brought so far."""
        return sum(1 for c, direction, message in self.handshakes
                   if c is conn and direction == "read"
                   and message == ssl._TLSMessageType.NEWSESSION_TICKET)

    # ---- control connection --------------------------------------------------------------
    def secure(self):
        self.sock = self.context.wrap_socket(self.sock, server_hostname=self.server_name,
                                             suppress_ragged_eofs=False)
        self.protected = True
        return self.sock

    def auth(self, how="TLS"):
        self.expect(234, "AUTH " + how)
        self.secure()

    def raw(self, data):
        self.sock.sendall(data)

    def send(self, line):
        self.sock.sendall(to_bytes(line) + b"\r\n")

    def line(self):
        while b"\n" not in self.buffer:
            assert len(self.buffer) < 1 << 20, "a reply line without end"
            more = self.sock.recv(65536)
            if not more:
                raise EOFError("control connection closed; last bytes " + repr(self.buffer))
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\n", 1)
        assert line.endswith(b"\r"), f"a reply line ends with a bare LF: {line!r}"
        return line[:-1].decode("utf-8", "surrogateescape")

    def reply(self):
        first = self.line()
        assert re.match(r"[1-6]\d\d[ -]", first), f"not a reply: {first!r}"
        lines = [first]
        if first[3] == "-":
            while True:
                lines.append(self.line())
                if lines[-1].startswith(first[:3] + " "):
                    break
                assert not re.match(r"\d\d\d ", lines[-1]), \
                    f"an inner line looks like the end of a reply: {lines[-1]!r}"
        reply = Reply(lines)
        self.replies.append(reply)
        return reply

    def cmd(self, line):
        self.send(line)
        return self.reply()

    def expect(self, codes, line):
        """A command whose reply must have (one of) the codes."""
        codes = codes if isinstance(codes, tuple) else (codes,)
        r = self.cmd(line)
        if r.code not in codes:
            raise ReplyError(f"{line!r}: wanted {codes}, got {r}")
        return r

    def closed(self, timeout=None):
        """Wait for the server to close; True when it did, False when the time is over."""
        self.sock.settimeout(timeout * HELD_UP if timeout else self.timeout)
        try:
            while True:
                more = self.sock.recv(65536)
                if not more:
                    return True
                self.buffer += more
        except (socket.timeout, TimeoutError):
            return False
        except (OSError, ssl.SSLError):
            return True
        finally:
            with suppress(OSError):
                self.sock.settimeout(self.timeout)

    def login(self, user, password):
        r = self.cmd("USER " + user)
        if r.code == 331:
            r = self.cmd("PASS " + password)
        if r.code != 230:
            raise ReplyError(f"login of {user}: {r}")
        self.first_session = getattr(self.sock, "session", None)
        if self.protected:
            self.expect(200, "PBSZ 0")
            self.expect(200, "PROT P")
        self.expect(200, "TYPE I")          # the preset is A, as RFC 959 says
        return r

    def quit(self):
        r = self.expect(221, "QUIT")
        self.abandon()
        return r

    def abandon(self):
        with suppress(OSError):
            self.sock.close()

    def synch(self, line=b"ABOR\r\n"):
        """Telnet Interrupt Process and Synch (RFC 959 section 4.1.3), then a command.

        In clear the Data Mark is urgent; inside TLS it can only be in line."""
        if self.protected:
            self.raw(b"\xff\xf4\xff\xf2" + line)
        else:
            self.sock.sendall(b"\xff\xf4")
            self.sock.send(b"\xff", socket.MSG_OOB)
            self.sock.sendall(b"\xf2" + line)

    # ---- data connections ----------------------------------------------------------------
    def passive(self, kind=None):
        """(host, port) to connect to."""
        kind = kind or "EPSV"
        if kind == "PASV":
            r = self.expect(227, "PASV")
            m = re.search(r"\((\d+),(\d+),(\d+),(\d+),(\d+),(\d+)\)", r.text)
            assert m, f"no address in {r}"
            n = [int(x) for x in m.groups()]
            return ".".join(map(str, n[:4])), n[4] * 256 + n[5]
        r = self.expect(229, kind)
        m = re.search(r"\((.)\1\1(\d+)\1\)", r.text)
        assert m, f"no port in {r}"
        return self.host, int(m.group(2))

    def active(self, kind=None):
        """A listening socket that the server has been told of."""
        s = socket.create_server((self.sock.getsockname()[0], 0),
                                 family=socket.AF_INET6 if self.v6 else socket.AF_INET)
        s.settimeout(self.timeout)
        host, port = s.getsockname()[:2]
        kind = kind or ("EPRT" if self.v6 else "PORT")
        if kind == "PORT":
            self.expect(200, "PORT " + ",".join(host.split(".") + [str(port >> 8),
                                                                   str(port & 255)]))
        else:
            self.expect(200, f"EPRT |{2 if self.v6 else 1}|{host}|{port}|")
        return s

    def ticket(self):
        """The session that a data connection presents."""
        if self.resume == "newest":
            return self.sock.session
        if self.resume == "first":
            return self.first_session
        return self.resume

    def wrap_data(self, s, session="as told"):
        session = self.ticket() if session == "as told" else session
        return self.context.wrap_socket(s, server_hostname=self.server_name, session=session,
                                        suppress_ragged_eofs=False)

    def secures_data(self):
        return self.protected if self.data_secure is None else self.data_secure

    def transfer(self, line, mode="EPSV", rest=None, before=None):
        """Start a transfer: (first reply, data connection). Only a refusal has no connection.

        before: called with the socket before TLS begins."""
        listener = s = None
        try:
            if mode in ("PORT", "EPRT", "active"):
                listener = self.active(None if mode == "active" else mode)
            else:
                s = socket.create_connection(self.passive(mode), self.timeout, self.source)
            if rest is not None:
                self.expect(350, f"REST {rest}")
            r = self.cmd(line)
            if r.code not in (125, 150):
                return r, None
            if listener:
                s, _ = listener.accept()
            s.settimeout(self.timeout)
            if before:
                before(s)
            data = self.wrap_data(s) if self.secures_data() else s
            s = None
            return r, data
        finally:
            for x in (listener, s):
                if x is not None:
                    x.close()

    @staticmethod
    def receive(data, limit=None):
        """To the end of the connection, which with TLS must be a close_notify."""
        parts, n = [], 0
        while limit is None or n < limit:
            part = data.recv(262144)
            if not part:
                break
            parts.append(part)
            n += len(part)
        return b"".join(parts)

    @staticmethod
    def finish(data):
        """End an upload in order: close_notify both ways with TLS, then close."""
        if isinstance(data, ssl.SSLSocket):
            data.unwrap().close()
        else:
            data.close()

    def retr(self, line, mode="EPSV", rest=None):
        """A whole download or listing: its bytes."""
        r, data = self.transfer(line, mode, rest)
        if data is None:
            raise ReplyError(f"{line!r}: {r}")
        with data:
            got = self.receive(data)
        end = self.reply()
        if end.code != 226:
            raise ReplyError(f"{line!r} ended with {end}")
        return got

    def stor(self, line, content, mode="EPSV", rest=None):
        """A whole upload: the final reply (226)."""
        r, data = self.transfer(line, mode, rest)
        if data is None:
            raise ReplyError(f"{line!r}: {r}")
        with data:
            data.sendall(content)
            self.finish(data)
        end = self.reply()
        if end.code != 226:
            raise ReplyError(f"{line!r} ended with {end}")
        return end

    def names(self, line="NLST", **kw):
        """The lines of a listing, each of which must end with CRLF."""
        text = self.retr(line, **kw).decode("utf-8", "surrogateescape")
        assert text == "" or text.endswith("\r\n"), f"the last line is cut: {text[-80:]!r}"
        return text.split("\r\n")[:-1]

    @staticmethod
    def reset(s):
        """Close with a TCP reset."""
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
