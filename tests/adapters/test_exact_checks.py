"""Each check of exact geometry fails where one number is wrong: arrays of a trial, of its solution and of its model."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from conftest import TwoLeg

from osimopt import ModelError, RedundancyProblem, solve_static
from osimopt.adapters import exact_bench, exact_dynamics, selfcheck
from osimopt.adapters.array_check import refuse_wrong_arrays
from osimopt.adapters.exact_check import check_dynamics, check_paths
from osimopt.adapters.exact_differences import PathFindings
from osimopt.adapters.judgement import LIMITS
from osimopt.adapters.load import open_trial
from osimopt.adapters.options import ReadOptions
from osimopt.multibody.loads import MeasuredLoads
from osimopt.paths.solve import SolvedPaths, solve_paths

#: Frames that are compared.
FEW = np.array([2, 9, 17])

pytestmark = pytest.mark.usefixtures("short_self_check")


@pytest.fixture(scope="module")
def trial(two_leg: TwoLeg) -> Any:
    options = ReadOptions(two_leg.model, two_leg.motion, two_leg.loads, time_range=(0.1, 0.3), geometry="exact")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return open_trial(options)


@pytest.fixture(scope="module")
def problem(trial: Any) -> RedundancyProblem:
    return replace(trial.problem(), source=trial)


@pytest.fixture
def bench(trial: Any, problem: RedundancyProblem) -> Any:
    return trial.check.bench(trial.motion.frames(FEW))


def paths_of(problem: RedundancyProblem, **wrong: Any) -> Any:
    return replace(problem.geometry, **wrong).frames(FEW)


def test_nothing_is_wrong(trial: Any, problem: RedundancyProblem) -> None:
    """All that is compared agrees, and OpenSim is not asked for anything but the check of the model."""
    solution = solve_static(problem)
    found = solution.provenance["self_check"]
    kinds = {
        "paths": {"slopes of lengths", "lengthening speeds", "straight lengths", "dependent coordinates"},
        "dynamics": {"equations of motion"},
        "solution": {"accelerations"},
    }
    assert set(found) == {"model", *kinds}
    for part, own in kinds.items():
        sizes = found[part]["largest_difference"]
        assert set(sizes) == own
        assert all(size < 0.01 * LIMITS[kind][0] for kind, size in sizes.items())
    sizes = found["model"]["arrays"]["largest_difference"]
    assert len(sizes) == 5
    assert all(size < 1e-3 * LIMITS[kind][0] for kind, size in sizes.items())


def test_a_trial_and_its_solution_ask_opensim_for_nothing(
    two_leg: TwoLeg, trial: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_opensim(*asked: Any, **_: Any) -> None:
        raise AssertionError(f"OpenSim was asked for {asked[1]}")

    with monkeypatch.context() as patch:
        patch.setattr("osimopt.isolation.run_many", no_opensim)
        fresh = replace(trial)
        assert solve_static(fresh.problem()).solved.all()


@pytest.mark.parametrize("name", ["time", "value", "speed", "acceleration"])
def test_what_was_computed_is_used_for_the_same_frames_only(trial: Any, name: str) -> None:
    motion = trial.motion.frames(FEW)
    kept = trial.check.bench(motion)
    assert trial.check.bench(trial.motion.frames(FEW)) is kept
    assert trial.check.bench(replace(motion, **{name: getattr(motion, name) + 1e-3})) is not kept


@pytest.mark.parametrize("muscle", [0, 7, 15])
def test_a_moment_arm(trial: Any, problem: RedundancyProblem, bench: Any, muscle: int) -> None:
    """One arm of one pair, 0.01 mm off in all frames, is named by its muscle and the time."""
    arms = problem.geometry.moment_arms.copy()
    arms[:, np.flatnonzero(problem.geometry.pair_muscle == muscle)[-1]] += 1e-5
    with pytest.raises(ModelError, match=f"slopes of the lengths.*at '{problem.muscles[muscle]}', at 0"):
        check_paths(bench, trial.model, paths_of(problem, moment_arms=arms), range(len(problem.muscles)))


def test_a_lengthening_speed(trial: Any, problem: RedundancyProblem, bench: Any) -> None:
    speed = np.array(problem.geometry.lengthening_speed)
    speed[:, 3] += 1e-4
    with pytest.raises(ModelError, match=f"lengthening speeds.*at '{problem.muscles[3]}'"):
        check_paths(bench, trial.model, paths_of(problem, lengthening_speed=speed), range(len(problem.muscles)))


def test_the_length_of_a_straight_path(trial: Any, problem: RedundancyProblem, bench: Any) -> None:
    paths = trial.extraction.chain.paths
    straight = next(index for index, name in enumerate(problem.muscles) if not paths.path(name).wraps)
    length = np.array(problem.geometry.length)
    length[:, straight] += 1e-7
    with pytest.raises(ModelError, match=f"distances of their points.*at '{problem.muscles[straight]}'"):
        check_paths(bench, trial.model, paths_of(problem, length=length), range(len(problem.muscles)))


@pytest.mark.parametrize("wrong", ["value", "speed", "slope"])
def test_a_coupled_coordinate(trial: Any, problem: RedundancyProblem, wrong: str) -> None:
    motion = trial.motion.frames(FEW)
    dependent = motion.coupling.dependent[0]
    if wrong == "slope":
        motion = replace(motion, coupling=replace(motion.coupling, slope=1.001 * motion.coupling.slope))
    else:
        array = getattr(motion, wrong).copy()
        array[:, dependent] += 1e-4
        motion = replace(motion, **{wrong: array})
    with pytest.raises(ModelError, match=r"satisfy the constraints|slopes of the lengths|lengthening speeds"):
        check_paths(trial.check.bench(motion), trial.model, paths_of(problem), range(len(problem.muscles)))


def shifted(array: str, size: float) -> Callable[..., Any]:
    """The measured loads with one of their arrays moved along x."""
    read = exact_dynamics.measured_loads

    def wrong(*given: Any) -> MeasuredLoads:
        loads = read(*given)
        return replace(loads, **{array: getattr(loads, array) + size * np.array([1.0, 0.0, 0.0])[:, None]})

    return wrong


@pytest.mark.parametrize(
    ("target", "wrong"),
    [
        ("measured_loads", shifted("point", 1e-3)),
        ("measured_loads", shifted("force", 0.01)),
        ("measured_loads", shifted("torque", 0.01)),
        ("load_wrenches", lambda *given: (1.0 + 1e-5) * LOAD_WRENCHES(*given)),
        ("about_speeds", lambda *given: (1.0 + 1e-5) * ABOUT_SPEEDS(*given)),
        ("to_changes", lambda *given: (1.0 + 1e-4) * TO_CHANGES(*given)),
    ],
    ids=["point", "force", "torque", "wrench", "projection", "acceleration"],
)
def test_inverse_dynamics(
    trial: Any, bench: Any, monkeypatch: pytest.MonkeyPatch, target: str, wrong: Callable[..., Any]
) -> None:
    motion = trial.motion.frames(FEW)
    right = trial.dynamics.arrays(motion, True)["generalized_force"]
    check_dynamics(bench, trial.model, right)
    monkeypatch.setattr(exact_dynamics, target, wrong)
    with pytest.raises(ModelError, match=r"do the work of the motion.*at '\w+', at 0"):
        check_dynamics(bench, trial.model, trial.dynamics.arrays(motion, True)["generalized_force"])


LOAD_WRENCHES, ABOUT_SPEEDS = exact_dynamics.load_wrenches, exact_dynamics.about_speeds
TO_CHANGES = exact_dynamics.to_changes


@pytest.mark.parametrize(("name", "size"), [("inertia", 1e-3), ("mass", 1e-4), ("center", 1e-4)])
def test_inertia(trial: Any, bench: Any, name: str, size: float) -> None:
    tree = trial.dynamics.multibody.tree
    array = getattr(tree, name).copy()
    body = tree.bodies.index("tibia_r")
    array[body] *= 1.0 + size
    other = replace(trial.dynamics.multibody, tree=replace(tree, **{name: array}))
    forces = replace(trial.dynamics, multibody=other).arrays(trial.motion.frames(FEW), True)["generalized_force"]
    with pytest.raises(ModelError, match="do the work of the motion"):
        check_dynamics(bench, trial.model, forces)


def test_one_generalized_force_is_named(trial: Any, problem: RedundancyProblem, bench: Any) -> None:
    force = problem.generalized_force[FEW].copy()
    column = problem.coordinates.index("knee_angle_l")
    force[1, column] += 2e-5 * np.abs(force[1]).max()
    time = f"{problem.time[FEW[1]]:g}"
    with pytest.raises(ModelError, match=f"at 'knee_angle_l', at {time} s"):
        check_dynamics(bench, trial.model, force)


@pytest.mark.parametrize("wrong", ["muscle", "reserve"])
def test_a_solution_whose_forces_are_others(problem: RedundancyProblem, wrong: str) -> None:
    """What the solution says it misses is no excuse where it lies about it."""
    solution = solve_static(problem)
    activation, control = np.array(solution.activation), np.array(solution.reserve_control)
    if wrong == "muscle":
        activation[:, 4] += 1e-5
    else:
        control[:, 0] += 1e-3

    class Lying(type(solution)):  # type: ignore[misc]
        @property
        def moment_residual(self) -> Any:
            return solution.moment_residual

    known = {own.name: getattr(solution, own.name) for own in fields(solution)}
    forged = Lying(**{**known, "activation": activation, "reserve_control": control})
    with pytest.raises(ModelError, match="forces that give the motion's accelerations"):
        problem.source.verify(forged)


def test_the_pull_at_one_point(trial: Any, problem: RedundancyProblem, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit force at a point that is 1e-4 too large."""
    solution = solve_static(problem)
    strongest = int(np.abs(np.asarray(solution.muscle_force)[FEW]).min(axis=0).argmax())
    number = trial.extraction.chain.paths.muscles.index(problem.muscles[strongest])

    def wrong(*given: Any) -> list[SolvedPaths]:
        found = solve_paths(*given)
        for one in found:
            one.pull[0, 0, one.bundle.rows == number] += 1e-4
        return found

    trial.check.kept = None
    monkeypatch.setattr(exact_bench, "solve_paths", wrong)
    with pytest.raises(ModelError, match="forces that give the motion's accelerations"):
        trial.verify(solution)
    trial.check.kept = None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("generalized_force", "generalized forces as OpenSim has them"),
        ("length", "lengths of paths without wrap objects as OpenSim has them"),
    ],
)
def test_arrays_that_are_not_opensims_refuse_exact_geometry_alone(
    trial: Any, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    compare = selfcheck.compare_arrays

    def mutated(model: Any, motion: Any, theirs: Any, n_jobs: int) -> Any:
        return compare(model, motion, {**theirs, name: (1.0 + 1e-6) * theirs[name]}, n_jobs)

    monkeypatch.setattr(selfcheck, "_known", {})
    monkeypatch.setattr(selfcheck, "model_folder", lambda _: None)
    monkeypatch.setattr(selfcheck, "compare_arrays", mutated)
    checked = selfcheck.check_model(trial.model, 1, None)
    with pytest.raises(ModelError, match=f"{said}.*geometry='opensim'"):
        refuse_wrong_arrays(trial.model, checked)


def test_findings_do_not_depend_on_blocks(problem: RedundancyProblem, trial: Any) -> None:
    """Blocks share a frame: what is between two is seen, what is in both is counted once."""
    chain, time = trial.extraction.chain, trial.motion.time
    whole, parts = PathFindings(), PathFindings()
    middle = len(time) // 2
    for findings, ends in ((whole, [0, len(time)]), (parts, [0, middle, middle + 1, len(time)])):
        for start, end in pairwise(ends):
            first = max(start - 1, 0)
            block = next(iter(chain.blocks(trial.motion, slice(start, end), False)))
            marked = np.isin(np.arange(first, end), [3, middle])
            solved = [replace(one, contested=np.broadcast_to(marked, one.contested.shape)) for one in block.solved]
            findings.add(chain.paths, replace(block, solved=solved))
    assert whole.plain() == parts.plain()
    assert whole.contested[problem.muscles[0]] == (2, time[3])
