#!/usr/bin/env python3
"""
tests/fuzz/seeds.py - writes the first inputs of each target into corpus/TARGET, and the
dictionaries into dictionaries/: made by hand below, and from messages.def, settings.def and the
worker's table of commands. What is there is kept; run it again when a table changes.
"""
import pathlib
import re
import struct

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def write(target, name, content):
    d = HERE / "corpus" / target
    d.mkdir(parents=True, exist_ok=True)
    (d / name).write_bytes(content.encode("latin-1") if isinstance(content, str) else content)


def all_of(target, contents):
    for i, content in enumerate(contents):
        write(target, f"seed-{i:02}", content)


# ---- text --------------------------------------------------------------------------------------
all_of("parse", [
    "USER anonymous\r\nPASS me@here\r\nPWD\r\nQUIT\r\n", "RETR a b  \nSTOR  x\n\r\n",
    b"\xff\xf4\xff\xf2ABOR\r\n", b"\xff\xfd\x01\xff\xfb\x03\xff\xfe\x06NOOP\r\nSYST\r\n",
    b"CWD caf\xff\xff\xe9\r\nCWD \xfftest\r\n", b"STOR a\0b\r\nNOOP\r\n",
    b"\xff\xfa\x18\x01xterm\xff\xf0FEAT\r\n", "A" * 4100 + "\r\nNOOP\r\n",
    "NOOP " + "x" * 4091 + "\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    " \tnoop \t x \t\r\n", "TOOLONGVERB x\r\n", "A\rB\r\r\n", "ABOR\n", "NOOP x" * 300 + "\n",
])
all_of("path", [
    "/\n", "/a/b\n../../..", "/a\n./b/./c/", "/a/b\n/c//d/../e", "/a\n..", "relative\nx",
    "/a\nb\0c", "/" + "a" * 4000 + "\n" + "b" * 95, "/" + "a" * 4000 + "\n" + "b" * 96,
    "/x\n.../..a/a..", "/q\n\"quoted\"\r", "\n",
])
all_of("glob", [
    "*\nname", "*.txt\nreadme.txt", "?a*b\nxaab", "[a-c]x\nbx", "[!a]\nb", "{a,b}*.{c,d}\nbx.d",
    "\\*\n*", ".*\n.hidden", "*\n.hidden", "[\n[", "a{b\na{b", "[]a]\n]", "*a*a*a*a*a*b\n" + "a" * 60,
    b"caf?\ncaf\xc3\xa9", b"caf?\ncaf\xe9", "{a,b}" * 6 + "\nababab", "a\\\na\\", "[a-]\n-",
])
all_of("values", [
    "18446744073709551615", "18446744073709551616", "0000", "0644", "127,0,0,1,4,1",
    "256,0,0,1,4,1", "|1|132.235.1.2|6275|", "|2|1080::8:800:200C:417A|5282|",
    "|2|::ffff:1.2.3.4|99|", "|1|1.2.3.4%eth0|99|", "!1!1.2.3.4!65535!", "ALL", "1", "3",
    "192.0.2.0/24", "[::1]:21", "10.0.0.1:990", "20240229123456.789", "20230229123456",
    "19700101000000 name", "20240101120000 a b", "202401011200 name",
    "name 20240101120000 20240102120000 20240103120000 UTC", "-la name", "-- -x", "-a -R  x",
    "-file", "type;size;modify;", "Type*;Unique;", "99991231235960", "00010101000000",
    bytes([4, 0, 0xd0, 7, 0, 0, 0, 0, 127, 0, 0, 1]) + bytes(12), "",
])
all_of("lines", [
    "hello", "123-inner", "250 end", b"caf\xc3\xa9 \xff\xff\xfe", "a\r\n250 forged", "\x1b[31m",
    b"\x08a name\xff\x03\xff\x07\x01\xed\x81\x00\x00" + bytes(60) + b"target/-rw-r--r-- x\r\ny",
    b"\x00\x00\x00\xff\x03\x02\xff\xa1\x00\x00" + b"\xff" * 60 + b"t/" + b"n" * 255,
    b"\x06N;=x \x7f\x40\x00\xff\xff\x01" + bytes(50) + b"/ leading", "%s%n%d", b"\xe2\x80\xae\xc2\xa0",
    "a" * 600, "\0",
])
all_of("ascii", [
    b"\x03\x00\x00a\nb\r\nc\rd\n", b"\x00\x10\x05\n\n\n\n", b"\xff\xff\x02\r\r\n\r", b"\x01\x01\x01",
    b"\x10\x20\xff" + b"line\n" * 60, b"\x00\x00\x01" + b"x" * 200, b"\x07\x00\x03\r",
])

# ---- messages, from messages.def ---------------------------------------------------------------
DEF = re.sub(r"\\\n", " ", (ROOT / "include/wire/messages.def").read_text())
CONSTANTS = {name: int(value, 0) for name, value in re.findall(r"#define (\w+_BYTES) (\d+)", DEF)}
FIELDS = {name: re.findall(r"F\((\w+), (\w+), (\w+)\)", body)
          for name, body in re.findall(r"#define FIELDS_(\w+)\(F\)(.*)", DEF)}
MESSAGES = re.findall(r"^MESSAGE\((\w+),\s*(\w+),\s*(\w+),\s*(\w+),\s*([^,]+),\s*(\d),"
                      r"\s*FIELDS_(\w+)\)", DEF, re.M)
NUMBERS = {m[0]: i + 1 for i, m in enumerate(MESSAGES)}
WIDTHS = {"U8": "<B", "U16": "<H", "U32": "<I", "U64": "<Q", "I64": "<q"}
ADDRESS = bytes([4, 0, 0xd0, 7, 0, 0, 0, 0, 127, 0, 0, 1]) + bytes(12)     # as net_pack


def run_of(content):
    return struct.pack("<H", len(content)) + content


def body(name, **values):
    """The body of a message; a field that is not named is small and right."""
    out = b""
    fields = FIELDS[next(m[6] for m in MESSAGES if m[0] == name)]
    for kind, field, _bound in fields:
        v = values.get(field)
        if kind in WIDTHS:
            out += struct.pack(WIDTHS[kind], v or 0)
        else:
            small = b"/a" if kind == "PATH" else ADDRESS if field in ("peer", "local") else b"x"
            out += run_of(small if v is None else v)
    return out


for m in MESSAGES:
    write("message", f"seed-{m[0].lower()}", bytes([NUMBERS[m[0]]]) + body(m[0]))


def message(name, **values):
    return bytes([NUMBERS[name]]) + body(name, **values)


# each with one rule broken
all_of("message", [
    message("LOGIN") + b"x", message("START") + b"x",
    message("LOGIN", user=b"u" * 257), message("LOGIN", password=b"p" * 1025),
    message("LOGIN", user=b"a\nb"), message("LOGIN", user=b"a\0b"), message("OPEN_READ", path=b"a"),
    message("OPEN_READ", path=b"/a\0b"), message("OPEN_READ", path=b"/" * 4097),
    message("OPEN_READ", path=b""), message("CHMOD", mode=0o1000), message("LISTEN") + b"x",
    message("LIST", kind=4), message("SIGN", tbs=b"t" * 513), message("LOGIN")[:-1],
    bytes([NUMBERS["LOGIN"]]) + b"\xff\xffx", message("OPEN_WRITE", offset=1 << 63), b"\0", b"\xfe",
])


# ---- records: who, state, then each with its descriptors -----------------------------------------
PEERS = [("MONITOR", "WORKER"), ("MONITOR", "BROKER"), ("MONITOR", "LOGIN"),
         ("MONITOR", "KEYHOLDER"), ("MONITOR", "TEMPLATE"), ("WORKER", "MONITOR"),
         ("WORKER", "BROKER"), ("BROKER", "MONITOR"), ("BROKER", "WORKER"),
         ("LOGIN", "MONITOR"), ("KEYHOLDER", "MONITOR"), ("TEMPLATE", "MONITOR"),
         ("MONITOR", "ADMIN"), ("ADMIN", "MONITOR"), ("MONITOR", "LEDGER"),
         ("LEDGER", "MONITOR")]
STATES = ["ST_START", "ST_READY", "ST_CLEAR", "ST_SECURE", "ST_LOGIN", "ST_QUESTION", "ST_USER",
          "ST_UPLOAD", "ST_LOGOUT", "ST_END"]


def matches(said, kind):
    return kind == said or (said == "STARTER" and kind in ("TEMPLATE", "KEYHOLDER", "LEDGER")) \
        or (said == "ANYONE" and kind not in ("MONITOR", "ADMIN"))


for end, (receiver, sender) in enumerate(PEERS):
    for number, state in enumerate(STATES):
        records = b""
        for m in MESSAGES:
            if matches(m[2], sender) and matches(m[3], receiver) \
                    and (state in m[4] or (m[4].strip() == "ST_ANY" and state == "ST_USER")):
                record = struct.pack("<H", NUMBERS[m[0]]) + body(m[0])
                records += bytes([int(m[5])]) + run_of(record)
        if records:
            write("channel", f"seed-{receiver.lower()}-{sender.lower()}-{state[3:].lower()}",
                  bytes([end, number]) + records)



def record(name, fds=0, cut=None, more=b"", **values):
    content = struct.pack("<H", NUMBERS[name]) + body(name, **values) + more
    return bytes([fds]) + run_of(content[:cut])


# each with one rule broken: state, sender, count of descriptors, size, number
all_of("channel", [
    b"\0\x06" + record("LOGIN"), b"\0\x02" + record("LISTEN"), b"\0\x02" + record("GRANTED"),
    b"\x08\x06" + record("COMMIT"), b"\x08\x06" + record("OPEN_READ", 1), b"\x05\x06" + record("LISTENING", 0),
    b"\x05\x06" + record("LISTENING", 2), b"\x05\x06" + record("LISTENING", 6),
    b"\0\x02" + record("LOGIN", 0, None, b"x" * 1400), b"\0\x02" + record("LOGIN", 0, 5),
    b"\0\x02" + b"\0" + run_of(b"\xff\xff"), b"\0\x02" + b"\0" + run_of(b"x"), b"\0\x02" + b"\0" + run_of(b""),
    b"\0\x02" + b"\1" + run_of(b"\1"), b"\0\x02" + b"\0" + run_of(b"\x17\0" + b"y" * 17000),
])

# ---- configuration -------------------------------------------------------------------------------
SETTINGS = re.findall(r'^SETTING\((\w+), (\w+), (.+?), (-?\d+|\w+), ',
                      (ROOT / "include/config/settings.def").read_text(), re.M)
whole = ""
for kind, name, _preset, least in SETTINGS:
    value = {"BOOL": "true", "NUMBER": "10", "SIZE": '"64 MiB"', "TIME": "10s", "OCTAL": '"022"',
             "TEXT": '"a text"', "LIST": '{"10.0.0.1:21", \'b\'}'}[kind]
    whole += f"{name} = {value}\n"
    write("config", f"seed-{kind.lower()}", f"{name} = {value}\n")
for i in range(0, len(whole), 3000):
    write("config", f"seed-part-{i}", whole[i:i + 3000])
all_of("config", [
    (ROOT / "etc/sallyport.conf.example").read_bytes()[:4000], "", "# only a comment\n",
    "banner = \"a\\\"b\"\nbanner = 'x'\n", "banner = \"no end\n", "/* no end\nbanner = a\n",
    "listen = {\"127.0.0.1:21\",}\r\n", "passive_ports = \"1-2\"\n// c\n", "x = 1\nx = 2\n",
    "banner = ${HOME}\n", "listen += {\"a\"}\n", "{}}{={=", "banner =\0x\n", "umask = \"0999\"\n",
    "idle_timeout = 15min\nargon2_memory = \"64 MiB\"\n", "idle_timeout = 15 min\n",
    "backlog = 65536\n", "backlog = 0\n", "backlog = 18446744073709551617\n", "umask = \"01000\"\n",
    "banner = \"" + "b" * 201 + "\"\n", "worker_user = \"\"\n",
    "certificate = {\"/a\", \"/b\"}\ncertificate_key = {\"/a\"}\n", "include(\"/etc/passwd\")\n",
])
dictionary = "".join(f'"{name} = "\n' for _, name, _, _ in SETTINGS)
(HERE / "dictionaries").mkdir(exist_ok=True)
(HERE / "dictionaries" / "config.dict").write_text(
    dictionary + '"{\\""\n"\\"}"\n"true"\n"false"\n"/*"\n"*/"\n"127.0.0.1:21"\n"10.0.0.0/8"\n')

# ---- keyholder, login ----------------------------------------------------------------------------
CONTEXT = b" " * 64 + b"TLS 1.3, server CertificateVerify\0"
all_of("sign", [
    b"\0\x04\x08" + CONTEXT + b"h" * 32, b"\x01\x03\x04" + CONTEXT + b"h" * 32,
    b"\x02\x03\x05" + CONTEXT + b"h" * 48, b"\x00\x01\x04" + CONTEXT + b"h" * 32,
    b"\x00\x01\x04" + b"r" * 64 + b"\x03\0\x1d\x20" + b"p" * 32,
    b"\x01\x03\x04" + b"r" * 64 + b"\x03\0\x17\x41\x04" + b"p" * 64,
    b"\x02\x03\x06" + b"r" * 64 + b"\x03\0\x18\x61\x04" + b"p" * 96,
    b"\x00\x04\x08" + b"r" * 64 + b"\x03\0\x1d\x20" + b"p" * 33,
    b"\x01\x03\x04" + b"r" * 64 + b"\x03\0\x17\x41\x04" + b"p" * 65,
    b"\x00\x04\x08" + CONTEXT + b"h" * 33, b"\x00\x05\x08" + CONTEXT + b"h" * 47, b"\x03\x03\x04" + CONTEXT, b"\x00\xff\xff",
    b"\x00\x04\x08" + CONTEXT.replace(b"server", b"client") + b"h" * 32,
])
ATTEMPT = body("ATTEMPT", user=b"alice", password=b"secret")
all_of("login", [
    b"\0" + run_of(ATTEMPT) + b"answer", b"\0" + run_of(ATTEMPT) + b"a\0b",
    b"\0" + run_of(body("ATTEMPT", user=b"../etc", password=b"")),
    b"\0" + run_of(body("ATTEMPT", user=b"a" * 256, password=b"p" * 1024)),
    b"\x01\x01Password: \n\x02login:\n\x03note\n\x04error\r\n\x01again",
    b"\x01\x02login: \n\x01Password: \n", b"\x01\x07\n\x00x\n",
    b"\x02alice\n/srv/%u/%g", b"\x02..\n%h/../%%", b"\x02a\n100,200, 300", b"\x02b\n192.0.2.0/24,10.0.0.1",
    b"\x02c\n//a//./b/..", b"\x02d\n/%x",
])

# ---- a session: flags of the account, of the settings, then steps ----------------------------------
(LINE, BYTES, LOGIN, PASSIVE, CONNECT, DATA, DATA_END, DATA_CLOSE, TIME, DEAF, LEAVE, PLAN_MONITOR,
 PLAN_BROKER, SHUTDOWN) = range(14)


def say(*lines):
    return b"".join(bytes([LINE]) + line + b"\n" for line in lines)


def session(*steps, flags=0, settings=0):
    return bytes([flags, settings]) + b"".join(s if isinstance(s, bytes) else bytes([s])
                                               for s in steps)


def data(content):
    return bytes([DATA, (len(content) + 3) // 4]) + content.ljust((len(content) + 3) // 4 * 4)


def planned(who, message, content=b"", kind=0):
    return bytes([who, NUMBERS[message], kind, len(content)]) + content


VERBS = sorted(set(re.findall(r'\{ "(\w+)",', (ROOT / "src/worker/commands.c").read_text())))
write("session", "seed-every-verb", session(LOGIN, say(*[v.encode() + b" a" for v in VERBS
                                                          if v not in ("QUIT", "REIN")])))
write("session", "seed-no-parameter", session(LOGIN, say(*[v.encode() for v in VERBS
                                                            if v not in ("QUIT", "REIN")])))
write("session", "seed-before-login", session(say(*[v.encode() + b" x" for v in VERBS])))
all_of("session", [
    session(say(b"USER guest", b"PASS x", b"SYST", b"FEAT", b"PWD", b"QUIT")),
    session(LOGIN, PASSIVE, say(b"TYPE I", b"RETR a"), say(b"QUIT")),
    session(LOGIN, PASSIVE, say(b"RETR a"), flags=8), session(LOGIN, PASSIVE, say(b"RETR a"), flags=16),
    session(LOGIN, PASSIVE, say(b"LIST -la", b"NLST", b"MLSD"), flags=8),
    session(LOGIN, PASSIVE, say(b"TYPE I", b"STOR a"), data(b"content"), DATA_CLOSE, say(b"NOOP")),
    session(LOGIN, PASSIVE, say(b"TYPE A", b"STOR a"), data(b"one\r\ntwo\r"), DATA_END, say(b"NOOP")),
    session(LOGIN, PASSIVE, say(b"REST 5", b"APPE a"), data(b"x"), DATA_CLOSE, say(b"STOU", b"QUIT")),
    session(LOGIN, say(b"PORT 127,0,0,1,4,1", b"RETR a", b"EPRT |1|127.0.0.1|5000|", b"LIST")),
    session(LOGIN, say(b"EPSV"), CONNECT, say(b"STOR a"), data(b"y" * 100), say(b"ABOR", b"STAT")),
    session(LOGIN, say(b"EPSV", b"RETR a"), bytes([TIME, 0xff, 0xff]), say(b"NOOP")),
    session(LOGIN, say(b"RNFR a", b"RNTO b", b"MKD c", b"RMD c", b"DELE d", b"SIZE a", b"MDTM a",
                       b"MFMT 20240101000000 a", b"SITE CHMOD 644 a", b"SITE UMASK 022",
                       b"SITE HELP", b"STAT a", b"MLST a", b"CWD x", b"CDUP", b"AVBL",
                       b"OPTS MLST type;size;", b"OPTS UTF8 ON", b"ALLO 5", b"HELP", b"REIN")),
    session(LOGIN, say(b"ACCT 42", b"PWD"), flags=1), session(LOGIN, say(b"USER x"), flags=1),
    session(LOGIN, DEAF, say(*[b"HELP"] * 60), DEAF, say(b"QUIT")),
    session(LOGIN, PASSIVE, say(b"RETR a"), LEAVE), session(LOGIN, SHUTDOWN, say(b"NOOP")),
    session(LOGIN, PASSIVE, say(b"RETR a"), SHUTDOWN, flags=8),
    session(bytes([TIME, 0xff, 0x7f]), say(b"NOOP")), session(LOGIN, bytes([TIME, 0xff, 0xff])),
    session(planned(PLAN_MONITOR, "LOGIN_REFUSED", body("LOGIN_REFUSED", reason=1)), LOGIN, say(b"NOOP")),
    session(planned(PLAN_MONITOR, "LOGIN_QUESTION", body("LOGIN_QUESTION")), LOGIN, say(b"ACCT x", b"PASS y")),
    session(LOGIN, planned(PLAN_MONITOR, "DATA_FAILED", body("DATA_FAILED", error=98)), say(b"PASV", b"EPSV")),
    session(LOGIN, PASSIVE, planned(PLAN_BROKER, "FAILED", body("FAILED", code=2)), say(b"RETR a", b"LIST", b"STOR b")),
    session(LOGIN, PASSIVE, planned(PLAN_BROKER, "OPENED", body("OPENED", size=1 << 40)), say(b"RETR a")),
    session(LOGIN, PASSIVE, planned(PLAN_BROKER, "LISTING", b"", 2), say(b"LIST")),
    session(LOGIN, PASSIVE, planned(PLAN_BROKER, "OPENED", body("OPENED"), 1), say(b"TYPE I", b"RETR a")),
    session(LOGIN, PASSIVE, planned(PLAN_BROKER, "UPLOADING", body("UPLOADING"), 3), say(b"STOR a"), data(b"z"), DATA_CLOSE),
    session(LOGIN, PASSIVE, say(b"STOR a"), planned(PLAN_BROKER, "FAILED", body("FAILED", code=9)), data(b"z"), DATA_CLOSE),
    session(say(b"AUTH TLS", b"PBSZ 0", b"PROT P", b"CCC"), settings=1), session(LOGIN, say(b"PROT C"), settings=1),
    session(bytes([BYTES, 5]) + b"\xff\xf4\xff\xf2A", bytes([BYTES, 4]) + b"BOR\n"),
])
(HERE / "dictionaries" / "session.dict").write_text(
    "".join(f'"\\x00{v} "\n' for v in VERBS) + "".join(f'"SITE {v}"\n' for v in
                                                      ("CHMOD", "UMASK", "IDLE", "UTIME", "HELP")))
(HERE / "dictionaries" / "parse.dict").write_text("".join(f'"{v}\\x0d\\x0a"\n' for v in VERBS))

# ---- a captured worker at its broker: permits, then requests ----------------------------------------
ASKS = [m[0] for m in MESSAGES if m[2] == "WORKER" and m[3] == "BROKER"]


def asks(name, *fields):
    """fields in their order: bytes for a path (without its first slash) or text, else a number."""
    out = bytes([ASKS.index(name)])
    kinds = FIELDS[next(m[6] for m in MESSAGES if m[0] == name)]
    for (kind, _field, bound), v in zip(kinds, fields):
        if kind in ("PATH", "TEXT", "BYTES"):
            out += v + b"\n"
        else:
            small = kind == "U8" or (bound.isdigit() and int(bound) < 256)
            out += struct.pack("<B" if small else "<H", v)
    return out


def raw(name, content, fds=0):
    record = struct.pack("<H", NUMBERS[name]) + content
    return bytes([255, fds]) + run_of(record)


ALL = b"\xff\xff"
all_of("broker", [
    ALL + b"".join(asks("OPEN_READ", p) for p in (b"a", b"l1", b"l3/b", b"l4", b"l5", b"p", b"d", b"no")),
    ALL + b"".join(asks("LIST", b"", b"", kind, options, 0x7ff) for kind in range(4)
                   for options in (0, 0x12, 0x3ff)),
    ALL + b"".join(asks("LIST", p, b"s", 0, 0, 0) for p in (b"*", b"d/*", b"[a-d]*", b"{a,d}/?", b"l2", b"l2/*")),
    ALL + asks("OPEN_WRITE", b"new", 0, 0, 0) + b"\xfe\x07content" + asks("COMMIT", 7) + asks("OPEN_READ", b"new"),
    ALL + asks("OPEN_WRITE", b"a", 1, 0, 0) + b"\xfe\x04more" + asks("COMMIT", 4) + asks("STATUS_OF", b"a"),
    ALL + asks("OPEN_WRITE", b"", 2, 0, 0) + asks("ABANDON") + asks("LIST", b"", b"", 1, 0, 0),
    ALL + asks("OPEN_WRITE", b"a", 0, 5, 0) + b"\xfe\x02xy" + asks("COMMIT", 0xfffe),
    ALL + asks("OPEN_WRITE", b"l1", 0, 0, 0) + asks("COMMIT", 0),
    ALL + asks("OPEN_WRITE", b"l2/new", 0, 0, 0) + asks("OPEN_WRITE", b"x", 0, 0, 0xff00),
    ALL + asks("MKDIR", b"n") + asks("MKDIR", b"n/m") + asks("RMDIR", b"n") + asks("RMDIR", b"n/m")
        + asks("RMDIR", b"n") + asks("RMDIR", b"l2") + asks("RMDIR", b""),
    ALL + asks("DELETE", b"a") + asks("DELETE", b"l1") + asks("DELETE", b"l2/secret") + asks("DELETE", b"d"),
    ALL + asks("RENAME", b"a", b"d/z") + asks("RENAME", b"d", b"d/e/f") + asks("RENAME", b"d", b"l2/x")
        + asks("RENAME", b"l2/secret", b"s") + asks("RENAME", b"", b"y"),
    ALL + asks("CHMOD", b"a", 0o777) + asks("CHMOD", b"l1", 0) + asks("CHMOD", b"l2/secret", 0)
        + asks("UTIME", b"a", 1000, 5) + asks("UTIME", b"l1", 0xff01, 0) + asks("UMASK", 0o77),
    ALL + asks("FACTS", b"a", 0x7ff) + asks("FACTS", b"l1", 0x7ff) + asks("FACTS", b"c\r", 0x7ff)
        + asks("SPACE", b"") + asks("SIZE_OF", b"l1") + asks("OPEN_RESUMED", b"l1")
        + asks("OPEN_RESTART", b"a") + asks("OPEN_RESTART", b"l1") + asks("CHDIR", b"l3") + asks("CHDIR", b"l2"),
    b"\x03\0" + asks("DELETE", b"a") + asks("OPEN_WRITE", b"n", 0, 0, 0),
    b"\0\0" + asks("OPEN_READ", b"a") + asks("DELETE", b"a") + asks("MKDIR", b"n")
        + asks("RENAME", b"a", b"b") + asks("CHMOD", b"a", 0) + asks("UTIME", b"a", 0, 0)
        + asks("LIST", b"", b"", 0, 0, 0) + asks("OPEN_WRITE", b"n", 1, 0, 0),
    ALL + raw("OPEN_READ", run_of(b"/../outside/secret")) + raw("OPEN_READ", run_of(b"/d/../../outside/secret")),
    ALL + raw("DELETE", run_of(b"/../outside/secret")), ALL + raw("OPEN_READ", run_of(b"/a"), 1),
    ALL + raw("RENAME", run_of(b"/a") + run_of(b"/../outside/a")), ALL + raw("COMMIT", b"\0" * 8),
    ALL + raw("MKDIR", run_of(b"//d//./x")), ALL + raw("OPEN_READ", run_of(b"a")), ALL + b"\xff\0\x01\0x",
])

# ---- the monitor among captured children: steps ------------------------------------------------------
def may_say(kind):
    return [m[0] for m in MESSAGES if m[3] == "MONITOR" and matches(m[2], kind)]


def says(child, kind, name, *fields):
    """Child number (0: the newest), its kind, a message, its fields in their order."""
    out = bytes([1, child, may_say(kind).index(name)])
    for (field_kind, _field, bound), v in zip(FIELDS[next(m[6] for m in MESSAGES if m[0] == name)],
                                              fields):
        if field_kind in ("PATH", "TEXT", "BYTES"):
            out += v + b"\n"
        else:
            small = field_kind == "U8" or (bound.isdigit() and int(bound) < 256)
            out += struct.pack("<B" if small else "<H", v)
    return out


def raw_record(child, name, fds=0, **values):
    return bytes([2, child, fds]) + run_of(struct.pack("<H", NUMBERS[name]) + body(name, **values))


OPEN, LOGIN_RIGHT = b"\0\0", b"\x07\0"
all_of("monitor", [
    OPEN + says(0, "WORKER", "LOG", 2, b"hello"), OPEN + says(0, "WORKER", "SECURED", b"TLSv1.3", b"x", b"a.example", 0),
    OPEN + says(0, "WORKER", "LOGIN", b"bob", b"pw") + says(0, "LOGIN", "QUESTION", b"Code:")
        + says(1, "WORKER", "LOGIN_ANSWER", b"42") + says(0, "LOGIN", "REFUSED", 1, b"no"),
    OPEN + says(0, "WORKER", "LOGIN", b"bob", b"pw") + says(1, "WORKER", "LOGIN_CANCEL"),
    OPEN + LOGIN_RIGHT + says(2, "WORKER", "LISTEN") + says(2, "WORKER", "CONNECT", 5000)
        + says(2, "WORKER", "TRANSFER", b"RETR", b"a", 5, 5, 226, b"no", 0),
    OPEN + LOGIN_RIGHT + says(2, "WORKER", "LOGOUT"), OPEN + LOGIN_RIGHT + b"\x04\x00\x0b\x00",
    OPEN + LOGIN_RIGHT + b"\x04\x01\x00\x03" + b"\x04\x00\x00\x03", OPEN + LOGIN_RIGHT + b"\x03\x01",
    OPEN + says(0, "WORKER", "SIGN", 0, 0x804, b"x" * 98), OPEN + b"\x06\0", b"\x05\xff" + OPEN + OPEN,
    OPEN + b"\x05\x01" + says(0, "WORKER", "LOGIN", b"bob", b"pw"), OPEN + b"\x04\x01\x0b\0" + OPEN,
    OPEN + b"\x04\x04\x0b\0", OPEN + says(0, "WORKER", "SANDBOX", 1, 59), OPEN + raw_record(0, "GRANT"),
    OPEN + raw_record(0, "LOGIN", 1), OPEN + b"\x02\x00\x00\x01\x00x", OPEN + raw_record(1, "SPAWNED", 1),
    OPEN + raw_record(0, "LOGIN") + raw_record(0, "GRANTED", user=b"root", groups=b""),
    OPEN + raw_record(0, "LOGIN") + raw_record(0, "GRANTED", uid=1000, gid=0, groups=b""),
    OPEN + raw_record(0, "LOGIN") + raw_record(0, "GRANTED", uid=1000, gid=1000, groups=bytes(4)),
    OPEN + raw_record(0, "LOGIN") + raw_record(0, "GRANTED", uid=1000, gid=1000, groups=b"", jail=b"/a/.."),
    OPEN + raw_record(0, "LOGIN") + raw_record(0, "GRANTED", groups=b"123"),
    OPEN + OPEN + OPEN + LOGIN_RIGHT + b"\x06\1" + b"\x06\0", OPEN + LOGIN_RIGHT + raw_record(1, "LOG") * 5,
])

# ---- TLS: wishes, name, protocols, what is spoiled, content -------------------------------------------
def tls(wish, name=b"", protocols=b"", spoil=b"\0\0\0", content=b"NOOP\r\n"):
    return bytes([wish]) + name + b"\n" + protocols + b"\n" + spoil + content


all_of("tls", [
    tls(8), tls(0), tls(8 | 4), tls(2 | 8), tls(8, b"ftp.example"), tls(8, b"a.wild.example"),
    tls(8, b"a.b.wild.example"), tls(8, b"wrong.example"), tls(8, b"localhost"), tls(8, b"127.0.0.1"),
    tls(8 | 16, b"", b"\x03ftp"), tls(8 | 16, b"", b"\x08http/1.1"), tls(2 | 8 | 16, b"", b"\x08ftp-data"),
    tls(8 | 16, b"", b"\x08ftp-data"), tls(8 | 16, b"", b"\x02h2\x03ftp"), tls(8, spoil=b"\x2c\x00\x01"),
    tls(4, spoil=b"\x60\x00\x80"), tls(1, content=b"GET / HTTP/1.1\r\n\r\n"), tls(1, content=b""),
    tls(1, content=b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03"), tls(1, content=b"\x16\x03\x01\xff\xff" + b"x" * 99),
    tls(1, content=b"\x15\x03\x03\x00\x02\x02\x28"), tls(8, content=b"x" * 4000), tls(8, b"FTP.EXAMPLE."),
])
