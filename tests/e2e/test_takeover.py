"""An upload whose client fell silent is taken over by another session of its account.

How long it was silent is told by its file: when that was last written to. Where a case needs
silence, a server is used for which a second of it is enough; where it needs that there is none,
one for which only a day of it is.
"""

import os
import time

import pytest

from harness import Server, wait_until
from test_clients_curl import Curl
from test_clients_lftp import Lftp

PART = ".sp-part."
OLD = b"old" * 1_000_000
NEW = os.urandom(3_000_000)
BEGUN = 1_000_000
DAY = 86400

pytestmark = pytest.mark.limit(120)


def started(world, name, near, elsewhere):
    s = Server(world, name, takeover_silence=f"{near} s",
               takeover_silence_elsewhere=f"{elsewhere} s",
               cleartext_networks=["127.0.0.0/8"])
    try:
        s.start()
        s.add_user("second", jail=s.jail())
    except BaseException:
        s.kill()
        raise
    return s


@pytest.fixture(scope="module")
def _near(world):
    s = started(world, "near", 1, DAY)
    yield s
    s.stop()


@pytest.fixture(scope="module")
def _elsewhere(world):
    s = started(world, "elsewhere", DAY, 1)
    yield s
    s.stop()


@pytest.fixture
def near(_near):
    """An upload is left after a second of silence, to who comes from the same address."""
    return _near.revive()


@pytest.fixture
def elsewhere(_elsewhere):
    """To who comes from another address."""
    return _elsewhere.revive()


class Upload:
    """One that began, in a session that then says nothing more."""

    def __init__(self, server, line="STOR f", old=None, begun=BEGUN, folder=None, **login):
        self.server = server
        self.folder = folder or server.folder()
        self.mark = server.mark()
        self.partial = self.folder.path(PART + "f")
        if old is not None:
            self.folder.make("f", old)
        self.client = self.session(**login)
        r, self.data = self.client.transfer(line)
        assert self.data is not None, r
        if begun:
            self.data.sendall(NEW[:begun])
        self.wait_size(begun)

    def session(self, **login):
        c = self.server.login(**login)
        c.expect(250, "CWD " + self.folder.ftp)
        return c

    def wait_size(self, size):
        assert wait_until(lambda: self.partial.exists()
                          and self.partial.stat().st_size == size, 20)

    def wait_silence(self):
        assert wait_until(lambda: time.time() - self.partial.stat().st_ctime > 1.1, 20)
        return self

    def is_ended(self):
        """The old session: 426 for its transfer, 421 for itself."""
        assert self.client.reply().code == 426
        end = self.client.reply()
        assert end.code == 421 and "Another session" in end.text, end
        assert self.client.closed()
        assert self.server.wait_log(r"upload\.taken_over .*by=", self.mark)
        assert self.server.wait_log("session.closed reason=taken-over", self.mark)

    def goes_on(self):
        """The old session: it sends the rest, and all is stored."""
        with self.data:
            self.data.sendall(NEW[BEGUN:])
            self.client.finish(self.data)
        assert self.client.reply().code == 226
        assert self.folder.read("f") == NEW
        assert "taken_over" not in self.server.log(self.mark)

    def refused(self, *lines, mode="EPSV", **login):
        c = self.session(**login)
        for line in lines or ("STOR f", "APPE f"):
            r, data = c.transfer(line, mode=mode)
            assert r.code == 450 and data is None, (line, r)
        c.abandon()

    def close(self):
        self.data.close()
        self.client.abandon()


def go_on(c, how):
    """The newcomer has found the upload, and brings the rest of it, or all anew."""
    size = int(c.expect(213, "SIZE f").text.split()[1])
    assert size == BEGUN
    if how == "STOR":
        c.stor("STOR f", NEW)
    elif how == "REST":
        c.stor("STOR f", NEW[size:], rest=size)
    else:
        c.stor("APPE f", NEW[size:])


@pytest.mark.parametrize("how", ["STOR", "REST", "APPE"])
def test_a_silent_upload_is_taken_over(near, how):
    ways = [(tls, old) for tls in ("explicit", None) for old in (None, OLD)]
    uploads = [Upload(near, old=old, tls=tls) for tls, old in ways]
    for (tls, _old), up in zip(ways, uploads):
        up.wait_silence()
        c = up.session(tls=tls)
        go_on(c, how)
        assert up.folder.read("f") == NEW
        up.is_ended()
        assert up.folder.names() == ["f"]
        up.close()
        c.quit()


@pytest.mark.parametrize("how", ["STOR", "REST"])
def test_no_byte_of_the_old_session_comes_to_the_file(near, how):
    """It sends on, and ends in order, while the new one is under way."""
    up = Upload(near, tls=None).wait_silence()
    c = up.session(tls=None)
    rest = BEGUN // 2 if how == "REST" else 0
    r, data = c.transfer("STOR f", rest=rest or None)
    assert data is not None, r
    try:
        up.data.sendall(b"x" * 100_000)
        up.data.close()
    except OSError:
        pass
    with data:
        data.sendall(NEW[rest:])
    assert c.reply().code == 226
    assert up.folder.read("f") == NEW
    up.is_ended()
    c.quit()


def test_one_that_is_not_silent_goes_on(elsewhere):
    up = Upload(elsewhere)
    up.refused("STOR f", "APPE f", "STOR f")
    up.goes_on()
    up.client.quit()


def test_one_over_an_old_file_goes_on_where_it_is_not_silent_enough(elsewhere):
    """Another address would not have to wait any more; this one is refused all the same."""
    up = Upload(elsewhere, old=OLD).wait_silence()
    c = up.session()
    assert int(c.expect(213, "SIZE f").text.split()[1]) == BEGUN
    for line in ("APPE f", "STOR f"):
        assert c.transfer(line)[0].code == 450
    c.quit()
    assert up.folder.read("f") == OLD
    up.goes_on()
    up.client.quit()


def test_another_address_has_to_wait_longer(near):
    up = Upload(near).wait_silence()
    up.refused(source="127.0.0.2", mode="active")
    up.goes_on()
    up.client.quit()


def test_another_address_takes_over_then(elsewhere):
    up = Upload(elsewhere).wait_silence()
    up.refused()                                # from its own address it would be sooner
    c = up.session(source="127.0.0.2")
    c.stor("STOR f", NEW[BEGUN:], rest=BEGUN, mode="active")
    assert up.folder.read("f") == NEW
    up.is_ended()
    up.close()
    c.quit()


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.2"])
def test_another_account_never_does(near, elsewhere, source):
    """It has the same user and the same jail."""
    for server in (near, elsewhere):
        up = Upload(server).wait_silence()
        bystander = server.login(source=source)         # and its broker would be asked
        up.refused(user="second", source=source, mode="active")
        up.goes_on()
        up.client.quit()
        bystander.quit()


def test_one_that_has_got_nothing_is_taken_over(near):
    up = Upload(near, begun=0).wait_silence()
    c = up.session()
    c.stor("APPE f", NEW)
    assert up.folder.read("f") == NEW
    up.is_ended()
    up.close()
    c.quit()


def test_what_is_added_to_a_file_is_taken_over(near):
    """No partial: the file itself grows, and keeps what came."""
    folder = near.folder()
    folder.make("f", OLD)
    mark = near.mark()
    old, c = near.login(), near.login()
    for x in (old, c):
        x.expect(250, "CWD " + folder.ftp)
    r, data = old.transfer("APPE f")
    assert data is not None, r
    data.sendall(NEW[:BEGUN])
    f = folder.path("f")
    assert wait_until(lambda: f.stat().st_size == len(OLD) + BEGUN, 20)
    assert wait_until(lambda: time.time() - f.stat().st_ctime > 1.1, 20)
    c.stor("APPE f", NEW[BEGUN:])
    assert folder.read("f") == OLD + NEW
    assert near.wait_log("upload.taken_over", mark)
    assert old.reply().code == 426
    data.close()
    old.abandon()
    c.quit()


def test_stou_takes_another_name(near):
    up = Upload(near).wait_silence()
    c = up.session()
    r, data = c.transfer("STOU f")
    assert r.text.startswith("150 FILE: f.1"), r
    with data:
        c.finish(data)
    assert c.reply().code == 226
    up.goes_on()
    c.quit()


def test_several_come_at_once(near):
    """One of them has it, and says so; the others meet an upload that is not silent."""
    up = Upload(near).wait_silence()
    crowd = [up.session() for _ in range(4)]
    for c in crowd:
        c.passive()
    for c in crowd:
        c.send("STOR f")
    replies = [c.reply().code for c in crowd]
    assert sorted(replies) == [150, 450, 450, 450], replies
    up.is_ended()
    up.close()
    for c in crowd:
        c.abandon()


@pytest.mark.parametrize("old", [None, OLD], ids=["new", "over"])
def test_curl_resumes_at_once(near, scratch, old):
    (scratch / "up").write_bytes(NEW)
    up = Upload(near, old=old).wait_silence()
    said = Curl(near)(up.folder.ftp + "/f", "-v", "-C", "-", "-T", str(scratch / "up")).stderr
    assert f"213 {BEGUN}" in said and "APPE" in said
    assert up.folder.read("f") == NEW and up.folder.names() == ["f"]
    up.is_ended()
    up.close()


def test_lftp_resumes_at_once(near, scratch):
    (scratch / "f").write_bytes(NEW)
    up = Upload(near).wait_silence()
    Lftp(near, scratch)(f"cd {up.folder.ftp}; put -c f")
    assert up.folder.read("f") == NEW and up.folder.names() == ["f"]
    up.is_ended()
    up.close()
