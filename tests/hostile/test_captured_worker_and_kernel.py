"""A captured worker in the real sandbox: what it can ask the kernel for, and what it is told.

Each forbidden call ends it with one line; those that are allowed reach nobody but its peer.
"""

import socket
import struct
import time

import pytest

import procfs
from harness import needs_root, wait_until
from puppet import Gone, Puppet, text, u8, u16

pytestmark = [pytest.mark.expects(r"sandbox\.violation"), pytest.mark.limit(120)]

FASTOPEN = 0x20000000           # a flag of sendto(2) and sendmsg(2): connect first
ELSEWHERE = "127.0.0.7"         # an address that is not the peer's

# Calls, with {sibling}, {monitor} and {template} for processes, "%" for its data socket.
FORBIDDEN = {
    "open a file": ("open @/etc/passwd 0", "openat -100 @/etc/passwd 0",
                    "openat2 -100 @/etc/passwd # 24", "creat @/tmp/new 0644",
                    "open_by_handle_at 3 # 0", "name_to_handle_at -100 @/etc # # 0",
                    "memfd_create @x 0", "execve @/bin/sh # #",
                    "execveat -100 @/bin/sh # # 0", "uselib @/bin/sh"),
    "read what the kernel tells": ("stat @/etc/passwd #", "newfstatat -100 @/etc # 0",
                                   "statx -100 @/etc 0 0 #", "readlink @/proc/self/exe # 9",
                                   "access @/etc 0", "getdents64 3 # 4096", "uname #",
                                   "sysinfo #", "syslog 3 # 4096", "getcwd # 4096",
                                   "inotify_init1 0", "fanotify_init 0 0"),
    "change a file": ("unlink @/x", "unlinkat -100 @/x 0", "rename @/x @/y",
                      "renameat2 -100 @/x -100 @/y 0", "mkdir @/x 0755", "rmdir @/x",
                      "symlink @/etc @/x", "link @/etc @/x", "mknod @/x 8192 0",
                      "chmod @/etc 0777", "fchmod 3 0777", "chown @/etc 0 0",
                      "truncate @/etc 0", "ftruncate 3 0", "setxattr @/x @user.x # 0 0",
                      "utimensat -100 @/x # 0", "mount # # # 0 #", "umount2 @/ 0",
                      "chroot @/", "pivot_root @/ @/", "chdir @/"),
    "make a socket": ("socket 1 1 0", "socket 2 1 0", "socket 2 2 0", "socket 2 3 1",
                      "socket 10 1 0", "socket 16 3 0", "socket 17 3 3", "socket 40 1 0",
                      "socketpair 1 1 0 #", "bind % # 16", "listen % 1"),
    "connect": ("connect % ={elsewhere} 16", "connect % # 16",
                f"sendto % # 5 {FASTOPEN:#x} ={{elsewhere}} 16",
                f"sendto % # 5 {FASTOPEN | 0x4040:#x} ={{elsewhere}} 16",
                f"sendmsg % # {FASTOPEN:#x}", f"sendmmsg % # 1 {FASTOPEN:#x}",
                "sendmmsg % # 1 0", "setsockopt % 1 27 # 4", "setsockopt % 6 30 # 4"),
    "learn an address": ("getpeername % # #", "getsockname % # #", "getsockopt % 6 11 # #",
                         "getsockopt % 0 80 # #", "getsockopt 3 1 17 # #",
                         "getsockopt 3 1 77 # #", "getsockopt % 1 25 # #"),
    "signal a sibling": ("kill {sibling} 9", "kill {monitor} 15", "kill -1 9",
                         "tkill {sibling} 9", "tgkill {sibling} {sibling} 9",
                         "rt_sigqueueinfo {sibling} 9 #", "pidfd_open {sibling} 0",
                         "pidfd_send_signal 3 9 # 0", "fcntl 3 8 {sibling}",
                         "fcntl 3 4 0x2000",
                         "setpgid 0 0", "setsid"),
    "trace a sibling": ("ptrace 16 {sibling} 0 0", "ptrace 16902 {sibling} 0 0",
                        "ptrace 16 {template} 0 0",
                        "process_vm_readv {sibling} # 1 # 1 0",
                        "process_vm_writev {sibling} # 1 # 1 0", "pidfd_getfd 3 0 0",
                        "kcmp {sibling} {sibling} 1 0 0", "perf_event_open # {sibling} 0 -1 0",
                        "process_madvise 3 # 1 4 0", "sched_setaffinity {sibling} 8 #",
                        "prlimit64 {sibling} 7 # #", "get_robust_list {sibling} # #",
                        "move_pages {sibling} 0 # # # 0"),
    "become somebody": ("setuid 0", "setgid 0", "setreuid 0 0", "setresuid 0 0 0",
                        "setresgid 0 0 0", "setgroups 0 #", "setfsuid 0", "capset # #",
                        "prctl 4 1 0 0 0", "prctl 38 0 0 0 0", "prctl 22 2 #",
                        "unshare 0x10000000", "setns 3 0", "personality 0x40000",
                        "keyctl 0 0 0", "add_key @user @x # 1 0", "request_key @user @x # 0",
                        "setrlimit 7 #", "seccomp 0 0 #", "landlock_create_ruleset # 8 0"),
    "make a process": ("fork", "vfork", "clone 17 0 0 0 0", "clone 0x10f00 # 0 0 0",
                       "clone3 # 88"),
    "make code": ("mmap 0 4096 7 0x22 -1 0", "mmap 0 4096 5 0x22 -1 0",
                  "mprotect # 4096 7", "mprotect # 4096 4", "pkey_mprotect # 4096 7 0",
                  "remap_file_pages # 4096 4 0 0", "shmat 0 0 0",
                  "modify_ldt 1 # 16", "arch_prctl 0x1002 0"),
    "reach the kernel's depths": ("bpf 0 # 4", "io_uring_setup 1 #", "userfaultfd 0",
                                  "ioctl 3 0x5412 #", "shmget 0 4096 0x200",
                                  "semget 0 1 0x200", "msgget 0 0x200", "mq_open @/x 64",
                                  "keyctl 0", "quotactl 0 # 0 #", "acct @/x",
                                  "swapon @/x 0", "reboot 0 0 0 #", "init_module # 1 #",
                                  "finit_module 3 # 0", "kexec_load 0 0 # 0", "iopl 3",
                                  "ioperm 0 1 1", "settimeofday # #", "sethostname @x 1",
                                  "nfsservctl 0 # #", "vmsplice 3 # 1 0", "tee 3 4 1 0",
                                  "timer_create 0 # #", "epoll_create1 0", "dup 3",
                                  "dup2 3 9", "dup3 3 9 0", "readv 3 # 1", "writev 3 # 1"),
}


def address(host, port=9):
    return struct.pack("<HH4s8x", socket.AF_INET, socket.htons(port),
                       socket.inet_aton(host)).hex()


def worker_of(p, server):
    return procfs.owner_of_connection(p.sock.getsockname()[1], server.port, server.pid)


def call(line, **names):
    words = line.format(elsewhere=address(ELSEWHERE), **names).split()
    return "call " + " ".join(words + ["0"] * (7 - len(words)))


@pytest.fixture
def sibling(captured):
    """Another session, of another address, which feels nothing of all this."""
    with Puppet(captured, source=("127.0.0.2", 0)) as p:
        p.enter("USER")
        yield p
        assert p.ask("b", "SPACE", text("/"))[0] in ("AVAILABLE", "FAILED")


@pytest.mark.parametrize("what", FORBIDDEN)
def test_a_captured_worker_cannot(captured, sibling, tried, what):
    captured.world.not_sanitized("its runtime makes calls of its own")
    needs_root()                # to see who is who
    failures = []
    names = {"sibling": worker_of(sibling, captured), "monitor": captured.pid,
             "template": min(procfs.of_kind(captured.pid, "sallyport-worker"))}
    for line in FORBIDDEN[what]:
        with Puppet(captured) as p:
            p.enter("USER")
            assert p.ask("m", "LISTEN")[0] == "LISTENING"
            assert p.do("sandbox") == "ok"
            answer = p.attack(call(line, **names))
            if answer == "impossible":
                continue        # this architecture has no such call
            tried("system calls of a captured worker, refused")
            if answer != "gone":
                failures.append(f"{line}: {answer}")
                continue
            violation = rf"sandbox\.violation side=worker call={line.split()[0]} "
            if not wait_until(lambda: p.lines(violation), 5):
                failures.append(f"{line}: {p.lines()}")
            elif len(p.lines(r"violation|breach|crashed")) != 1:
                failures.append(f"{line}: {p.lines()}")
    assert not failures


def test_what_an_honest_worker_needs_still_works(captured):
    """Else the refusals above could be of a worker that may do nothing at all."""
    with Puppet(captured) as p:
        p.enter("USER")
        assert p.do("sandbox") == "ok"
        assert p.ask("b", "SPACE", text("/"))[0] in ("AVAILABLE", "FAILED")
        name, port, _ = p.ask("m", "LISTEN")
        assert name == "LISTENING"
        with socket.create_connection(("127.0.0.1", struct.unpack("<H", port)[0]), 5):
            assert p.do(call("accept4 % 0 0 0x80800")).startswith("returned")
        assert p.do(call("getrandom # 16 0")) == "returned 16"


@pytest.mark.parametrize("way", ("LISTEN", "CONNECT"))
def test_a_data_socket_cannot_be_turned_elsewhere(captured, tried, way):
    """MSG_FASTOPEN makes a connection from a socket that has none any more."""
    captured.world.not_sanitized("its runtime makes calls of its own")
    with socket.socket() as there, socket.socket() as closed:
        there.bind((ELSEWHERE, 0))
        there.listen()
        there.settimeout(0.3)
        closed.bind(("127.0.0.1", 0))
        target = address(ELSEWHERE, there.getsockname()[1])
        for send in ("sendto % # 5 {flags:#x} ={target} 16",
                     "connect % ={target} 16"):
            with Puppet(captured) as p:
                p.enter("USER")
                if way == "LISTEN":
                    assert p.ask("m", "LISTEN")[0] == "LISTENING"
                else:           # refused: and the socket is free again
                    assert p.ask("m", "CONNECT", u16(closed.getsockname()[1]))[0] \
                        == "CONNECTING"
                    time.sleep(0.05)
                assert p.do("sandbox") == "ok"
                if way == "LISTEN":     # to be rid of the listening takes SHUT_RD
                    assert p.attack(call("shutdown % 2")) == "gone"
                    tried("ways to turn a data socket elsewhere")
                    continue
                for _ in range(4):
                    if p.attack("call " + send.format(flags=FASTOPEN | 0x4000, target=target)
                                + " 0") == "gone":
                        break
                    time.sleep(0.02)
                tried("ways to turn a data socket elsewhere")
            with pytest.raises(socket.timeout):
                there.accept()


def test_a_listener_hears_its_peer_alone(captured, tried):
    """Whoever guesses the port from another address does not even get an answer."""
    if "wall.missing what=data-filter" in captured.log():
        pytest.skip("this kernel keeps socket filters for root")
    with Puppet(captured, source=(ELSEWHERE, 0)) as p:
        p.enter("USER")
        name, port, _ = p.ask("m", "LISTEN")
        assert name == "LISTENING"
        at = ("127.0.0.1", struct.unpack("<H", port)[0])
        for stranger in ("127.0.0.1", "127.0.0.2", "127.0.0.8"):
            with pytest.raises(OSError):
                socket.create_connection(at, 0.3, (stranger, 0))
            tried("strangers at a passive port")
        socket.create_connection(at, 3, (ELSEWHERE, 0)).close()


def one_port_at_two_addresses():
    """Sockets bound to it: at ELSEWHERE, and at 127.0.0.1, where others' ports wait, too."""
    for _ in range(100):
        here, there = socket.socket(), socket.socket()
        try:
            here.bind((ELSEWHERE, 0))
            there.bind(("127.0.0.1", here.getsockname()[1]))
            return here, there
        except OSError:
            here.close()
            there.close()
    raise AssertionError("no port is free at both addresses")


def test_an_active_connection_goes_to_its_peer_alone(captured, tried):
    """The worker says a port, and nothing else."""
    peer, stranger = one_port_at_two_addresses()
    with peer, stranger:
        for s in (peer, stranger):
            s.listen()
            s.settimeout(0.3)
        with Puppet(captured, source=(ELSEWHERE, 0)) as p:
            p.enter("USER")
            assert p.ask("m", "CONNECT", u16(peer.getsockname()[1]))[0] == "CONNECTING"
            peer.accept()[0].close()
        with pytest.raises(socket.timeout):
            stranger.accept()
    tried("active connections, each to its peer")


def test_no_message_tells_a_session_of_another(captured, tried):
    """Everything that a worker is sent while others come, log in, and transfer."""
    mine, theirs = "127.0.0.77", "127.0.0.78"
    heard = []
    with Puppet(captured, source=(theirs, 0)) as other, \
            Puppet(captured, source=(mine, 0)) as p:
        other.enter("USER")
        other.ask("m", "LISTEN")
        heard.append(p.first_message())
        p.secure()
        for password in ("wrong", None):
            p.try_login(**({"password": password} if password else {}))
            heard.append(p.get("m")[1])
        for where, name, body in (("m", "LISTEN", b""), ("m", "CONNECT", u16(9999)),
                                  ("m", "SIGN", u8(0) + u16(0x403) + text("x")),
                                  ("b", "STATUS_OF", text("/")), ("b", "SPACE", text("/")),
                                  ("m", "LOGOUT", b"")):
            try:
                heard.append(p.ask(where, name, body)[1])
            except Gone:
                break
        assert p.get("m", 0.1) is None
    assert socket.inet_aton(mine) in heard[0]
    for body in heard:
        assert socket.inet_aton(theirs) not in body and theirs.encode() not in body
        assert other.id.encode() not in body
    assert len(heard) == 9
    tried("messages searched for another session", len(heard))


def test_a_worker_has_its_own_channels_and_nothing_else(captured, sibling):
    """There is no descriptor in it that leads to another session."""
    needs_root()
    with Puppet(captured) as p:
        p.enter("USER")
        mine = procfs.descriptors(worker_of(p, captured))
        theirs = procfs.descriptors(worker_of(sibling, captured))
        shared = {t for t in mine.values() if t.startswith(("socket", "pipe", "anon"))} \
            & set(theirs.values())
        assert not shared
        assert len(mine) == 6, mine     # null three times, its client, monitor and broker
