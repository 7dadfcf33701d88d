"""The walls in the tree: who may include what, and that messages have two ends."""

import re

import pytest

from binaries import SOURCE

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
SEARCHED = ("include", "src", ".")

COMMON = {"include/base", "include/wire", "include/config", "include/process"}

# Folder of a file -> folders whose headers it may see. "config.h" is the build's.
MAY_SEE = {
    "include/base": {"include/base"},
    "include/wire": {"include/base", "include/wire"},
    "include/config": {"include/base", "include/wire", "include/config"},
    "include/process": {"include/base", "include/wire", "include/process"},
    "include/ftp": {"include/base", "include/ftp", "include/wire"},
    "include/tls": {"include/base", "include/tls"},
    "include/auth": {"include/base", "include/wire", "include/config", "include/auth"},
    "src/base": {"include/base", "src/base"},
    "src/wire": {"include/base", "include/wire", "src/wire"},
    "src/process": COMMON | {"src/process"},
    "src/ftp": {"include/base", "include/ftp", "include/wire", "src/ftp"},
    "src/transfer": {"include/base", "include/ftp", "src/transfer"},
    "src/config": {"include/base", "include/wire", "include/config", "src/config"},
    "src/admin": COMMON | {"include/auth", "src/admin"},
    "src/monitor": COMMON | {"src/monitor"},
    "src/worker": COMMON | {"include/ftp", "include/tls", "src/transfer", "src/worker"},
    "tls/worker": COMMON | {"include/tls", "tls/worker"},
    "tls/keyholder": COMMON | {"include/tls", "tls/keyholder"},
    "src/broker": COMMON | {"include/ftp", "src/broker"},
    "src/ledger": COMMON | {"src/ledger"},
    "auth": COMMON | {"include/auth", "auth"},
}

# Where the sources of each kind of process lie. Templates share one module.
FOLDERS = {
    "MONITOR": ("src/monitor",),
    "WORKER": ("src/worker", "tls/worker"),
    "BROKER": ("src/broker",),
    "LOGIN": ("auth",),
    "KEYHOLDER": ("tls/keyholder",),
    "LEDGER": ("src/ledger",),
    "STARTER": ("src/process", "src/wire", "src/worker", "tls/worker", "src/broker", "auth",
                "tls/keyholder", "src/ledger"),
    "TEMPLATE": ("src/process", "src/wire", "src/worker", "tls/worker", "src/broker", "auth",
                 "tls/keyholder"),
    "ANYONE": ("src/base", "src/process", "src/wire"),
    "ADMIN": ("src/admin",),
}

# The only message that its receiver's state lets through: it needs no look at the number.
KNOWN_BY_STATE = {"END_LOGIN": r"\bST_USER\b"}

# `sallyport check` starts a keyholder of its own, and hears from it in the monitor's place.
IN_THE_MONITORS_PLACE = {("ADMIN", "KEY_LOADED"), ("ADMIN", "KEY_FAILED")}

ROW = re.compile(r"^MESSAGE\((\w+),\s*(\w+),\s*(\w+),\s*(\w+),\s*([\w |]+?),"
                 r"\s*(\d+),\s*(\w+)\)", re.M)


def sources(folder):
    return sorted(p for p in (SOURCE / folder).glob("*.[ch]"))


def text(path):
    return path.read_text(encoding="utf-8")


def without_comments(code):
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", code, flags=re.S)


def rows():
    found = ROW.findall(text(SOURCE / "include/wire/messages.def"))
    assert len(found) > 40
    return found


def folder_of(path, name):
    """The folder in which an include line finds its header; None for generated ones."""
    for start in (path.parent, *(SOURCE / s for s in SEARCHED)):
        if (start / name).is_file():
            return str((start / name).resolve().parent.relative_to(SOURCE))
    return None


def test_every_folder_with_code_has_a_side():
    found = {str(p.parent.relative_to(SOURCE))
             for top in ("include", "src", "auth", "tls")
             for p in (SOURCE / top).rglob("*.[ch]")}
    assert found <= set(MAY_SEE)


@pytest.mark.parametrize("folder", sorted(MAY_SEE))
def test_includes_stay_on_their_side(folder):
    crossed = []
    for path in sources(folder):
        for name in INCLUDE.findall(text(path)):
            where = folder_of(path, name)
            if where is None and name == "config.h":
                continue
            if where not in MAY_SEE[folder]:
                crossed.append(f"{path.relative_to(SOURCE)}: {name} ({where})")
    assert not crossed


def test_headers_of_processes_are_not_among_the_shared_ones():
    for folder in ("monitor", "worker", "broker", "keyholder", "login", "ledger"):
        assert not (SOURCE / "include" / folder).exists()


def test_every_header_is_included_first_by_its_own_source():
    """So that each header is known to stand alone."""
    wrong = []
    for folder in MAY_SEE:
        for path in sources(folder):
            if path.suffix != ".c":
                continue
            own = [h for h in (path.with_suffix(".h"),
                               SOURCE / "include" / path.parent.name / (path.stem + ".h"))
                   if h.is_file()]
            first = INCLUDE.search(text(path))
            if own and (first is None or not first.group(1).endswith(path.stem + ".h")):
                wrong.append(str(path.relative_to(SOURCE)))
    assert not wrong


@pytest.mark.parametrize("row", rows(), ids=lambda r: r[0])
def test_each_message_is_written_by_its_sender_and_read_by_its_receiver(row):
    name, function, sender, receiver, _, _, fields = row
    # Pairs keep one word across the wall: ask_chdir may have been made by a macro.
    written = re.compile(rf"\bmsg_{function}_pack\b|\bMSG_{name}\b|\bask_{function}\b")
    # A message without fields has nothing to unpack: its number is enough.
    read = re.compile(rf"\bmsg_{function}_unpack\b" if fields != "FIELDS_NONE"
                      else rf"\bMSG_{name}\b|\bmsg_{function}_unpack\b")
    if name in KNOWN_BY_STATE:
        read = re.compile(KNOWN_BY_STATE[name])
    missing = []
    for side, pattern in ((sender, written), (receiver, read)):
        code = "".join(without_comments(text(p)) for folder in FOLDERS[side]
                       for p in sources(folder))
        if not pattern.search(code):
            missing.append(side)
    assert not missing, f"{name} is not handled by {' and '.join(missing)}"


def test_no_side_reads_a_message_that_is_not_for_it():
    wrong = []
    for name, function, sender, receiver, _, _, _ in rows():
        for side, folders in FOLDERS.items():
            # What one has written itself, one may read.
            if side in ("STARTER", "TEMPLATE", "ANYONE", sender, receiver) \
                    or receiver == "STARTER":
                continue
            if (side, name) in IN_THE_MONITORS_PLACE:
                continue
            for folder in folders:
                for path in sources(folder):
                    if re.search(rf"\bmsg_{function}_unpack\b",
                                 without_comments(text(path))):
                        wrong.append(f"{path.relative_to(SOURCE)}: {name}")
    assert not wrong


def test_a_worker_is_never_believed_about_descriptors():
    """Descriptors flow towards the worker only."""
    assert not [name for name, _, sender, _, _, fds, _ in rows()
                if sender in ("WORKER", "ANYONE") and int(fds) > 0]


def test_every_line_of_a_sandbox_list_names_its_reason():
    wrong = []
    for folder in MAY_SEE:
        for path in sources(folder):
            lines = text(path).splitlines()
            for i, line in enumerate(lines):
                if not re.match(r"\s*ALLOW(_EQUAL|_MASKED)?\(", line):
                    continue
                # A reason beside it, or one for a block of lines.
                near = lines[i:i + 4] + lines[max(0, i - 4):i]
                if not any("/*" in other or "*/" in other for other in near):
                    wrong.append(f"{path.relative_to(SOURCE)}:{i + 1}")
    assert not wrong


# What an assertion may call: they look, and change nothing.
LOOKS = {"sizeof", "strchr", "strlen", "TAILQ_EMPTY", "fair_first", "is_open", "is_path",
         "net_network_valid", "network_valid", "privilege_is_root", "slice_has_line_break"}


def asserted(code):
    """The text between the brackets of each SP_ASSERT, without strings and characters."""
    code = re.sub(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', "0", without_comments(code))
    for m in re.finditer(r"(?<!define )\bSP_ASSERT\(", code):
        at, depth = m.end(), 1
        while depth > 0:
            depth += {"(": 1, ")": -1}.get(code[at], 0)
            at += 1
        yield code[m.end():at - 1]


@pytest.mark.parametrize("what, hides", [
    ("x > 0 && x <= most", False), ("strchr(name, '=') == NULL", False), ("a >= b", False),
    ("put_u32(&p, 1) == SP_OK", True), ("n++ < 3", True), ("(fd = 3) != -1", True),
    ("text_copy(out, 4, strchr(a, 'b'))", True)])
def test_work_in_an_assertion_is_found(what, hides):
    assert [hides_work(a) for a in asserted(f"SP_ASSERT({what});")] == [hides]


def hides_work(what):
    called = set(re.findall(r"\b([A-Za-z_]\w*)\s*\(", what)) - LOOKS
    return bool(called or re.search(r"\+\+|--|(?<![=!<>])=(?!=)", what))


def test_no_assertion_hides_work():
    """Whoever reads past an assertion, or leaves it away, has missed nothing that is done."""
    wrong = [f"{path.relative_to(SOURCE)}: SP_ASSERT({' '.join(what.split())})"
             for folder in MAY_SEE for path in sources(folder)
             for what in asserted(text(path)) if hides_work(what)]
    assert not wrong


def test_nothing_is_closed_on_exec_by_chance():
    """Descriptors are born close-on-exec."""
    births = {
        r"\bopen(at)?\s*\(": "O_CLOEXEC", r"\bsocket\s*\(": "SOCK_CLOEXEC",
        r"\bsocketpair\s*\(": "SOCK_CLOEXEC", r"\baccept4\s*\(": "SOCK_CLOEXEC",
        r"\bpipe2\s*\(": "O_CLOEXEC", r"\bmemfd_create\s*\(": "MFD_CLOEXEC",
        r"\brecvmsg\s*\(": "MSG_CMSG_CLOEXEC", r"\bepoll_create1\s*\(": "EPOLL_CLOEXEC",
        r"\beventfd\s*\(": "EFD_CLOEXEC", r"\bF_DUPFD\b": "F_DUPFD_CLOEXEC",
    }
    never = r"\b(accept|pipe|dup|epoll_create|fopen)\s*\("
    wrong = []
    for folder in MAY_SEE:
        for path in sources(folder):
            code = without_comments(text(path))
            for birth, flag in births.items():
                for m in re.finditer(birth, code):
                    statement = code[m.start():code.find(";", m.start())]
                    if flag not in statement and "flags" not in statement:
                        wrong.append(f"{path.relative_to(SOURCE)}: {statement[:60]!r}")
            for m in re.finditer(never, code):
                statement = code[m.start():code.find(";", m.start())]
                if not (m.group(1) == "fopen"
                        and re.search(r'"[rwa+]*e[rwa+]*"', statement)):
                    wrong.append(f"{path.relative_to(SOURCE)}: {statement[:60]!r}")
    # These are meant to be inherited, or lie below the numbers that are closed anyway.
    allowed = ("src/base/fd.c",)
    assert not [w for w in wrong if not w.startswith(allowed)]


def test_no_two_modules_of_the_tests_have_one_name():
    """They are all imported by their last name, and one run would see one of them alone."""
    names = [p.name for p in (SOURCE / "tests").rglob("*.py") if p.name != "conftest.py"]
    assert sorted(names) == sorted(set(names))
    wrong = [str(p.relative_to(SOURCE)) for p in (SOURCE / "tests").rglob("*.py")
             if re.search(r"^(from|import) conftest\b", p.read_text(encoding="utf-8"), re.M)]
    assert not wrong
