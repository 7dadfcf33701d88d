"""No process keeps a password, a hash or a key in its memory once it was used."""

import re
import secrets
import sqlite3

import pytest

import harness
import live
import procfs
from harness import PAM_SERVICE, run

SYSTEM_USER = "sp-test-vault"   # its own: its password is another in each run
KINDS = ["worker", "broker", "login", "keyholder"]


def token():
    """A password that stands nowhere else."""
    return "Pw-" + secrets.token_hex(9) + "-x"


class Vault:
    """A server whose secrets are all known, and all processes that it has."""

    def __init__(self, world):
        self.good, self.pam_password = token(), token()
        world.user(SYSTEM_USER, "--create-home")
        self.server = harness.Server(world, "memory", auth=["users", "pam"],
                                     pam_service=PAM_SERVICE, login_attempts=10,
                                     login_failure_delay=0,
                                     cleartext_networks=["127.0.0.0/8"])
        self.server.start()
        self.server.add_user("keeper", password=self.good)
        run("chpasswd", input=f"{SYSTEM_USER}:{self.pam_password}\n")
        self.passwords = {"the password": self.good.encode(),
                          "the system user's password": self.pam_password.encode()}
        self.hashes = {"the hash of the database": self.hash_of_database(),
                       "the hash of /etc/shadow": self.hash_of_shadow()}
        self.keys = dict(self.numbers(world.certs))

    def hash_of_database(self):
        with sqlite3.connect(f"file:{self.server.dir}/users.db?mode=ro", uri=True) as db:
            everything = "\n".join(db.iterdump())
        hashes = re.findall(r"\$argon2id\$[^']*\$([A-Za-z0-9+/]+)'", everything)
        assert len(hashes) >= 2
        with sqlite3.connect(f"file:{self.server.dir}/users.db?mode=ro", uri=True) as db:
            line = [x for x in db.iterdump() if "'keeper'" in x and "$argon2id$" in x]
        return re.search(r"\$argon2id\$[^']*\$([A-Za-z0-9+/]+)", line[0])[1].encode()

    @staticmethod
    def hash_of_shadow():
        with open("/etc/shadow") as f:
            (line,) = [x for x in f if x.startswith(SYSTEM_USER + ":")]
        return line.split(":")[1].rsplit("$", 1)[1].encode()

    @staticmethod
    def numbers(certs):
        """The private numbers of both keys, as they stand in memory, and the files' text."""
        for name, key in (("EC", certs.ec.key), ("RSA", certs.rsa.key)):
            text = run("openssl", "pkey", "-in", key, "-text", "-noout").stdout
            for part in ("priv", "privateExponent", "prime1", "prime2"):
                m = re.search(rf"(?m)^{part}:\n((?:    [0-9a-f:]+\n)+)", text)
                if m:
                    number = bytes.fromhex(re.sub(r"[^0-9a-f]", "", m[1])).lstrip(b"\0")
                    yield f"{name} {part}", number[:24]
                    yield f"{name} {part}, turned round", number[::-1][:24]
            with open(key) as f:
                lines = [x.strip() for x in f if "-----" not in x]
            # behind the public part
            yield f"{name} file", lines[1 if name == "EC" else -4].encode()

    def processes(self):
        found = {f"monitor {self.server.pid}": self.server.pid}
        for kind in KINDS:
            for pid in sorted(procfs.of_kind(self.server.pid, "sallyport-" + kind)):
                found[f"{kind} {pid}"] = pid
        return found

    def search(self, needles, tried, but=()):
        """Nothing of needles (name -> bytes) is anywhere but in the kinds of but."""
        bad = []
        for name, pid in self.processes().items():
            if name.split()[0] in but:
                continue
            try:
                found = procfs.search_memory(pid, list(needles.values()))
            except (FileNotFoundError, ProcessLookupError):
                continue                # a login that has just ended
            bad += [f"{name} has {what} at " + ", ".join(f"{a:x} {m}" for a, m in found[bytes_])
                    for what, bytes_ in needles.items() if found[bytes_]]
            tried("secrets looked for in the memory of processes", len(needles))
        assert not bad, "\n".join(bad)


@pytest.fixture(scope="module")
def vault(world):
    harness.needs_root()
    world.not_sanitized("it keeps freed memory for a while")
    v = Vault(world)
    yield v
    v.server.stop()


SESSIONS = ["explicit", "implicit", None]


@pytest.mark.parametrize("tls", SESSIONS)
def test_a_search_finds_what_is_there(vault, tls):
    """Else the tests below would prove nothing."""
    c, worker, broker = live.logged_in(vault.server, "keeper", vault.good, tls=tls)
    name = token()
    c.expect(257, "MKD " + name)
    c.expect(250, "CWD " + name)
    for pid in (worker, broker):
        assert procfs.search_memory(pid, [name.encode()])[name.encode()], procfs.name(pid)
    holder = procfs.search_memory(live.keyholder(vault.server), list(vault.keys.values()))
    assert any(holder.values()), "the keyholder has no key?"
    c.quit()


@pytest.mark.parametrize("tls", SESSIONS)
def test_after_a_login_by_the_database(vault, tried, tls):
    c = vault.server.login("keeper", vault.good, tls=tls)
    vault.search(vault.passwords | vault.hashes, tried)
    c.expect(200, "NOOP")
    vault.search(vault.passwords | vault.hashes, tried)
    c.quit()


@pytest.mark.parametrize("tls", SESSIONS)
def test_after_a_login_by_pam(vault, tried, tls):
    """Its login process is still there, asleep until the session ends."""
    c = vault.server.login(SYSTEM_USER, vault.pam_password, tls=tls)
    assert any(x.startswith("login") for x in vault.processes())
    vault.search(vault.passwords | vault.hashes, tried)
    c.quit()


@pytest.mark.parametrize("tls", SESSIONS)
@pytest.mark.parametrize("user", ["keeper", SYSTEM_USER, "nobody-at-all"])
def test_after_a_refused_login(vault, tried, tls, user):
    wrong = token()
    c = vault.server.client(tls=tls)
    c.expect(331, "USER " + user)
    c.expect(530, "PASS " + wrong)
    vault.search({"what was typed": wrong.encode()} | vault.hashes, tried)
    c.quit()


@pytest.mark.parametrize("tls", SESSIONS)
def test_passwords_at_odd_moments(vault, tried, tls):
    """Before USER, after the login, in pieces, behind other commands in one packet."""
    words = [token() for _ in range(6)]
    c = vault.server.client(tls=tls)
    c.expect(503, "PASS " + words[0])
    c.expect(331, "USER keeper")
    c.raw(b"PASS " + words[1][:7].encode())
    c.raw(words[1][7:].encode() + b"\r\n")
    assert c.reply().code == 530
    c.expect(331, "USER keeper")
    c.raw(b"NOOP\r\nPASS " + words[5][:-1].encode())
    assert c.reply().code == 200
    c.raw(words[5][-1].encode() + b"\r\n")
    assert c.reply().code == 530
    c.raw(f"NOOP\r\nUSER keeper\r\nPASS {words[2]}\r\nNOOP\r\nNOOP\r\n".encode())
    assert [c.reply().code for _ in range(5)] == [200, 331, 530, 200, 200]
    c.login("keeper", vault.good)
    assert c.cmd("PASS " + words[3]).code == 503
    assert c.cmd("ACCT " + words[4]).code >= 200
    vault.search(vault.passwords | {f"word {i}": w[:-1].encode() for i, w in enumerate(words)},
                 tried)
    c.quit()


def test_a_password_that_waits_for_a_transfer(vault, tried):
    """In clear: what libssl leaves in a buffer that it has freed is not what this is about."""
    word = token()
    c = vault.server.client(tls=None)
    c.login("keeper", vault.good)
    r, data = c.transfer("STOR waiting")
    assert r.code == 150, r
    c.raw(f"PASS {word}\r\nNOOP\r\n".encode())
    with data:
        c.finish(data)
    assert [c.reply().code for _ in range(3)] == [226, 503, 200]
    vault.search({"word": word[:-1].encode()}, tried)
    c.quit()


@pytest.mark.parametrize("tls", SESSIONS)
def test_keys_are_in_the_keyholder_alone(vault, tried, tls):
    """Before and after a login, and while a transfer runs."""
    c = vault.server.client(tls=tls)
    vault.search(vault.keys, tried, but=["keyholder"])
    c.login("keeper", vault.good)
    _, data = c.transfer(f"STOR key-{tls}")
    data.sendall(b"x" * 10000)
    vault.search(vault.keys, tried, but=["keyholder"])
    c.finish(data)
    assert c.reply().code == 226
    c.quit()


def test_the_key_files_text_is_not_even_in_the_keyholder(vault, tried):
    vault.server.login("keeper", vault.good).quit()
    files = {k: v for k, v in vault.keys.items() if "file" in k}
    assert len(files) == 2
    vault.search(files, tried)
