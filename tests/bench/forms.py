"""tests/bench/forms.py - large files as users have them: file systems, folios, cold, scarce

The page cache keeps a file in folios, and what a transfer costs depends on them. They are made
here as life makes them: a file that was written in pieces of 1 MiB lies in large folios where
the file system has them, one that was written in pieces of 4 KiB in single pages. ext4 and XFS
lie on loop devices whose images are in memory: disks that hardly wait and do not wander.
"""
import ctypes
import mmap
import os
import shutil
import struct
import subprocess
import time
from dataclasses import dataclass

from servers import Group

MIB = 1 << 20
PAGE = mmap.PAGESIZE
PIECES = {"large": MIB, "4k": 4096, "cold": MIB}        # how each folder's file is written
KPAGE_HEAD, KPAGE_TAIL = 1 << 15, 1 << 16               # Documentation/admin-guide/mm/pagemap
HUGE_PAGES = "/sys/kernel/mm/transparent_hugepage/shmem_enabled"
SBIN = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
SCARCE_LEAST = 96 * MIB                                 # a server itself has to live in it


class Missing(RuntimeError):
    """What these rows need is not here."""


@dataclass(frozen=True)
class Form:
    """large: written in large pieces; 4k: in 4 KiB; cold: not in memory; scarce: does not fit
    into the memory that the server may take."""
    place: str
    how: str

    @property
    def name(self):
        return f"{self.place}-{self.how}"

    @property
    def folder(self):
        return f"{self.place}/{'cold' if self.read_from_disk else self.how}"

    @property
    def read_from_disk(self):
        return self.how in ("cold", "scarce")

    def text(self):
        return f"{self.place}, " + {"large": "large folios", "4k": "4 KiB folios"}.get(
            self.how, self.how)


FORMS = [Form("tmpfs", "large"), Form("tmpfs", "4k")] + [
    Form(place, how) for place in ("ext4", "xfs") for how in ("large", "4k", "cold", "scarce")]


def run(*words, **more):
    r = subprocess.run(words, capture_output=True, text=True, check=False, **more)
    if r.returncode != 0:
        raise Missing(f"{words[0]}: {(r.stderr or r.stdout).strip().splitlines()[-1:]}")
    return r.stdout


class Place:
    """A mounted file system of one kind. remove() is safe at any time."""

    def __init__(self, kind, folder, image, size, files):
        self.kind, self.folder, self.image, self.size = kind, folder, image, size
        self.files, self.device = files, ""

    def make(self):
        os.makedirs(self.folder, exist_ok=True)
        if self.kind == "tmpfs":
            # /dev/shm is without large folios by default; where they are allowed, the kernel
            # makes some of single pages, too (khugepaged)
            for folder, huge in ((self.folder, "within_size"), (self.folder + "/4k", "never")):
                os.makedirs(folder, exist_ok=True)
                huge = f"huge={huge}," if os.path.exists(HUGE_PAGES) else ""
                run("mount", "-t", "tmpfs", "-o", f"{huge}mode=755,size={self.size}",
                    "sallyport-bench", folder)
            return
        program = {"ext4": ["mkfs.ext4", "-q", "-F", "-m", "0", "-N",
                            str(self.files), "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"],
                   "xfs": ["mkfs.xfs", "-q", "-f", "-K"]}[self.kind]
        if shutil.which(program[0], path=SBIN) is None:
            raise Missing(f"{program[0]} is not installed")
        with open(self.image, "wb") as f:
            # all of it now: memory that a server's write back takes would be the server's
            os.posix_fallocate(f.fileno(), 0, self.size)
        run(*program, self.image)
        self.mount()

    def mount(self):
        run("mount", "-t", self.kind, "-o", "loop", self.image, self.folder)
        with open("/proc/self/mounts") as f:
            self.device = [x.split()[0] for x in f if x.split()[1] == self.folder][-1]

    def mount_again(self):
        """What was made is in place then, and not in a journal whose pages stay in memory."""
        run("umount", self.folder)
        self.await_device()
        self.mount()

    def sectors_read(self):
        if not self.device:
            return 0
        with open(f"/sys/block/{os.path.basename(self.device)}/stat") as f:
            return int(f.read().split()[2])

    def forget_folders(self):
        """No name, no inode and no block of the folders stays in memory."""
        run("sync", "-f", self.folder)
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("2")
        run("blockdev", "--flushbufs", self.device)

    def await_device(self):
        """The kernel takes the loop device away with its last mount."""
        backing = f"/sys/block/{os.path.basename(self.device)}/loop/backing_file"
        for _ in range(100):
            if not self.device or not os.path.exists(backing):
                return True
            time.sleep(0.05)
        return False

    def remove(self, say):
        for folder in (self.folder + "/4k", self.folder):
            if not os.path.ismount(folder):
                continue
            r = subprocess.run(["umount", folder], capture_output=True, text=True, check=False)
            if r.returncode != 0:
                say(f"{r.stderr.strip()}: lazily then")
                subprocess.run(["umount", "--lazy", folder], check=False)
        if not self.await_device():
            say(f"{self.device} is still there")
        if os.path.exists(self.image):
            os.unlink(self.image)


def need_memory(size):
    with open("/proc/meminfo") as f:
        free = next(int(x.split()[1]) for x in f if x.startswith("MemAvailable:")) << 10
    if free < size:
        raise Missing(f"{size >> 20} MiB of memory are needed, {free >> 20} are free")


def write_file(path, size, piece):
    content = b"x" * piece
    with open(path, "wb", buffering=0) as f:
        for _ in range(size // piece):
            f.write(content)
        os.fsync(f.fileno())


def read_file(path):
    piece = bytearray(MIB)
    with open(path, "rb", buffering=0) as f:
        while f.readinto(piece):
            pass


def drop_file(path):
    with open(path, "rb") as f:
        os.fsync(f.fileno())
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def folio_size(path, stretches=16, stretch=4 * MIB):
    """The mean folio in KiB, of samples of the file; 0 where the kernel does not tell."""
    size = os.path.getsize(path) // PAGE * PAGE
    stretch = min(stretch, size)
    pages = folios = 0
    try:
        with open(path, "r+b") as f, open("/proc/self/pagemap", "rb", 0) as map_of, \
                open("/proc/kpageflags", "rb", 0) as flags_of:
            for i in range(min(stretches, max(size // stretch, 1))):
                start = (size - stretch) * i // max(stretches - 1, 1) // stretch * stretch
                m = mmap.mmap(f.fileno(), stretch, mmap.MAP_SHARED, offset=start)
                for at in range(0, stretch, PAGE):
                    m[at]                           # maps the page
                byte = ctypes.c_char.from_buffer(m)
                map_of.seek(ctypes.addressof(byte) // PAGE * 8)
                entries = map_of.read(stretch // PAGE * 8)
                del byte
                m.close()
                for (entry,) in struct.iter_unpack("Q", entries):
                    flags_of.seek((entry & ((1 << 55) - 1)) * 8)
                    (flags,) = struct.unpack("Q", flags_of.read(8))
                    pages += 1
                    folios += not flags & KPAGE_TAIL
    except (OSError, struct.error, ValueError):
        return 0
    return pages * PAGE // 1024 / folios if folios else 0


class Places:
    """The file systems of a run, with a file in each form that is wanted."""

    def __init__(self, home, where, sizes, say):
        self.home, self.where, self.sizes, self.say = home, where, sizes, say
        self.scarce = max(sizes.form // 4, SCARCE_LEAST)
        self.places, self.reasons = {}, {}

    def path(self, form):
        return f"{self.home}/{form.folder}/big"

    def make(self, kinds, entries, owner):
        """Before the servers start: they have mounts of their own."""
        for kind in [k for k in ("tmpfs", "ext4", "xfs") if k in kinds]:
            # three files, an upload, a folder; XFS is not made smaller than 300 MiB
            size = 4 * self.sizes.form + self.sizes.medium + 336 * MIB
            place = Place(kind, f"{self.home}/{kind}", f"{self.where}/{kind}.image", size,
                          self.sizes.entries_cold + 1000)
            try:
                need_memory(2 * size)
                place.make()
                self.fill(place, entries and kind == "ext4", owner)
                self.places[kind] = place
            except (Missing, OSError) as e:
                place.remove(self.say)
                self.reasons[kind] = f"{kind}: {e}"
        if kinds:
            self.try_scarce()

    def fill(self, place, entries, owner):
        if entries:
            os.mkdir(place.folder + "/entries")
            for i in range(self.sizes.entries_cold):
                os.close(os.open(f"{place.folder}/entries/file-{i:07d}.txt",
                                 os.O_CREAT | os.O_WRONLY, 0o644))
            run("chown", "-R", owner, place.folder)
            place.mount_again()
        for how, piece in PIECES.items():
            if place.kind == "tmpfs" and how == "cold":
                continue
            os.makedirs(f"{place.folder}/{how}", exist_ok=True)
            write_file(f"{place.folder}/{how}/big", self.sizes.form, piece)
            if place.kind == "tmpfs":
                write_file(f"{place.folder}/{how}/medium", self.sizes.medium, piece)
            for name in ("key.pem", "cert.pem"):            # where limits.c looks
                shutil.copy(f"{self.home}/{name}", f"{place.folder}/{how}/{name}")
        run("chown", "-R", owner, place.folder)

    def try_scarce(self):
        group = Group("try")
        try:
            group.bound_memory(self.scarce)
        except OSError as e:
            self.reasons["scarce"] = f"a cgroup cannot bound memory here: {e}"
        finally:
            group.remove()

    def missing(self, form):
        return self.reasons.get(form.place) or self.reasons.get(form.how)

    def folios(self, wanted):
        """Of each form its mean folio in KiB: what it claims to be is looked at."""
        found = {}
        for form in [f for f in FORMS if f in wanted and f.how != "scarce"]:
            self.ready(form)
            read_file(self.path(form))
            found[form.name] = folio_size(self.path(form))
        return found

    def ready(self, form, folder=""):
        """Before each download: the file is in memory, or is not."""
        if folder.endswith("/entries"):
            self.places[form.place].forget_folders()
        elif form.read_from_disk:
            drop_file(self.path(form))
        else:
            read_file(self.path(form))

    def check(self, form, before):
        """A row says that it read from the disk, or did not: it did."""
        read, size = self.places[form.place].sectors_read() - before, self.sizes.form // 512
        if form.read_from_disk and read < size * 9 // 10:
            raise ValueError(f"{form.text()}: only {read >> 11} MiB were read from the disk")
        if not form.read_from_disk and read > size // 10:
            raise ValueError(f"{form.text()}: {read >> 11} MiB were read from the disk")

    def remove(self):
        for place in self.places.values():
            place.remove(self.say)
        self.places = {}
