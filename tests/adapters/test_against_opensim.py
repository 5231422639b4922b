"""OpenSim as the oracle: the two-leg model along its motion, against OpenSim's own API and tools.

The model has coupled patellae, locked toes, wrapping, a spring, a limit force, a torque actuator in a moving body,
finite and unbounded reserves, and three muscle classes; so nothing here needs data that cannot be in this project.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import TwoLeg

import osimopt
from osimopt import signals
from osimopt.files.storage import write_table

Oracle = dict[str, np.ndarray]

#: m; the unit-speed method and OpenSim's computeMomentArm differ by rounding only.
MOMENT_ARM = 1e-10
#: m; lengths at the same states (angles agree to 1e-9 rad).
LENGTH = 1e-8
#: rad/s or m/s; speeds of free coordinates come from the same splines.
SPEED = 1e-9
#: rad/s; OpenSim takes the speed of a coupled coordinate from a spline, which errs at the ends of a motion; ours
#: follows exactly from the coupler's derivative.
COUPLED_SPEED = 3e-3
#: Relative; so the gain of muscles over the patella differs by as much, that of all others not at all.
GAIN, COUPLED_GAIN = 1e-7, 3e-4
#: N·m or N; inverse dynamics from the same accelerations, but for those of the coupled patellae (0.1 kg).
INVERSE_DYNAMICS = 0.01
#: OpenSim's optimizer at a tolerance of 1e-6 is within 3e-4 of its answer at 1e-9.
ACTIVATION = 1e-3
#: N; the same for forces.
FORCE = 3.0


@pytest.fixture(scope="module")
def problem(two_leg: TwoLeg) -> osimopt.RedundancyProblem:
    return osimopt.load_problem(two_leg.model, two_leg.motion, two_leg.loads, reserves=None, geometry="opensim")


@pytest.fixture(scope="module")
def solution(problem: osimopt.RedundancyProblem) -> osimopt.RedundancySolution:
    return osimopt.solve_static(problem)


def columns(names: tuple[str, ...], wanted: np.ndarray) -> list[int]:
    return [names.index(str(name)) for name in wanted]


def test_free_coordinates(problem: osimopt.RedundancyProblem, oracle: Oracle) -> None:
    assert set(problem.coordinates) == set(oracle["free_coordinates"].tolist())


def test_moment_arms(problem: osimopt.RedundancyProblem, oracle: Oracle) -> None:
    rows = columns(problem.coordinates, oracle["free_coordinates"])
    muscles = columns(problem.muscles, oracle["muscles"])
    ours = problem.moment_arm[oracle["frames"]][:, rows][:, :, muscles]
    theirs = np.transpose(oracle["moment_arm"], (0, 2, 1))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=MOMENT_ARM)
    assert np.abs(theirs).max() > 0.03


def test_lengths_and_gain(problem: osimopt.RedundancyProblem, oracle: Oracle) -> None:
    muscles = columns(problem.muscles, oracle["muscles"])
    assert problem.geometry.length is not None
    length = problem.geometry.length[oracle["frames"]][:, muscles]
    np.testing.assert_allclose(length, oracle["length"], rtol=0, atol=LENGTH)
    gain = problem.max_force[oracle["frames"]][:, muscles]
    over_patella = np.array([str(name).startswith(("rect_fem", "vasti")) for name in oracle["muscles"]])
    error = np.abs(gain / oracle["active_force"] - 1.0).max(axis=0)
    assert error[~over_patella].max() < GAIN
    assert error[over_patella].max() < COUPLED_GAIN


def test_kinematics(problem: osimopt.RedundancyProblem, oracle: Oracle) -> None:
    assert problem.kinematics is not None
    order = columns(problem.kinematics.coordinates, oracle["coordinates"])
    np.testing.assert_allclose(problem.kinematics.value[oracle["frames"]][:, order], oracle["q"], rtol=0, atol=1e-7)
    error = np.abs(problem.kinematics.speed[oracle["frames"]][:, order] - oracle["u"]).max(axis=0)
    coupled = np.array([str(name).startswith("knee_beta") for name in oracle["coordinates"]])
    assert error[~coupled].max() < SPEED
    assert error[coupled].max() < COUPLED_SPEED


def test_inverse_dynamics(two_leg: TwoLeg, oracle: Oracle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against InverseDynamicsTool, its coupled moments projected by reading its answer back as generalized_force.

    That tool differentiates angles twice, where static optimization differentiates speeds: so do we, here.
    """
    labels = [f"{name}_moment" for name in oracle["id_coordinates"]]
    table = pd.DataFrame(oracle["id_forces"], index=pd.Index(oracle["id_times"], name="time"), columns=labels)
    path = write_table(table, tmp_path / "id.sto")
    given = osimopt.load_problem(two_leg.model, two_leg.motion, generalized_force=path, reserves=None)

    def twice(time: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return tuple(signals.quintic_spline(time, value, derivative=order)(time) for order in (1, 2))

    monkeypatch.setattr(signals, "differentiate", twice)
    ours = osimopt.load_problem(two_leg.model, two_leg.motion, two_leg.loads, reserves=None)
    assert np.abs(given.generalized_force - ours.generalized_force).max() < INVERSE_DYNAMICS
    assert np.abs(ours.generalized_force).max() > 50


def test_static_optimization(solution: osimopt.RedundancySolution, oracle: Oracle) -> None:
    assert oracle["so_failures"].size == 0
    order = columns(solution.problem.actuators, oracle["so_actuators"])
    ours = np.hstack([solution.activation, solution.reserve_control])[:, order]
    np.testing.assert_allclose(ours, oracle["so_activations"], rtol=0, atol=ACTIVATION)
    theirs = np.sum(oracle["so_activations"] ** 2, axis=1)
    assert (solution.objective <= theirs * (1 + 1e-4)).all(), "an exact answer is never above OpenSim's"


def test_static_optimization_forces(solution: osimopt.RedundancySolution, oracle: Oracle) -> None:
    names = oracle["so_force_columns"].tolist()
    for index, muscle in enumerate(solution.problem.muscles):
        theirs = oracle["so_forces"][:, names.index(muscle)]
        np.testing.assert_allclose(solution.muscle_force[:, index], theirs, rtol=0, atol=FORCE)


def test_actuators_of_the_model_count(problem: osimopt.RedundancyProblem) -> None:
    names = problem.reserves.names
    torque = problem.reserves.effect[:, :, names.index("thigh_torque")]
    assert np.ptp(torque, axis=0).max() > 0.1, "its axis turns with the thigh, so its effect depends on posture"
    limited = names.index("hip_flexion_r_reserve")
    assert problem.reserves.lower[limited] == -1.0
    assert problem.reserves.optimal_force[limited] == 10.0


def test_springs_stay_in_the_balance(two_leg: TwoLeg, problem: osimopt.RedundancyProblem, tmp_path: Path) -> None:
    text = two_leg.model.read_text()
    path = tmp_path / "without_spring.osim"
    tag = '<SpringGeneralizedForce name="ankle_spring">'
    path.write_text(text.replace(tag, f"{tag}<appliesForce>false</appliesForce>"))
    without = osimopt.load_problem(path, two_leg.motion, two_leg.loads, reserves=None, geometry="opensim")
    change = np.abs(without.generalized_force - problem.generalized_force).max(axis=0)
    changed = {name for name, size in zip(problem.coordinates, change, strict=True) if size > 1e-6}
    assert changed == {"ankle_angle_r"}


def test_auto_reserves(two_leg: TwoLeg) -> None:
    bare = osimopt.load_problem(two_leg.bare, two_leg.motion, two_leg.loads, time_range=(0.3, 0.4))
    added = bare.provenance["reserves_added"]
    assert {name: force for name, force in added.items() if name.startswith("residual")} == {
        **{f"residual_pelvis_{axis}": 250.0 for axis in ("tilt", "list", "rotation")},
        **{f"residual_pelvis_t{axis}": 50.0 for axis in "xyz"},
    }
    assert {force for name, force in added.items() if name.startswith("reserve")} == {1.0}
    assert np.isinf(bare.reserves.upper).all()
    assert osimopt.solve_static(bare).success


def test_frames_do_not_depend_on_jobs(
    two_leg: TwoLeg, problem: osimopt.RedundancyProblem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("osimopt.adapters.arrays.CHUNK", 20)
    files = two_leg.model, two_leg.motion, two_leg.loads
    split = osimopt.load_problem(*files, reserves=None, n_jobs=2, geometry="opensim")
    np.testing.assert_array_equal(split.generalized_force, problem.generalized_force)
    np.testing.assert_array_equal(split.geometry.moment_arms, problem.geometry.moment_arms)


def test_muscle_table_agrees_with_the_motion(two_leg: TwoLeg) -> None:
    """The coupled patella follows in a sweep too: the arm is the slope of the length over the sweep."""
    table = osimopt.muscle_table(two_leg.model, "knee_angle_r", values=np.linspace(-60, -5, 111))
    step = np.deg2rad(0.5)
    for muscle in ("vasti_r", "rect_fem_r"):
        slope = -np.gradient(table[muscle, "muscle_tendon_length"].to_numpy(), step)[1:-1]
        np.testing.assert_allclose(table[muscle, "moment_arm"].to_numpy()[1:-1], slope, rtol=0, atol=2e-5)


def test_live_model(two_leg: TwoLeg) -> None:
    """A live opensim.Model is handed over by its own printToXML (here: anything that has it)."""

    class Live:
        def getName(self) -> str:  # noqa: N802
            return "live"

        def printToXML(self, path: str) -> bool:  # noqa: N802
            Path(path).write_text(two_leg.model.read_text())
            return True

    table = osimopt.muscle_table(Live(), "knee_angle_r", n=3)
    same = osimopt.muscle_table(two_leg.model, "knee_angle_r", n=3)
    np.testing.assert_array_equal(table.to_numpy(), same.to_numpy())
