"""Joint reactions of forces drawn at random, against OpenSim's joints in the same states with the same forces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from conftest import HERE, TwoLeg, run_script

import osimopt
from osimopt.adapters.completion import follow
from osimopt.adapters.trial import Trial
from osimopt.multibody.rates import to_changes, to_mobilities, to_speeds
from osimopt.problem.arrays import Array
from osimopt.problem.reactions import JointReactions

pytestmark = pytest.mark.usefixtures("short_self_check")

#: Share of the largest reaction: rounding.
ROUNDING = 1e-11
#: rad/s² or m/s² of the largest acceleration: the same motion, or the reactions are those of another.
SAME_MOTION = 1e-9
ZOO = ("actuators_gimbal", "passive_ball", "points_gimbal", "wraps_gimbal", "own_speeds_2", "chain", "backward_free",
       "held_ball_prescribed", "held_ball_coupled", "held_gimbal_locked", "joint_scapulothoracic", "joint_weld",
       "joint_ellipsoid", "joint_planar", "joint_custom", "loaded_free")  # fmt: skip
LOOPS = ("distance", "clavicle", "scapula", "on_line", "two_loops")
REAL = {
    "walk_80muscles": ("walk_80muscles_with_reserves.osim", "coordinates_100hz.mot", "grf_walk.xml"),
    "walk_18muscles": ("subject_walk_armless_18musc.osim", "coordinates.mot", "external_loads.xml"),
}


@dataclass
class Case:
    """Reactions (T, J, 6) and accelerations (T, N) of forces in some frames, and joints of which OpenSim is right.

    It gives a joint whose parent is farther from ground the reaction of another joint. On the parent of a
    scapulothoracic joint it has moments about another point than the parent's frame, that of the winging axis.
    """

    reactions: JointReactions
    child: Array
    parent: Array
    change: Array
    known: dict[str, list[int]]


def case(problem: osimopt.RedundancyProblem, model: Path, loads: Path | None, out: Path, still: bool = False) -> Case:
    """Random forces in three frames, left to the oracle in a file; muscles over wrap objects are slack.

    OpenSim's paths differ from the exact ones over wrap objects. Where ``still``, speeds are zero: OpenSim's
    accelerations are wrong where one coordinate turns several axes.
    """
    trial = problem.source
    assert isinstance(trial, Trial)
    motion, rows = trial.motion, np.linspace(0, len(problem) - 1, 3).astype(int)
    motion = motion.frames(rows)
    if still:
        motion = follow(trial.model, motion.time, motion.value, 0.0 * motion.speed, motion.acceleration)
    random, reserves, muscles = np.random.default_rng(5), problem.reserves, problem.muscles
    force = random.uniform(0.0, 1000.0, (len(rows), len(muscles))) * plain_paths(trial, muscles)
    control = random.uniform(-1.0, 1.0, (len(rows), len(reserves.names)))
    arrays = trial.extraction.chain.block(motion, trial.dynamics.measured(motion.time))
    arms = problem.geometry.frames(rows).moment_arm
    effect = np.broadcast_to(reserves.effect, (len(problem), *reserves.effect.shape[1:]))[rows]
    left = arrays.generalized_force - np.einsum("tdm,tm->td", arms, force) - np.einsum("tdk,tk->td", effect, control)
    pushes = np.zeros_like(motion.value)
    pushes[:, trial.model.description.free] = left
    multibody = trial.model.described.multibody
    np.savez(
        out, model=str(model), loads=str(loads or ""), time=motion.time, coordinates=motion.coordinates,
        value=motion.value, speed=to_speeds(multibody, motion.value, motion.speed),
        force=to_mobilities(multibody, motion.value, pushes), actuators=[*muscles, *reserves.names],
        actuation=np.concatenate([force, control * reserves.optimal_force], axis=1),
    )  # fmt: skip
    reactions = trial.extraction.reactions(motion, trial.model, None)
    child = reactions.transmitted(problem.frames(rows), force, control)
    change = to_changes(multibody, motion.value, motion.speed, motion.acceleration)
    tree = multibody.tree
    body = [max(i for i, joint in enumerate(tree.joints) if joint == name) for name in reactions.joints]
    forward = [row for row, outer in enumerate(body) if not tree.backward[outer]]
    whole = [row for row in forward if tree.joints.count(reactions.joints[row]) == 1]
    return Case(reactions, child, reactions.seen(child, "parent")[0], change, {"child": forward, "parent": whole})


def plain_paths(trial: Trial, muscles: Sequence[str]) -> Array:
    """(M,) 1 of muscles whose path OpenSim has, too: without wrap objects and points that it does not pull on."""
    paths, wrong = trial.extraction.exact, trial.model.description.within
    return np.array([not paths.path(name).wraps and name not in wrong for name in muscles], dtype=float)


def compare(cases: dict[str, Case], folder: Path) -> None:
    run_script(HERE / "reactions_oracle.py", *(folder / f"{name}.npz" for name in cases), cwd=folder)
    for name, own in cases.items():
        with np.load(folder / f"{name}_out.npz") as arrays:
            says = dict(arrays)
        assert np.abs(says["change"] - own.change).max() < SAME_MOTION * max(1.0, np.abs(own.change).max()), name
        rows = [list(says["joints"]).index(joint) for joint in own.reactions.joints]
        size = np.abs(says["child"][:, rows]).max(initial=1.0)
        for side, known in own.known.items():
            off = np.abs(getattr(own, side) - says[side][:, rows])[:, known]
            assert off.max(initial=0.0) < ROUNDING * size, (name, side)


def test_a_body_in_motion(two_leg: TwoLeg, tmp_path: Path) -> None:
    """External loads, a coupled patella, an actuator on bodies, and inertia."""
    problem = osimopt.load_problem(two_leg.model, two_leg.motion, two_leg.loads, reserves=None, n_jobs=1)
    compare({"two_leg": case(problem, two_leg.model, two_leg.loads, tmp_path / "two_leg.npz")}, tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:")
@pytest.mark.parametrize(("script", "names"), [("model_zoo.py", ZOO), ("loop_models.py", LOOPS)])
def test_joints_actuators_forces_and_loops(script: str, names: tuple[str, ...], tmp_path: Path) -> None:
    run_script(HERE / script, tmp_path, *(names if script == "model_zoo.py" else ()), cwd=tmp_path)
    cases = {}
    for name in names:
        model, loads = tmp_path / f"{name}.osim", tmp_path / f"{name}_loads.xml"
        known = loads if loads.exists() else None
        problem = osimopt.load_problem(model, model.with_suffix(".mot"), known, reserves=None, n_jobs=1)
        cases[name] = case(problem, model, known, tmp_path / f"{name}.npz")
    compare(cases, tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:")
@pytest.mark.parametrize("name", REAL)
def test_real_models(name: str, real_data: Path, tmp_path: Path) -> None:
    model, motion, loads = (real_data / name / file for file in REAL[name])
    if not model.exists():
        pytest.skip(f"needs {name}")
    problem = osimopt.load_problem(model, motion, loads, reserves=None, n_jobs=1)
    compare({name: case(problem, model, loads, tmp_path / f"{name}.npz", still=True)}, tmp_path)
