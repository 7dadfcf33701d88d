"""A captured ledger against the monitor: it says who is shut out, within bounds, and no more."""

import struct

import pytest

from harness import run, wait_until
from puppet import HostileServer, require_puppet, u8

pytestmark = [pytest.mark.expects(r"breach side=ledger|ledger\.(ended|crashed)"),
              pytest.mark.limit(300)]

KEY, KNOWN, NETWORK, NAME, BAN = range(5)
BY_HAND, VIOLATIONS, GUESSES = range(3)
FOR_EVER = (1 << 63) - 1


def row(table, kind=0, a=0, b=0, last=0, until=0, count=0):
    return struct.pack("<BBQQqqI", table, kind, a, b, last, until, count)


def ban4(first, bits, reason=BY_HAND):
    """A ban for ever of the network that begins with that byte."""
    return row(BAN, bits, 0, 0xffff << 32 | first << 24, 0, FOR_EVER, 4 << 8 | reason)


def ban6(first, bits, reason=BY_HAND):
    return row(BAN, bits, first << 48, 0, 0, FOR_EVER, 6 << 8 | reason)


@pytest.fixture
def captured(world):
    require_puppet(world)
    s = HostileServer(world, "ledger", captured=("ledger",), log_level="debug")
    s.start()
    yield s
    assert s.process.poll() is None
    s.serves()
    s.stop()


def store(ledger, *rows):
    for body in rows:
        assert wait_until(lambda b=body: ledger.send("m", "STORED", b) == "ok", 30), "no room"


def keep(ledger):
    """What it is told after its start, as an honest one: the next one then comes soon."""
    assert ledger.send("m", "READY") == "ok"
    while ledger.get()[0] != "COMMIT_ROWS":
        pass
    assert ledger.send("m", "KEPT", u8(1)) == "ok"


def bans(server):
    return [line.split()[0] for line in server.tool("ban", "list").stdout.splitlines()[1:]]


def test_it_cannot_shut_out_everybody(captured):
    with captured.side("ledger") as ledger:
        store(ledger, ban4(0, 0), ban4(0, 1), ban4(127, 8, VIOLATIONS), ban4(127, 8, GUESSES),
              ban6(0, 0), ban6(0x2000, 3), ban6(0, 64, GUESSES), ban6(0, 48, VIOLATIONS))
        store(ledger, *(ban4(n, 8) for n in range(256)))
        store(ledger, *(row(table, kind, a, a, until, until, count)
                        for table in (KNOWN, NETWORK, NAME, BAN) for kind in (0, 1, 3, 200)
                        for a in (0, 1, (1 << 64) - 1) for until in (-1 << 63, FOR_EVER)
                        for count in (0, (1 << 32) - 1)))
        mark = captured.mark()
        assert ledger.send("m", "READY") == "ok"
        captured.wait_log(r"ledger\.ready", mark)
        captured.serves()
        listed = bans(captured)
        assert [w for w in listed if w.endswith("/8")] and len(listed) < 40, listed
        captured.wait_log(r"ban\.forgotten")
        captured.tool("ban", "remove", "0.0.0.0/0")
        captured.tool("ban", "remove", "::/0")
        assert bans(captured) == []


WRONG = {
    "START": [("KEPT", u8(1)), ("STORED", row(8)), ("ROW", row(BAN)), ("READY", b"x")],
    "READY": [("STORED", row(BAN)), ("READY", b""), ("KEPT", u8(2)), ("COMMIT_ROWS", b""),
              ("SPAWNED", bytes(12)), ("BAN_LIST", b"")],
}


@pytest.mark.parametrize("state", WRONG)
def test_a_broken_rule_ends_it_alone_and_another_one_comes(captured, state):
    client = captured.client()
    for name, body in WRONG[state]:
        mark = captured.mark()
        with captured.side("ledger") as ledger:
            if state == "READY":
                keep(ledger)
            ledger.attack(ledger.step("m", name, body))
            assert ledger.ended(), name
        captured.wait_log(r"breach side=ledger", mark)
    client.expect(211, "FEAT")
    client.abandon()


def test_what_it_stored_for_the_next_one_is_looked_at_again(captured):
    """It writes the database, too: an honest one reads from there what it had been told."""
    with captured.side("ledger"):
        pass
    captured.stop()
    database = captured.dir / "ledger" / "ledger.db"
    folder = database.parent
    folder.mkdir(0o700, exist_ok=True)
    rows = ["INSERT INTO bans VALUES (0, 0, 281470681743360, 0, 9223372036854775807, 1024)",
            "INSERT INTO bans VALUES (-1, -1, -1, -1, -1, -1)",
            "INSERT INTO bans VALUES ('x', 1.5, NULL, 'until', x'00', -9223372036854775808)",
            "INSERT INTO networks VALUES (1, 9223372036854775807, 0, -1, -1, -1)",
            "INSERT INTO names VALUES (7, 1, 1, 1, 1, 1)"]
    tables = ("secret", "known", "networks", "names", "bans")
    run("/usr/bin/python3", "-c",
        "import sqlite3, sys\n"
        "db = sqlite3.connect(sys.argv[1])\n"
        "for sql in sys.argv[2:]: db.execute(sql)\n"
        "db.commit()\n", str(database),
        *(f"CREATE TABLE {t} (kind, a, b, last, until, count)" for t in tables), *rows)
    captured.own(folder, "sallyport-ledger")
    captured.own(database, "sallyport-ledger")
    captured.honest("ledger", True)
    mark = captured.mark()
    captured.start()
    captured.wait_log(r"ledger\.ready", mark)
    captured.serves()
    assert bans(captured) == []
