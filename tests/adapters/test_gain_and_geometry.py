"""Problems with polynomial paths in place of the model's own, and with other maximum forces than OpenSim's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import TwoLeg

import osimopt
from osimopt import InputError, PolynomialGeometry, RedundancyProblem, fit_geometry, load_problem
from osimopt.adapters.load import open_trial
from osimopt.adapters.options import ReadOptions
from osimopt.datasets import Example
from osimopt.files.storage import write_table
from osimopt.muscle.forces import rigid_tendon_gain
from osimopt.polynomial import MusclePolynomial
from osimopt.polynomial.terms import count_terms
from osimopt.problem.arrays import Kinematics, MuscleParameters

#: m; what the paths are fitted to, and how much larger the largest error along a motion may be than the rms.
TOLERANCE, PEAK = 1e-4, 10.0
#: Muscles of the two-leg model whose wrapping sets in with a kink, which no polynomial of order 9 follows.
KINKED = {"gastroc_r", "gastroc_l"}
#: m; central differences with steps of 0.1° of lengths whose l‴ is below 1 m/rad³: an error of step²/6 · l‴ < 6e-7 m.
DIFFERENCES = 6e-7
#: Relative; the same sums in another order.
ROUNDING = 1e-12
#: Relative; muscles' curves are evaluated at the same lengths, then multiplied by cosines near 1.
COSINES = 1e-9


@pytest.fixture(scope="module")
def fitted(two_leg: TwoLeg) -> PolynomialGeometry:
    """Paths fitted in the motion's range, without their flags, which would be warned of."""
    geometry = fit_geometry(two_leg.model, [two_leg.motion], postures=300)
    fits = [own.fit for own in geometry.polynomials]
    return PolynomialGeometry(tuple(
        replace(own, fit=replace(fit, flags=())) for own, fit in zip(geometry.polynomials, fits, strict=True) if fit
    ))  # fmt: skip


@pytest.fixture(scope="module")
def exact(two_leg: TwoLeg) -> RedundancyProblem:
    return load_problem(two_leg.model, two_leg.motion, two_leg.loads)


@pytest.fixture(scope="module")
def fast(two_leg: TwoLeg, fitted: PolynomialGeometry) -> RedundancyProblem:
    return load_problem(two_leg.model, two_leg.motion, two_leg.loads, geometry=fitted)


def lengths(problem: RedundancyProblem) -> np.ndarray:
    assert problem.geometry.length is not None
    return problem.geometry.length


def speeds(problem: RedundancyProblem) -> np.ndarray:
    assert problem.geometry.lengthening_speed is not None
    return problem.geometry.lengthening_speed


def motion_of(problem: RedundancyProblem) -> Kinematics:
    assert problem.kinematics is not None
    return problem.kinematics


def parameters_of(problem: RedundancyProblem) -> MuscleParameters:
    assert problem.parameters is not None
    return problem.parameters


# ----------------------------------------------------------------------------------------------- polynomial paths


@pytest.mark.slow
def test_polynomial_paths_are_near_the_models_own(exact: RedundancyProblem, fast: RedundancyProblem) -> None:
    assert fast.muscles == exact.muscles
    assert fast.coordinates == exact.coordinates
    smooth = [index for index, name in enumerate(exact.muscles) if name not in KINKED]
    length = np.abs(lengths(fast) - lengths(exact))
    arm = np.abs(fast.moment_arm - exact.moment_arm).max(axis=1)
    assert length[:, smooth].max() < PEAK * TOLERANCE
    assert arm[:, smooth].max() < PEAK * TOLERANCE
    assert max(length.max(), arm.max()) < 10.0 * PEAK * TOLERANCE
    assert np.abs(exact.moment_arm).max() > 0.05  # so that nearness says something
    np.testing.assert_allclose(fast.generalized_force, exact.generalized_force, rtol=ROUNDING, atol=1e-9)
    assert fast.actuators == exact.actuators


@pytest.mark.slow
def test_a_file_of_paths_is_the_same_as_the_paths(
    two_leg: TwoLeg, fitted: PolynomialGeometry, fast: RedundancyProblem, tmp_path: Path
) -> None:
    fitted.write(tmp_path / "paths.xml")
    again = load_problem(two_leg.model, two_leg.motion, two_leg.loads, geometry=tmp_path / "paths.xml")
    for name in ("moment_arm", "max_force"):
        np.testing.assert_array_equal(getattr(again, name), getattr(fast, name))
    np.testing.assert_array_equal(lengths(again), lengths(fast))
    np.testing.assert_array_equal(speeds(again), speeds(fast))
    assert set(again.provenance["inputs"]) - set(fast.provenance["inputs"]) == {"geometry", "geometry_fit"}
    assert again.provenance["options"]["geometry"] == "file"
    assert fast.provenance["options"]["geometry"].startswith("20 polynomials, sha256 ")


@pytest.mark.slow
def test_paths_fitted_on_the_way(arm: Example) -> None:
    exact = load_problem(arm.model, arm.motion, time_range=(0.0, 0.1))
    with pytest.warns(UserWarning, match="missed the tolerance"):
        fast = load_problem(arm.model, arm.motion, time_range=(0.0, 0.1), geometry="polynomial")
    assert np.abs(lengths(fast) - lengths(exact)).max() < PEAK * TOLERANCE
    assert np.abs(fast.moment_arm - exact.moment_arm).max() < PEAK * TOLERANCE


def over_the_patella(own: MusclePolynomial, side: str) -> MusclePolynomial:
    """A polynomial of the knee and of the patella that follows it."""
    paths = f"/jointset/knee_{side}/knee_angle_{side}", f"/jointset/patellofemoral_{side}/knee_beta_{side}"
    coefficients = np.random.default_rng(3).normal(scale=0.05, size=count_terms(2, 3))
    return replace(own, coordinate_paths=paths, order=3, coefficients=coefficients, fit=None)


@pytest.fixture(scope="module")
def coupled(fitted: PolynomialGeometry) -> PolynomialGeometry:
    return PolynomialGeometry(tuple(
        over_the_patella(own, own.name[-1]) if own.name.startswith("vasti") else own
        for own in fitted.polynomials
    ))  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("side", ["r", "l"])
def test_arms_about_a_coupled_coordinate_go_to_the_one_it_follows(
    two_leg: TwoLeg, coupled: PolynomialGeometry, tmp_path: Path, side: str
) -> None:
    """The knee alone moves, by 0.1° a frame, and the patella with it: −Δl/Δq of the whole is the moment arm."""
    table = osimopt.read_table(two_leg.motion)
    steady = table.copy()
    steady.loc[:] = table.iloc[[0]].to_numpy()
    steady[f"knee_angle_{side}"] = -20.0 - 0.1 * np.arange(len(table))
    steady = steady.drop(columns=[name for name in table if "beta" in name])
    file = write_table(steady, tmp_path / "knee.mot", in_degrees=True)
    for geometry, muscles in ((coupled, ("vasti",)), ("opensim", ("vasti", "rect_fem"))):
        problem = load_problem(two_leg.model, file, geometry=geometry, gain="isometric", reserves=None)
        knee = motion_of(problem).value[:, motion_of(problem).coordinates.index(f"knee_angle_{side}")]
        row = problem.coordinates.index(f"knee_angle_{side}")
        for muscle in muscles:
            column = problem.muscles.index(f"{muscle}_{side}")
            slope = (lengths(problem)[2:, column] - lengths(problem)[:-2, column]) / (knee[2:] - knee[:-2])
            expected = problem.moment_arm[1:-1, row, column]
            assert np.abs(expected).max() > 0.01
            np.testing.assert_allclose(-slope, expected, rtol=0.0, atol=DIFFERENCES)
            others = np.delete(problem.moment_arm[:, :, column], row, axis=1)
            assert muscle == "rect_fem" or not others.any()


@pytest.mark.slow
def test_lengthening_speeds_are_those_of_the_arms(two_leg: TwoLeg, coupled: PolynomialGeometry) -> None:
    """Speeds of the patella count in the one, slopes of its coupler in the other."""
    problem = load_problem(two_leg.model, two_leg.motion, geometry=coupled, gain="isometric")
    motion = motion_of(problem)
    free = motion.speed[:, [motion.coordinates.index(name) for name in problem.coordinates]]
    by_arms = -np.einsum("tdm,td->tm", problem.moment_arm, free)
    np.testing.assert_allclose(speeds(problem), by_arms, rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.slow
def test_a_motion_outside_the_fitted_range_is_warned_of(
    two_leg: TwoLeg, fitted: PolynomialGeometry, exact: RedundancyProblem
) -> None:
    ankle = motion_of(exact).value[:, motion_of(exact).coordinates.index("ankle_angle_r")]
    limit = float(np.median(ankle))
    narrowed = PolynomialGeometry(tuple(
        replace(own, fit=replace(own.fit, high=np.array([limit]))) if own.name == "soleus_r" and own.fit else own
        for own in fitted.polynomials
    ))  # fmt: skip
    beyond = int(np.sum(ankle > limit + 1e-4))
    assert 0 < beyond < len(ankle)
    says = rf"motion\.mot: outside the fitted range.*\(frames of {len(ankle)}\): soleus_r \({beyond}\)\.$"
    with pytest.warns(UserWarning, match=says):
        problem = load_problem(two_leg.model, two_leg.motion, geometry=narrowed)
    assert any("outside the fitted range" in line for line in problem.provenance["warnings"])


@pytest.mark.slow
def test_polynomial_paths_in_pieces(two_leg: TwoLeg, fitted: PolynomialGeometry, fast: RedundancyProblem) -> None:
    trial = open_trial(ReadOptions(two_leg.model, two_leg.motion, two_leg.loads, geometry=fitted))
    pieces = list(trial.pieces(25))
    assert [len(piece) for piece in pieces] == [25, 25, 20]
    for name in ("time", "moment_arm", "max_force", "generalized_force"):
        joined = np.concatenate([getattr(piece, name) for piece in pieces])
        np.testing.assert_allclose(joined, getattr(fast, name), rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(np.concatenate([lengths(piece) for piece in pieces]), lengths(fast), rtol=ROUNDING)
    assert {piece.actuators for piece in pieces} == {fast.actuators}


@pytest.mark.slow
def test_paths_of_another_model_are_refused(two_leg: TwoLeg, fitted: PolynomialGeometry) -> None:
    other = PolynomialGeometry((replace(fitted.polynomials[0], path="/forceset/none_of_these"),))
    with pytest.raises(InputError, match=r"paths of the model's muscles, got none for .*fit-geometry"):
        load_problem(two_leg.model, two_leg.motion, geometry=other)


LACKING = ("vasti_r", "gastroc_l")


@pytest.fixture(scope="module")
def lacking(fitted: PolynomialGeometry) -> PolynomialGeometry:
    return fitted.select([name for name in fitted.muscles if name not in LACKING])


@pytest.mark.slow
def test_muscles_without_a_path_keep_the_models_own(
    two_leg: TwoLeg, lacking: PolynomialGeometry, exact: RedundancyProblem, fast: RedundancyProblem
) -> None:
    """One over a coupled coordinate and one over a wrap object, between muscles that have polynomials."""
    own_paths = load_problem(two_leg.model, two_leg.motion, two_leg.loads, geometry="opensim")
    with pytest.warns(UserWarning, match=r"No path is given for .*: OpenSim's own is used\.$") as caught:
        mixed = load_problem(two_leg.model, two_leg.motion, two_leg.loads, geometry=lacking)
    (line,) = {str(warning.message) for warning in caught}
    assert all(name in line for name in LACKING)
    assert mixed.provenance["warnings"].count(line) == 1
    assert mixed.muscles == exact.muscles
    assert mixed.actuators == exact.actuators
    pairs = list(zip(mixed.geometry.pair_coordinate.tolist(), mixed.geometry.pair_muscle.tolist(), strict=True))
    assert pairs == sorted(pairs)
    np.testing.assert_array_equal(mixed.geometry.served, exact.geometry.served)
    own = [mixed.muscles.index(name) for name in LACKING]
    for given, columns in ((own_paths, own), (fast, np.setdiff1d(np.arange(20), own))):
        for array in (lambda problem: problem.moment_arm, lengths, speeds, lambda problem: problem.max_force):
            np.testing.assert_allclose(array(mixed)[..., columns], array(given)[..., columns], rtol=1e-12, atol=1e-14)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:No path is given")
def test_pieces_and_other_times_of_such_a_problem(two_leg: TwoLeg, lacking: PolynomialGeometry, tmp_path: Path) -> None:
    files = two_leg.model, two_leg.motion, two_leg.loads
    whole = load_problem(*files, geometry=lacking, cache=tmp_path)
    pieces = list(open_trial(ReadOptions(*files, geometry=lacking)).pieces(25))
    for name in ("moment_arm", "max_force"):
        joined = np.concatenate([getattr(piece, name) for piece in pieces])
        np.testing.assert_allclose(joined, getattr(whole, name), rtol=1e-10, atol=1e-9)
    again = load_problem(*files, geometry=lacking, cache=tmp_path)
    np.testing.assert_array_equal(again.moment_arm, whole.moment_arm)
    assert len([path for path in tmp_path.glob("*.npz") if not path.name.startswith("model-")]) == 1
    there = whole.resample(whole.time[3:9])
    np.testing.assert_allclose(there.moment_arm, whole.moment_arm[3:9], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(speeds(there), speeds(whole)[3:9], rtol=1e-9, atol=1e-12)


# ------------------------------------------------------------------------------------------------ maximum forces


def cosines(problem: RedundancyProblem) -> tuple[np.ndarray, np.ndarray]:
    """cos α along a rigid tendon (T, M), and the one that OpenSim's gain has been multiplied by.

    Fibres of constant height, α = asin(height / fibre length). De Groote's gain has no cosine; Millard's takes that
    of the normalised fibre length read as metres.
    """
    own = parameters_of(problem)
    along = lengths(problem) - own.tendon_slack_length
    assert (along > 0.3 * own.optimal_fiber_length).all()  # no fibre at its shortest, where other rules hold
    height = own.optimal_fiber_length * np.sin(own.pennation_angle)
    fibre = np.hypot(along, height)
    cosine = along / fibre
    used = cosine.copy()
    for column, kind in enumerate(own.classes):
        if kind == "DeGrooteFregly2016Muscle":
            used[:, column] = 1.0
        elif kind == "Millard2012EquilibriumMuscle":
            used[:, column] = np.cos(np.arcsin(height[column] * own.optimal_fiber_length[column] / fibre[:, column]))
    return cosine, used


def test_corrected_forces_have_the_cosine_of_the_pennation(two_leg: TwoLeg, exact: RedundancyProblem) -> None:
    corrected = load_problem(two_leg.model, two_leg.motion, two_leg.loads, gain="corrected")
    cosine, used = cosines(exact)
    np.testing.assert_allclose(corrected.max_force, exact.max_force / used * cosine, rtol=COSINES)
    kinds = np.array(parameters_of(exact).classes)
    changed = np.abs(corrected.max_force / exact.max_force - 1.0).max(axis=0) > 1e-3
    assert set(kinds[changed]) == {"DeGrooteFregly2016Muscle", "Millard2012EquilibriumMuscle"}
    assert not changed[kinds == "Thelen2003Muscle"].any()
    np.testing.assert_array_equal(corrected.moment_arm, exact.moment_arm)


@pytest.mark.slow
@pytest.mark.parametrize("gain", ["opensim", "corrected"])
def test_forces_along_polynomial_paths(two_leg: TwoLeg, fitted: PolynomialGeometry, gain: str) -> None:
    problem = load_problem(two_leg.model, two_leg.motion, geometry=fitted, gain=gain)  # type: ignore[arg-type]
    expected = rigid_tendon_gain(parameters_of(problem), lengths(problem), speeds(problem), gain)  # type: ignore[arg-type]
    np.testing.assert_array_equal(problem.max_force, expected)


@pytest.mark.slow
@pytest.mark.parametrize("polynomial", [False, True])
def test_isometric_forces(two_leg: TwoLeg, fitted: PolynomialGeometry, polynomial: bool) -> None:
    geometry = fitted if polynomial else "opensim"
    problem = load_problem(two_leg.model, two_leg.motion, gain="isometric", geometry=geometry)
    assert problem.max_force.shape == (70, 20)
    strength = parameters_of(problem).max_isometric_force
    np.testing.assert_array_equal(problem.max_force, np.broadcast_to(strength, (70, 20)))
