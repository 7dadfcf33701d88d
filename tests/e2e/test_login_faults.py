"""Faults of the server in a login: what clients are told, and that it tells no names."""

import os
import sqlite3

import pytest

from harness import PASSWORD
from test_logins import attempt, refusal


def told(server, user, password):
    """The reply, and whether the session ended with it."""
    c = server.client()
    r = attempt(c, user, password)
    if r.code == 421:
        assert c.closed(), "421 and the session goes on"
    c.abandon()
    return r.text


def change(server, what, *values):
    with sqlite3.connect(server.dir / "users.db") as db:
        assert db.execute(what, values).rowcount == 1


@pytest.mark.expects(r"login\.database_failed")
@pytest.mark.parametrize("content", [b"this is no database" * 500, b""], ids=["corrupt", "empty"])
def test_a_broken_database_is_no_wrong_password(make_server, content):
    s = make_server()
    database = s.dir / "users.db"
    for name in ("users.db-wal", "users.db-shm"):
        if (s.dir / name).exists():
            os.unlink(s.dir / name)
    database.write_bytes(content)
    mark = s.mark()
    texts = {told(s, user, password) for user, password in
             (("guest", PASSWORD), ("guest", "wrong"), ("nobody-here", "wrong"))}
    assert len(texts) == 1 and texts.pop().startswith("421 "), texts
    line = s.wait_log(r"login\.database_failed", mark)
    assert " error " in line and "users.db" in line
    assert "reason=error" in s.wait_log(r"login\.refused", mark)


@pytest.mark.expects(r"login\.account_unusable")
def test_a_missing_jail_is_told_to_its_owner_alone(make_server):
    s = make_server()
    s.add_user("homeless", jail=s.dir / "jails" / "not-there")
    mark = s.mark()
    wrong = told(s, "homeless", "wrong")
    assert wrong == told(s, "nobody-here", "wrong") and wrong.startswith("530 ")
    assert told(s, "homeless", PASSWORD).startswith("421 ")
    line = s.wait_log(r"login\.account_unusable", mark)
    assert " error " in line and "not-there" in line


@pytest.mark.expects(r"login\.hash_broken")
def test_a_fault_of_one_account_looks_like_a_wrong_password(make_server):
    s = make_server()
    s.add_user("broken")
    change(s, "UPDATE accounts SET password = ? WHERE name = ?", "no hash", "broken")
    mark = s.mark()
    assert told(s, "broken", PASSWORD) == told(s, "nobody-here", PASSWORD)
    assert "user=broken" in s.wait_log(r"login\.hash_broken", mark)
    assert "reason=unusable" in s.wait_log(r"login\.refused user=broken", mark)


def test_after_a_fault_logins_go_on(make_server):
    s = make_server()
    database = s.dir / "users.db"
    os.rename(database, s.dir / "away")
    assert refusal(s, "guest").code == 421
    os.rename(s.dir / "away", database)
    s.login().quit()
