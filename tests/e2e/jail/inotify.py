"""Who opens what: inotify(7) on single files, by ctypes."""

import ctypes
import os
import struct

IN_ACCESS, IN_MODIFY, IN_OPEN = 0x1, 0x2, 0x20


class Watch:
    """with Watch(paths) as w: ...; w.events() are the (path, mask) so far."""

    def __init__(self, paths, mask=IN_OPEN | IN_ACCESS | IN_MODIFY):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.paths, self.mask, self.by_number = [os.fspath(p) for p in paths], mask, {}

    def __enter__(self):
        self.fd = self.libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        for p in self.paths:
            number = self.libc.inotify_add_watch(self.fd, os.fsencode(p), self.mask)
            assert number >= 0, os.strerror(ctypes.get_errno())
            self.by_number[number] = p
        return self

    def __exit__(self, *why):
        os.close(self.fd)

    def events(self):
        found = []
        while True:
            try:
                data = os.read(self.fd, 65536)
            except BlockingIOError:
                return found
            at = 0
            while at < len(data):
                number, mask, _, length = struct.unpack_from("iIII", data, at)
                found.append((self.by_number.get(number), mask))
                at += 16 + length
