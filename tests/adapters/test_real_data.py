"""Public models and motions, against what OpenSim's own tools answered; skipped where the data is not at hand."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

import osimopt

#: m and N; the tables were made by an older OpenSim, whose wrapping of the brachialis differed.
TABLE_ARM = {"BIClong": 1e-7, "BICshort": 1e-7, "BRA": 3e-4}
TABLE_FORCE = {"BIClong": 1e-3, "BICshort": 1e-3, "BRA": 0.03}
#: OpenSim's optimizer stops at 1e-4: its activations carry up to this much noise (arm26, walk).
ARM_ACTIVATION, WALK_ACTIVATION, WALK_MEAN = 0.006, 0.008, 0.0006
#: N·m, and activation: the cleaned file prints 10 decimals, which at 1 kHz is 1e-4 rad/s² of acceleration.
PRINTED_MOMENT, PRINTED_ACTIVATION = 0.02, 1e-4
#: N·m; asked of every frame.
RESIDUAL = 1e-6


@pytest.fixture
def reference(real_data: Path) -> Path:
    folder = real_data.parent / "reference"
    if not folder.is_dir():
        pytest.skip("needs the answers of OpenSim's tools in 'reference' beside the data")
    return folder


def agree(solution: osimopt.RedundancySolution, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Differences (T, M) of activation to an OpenSim answer, and the ratio (T,) of our objective to OpenSim's."""
    answer = osimopt.read_table(path)
    nearest = [int(np.argmin(np.abs(solution.time - time))) for time in answer.index]
    assert np.abs(solution.time[nearest] - answer.index).max() < 1e-5
    assert len(answer) == len(solution.time)
    difference = solution.activation[nearest] - answer[list(solution.problem.muscles)].to_numpy()
    objective = np.sum(answer[list(solution.problem.actuators)].to_numpy() ** 2, axis=1)
    return difference, solution.objective[nearest] / objective


@pytest.mark.parametrize("own", [True, False], ids=["our arm26", "public arm26"])
def test_elbow_tables(real_data: Path, arm: osimopt.datasets.arm26.Example, own: bool) -> None:
    model = arm.model if own else real_data / "arm26" / "arm26.osim"
    arms, forces = (osimopt.read_table(real_data / "elbow_tables" / f"{q}_elbowflexors.mot") for q in "rf")
    swept = {"values": arms["r_elbow_flex"], "pose": {"r_shoulder_elev": 0}}
    table = osimopt.muscle_table(model, "r_elbow_flex", **swept, geometry="opensim")
    for muscle in TABLE_ARM:
        assert np.abs(table[muscle, "moment_arm"].to_numpy() - arms[muscle]).max() < TABLE_ARM[muscle]
        assert np.abs(table[muscle, "max_force"].to_numpy() - forces[muscle]).max() < TABLE_FORCE[muscle]


def test_arm26_static_optimization(real_data: Path, reference: Path) -> None:
    """The settings of the public setup file: 0.25-0.75 s, 6 Hz, exponent 2."""
    folder = real_data / "arm26"
    problem = osimopt.load_problem(
        folder / "arm26.osim",
        folder / "arm26_InverseKinematics.mot",
        time_range=(0.25, 0.75),
        lowpass_hz=6,
        reserves=None,
        geometry="opensim",
    )
    answer = reference / "arm26_static_optimization" / "arm26_StaticOptimization_activation.sto"
    difference, ratio = agree(osimopt.solve_static(problem), answer)
    assert np.abs(difference).max() < ARM_ACTIVATION
    assert ratio.max() <= 1.0


@pytest.fixture(scope="module")
def walk(real_data: Path) -> osimopt.RedundancyProblem:
    folder = real_data / "walk_80muscles"
    names = ("walk_80muscles_with_reserves.osim", "coordinates_50hz.mot", "grf_walk.xml")
    files = (folder / name for name in names)
    return osimopt.load_problem(*files, time_range=(0.49, 1.61), reserves=None, geometry="opensim")


@pytest.mark.slow
def test_walk_static_optimization(walk: osimopt.RedundancyProblem, reference: Path) -> None:
    solution = osimopt.solve_static(walk)
    assert solution.success
    assert np.abs(solution.moment_residual).max() <= RESIDUAL
    answer = reference / "walk80_static_optimization_50hz" / "so_StaticOptimization_activation.sto"
    difference, ratio = agree(solution, answer)
    assert np.abs(difference).max() < WALK_ACTIVATION
    assert np.abs(difference).mean() < WALK_MEAN
    assert ratio.max() <= 1.0, "the same moment arms, gains and moments: an exact answer is never above OpenSim's"


@pytest.mark.slow
@pytest.mark.parametrize("cost", ["sum_force", "sum_force_squared", "sum_stress_squared", "min_max"])
def test_walk_other_costs(walk: osimopt.RedundancyProblem, cost: str) -> None:
    solution = osimopt.solve_static(walk.frames(slice(0, 57, 8)), cost)
    assert np.abs(solution.moment_residual).max() <= RESIDUAL


@pytest.mark.slow
def test_walk_names_inconsistent_moment_arms(walk: osimopt.RedundancyProblem) -> None:
    """OpenSim's arm of the lateral gastrocnemius is 12 mm off its length's slope: said, not silently used."""
    assert any(text.startswith("gaslat_r") and "no integral" in text for text in walk.provenance["warnings"])


def test_degrees_in_a_radian_file(real_data: Path) -> None:
    """The raw file has its two dependent knee columns in degrees: one warning names them, the answer is the same."""
    folder = real_data / "walk_80muscles"
    model, loads = folder / "walk_80muscles_with_reserves.osim", folder / "grf_walk.xml"
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        raw = osimopt.load_problem(model, folder / "coordinates.sto", loads, time_range=(0.7, 0.72))
    named = [str(w.message) for w in said if "knee_angle_r_beta" in str(w.message)]
    assert len(named) == 1
    assert "knee_angle_l_beta" in named[0]
    clean = osimopt.load_problem(model, folder / "coordinates_1000hz.mot", loads, time_range=(0.7, 0.72))
    np.testing.assert_allclose(raw.generalized_force, clean.generalized_force, atol=PRINTED_MOMENT)
    np.testing.assert_allclose(
        osimopt.solve_static(raw).activation, osimopt.solve_static(clean).activation, atol=PRINTED_ACTIVATION
    )


@pytest.mark.filterwarnings("ignore:.*columns.*disagree with the model")
@pytest.mark.filterwarnings("ignore:.*the header declares")
@pytest.mark.parametrize(
    ("folder", "model", "motion", "extra"),
    [
        (
            "walk_18muscles",
            "subject_walk_armless_18musc.osim",
            "coordinates.mot",
            {"external_loads": "external_loads.xml"},
        ),
        ("gait_9emg", "gait2392.osim", "ik.sto", {"generalized_force": "id.sto"}),
        (
            "walk_treadmill_emg",
            "Rajagopal_scaled_Sub1_gasAvoid.osim",
            "results_ik.sto",
            {"generalized_force": "results_id.sto"},
        ),
    ],
)
@pytest.mark.slow
def test_other_models_run(real_data: Path, folder: str, model: str, motion: str, extra: dict[str, str]) -> None:
    place = real_data / folder
    given = {key: place / name for key, name in extra.items()}
    problem = osimopt.load_problem(place / model, place / motion, **given, time_range=(0.8, 1.0))
    solution = osimopt.solve_static(problem)
    assert np.abs(solution.moment_residual).max() <= RESIDUAL
    added = problem.provenance["reserves_added"]
    assert added["residual_pelvis_tilt"] == 250.0, "no muscle serves a floating base, whatever wrapping says"
    assert added["reserve_hip_flexion_r"] == 1.0
