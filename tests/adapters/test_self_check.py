"""What the self-check of models, trials and solutions compares, and that it fails where something is wrong."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import TwoLeg

from osimopt import ModelError, RedundancyProblem, load_problem, solve_dynamic, solve_static
from osimopt.adapters import selfcheck
from osimopt.adapters.judgement import LIMITS
from osimopt.adapters.load import open_trial
from osimopt.adapters.messages import Claims
from osimopt.adapters.model import read_model
from osimopt.adapters.options import ReadOptions
from osimopt.adapters.selfcheck import check_trial

#: Seconds of the two-leg motion that are read.
TIMES = (0.1, 0.3)


@pytest.fixture(scope="module")
def trial(two_leg: TwoLeg) -> Any:
    return open_trial(ReadOptions(two_leg.model, two_leg.motion, two_leg.loads, time_range=TIMES, geometry="opensim"))


@pytest.fixture(scope="module")
def problem(trial: Any) -> RedundancyProblem:
    return replace(trial.problem(), source=trial)


def test_everything_is_compared_and_agrees(problem: RedundancyProblem) -> None:
    solution = solve_static(problem)
    found = solution.provenance["self_check"]
    assert found["model"]["postures"] == 50
    kinds = {
        "model": {"coordinates", "rates", "moment arms", "maximum forces", "inverse dynamics"},
        "trial": {"coordinates", "rates", "moment arms", "maximum forces", "inverse dynamics"},
        "solution": {"accelerations"},
    }
    for part, own in kinds.items():
        sizes = found[part]["largest_difference"]
        assert set(sizes) == own, part
        for kind, size in sizes.items():
            assert size <= LIMITS[kind][0], (part, kind)
    assert len(found["trial"]["times_s"]) == len(found["solution"]["times_s"]) == 3


@pytest.mark.parametrize(
    ("name", "factor", "expected"),
    [
        ("moment_arms", 1.0 + 1e-3, "computeMomentArm"),
        ("max_force", 1.0 + 1e-4, "calcInextensibleTendonActiveFiberForce"),
        ("generalized_force", 1.0 + 1e-4, "forward dynamics"),
    ],
)
def test_arrays_that_are_wrong_are_refused(
    trial: Any, problem: RedundancyProblem, name: str, factor: float, expected: str
) -> None:
    few = np.array([2, 5])
    claims = Claims(
        trial.extraction.choice.pairs,
        problem.geometry.moment_arms[few],
        problem.max_force[few],
        problem.generalized_force[few],
    )
    wrong = replace(claims, **{name: factor * getattr(claims, name)})
    motion = trial.motion.frames(few)
    check_trial(trial.model, motion, claims)
    with pytest.raises(ModelError, match=expected) as raised:
        check_trial(trial.model, motion, wrong)
    assert " s. " in str(raised.value)  # the time


def test_newtons_method_in_opensim_is_no_difference(arm: Any) -> None:
    """At rest OpenSim's inverse of Thelen's curve is off by 1.6e-6: the model that comes with osimopt was refused."""
    problem = load_problem(arm.model, arm.motion, time_range=(0.0, 0.01), geometry="opensim")
    assert problem.provenance["self_check"]["trial"]["largest_difference"]["maximum forces"] > 1e-6


def test_maximum_forces_are_those_of_opensim(arm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exact paths are in no trial compared with OpenSim: the curves are, once per model."""
    monkeypatch.setattr(selfcheck, "POSTURES", 5)
    gain = selfcheck.rigid_tendon_gain
    monkeypatch.setattr(selfcheck, "rigid_tendon_gain", lambda *given: (1.0 + 1e-4) * gain(*given))
    with pytest.raises(ModelError, match=r"calcInextensibleTendonActiveFiberForce .*got a difference of"):
        selfcheck._check_model(read_model(arm.model), 1)


def test_a_posture_that_is_another_is_refused(trial: Any, problem: RedundancyProblem) -> None:
    motion = trial.motion.frames(np.array([3]))
    claims = Claims(None, None, None, problem.generalized_force[[3]])
    with pytest.raises(ModelError, match="forward dynamics"):
        check_trial(trial.model, replace(motion, value=motion.value + 0.01), claims)


def test_forces_that_do_not_give_the_accelerations_are_refused(trial: Any, problem: RedundancyProblem) -> None:
    solution = solve_static(problem)
    forged = replace(solution, reserve_control=solution.reserve_control + 0.5)
    with pytest.raises(ModelError, match="forces that give the motion's accelerations"):
        # What the solution says it misses is no excuse where it lies about it.
        trial.verify(_honest(forged, solution))
    assert "largest_difference" in trial.verify(solution)


def _honest(forged: Any, solution: Any) -> Any:
    """The forged solution, claiming the moment residual of the right one."""

    class Lying(type(forged)):  # type: ignore[misc]
        @property
        def moment_residual(self) -> Any:
            return solution.moment_residual

    return Lying(**{name: getattr(forged, name) for name in (own.name for own in fields(forged))})


def test_what_cannot_be_checked_says_so(two_leg: TwoLeg, problem: RedundancyProblem, tmp_path: Path) -> None:
    arrays = RedundancyProblem.from_arrays([[0.05, -0.04]], [1000.0, 1000.0], [10.0])
    assert solve_static(arrays).provenance["self_check"] == {"solution": {"not_checked": "no model is available"}}
    changed = solve_static(replace(problem, generalized_force=problem.generalized_force * 1.1), on_failure="return")
    assert "generalized_force" in changed.provenance["self_check"]["solution"]["not_checked"]
    from osimopt.solution.folder import write_arrays

    folder = write_arrays(problem, tmp_path / "arrays")
    moments = folder / "generalized_force.sto"
    given = load_problem(two_leg.model, two_leg.motion, generalized_force=moments, time_range=TIMES, geometry="opensim")
    found = solve_static(given, on_failure="return").provenance["self_check"]
    assert found["solution"] == {"not_checked": "moments from a file"}
    assert "inverse dynamics" not in found["trial"]["largest_difference"]


def test_a_model_is_checked_once(two_leg: TwoLeg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    check = selfcheck._check_model
    monkeypatch.setattr(selfcheck, "_check_model", lambda *given: (calls.append(given), check(*given))[1])
    monkeypatch.setattr(selfcheck, "_known", {})
    for first in (0.1, 0.2):  # another problem of the same model
        load_problem(two_leg.model, two_leg.motion, time_range=(first, 0.3), cache=tmp_path)
    assert len(calls) == 1
    (kept,) = tmp_path.glob("self_check-*.json")
    assert json.loads(kept.read_text())["found"]["postures"] == 50
    monkeypatch.setattr(selfcheck, "_known", {})  # as a new process would begin
    load_problem(two_leg.model, two_leg.motion, time_range=(0.15, 0.3), cache=tmp_path)
    assert len(calls) == 1
    changed = tmp_path / "changed.osim"
    changed.write_text(two_leg.model.read_text() + "<!-- another file -->\n")
    load_problem(changed, two_leg.motion, time_range=TIMES, cache=tmp_path)
    assert len(calls) == 2


@pytest.mark.parametrize("text", ["{}", "[]", "", '{"postures": 50}', '{"sha256": "", "found": {"postures": 50}}'])
def test_a_kept_check_that_is_not_as_written_is_not_used(text: str, tmp_path: Path) -> None:
    path = tmp_path / "self_check.json"
    path.write_text(text)
    assert selfcheck._recall(path, "this model") is None


def test_a_kept_check_is_of_its_model(tmp_path: Path) -> None:
    path, found = tmp_path / "self_check.json", {"postures": 50, "moment_arms_off_mm": {"a": 0.1}}
    path.write_text(json.dumps(selfcheck._sealed(found, "this model")))
    assert selfcheck._recall(path, "this model") == found
    assert selfcheck._recall(path, "another model") is None
    path.write_text(path.read_text().replace("50", "51"))
    assert selfcheck._recall(path, "this model") is None


def test_it_stands_in_the_result_folder(problem: RedundancyProblem, tmp_path: Path) -> None:
    folder = solve_static(problem).write(tmp_path / "results")
    found = json.loads((folder / "solution.json").read_text())["self_check"]
    assert set(found) == {"model", "trial", "solution"}


def test_dynamic_solutions_are_put_back_too(arm: Any) -> None:
    problem = load_problem(arm.model, arm.motion, time_range=(0.3, 0.6))
    solution = solve_dynamic(problem, muscles={"ignore_passive_fiber_force": True})
    assert solution.provenance["self_check"]["solution"]["largest_difference"]["accelerations"] < 1e-4
