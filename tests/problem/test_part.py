"""Parts of a body: which coordinates and muscles are kept, and what happens to the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from osimopt import InputError, RedundancyProblem, solve_static
from osimopt.problem.names import match_names, side_of
from osimopt.problem.resampling import Fingerprint
from osimopt.problem.reserves import ReserveActuators

COORDINATES = ("pelvis", "hip_r", "knee_r", "hip_l", "knee_l")
MUSCLES = ("hipflex_r", "ham_r", "vas_r", "hipflex_l", "ham_l", "vas_l")
#: Rounding of two solves of the same frames.
SAME = 1e-9


def legs(frames: int = 4, **changes: Any) -> RedundancyProblem:
    """Two legs that share no muscle, and a pelvis without any."""
    random = np.random.default_rng(3)
    arm = np.zeros((frames, 5, 6))
    for row, muscle, size in ((1, 0, 0.04), (1, 1, -0.06), (2, 1, -0.03), (2, 2, 0.04)):
        arm[:, row, muscle] = size
        arm[:, row + 2, muscle + 3] = size * 1.1
    arm *= random.uniform(0.9, 1.1, (frames, 1, 1))
    moments = random.uniform(5.0, 15.0, (frames, 5))
    given = {"muscles": MUSCLES, "coordinates": COORDINATES, "reserves": 1.0, "time": np.arange(frames) / 100.0}
    return RedundancyProblem.from_arrays(arm, np.full(6, 900.0), moments, **{**given, **changes})


@pytest.mark.parametrize("left_out", ["ignore", "residuals"])
@pytest.mark.parametrize("cost", ["activation_power", "sum_stress_squared", "min_max"])
def test_one_leg_alone_has_the_forces_of_the_whole(cost: str, left_out: Any) -> None:
    whole = legs()
    left = whole.part("left", left_out=left_out)
    assert left.muscles == MUSCLES[3:]
    if cost == "min_max":  # the largest of both legs: one that the right leg does not raise
        whole = replace(whole, generalized_force=whole.generalized_force * np.array([1.0, 0.0, 0.0, 1.0, 1.0]))
        left = whole.part("left", left_out=left_out)
    both, alone = solve_static(whole, cost), solve_static(left, cost)
    assert np.abs(alone.muscle_force - both.muscle_force[:, 3:]).max() < (1e-4 if cost == "min_max" else SAME) * 900.0
    assert alone.success


def test_what_is_left_out_is_listed() -> None:
    part = legs().part(["knee_l"])
    assert part.coordinates == ("knee_l",)
    assert part.muscles == ("ham_l", "vas_l")
    assert part.reserves.names == ("reserve_knee_l",)
    assert part.provenance["part"] == {
        "left_out": "ignore",
        "coordinates": ["pelvis", "hip_r", "knee_r", "hip_l"],
        "muscles": ["hipflex_r", "ham_r", "vas_r", "hipflex_l"],
        "actuators": [],
        "acting_beyond": ["ham_l"],
    }
    (text,) = part.provenance["warnings"]
    assert text == (
        "1 of 5 coordinates are balanced, by 2 of 6 muscles. Left out of the balance: pelvis, hip_r, knee_r, hip_l. "
        "Muscles without force: hipflex_r, ham_r, vas_r, hipflex_l. Muscles that act on left-out coordinates too, "
        "where their moments are not balanced (1): ham_l."
    )
    assert text in solve_static(part).findings()


def test_muscles_alone_keep_the_coordinates_that_they_cross() -> None:
    part = legs().part(muscles=["ham_l", "vas_*"])
    assert part.coordinates == ("knee_r", "hip_l", "knee_l")
    assert part.muscles == ("vas_r", "ham_l", "vas_l")


def test_coordinates_and_muscles_are_both_limits() -> None:
    part = legs().part("left", ["vas_l", "ham_r"])  # ham_r crosses no coordinate of the left side
    assert part.coordinates == ("hip_l", "knee_l")
    assert part.muscles == ("vas_l",)
    assert "Coordinates whose muscles are left out, balanced by reserves: hip_l." in part.provenance["warnings"][-1]


def test_every_array_is_cut() -> None:
    whole = legs(weights=np.arange(1.0, 7.0), pcsa=np.arange(2.0, 8.0), bounds=(np.arange(6) / 100.0, 1.0))
    whole = replace(whole, passive_force=np.arange(24.0).reshape(4, 6))
    part = whole.part(["hip_l", "knee_l"])
    for name in ("weights", "pcsa", "lower", "upper"):
        assert np.array_equal(getattr(part, name), getattr(whole, name)[3:])
    for name in ("max_force", "passive_force"):
        assert np.array_equal(getattr(part, name), getattr(whole, name)[:, 3:])
    assert np.array_equal(part.moment_arm, whole.moment_arm[:, 3:, 3:])
    assert np.array_equal(part.generalized_force, whole.generalized_force[:, 3:])


def test_nothing_left_out_is_the_problem_itself() -> None:
    whole = legs()
    assert whole.part() is whole.part("*") is whole.part("*", "*") is whole


def test_parts_of_parts_remember_both() -> None:
    part = legs().part("left").part("hip_l")
    assert part.coordinates == ("hip_l",)
    assert part.provenance["part"]["coordinates"] == ["pelvis", "hip_r", "knee_r", "knee_l"]
    assert set(part.provenance["part"]["muscles"]) == {"hipflex_r", "ham_r", "vas_r", "vas_l"}


def test_residuals_hold_what_is_left_out() -> None:
    part = legs().part(["knee_l"], left_out="residuals")
    assert part.coordinates == COORDINATES
    assert part.reserves.names == (
        "reserve_knee_l", "residual_pelvis", "residual_hip_r", "residual_knee_r", "residual_hip_l"
    )  # fmt: skip
    assert part.geometry.served.tolist() == [False, False, False, False, True]
    solution = solve_static(part)
    control = dict(zip(part.reserves.names, solution.reserve_control.T, strict=True))
    ham = solution.muscle_force[:, 0] * part.moment_arm[:, 3, 0]
    np.testing.assert_allclose(250.0 * control["residual_hip_l"], part.generalized_force[:, 3] - ham, atol=1e-9)
    assert set(solution.reserve_share()) == {"reserve_knee_l"}


def test_an_actuator_of_both_is_kept_whole_by_residuals() -> None:
    effect = np.zeros((1, 5, 1))
    effect[0, 3:, 0] = 20.0, 10.0
    both = ReserveActuators(("exo",), effect, np.array([1.0]), np.array([-1.0]), np.array([1.0]), ("model",))
    whole = legs(reserves=both)
    assert whole.part("knee_l").reserves.effect.tolist() == [[[10.0]]]
    assert whole.part("knee_l", left_out="residuals").reserves.effect[0, :, 0].tolist() == [0.0, 0.0, 0.0, 20.0, 10.0]
    assert whole.part("right").reserves.names == ()


def test_moment_arms_about_joints_that_a_muscle_does_not_cross_do_not_count() -> None:
    whole = legs()
    arm = whole.moment_arm.copy()
    arm[:, 3, 5] = 2e-4  # OpenSim's wrapping
    leaking = RedundancyProblem.from_arrays(
        arm, np.full(6, 900.0), whole.generalized_force, muscles=MUSCLES, coordinates=COORDINATES
    )
    pairs = leaking.geometry
    crossing = ~((pairs.pair_coordinate == 3) & (pairs.pair_muscle == 5))
    assert leaking.part(muscles=["vas_l"]).coordinates == ("hip_l", "knee_l")
    leaking = replace(leaking, geometry=replace(pairs, crossing=crossing))
    assert leaking.part(muscles=["vas_l"]).coordinates == ("knee_l",)
    assert leaking.part(["hip_l"]).muscles == ("hipflex_l", "ham_l")
    assert leaking.part("left").moment_arm[0, 0, 2] == 2e-4  # it acts there, as in the whole


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("soleus_l", "left"), ("knee_angle_R", "right"), ("l_soleus", "left"), ("R_knee", "right"),
        ("knee_angle_l_beta", "left"), ("left_knee", "left"), ("KneeRight", "right"), ("kneeL", "left"),
        ("RKneeAngle", "right"), ("hip.right", "right"), ("glut_med_l_2", "left"), ("flex_l_r", "right"),
        ("pelvis_tilt", None), ("TRIlong", None), ("lumbar", None), ("L5_S1", None), ("rectus", None),
    ],
)  # fmt: skip
def test_sides_of_names(name: str, side: str | None) -> None:
    assert side_of(name) == side


def test_names_patterns_and_sides() -> None:
    assert match_names("coordinates", ["left", "knee_*", "pelvis"], COORDINATES).tolist() == [0, 2, 3, 4]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"coordinates": "knee_left"}, r"coordinates among pelvis, .*, got knee_left. Did you mean knee_l\?"),
        ({"coordinates": ["*_x"]}, r"coordinates among pelvis, .*, got \*_x. "),
        ({"muscles": "soleus_l"}, r"muscles among hipflex_r, .*, got soleus_l. "),
        ({"muscles": []}, r"muscles as names, patterns or a side, got \[\]. Write for example muscles="),
        ({"coordinates": 3}, r"coordinates as names, patterns or a side, got 3"),
        ({"coordinates": ["pelvis"]}, r"muscles with a moment arm about the coordinates, got none about pelvis"),
        ({"coordinates": "left", "muscles": "right"}, "moment arm about the coordinates, got none about hip_l, knee_l"),
        ({"coordinates": "left", "left_out": "drop"}, "left_out among ignore, residuals, got 'drop'"),
    ],
)
def test_wrong_parts(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        legs().part(**given)


def test_a_side_that_no_name_has() -> None:
    elbow = RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], 12.0, muscles=["BIC", "BRA"])
    with pytest.raises(InputError, match=r"muscles of the left side, .*, got none among BIC, BRA\. "):
        elbow.part(muscles="left")


class Whole:
    """A source of the whole problem at any time."""

    def __init__(self, problem: RedundancyProblem) -> None:
        self.problem, self.fingerprint = problem, Fingerprint.of(problem)

    def at(self, times: Any) -> RedundancyProblem:
        return replace(self.problem.moved(times, lambda array: np.repeat(array[:1], len(times), axis=0)), source=self)


def test_a_part_is_resampled_by_the_source_of_the_whole() -> None:
    whole = legs().moved(np.arange(4) / 100.0, lambda array: np.repeat(array[:1], 4, axis=0))
    whole = replace(whole, source=Whole(whole))
    part = whole.part("left").resample([0.005, 0.015])
    assert part.provenance["resampling"]["by"] == "model"
    assert part.muscles == MUSCLES[3:]
    assert len(part.provenance["warnings"]) == 1
    changed = replace(whole, max_force=whole.max_force * 1.1).part("left")
    assert changed.source is None
