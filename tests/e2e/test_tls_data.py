"""TLS on data connections: resumption by the rules of real clients, and how they end."""

import contextlib
import os
import select
import signal
import socket
import ssl
import time

import pytest

from patience import Stopwatch
import procfs
from ftpclient import HELD_UP, Client, ReplyError
from harness import PASSWORD, Server, wait_until

VERSIONS = ["1.2", "1.3"]


@pytest.fixture(scope="module")
def sharing(world):
    s = Server(world, "sharing", resumption_shared=True)
    s.start()
    yield s
    s.stop()


@pytest.fixture
def quick(world, make_server):
    """Short waits, where a test has to see a refusal."""
    wait = f"{3 * world.slower} s"
    s = make_server(data_connect_timeout=wait, handshake_timeout=wait)
    s.folder_ = s.folder()
    s.folder_.make("f", b"content of the file")
    return s


def refused(client, line, session):
    """A transfer whose data connection presents a wrong session: the final reply."""
    r, data = None, None
    s = socket.create_connection(client.passive(), client.timeout)
    s.settimeout(client.timeout)
    r = client.cmd(line)
    if r.code not in (125, 150):
        s.close()
        return r
    got = b""
    try:
        data = client.wrap_data(s, session=session)
        got = client.receive(data)
    except OSError:
        pass
    finally:
        (data or s).close()
    assert got == b"", "a connection without the right session was served"
    return client.reply()


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_a_data_connection_that_does_not_resume_is_522(quick, version):
    c = quick.login(version=version)
    line = f"RETR {quick.folder_.ftp}/f"
    r = refused(c, line, None)
    assert r.code == 522, r
    assert "resum" in r.text.lower(), "the text must say what was missing"
    assert c.retr(line) == b"content of the file"
    c.quit()


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("living", [True, False], ids=["of a living", "of a dead"])
def test_the_session_of_another_ftp_session_is_522(quick, version, living):
    """Even of the same client machine and account (vsftpd accepts it)."""
    a = quick.login(version=version)
    b = quick.client(version=version, context=a.context)
    b.login("guest", PASSWORD)
    foreign = a.sock.session
    if not living:
        a.quit()
    r = refused(b, f"RETR {quick.folder_.ftp}/f", foreign)
    assert r.code == 522, r
    assert b.retr(f"RETR {quick.folder_.ftp}/f") == b"content of the file"


def opened(c, line, mode):
    """The answer to the command, and its data connection behind a full handshake."""
    if mode == "PASV":
        s = socket.create_connection(c.passive(), c.timeout)
        r = c.cmd(line)
    else:
        listener = c.active()
        r = c.cmd(line)
        s = listener.accept()[0]
        listener.close()
    s.settimeout(c.timeout)
    assert r.code == 150, r
    return c.wrap_data(s, session=None)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("mode", ["PASV", "PORT"])
def test_who_never_resumed_reads_522_at_once_and_meets_no_break(server, folder, version, mode):
    """The second chance takes 5 s. Python's ftplib reads the reply behind all it has to send,
    and says goodbye both ways; aioftp takes the server's goodbye for a break before its own."""
    folder.make("f", b"content of the file")
    c = server.login(version=version, resume=None)
    with opened(c, f"STOR {folder.ftp}/up", mode) as data:
        watch = Stopwatch()
        data.sendall(b"x" * 3_000_000)
        r = c.reply()
        assert r.code == 522 and "no_resumption_users" in r.text, r
        assert watch.own() < 3
        assert not select.select([data], [], [], 0)[0], "an end before the client's own"
        data.sendall(b"x" * 3_000_000)
        with data.unwrap() as plain:
            assert plain.recv(1) == b""
    for line in ("RETR f", "LIST"):
        assert c.cmd("CWD " + folder.ftp).code == 250
        with opened(c, line, mode) as data:
            assert c.receive(data) == b"", "a goodbye in order, and nothing before it"
        assert c.reply().code == 522
    assert folder.names() == ["f"]
    c.quit()


def test_who_shakes_hands_before_the_command_is_refused_instead_of_150(server, folder):
    c = server.login(version="1.2", resume=None)
    with socket.create_connection(c.passive(), c.timeout) as s, \
            c.wrap_data(s, session=None) as data:
        assert c.receive(data) == b""
        assert c.cmd(f"STOR {folder.ftp}/up").code == 522
    assert c.cmd(f"STOR {folder.ftp}/up").code == 425, "the port was forgotten with it"
    assert folder.names() == []
    c.quit()


@pytest.mark.parametrize("early", [False, True])
def test_who_has_resumed_before_may_still_come_behind_a_wrong_one(server, folder, early):
    folder.make("f", b"for the owner")
    c = server.login(version="1.2")
    line = f"RETR {folder.ftp}/f"
    assert c.retr(line) == b"for the owner"
    where = c.passive()
    if not early:
        assert c.cmd(line).code == 150
    with socket.create_connection(where, c.timeout) as s, \
            c.wrap_data(s, session=None) as thief:
        assert c.receive(thief) == b"", "turned away"
    if early:
        assert c.cmd(line).code == 150
    with socket.create_connection(where, c.timeout) as s, c.wrap_data(s) as data:
        assert c.receive(data) == b"for the owner"
    assert c.reply().code == 226
    c.quit()


@pytest.mark.parametrize("line", ["STOR", "RETR"])
def test_no_tls_at_all_is_425_at_once(server, folder, line):
    """A client that takes the data connection for one in clear."""
    folder.make("f", b"x")
    c = server.login()
    with socket.create_connection(c.passive(), c.timeout) as s:
        assert c.cmd(f"{line} {folder.ftp}/f").code == 150
        watch = Stopwatch()
        for _ in range(20):
            s.sendall(b"in clear, as if nothing had been agreed upon\r\n" * 1000)
        assert c.reply().code == 425
        assert watch.own() < 3
    assert folder.read("f") == b"x"
    c.quit()


@pytest.mark.parametrize("version", VERSIONS)
def test_where_it_is_shared_another_session_of_the_account_will_do(sharing, version):
    """Clients with one store of tickets for all their connections (curl -Z, rclone, Go) offer the
    newest one. The other session lives, has ended, or logs in a moment later."""
    server, folder = sharing, sharing.folder()
    folder.make("f", b"content of the file")
    a = server.login(version=version)
    b = server.client(version=version, context=a.context)
    b.login("guest", PASSWORD)
    line = f"RETR {folder.ftp}/f"
    b.resume, mark = a.sock.session, server.mark()
    assert b.retr(line) == b"content of the file"
    a.quit()
    server.wait_log(r"session\.closed reason=ended user=guest", mark)
    assert b.retr(line) == b"content of the file"
    late = server.client(version=version, context=b.context)
    late.expect(331, "USER guest")
    late.expect(530, "PASS wrong")          # the monitor has heard of it by now
    s = socket.create_connection(b.passive(), b.timeout)
    s.settimeout(b.timeout)
    s = b.context.wrap_socket(s, server_hostname="localhost", session=late.sock.session,
                              do_handshake_on_connect=False)
    s.settimeout(0.1)
    with contextlib.suppress(OSError):
        s.do_handshake()
    s.settimeout(b.timeout)
    late.login("guest", PASSWORD)
    assert b.cmd(line).code == 150
    s.do_handshake()
    assert s.session_reused and b.receive(s) == b"content of the file"
    s.close()
    assert b.reply().code == 226
    late.quit()
    b.quit()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_wrong_connection_first_does_not_rob_the_owner(server, folder, version):
    """A thief that connects first, with a ticket of his own session, is turned away; the
    owner's connection, arriving second, is served."""
    folder.make("f", b"for the owner")
    owner = server.login(version=version, timeout=20)
    thief = server.client(version=version, context=owner.context)
    thief.login("guest", PASSWORD)
    where = owner.passive()
    stolen = socket.create_connection(where, 10 * HELD_UP)
    stolen.settimeout(10 * HELD_UP)
    mine = socket.create_connection(where, 10 * HELD_UP)
    mine.settimeout(15 * HELD_UP)
    owner.send(f"RETR {folder.ftp}/f")
    assert owner.reply().code in (125, 150)
    got = b""
    try:
        t = thief.wrap_data(stolen)
        got = thief.receive(t)
        t.close()
    except OSError:
        pass
    stolen.close()
    assert got == b""
    data = owner.wrap_data(mine)
    with data:
        assert owner.receive(data) == b"for the owner"
    assert owner.reply().code == 226
    thief.quit()
    owner.quit()


@pytest.mark.parametrize("count", [1, 4, 20])
def test_silent_connections_first_do_not_rob_the_owner(quick, count):
    c = quick.login(timeout=20)
    where = c.passive()
    silent = [socket.create_connection(where, 10 * HELD_UP) for _ in range(count)]
    mine = socket.create_connection(where, 10 * HELD_UP)
    mine.settimeout(15 * HELD_UP)
    c.send(f"RETR {quick.folder_.ftp}/f")
    assert c.reply().code in (125, 150)
    data = None
    try:
        data = c.wrap_data(mine)
        with data:
            got = c.receive(data)
        assert got == b"content of the file"
        assert c.reply().code == 226
    finally:
        for s in silent:
            s.close()
        mine.close()
    c.quit()


def test_exempted_networks_need_not_resume_and_are_logged(make_server):
    s = make_server(no_resumption_networks=["127.0.0.0/8"])
    mark = s.mark()
    c = s.login(resume=None)
    c.stor("STOR /exempt", b"x")
    s.wait_log(r"resum", mark)
    c.quit()


@pytest.mark.slow
def test_exempted_accounts_need_not_resume_and_are_logged(make_server):
    s = make_server(no_resumption_users=["reader"], data_connect_timeout="2 s", handshake_timeout="2 s")
    mark = s.mark()
    c = s.login("reader", resume=None)
    c.names("NLST")
    s.wait_log(r"resum", mark)
    c.quit()
    c = s.login("guest", resume=None)
    assert refused(c, "NLST", None).code == 522
    c.quit()


def test_resumption_not_required(make_server):
    s = make_server(resumption_required=False)
    c = s.login(resume=None)
    c.stor("STOR /f", b"x")
    assert c.retr("RETR /f") == b"x"
    c.quit()


@pytest.mark.limit(120)
def test_a_fresh_ticket_for_each_transfer(server, folder):
    """Java spends each TLS 1.3 ticket once (interop.md 2)."""
    content = os.urandom(2000)
    folder.make("f", content)
    c = server.login(version="1.3")
    used = set()
    for _ in range(50):
        r, data = c.transfer(f"RETR {folder.ftp}/f")
        with data:
            assert data.session_reused
            assert c.receive(data) == content
        assert c.sock.session.id not in used, "the same ticket twice"
        used.add(c.sock.session.id)
        assert c.reply().code == 226
    c.quit()


@pytest.mark.limit(120)
@pytest.mark.parametrize("version", VERSIONS)
def test_the_first_ticket_stays_good(server, folder, version):
    """Older clients keep presenting the first one."""
    content = os.urandom(2000)
    folder.make("f", content)
    c = server.login(version=version, resume="first")
    for _ in range(50):
        assert c.retr(f"RETR {folder.ftp}/f") == content
    c.quit()


@pytest.mark.parametrize("mode", ["PASV", "EPSV", "PORT", "EPRT"])
def test_the_ticket_comes_with_the_reply(server, mode):
    c = server.client(tls=None, version="1.3")
    c.watch_handshakes()
    c.auth()
    c.login("guest", PASSWORD)
    for _ in range(3):
        before = c.tickets(c.sock)
        if mode in ("PORT", "EPRT"):
            c.active(mode).close()
        else:
            c.passive(mode)
        assert c.tickets(c.sock) > before, f"no ticket before the reply to {mode}"
    c.quit()


@pytest.mark.parametrize("version", VERSIONS)
def test_no_ticket_on_data_connections(server, folder, version):
    """Some clients close without reading it; the kernel answers with RST, and an upload is
    cut short (interop.md 3)."""
    c = server.client(tls=None, version=version)
    c.watch_handshakes()
    c.auth()
    c.login("guest", PASSWORD)
    c.expect(250, "CWD " + folder.ftp)
    for line in ("STOR f", "RETR f", "STOR f", "LIST"):
        r, data = c.transfer(line)
        with data:
            conn = data
            if line.startswith("STOR"):
                data.sendall(b"x" * 50000)
                c.finish(data)
            else:
                c.receive(data)
        assert c.tickets(conn) == 0, line
        assert c.reply().code == 226
    c.quit()


def test_a_later_data_connection_may_resume_an_earlier_one(server, folder):
    """z/OS does. TLS 1.2: the session of a data connection that was resumed is the same."""
    folder.make("f", b"x")
    c = server.login(version="1.2")
    r, data = c.transfer(f"RETR {folder.ftp}/f")
    with data:
        c.receive(data)
        c.resume = data.session
    assert c.reply().code == 226
    for _ in range(3):
        assert c.retr(f"RETR {folder.ftp}/f") == b"x"
    c.quit()


@pytest.mark.parametrize("version", VERSIONS)
def test_sessions_live_as_long_as_an_ftp_session(server, version):
    c = server.login(version=version)
    c.passive()
    hint = c.sock.session.ticket_lifetime_hint
    assert hint >= 86400, f"tickets die after {hint} s"
    c.quit()


@pytest.mark.parametrize("version", VERSIONS)
def test_an_upload_that_ends_without_close_notify_is_426(server, folder, version):
    folder.make("f", b"the old")
    c = server.login(version=version)
    c.expect(250, "CWD " + folder.ftp)
    for name in ("f", "new"):
        r, data = c.transfer("STOR " + name)
        data.sendall(b"x" * 30000)
        raw = socket.socket(fileno=data.detach())           # FIN, and no goodbye
        raw.shutdown(socket.SHUT_WR)
        r = c.reply()
        raw.close()
        assert r.code == 426, r
    assert folder.read("f") == b"the old"
    assert folder.path("f").stat().st_size == 7 and not folder.path("new").exists()
    c.quit()


def test_accounts_that_may_end_uploads_without_close_notify(make_server):
    s = make_server(no_close_notify_users=["guest"])
    folder = s.folder()
    c = s.login()
    r, data = c.transfer(f"STOR {folder.ftp}/f")
    data.sendall(b"x" * 30000)
    raw = socket.socket(fileno=data.detach())
    raw.shutdown(socket.SHUT_WR)
    assert c.reply().code == 226
    raw.close()
    assert folder.read("f") == b"x" * 30000
    c.quit()


def test_such_a_client_that_dies_has_not_sent_all(make_server):
    """Its process's end closes both connections, which the worker sees at once."""
    s = make_server(no_close_notify_users=["guest"])
    folder = s.folder()
    folder.make("f", b"the old")
    c = s.login()
    worker = s.worker_of(c)
    r, data = c.transfer(f"STOR {folder.ftp}/f")
    data.sendall(b"x" * 30000)
    os.kill(worker, signal.SIGSTOP)
    try:
        for sock in (c.sock, data):
            socket.socket(fileno=sock.detach()).close()
    finally:
        os.kill(worker, signal.SIGCONT)
    assert wait_until(lambda: not procfs.alive(worker), 5)
    assert folder.read("f") == b"the old"
    s.wait_log(r"transfer .*verb=STOR .*reply=426")


@pytest.mark.parametrize("version", VERSIONS)
def test_close_notify_of_an_upload_is_answered(server, folder, version):
    """WinSCP waits for it."""
    c = server.login(version=version)
    r, data = c.transfer(f"STOR {folder.ftp}/f")
    data.sendall(b"x" * 1000)
    begin = Stopwatch()
    plain = data.unwrap()                   # sends ours, waits for the server's
    assert plain.recv(10) == b""            # then FIN, not RST
    plain.close()
    assert begin.own() < 2
    assert c.reply().code == 226
    c.quit()


def test_a_half_close_behind_close_notify_is_no_fault(server, folder):
    c = server.login()
    for n in range(10):
        r, data = c.transfer(f"STOR {folder.ftp}/f{n}")
        data.sendall(b"x" * 1000)
        try:
            data.setblocking(False)
            data.unwrap()                   # sends close_notify, does not wait
        except (ssl.SSLWantReadError, BlockingIOError):
            pass
        raw = socket.socket(fileno=data.detach())
        raw.close()
        assert c.reply().code == 226
        assert folder.read(f"f{n}") == b"x" * 1000
    c.quit()


@pytest.mark.parametrize("version", VERSIONS)
def test_downloads_and_listings_end_with_close_notify(server, folder, version):
    """Client.receive raises on an end without it."""
    folder.make("f", os.urandom(300000))
    folder.make("empty")
    c = server.login(version=version)
    for line in ("RETR {}/f", "RETR {}/empty", "LIST {}", "NLST {}", "MLSD {}"):
        c.retr(line.format(folder.ftp))
    c.quit()


@pytest.mark.slow
def test_an_empty_upload_whose_client_skips_the_handshake(quick):
    """lftp#420: a 0-byte put may close its connection without TLS: answer, do not hang."""
    c = quick.login()
    s = socket.create_connection(c.passive(), 5 * HELD_UP)
    assert c.cmd(f"STOR {quick.folder_.ftp}/zero").code in (125, 150)
    s.close()
    begin = Stopwatch()
    assert c.reply().code in (226, 425, 426, 522)
    assert begin.own() < 8
    assert c.cmd("NOOP").code == 200
    c.quit()


def test_a_client_that_handshakes_at_once(server, folder):
    """FileZilla sends its ClientHello at TCP connect, before the command."""
    folder.make("f", b"early")
    c = server.login()
    s = socket.create_connection(c.passive(), 10 * HELD_UP)
    s.settimeout(10 * HELD_UP)
    wrapped = c.context.wrap_socket(s, server_hostname="localhost", session=c.sock.session,
                                    do_handshake_on_connect=False, suppress_ragged_eofs=False)
    wrapped.setblocking(False)
    with contextlib.suppress(ssl.SSLWantReadError):     # or the answer is there already
        wrapped.do_handshake()
    time.sleep(0.2)
    wrapped.settimeout(10 * HELD_UP)
    wrapped.do_handshake()              # answered before the command: curl waits for that
    c.send(f"RETR {folder.ftp}/f")
    with wrapped:
        assert Client.receive(wrapped) == b"early"
    assert [c.reply().code, c.reply().code] == [150, 226]
    c.quit()


def test_the_data_connection_of_a_refused_transfer_leaves_no_trace(ftp):
    with pytest.raises(ReplyError):
        ftp.retr("RETR nothing")
    with pytest.raises(ReplyError):
        ftp.retr("RETR nothing")
    ftp.stor("STOR something", b"x")
    assert ftp.retr("RETR something") == b"x"
