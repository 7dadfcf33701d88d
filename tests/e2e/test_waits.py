"""No client waits for a timer of our kernel.

Client and server have a network namespace each, so the kernel's counters of the server's end
are of this server alone. DelayedACKs counts how often it acknowledged something only because
a timer (40 ms and more) ran out: meanwhile a client whose kernel follows Nagle sent nothing.
"""

import os
import sys
from pathlib import Path

import pytest

from ftpclient import Client
from harness import PASSWORD, Server, needs_root
from test_clients_lftp import Lftp

sys.path.append(str(Path(__file__).resolve().parent.parent / "bench"))
from link import Link  # noqa: E402

FILES = 8
# A worker that has no processor for so long finds the timer has run out: now and then one may.
MOST = FILES // 2
LOOPBACK = 65520                # the largest packet, as nearly as a tun device can


@pytest.fixture(scope="module")
def link():
    needs_root()
    if not os.path.exists("/dev/net/tun"):
        pytest.skip("no /dev/net/tun here")
    with Link(delay=0, mtu=LOOPBACK) as made:
        yield made


@pytest.fixture(scope="module")
def far(world, link):
    s = Server(world, "waits", resumption_required=False, durable=False,
               cleartext_networks=[link.CLIENT], data_protection_required=False)
    s.settings["listen"] = [f"127.0.0.1:{s.port}", f"{link.SERVER}:{s.port}"]
    s.settings["listen_implicit"] = [f"{link.SERVER}:{s.implicit}"]
    with link.server():
        s.start()
    yield s
    s.stop()


@pytest.fixture
def waited(link):
    """Runs something at the client's end: how often the server waited for a timer."""
    def count(work):
        before = link.counted("DelayedACKs")
        with link.client():
            work()
        n = link.counted("DelayedACKs") - before; print("delayed", n); return n
    return count


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_lftp_does_not_wait_in_a_handshake(far, link, scratch, waited, version):
    """GnuTLS sends ChangeCipherSpec by itself, and Finished behind it."""
    only = f'"NORMAL:-VERS-TLS-ALL:+VERS-TLS{version}"'
    lftp = Lftp(far, scratch, link.SERVER, ssl__verify_certificate="no", ssl__priority=only)
    folder = far.folder()
    names = [f"f{n}" for n in range(FILES)]
    for name in names:
        (scratch / name).write_bytes(os.urandom(4096))
    (scratch / "got").mkdir()
    all_of_them = " ".join(names)
    assert waited(lambda: lftp(f"cd {folder.ftp}; mput {all_of_them}")) <= MOST
    assert waited(lambda: lftp(f"cd {folder.ftp}; mget -O got {all_of_them}")) <= MOST
    for name in names:
        assert (scratch / "got" / name).read_bytes() == (scratch / name).read_bytes()


@pytest.mark.parametrize("mode", ["EPSV", "PORT"])
@pytest.mark.parametrize("version,resume", [("1.2", "newest"), ("1.2", None), ("1.3", "newest"),
                                            ("1.3", None), (None, None)],
                         ids=["1.2", "1.2-full", "1.3", "1.3-full", "clear"])
def test_small_uploads_do_not_wait(far, link, waited, version, resume, mode):
    """The file comes behind Finished, close_notify behind the file, each a small segment."""
    content = os.urandom(4096)
    folder = far.folder()
    with link.client():
        client = Client(link.SERVER, far.port, tls="explicit" if version else None,
                        version=version, resume=resume)
        client.login("guest", PASSWORD)

    def work():
        for n in range(FILES):
            client.stor(f"STOR {folder.ftp}/f{n}", content, mode)
    assert waited(work) <= MOST
    assert [folder.read(name) for name in folder.names()] == [content] * FILES
    client.quit()
