"""Joint reactions from files to files: options, command, pieces, cache, studies."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import TwoLeg

import osimopt
from osimopt import InputError, RedundancyProblem, Result, read_manifest, read_table
from osimopt.batch.journal import CONTACT_BW, CONTACT_N
from osimopt.datasets import Example
from osimopt.report.batch import write_study_report
from osimopt.solution import reactions

NAME = "joint_reactions.sto"
#: Of the largest: the solver's iterations end together for all frames of a piece.
ROUNDING = 1e-12
#: Some frames of the arm.
SHORT = (0.2, 0.3)


@pytest.fixture(scope="module")
def problem(arm: Example) -> RedundancyProblem:
    return osimopt.load_problem(
        arm.model, arm.motion, time_range=SHORT, joint_reactions="r_*", reactions_on="parent", reactions_frame="child"
    )


def test_a_problem_carries_them_as_its_options_say(problem: RedundancyProblem, tmp_path: Path) -> None:
    assert problem.reactions.joints == ("r_shoulder", "r_elbow")
    solution = osimopt.solve_static(problem)
    table = read_table(solution.write(tmp_path / "result") / NAME)
    assert table.columns[9] == "r_elbow_on_r_humerus_in_r_ulna_radius_hand_fx"
    expected = solution.joint_reactions(on="parent", frame="child")
    pd.testing.assert_frame_equal(table, expected, rtol=0.0, check_flags=False)
    later = solution.joint_reactions(["r_shoulder", "offset"])  # of which the model is asked
    pd.testing.assert_frame_equal(later.iloc[:, :9], solution.joint_reactions("r_shoulder"), rtol=1e-12)


def test_the_example() -> None:
    assert doctest.testmod(reactions) == (0, 6)


def test_files_of_problems_need_no_model(problem: RedundancyProblem, tmp_path: Path) -> None:
    path = osimopt.write_problem(problem, tmp_path / "arm.npz")
    read = osimopt.solve_static(osimopt.read_problem(path))
    exact = osimopt.solve_static(problem).joint_reactions()
    pd.testing.assert_frame_equal(read.joint_reactions(), exact, rtol=0.0)
    with pytest.raises(InputError, match=r"got offset\. Check the names\. The problem carries no others: load it"):
        read.joint_reactions("offset")


def test_the_cache_knows_the_option(arm: Example, tmp_path: Path) -> None:
    def load(**options: Any) -> RedundancyProblem:
        return osimopt.load_problem(arm.model, arm.motion, time_range=SHORT, cache=tmp_path / "cache", **options)

    assert load().reactions is None
    first, again = load(joint_reactions="r_elbow"), load(joint_reactions="r_elbow")
    assert first.source is not None
    assert again.source is None
    np.testing.assert_array_equal(again.reactions.effect, first.reactions.effect)
    assert load().reactions is None
    assert load(joint_reactions="r_elbow", reactions_frame="child").reactions.frame == "child"


def test_other_times_have_theirs(problem: RedundancyProblem) -> None:
    times = np.linspace(0.21, 0.29, 33)
    by_model, known = problem.resample(times).reactions, problem.reactions
    assert (by_model.on, by_model.frame) == ("parent", "child")
    at = np.searchsorted(times, problem.time[1] + 1e-9) - 1
    np.testing.assert_allclose(by_model.constant[at], known.constant[1], rtol=1e-9)
    part = problem.resample(times).part("r_elbow_flex")
    assert osimopt.solve_static(part).joint_reactions().shape == (33, 18)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"joint_reactions": "elbow"}, r"joints among offset, r_shoulder, r_elbow, got elbow. Did you mean r_elbow\?"),
        ({"joint_reactions": "x*"}, r"a pattern that matches joints among offset, r_shoulder, r_elbow, got x\*"),
        ({"joint_reactions": 3}, "joints as names, patterns or a side, got 3"),
        ({"joint_reactions": "all", "reactions_on": "both"}, "reactions_on among child, parent, got 'both'"),
        ({"joint_reactions": "all", "reactions_frame": "tibia"}, "reactions_frame among ground, parent, child, got"),
        ({"joint_reactions": "all", "generalized_force": "x.sto"}, "loads"),
        ({"reactions_frame": "child"}, "joint_reactions with reactions_frame, got none"),
    ],
)
def test_wrong_options(arm: Example, given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        osimopt.load_problem(arm.model, arm.motion, time_range=SHORT, **given)


def test_the_command(arm: Example, tmp_path: Path, call: Any) -> None:
    common = ("solve", arm.model, arm.motion, "--time-range", *map(str, SHORT), "--out", tmp_path / "out")
    done = call(*common, "--joint-reactions", "r_elbow,r_shoulder", "--joint-reactions", "of*")
    assert done.code == 0, done.err
    assert "Forces through joints" in done.out
    result = Result.read(tmp_path / "out")
    assert result.summary["joint_reactions"]["joints"] == ["r_elbow", "r_shoulder", "offset"]
    assert list(result.joint_forces) == ["r_elbow", "r_shoulder", "offset"]
    again = call(*common, "--overwrite", "--joint-reactions", "elbow")
    assert again.code == 2
    assert "Did you mean r_elbow?" in " ".join(again.err.split())
    assert (tmp_path / "out" / NAME).is_file(), "the earlier result is kept"
    assert call(*common, "--overwrite").code == 0
    assert not (tmp_path / "out" / NAME).exists()


@pytest.mark.slow
def test_pieces_write_the_same_and_processes_the_same_bytes(two_leg: TwoLeg, tmp_path: Path, monkeypatch: Any) -> None:
    options = {"joint_reactions": "all", "time_range": (0.4, 0.75)}
    osimopt.solve_to_folder(tmp_path / "whole", two_leg.model, two_leg.motion, two_leg.loads, **options)
    osimopt.solve_to_folder(tmp_path / "pieces", two_leg.model, two_leg.motion, two_leg.loads, frames=7, **options)
    monkeypatch.setattr("osimopt.pipeline.pieces.LONG", 10)
    osimopt.solve_to_folder(
        tmp_path / "processes", two_leg.model, two_leg.motion, two_leg.loads, frames=7, n_jobs=2, **options
    )
    pieces, processes = (tmp_path / name / NAME for name in ("pieces", "processes"))
    assert processes.read_bytes() == pieces.read_bytes()
    whole = read_table(tmp_path / "whole" / NAME)
    np.testing.assert_allclose(read_table(pieces), whole, rtol=0, atol=ROUNDING * whole.abs().to_numpy().max())


@pytest.mark.slow
def test_a_study(arm: Example, tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(
        f'[defaults]\njoint_reactions = ["r_elbow"]\nreactions_frame = "child"\ntime_range = [0.2, 0.3]\n'
        f'[[subjects]]\nname = "S"\nmodel = "{arm.model}"\nmotions = "{arm.motion}"\n'
        '[[methods]]\nname = "p2"\n[[methods]]\nname = "p3"\nexponent = 3\n[run]\njobs = 1\n'
    )
    folder = osimopt.run_study(tmp_path / "study.toml")
    row = read_manifest(folder).iloc[1]
    result = Result.read(folder / "results" / row["job"])
    peak = result.joint_forces["r_elbow"].max()
    assert row[f"{CONTACT_N}r_elbow"] == pytest.approx(peak, abs=1e-3)
    assert row[f"{CONTACT_BW}r_elbow"] == pytest.approx(peak / result.body_weight, abs=1e-5)
    page = write_study_report(folder).read_text()
    assert "Joint contact forces" in page
    assert f"{peak:.0f}" in page
