"""Limits of checks of motions, loads and models, each at the value where the verdict turns."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from osimopt import InputError, ModelError
from osimopt.adapters import units
from osimopt.adapters.forces import check_size
from osimopt.adapters.judgement import judged
from osimopt.adapters.messages import Difference
from osimopt.adapters.selfcheck import _worst_slopes
from osimopt.problem.arrays import Coordinate, MuscleGeometry
from osimopt.problem.reserves import ReserveActuators
from osimopt.signals import distinct_rows, lowpass_padded, quintic_spline


def coordinate(low: float, high: float, name: str = "knee", **known: Any) -> Coordinate:
    return Coordinate(
        name, "joint", "free", known.pop("rotational", True), known.pop("default", 0.0), (low, high), **known
    )


# ----------------------------------------------------------------------------------------------------- time series


@pytest.mark.parametrize(("apart", "rows"), [(0.9e-3, 5), (1.1e-3, 6)])
def test_times_repeat_within_a_thousandth_of_the_interval(apart: float, rows: int) -> None:
    time = np.array([0.0, 1.0, 1.0 + apart, 2.0, 3.0, 4.0])
    if rows == len(time):
        assert len(distinct_rows(time, np.ones((6, 1)), ["knee"], "motion")) == rows
    else:
        with pytest.warns(UserWarning, match="1 of 6 times repeat"):
            assert len(distinct_rows(time, np.ones((6, 1)), ["knee"], "motion")) == rows


@pytest.mark.parametrize(("size", "off"), [(1.0, 1e-6), (1e-5, 1e-9)])
def test_rows_that_repeat_differ_by_rounding_at_most(size: float, off: float) -> None:
    """By 1e-6 of the largest magnitude, or by 1e-9."""
    time = np.array([0.0, 1.0, 1.0, 2.0, 3.0])
    value = np.full((5, 1), size)
    value[2] += 0.9 * off
    with pytest.warns(UserWarning, match="The rows agree"):
        distinct_rows(time, value, ["knee"], "motion")
    value[2] += 0.2 * off
    with pytest.raises(InputError, match="a time twice"):
        distinct_rows(time, value, ["knee"], "motion")


@pytest.mark.parametrize(("off", "refused"), [(0.9e-3, True), (1.1e-3, False)])
def test_steps_within_a_thousandth_of_their_mean_are_uniform(off: float, refused: bool) -> None:
    """The cutoff is below half the rate of the mean step of 1 s, or else of the shortest."""
    time = np.arange(12.0)
    time[6:] -= off
    time *= 11.0 / time[-1]
    cutoff = 0.5 * (1.0 + 1e-4)
    if refused:
        with pytest.raises(InputError, match=r"half the rate"):
            lowpass_padded(time, np.zeros((12, 1)), cutoff, 0)
    else:
        lowpass_padded(time, np.zeros((12, 1)), cutoff, 0)


def test_a_quintic_spline_needs_6_frames() -> None:
    quintic_spline(np.arange(6.0), np.zeros((6, 1)))
    with pytest.raises(InputError, match="at least 6 frames"):
        quintic_spline(np.arange(5.0), np.zeros((5, 1)))


# ----------------------------------------------------------------------------------------------------------- units


@pytest.mark.parametrize(("rotational", "slack"), [(True, np.deg2rad(5.0)), (False, 0.01)])
def test_ranges_are_left_by_5_degrees_or_1_cm(rotational: bool, slack: float) -> None:
    one = coordinate(-0.5, 1.0, rotational=rotational)
    assert units.describe_outside(one, np.array([1.0 + 0.99 * slack])) == ""
    assert units.describe_outside(one, np.array([1.0 + 1.01 * slack])) != ""


@pytest.mark.parametrize(("width", "judged"), [(3.99 * np.pi, True), (4.01 * np.pi, False)])
def test_a_range_of_more_than_two_turns_is_not_a_joints(width: float, judged: bool) -> None:
    one = coordinate(0.0, width)
    assert (units.describe_outside(one, np.array([width + 1.0])) != "") is judged
    assert units._informative(one) is judged


@pytest.mark.parametrize(
    ("low", "high", "reached", "limit"),
    [(0.0, 1.0, 1.0, np.pi), (-10.0, 10.0, 2.0 * np.pi, np.pi)],
    ids=["half a turn beyond the range", "wide ranges end at one turn"],
)
def test_angles_too_large_for_radians(low: float, high: float, reached: float, limit: float) -> None:
    one = coordinate(low, high)
    assert not units._impossible(one, np.array([reached + limit - 0.01]))
    assert units._impossible(one, np.array([reached + limit + 0.01]))


@pytest.mark.parametrize(("turns", "judged"), [(9.9, True), (10.1, False)])
def test_a_coordinate_of_more_than_10_turns_may_have_any_angle(turns: float, judged: bool) -> None:
    assert units._impossible(coordinate(0.0, 2.0 * np.pi * turns), np.array([1000.0])) is judged


@pytest.mark.parametrize(
    ("low", "high", "reached", "refused"),
    [(0.0, 1.0, 1.34, True), (0.0, 1.0, 1.36, False), (-10.0, 10.0, 6.28, True), (-10.0, 10.0, 6.29, False)],
)
def test_radians_leave_a_range_by_0_35_and_reach_one_turn_at_most(
    low: float, high: float, reached: float, refused: bool
) -> None:
    free = [coordinate(low, high), coordinate(-5.0, 5.0, "tx", rotational=False, floating=True)]
    table = pd.DataFrame([[0.0, 0.0], [reached, 0.2]], columns=[one.name for one in free])
    if refused:
        with pytest.raises(InputError, match="expected degrees, as the header declares"):
            units._refuse_radians(table, free, "motion")
    else:
        units._refuse_radians(table, free, "motion")


@pytest.mark.parametrize(("asymmetry", "informative"), [(0.099, False), (0.101, True)])
def test_a_range_is_a_joints_where_its_ends_are_not_opposite(asymmetry: float, informative: bool) -> None:
    assert units._informative(coordinate(-1.0 + asymmetry, 1.0 + asymmetry)) is informative


@pytest.mark.parametrize(
    ("knee", "base", "verdict"),
    [
        (0.349, (0.2, 0.2), ""),
        (0.351, (0.2, 0.2), "refused"),
        (0.4, (0.0099, 0.149), "warned"),
        (0.4, (0.0101, 0.0101), "refused"),
        (0.4, (0.0, 0.151), "refused"),
        (0.749, (), "warned"),
        (0.751, (), "refused"),
    ],
)
def test_radians_in_a_file_of_degrees(knee: float, base: tuple[float, ...], verdict: str) -> None:
    """An angle moves by 0.35; the base by 0.01 m in each direction or 0.15 m in one, or the angle covers half."""
    free = [coordinate(-0.5, 1.0)]
    free += [coordinate(-5.0, 5.0, f"t{i}", rotational=False, floating=True) for i in range(len(base))]
    table = pd.DataFrame([np.zeros(len(free)), [knee, *base]], columns=[one.name for one in free])
    if verdict == "refused":
        with pytest.raises(InputError, match="expected degrees, as the header declares"):
            units._refuse_radians(table, free, "motion")
    elif verdict == "warned":
        with pytest.warns(UserWarning, match="the header declares degrees"):
            units._refuse_radians(table, free, "motion")
    else:
        units._refuse_radians(table, free, "motion")


def test_an_angle_below_0_001_is_zero_in_either_unit() -> None:
    one = coordinate(-0.5, 1.0, converted=False)
    assert not units._converts(one, np.array([0.9e-3]), "motion")
    with pytest.raises(InputError, match="expected one unit"):
        units._converts(one, np.array([1.1e-3]), "motion")


@pytest.mark.parametrize(
    ("known", "value", "millimetres"),
    [
        ({"floating": False}, (0.0, 4.9), False),
        ({"floating": False}, (0.0, 5.1), True),
        ({"floating": True}, (0.0, 99.0), False),
        ({"floating": True}, (0.0, 101.0), True),
        ({"floating": True}, (1000.0, 1009.9), False),
        ({"floating": True}, (1000.0, 1010.1), True),
    ],
)
def test_translations_in_millimetres(known: dict[str, bool], value: tuple[float, float], millimetres: bool) -> None:
    """Ten times beyond the range of a joint; a base beyond 100 m and faster than 100 m/s."""
    one = coordinate(-0.5, 0.5, rotational=False, **known)
    assert units._in_millimetres(one, np.array(value), np.array([0.0, 0.1])) is millimetres


# ------------------------------------------------------------------------------------------------ forces and models


@pytest.mark.parametrize(("moment", "verdict"), [(19.8, ""), (20.2, "warned"), (198.0, "warned"), (202.0, "refused")])
def test_moments_are_ten_times_what_could_act_at_most(moment: float, verdict: str) -> None:
    """A weight of 1 N with a lever of 2 m; above ten times there is a warning, above a hundred an error."""
    none = np.zeros(0, dtype=np.intp)
    geometry = MuscleGeometry((), ("knee",), none, none, np.zeros((1, 0)))
    knee, actuators = [coordinate(-1.0, 2.0)], ReserveActuators.none(1)
    arguments: Any = (np.zeros(1), np.array([[moment]]), knee, geometry, np.zeros(0), actuators, 1.0)
    if verdict == "refused":
        with pytest.raises(InputError, match=r"below 200 N·m, 100 times"):
            check_size(*arguments)
    elif verdict == "warned":
        with pytest.warns(UserWarning, match="times what weight"):
            assert check_size(*arguments)
    else:
        assert check_size(*arguments) == []


@pytest.mark.parametrize(
    ("kind", "limit"),
    [
        ("coordinates", 1e-9),
        ("rates", 1e-8),
        ("moment arms", 1e-6),
        ("maximum forces", 3e-5),
        ("inverse dynamics", 1e-6),
        ("equations of motion", 1e-6),
        ("slopes of lengths", 1e-6),
        ("straight lengths", 1e-8),
        ("accelerations", 1e-6),
    ],
)
def test_two_computations_by_opensim_agree(kind: str, limit: float) -> None:
    model: Any = SimpleNamespace(path="arm.osim")
    near, far = (Difference(kind, factor * limit, "elbow", 0) for factor in (0.9, 1.1))
    assert judged([near], model, np.zeros(1))["largest_difference"] == {kind: 0.9 * limit}
    with pytest.raises(ModelError, match="Results would be wrong"):
        judged([far], model, np.zeros(1))


def test_moment_arms_and_slopes_of_length_differ_by_1_mm() -> None:
    assert _worst_slopes({"vasti": 0.0009, "soleus": 0.0011}) == {"soleus": 1.1}
