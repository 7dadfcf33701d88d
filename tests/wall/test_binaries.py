"""The walls that the linker makes: which libraries and functions each program has."""

import re

import pytest

import binaries
from binaries import BUILD, PROGRAMS

@pytest.fixture(autouse=True)
def a_build():
    assert binaries.built(), f"{BUILD} has not all programs; set SALLYPORT_BUILD"

# The whole list, not what is forbidden: a new library is a decision to be seen.
LIBRARIES = {
    "sallyportd": {"c", "confuse", "event_core-2.1", "seccomp", "systemd"},
    "sallyport": {"c", "confuse", "sodium", "sqlite3", "event_core-2.1", "jansson"},
    "sallyport-worker": {"c", "ssl", "crypto", "seccomp", "z"},
    "sallyport-broker": {"c", "seccomp", "crypto"},
    "sallyport-login": {"c", "pam", "crypt", "sodium", "sqlite3", "crypto"},
    "sallyport-keyholder": {"c", "crypto", "seccomp", "ssl"},
    "sallyport-ledger": {"c", "seccomp", "sqlite3"},
}

# Not even by way of another library.
NEVER_LOADED = {
    "sallyportd": {"ssl", "crypto", "pam", "sqlite3", "sodium"},
    "sallyport-worker": {"pam", "sqlite3", "sodium", "event_core-2.1", "confuse"},
    "sallyport-broker": {"ssl", "crypto", "pam", "sqlite3", "sodium", "event_core-2.1",
                         "confuse"},
    "sallyport-login": {"ssl", "event_core-2.1", "confuse"},
    "sallyport-keyholder": {"pam", "sqlite3", "sodium", "event_core-2.1", "confuse"},
    "sallyport-ledger": {"ssl", "crypto", "pam", "sodium", "event_core-2.1", "confuse"},
}

STARTS_PROGRAMS = {"execve", "execv", "execvp", "execvpe", "execl", "execlp", "execle",
                   "fexecve", "execveat", "posix_spawn", "posix_spawnp", "system",
                   "popen", "wordexp"}
FORKS = {"fork", "vfork", "_Fork", "clone", "pthread_create", "thrd_create", "forkpty"}
CONNECTS = {"socket", "connect", "bind", "listen", "socketpair", "getaddrinfo",
            "gethostbyname"}
OPENS = {"open", "open64", "openat", "openat64", "creat", "fopen", "fopen64", "freopen",
         "opendir", "__open_2", "__open64_2", "__openat_2", "__openat64_2", "mkostemp",
         "mkstemp", "mkstemp64", "tmpfile"}
CHANGES_NAMES = {"unlink", "unlinkat", "rename", "renameat", "renameat2", "mkdir",
                 "mkdirat", "rmdir", "link", "linkat", "symlink", "symlinkat",
                 "chmod", "fchmodat",
                 "chown", "fchownat", "lchown", "truncate", "mknod", "mknodat", "mkfifo",
                 "mkfifoat"}
WATCHES_OTHERS = {"ptrace", "kill", "process_vm_readv", "process_vm_writev", "pidfd_open",
                  "pidfd_getfd", "pidfd_send_signal"}
LOADS_CODE = {"dlopen", "dlmopen"}
NAMES_USERS = {"getpwnam", "getpwnam_r", "getpwuid", "getpwuid_r", "getgrnam",
               "getgrnam_r", "getgrgid", "getgrgid_r", "getgrouplist", "initgroups"}
LEAVES_SANDBOX = (STARTS_PROGRAMS | FORKS | (CONNECTS - {"socketpair"}) | WATCHES_OTHERS
                  | LOADS_CODE)
BYPASSES = {"syscall"}          # a call by number would pass by every other list

# Anywhere in the program, base and wire included.
NEVER_IMPORTED = {
    "sallyportd": LOADS_CODE | {"system", "popen", "wordexp", "getaddrinfo",
                                "gethostbyname"},
    "sallyport-worker": LEAVES_SANDBOX | CHANGES_NAMES | NAMES_USERS,
    "sallyport-broker": LEAVES_SANDBOX,
    "sallyport-keyholder": LEAVES_SANDBOX | CHANGES_NAMES | NAMES_USERS,
    "sallyport-ledger": LEAVES_SANDBOX | (CHANGES_NAMES - {"mkdir"}) | NAMES_USERS,
    "sallyport-login": {"system", "popen", "wordexp", "bind", "listen", "ptrace"},
}

# In the objects of a program's own folders: what base does before the drop is not theirs.
OWN_OBJECTS = {
    "sallyport-worker": (("src/worker", "tls/worker"),
                         OPENS | CONNECTS | STARTS_PROGRAMS | FORKS | WATCHES_OTHERS
                         | CHANGES_NAMES | NAMES_USERS | LOADS_CODE | BYPASSES),
    "sallyport-keyholder": (("tls/keyholder",),
                            OPENS | CONNECTS | STARTS_PROGRAMS | FORKS | WATCHES_OTHERS
                            | CHANGES_NAMES | NAMES_USERS | LOADS_CODE | BYPASSES),
    "sallyport-ledger": (("src/ledger",),
                         OPENS | CONNECTS | STARTS_PROGRAMS | FORKS | WATCHES_OTHERS
                         | CHANGES_NAMES | NAMES_USERS | LOADS_CODE | BYPASSES),
    # Names are resolved by openat2 (a call without a wrapper) or below a directory it has
    # open, never from the process's root.
    "sallyport-broker": (("src/broker",),
                         (OPENS - {"openat", "openat64", "__openat_2", "__openat64_2"})
                         | CONNECTS | LEAVES_SANDBOX
                         | {"unlink", "rename", "mkdir", "rmdir", "link", "symlink",
                            "chmod", "chown", "lchown", "truncate", "mknod", "mkfifo",
                            "stat", "lstat", "access", "readlink", "realpath"}),
    "sallyportd": (("src/monitor",), LOADS_CODE | {"system", "popen", "wordexp"}),
    "sallyport-login": (("auth",),
                        {"bind", "listen", "accept", "accept4", "ptrace", "system",
                                    "popen", "wordexp"}),
}

# One object's business alone, with its reason.
EXCEPTIONS = {
    "sallyport_ledger-main.o": {"open", "mkdir"},   # state_directory, before the drop
    "sallyport_worker-warm.o": {"socketpair"},  # the template's handshake with itself
}

# Pure text and pure bytes: no descriptor, no process, no clock of their own.
NEVER_PURE = (OPENS | CONNECTS | LEAVES_SANDBOX | CHANGES_NAMES | NAMES_USERS | BYPASSES
              | {"read", "write", "send", "recv", "close", "stat", "fstat", "localtime",
                 "localtime_r", "gmtime_r"})
PURE_ARCHIVES = {"libftp.a": NEVER_PURE, "libtransfer.a": NEVER_PURE}

# Functions of an archive that must not be in a program at all.
NOT_LINKED = {
    "sallyportd": ("libftp.a", "libtransfer.a"),
    "sallyport-broker": ("libtransfer.a", "libconfig.a"),
    "sallyport-worker": ("libconfig.a",),
    "sallyport-login": ("libftp.a", "libtransfer.a", "libconfig.a"),
    "sallyport-keyholder": ("libftp.a", "libtransfer.a", "libconfig.a"),
    "sallyport-ledger": ("libftp.a", "libtransfer.a", "libconfig.a"),
    "sallyport": ("libftp.a", "libtransfer.a"),
}

# Never in any program: what cannot be used safely.
BANNED = {"strcpy", "strcat", "sprintf", "vsprintf", "atoi", "atol", "strtok", "signal",
          "gets", "alloca", "tmpnam", "tempnam", "mktemp"}


def own_objects(program):
    folders, _ = OWN_OBJECTS[program]
    found = [o for folder in folders for o in binaries.objects(folder, program)]
    assert found, f"no objects of {program} below {BUILD}"
    return found


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_names_only_its_own_libraries(program):
    assert binaries.needed(program) <= LIBRARIES[program]


@pytest.mark.parametrize("program", sorted(NEVER_LOADED))
def test_a_program_loads_no_library_of_another_side(program):
    assert not binaries.loaded(program) & NEVER_LOADED[program]


@pytest.mark.parametrize("program", sorted(NEVER_IMPORTED))
def test_a_program_imports_nothing_that_its_side_may_not_do(program):
    assert not binaries.imports(BUILD / program) & NEVER_IMPORTED[program]


@pytest.mark.parametrize("program", sorted(OWN_OBJECTS))
def test_the_objects_of_a_side_ask_for_nothing_beyond_it(program):
    _, forbidden = OWN_OBJECTS[program]
    found = {o.name: binaries.imports(o) & forbidden - EXCEPTIONS.get(o.name, set())
             for o in own_objects(program)}
    assert not {name: calls for name, calls in found.items() if calls}


@pytest.mark.parametrize("archive", sorted(PURE_ARCHIVES))
def test_pure_folders_are_pure(archive):
    assert not binaries.imports(BUILD / archive) & PURE_ARCHIVES[archive]


@pytest.mark.parametrize("program,archive",
                         [(p, a) for p, archives in sorted(NOT_LINKED.items())
                          for a in archives])
def test_a_program_contains_nothing_of_what_is_not_its_business(program, archive):
    assert not binaries.public(BUILD / program) & binaries.public(BUILD / archive)


def test_only_the_keyholder_and_the_worker_know_of_tls():
    for program in ("sallyportd", "sallyport-broker", "sallyport-login", "sallyport"):
        names = binaries.imports(BUILD / program)
        assert not [n for n in names
                    if re.match(r"(SSL|TLS|BIO|X509|PEM|EVP_PKEY)_", n)], program


def test_only_the_keyholder_can_read_a_private_key():
    # The worker may make throw-away keys to warm its template; it cannot parse one.
    names = binaries.imports(BUILD / "sallyport-worker")
    assert not [n for n in names
                if re.search(r"PrivateKey_(file|bio|fp|ASN1_file)|PEM_read.*PrivateKey"
                             r"|use_(RSA)?PrivateKey_file|d2i_.*Private", n)]


def test_only_the_login_program_authenticates():
    for program in set(PROGRAMS) - {"sallyport-login"}:
        assert not [n for n in binaries.imports(BUILD / program)
                    if n.startswith("pam_")], program
    for program in set(PROGRAMS) - {"sallyport-login", "sallyport"}:
        banned = ("crypto_pwhash",) if program == "sallyport-ledger" \
            else ("crypto_pwhash", "sqlite3_")
        assert not [n for n in binaries.imports(BUILD / program) if n.startswith(banned)], program


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_program_uses_a_banned_function(program):
    imported = binaries.imports(BUILD / program)
    assert not {n for n in imported if n.removeprefix("__").removesuffix("_chk")
                in BANNED}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_is_position_independent(program):
    assert re.search(r"Type:\s+DYN", binaries.tool("readelf", "-hW", BUILD / program))
    assert re.search(r"\(FLAGS_1\).*\bPIE\b",
                     binaries.tool("readelf", "-dW", BUILD / program))


@pytest.mark.parametrize("program", PROGRAMS)
def test_relocations_are_resolved_at_start_and_then_read_only(program):
    assert "GNU_RELRO" in binaries.tool("readelf", "-lW", BUILD / program)
    dynamic = binaries.tool("readelf", "-dW", BUILD / program)
    assert "BIND_NOW" in dynamic or re.search(r"\(FLAGS_1\).*\bNOW\b", dynamic)
    assert "TEXTREL" not in dynamic


@pytest.mark.parametrize("program", PROGRAMS)
def test_nothing_is_writable_and_executable(program):
    segments = binaries.tool("readelf", "-lW", BUILD / program)
    stack = re.search(r"GNU_STACK(?:\s+0x\w+){5}\s+([RWE ]+?)\s+0x", segments)
    assert stack and "E" not in stack.group(1)
    for flags in re.findall(r"^\s+LOAD(?:\s+0x\w+){5}\s+([RWE ]{3})\s", segments, re.M):
        assert not ("W" in flags and "E" in flags)


@pytest.mark.parametrize("program", PROGRAMS)
def test_stacks_are_protected_and_copies_checked(program):
    imported = binaries.imports(BUILD / program)
    assert "__stack_chk_fail" in imported
    if not binaries.instrumented(program) and "-O0" not in compiled_with():
        assert [n for n in imported if n.endswith("_chk")], "no _FORTIFY_SOURCE"


def compiled_with():
    found = re.search(r"^CFLAGS = (.*)$", (BUILD / "Makefile").read_text(), re.M)
    return found.group(1) if found else ""


@pytest.mark.parametrize("program", PROGRAMS)
def test_libraries_are_looked_for_in_the_system_only(program):
    assert not re.search(r"\((RPATH|RUNPATH)\)",
                         binaries.tool("readelf", "-dW", BUILD / program))


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_program_is_setuid(program):
    assert (BUILD / program).stat().st_mode & 0o6000 == 0
