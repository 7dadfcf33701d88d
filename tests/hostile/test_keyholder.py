"""The real sallyport-keyholder with the test in its monitor's place.

Whatever comes over its channel it answers or ends, in order and by itself; and it signs what
a TLS server signs in a handshake, and nothing else.
"""

import os
import pwd
import struct

import pytest

import deform
from harness import GUEST, ROOT
from puppet import KEYHOLDER, MONITOR, STATE, Driven, Gone, require_puppet, text, u8, u16, u64

pytestmark = pytest.mark.limit(120)

EC, RSA = 0, 1                  # where its two keys lie


@pytest.fixture(scope="module")
def holder(world, tmp_path_factory):
    """A factory of keyholders, in the state START or READY."""
    require_puppet(world)
    run = tmp_path_factory.mktemp("run")
    (run / "empty").mkdir()
    for d in (run, run / "empty"):
        os.chmod(d, 0o755)
    os.chmod(run.parent, 0o755)
    me = pwd.getpwnam(GUEST) if ROOT else pwd.getpwuid(os.geteuid())

    def make(state="READY", keys=True):
        h = Driven(world, "sallyport-keyholder", me.pw_uid, me.pw_gid)
        assert h.do(f"settings {run}") == "ok"
        if state == "START":
            return h
        assert h.do("give held") == "ok"
        for i, key in enumerate((world.certs.ec.key, world.certs.rsa.key) if keys else ()):
            assert h.do(f"hold {key}") == "ok"
            assert h.send("m", "KEY", u8(i) + text("key"), fds=1) == "ok"
            assert h.said()[0] == "KEY_LOADED"
        assert h.do("hold null") == "ok"
        assert h.send("m", "START") == "ok"
        assert h.said() == ("READY", b"", 0)
        return h
    return make


def ends(h, what, failures):
    """By itself and with an error, and signs nothing on its way out."""
    try:
        while (answer := h.said(0.2)) is not None:
            if answer[0] == "KEY_SIGNED":
                failures.append(f"{what}: it signed")
    except Gone:
        pass
    status = h.do("status 5000")
    if status != "exited 1":
        failures.append(f"{what}: {status}")


def all_end(holder, tried, state, ways):
    """Each message to a keyholder of its own, which then has to go."""
    failures, count = [], 0
    with holder(state):
        pass                    # the rows are known from here on
    for what, command in ways(deform.legal(MONITOR, KEYHOLDER, STATE[state])):
        with holder(state, keys=False) as h:
            if h.do(command) == "impossible":
                continue
            ends(h, f"{what} in {state}", failures)
            count += 1
    assert not failures
    assert count > 5
    tried("deformed messages to the keyholder", count)


@pytest.mark.parametrize("state", ("START", "READY"))
def test_a_message_out_of_place_ends_it(holder, tried, state):
    all_end(holder, tried, state, deform.out_of_place)


@pytest.mark.parametrize("state", ("START", "READY"))
def test_a_malformed_message_ends_it(holder, tried, state):
    all_end(holder, tried, state, deform.malformed)


@pytest.mark.parametrize("state", ("START", "READY"))
def test_a_wrong_count_of_descriptors_ends_it(holder, tried, state):
    all_end(holder, tried, state, deform.miscounted)


def test_a_key_that_is_no_file_is_no_key(holder, tried):
    """Each kind of descriptor in a key's place; none may hold it up, or end it badly."""
    with holder("START") as h:
        kinds = h.things()
    # What never says anything is waited for: the monitor, which opens files only, gives
    # a keyholder 30 s to become ready.
    waits = {"pipe-quiet", "eventfd", "timerfd", "unix-listening", "udp"}
    for kind in kinds:
        if kind in waits:
            continue
        with holder("START") as h:
            h.do("give held")
            if h.do(f"hold {kind}") != "ok":
                continue
            assert h.send("m", "KEY", u8(0) + text("thing"), fds=1) == "ok"
            answer = h.said()
            assert answer is not None and answer[0] == "KEY_FAILED", (kind, answer)
            h.send("m", "START")
            assert h.said()[0] == "READY", kind
            tried("kinds of descriptors in the place of a key")


def test_one_that_waits_for_its_channel_ends_with_it(holder):
    with holder() as h:
        assert h.do("status 100") == "runs"


# ---- what it signs ---------------------------------------------------------------------

SPACES = b" " * 64
SERVER_13 = SPACES + b"TLS 1.3, server CertificateVerify\0"
CLIENT_13 = SPACES + b"TLS 1.3, client CertificateVerify\0"
RANDOMS = bytes(range(64))
P256_POINT = b"\3\0\x17\x41\4" + b"p" * 64
P384_POINT = b"\3\0\x18\x61\4" + b"p" * 96
X25519 = b"\3\0\x1d\x20" + b"x" * 32
SCHEMES = range(0x10000)
ECDSA, PKCS1, PSS = (0x0403, 0x0503, 0x0603), (0x0401, 0x0501, 0x0601), (0x0804, 0x0805, 0x0806)

GOOD = [(EC, 0x0403, SERVER_13 + b"h" * 32), (EC, 0x0403, SERVER_13 + b"h" * 48),
        (RSA, 0x0804, SERVER_13 + b"h" * 32), (RSA, 0x0806, SERVER_13 + b"h" * 48)]
GOOD += [(EC, scheme, RANDOMS + share)
         for scheme in ECDSA for share in (X25519, P256_POINT, P384_POINT)]
GOOD += [(RSA, scheme, RANDOMS + share)
         for scheme in PKCS1 + PSS for share in (X25519, P256_POINT, P384_POINT)]

DER_TBS = bytes.fromhex("308201 0aa003020102".replace(" ", ""))     # a certificate begins so
SSH = struct.pack(">I", 32) + b"s" * 32 + b"\x32" + struct.pack(">I", 4) + b"root"
JWT = b"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJyb290In0"
PKCS1_PADDED = b"\0\1" + b"\xff" * 202 + b"\0" + b"d" * 51
NOT_SIGNED = {
    "nothing": b"", "one byte": b"x", "the most bytes": b"x" * 512,
    "a hash of 20 bytes": b"h" * 20, "a hash of 32 bytes": b"h" * 32,
    "a hash of 48 bytes": b"h" * 48, "a hash of 64 bytes": b"h" * 64,
    "a padded block to decrypt or sign as it is": PKCS1_PADDED,
    "the beginning of a certificate": DER_TBS + b"c" * 200,
    "a login by SSH": SSH, "a web token": JWT, "a mail": b"From: root\r\n\r\n" + b"m" * 99,
    "a client's CertificateVerify": CLIENT_13 + b"h" * 32,
    "a delegated credential": SPACES + b"TLS, server delegated credentials\0" + b"d" * 99,
    "an exported authenticator": SPACES + b"Exported Authenticator\0" + b"h" * 32,
    "a QUIC token": SPACES + b"QUIC address token\0" + b"h" * 32,
    "TLS 1.3 without a hash": SERVER_13,
    "TLS 1.3 with 31 bytes": SERVER_13 + b"h" * 31,
    "TLS 1.3 with 33 bytes": SERVER_13 + b"h" * 33,
    "TLS 1.3 with SHA-1": SERVER_13 + b"h" * 20,
    "TLS 1.3 with SHA-512": SERVER_13 + b"h" * 64,
    "TLS 1.3 with bytes behind its hash": SERVER_13 + b"h" * 48 + b"more",
    "TLS 1.3 with 63 spaces": SERVER_13[1:] + b"h" * 32,
    "TLS 1.3 with 65 spaces": b" " + SERVER_13 + b"h" * 32,
    "TLS 1.3 with tabs": b"\t" * 64 + SERVER_13[64:] + b"h" * 32,
    "TLS 1.3 without its NUL": SERVER_13[:-1] + b"h" * 32,
    "TLS 1.3 in other letters": SERVER_13.replace(b"server", b"SERVER") + b"h" * 32,
    "TLS 1.2 without randoms": X25519, "TLS 1.2 with one random": RANDOMS[:32] + X25519,
    "TLS 1.2 randoms alone": RANDOMS,
    "TLS 1.2 with a cut share": RANDOMS + X25519[:-1],
    "TLS 1.2 with a byte behind its share": RANDOMS + X25519 + b"\0",
    "TLS 1.2 with two shares": RANDOMS + X25519 + X25519,
    "TLS 1.2 with another curve": RANDOMS + b"\3\0\x19\x20" + b"x" * 32,
    "TLS 1.2 with explicit parameters": RANDOMS + b"\1" + b"x" * 130,
    "TLS 1.2 with a compressed point": RANDOMS + b"\3\0\x17\x21\2" + b"p" * 32,
    "TLS 1.2 with a point that says another length": RANDOMS + b"\3\0\x17\x42\4" + b"p" * 65,
    "TLS 1.2 with DHE parameters": RANDOMS + b"\1\0" + b"p" * 256 + b"\0\1\2",
    "TLS 1.1: MD5 and SHA-1": b"m" * 16 + b"s" * 20,
}


def ask(h, key, scheme, tbs, number=1):
    return h.ask("m", "KEY_SIGN", u64(number) + u8(key) + u16(scheme) + text(tbs))


def test_what_a_server_signs_is_signed(holder, tried):
    """Else all the refusals below would prove nothing."""
    with holder() as h:
        for i, (key, scheme, tbs) in enumerate(GOOD):
            name, body, fds = ask(h, key, scheme, tbs, i)
            assert (name, fds, body[:8]) == ("KEY_SIGNED", 0, u64(i)), (hex(scheme), tbs)
            tried("handshakes signed")


@pytest.mark.parametrize("what", NOT_SIGNED)
def test_nothing_else_is_signed(holder, tried, what):
    with holder() as h:
        for key in (EC, RSA):
            for scheme in ECDSA + PKCS1 + PSS:
                name, body, _ = ask(h, key, scheme, NOT_SIGNED[what])
                assert name == "KEY_REFUSED", (what, key, hex(scheme))
                tried("other things to sign, refused")


def test_no_other_scheme_is_known(holder, tried):
    """SHA-1, MD5, raw RSA, EdDSA, PSS keys, and every number that means nothing."""
    known = {(key, scheme) for key, scheme, _ in GOOD}
    with holder() as h:
        for scheme in SCHEMES:
            if scheme >> 8 > 9 and scheme & 0xff not in (0, 1, 0x10, 0x80, 0xff):
                continue
            for key, tbs in ((EC, SERVER_13 + b"h" * 32), (RSA, RANDOMS + X25519)):
                if (key, scheme) in known:
                    continue
                name, body, _ = ask(h, key, scheme, tbs)
                assert name == "KEY_REFUSED", (key, hex(scheme))
                tried("signature schemes refused")


def test_tls_13_is_not_signed_by_the_ways_of_tls_12(holder):
    """PKCS #1, and a hash that belongs to another curve (RFC 8446 section 4.2.3)."""
    with holder() as h:
        for key, schemes in ((RSA, PKCS1), (EC, ECDSA[1:])):
            for scheme in schemes:
                assert ask(h, key, scheme, SERVER_13 + b"h" * 32)[0] == "KEY_REFUSED"


def test_a_key_that_is_not_there_signs_nothing(holder):
    with holder() as h:
        for key in range(2, 32):
            assert ask(h, key, 0x0403, SERVER_13 + b"h" * 32)[0] == "KEY_REFUSED"
    with holder(keys=False) as h:
        assert ask(h, 0, 0x0403, SERVER_13 + b"h" * 32)[0] == "KEY_REFUSED"


def test_a_flood_is_answered_or_not_but_harms_nothing(holder, tried):
    """It waits while nobody reads, signs nothing of it, and works afterwards."""
    with holder() as h:
        sent = int(h.do(f"flood m {h.rows['KEY_SIGN'].type} 5000").split()[1])
        assert sent > 0
        answers = 0
        while answers < sent:
            name, _, _ = h.said()
            assert name == "KEY_REFUSED"
            answers += 1
        assert ask(h, *GOOD[0])[0] == "KEY_SIGNED"
        tried("messages of floods to the keyholder", sent)
