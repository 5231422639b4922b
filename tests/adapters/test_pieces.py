"""Motions read, solved and written piece by piece: the same files as at once."""

from __future__ import annotations

import json
import os
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import osimopt
from osimopt import isolation
from osimopt.adapters.load import open_trial
from osimopt.adapters.loads import read_external_loads
from osimopt.adapters.options import ReadOptions
from osimopt.adapters.trial import Trial
from osimopt.pipeline import pieces
from osimopt.pipeline.solve import solve_to_folder
from osimopt.solution.checks import _both_self_checks
from osimopt.solution.folder import write_pieces
from osimopt.solution.summary import ADDED, LARGEST, Summary


def test_pieces_make_the_whole(two_leg: Any) -> None:
    whole = osimopt.load_problem(two_leg.model, two_leg.motion, two_leg.loads)
    trial = open_trial(ReadOptions(two_leg.model, two_leg.motion, two_leg.loads))
    seen: list[tuple[int, int]] = []
    pieces = list(trial.pieces(30, lambda done, total: seen.append((done, total))))
    assert [len(piece) for piece in pieces] == [30, 30, len(whole) - 60]
    for name in ("time", "max_force", "generalized_force"):
        joined = np.concatenate([getattr(piece, name) for piece in pieces])
        np.testing.assert_allclose(joined, getattr(whole, name), rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(np.concatenate([piece.moment_arm for piece in pieces]), whole.moment_arm, atol=1e-15)
    assert {piece.actuators for piece in pieces} == {whole.actuators}
    assert seen[-1] == (len(whole), len(whole))


def test_a_folder_from_pieces_is_the_folder_of_the_whole(two_leg: Any, tmp_path: Path) -> None:
    summary, _ = solve_to_folder(
        tmp_path / "pieces", two_leg.model, two_leg.motion, two_leg.loads, solve={"exponent": 3}, frames=25
    )
    solution = osimopt.solve_static(
        osimopt.load_problem(two_leg.model, two_leg.motion, two_leg.loads), exponent=3, on_failure="return"
    )
    solution.write(tmp_path / "whole")
    for name in ("activation", "muscle_force", "reserve_force"):
        pieces, whole = (osimopt.read_table(tmp_path / folder / f"{name}.sto") for folder in ("pieces", "whole"))
        np.testing.assert_allclose(pieces, whole, rtol=1e-7, atol=1e-7)
        assert pieces.attrs["header"] == whole.attrs["header"]
    status = [pd.read_csv(tmp_path / folder / "status.csv") for folder in ("pieces", "whole")]
    assert list(status[0].columns) == list(status[1].columns)
    assert status[0]["status"].tolist() == status[1]["status"].tolist()
    told = [json.loads((tmp_path / folder / "solution.json").read_text()) for folder in ("pieces", "whole")]
    for written in told:
        for name in ("solve_seconds", "moment_residual_max", "activation_error_max"):
            assert written.pop(name) >= 0.0
    assert told[0].pop("objective_mean") == pytest.approx(told[1].pop("objective_mean"), rel=1e-9)
    assert told[0]["inputs"] == told[1]["inputs"]
    assert told[0]["findings"] == told[1]["findings"] == summary.findings()
    assert told[0]["peak_force_N"] == pytest.approx(told[1]["peak_force_N"], rel=1e-6, abs=1e-3)


def written(folder: Path, two_leg: Any, n_jobs: int, **options: Any) -> dict[str, bytes]:
    """Contents of a result folder by file, without the seconds that solving took."""
    solve_to_folder(
        folder, two_leg.model, two_leg.motion, two_leg.loads, geometry="exact", frames=20, n_jobs=n_jobs, **options
    )
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    told = json.loads(found.pop("solution.json"))
    assert told.pop("solve_seconds") > 0.0
    return {**found, "solution.json": json.dumps(told).encode()}


def test_several_processes_write_the_same_bytes(two_leg: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "LONG", 40)
    given: list[slice] = []
    piece = Trial.piece
    monkeypatch.setattr(Trial, "piece", lambda trial, keep: given.append(keep) or piece(trial, keep))
    seen: list[tuple[int, int]] = []
    shared = written(tmp_path / "shared", two_leg, 2, progress=lambda done, total: seen.append((done, total)))
    assert given == [slice(20, 40), slice(40, 60), slice(60, 70)]
    assert seen == [(20, 70), (40, 70), (60, 70), (70, 70)]
    alone = written(tmp_path / "alone", two_leg, 1)
    assert len(given) == 3
    assert shared == alone
    assert {path.name for path in tmp_path.iterdir()} == {"shared", "alone"}


@pytest.mark.slow
def test_a_piece_that_needs_opensim_ends_the_sharing(
    two_leg: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "LONG", 40)
    piece = Trial.piece

    def lost(trial: Trial, keep: slice) -> Trial:
        found = piece(trial, keep)
        if keep.start == 40:
            nowhere = np.full_like(found.motion.value, np.nan)
            found.extraction.motion = found.motion = replace(found.motion, value=nowhere)
        return found

    monkeypatch.setattr(Trial, "piece", lost)
    shared = written(tmp_path / "shared", two_leg, 2)
    assert shared == written(tmp_path / "alone", two_leg, 1)


class Deadly:
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (1,)


@pytest.mark.slow
def test_a_process_that_dies_is_an_error_that_names_the_piece(
    two_leg: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "LONG", 40)

    piece = Trial.piece

    def deadly(trial: Trial, keep: slice) -> Trial:
        found = piece(trial, keep)
        found.provenance["deadly"] = Deadly() if keep.start == 40 else None
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Trial, "piece", deadly)
        with pytest.raises(osimopt.SolverError, match=r"\.osim, frames from 0\.\d+ s on: the frames process died"):
            written(tmp_path / "shared", two_leg, 2)
    assert not any(tmp_path.iterdir())
    assert written(tmp_path / "shared", two_leg, 2), "the next call starts others"


@pytest.mark.slow
def test_an_interrupt_leaves_nothing(two_leg: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "LONG", 40)

    def stop(done: int, total: int) -> None:
        if done == 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        written(tmp_path / "shared", two_leg, 2, progress=stop)
    assert not any(tmp_path.iterdir())
    assert "frames" not in [home for _, home, _ in isolation._pools], "no process goes on"


def test_a_part_of_the_loads_is_the_same_to_the_last_bit(two_leg: Any) -> None:
    loads = read_external_loads(two_leg.loads)
    time = loads.table.index.to_numpy()
    first, last = time[len(time) // 3] + 1e-4, time[len(time) // 2]
    cut, within = loads.within(first, last), np.linspace(first, last, 101)
    assert len(cut.spline.c) < len(loads.spline.c)
    np.testing.assert_array_equal(cut.spline(within), loads.spline(within))
    assert cut.largest("force") == loads.largest("force")


def test_a_missing_piece_is_no_result(two_leg: Any, tmp_path: Path) -> None:
    problem = osimopt.load_problem(two_leg.model, two_leg.motion, time_range=(0.1, 0.1))
    with pytest.raises(osimopt.InputError, match="expected 99 frames to write"):
        write_pieces([osimopt.solve_static(problem)], 99, tmp_path / "result")
    assert not any(tmp_path.iterdir())


def test_pieces_follow_each_other(tmp_path: Path) -> None:
    arms, moments = np.full((4, 1, 1), 0.05), np.full((4, 1), 5.0)
    problem = osimopt.RedundancyProblem.from_arrays(arms, [500.0], moments, time=[0.0, 0.1, 0.2, 0.3])
    first, second = (osimopt.solve_static(problem.frames(part)) for part in (slice(0, 2), slice(2, 4)))
    for given, got in (([second, first], "0 s after 0.3 s"), ([first, first], "0 s after 0.1 s")):
        with pytest.raises(osimopt.InputError, match=f"pieces that follow each other, got {got}"):
            write_pieces(given, 4, tmp_path / "result")
    assert not any(tmp_path.iterdir())


def test_self_checks_of_pieces_are_one(two_leg: Any, tmp_path: Path) -> None:
    solve_to_folder(tmp_path / "pieces", two_leg.model, two_leg.motion, two_leg.loads, frames=40)
    found = json.loads((tmp_path / "pieces" / "solution.json").read_text())["self_check"]
    assert len(found["paths"]["times_s"]) > 3, "three frames of each piece"
    first, later = (
        {"solution": {"times_s": [t], "largest_difference": {"accelerations": d}}} for t, d in ((0, 2), (1, 1))
    )
    assert _both_self_checks(first, later)["solution"] == {
        "times_s": [0, 1],
        "largest_difference": {"accelerations": 2},
    }
    unknown = {"solution": {"not_checked": "the model is not available"}}
    assert _both_self_checks(first, unknown) == _both_self_checks(unknown, first) == unknown


def test_every_number_of_a_summary_adds_up() -> None:
    """A field that is in none of these would silently be the first piece's."""
    same, by_hand = {"names", "slack"}, {"first", "ambiguous", "warnings", "more", "joints"}
    assert {own.name for own in fields(Summary)} == {*ADDED, *LARGEST, *same, *by_hand}


def test_summaries_add_up() -> None:
    def solved(*moments: float) -> osimopt.RedundancySolution:
        problem = osimopt.RedundancyProblem.from_arrays([[0.05, 0.03]], [500.0, 400.0], [[m] for m in moments])
        return osimopt.solve_static(problem, on_failure="return")

    both = Summary.of(solved(5.0, 99.0)) + Summary.of(solved(10.0, 36.9, 98.0))
    whole = Summary.of(solved(5.0, 99.0, 10.0, 36.9, 98.0))
    assert (both.frames, both.solved) == (whole.frames, whole.solved) == (5, 3)
    np.testing.assert_allclose(both.force, whole.force)
    np.testing.assert_allclose(both.force_sum, whole.force_sum)
    assert both.findings()[0].startswith("2 of 5 frames infeasible, the first at 1 s")
    assert both.findings() == whole.findings()
