"""The table of events (include/base/log.def) and every call that logs one."""

import re

from binaries import SOURCE
from test_sources import FOLDERS

TABLE = SOURCE / "include" / "base" / "log.def"
STRING = r'"((?:\\.|[^"\\])*)"'
ROW = re.compile(rf'^EVENT\((\w+), {STRING}, (\w+), ([\w |]+?),\s*{STRING},\s*{STRING}\)',
                 re.M | re.S)
CALL = re.compile(r"\b(log_event|log_bare|report_session|report_bare|note)\(")
KEY = re.compile(r'([a-z_]+)=(?:"[^"]*"|[^ "]+)')
EVERY = {"WORKER", "BROKER", "LOGIN", "KEYHOLDER", "LEDGER", "ANYONE"}
# What a format leaves to its arguments: fields that stand in the line only sometimes.
WORDS_OF_ARGUMENTS = re.compile(r"%s%s%s|%s%\.200s%s")


def table():
    rows = {}
    for name, text, level, senders, fields, meaning in ROW.findall(TABLE.read_text()):
        assert name not in rows, name
        rows[name] = (text, level, set(senders.split(" | ")), fields.split(), meaning)
    return rows


def sources():
    for folder in ("src", "auth", "tls"):
        for path in sorted((SOURCE / folder).rglob("*.c")):
            yield str(path.relative_to(SOURCE)), path.read_text()


def arguments(text, at):
    """Those of the call whose parenthesis is open at this place, and no more."""
    found, depth, begin = [], 0, at
    strings = {m.start(): m.end() for m in re.finditer(STRING, text[at:at + 3000])}
    i = at
    while True:
        if i - at in strings:
            i = at + strings[i - at]
            continue
        c = text[i]
        if c in "([{":
            depth += 1
        elif c in ")]}":
            if depth == 0:
                return [*found, text[begin:i].strip()]
            depth -= 1
        elif c == "," and depth == 0:
            found.append(text[begin:i].strip())
            begin = i + 1
        i += 1


def calls():
    """(file, line, event names, format or None) of each; formats joined and unescaped."""
    for file, text in sources():
        for m in CALL.finditer(text):
            args = arguments(text, m.end())
            events = [e for a in args for e in re.findall(r"\bEVENT_([A-Z0-9_]+)\b", a)]
            if not events:
                continue                # a declaration, or handed on
            at = next(i for i, a in enumerate(args) if "EVENT_" in a)
            form = None
            if len(args) > at + 1 and args[at + 1].startswith('"'):
                form = "".join(re.findall(STRING, args[at + 1])).replace('\\"', '"')
            yield file, text.count("\n", 0, m.start()) + 1, events, form


def test_the_table_is_whole():
    rows = table()
    declared = re.findall(r"^EVENT\(", TABLE.read_text(), re.M)
    assert len(rows) == len(declared)
    assert len({row[0] for row in rows.values()}) == len(rows)
    for name, (text, level, _senders, fields, meaning) in rows.items():
        assert name == re.sub(r"[.-]", "_", text).upper(), text
        assert level in ("ERROR", "WARNING", "NOTICE", "DEBUG"), text
        assert len(set(fields)) == len(fields), text
        assert not meaning.startswith("."), text
        assert meaning[-1] in ".?", text


def test_every_call_has_the_fields_of_its_event():
    rows, seen, wrong = table(), set(), []
    for file, line, events, form in calls():
        for event in events:
            seen.add(event)
            if form is None:
                continue
            bare = WORDS_OF_ARGUMENTS.sub("", form)
            keys = KEY.findall(bare)
            if not all(k in rows[event][3] for k in keys) or KEY.sub("", bare).strip():
                wrong.append((f"{file}:{line}", event, form))
    assert not wrong
    assert len(seen) > 100


def test_every_event_is_said_somewhere():
    text = "".join(text for _file, text in sources())
    unsaid = [name for name in table() if not re.search(rf"\bEVENT_{name}\b", text)]
    assert not unsaid


def said_by(senders):
    return senders | (EVERY if "ANYONE" in senders else set())


def test_who_says_an_event_may_say_it():
    """The monitor takes an event from its senders alone."""
    rows, wrong = table(), []
    for file, line, events, _form in calls():
        sides = {side for side, folders in FOLDERS.items()
                 if side not in ("STARTER", "TEMPLATE") and file.startswith(folders)}
        wrong += [(f"{file}:{line}", event) for event in events
                  if not sides & said_by(rows[event][2]) and "ADMIN" not in sides]
    assert not wrong


def test_nothing_is_logged_past_the_table():
    """One function writes a line; who calls it has an event."""
    for file, text in sources():
        if file not in ("src/base/log.c", "src/monitor/report.c"):
            assert not re.search(r"\b(log_whole|log_after|syslog)\((?!3\))", text), file
