"""What is told of a solve while it runs, and what becomes of errors in telling."""

from __future__ import annotations

from pathlib import Path

import pytest
from dynamic_cases import elbow, solved

from osimopt.dynamic.program import Watch

Line = tuple[int, float, float]


class OwnError(Exception):
    """The user's."""


def test_what_progress_raises_is_raised() -> None:
    error, calls = OwnError("no terminal"), []

    def fail(*line: float) -> None:
        calls.append(line)
        raise error

    with pytest.raises(OwnError) as caught:
        solved(progress=fail, on_failure="return")
    assert caught.value is error
    assert len(calls) == 1
    assert solved().success


def test_an_error_ends_the_solve() -> None:
    def fail(*_: float) -> None:
        raise OwnError

    with Watch(2, fail) as watch:
        write(watch.folders[0], "0 1.5 0.25\n")
        watch.tick()
        watch.tick()
        assert isinstance(watch.raised, OwnError)
        assert watch.stopped
        assert all((folder / "stop").exists() for folder in watch.folders)


def write(folder: Path, lines: str) -> None:
    with (folder / "progress").open("a", encoding="utf-8") as file:
        file.write(lines)


def test_the_first_iteration_is_always_told() -> None:
    """Objectives add up, of violations the largest counts, and half a line is not read."""
    said: list[Line] = []
    with Watch(2, lambda *line: said.append(line)) as watch:
        watch.tick()
        assert not said
        write(watch.folders[0], "0 1.5 0.25\n1 1.0 0.5\n2 0.75 0.125\n")
        watch.tick()
        watch.tick()
        write(watch.folders[1], "0 4.0 2.0\n")
        watch.tick()
        assert said == [(0, 1.5, 0.25), (2, 0.75, 0.125)]
        write(watch.folders[0], "3 0.5 0.12")
        watch.tick()
        assert len(said) == 2
        write(watch.folders[0], "5\n")
        watch.tick()
    assert said[2:] == [(3, 4.5, 2.0)]


def test_every_round_begins_with_iteration_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("osimopt.dynamic.windows.LONG", 40)
    said: list[Line] = []
    options = {"mesh_interval": 0.03, "mesh_tolerance": 1e-4, "max_refinements": 1, "window": 0.8}
    solution = solved(elbow(2.4), progress=lambda *line: said.append(line), **options)
    rounds = solution.provenance["rounds"]
    assert [one["windows"] for one in rounds] == [3, 3]
    starts = [row for row, line in enumerate(said) if line[0] == 0]
    assert len(starts) == 6
    ends = []
    for first, end in zip(starts, [*starts[1:], len(said)], strict=True):
        counts = [line[0] for line in said[first:end]]
        assert counts == sorted(set(counts))
        ends.append(counts[-1])
    assert [max(ends[:3]), max(ends[3:])] == [one["iterations"] for one in rounds]
