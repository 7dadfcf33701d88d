"""Uploads that broke off: resumed, or refused, and never mixed with the file that was there.

SIZE, REST and APPE mean the unfinished upload of a name; what is listed and sent under it
is the file that is there, if there is one (sallyportd(8)).
"""

import os
import signal
import subprocess

import pytest

from harness import wait_until
from test_clients_curl import Curl
from test_clients_lftp import Lftp
from test_transfers import cut

PART = ".sp-part."
OLD = b"old" * 1_000_000
NEW = os.urandom(3_000_000)


@pytest.fixture(params=["tls", "clear"])
def there(request):
    """Client, folder and server, in TLS and in clear."""
    kind = "" if request.param == "tls" else "clear_"
    return tuple(request.getfixturevalue(kind + what) for what in ("ftp", "folder", "server"))


def broken_off(ftp, folder, begun=1_000_000):
    """An overwrite that broke off. How much of it came."""
    folder.make("f", OLD)
    cut(ftp, "STOR f", NEW[:begun])
    return folder.path(PART + "f").stat().st_size


@pytest.mark.parametrize("how", ["REST", "APPE"])
def test_an_overwrite_that_broke_off_is_resumed(there, how):
    ftp, folder, _server = there
    came = broken_off(ftp, folder)
    assert folder.read("f") == OLD
    assert int(ftp.expect(213, "SIZE f").text.split()[1]) == came
    if how == "REST":
        ftp.stor("STOR f", NEW[came:], rest=came)
    else:
        ftp.stor("APPE f", NEW[came:])
    assert folder.read("f") == NEW
    assert folder.names() == ["f"]


def test_what_would_mix_old_and_new_is_refused(there):
    ftp, folder, _server = there
    came = broken_off(ftp, folder)
    for line, rest in (("APPE f", None), ("STOR f", len(OLD)), ("STOR f", came + 1)):
        if rest is not None:
            ftp.expect(350, f"REST {rest}")
        r, data = ftp.transfer(line)
        assert 550 <= r.code < 560 and data is None, (line, rest, r)
    assert folder.read("f") == OLD
    ftp.stor("STOR f", NEW)
    assert folder.read("f") == NEW and folder.names() == ["f"]
    ftp.stor("APPE f", b"more")
    assert folder.read("f") == NEW + b"more"


def test_a_broken_overwrite_looks_the_same_in_another_session(there):
    ftp, folder, server = there
    came = broken_off(ftp, folder)
    c = server.login()
    c.expect(250, "CWD " + folder.ftp)
    assert c.retr("RETR f") == OLD, "the old file stays until the new one is complete"
    assert c.cmd("APPE f").code in (425, 550)
    assert int(c.expect(213, "SIZE f").text.split()[1]) == came
    # told of that length, no client gets a file of another one
    r, data = c.transfer("RETR f")
    assert r.code == 550 and data is None, r
    c.stor("STOR f", NEW[came:], rest=came)
    assert c.retr("RETR f") == NEW == ftp.retr("RETR f")
    c.quit()


def test_a_file_and_its_unfinished_upload_are_deleted_together(ftp, folder):
    folder.mkdir("d")
    ftp.expect(250, "CWD d")
    folder.make("d/f", OLD)
    cut(ftp, "STOR f", NEW[:300_000])
    ftp.expect(250, "DELE f")
    assert ftp.cmd("SIZE f").code == 550
    assert ftp.names("NLST") == []
    ftp.expect(250, "CDUP")
    ftp.expect(250, "RMD d")


@pytest.mark.parametrize("length", [134, 135, 143, 144, 246, 247, 255])
def test_names_of_any_length_are_resumed(ftp, folder, length):
    """Hidden names are at most as long as some file systems can have: 143 bytes, then 255."""
    name = "n" * length
    folder.mkdir("d")
    ftp.expect(250, "CWD d")
    cut(ftp, "STOR " + name, NEW[:300_000])
    hidden, = os.listdir(folder.path("d"))
    assert len(hidden) <= (143 if length <= 143 else 255)
    size = int(ftp.expect(213, "SIZE " + name).text.split()[1])
    shown = ftp.names("NLST")
    assert shown == ([] if 135 <= length <= 143 or length > 246 else [name])
    ftp.stor("STOR " + name, NEW[size:], rest=size)
    assert folder.read("d/" + name) == NEW
    ftp.expect(250, "DELE " + name)
    cut(ftp, "STOR " + name, NEW[:300_000])
    ftp.expect(250, "CDUP")
    # what a client does not see does not keep it from removing a directory
    assert ftp.cmd("RMD d").code == (550 if shown else 250)


def test_an_upload_that_is_not_complete_is_not_sent(ftp, folder, server):
    cut(ftp, "STOR f", NEW[:300_000])
    c = server.login()
    c.expect(250, "CWD " + folder.ftp)
    for client in (c, ftp):
        r, data = client.transfer("RETR f")
        assert r.code == 550 and data is None and "incomplete" in r.text, r
    size = int(c.expect(213, "SIZE f").text.split()[1])
    c.expect(350, "RNFR f")
    c.expect(250, "RNTO g")
    assert ftp.cmd("RETR g").code in (425, 550) and ftp.cmd("SIZE f").code == 550
    ftp.stor("STOR g", NEW[size:], rest=size)
    assert folder.read("g") == NEW and folder.names() == ["g"]
    c.quit()


def test_an_overwrite_in_ascii_is_resumed(ftp, folder):
    """REST counts octets as sent, of the upload and not of the old file."""
    lines = b"".join(b"line %d\n" % n for n in range(20_000))
    net = lines.replace(b"\n", b"\r\n")
    folder.make("f", b"\n" * 50_000)
    ftp.expect(200, "TYPE A")
    cut(ftp, "STOR f", net[:100_000])
    size = int(ftp.expect(213, "SIZE f").text.split()[1])
    assert size <= 100_000
    ftp.stor("STOR f", net[size:], rest=size)
    assert folder.read("f") == lines


def kill_in_the_middle(command, partial):
    """Runs a client until part of its upload has arrived, and kills it."""
    p = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
    try:
        assert wait_until(lambda: partial.exists() and partial.stat().st_size > 0, 15)
    finally:
        p.send_signal(signal.SIGKILL)
        p.wait()


def wait_for_the_end(ftp):
    """The server has seen that the client is gone: nobody writes to f any more."""
    assert wait_until(lambda: ftp.cmd("SIZE f").code == 213, 15)


def test_curl_resumes_an_overwrite_whose_client_was_killed(server, ftp, folder, scratch):
    (scratch / "up").write_bytes(NEW)
    folder.make("f", OLD)
    curl = Curl(server)
    partial = folder.path(PART + "f")
    kill_in_the_middle([*curl.options, "--limit-rate", "300k", "-T", scratch / "up",
                        curl.base + folder.ftp + "/f"], partial)
    assert folder.read("f") == OLD
    wait_for_the_end(ftp)
    came = partial.stat().st_size
    assert 0 < came < len(NEW)
    said = curl(folder.ftp + "/f", "-v", "-C", "-", "-T", str(scratch / "up")).stderr
    assert f"213 {came}" in said and "APPE" in said
    assert folder.read("f") == NEW and folder.names() == ["f"]


def test_curl_resumes_an_overwrite_in_clear(clear_server, clear_ftp, clear_folder, scratch):
    (scratch / "up").write_bytes(NEW)
    broken_off(clear_ftp, clear_folder)
    Curl(clear_server, tls=False)(clear_folder.ftp + "/f", "-C", "-", "-T", str(scratch / "up"))
    assert clear_folder.read("f") == NEW and clear_folder.names() == ["f"]


def test_curl_gets_the_old_file_while_another_overwrites_it(server, ftp, folder, scratch):
    folder.make("f", OLD)
    r, data = ftp.transfer("STOR f")
    data.sendall(NEW[:300_000])
    assert wait_until(lambda: folder.path(PART + "f").stat().st_size > 0)
    Curl(server)(folder.ftp + "/f", "-o", str(scratch / "got"))
    assert (scratch / "got").read_bytes() == OLD
    with data:
        ftp.finish(data)
    assert ftp.reply().code == 226
    assert folder.read("f") == NEW[:300_000]


def test_lftp_resumes_an_overwrite(server, ftp, folder, scratch):
    (scratch / "f").write_bytes(NEW)
    broken_off(ftp, folder)
    Lftp(server, scratch)(f"cd {folder.ftp}; put -c f")
    assert folder.read("f") in (NEW, OLD), "old and new are mixed"
    Lftp(server, scratch)(f"cd {folder.ftp}; put f")
    assert folder.read("f") == NEW and folder.names() == ["f"]
