"""The private keys lie in the keyholder and in no other process."""

import base64
import os
import re
import subprocess
from contextlib import suppress

import pytest

import procfs
from harness import PASSWORD, Server, needs_root, times

pytestmark = [pytest.mark.limit(300)]

HANDSHAKES = times(30, 500)
LEAST = 16                      # bytes of a number that no other one begins with by chance


def numbers(key):
    """The secret numbers of a PEM key, as openssl shows them: name -> bytes, big-endian."""
    shown = subprocess.run(["openssl", "pkey", "-in", str(key), "-noout", "-text"],
                           check=True, capture_output=True, text=True).stdout
    found = {}
    for name, digits in re.findall(r"^(priv|privateExponent|prime1|prime2|exponent1"
                                   r"|exponent2|coefficient):\n((?: +[0-9a-f:]+\n)+)",
                                   shown, re.M):
        found[name] = bytes.fromhex(re.sub(r"[^0-9a-f]", "", digits)).lstrip(b"\0")
    return found


def traces(key):
    """What a copy of the key would have in it: name -> bytes. The halves of each are
    looked for, too: a cut or partly overwritten copy is one all the same."""
    pem = key.read_bytes()
    body = b"".join(pem.strip().split(b"\n")[1:-1])
    der = base64.b64decode(body)
    wanted = {}
    for name, number in numbers(key).items():
        for end, value in (("big-endian", number), ("little-endian", number[::-1])):
            half = max(LEAST, len(value) // 2)
            wanted[f"{name}, {end}, first half"] = value[:half]
            wanted[f"{name}, {end}, second half"] = value[-half:]
    lines = pem.strip().split(b"\n")[1:-1]
    # Each line of the text, but for the first, which tells only what kind of key it is.
    for i, line in enumerate(lines[1:-1], 1):
        wanted[f"line {i} of the file"] = line
    wanted["the middle of the DER"] = der[len(der) // 3:2 * len(der) // 3]
    return wanted


def regions(pid):
    """The readable pieces of a process's memory."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            span, mode, *_ = line.split()
            if "r" not in mode or "[v" in line:     # vvar, vdso, vsyscall
                continue
            at, end = (int(x, 16) for x in span.split("-"))
            with suppress(OSError, ValueError, OverflowError):
                mem.seek(at)
                yield mem.read(end - at)


def search(pid, wanted):
    """The names of what is in there, and how many bytes were looked at."""
    found, size = set(), 0
    for region in regions(pid):
        size += len(region)
        found |= {name for name, value in wanted.items() if value in region}
    return found, size


@pytest.fixture(scope="module")
def served(world):
    needs_root()
    world.not_sanitized("its shadow memory is too much to search")
    s = Server(world, "keys", signatures_burst=10000)
    s.start()
    yield s
    s.stop()


def secrets(world):
    wanted = {}
    for kind, pair in (("EC", world.certs.ec), ("RSA", world.certs.rsa)):
        for name, value in traces(pair.key).items():
            assert len(value) >= LEAST, name
            wanted[f"{kind} {name}"] = value
    assert {"EC priv, big-endian, first half", "RSA prime1, little-endian, first half",
            "RSA privateExponent, big-endian, second half"} <= wanted.keys()
    return wanted


def processes(server):
    """All of them, by kind."""
    return {p: procfs.name(p) for p in [server.pid, *procfs.descendants(server.pid)]}


def look(server, wanted, tried):
    """Nothing anywhere but in the keyholder; returns what that one has."""
    leaks, held, seen = [], set(), set()
    for pid, name in processes(server).items():
        try:
            found, size = search(pid, wanted)
        except (FileNotFoundError, ProcessLookupError):
            continue            # it has ended meanwhile
        if size == 0:
            continue
        seen.add(name)
        tried("processes searched for keys")
        tried("KiB of memory searched for keys", size // 1024)
        if name == "sallyport-keyholder":
            held |= found
        elif found:
            leaks.append((name, pid, sorted(found)))
    assert not leaks
    assert seen == {"sallyportd", "sallyport-worker", "sallyport-broker",
                    "sallyport-login", "sallyport-keyholder", "sallyport-ledger"}
    return held


@pytest.mark.slow
def test_the_search_finds_what_is_there(served, tried):
    """In the keyholder: its numbers, as OpenSSL computes with them. And in us, who read
    the files: in every form that is looked for."""
    wanted = secrets(served.world)
    for version in ("1.2", "1.3"):
        served.login(version=version).quit()
    held = look(served, wanted, tried)
    assert any(name.startswith("EC priv, little-endian") for name in held), held
    assert any(name.startswith("RSA prime1, little-endian") for name in held), held
    found, _ = search(os.getpid(), wanted)
    assert found == wanted.keys()
    # The file itself is wiped once it was read.
    assert not [name for name in held if "file" in name], held


@pytest.mark.slow
def test_no_other_process_has_any_of_a_key(served, tried):
    """Fresh, during handshakes, logged in, after transfers, after as many handshakes as
    there were, and after the keyholder was started anew."""
    wanted = secrets(served.world)
    look(served, wanted, tried)
    clients = []
    try:
        for i in range(HANDSHAKES):
            c = served.client(version="1.2" if i % 2 else "1.3",
                              ciphers="ECDHE-RSA-AES128-GCM-SHA256" if i % 4 == 1 else None)
            clients.append(c)
            if i % 10 == 0:
                look(served, wanted, tried)         # just secured, nobody logged in
            if i % 3 == 0:
                c.login("guest", PASSWORD)
                c.stor("STOR file", b"content")
            if len(clients) > 6:
                clients.pop(0).abandon()
        tried("handshakes before the memory was searched", HANDSHAKES)
        look(served, wanted, tried)
    finally:
        for c in clients:
            c.abandon()


def test_a_reload_leaves_no_key_behind_in_the_monitor(served, tried):
    """It opens the files, and passes them on: it never reads them."""
    wanted = secrets(served.world)
    for _ in range(3):
        served.reload()
        served.login().quit()
    look(served, wanted, tried)
