"""A system call made by a live process that did not mean to: by ptrace, as root, x86-64."""

import ctypes
import os
import platform
import signal
import struct

import pytest

import harness

WALL = 0x40000000               # __WALL: of a process that is not our child, too
ATTACH, DETACH, CONT = 16, 17, 7
PEEK, POKE, GETREGS, SETREGS = 1, 4, 12, 13
REGISTERS = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags"
             " rsp ss fs_base gs_base ds es fs gs").split()
ARGUMENTS = ["rdi", "rsi", "rdx", "r10", "r8", "r9"]
ANY = (1 << 64) - 1
SYSCALL_INT3 = 0xcc050f         # 0f 05 cc
AT_ENTRY = 9

NUMBERS = {
    "open": 2, "mprotect": 10, "getppid": 110, "dup2": 33, "socket": 41, "connect": 42,
    "bind": 49, "listen": 50, "clone": 56, "fork": 57, "execve": 59, "kill": 62, "chmod": 90,
    "ptrace": 101, "setuid": 105, "prctl": 157, "chroot": 161, "mount": 165, "openat": 257,
    "unshare": 272, "memfd_create": 319, "keyctl": 250, "process_vm_readv": 310, "bpf": 321,
    "userfaultfd": 323, "io_uring_setup": 425, "clone3": 435, "pidfd_getfd": 438,
    "landlock_create_ruleset": 444, "flock": 73, "ftruncate": 77, "fchmod": 91, "fchown": 93,
    "fsetxattr": 190, "fremovexattr": 199, "mkdirat": 258, "fchownat": 260, "unlinkat": 263,
    "linkat": 265, "symlinkat": 266, "fchmodat": 268, "utimensat": 280, "fallocate": 285,
    "renameat2": 316, "copy_file_range": 326, "fchmodat2": 452,
}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def require():
    """Skips, aloud, where no process can be made to do anything."""
    if not harness.ROOT:
        pytest.skip("needs root to trace others")
    if platform.machine() != "x86_64":
        pytest.skip("x86-64 only: registers have other names here")


def ptrace(request, pid, address=0, data=0):
    ctypes.set_errno(0)
    value = _libc.ptrace(request, pid, address, data)
    error = ctypes.get_errno()
    if value == -1 and error:
        raise OSError(error, f"ptrace {request}: {os.strerror(error)}")
    return value & ANY


def get_registers(pid):
    raw = ctypes.create_string_buffer(8 * len(REGISTERS))
    ptrace(GETREGS, pid, 0, ctypes.addressof(raw))
    return dict(zip(REGISTERS, struct.unpack(f"{len(REGISTERS)}Q", raw.raw)))


def set_registers(pid, registers):
    raw = ctypes.create_string_buffer(
        struct.pack(f"{len(REGISTERS)}Q", *(registers[r] & ANY for r in REGISTERS)))
    ptrace(SETREGS, pid, 0, ctypes.addressof(raw))


def run_until_trap(pid):
    """Goes on, with the signals that come, up to the breakpoint; how it ended, if it did."""
    pass_on = 0
    while True:
        ptrace(CONT, pid, 0, pass_on)
        _, status = os.waitpid(pid, WALL)
        if os.WIFEXITED(status):
            return "exited", os.WEXITSTATUS(status)
        if os.WIFSIGNALED(status):
            return "killed", os.WTERMSIG(status)
        if os.WSTOPSIG(status) == signal.SIGTRAP:
            return None
        pass_on = os.WSTOPSIG(status)


def entry(pid):
    """Where the program began. Nobody goes there again, so its code may be written over;
    that where the process stands may be what a handler needs (`send`)."""
    with open(f"/proc/{pid}/auxv", "rb") as f:
        pairs = dict(struct.iter_unpack("2Q", f.read()))
    return pairs[AT_ENTRY]


def call(pid, name, *arguments):
    """("returned", result), ("exited", code) or ("killed", signal)."""
    ptrace(ATTACH, pid)
    _, status = os.waitpid(pid, WALL)
    assert os.WIFSTOPPED(status), hex(status)
    before, place = get_registers(pid), entry(pid)
    text = ptrace(PEEK, pid, place)
    ptrace(POKE, pid, place, text & ~0xffffff | SYSCALL_INT3)
    there = dict(before, rip=place, rax=NUMBERS[name], orig_rax=ANY)
    there.update(zip(ARGUMENTS, [*arguments, -1, -1, -1, -1, -1, -1]))
    set_registers(pid, there)
    end = run_until_trap(pid)
    if end:
        return end
    (result,) = struct.unpack("q", struct.pack("Q", get_registers(pid)["rax"]))
    ptrace(POKE, pid, place, text)
    set_registers(pid, before)
    ptrace(DETACH, pid)
    return "returned", result
