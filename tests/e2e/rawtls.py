"""A TLS client that can do wrong: libssl through ctypes, over memory, a byte at a time.

Python's ssl neither renegotiates nor shows or bends a ticket, sends early data or a
KeyUpdate. A Peer has what ftpclient.Client wants of a socket; what it would send can be
taken (take) and what it is to read can be given (give) as bytes, too.
"""

import ctypes
import select
from contextlib import suppress

from ftpclient import HELD_UP, Client
from patience import Stopwatch

_ssl = ctypes.CDLL("libssl.so.3")
_crypto = ctypes.CDLL("libcrypto.so.3")
_p, _i, _l, _z, _c = (ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_size_t,
                      ctypes.c_char_p)
_PROTOTYPES = [
    (_ssl, "TLS_client_method", _p, []), (_ssl, "SSL_CTX_new", _p, [_p]),
    (_ssl, "SSL_CTX_free", None, [_p]), (_ssl, "SSL_CTX_ctrl", _l, [_p, _i, _l, _p]),
    (_ssl, "SSL_CTX_set_security_level", None, [_p, _i]),
    (_ssl, "SSL_CTX_set_options", ctypes.c_uint64, [_p, ctypes.c_uint64]),
    (_ssl, "SSL_CTX_set_cipher_list", _i, [_p, _c]),
    (_ssl, "SSL_CTX_set_ciphersuites", _i, [_p, _c]),
    (_ssl, "SSL_CTX_set_alpn_protos", _i, [_p, _c, ctypes.c_uint]),
    (_ssl, "SSL_CTX_sess_set_new_cb", None, [_p, _p]),
    (_ssl, "SSL_new", _p, [_p]), (_ssl, "SSL_free", None, [_p]),
    (_ssl, "SSL_ctrl", _l, [_p, _i, _l, _p]), (_ssl, "SSL_set_bio", None, [_p, _p, _p]),
    (_ssl, "SSL_set_connect_state", None, [_p]), (_ssl, "SSL_do_handshake", _i, [_p]),
    (_ssl, "SSL_get_error", _i, [_p, _i]), (_ssl, "SSL_read", _i, [_p, _p, _i]),
    (_ssl, "SSL_write", _i, [_p, _c, _i]), (_ssl, "SSL_shutdown", _i, [_p]),
    (_ssl, "SSL_get_shutdown", _i, [_p]),
    (_ssl, "SSL_get_version", _c, [_p]), (_ssl, "SSL_session_reused", _i, [_p]),
    (_ssl, "SSL_key_update", _i, [_p, _i]), (_ssl, "SSL_renegotiate", _i, [_p]),
    (_ssl, "SSL_write_early_data", _i, [_p, _c, _z, ctypes.POINTER(_z)]),
    (_ssl, "SSL_get_early_data_status", _i, [_p]),
    (_ssl, "SSL_SESSION_get_max_early_data", ctypes.c_uint32, [_p]),
    (_ssl, "SSL_SESSION_set_max_early_data", _i, [_p, ctypes.c_uint32]),
    (_ssl, "SSL_set_session", _i, [_p, _p]), (_ssl, "SSL_SESSION_free", None, [_p]),
    (_ssl, "i2d_SSL_SESSION", _i, [_p, _p]),
    (_ssl, "d2i_SSL_SESSION", _p, [_p, ctypes.POINTER(_c), _l]),
    (_crypto, "BIO_new", _p, [_p]), (_crypto, "BIO_s_mem", _p, []),
    (_crypto, "BIO_ctrl", _l, [_p, _i, _l, _p]),
    (_crypto, "BIO_read", _i, [_p, _p, _i]), (_crypto, "BIO_write", _i, [_p, _c, _i]),
    (_crypto, "ERR_get_error", ctypes.c_ulong, []), (_crypto, "ERR_clear_error", None, []),
    (_crypto, "ERR_reason_error_string", _c, [ctypes.c_ulong]),
]
for _lib, _name, _result, _arguments in _PROTOTYPES:
    _f = getattr(_lib, _name)
    _f.restype, _f.argtypes = _result, _arguments

_NEW_SESSION = ctypes.CFUNCTYPE(_i, _p, _p)
_NUMBERS = {"1.0": 0x0301, "1.1": 0x0302, "1.2": 0x0303, "1.3": 0x0304}
WANT_READ, WANT_WRITE, ZERO_RETURN = 2, 3, 6
NO_TICKET, ALLOW_UNSAFE_RENEGOTIATION = 1 << 14, 1 << 18
RECORD = 5                              # bytes before each record


class TLSError(OSError):
    """What libssl said; an alert of the server has "alert" in its text."""


# ---- sessions as bytes ----------------------------------------------------------------------
def _tlv(der, at):
    """(tag, beginning of the content, end) of the element at a place."""
    size, at = der[at + 1], at + 2
    if size >= 0x80:
        count = size & 0x7F
        size = int.from_bytes(der[at:at + count], "big")
        at += count
    return at, at + size


def _element(tag, content):
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    count = (size.bit_length() + 7) // 8
    return bytes([tag, 0x80 | count]) + size.to_bytes(count, "big") + content


VERSION, ID, SECRET, TICKET = 1, 3, 4, "ticket"


def fields(der):
    """[[tag, content]] of a session (ssl/ssl_asn1.c of OpenSSL)."""
    at, end = _tlv(der, 0)
    out = []
    while at < end:
        begin, stop = _tlv(der, at)
        out.append([der[at], der[begin:stop]])
        at = stop
    return out


def bend(der, what, change):
    """A session with one of its fields changed by a function."""
    all_ = fields(der)
    for n, f in enumerate(all_):
        if what == TICKET and f[0] == 0xAA:
            begin, end = _tlv(f[1], 0)
            f[1] = _element(0x04, change(f[1][begin:end]))
            break
        if n == what:
            f[1] = change(f[1])
            break
    else:
        raise AssertionError(f"the session has no {what}")
    return _element(0x30, b"".join(_element(tag, content) for tag, content in all_))


def has_ticket(der):
    return any(tag == 0xAA for tag, _ in fields(der))


def max_early_data(der):
    s = _load(der)
    try:
        return _ssl.SSL_SESSION_get_max_early_data(s)
    finally:
        _ssl.SSL_SESSION_free(s)


def _load(der):
    s = _ssl.d2i_SSL_SESSION(None, ctypes.byref(ctypes.c_char_p(der)), len(der))
    assert s, "libssl cannot read the session"
    return s


# ---- a connection -----------------------------------------------------------------------------
class Peer:
    def __init__(self, sock=None, version=None, session=None, server_name="localhost",
                 ciphers=None, suites=None, groups=None, sigalgs=None, alpn=None,
                 options=0, early=False):
        self.sock = sock
        self.sessions = []              # all that the server offered, newest last
        self.ended_well = False
        self._timeout = sock.gettimeout() if sock is not None else None
        ctx = _ssl.SSL_CTX_new(_ssl.TLS_client_method())
        _ssl.SSL_CTX_set_security_level(ctx, 0)
        least, most = _NUMBERS[version or "1.2"], _NUMBERS[version or "1.3"]
        assert _ssl.SSL_CTX_ctrl(ctx, 123, least, None) == 1
        assert _ssl.SSL_CTX_ctrl(ctx, 124, most, None) == 1
        _ssl.SSL_CTX_set_options(ctx, options)
        if ciphers:
            assert _ssl.SSL_CTX_set_cipher_list(ctx, ciphers.encode()) == 1
        if suites:
            assert _ssl.SSL_CTX_set_ciphersuites(ctx, suites.encode()) == 1
        if groups:
            assert _ssl.SSL_CTX_ctrl(ctx, 92, 0, ctypes.c_char_p(groups.encode())) == 1
        if sigalgs:
            assert _ssl.SSL_CTX_ctrl(ctx, 98, 0, ctypes.c_char_p(sigalgs.encode())) == 1
        if alpn:
            wire = b"".join(bytes([len(a)]) + a.encode() for a in alpn)
            assert _ssl.SSL_CTX_set_alpn_protos(ctx, wire, len(wire)) == 0
        _ssl.SSL_CTX_ctrl(ctx, 44, 1, None)             # SSL_SESS_CACHE_CLIENT
        self._note = _NEW_SESSION(self._new_session)
        _ssl.SSL_CTX_sess_set_new_cb(ctx, ctypes.cast(self._note, _p))
        self._ctx, self._ssl = ctx, _ssl.SSL_new(ctx)
        self._in = _crypto.BIO_new(_crypto.BIO_s_mem())
        self._out = _crypto.BIO_new(_crypto.BIO_s_mem())
        _crypto_retry(self._in)
        _ssl.SSL_set_bio(self._ssl, self._in, self._out)
        _ssl.SSL_set_connect_state(self._ssl)
        if server_name:
            _ssl.SSL_ctrl(self._ssl, 55, 0, ctypes.c_char_p(server_name.encode()))
        if session is not None:
            s = _load(session)
            if early:
                _ssl.SSL_SESSION_set_max_early_data(s, 16384)
            assert _ssl.SSL_set_session(self._ssl, s) == 1
            _ssl.SSL_SESSION_free(s)

    def _new_session(self, _, session):
        size = _ssl.i2d_SSL_SESSION(session, None)
        room = ctypes.create_string_buffer(size)
        _ssl.i2d_SSL_SESSION(session, ctypes.byref(ctypes.cast(room, _p)))
        self.sessions.append(room.raw)
        return 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- bytes -----------------------------------------------------------------------
    def take(self):
        """What waits to be sent."""
        room, parts = ctypes.create_string_buffer(65536), []
        while (n := _crypto.BIO_read(self._out, room, 65536)) > 0:
            parts.append(room.raw[:n])
        return b"".join(parts)

    def give(self, data):
        assert _crypto.BIO_write(self._in, data, len(data)) == len(data)

    def flush(self):
        if out := self.take():
            self.sock.sendall(out)

    def _failed(self, code):
        """True: more bytes are needed; False: the end, in order. Raises what went wrong."""
        why = _ssl.SSL_get_error(self._ssl, code)
        if why in (WANT_READ, WANT_WRITE):
            return True
        if why == ZERO_RETURN:
            self.ended_well = True
            return False
        error = _crypto.ERR_get_error()
        text = _crypto.ERR_reason_error_string(error) if error else b"end of file"
        _crypto.ERR_clear_error()
        raise TLSError((text or b"?").decode())

    def _more(self):
        self.flush()
        data = self.sock.recv(65536)
        if not data:
            raise TLSError("the server closed without close_notify")
        self.give(data)

    def step(self):
        """One step of the handshake: done?"""
        _crypto.ERR_clear_error()
        code = _ssl.SSL_do_handshake(self._ssl)
        return True if code == 1 else not self._failed(code)

    def handshake(self):
        try:
            while not self.step():
                self._more()
        finally:
            with suppress(OSError):
                self.flush()
        return self

    # ---- as a socket -----------------------------------------------------------------
    def put(self, data):
        """Records of it, unsent: see take."""
        for at in range(0, len(data), 16384):
            part = data[at:at + 16384]
            _crypto.ERR_clear_error()
            code = _ssl.SSL_write(self._ssl, part, len(part))
            if code <= 0:
                self._failed(code)
                raise TLSError("the connection takes no more")

    def sendall(self, data):
        self.put(data)
        self.flush()

    def recv(self, size):
        room = ctypes.create_string_buffer(size)
        while True:
            _crypto.ERR_clear_error()
            code = _ssl.SSL_read(self._ssl, room, size)
            if code > 0:
                return room.raw[:code]
            if not self._failed(code):
                return b""
            self._more()

    def early_data(self, data):
        """The ClientHello with early data behind it, unsent: see take."""
        n = ctypes.c_size_t()
        code = _ssl.SSL_write_early_data(self._ssl, data, len(data), ctypes.byref(n))
        assert code == 1, "libssl sends no early data"

    @property
    def early_accepted(self):
        return _ssl.SSL_get_early_data_status(self._ssl) == 2

    def renegotiate(self):
        """The ClientHello of a renegotiation goes out."""
        assert _ssl.SSL_renegotiate(self._ssl) == 1
        _ssl.SSL_do_handshake(self._ssl)
        self.flush()

    def key_update(self, asking=False):
        """The record of a KeyUpdate, unsent: see take. asking: for one of the server."""
        assert _ssl.SSL_key_update(self._ssl, int(asking)) == 1
        _ssl.SSL_do_handshake(self._ssl)

    def close_notify(self):
        _ssl.SSL_shutdown(self._ssl)

    def unwrap(self):
        """close_notify both ways; the bare socket."""
        self.close_notify()
        self.flush()
        while _ssl.SSL_get_shutdown(self._ssl) & 2 == 0:
            self.recv(65536)
        return self.sock

    @property
    def session(self):
        return self.sessions[-1] if self.sessions else None

    @property
    def session_reused(self):
        return _ssl.SSL_session_reused(self._ssl) == 1

    def version(self):
        return _ssl.SSL_get_version(self._ssl).decode()

    @property
    def family(self):
        return self.sock.family

    def getsockname(self):
        return self.sock.getsockname()

    def settimeout(self, seconds):
        self.sock.settimeout(seconds)

    def close(self):
        if self._ssl:
            _ssl.SSL_free(self._ssl)
            _ssl.SSL_CTX_free(self._ctx)
            self._ssl = None
            if self.sock is not None:
                self.sock.close()


def _crypto_retry(bio):
    """An empty memory is no end of file: BIO_C_SET_BUF_MEM_EOF_RETURN of -1."""
    _crypto.BIO_ctrl(bio, 130, -1, None)


class RawClient(Client):
    """The usual client on Peers: its sessions are bytes. tls_: the options of a Peer."""

    def __init__(self, host, port, tls_=None, **kw):
        self.tls_ = dict(tls_ or {})
        if kw.get("version"):
            self.tls_["version"] = kw["version"]
        super().__init__(host, port, **kw)

    def secure(self):
        self.sock = Peer(self.sock, server_name=self.server_name, **self.tls_).handshake()
        self.protected = True
        return self.sock

    def wrap_data(self, s, session="as told", **options):
        session = self.ticket() if session == "as told" else session
        return Peer(s, **{"server_name": self.server_name, **self.tls_, **options,
                          "session": session}).handshake()

    @staticmethod
    def finish(data):
        if isinstance(data, Peer):
            data.unwrap()
            data.close()
        else:
            data.close()

    @classmethod
    def of(cls, server, user="guest", password=None, tls="explicit", host="127.0.0.1", **kw):
        """Logged in at a server."""
        from harness import PASSWORD
        port = server.implicit if tls == "implicit" else server.port
        c = cls(host, port, tls=tls, **kw)
        if user:
            c.login(user, password or PASSWORD)
        return c


# ---- ClientHellos by hand -------------------------------------------------------------------
def record(kind, body, version=0x0303):
    return bytes([kind]) + version.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body


def _extension(number, body):
    return number.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body


def _vector(size, body):
    return len(body).to_bytes(size, "big") + body


def hello(suites, version=0x0303, groups=(29, 23, 24), sigalgs=(0x0403, 0x0804, 0x0401),
          compressions=b"\0", server_name=b"localhost"):
    """The record of a ClientHello of SSL 3.0 to TLS 1.2 with any suites and numbers."""
    two = lambda numbers: b"".join(n.to_bytes(2, "big") for n in numbers)   # noqa: E731
    extensions = b"" if version < 0x0301 else (
        _extension(0, _vector(2, b"\0" + _vector(2, server_name)))
        + _extension(10, _vector(2, two(groups))) + _extension(11, b"\x01\0")
        + _extension(13, _vector(2, two(sigalgs))) + _extension(0xFF01, b"\0"))
    body = (version.to_bytes(2, "big") + bytes(range(32)) + b"\0"
            + _vector(2, two(suites)) + _vector(1, compressions)
            + (_vector(2, extensions) if extensions else b""))
    return record(22, b"\x01" + _vector(3, body), min(version, 0x0301))


def answer(sock, timeout=10 * HELD_UP):
    """What comes first: ("alert", number), ("hello", suite, compression), ("end",)."""
    sock.settimeout(timeout)
    data = b""
    try:
        while len(data) < RECORD or len(data) < RECORD + int.from_bytes(data[3:5], "big"):
            more = sock.recv(4096)
            if not more:
                return ("end",)
            data += more
    except ConnectionError:
        return ("end",)
    if data[0] == 21:
        return "alert", data[6]
    assert data[0] == 22 and data[5] == 2, f"neither alert nor ServerHello: {data[:40]!r}"
    at = RECORD + 4 + 2 + 32
    at += 1 + data[at]
    return "hello", int.from_bytes(data[at:at + 2], "big"), data[at + 2]


def silent(sock, seconds):
    """Does nothing come for so long? False: bytes, or the end."""
    return not select.select([sock], [], [], seconds)[0]


def ended(sock, timeout):
    """Seconds until the server closes; what comes before is thrown away. None: never."""
    watch = Stopwatch()
    sock.settimeout(0.5)
    while watch.own() < timeout:
        try:
            if not sock.recv(65536):
                return watch.own()
        except TimeoutError:
            continue
        except OSError:
            return watch.own()
    return None
