"""tests/bench/link.py - a far link: two network namespaces and a relay that delays between them

    with Link(delay=0.025, rate=400e6) as link:
        with link.server():             # this thread, and what it starts, is at that end
            server.start()              # on link.SERVER
        with link.client():
            subprocess.run([...])
    link.trips(seconds)                 # in round trips of the link

Root only. Each namespace has a tun device; the relay is a process of its own that carries
packets from one to the other: each waits `delay` seconds, behind those before it where `rate`
(bits in a second) is bounded. Nothing is lost, and large packets stay whole, as between
virtual machines, so that Python is quick enough. The namespaces have no name: they go with the
relay and with the last process inside, and the relay goes when its input is closed, whatever
became of us. `trace` is a file that gets a line for each TCP packet, when it was sent.
"""
import contextlib
import ctypes
import fcntl
import os
import select
import struct
import subprocess
import sys
import time
from collections import deque

CLIENT, SERVER = "10.213.77.1", "10.213.77.2"
CLONE_NEWNET = 0x40000000
TUNSETIFF, TUNSETOFFLOAD = 0x400454CA, 0x400454D0
IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 0x1, 0x1000, 0x4000
TUN_F_CSUM, TUN_F_TSO4 = 0x1, 0x2
VNET_HDR = 10
LARGEST = VNET_HDR + 65536
FLAGS = ((0x02, "S"), (0x01, "F"), (0x04, "R"), (0x08, "P"))

libc = ctypes.CDLL(None, use_errno=True)


def checked(result):
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


# ---- the relay's process --------------------------------------------------------------------

def make_end(address, mtu):
    """A namespace, entered, and its device."""
    checked(libc.unshare(CLONE_NEWNET))
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"far",
                                            IFF_TUN | IFF_NO_PI | IFF_VNET_HDR))
    fcntl.ioctl(tun, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4)
    for words in (["addr", "add", address + "/30", "dev", "far"],
                  ["link", "set", "far", "mtu", mtu, "txqueuelen", "10000", "up"],
                  ["link", "set", "lo", "up"]):
        subprocess.run(["ip", *words], check=True)
    return tun, os.open("/proc/self/ns/net", os.O_RDONLY)


def line_of(packet, way, now):
    """What a trace says of a TCP packet; None: it is none."""
    ip = packet[VNET_HDR:]
    if len(ip) < 40 or ip[0] >> 4 != 4 or ip[9] != 6:
        return None
    tcp = ip[(ip[0] & 15) * 4:]
    payload = len(tcp) - (tcp[12] >> 4) * 4
    flags = "".join(c for bit, c in FLAGS if tcp[13] & bit) or "-"
    source, to = struct.unpack("!HH", tcp[:4])
    client, server = (source, to) if way == ">" else (to, source)
    return f"{now:.6f} {way} {client} {server} {flags} {payload}\n"


class Way:
    """One direction: what is under way, and when it is there."""

    def __init__(self, name, source, sink, delay, rate):
        self.name, self.source, self.sink = name, source, sink
        self.delay, self.rate, self.free = delay, rate, 0.0
        self.queue = deque()

    def take(self, trace):
        for _ in range(64):
            try:
                packet = os.read(self.source, LARGEST)
            except BlockingIOError:
                return
            now = time.monotonic()
            self.free = max(self.free, now)
            if self.rate:
                self.free += (len(packet) - VNET_HDR) * 8 / self.rate
            self.queue.append((self.free + self.delay, packet))
            if trace:
                trace.write(line_of(packet, self.name, now) or "")

    def give(self, now):
        while self.queue and self.queue[0][0] <= now:
            with contextlib.suppress(BlockingIOError):
                os.write(self.sink, self.queue[0][1])
            self.queue.popleft()


def relay(delay, rate, mtu, trace):
    with contextlib.ExitStack() as stack:
        near, near_space = make_end(CLIENT, mtu)
        far, far_space = make_end(SERVER, mtu)
        trace = stack.enter_context(open(trace, "w", buffering=1)) if trace else None
        ways = (Way(">", near, far, delay, rate), Way("<", far, near, delay, rate))
        print(near_space, far_space, flush=True)
        poll = select.epoll()
        for fd in (near, far, 0):
            poll.register(fd, select.EPOLLIN)
        while True:
            due = min((w.queue[0][0] for w in ways if w.queue), default=None)
            # epoll counts whole milliseconds and rounds up: the last one is waited by select
            wait = -1 if due is None else max(0.0, due - time.monotonic())
            ready, _, _ = select.select([poll], [], [], None if wait < 0 else wait)
            for fd, _ in poll.poll(0) if ready else ():
                if fd == 0:
                    return              # who started us has closed it
                for w in ways:
                    if w.source == fd:
                        w.take(trace)
            now = time.monotonic()
            for w in ways:
                w.give(now)


# ---- whoever uses it ------------------------------------------------------------------------

class Link:
    CLIENT, SERVER = CLIENT, SERVER

    def __init__(self, delay=0.025, rate=0.0, mtu=1500, trace=""):
        self.round_trip = 2 * delay
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.spaces = []
        self.process = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), str(delay), str(rate), str(mtu), trace],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        words = self.process.stdout.readline().split()
        if len(words) != 2:
            self.close()
            raise OSError("the relay of the far link did not start: is there /dev/net/tun?")
        for fd in words:
            self.spaces.append(os.open(f"/proc/{self.process.pid}/fd/{int(fd)}", os.O_RDONLY))

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        for fd in (self.home, *self.spaces):
            os.close(fd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @contextlib.contextmanager
    def _inside(self, space):
        checked(libc.setns(space, CLONE_NEWNET))
        try:
            yield
        finally:
            checked(libc.setns(self.home, CLONE_NEWNET))

    def client(self):
        return self._inside(self.spaces[0])

    def server(self):
        return self._inside(self.spaces[1])

    def counted(self, name):
        """A counter of TCP at the server's end, by its name in /proc/net/netstat."""
        with self.server(), open("/proc/thread-self/net/netstat") as f:
            names, values = (next(f).split() for _ in range(2))
        return int(values[names.index(name)])

    def trips(self, seconds):
        return seconds / self.round_trip


if __name__ == "__main__":
    relay(float(sys.argv[1]), float(sys.argv[2]), *sys.argv[3:])
