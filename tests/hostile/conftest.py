"""Fixtures of the tests that play a captured worker."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import puppet  # noqa: E402  (after the path is set)
from puppet import start  # noqa: E402


@pytest.fixture(scope="module")
def _captured(world):
    puppet.require_puppet(world)
    s = start(world, "hostile")
    yield s
    s.stop()


@pytest.fixture
def captured(_captured):
    """A server with captured workers only; checked afterwards for what is left behind."""
    # An account may change the mode of its own jail, and a test before may have done so.
    os.chmod(_captured.jail("guest"), 0o755)
    yield _captured
    assert _captured.pid == _captured.first_pid
    _captured.at_rest()
    _captured.serves()
    _captured.at_rest()


@pytest.fixture
def make_captured(world):
    puppet.require_puppet(world)
    made = []

    def make(name, **settings):
        made.append(start(world, name, **settings))
        return made[-1]

    yield make
    for s in made:
        s.stop()
