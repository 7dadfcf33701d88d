"""tests/bench/client.py - a client that costs little, so that the server is what is measured

Bulk downloads are read from the socket and not decrypted; uploads are encrypted into large
sends. TLS sessions of data connections are resumed where the server lets us.
"""
import socket
import ssl

PIECE = 256 << 10


class Stream:
    """TLS over a socket by way of memory."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE

    def __init__(self, sock, session=None):
        self.sock, self.into, self.out = sock, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = self.context.wrap_bio(self.into, self.out, session=session)
        self.until(self.tls.do_handshake)

    def flush(self):
        if self.out.pending:
            self.sock.sendall(self.out.read())

    def until(self, step, *arguments):
        while True:
            try:
                done = step(*arguments)
                self.flush()
                return done
            except ssl.SSLWantReadError:
                self.flush()
                piece = self.sock.recv(PIECE)
                if piece:
                    self.into.write(piece)
                else:
                    self.into.write_eof()

    def recv(self, room):
        try:
            return self.until(self.tls.read, room)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def sendall(self, data):
        self.tls.write(data)
        self.flush()

    def put_end(self):
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass                # close_notify is out; whether the server answers is its affair
        try:
            self.flush()
        except OSError:
            pass


class Client:
    """One session. Any reply that is not the expected one ends it with ConnectionError."""

    def __init__(self, port, tls, user=None, password=None):
        self.tls, self.buffer, self.text = tls, b"", ""
        self.sock = socket.create_connection(("127.0.0.1", port), 60)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.control = self.sock
        self.expect(220)
        if tls:
            self.command("AUTH TLS", 234)
            self.control = Stream(self.sock)
        if user is None:
            return
        self.command("USER " + user, 331)
        self.command("PASS " + password, 230)
        if tls:
            self.command("PBSZ 0", 200)
            self.command("PROT P", 200)
        self.command("TYPE I", 200)

    def expect(self, *codes):
        while True:
            at = self.buffer.find(b"\n")
            if at < 0:
                piece = self.control.recv(65536)
                if not piece:
                    raise ConnectionError("the server closed the session")
                self.buffer += piece
                continue
            line, self.buffer = self.buffer[:at], self.buffer[at + 1:]
            if line[3:4] == b" " and line[:3].isdigit():
                self.text = line.decode("latin-1").strip()
                if int(line[:3]) not in codes:
                    raise ConnectionError(self.text)
                return

    def command(self, line, *codes):
        self.control.sendall(line.encode() + b"\r\n")
        self.expect(*codes)

    def begin(self, verb):
        """The data connection of this command: its socket, and the TLS in it or None."""
        self.command("EPSV", 229)
        port = int(self.text.split("|||")[1].split("|")[0])
        raw = socket.create_connection(("127.0.0.1", port), 60)
        self.command(verb, 125, 150)
        return raw, Stream(raw, self.control.tls.session) if self.tls else None

    def end(self, raw, stream):
        if stream:
            stream.put_end()
        try:
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(PIECE):
                pass            # such as tickets: left unread, they would make it a reset
        except OSError:
            pass
        raw.close()
        self.expect(226)

    def fetch(self, verb):
        """Small: the content, decrypted."""
        raw, stream = self.begin(verb)
        source, parts = stream or raw, []
        while True:
            piece = source.recv(PIECE)
            if not piece:
                break
            parts.append(piece)
        self.end(raw, stream)
        return b"".join(parts)

    def drain(self, verb, least):
        """Large: only counted."""
        raw, stream = self.begin(verb)
        view, total = bytearray(1 << 20), 0
        while True:
            try:
                n = raw.recv_into(view)
            except TimeoutError:
                if total < least:
                    raise
                stream.put_end()        # the server waits for that before it closes
                continue
            if n == 0:
                break
            total += n
            if stream and total >= least:
                raw.settimeout(0.05)
        self.end(raw, stream)
        if total < least:
            raise ConnectionError(f"{verb}: {total} of {least} bytes came")

    def store(self, verb, block, count=1):
        raw, stream = self.begin(verb)
        sink = stream or raw
        for _ in range(count):
            sink.sendall(block)
        self.end(raw, stream)

    def quit(self):
        try:
            self.command("QUIT", 221)
        except OSError:
            pass
        self.sock.close()
