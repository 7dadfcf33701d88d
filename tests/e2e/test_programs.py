"""What root executes: only what nobody else could have put there."""

import os
import re
import shutil

import pytest

import harness
from harness import needs_root, run

PROGRAMS = ["sallyport-worker", "sallyport-broker", "sallyport-login", "sallyport-keyholder",
            "sallyport-ledger"]
SOMEBODY = 61234


@pytest.fixture
def tree(world, tmp_path):
    """A directory with all programs, and a server that takes them from there."""
    needs_root()
    folder = tmp_path / "programs"
    folder.mkdir()
    os.chmod(folder, 0o755)
    for name in (*PROGRAMS, "sallyportd"):
        shutil.copy(world.build / name, folder / name)
        os.chmod(folder / name, 0o755)
    return folder


@pytest.fixture
def server(world, tree, request):
    s = harness.Server(world, "programs", libexec_directory=str(tree))
    request.addfinalizer(s.stop)
    s.write()
    return s


def refusals(server):
    """Of the start, of `sallyportd -t` and of `sallyport check`: one line, and the same."""
    lines = set()
    for ask in (lambda: run(*server.command("-t"), check=False),
                lambda: server.tool("check", check=False),
                lambda: run(*server.command("-F"), check=False, timeout=30)):
        r = ask()
        assert r.returncode != 0
        (line,) = [x for x in (r.stdout + r.stderr).splitlines() if "not safe to run as root" in x]
        lines.add(line[line.index("libexec_directory: "):])
    (line,) = lines
    return line


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757])
def test_a_directory_that_others_may_write_is_refused(server, tree, mode):
    os.chmod(tree, mode)
    line = refusals(server)
    assert re.search(rf"libexec_directory: {tree}/sallyport-worker is not safe to run as root: "
                     rf"{tree} is writable by group or others \(mode {mode:04o}\); run chmod go-w", line)


def test_a_directory_of_somebody_else_is_refused(server, tree):
    os.chown(tree, SOMEBODY, SOMEBODY)
    assert f"{tree} is owned by uid {SOMEBODY}; run chown root" in refusals(server)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_of_somebody_else_is_refused(server, tree, program):
    os.chown(tree / program, SOMEBODY, SOMEBODY)
    assert f"{tree}/{program} is owned by uid {SOMEBODY}" in refusals(server)


@pytest.mark.expects("not safe to run as root")
def test_a_reload_changes_nothing(server, tree):
    server.start()
    os.chmod(tree, 0o777)
    r = server.tool("reload", check=False)
    assert r.returncode != 0
    assert "not safe to run as root" in r.stdout + r.stderr
    server.login().quit()
    os.chmod(tree, 0o755)
    server.tool("reload")
    server.login().quit()


def test_what_a_script_would_start_is_looked_at_each_time(server, tree):
    """It cannot be kept open: its interpreter opens it by its name."""
    real = tree / "real"
    shutil.move(tree / "sallyport-worker", real)
    (tree / "sallyport-worker").write_text(f"#!/bin/sh\nexec {real} \"$@\"\n")
    os.chmod(tree / "sallyport-worker", 0o755)
    server.settings.update(template_sessions=1)
    server.start()
    server.login().quit()
    os.chmod(tree / "sallyport-worker", 0o777)
    mark = server.mark()
    for _ in range(3):          # those that are ready serve one session each
        server.client().abandon()
    assert "writable by group or others" in server.wait_log("program.refused", mark)
    os.chmod(tree / "sallyport-worker", 0o755)


def test_a_tree_of_a_user_serves_whom_it_was_started_from(server, tree):
    """Root has started sallyportd from there: its owner is trusted anyway, but nobody else."""
    for path in (tree, *tree.iterdir()):
        os.chown(path, SOMEBODY, SOMEBODY)
    assert "is owned by uid" in refusals(server)
    own = [str(tree / "sallyportd"), "-t", "-c", str(server.file)]
    assert "no errors found" in run(*own).stdout
    os.chmod(tree, 0o775)
    r = run(*own, check=False)
    assert r.returncode != 0 and "writable by group or others" in r.stderr
