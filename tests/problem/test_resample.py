"""Problems at other times: by the model, by spline, and what is said of it."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import osimopt
from osimopt import InputError, RedundancyProblem
from osimopt.adapters.load import open_trial
from osimopt.adapters.options import ReadOptions
from osimopt.errors import ModelError
from osimopt.files.storage import write_table
from osimopt.polynomial import MusclePolynomial, PolynomialGeometry
from osimopt.problem.archive import read_problem, write_problem
from osimopt.problem.reserves import ReserveActuators
from osimopt.signals import interpolate

Array = NDArray[np.float64]

#: Share of an array's peak: the same frames, extracted beside others.
SAME = 1e-9
#: Share of an array's peak: a motion of every second frame (0.02 s apart), splined, then the model; 3e-5 was seen.
BY_MODEL = 1e-3
#: Share of an array's peak: splines beside the model, at kinks where a muscle begins to wrap.
KINKS = 0.02
#: Lengths of a muscle (m) over the elbow's angle: constant, linear, quadratic.
ELBOW = np.array([0.3, -0.03, 0.01])


def waves(time: Array, frequency: float = 1.0) -> RedundancyProblem:
    """Two coordinates and three muscles whose arrays are sines of time; a muscle's force touches 0."""
    phase = 2.0 * np.pi * frequency * time[:, None]
    arm = 0.04 + 0.01 * np.sin(phase[:, :, None] + np.arange(6.0).reshape(2, 3))
    arm[:, 1, 0] = 0.0
    force = 500.0 * (1.0 - np.cos(phase + np.arange(3.0)))
    moment = np.hstack([20.0 * np.sin(phase), 5.0 * np.cos(phase)])
    passive = 10.0 + 5.0 * np.sin(phase + np.arange(3.0))
    problem = RedundancyProblem.from_arrays(
        arm, force, moment, pcsa=[1.0, 2.0, 3.0], passive_force=passive, time=time, reserves=1.0
    )
    effect = np.zeros((len(time), 2, 1))
    effect[:, 0, 0] = 2.0 + np.sin(phase[:, 0])
    one = np.ones(1)
    return problem.with_reserves(ReserveActuators(("belt",), effect, 2.0 * one, -one, one, ("reserve",)))


@dataclass(frozen=True)
class Waves:
    """The source of ``waves``."""

    frequency: float = 1.0

    def at(self, times: Array) -> RedundancyProblem:
        return replace(waves(times, self.frequency), source=self)


def middle(time: Array) -> Array:
    return 0.5 * (time[1:] + time[:-1])


def arrays(problem: RedundancyProblem) -> dict[str, Array]:
    return {
        "moment_arm_m": problem.geometry.moment_arms,
        "max_force_N": problem.max_force,
        "passive_force_N": problem.passive_force,
        "generalized_force": problem.generalized_force,
        "reserve_effect": problem.reserves.effect,
    }


def assert_close(got: RedundancyProblem, expected: RedundancyProblem, share: float, *but: str) -> None:
    np.testing.assert_allclose(got.time, expected.time, rtol=0.0, atol=1e-12)
    for name, array in arrays(expected).items():
        if name not in but:
            off = np.abs(arrays(got)[name] - array).max(initial=0.0)
            assert off <= share * np.abs(array).max(initial=0.0), f"{name} off by {off:.3g}"


# ------------------------------------------------------------------------------------------- which times


def test_the_problems_own_times_return_itself() -> None:
    problem = waves(np.linspace(0.0, 1.0, 21))
    assert problem.resample(problem.time) is problem
    assert problem.resample(list(problem.time + 1e-10)) is problem
    assert len(problem.resample(problem.time[::2])) == 11


def test_times_a_hair_beyond_the_ends_are_the_ends() -> None:
    problem = waves(np.linspace(0.0, 1.0, 21))
    found = problem.resample([-5e-10, 0.33, 1.0 + 5e-10])
    assert found.time.tolist() == [0.0, 0.33, 1.0]
    np.testing.assert_array_equal(found.max_force[[0, 2]], problem.max_force[[0, -1]])


@pytest.mark.parametrize(
    ("times", "got"),
    [
        ([], r"shape \(0,\)"),
        (0.5, r"shape \(\)"),
        ([[0.5]], r"shape \(1, 1\)"),
        ([0.2, np.nan], "NaN or infinity at 1"),
        ([0.2, 0.2], "0.2 s after 0.2 s"),
        ([0.3, 0.2], "0.2 s after 0.3 s"),
        ([0.5, 1.001], "0.5 to 1.001 s"),
        ([-2e-9, 0.5], "-2e-09 to 0.5 s"),
    ],
)
def test_other_times_are_refused(times: Any, got: str) -> None:
    problem = waves(np.linspace(0.0, 1.0, 21))
    with pytest.raises(InputError, match=rf"expected increasing times between 0 and 1 s, got .*{got}"):
        problem.resample(times)


def test_a_single_frame_has_only_its_own_time() -> None:
    problem = waves(np.array([0.4]))
    assert problem.resample([0.4]) is problem
    with pytest.raises(InputError, match=r"between 0.4 and 0.4 s"):
        problem.resample([0.5])


# ---------------------------------------------------------------------------------------------- by spline


def test_spline_keeps_what_is_not_of_time() -> None:
    problem = replace(waves(np.linspace(0.0, 1.0, 41)), provenance={"source": "arrays", "warnings": ["Careful."]})
    problem = problem.with_weights([1.0, 2.0, 3.0])
    found = problem.resample(middle(problem.time))
    assert len(found) == 40
    assert found.weights is problem.weights
    assert found.pcsa is problem.pcsa
    assert found.actuators == problem.actuators
    assert found.source is None
    told = found.provenance["resampling"]
    assert (told["by"], told["why"], told["frames"]) == ("spline", "the model is not available", 41)
    assert found.provenance["warnings"] == ["Careful."]
    assert "resampling" not in problem.provenance
    assert_close(found, waves(found.time), 1e-4)


def test_forces_do_not_fall_below_zero() -> None:
    problem = waves(np.linspace(0.0, 1.0, 21))
    problem = replace(problem, max_force=np.maximum(problem.max_force - 500.0, 0.0))
    times = np.linspace(0.0, 1.0, 201)
    assert interpolate(problem.time, problem.max_force, times).min() < 0.0
    assert problem.resample(times).max_force.min() == 0.0


def test_samples_come_back_as_they_are() -> None:
    time = np.sort(np.random.default_rng(1).uniform(0.0, 1.0, 12))
    value = np.random.default_rng(2).normal(size=(12, 3))
    times = np.sort(np.concatenate([time, middle(time)]))
    np.testing.assert_array_equal(interpolate(time, value, times)[::2], value)


@pytest.mark.parametrize("frames", [2, 3, 4, 5])
def test_few_frames_are_a_polynomial(frames: int) -> None:
    time = np.linspace(0.0, 1.0, frames)
    value = np.stack([time ** (frames - 1), np.ones(frames)], axis=1)
    times = np.linspace(0.0, 1.0, 17)
    expected = np.stack([times ** (frames - 1), np.ones(17)], axis=1)
    np.testing.assert_allclose(interpolate(time, value, times), expected, atol=1e-14)


def test_two_frames_tell_no_error() -> None:
    found = waves(np.array([0.0, 0.1])).resample([0.05])
    assert found.provenance["resampling"]["error"] is None
    assert any("2 frames" in line for line in found.provenance["warnings"])


def test_order_of_convergence() -> None:
    """Sixth within, where the natural ends are not felt; at them the third or better (theirs have f''' = 0)."""
    inner, ends = [], []
    for frames in (21, 41, 81):
        time = np.linspace(0.0, 1.0, frames)
        times = middle(time)
        off = np.abs(waves(time).resample(times).generalized_force - waves(times).generalized_force).max(axis=1)
        inner.append(off[np.abs(times - 0.5) < 0.1].max())
        ends.append(off.max())
    assert np.log2(inner[0] / inner[1]) > 5.0
    assert np.log2(inner[1] / inner[2]) > 5.5
    assert np.log2(ends[1] / ends[2]) > 2.5


@settings(max_examples=25, deadline=None)
@given(frequency=st.floats(0.2, 4.0), frames=st.integers(12, 60), share=st.floats(0.05, 0.95))
def test_the_estimate_is_above_the_error(frequency: float, frames: int, share: float) -> None:
    """Where a period has 4 frames or more, so that there is something to see in every second one."""
    time = np.linspace(0.0, 1.0, frames)
    if frames < 4.0 * frequency + 1.0:
        return
    times = time[:-1] + share * np.diff(time)
    found, true = waves(time, frequency).resample(times), waves(times, frequency)
    error = found.provenance["resampling"]["error"]
    for name, array in arrays(true).items():
        worst = max(error[name].values()) if name == "generalized_force" else error[name]
        assert np.abs(arrays(found)[name] - array).max() <= worst + 1e-12 * np.abs(array).max(), name


def test_a_large_error_is_a_warning_with_names() -> None:
    few = waves(np.linspace(0.0, 1.0, 9), 2.0).resample([0.4])
    said = few.provenance["warnings"]
    told = [line for line in said if "generalized_force" in line]
    assert len(told) == 1
    error = few.provenance["resampling"]["error"]["generalized_force"]
    assert set(error) == set(few.coordinates)
    worst = max(error, key=error.get)
    assert f"N·m (N) for {worst} (" in told[0]
    assert f"misses it by up to {error[worst]:.3g} N·m" in told[0]
    assert "higher rate" in told[0]
    assert any("moment_arm_m" in line and " about " in line for line in said)
    many = waves(np.linspace(0.0, 1.0, 81), 2.0).resample([0.4])
    assert not many.provenance["warnings"]


def test_where_nothing_is_interpolated_nothing_is_said() -> None:
    """Frames of the problem itself, however rough it is between them."""
    rough = waves(np.linspace(0.0, 1.0, 9), 2.0)
    found = rough.resample(rough.time[1:6:2] + 1e-10)
    assert not found.provenance["warnings"]
    assert (found.provenance["resampling"]["by"], found.provenance["resampling"]["error"]) == ("frames", None)
    np.testing.assert_allclose(found.max_force, rough.max_force[1:6:2], atol=1e-5)
    two = waves(np.array([0.0, 0.1]))
    assert not two.resample([0.1]).provenance["warnings"]
    assert rough.resample([0.125, 0.3]).provenance["warnings"]


@pytest.mark.parametrize(("frames", "frequency", "warned"), [(61, 6.0, True), (61, 4.0, False), (121, 10.0, False)])
def test_what_is_warned_of_is_about_the_error(frames: int, frequency: float, warned: bool) -> None:
    """A spline through every second frame misses these waves by 1.5 to 5 %, one through all by 0.2 to 0.6 %."""
    fast = waves(np.linspace(0.0, 1.0, frames), frequency)
    times = middle(fast.time)
    found = fast.resample(times)
    off = np.abs(found.generalized_force - waves(times, frequency).generalized_force)[:, 0].max()
    assert found.provenance["resampling"]["error"]["generalized_force"]["coordinate_0"] > 5.0 * off
    lines = [line for line in found.provenance["warnings"] if "generalized_force" in line]
    assert bool(lines) == warned
    if warned:
        assert off / 3.0 < float(lines[0].split("off by about ")[1].split()[0]) < 3.0 * off


def test_errors_elsewhere_are_not_of_interest() -> None:
    """A kink at 0.8 s is nothing to times up to 0.3 s."""
    time = np.linspace(0.0, 1.0, 81)
    moment = 20.0 * np.abs(time - 0.8)[:, None] ** 0.5
    problem = RedundancyProblem.from_arrays([0.05], [1000.0], moment, time=time)
    assert problem.resample(middle(time)).provenance["warnings"]
    assert not problem.resample(middle(time)[:24]).provenance["warnings"]


def test_small_moments_are_judged_by_the_largest_of_their_unit() -> None:
    """A coordinate that wobbles by 0.05 N·m beside one of 20 N·m is no finding, one of 0.05 N beside 0.1 N is."""
    time = np.linspace(0.0, 1.0, 12)
    moment = np.stack([20.0 * np.ones(12), 0.05 * (-1.0) ** np.arange(12)], axis=1)
    problem = RedundancyProblem.from_arrays(
        0.05 * np.ones((2, 3)), np.ones(3), moment, time=time, coordinates=["a", "b"]
    )
    assert not problem.resample([0.5]).provenance["warnings"]
    told = replace(problem, provenance={"units": {"a": "N·m", "b": "N"}}).resample([0.5]).provenance["warnings"]
    assert len(told) == 1
    assert "for b (" in told[0]


# ----------------------------------------------------------------------------------------- by any source


def test_source_gives_the_arrays_and_the_problem_the_rest() -> None:
    problem = replace(waves(np.linspace(0.0, 1.0, 9)), source=Waves()).with_weights([1.0, 2.0, 3.0])
    found = problem.resample(np.linspace(0.03, 0.99, 50))
    assert found.provenance["resampling"]["by"] == "model"
    assert_close(found, waves(found.time), 0.0)
    assert found.weights.tolist() == [1.0, 2.0, 3.0]
    assert found.source is problem.source
    again = found.resample([0.03, 0.5])
    assert again.provenance["resampling"] == {"by": "model", "why": "the model is available", "frames": 50}


def test_frames_keep_the_source() -> None:
    problem = replace(waves(np.linspace(0.0, 1.0, 9)), source=Waves())
    assert problem.frames(slice(2, 6)).resample([0.3]).provenance["resampling"]["by"] == "model"
    with pytest.raises(InputError, match=r"between 0.25 and 0.625 s"):
        problem.frames(slice(2, 6)).resample([0.2, 0.3])


@pytest.mark.parametrize("name", ["max_force", "passive_force", "generalized_force"])
def test_arrays_that_were_changed_are_splined(name: str) -> None:
    problem = replace(waves(np.linspace(0.0, 1.0, 41)), source=Waves())
    changed = replace(problem, **{name: 1.01 * getattr(problem, name)})
    found = changed.resample(middle(problem.time))
    told = found.provenance["resampling"]
    assert told["by"] == "spline"
    assert name in told["why"]
    np.testing.assert_allclose(getattr(found, name), 1.01 * getattr(waves(found.time), name), rtol=0.0, atol=0.05)


def test_one_frame_that_was_changed_is_seen_where_it_is_asked_for() -> None:
    problem = replace(waves(np.linspace(0.0, 1.0, 41)), source=Waves())
    moment = problem.generalized_force.copy()
    moment[7] += 1.0
    found = replace(problem, generalized_force=moment).resample(problem.time[:20])
    assert found.provenance["resampling"]["why"] == "the problem's generalized_force at 0.175 s is not the model's"
    np.testing.assert_array_equal(found.generalized_force, moment[:20])


def test_moment_arms_and_pairs_that_were_changed_are_splined() -> None:
    problem = replace(waves(np.linspace(0.0, 1.0, 41)), source=Waves())
    moved = replace(problem.geometry, moment_arms=problem.geometry.moment_arms + 1e-3)
    assert "moment arms" in replace(problem, geometry=moved).resample([0.5]).provenance["resampling"]["why"]
    swapped = replace(problem.geometry, muscles=("a", "b", "c"))
    found = replace(problem, geometry=swapped).resample([0.5])
    assert "muscles" in found.provenance["resampling"]["why"]
    assert found.muscles == ("a", "b", "c")


def test_own_reserves_stay() -> None:
    problem = replace(waves(np.linspace(0.0, 1.0, 41)), source=Waves())
    times = middle(problem.time)
    constant = problem.with_reserves(7.0).resample(times)
    assert constant.provenance["resampling"]["by"] == "model"
    assert constant.reserves.effect.shape == (1, 2, 2)
    assert constant.reserves.optimal_force.tolist() == [7.0, 7.0]
    alike = problem.with_reserves(replace(problem.reserves, effect=np.full((1, 2, 1), 9.0))).resample(times)
    assert alike.provenance["resampling"]["by"] == "model"
    assert alike.reserves.effect.tolist() == [[[9.0], [9.0]]]
    own = replace(problem.reserves, names=("rope",), effect=3.0 * problem.reserves.effect)
    varying = problem.with_reserves(own).resample(times)
    assert varying.provenance["resampling"]["by"] == "model"
    np.testing.assert_allclose(varying.reserves.effect, 3.0 * waves(times).reserves.effect, atol=1e-3)
    stronger = replace(problem.reserves, effect=3.0 * problem.reserves.effect)
    assert "reserve effect" in problem.with_reserves(stronger).resample(times).provenance["resampling"]["why"]


@dataclass(frozen=True)
class Gone:
    """A source whose model is not there any more."""

    error: Exception

    def at(self, times: Array) -> RedundancyProblem:
        raise self.error


@pytest.mark.parametrize("error", [ModelError("the file changed"), FileNotFoundError("no model.osim")])
def test_a_model_that_does_not_answer_is_told_of(error: Exception) -> None:
    problem = replace(waves(np.linspace(0.0, 1.0, 41)), source=Gone(error))
    found = problem.resample([0.51])
    assert found.provenance["resampling"]["by"] == "spline"
    assert any("could not be evaluated" in line and str(error) in line for line in found.provenance["warnings"])


# ------------------------------------------------------------------------------------------ by a real model


@pytest.fixture(scope="module")
def halved(arm: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[RedundancyProblem, RedundancyProblem]:
    """Arm26 along every second frame of its motion, and along all."""
    table = osimopt.read_table(arm.motion)
    folder = tmp_path_factory.mktemp("halved")
    path = folder / "every_second.mot"
    thin = table.iloc[::2]
    thin.attrs.update(table.attrs)
    write_table(thin, path, name="every_second", in_degrees=table.attrs["in_degrees"])
    return osimopt.load_problem(arm.model, path), osimopt.load_problem(arm.model, arm.motion)


def test_model_at_the_frames_between(halved: tuple[RedundancyProblem, RedundancyProblem]) -> None:
    sparse, dense = halved
    model = sparse.resample(dense.time)
    spline = replace(sparse, source=None).resample(dense.time)
    assert model.provenance["resampling"]["by"] == "model"
    assert spline.provenance["resampling"]["by"] == "spline"
    assert_close(model, dense, BY_MODEL)
    error = {name: [np.abs(arrays(p)[name] - a).max() for p in (model, spline)] for name, a in arrays(dense).items()}
    assert error["moment_arm_m"][0] < 0.5 * error["moment_arm_m"][1]
    assert error["max_force_N"][0] < 0.5 * error["max_force_N"][1]


def test_denser_problem_solves_alike(halved: tuple[RedundancyProblem, RedundancyProblem]) -> None:
    sparse, dense = halved
    found, expected = (osimopt.solve_static(p, exponent=2).activation for p in (sparse.resample(dense.time), dense))
    np.testing.assert_allclose(found, expected, atol=BY_MODEL)


def test_source_survives_copies(arm: Any) -> None:
    problem = osimopt.load_problem(arm.model, arm.motion, time_range=(0.2, 0.5))
    times = middle(problem.time)
    expected = problem.resample(times)
    for other in (pickle.loads(pickle.dumps(problem)), copy.deepcopy(problem)):
        found = other.resample(times)
        assert found.provenance["resampling"]["by"] == "model"
        assert_close(found, expected, SAME)


def test_kept_problems_have_no_source(arm: Any, tmp_path: Path) -> None:
    asked = (arm.model, arm.motion, None, None, (0.2, 0.5))
    fresh = osimopt.load_problem(*asked, cache=tmp_path)
    kept = osimopt.load_problem(*asked, cache=tmp_path)
    assert fresh.source is not None
    assert kept.source is None
    (file,) = (path for path in tmp_path.glob("*.npz") if not path.name.startswith("model-"))
    with np.load(file) as file_arrays:
        assert "source" not in json.loads(str(file_arrays["header"]))["problem"]
    write_problem(fresh, tmp_path / "own.npz")
    assert read_problem(tmp_path / "own.npz").source is None
    times = middle(kept.time)
    assert kept.resample(times).provenance["resampling"]["by"] == "spline"
    assert_close(kept.resample(times), fresh.resample(times), KINKS)


def test_model_of_two_legs_at_its_own_frames(two_leg: Any) -> None:
    """Coupled patellas, loads, wrapping, and actuators whose effect the posture decides: nothing moves."""
    problem = osimopt.load_problem(two_leg.model, two_leg.motion, two_leg.loads, passive_force=True)
    assert len(problem.reserves.effect) > 1
    found = problem.resample(problem.time[3:40:2])
    assert found.provenance["resampling"]["by"] == "model"
    assert_close(found, problem.frames(slice(3, 40, 2)), SAME)
    assert found.actuators == problem.actuators


def test_model_of_two_legs_between_its_frames(two_leg: Any) -> None:
    problem = osimopt.load_problem(two_leg.model, two_leg.motion, two_leg.loads)
    times = middle(problem.time)[5:-5]
    found = problem.resample(times)
    assert found.provenance["resampling"]["by"] == "model"
    motion = found.kinematics
    assert motion is not None
    assert motion.coupling is not None
    pairs = zip(motion.coupling.dependent, motion.coupling.independent, motion.coupling.slope.T, strict=True)
    for dependent, independent, slope in pairs:
        np.testing.assert_allclose(motion.speed[:, dependent], slope * motion.speed[:, independent], atol=1e-12)
    assert_close(found, replace(problem, source=None).resample(times), KINKS)


def test_prescribed_coordinates_follow_the_model(two_leg: Any, tmp_path: Path) -> None:
    """A wave of 60 rad/s is nothing that a spline through frames of 0.02 s would have right."""
    sine = "<amplitude>0.05</amplitude><omega>60</omega><phase>0</phase><offset>0.1</offset>"
    function = f"<prescribed_function><Sine>{sine}</Sine></prescribed_function><prescribed>true</prescribed>"
    before = '<Coordinate name="hip_adduction_r">'
    text = two_leg.model.read_text()
    assert text.count(before) == 1
    model = tmp_path / "prescribed.osim"
    model.write_text(text.replace(before, before + function))
    table = osimopt.read_table(two_leg.motion)
    motion = tmp_path / "without.mot"
    write_table(table.drop(columns="hip_adduction_r"), motion, in_degrees=table.attrs["in_degrees"])
    problem = osimopt.load_problem(model, motion, two_leg.loads)
    found = problem.resample(middle(problem.time))
    assert found.provenance["resampling"]["by"] == "model"
    assert found.kinematics is not None
    column = found.kinematics.coordinates.index("hip_adduction_r")
    expected = 0.1 + 0.05 * np.sin(60.0 * found.time)
    np.testing.assert_allclose(found.kinematics.value[:, column], expected, atol=1e-12)
    np.testing.assert_allclose(found.kinematics.acceleration[:, column], -3600.0 * (expected - 0.1), atol=1e-8)


def test_given_moments_are_splined(two_leg: Any, tmp_path: Path) -> None:
    """Only some coordinates, and reserves that were asked for: the same at other times."""
    whole = osimopt.load_problem(two_leg.model, two_leg.motion, two_leg.loads)
    assert whole.kinematics is not None
    chosen = [c for c in whole.coordinates if c.startswith(("hip_flexion", "ankle"))]
    columns = [whole.coordinates.index(name) for name in chosen]
    labels = [f"{name}_moment" for name in chosen]
    table = pd.DataFrame(whole.generalized_force[:, columns], index=whole.time, columns=labels)
    path = write_table(table, tmp_path / "moments.sto")
    with pytest.warns(UserWarning, match="their balance is left out"):
        problem = osimopt.load_problem(two_leg.model, two_leg.motion, generalized_force=path, reserves=3.0)
    times = middle(problem.time)
    found = problem.resample(times)
    assert found.provenance["resampling"]["by"] == "model"
    assert found.actuators == problem.actuators
    splined = interpolate(problem.time, problem.generalized_force, times)
    np.testing.assert_allclose(found.generalized_force, splined, atol=1e-9)
    assert not np.allclose(found.geometry.moment_arms, problem.resample(problem.time[:-1]).geometry.moment_arms)


def test_a_trial_is_not_changed_by_asking(two_leg: Any) -> None:
    trial = open_trial(ReadOptions(two_leg.model, two_leg.motion, two_leg.loads))
    time = trial.motion.time
    before = trial.at(middle(time))
    assert "reserves_added" not in trial.provenance
    again = open_trial(ReadOptions(two_leg.model, two_leg.motion, two_leg.loads))
    assert_close(trial.problem(), again.problem(), SAME)
    assert_close(trial.at(middle(time)), before, SAME)
    assert len(trial) == len(time)


def test_polynomial_paths_are_asked_too(arm: Any) -> None:
    muscles = osimopt.load_problem(arm.model, arm.motion, time_range=(0.2, 0.25)).muscles
    paths = [MusclePolynomial(f"/forceset/{m}", ("/jointset/e/r_elbow_flex",), 2, ELBOW) for m in muscles]
    geometry = PolynomialGeometry(tuple(paths))
    problem = osimopt.load_problem(arm.model, arm.motion, time_range=(0.2, 0.5), geometry=geometry)
    found = problem.resample(middle(problem.time))
    assert found.provenance["resampling"]["by"] == "model"
    assert found.kinematics is not None
    angle = found.kinematics.value[:, found.kinematics.coordinates.index("r_elbow_flex")]
    assert found.geometry.length is not None
    np.testing.assert_allclose(found.geometry.length, np.outer(np.polyval(ELBOW[::-1], angle), np.ones(6)), atol=1e-12)


@pytest.mark.slow
def test_walk_against_a_motion_of_twenty_times_the_rate(real_data: Path) -> None:
    """80 muscles at 50 Hz, at the midpoints: arms of 1000 Hz to 0.02 mm by the model, 0.3 mm by spline."""
    folder = real_data / "walk_80muscles"
    model, loads = folder / "walk_80muscles_with_reserves.osim", folder / "grf_walk.xml"
    span = (0.89, 1.09)
    slow = osimopt.load_problem(model, folder / "coordinates_50hz.mot", loads, time_range=span)
    fast = osimopt.load_problem(model, folder / "coordinates_1000hz.mot", loads, time_range=span)
    times = middle(slow.time)
    rows = np.searchsorted(fast.time, times - 1e-6)
    np.testing.assert_allclose(fast.time[rows], times, atol=1e-9)
    by_model, by_spline = slow.resample(times), replace(slow, source=None).resample(times)
    arms = fast.geometry.moment_arms[rows]
    worst = [np.abs(found.geometry.moment_arms - arms).max() for found in (by_model, by_spline)]
    assert worst[0] < 2e-5
    assert worst[0] < worst[1] < 1e-3
    assert by_spline.provenance["resampling"]["error"]["moment_arm_m"] >= worst[1]
    assert np.abs(by_model.generalized_force - fast.generalized_force[rows]).max() < 3.0
