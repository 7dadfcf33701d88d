"""
The order of the rooms: read from the ground upwards, the tree uses nothing that was not built
yet. Who includes whom and who calls whom is derived from the sources.
"""

import re
from functools import lru_cache

import pytest

from binaries import SOURCE

# From the ground upwards. A room may know those of the lines before its own, and itself.
FLOORS = (
    {"base"},
    {"wire", "transfer"},
    {"config", "ftp"},
    {"process"},
    {"auth", "admin", "broker", "keyholder", "ledger", "monitor", "tls", "worker"},
)
# Of one floor, who may know whom all the same: each is linked into the other's program.
BESIDE = {("worker", "tls"), ("admin", "auth")}

# Every module may use these, and they may use each other.
EVERYWHERE = {"base/buf", "base/err", "base/log"}

# Circles of modules that are still there, and why. A circle may lose members, but it gets no
# new one, and no circle comes in beside these. Whoever opens one takes it off the list.
CIRCLES_LEFT = {
    "a reload that was asked for is answered when it is done": {
        "monitor/admin", "monitor/admin_verbs", "monitor/monitor", "monitor/reload"},
    "the table of commands lies beside what its functions use": {
        "worker/cmd_data", "worker/cmd_file", "worker/cmd_info", "worker/cmd_login",
        "worker/cmd_site", "worker/cmd_tls", "worker/cmd_transfer", "worker/commands"},
    "an answer of the broker is waited for while the client may leave": {
        "worker/ask_broker", "worker/presence", "worker/transfer"},
    "a listener that was asked for ahead is heard with other answers": {
        "worker/ahead", "worker/ask_monitor"},
    "a name is resolved to the unfinished upload that it may mean": {
        "broker/partial", "broker/resolve", "broker/takeover"},
    "the file of the database is brought up to date by its statements": {
        "auth/accounts", "auth/accounts_file"},
}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
# The type stands on a line of its own, so that a name at the margin is a definition.
DEFINITION = re.compile(r"^([A-Za-z_][^\n;{}]*)\n([a-z]\w*)\(", re.M)
# A member of a struct is no function, whatever it is called.
WORD = re.compile(r"(?<![.>\w])[a-z]\w*\b")
NOISE = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def room_of(path):
    top, second = path.relative_to(SOURCE).parts[:2]
    if top == "tls":
        return {"worker": "tls"}.get(second, second)
    return top if top == "auth" else second


def module_of(path):
    return f"{room_of(path)}/{path.stem}"


@lru_cache(None)
def sources():
    return tuple(sorted(p for top in ("include", "src", "auth", "tls")
                        for p in (SOURCE / top).rglob("*.[ch]")))


@lru_cache(None)
def text(path):
    return path.read_text(encoding="utf-8")


@lru_cache(None)
def code(path):
    return INCLUDE.sub("", NOISE.sub(" ", text(path)))


def found(path, name):
    for start in (path.parent, SOURCE / "include", SOURCE / "src", SOURCE):
        if (start / name).is_file():
            return (start / name).resolve()
    return None


def floor_of(room):
    return next(i for i, rooms in enumerate(FLOORS) if room in rooms)


def may_know(room, other):
    return (room == other or floor_of(other) < floor_of(room) or (room, other) in BESIDE)


def includes():
    return {(path, target) for path in sources() for name in INCLUDE.findall(text(path))
            if (target := found(path, name)) is not None}


@lru_cache(None)
def defined(path):
    """Names of the functions of a file: those for others, and its own."""
    names = [(m[2], "static" in m[1].split()) for m in DEFINITION.finditer(code(path))]
    return ({n for n, own in names if not own}, {n for n, own in names if own})


@lru_cache(None)
def homes():
    """Where the public functions are: each sandboxed program has its own sandbox_enter."""
    out = {}
    for path in sources():
        for name in defined(path)[0]:
            out.setdefault(name, set()).add(path)
    for name in re.findall(r"^MESSAGE\(\w+,\s*(\w+),",
                           text(SOURCE / "include/wire/messages.def"), re.M):
        for verb in ("pack", "unpack"):
            out[f"msg_{name}_{verb}"] = {SOURCE / "src/wire/pack.c"}
    return out


@lru_cache(None)
def calls():
    """(caller, called, name). Whoever mentions a function counts: a table calls, too."""
    out = set()
    for path in sources():
        if path.suffix == ".h":
            continue
        for name in set(WORD.findall(code(path))) & homes().keys() - defined(path)[1]:
            if path in homes()[name]:
                continue
            # of several with one name, that which is linked with it
            near = {p for p in homes()[name] if may_know(room_of(path), room_of(p))}
            out |= {(path, p, name) for p in near or homes()[name]}
    return out


def circles(arrows):
    """Sets of modules that reach each other."""
    graph = {}
    for a, b in arrows:
        graph.setdefault(a, set()).add(b)
        graph.setdefault(b, set())
    reach = {}
    for start in graph:
        seen, ahead = set(), [start]
        while ahead:
            fresh = graph[ahead.pop()] - seen
            seen |= fresh
            ahead.extend(fresh)
        reach[start] = seen
    return {frozenset(o for o in reach[m] if m in reach[o]) for m in graph if m in reach[m]}


def circles_of(pairs):
    arrows = {(module_of(a), module_of(b)) for a, b in pairs}
    return circles({(a, b) for a, b in arrows if a != b and not {a, b} & EVERYWHERE})


def said(pairs):
    return sorted(f"{a.relative_to(SOURCE)} -> {b.relative_to(SOURCE)}" for a, b in pairs)


@pytest.mark.parametrize("arrows, round_about", [
    ("ab bc", ""), ("ab ba", "ab"), ("ab bc ca cd", "abc"), ("ab bc cb ca", "abc"), ("aa", "a")])
def test_a_circle_is_found(arrows, round_about):
    assert circles({tuple(a) for a in arrows.split()}) \
        == ({frozenset(round_about)} if round_about else set())


def test_every_room_has_its_floor():
    rooms = {room_of(path) for path in sources()}
    assert rooms == set().union(*FLOORS)
    assert sum(map(len, FLOORS)) == len(rooms)


def test_no_include_leads_upwards():
    pairs = includes()
    assert len(pairs) > 1000
    assert not said((a, b) for a, b in pairs if not may_know(room_of(a), room_of(b)))


def test_no_call_leads_upwards():
    assert len(calls()) > 1000
    assert not said((a, b) for a, b, _ in calls() if not may_know(room_of(a), room_of(b)))


def test_no_headers_include_each_other_in_a_circle():
    assert not circles_of((a, b) for a, b in includes() if a.suffix == b.suffix == ".h")


def test_no_circle_of_modules_comes_in():
    left = list(CIRCLES_LEFT.values())
    new = [sorted(c) for c in circles_of((a, b) for a, b, _ in calls())
           if not any(c <= known for known in left)]
    assert not new


@pytest.mark.parametrize("why", CIRCLES_LEFT)
def test_a_circle_that_was_opened_is_off_the_list(why):
    assert any(c <= CIRCLES_LEFT[why] for c in circles_of((a, b) for a, b, _ in calls()))


def test_include_has_doors_between_folders_alone():
    """A header that one folder alone includes lies with that folder."""
    users = {}
    for path, target in includes():
        if target.is_relative_to(SOURCE / "include"):
            users.setdefault(target, set())
            if not path.is_relative_to(SOURCE / "include"):
                users[target].add(room_of(path))
    # what only headers include is part of their contract
    alone = [t for t, rooms in users.items() if rooms and rooms <= {room_of(t)}]
    reached = {b for a, b in includes() if a.is_relative_to(SOURCE / "include")
               and a not in alone}
    assert not sorted(str(t.relative_to(SOURCE)) for t in set(alone) - reached)
