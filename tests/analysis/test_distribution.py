"""share_moment: the classic exercise over postures."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from conftest import HERE

from osimopt.analysis.distribution import CLASSIC_COSTS, share_moment
from osimopt.errors import InputError
from osimopt.problem.problem import RedundancyProblem
from osimopt.static.solve import solve_static

ELBOW = json.loads((HERE / "reference" / "elbow_row_69.json").read_text())
MUSCLES = ELBOW["muscles"]
PCSA = np.array([624.3, 435.56, 987.26]) / 50.0
#: N; the published forces are given to 0.001, the issue asks for 0.01.
PUBLISHED = 0.01
#: N; SLSQP and Newton are exact, and 1e-9 of a force of 1000 N is this.
SAME_FORCE = 1e-4


def elbow_table(strengths=(1.0, 1.2, 0.9)) -> pd.DataFrame:
    """Postures: the muscles of row 69 as they are, and with other strengths; columns as of muscle_table."""
    columns = {}
    for muscle, arm, force in zip(MUSCLES, ELBOW["moment_arm_m"], ELBOW["max_force_N"], strict=True):
        columns[muscle, "moment_arm"] = np.full(len(strengths), arm)
        columns[muscle, "max_force"] = force * np.array(strengths)
        columns[muscle, "max_moment"] = arm * force * np.array(strengths)
    index = pd.Index(90.6 + np.arange(len(strengths)), name="r_elbow_flex")
    return pd.DataFrame(columns, index=index).rename_axis(columns=("muscle", "quantity"))


@pytest.mark.parametrize(
    ("cost", "forces"),
    [
        ("sum_force_squared", (184.714, 184.714, 86.134)),
        ("sum_stress_squared", (201.716, 98.186, 235.230)),
        ("sum_moment_ratio_cubed", (241.114, 120.901, 102.030)),
    ],
)
def test_the_classic_forces(cost, forces):
    shares = share_moment(elbow_table(), 20.0, MUSCLES, pcsa=PCSA)
    np.testing.assert_allclose(shares[cost].iloc[0], forces, atol=PUBLISHED)


def test_the_shape_of_the_answer():
    table = elbow_table()
    shares = share_moment(table, 20.0, MUSCLES, pcsa=PCSA)
    assert list(shares.columns) == [(cost, muscle) for cost in CLASSIC_COSTS for muscle in MUSCLES]
    assert shares.columns.names == ["cost", "muscle"]
    pd.testing.assert_index_equal(shares.index, table.index)
    assert shares.attrs["moment"] == 20.0
    assert shares.attrs["unique"] == {cost: cost != "sum_force" for cost in CLASSIC_COSTS}
    assert shares["sum_force"].iloc[0].sum() == pytest.approx(409.593, abs=1e-3)


def test_every_posture_carries_the_moment():
    table = elbow_table()
    shares = share_moment(table, 20.0, MUSCLES)
    for cost in CLASSIC_COSTS:
        np.testing.assert_allclose(shares[cost].to_numpy() @ ELBOW["moment_arm_m"], 20.0)
        assert (shares[cost].to_numpy() >= -1e-9).all()


@pytest.mark.slow
def test_starts_do_not_matter():
    shares = share_moment(elbow_table(), 20.0, MUSCLES, starts=10, pcsa=PCSA)
    assert set(shares.attrs["spread"]) == set(CLASSIC_COSTS)
    assert max(shares.attrs["spread"].values()) <= SAME_FORCE
    pd.testing.assert_frame_equal(shares, share_moment(elbow_table(), 20.0, MUSCLES, pcsa=PCSA))


def test_one_start_has_no_spread():
    assert share_moment(elbow_table(), 20.0, MUSCLES).attrs["spread"] == dict.fromkeys(CLASSIC_COSTS, 0.0)


@pytest.mark.parametrize("starts", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_postures_that_are_too_weak_are_nan(starts):
    shares = share_moment(elbow_table((1.0, 0.1, 1.0)), 20.0, MUSCLES, starts=starts)
    assert shares.iloc[1].isna().all()
    assert shares.iloc[[0, 2]].notna().all().all()
    assert max(shares.attrs["spread"].values()) <= SAME_FORCE


@pytest.mark.parametrize("starts", [1, 3])
@pytest.mark.slow
def test_all_postures_too_weak(starts):
    shares = share_moment(elbow_table((0.1, 0.2)), 20.0, MUSCLES, starts=starts)
    assert shares.isna().all().all()


def test_other_costs_and_fewer_muscles():
    shares = share_moment(elbow_table(), -0.0, MUSCLES[::2], costs=["min_max", "activation_power"])
    assert list(shares.columns) == [(c, m) for c in ("min_max", "activation_power") for m in ("BIClong", "BRA")]
    np.testing.assert_allclose(shares, 0.0, atol=SAME_FORCE)


def test_areas_default_to_the_first_posture():
    strength = np.array(ELBOW["max_force_N"])
    given = share_moment(elbow_table(), 20.0, MUSCLES, costs=["sum_stress_squared"], pcsa=strength / 50.0)
    pd.testing.assert_frame_equal(share_moment(elbow_table(), 20.0, MUSCLES, costs=["sum_stress_squared"]), given)


def test_the_order_of_the_muscles_is_that_asked_for():
    usual, turned = (share_moment(elbow_table(), 20.0, order) for order in (MUSCLES, MUSCLES[::-1]))
    pd.testing.assert_frame_equal(turned[usual.columns], usual, atol=SAME_FORCE)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"muscles": ["BIClong", "TRI"]},
            r"expected muscles among BIClong, BICshort, BRA, got TRI\. Check the names",
        ),
        ({"costs": ["sum_forces"]}, "expected a cost among"),
        ({"pcsa": [1.0, 2.0]}, r"expected pcsa of shape \(3,\), got \(2,\)"),
        ({"moment": np.nan}, "expected finite numbers in generalized_force"),
        ({"starts": 0}, "expected .*start"),
    ],
    ids=["muscles", "costs", "pcsa", "moment", "starts"],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        share_moment(**{"table": elbow_table(), "moment": 20.0, "muscles": MUSCLES, **options})


def test_a_posture_without_a_moment_arm_is_refused_by_the_moment_ratio():
    table = elbow_table()
    table.loc[table.index[1], ("BRA", "moment_arm")] = 0.0
    with pytest.raises(InputError, match=r"a moment arm for every muscle .*got none for BRA"):
        share_moment(table, 20.0, MUSCLES)


def test_each_posture_is_the_problem_on_its_own():
    table = elbow_table()
    shares = share_moment(table, 20.0, MUSCLES, costs=["activation_power"])
    strength = [table[muscle, "max_force"].iloc[1] for muscle in MUSCLES]
    alone = solve_static(RedundancyProblem.from_arrays(ELBOW["moment_arm_m"], strength, 20.0))
    np.testing.assert_allclose(shares["activation_power"].iloc[1], alone.muscle_force[0], atol=SAME_FORCE)
