"""What stands in the way of a start is said, with what to do; the small options."""

import fcntl
import os
import re

import pytest

import harness
from harness import OTHER, needs_root, run


@pytest.fixture
def config(world):
    s = harness.Server(world, "startup", accounts=False)
    s.write()
    s.add_user("somebody")
    return s


def start(s, *argv, **kw):
    return run(s.world.build / "sallyportd", *argv, "-c", s.file, check=False, timeout=30, **kw)


def somebody_elses(run_directory):
    needs_root()
    run_directory.mkdir()
    harness.Server.own(None, run_directory, OTHER)


def a_link(run_directory):
    elsewhere = run_directory.parent / "elsewhere"
    elsewhere.mkdir()
    run_directory.symlink_to(elsewhere)


def a_file(run_directory):
    run_directory.write_text("")


def below_nothing(run_directory):
    return run_directory / "not" / "there"


def not_empty(run_directory):
    (run_directory / "empty").mkdir(parents=True)
    (run_directory / "empty" / "lib").mkdir()


@pytest.mark.parametrize("make, says", [
    (somebody_elses, "is owned by another user"), (a_link, "(Not a directory|Too many)"),
    (a_file, "Not a directory"), (below_nothing, "No such file"),
    (not_empty, "must be empty")], ids=lambda x: getattr(x, "__name__", None))
def test_a_run_directory_that_cannot_be_trusted(config, make, says):
    """Workers have their root in it."""
    directory = config.dir / "run"
    directory = make(directory) or directory
    config.write(run_directory=str(directory))
    r = start(config, "-F")
    assert r.returncode == 1
    line = [x for x in r.stderr.splitlines() if "run_directory" in x]
    assert len(line) == 1, r.stderr
    assert str(config.dir / "run") in line[0] and re.search(says, line[0]), line


def test_a_run_directory_with_another_mode_is_put_right(config):
    directory = config.dir / "run"
    directory.mkdir()
    os.chmod(directory, 0o777)
    config.start()
    try:
        assert os.stat(directory).st_mode & 0o7777 == 0o755
        assert os.stat(directory / "empty").st_mode & 0o7777 == 0o555
        assert (directory / "sallyportd.pid").read_text() == f"{config.pid}\n"
    finally:
        config.stop()
    assert not (directory / "sallyportd.pid").exists()


def test_a_start_in_the_background_that_fails_says_so(config):
    """The command ends with 1, and says why, wherever the log goes; so does one with -F."""
    config.write(log=str(config.dir / "log"))
    (config.dir / "run").mkdir()
    with open(config.dir / "run" / "sallyportd.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for option in ([], ["-F"]):
            r = start(config, *option)
            assert r.returncode == 1
            assert "key=run_directory" in r.stderr, r
            assert option or "the start failed; see the lines above" in r.stderr
    assert "key=run_directory" in (config.dir / "log").read_text()


def test_a_relative_configuration_is_found_from_where_we_are(config):
    s = config
    r = run(s.world.build / "sallyportd", "-t", "-c", s.file.name, cwd=s.dir, timeout=20)
    assert r.stdout.strip().endswith("no errors found") and str(s.file) in r.stdout


@pytest.mark.parametrize("words", [
    "", "user", "user add", "user passwd", "user set", "user del", "user list", "user show",
    "check", "config", "reload", "clean", "ban", "ban add"])
def test_every_command_of_the_tool_explains_itself(world, words):
    """Wherever it stands, and although the command itself would be refused."""
    tool = world.build / "sallyport"
    for more in (["--help"], ["-h"], *([["--no-such-option", "--help"]] if words else [])):
        r = run(tool, *words.split(), *more)
        group = "ban" if words == "ban add" else words
        assert r.stdout.startswith(f"usage: sallyport {group}".strip()), r.stdout
        assert r.stderr == "" and all(len(x) < 90 for x in r.stdout.splitlines()), r


def test_a_name_behind_two_hyphens_asks_for_no_help(world):
    r = run(world.build / "sallyport", "user", "show", "--", "--help", check=False)
    assert r.returncode == 1 and "usage" not in r.stdout + r.stderr, r


@pytest.mark.parametrize("words", ["user set", "check", "config", "reload", "clean"])
def test_what_the_tool_refuses_begins_with_its_name(world, words):
    for option in ("--no-such", "-c"):
        r = run(world.build / "sallyport", *words.split(), option, check=False)
        assert r.returncode == 2 and r.stderr.startswith("sallyport: "), r


def test_options(world):
    program = world.build / "sallyportd"
    r = run(program, "-h")
    assert r.stdout.startswith("usage: sallyportd") and "--foreground" in r.stdout
    for wrong, said in ((["--nonsense"], "unknown option --nonsense"), (["-c"], "requires a value"),
                        (["file"], "unexpected argument file"), (["-c", ""], "requires a file name")):
        r = run(program, *wrong, check=False)
        assert r.returncode == 2 and said in r.stderr, (wrong, r.stderr)
    r = run(program, "-t", "-c", "x/" * 3000 + "f", check=False)
    assert r.returncode == 1 and "too long" in r.stderr
