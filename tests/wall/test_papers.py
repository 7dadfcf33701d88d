"""What the papers name exists: files, tests, and the walls that can be taken away."""

import re
import sys

import pytest

from binaries import SOURCE

sys.path.insert(0, str(SOURCE / "tests" / "wall"))

import without  # noqa: E402  (after the path is set)

PAPERS = ("README.md", "SECURITY.md", "tests/fuzz/README.md",
          "tests/kernel/README.md")
# `src/worker/sandbox.c`, `tests/e2e/test_tls.py::test_name`, `tests/hostile/`
NAMED = re.compile(r"`((?:src|include|auth|tls|tests|etc|certs)/[\w./*-]*)(?:::(\w+))?`")
UNIT_CASE = re.compile(r"`(tests/unit/test_\w+\.c)`: \"([^\"]+)\"")


def named():
    for paper in PAPERS:
        path = SOURCE / paper
        if path.exists():
            for file, test in NAMED.findall(path.read_text(encoding="utf-8")):
                yield paper, file, test


def test_every_file_that_a_paper_names_is_there():
    found = list(named())
    assert len(found) > 20
    missing = sorted({(paper, file) for paper, file, _ in found
                      if not list(SOURCE.glob(file.rstrip("/")))})
    assert not missing


def test_every_test_that_a_paper_names_is_there():
    missing = [(paper, file, test) for paper, file, test in named()
               if test and not re.search(rf"^def {test}\(", (SOURCE / file).read_text(), re.M)]
    assert not missing


def test_every_unit_test_that_a_paper_names_is_there():
    missing = []
    for paper in PAPERS:
        if not (SOURCE / paper).exists():
            continue
        text = re.sub(r"\s+", " ", (SOURCE / paper).read_text(encoding="utf-8"))
        for file, case in UNIT_CASE.findall(text):
            code = re.sub(r'"\s*\n\s*"', "", (SOURCE / file).read_text())
            if f'"{case}"' not in code:
                missing.append((paper, file, case))
    assert not missing


@pytest.mark.parametrize("wall", without.read_walls(), ids=lambda w: w.name)
def test_a_wall_that_can_be_taken_away_stands_and_has_its_test(wall):
    assert wall.fault() is None
    if wall.of_pytest:
        file, _, test = wall.red.partition("::")
        assert re.search(rf"^def {re.escape(test.split('[')[0])}\(",
                         (SOURCE / "tests" / file).read_text(), re.M), wall.red
    elif wall.of_corpus:
        assert (SOURCE / f"tests/fuzz/fuzz_{wall.of_corpus}.c").exists(), wall.red
    else:
        assert re.search(rf"^{wall.red.replace('-', '_')}_SOURCES",
                         (SOURCE / "Makefile.am").read_text(), re.M), wall.red
