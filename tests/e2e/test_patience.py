"""The clock of the tests themselves."""

import time

import patience
from patience import LEAST_SHARE, Stopwatch


def told(monkeypatch, tmp_path, **microseconds):
    for what, total in microseconds.items():
        (tmp_path / what).write_text(
            f"some avg10=0.00 avg60=0.00 avg300=0.00 total={total}\n"
            "full avg10=0.00 avg60=0.00 avg300=0.00 total=999999999\n")
    monkeypatch.setattr(patience, "PRESSURE", tmp_path)


def test_what_held_the_machine_up_is_taken_off(monkeypatch, tmp_path):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    told(monkeypatch, tmp_path, cpu=5_000_000, io=0, memory=0)
    watch = Stopwatch()
    assert watch.passed() == watch.own() == 0
    now[0] += 10
    assert watch.passed() == watch.own() == 10
    told(monkeypatch, tmp_path, cpu=8_000_000, io=2_000_000, memory=500_000)
    assert watch.passed() == 10 and abs(watch.own() - 4.5) < 1e-9


def test_what_hangs_has_an_end_on_a_busy_machine_too(monkeypatch, tmp_path):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    told(monkeypatch, tmp_path, cpu=0)
    watch = Stopwatch()
    now[0] += 100
    told(monkeypatch, tmp_path, cpu=100_000_000)
    assert watch.own() == 100 * LEAST_SHARE


def test_a_kernel_that_does_not_count_leaves_the_clock(monkeypatch, tmp_path):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(patience, "PRESSURE", tmp_path / "none")
    watch = Stopwatch()
    now[0] += 7
    assert watch.own() == watch.passed() == 7
