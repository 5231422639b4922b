"""Joint reactions along OpenSim's muscle paths and with its dynamics, against its joints in the same states."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import HERE, TwoLeg, run_script

import osimopt
from osimopt.adapters.opensim_reactions import reactions_by_opensim
from osimopt.adapters.reactions import Transmission
from osimopt.adapters.trial import Trial
from osimopt.datasets import Example
from osimopt.devices import CPU
from osimopt.errors import ModelError
from osimopt.multibody.rates import to_mobilities, to_speeds
from osimopt.problem.arrays import Array
from osimopt.problem.reactions import JointReactions
from osimopt.solution.summary import carried

pytestmark = pytest.mark.usefixtures("short_self_check")

#: Share of the largest reaction: the same numbers of OpenSim's, added in another order.
ROUNDING = 1e-12
#: rad/s² or m/s² of the largest acceleration.
SAME_MOTION = 1e-9
#: The same of arrays and of OpenSim, which round accelerations differently.
ARRAYS = 1e-9
#: OpenSim gives a joint whose parent is farther from ground the reaction of another joint.
BACKWARD = "backward"
ZOO = ("actuators_gimbal", "actuators_ball", "passive_ball", "points_gimbal", "wraps_free", "own_speeds_2", "chain",
       "backward_free", "held_ball_prescribed", "held_gimbal_coupled", "joint_scapulothoracic", "joint_weld",
       "joint_ellipsoid", "shifts", "functions_turn_2")  # fmt: skip
LOOPS = ("distance", "clavicle", "scapula", "on_line", "two_loops")
GAPS = ("gap", "gap_coupled", "gap_driven")
REAL = {
    "walk_80muscles": ("walk_80muscles_with_reserves.osim", "coordinates_100hz.mot", "grf_walk.xml"),
    "walk_18muscles": ("subject_walk_armless_18musc.osim", "coordinates.mot", "external_loads.xml"),
    "gait_9emg": ("gait2392.osim", "ik.sto", None),
    "knee_implant": ("GC5.osim", "GC5_ss1.mot", "GC5_ss1_loads.xml"),
}


def trial_of(problem: osimopt.RedundancyProblem) -> Trial:
    assert isinstance(problem.source, Trial)
    return problem.source


def drawn(problem: osimopt.RedundancyProblem) -> tuple[Array, Array]:
    """Random tendon forces (T, M) in N and controls (T, K), without muscles whose moment arm is not OpenSim's."""
    random, within = np.random.default_rng(5), trial_of(problem).model.description.within
    force = random.uniform(0.0, 1000.0, (len(problem), len(problem.muscles)))
    force[:, np.isin(problem.muscles, within)] = 0.0
    return force, random.uniform(-1.0, 1.0, (len(problem), len(problem.reserves.names)))


def ask(problem: osimopt.RedundancyProblem, force: Array, control: Array, model: Path, loads: Path | None, out: Path,
        held: bool = True) -> JointReactions:  # fmt: skip
    """The reactions, and a file that asks the oracle for OpenSim's; ``held`` coordinates get what the forces miss."""
    trial, motion = trial_of(problem), problem.kinematics
    assert motion is not None
    multibody, reserves = trial.model.described.multibody, problem.reserves
    pushes, speed = np.zeros_like(motion.value), motion.speed
    if held:
        left = problem.generalized_force - problem.geometry.moments(force) - carried(problem, control)
        pushes[:, trial.model.description.free] = left
    if not multibody.gaps("joint"):
        pushes, speed = to_mobilities(multibody, motion.value, pushes), to_speeds(multibody, motion.value, speed)
    np.savez(
        out, model=str(model), loads=str(loads or ""), time=motion.time, coordinates=motion.coordinates,
        value=motion.value, speed=speed, force=pushes, actuators=problem.actuators,
        actuation=np.concatenate([force, control * reserves.optimal_force], axis=1),
    )  # fmt: skip
    return trial.reactions(problem)


def answer(path: Path, reactions: JointReactions, side: str = "child") -> tuple[Array, Array]:
    """OpenSim's reactions (T, J, 6), and the accelerations (T, N) of the forces."""
    with np.load(path) as arrays:
        rows = [list(arrays["joints"]).index(joint) for joint in reactions.joints]
        return arrays[side][:, rows], arrays["change"]


def few(problem: osimopt.RedundancyProblem) -> osimopt.RedundancyProblem:
    return problem.frames(np.linspace(0, len(problem) - 1, 3).astype(np.intp))


def judged(cases: dict[str, tuple[osimopt.RedundancyProblem, Path, Path | None]], folder: Path) -> None:
    asked = {}
    for name, (whole, model, loads) in cases.items():
        problem = few(whole)
        forces = drawn(problem)
        reactions = ask(problem, *forces, model, loads, folder / f"{name}.npz")
        asked[name] = reactions, reactions.transmitted(problem, *forces)
    run_script(HERE / "reactions_oracle.py", *(folder / f"{name}.npz" for name in cases), cwd=folder)
    for name, (reactions, ours) in asked.items():
        theirs, _ = answer(folder / f"{name}_out.npz", reactions)
        known = [row for row, joint in enumerate(reactions.joints) if joint != BACKWARD]
        assert known, name
        assert np.abs(ours - theirs)[:, known].max() < ROUNDING * np.abs(theirs).max(), name


def test_forces_that_miss_the_moments_move_the_model_otherwise(two_leg: TwoLeg, tmp_path: Path) -> None:
    """With moments met the reactions are OpenSim's; else OpenSim's are those of the accelerations of the forces."""
    model, loads = two_leg.model, two_leg.loads
    problem = few(osimopt.load_problem(model, two_leg.motion, loads, reserves=None, geometry="opensim", n_jobs=1))
    forces, trial, motion = drawn(problem), trial_of(problem), problem.kinematics
    assert motion is not None
    files = [tmp_path / f"{name}.npz" for name in ("held", "missed")]
    reactions = [
        ask(problem, *forces, model, loads, file, held) for file, held in zip(files, (True, False), strict=True)
    ]
    run_script(HERE / "reactions_oracle.py", *files, cwd=tmp_path)
    ours = reactions[0].transmitted(problem, *forces)
    theirs, change = answer(tmp_path / "held_out.npz", reactions[0])
    size = np.abs(theirs).max()
    assert np.abs(change - motion.acceleration).max() < SAME_MOTION * np.abs(motion.acceleration).max()
    assert np.abs(ours - theirs).max() < ROUNDING * size
    theirs, change = answer(tmp_path / "missed_out.npz", reactions[0])
    assert np.abs(ours - theirs).max() > 0.01 * size
    fallen = replace(motion, acceleration=change)
    acting = trial.extraction.choice.acting
    other = reactions_by_opensim(trial.model_for(motion), fallen, None, acting, None, 1)
    assert np.abs(other.transmitted(problem, *forces) - theirs).max() < ROUNDING * np.abs(theirs).max()


def test_arrays_and_opensim_agree_muscle_by_muscle(two_leg: TwoLeg) -> None:
    """Exact paths and dynamics of arrays; some muscles, the dynamics, or both by OpenSim."""
    whole = osimopt.load_problem(two_leg.model, two_leg.motion, two_leg.loads, reserves=None, n_jobs=1)
    problem, trial = few(whole), trial_of(whole)
    motion, exact = problem.kinematics, trial.extraction.exact
    assert motion is not None
    assert exact is not None
    straight = [name for name in exact.muscles if not exact.path(name).wraps]
    assert straight
    forces = drawn(problem)
    forces[0][:, ~np.isin(problem.muscles, straight)] = 0.0
    model, acting = trial.model_for(motion), trial.extraction.choice.acting
    found = []
    for dynamics in (trial.dynamics, None):
        for paths in (exact, exact.without(straight[::2]), None):
            transmission = Transmission(trial.model, dynamics, paths, acting, 1, CPU)
            found.append(transmission.of(model, motion, None).transmitted(problem, *forces))
    size = np.abs(found[0]).max()
    for other in found[1:]:
        assert np.abs(other - found[0]).max() < ARRAYS * size


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:")
@pytest.mark.parametrize(
    ("script", "names"), [("model_zoo.py", ZOO), ("loop_models.py", LOOPS), ("gap_models.py", GAPS)]
)
def test_joints_points_forces_loops_and_parts_that_arrays_lack(
    script: str, names: tuple[str, ...], tmp_path: Path
) -> None:
    run_script(HERE / script, tmp_path, *(names if script == "model_zoo.py" else ()), cwd=tmp_path)
    cases = {}
    for name in names:
        model = tmp_path / f"{name}.osim"
        loads = model.with_name(f"{name}_loads.xml")
        known = loads if loads.exists() else None
        motion = model.with_suffix(".mot")
        whole = osimopt.load_problem(model, motion, known, reserves=None, geometry="opensim", n_jobs=1)
        cases[name] = whole, model, known
    judged(cases, tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:")
@pytest.mark.parametrize("name", REAL)
def test_real_models(name: str, real_data: Path, tmp_path: Path) -> None:
    model, motion, loads = (file and real_data / name / file for file in REAL[name])
    assert model is not None
    if not model.exists():
        pytest.skip(f"needs {name}")
    kept = {"time_range": (10.0, 10.5)} if name == "gait_9emg" else {}
    whole = osimopt.load_problem(model, motion, loads, reserves=None, geometry="opensim", n_jobs=1, **kept)
    judged({name: (whole, model, loads)}, tmp_path)


@pytest.mark.slow
def test_paths_without_points_are_refused(tmp_path: Path) -> None:
    """OpenSim lets them push coordinates alone, so that no joint is pressed by the muscle."""
    run_script(HERE / "gap_models.py", tmp_path, cwd=tmp_path)
    model = tmp_path / "function_path.osim"
    problem = osimopt.load_problem(model, model.with_suffix(".mot"), reserves=None, geometry="opensim", n_jobs=1)
    with pytest.raises(ModelError, match=r"got FunctionBasedPath of 'by_function'\. OpenSim lets such a path"):
        trial_of(problem).reactions(problem)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The fitted paths")
def test_fitted_muscles_pull_along_what_they_were_fitted_to(arm: Example) -> None:
    """A polynomial has no points on bodies; which paths stand in for it is said, and how far apart the two are."""
    fitted = osimopt.fit_geometry(arm.model, [arm.motion])
    of = {"motion": arm.motion, "time_range": (0.2, 0.4), "joint_reactions": "all"}
    problem = osimopt.load_problem(arm.model, geometry=fitted, **of)
    exact = osimopt.load_problem(arm.model, geometry="exact", **of)
    assert problem.reactions is not None
    assert exact.reactions is not None
    np.testing.assert_allclose(problem.reactions.effect, exact.reactions.effect, rtol=0.0, atol=ROUNDING)
    told = [text for text in problem.provenance["warnings"] if "Fitted muscle paths have no points on bodies" in text]
    assert len(told) == 1
    assert "(6 of exact ones), whose moment arms differ by up to" in told[0]
