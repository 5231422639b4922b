"""rank_costs finds the cost that made the recording, and says what it cannot tell apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from emg_cases import STRIDES, mapping, recorded, walk

from osimopt import InputError, rank_costs, solve_static
from osimopt.analysis.cost_ranking import read_cost, read_terms
from osimopt.problem.reactions import JointReactions

COSTS = ("activation_power:1.5", "activation_power:2", "activation_power:4", "min_max")


@pytest.mark.parametrize("power", [2.0, 4.0])
@pytest.mark.slow
def test_the_cost_that_made_it_is_first(power: float) -> None:
    problem = walk()
    emg = recorded(problem, solve_static(problem, exponent=power).activation, noise=0.02)
    found = rank_costs(problem, emg, mapping(), COSTS, strides=STRIDES)
    assert found.table.index[0] == f"activation_power:{power:g}"
    assert (found.table["behind"].iloc[1:] > 0.0).all()
    assert "judged on the other 6" in found.notes[0]
    assert set(found.comparisons) == set(COSTS)
    assert found.table["failed"].sum() == 0


def test_without_strides_nothing_is_held_out() -> None:
    problem = walk()
    emg = recorded(problem, solve_static(problem).activation, noise=0.05)
    found = rank_costs(problem, emg, mapping(), COSTS[:2])
    assert (found.table["chosen_r"] == found.table["judged_r"]).all()
    assert "Too few strides" in found.notes[0]


def test_a_copied_channel_does_not_count_twice() -> None:
    problem = walk()
    emg = recorded(problem, solve_static(problem).activation)
    value = emg.value.copy()
    value[:, 1] = value[:, 0]
    found = rank_costs(problem, recorded(problem, emg.value, value=value), mapping(), COSTS[1:3], strides=STRIDES)
    assert "gas" not in found.channels
    assert any("copies of other channels" in note for note in found.notes)


def test_a_cost_that_cannot_be_tried_is_a_row_with_its_reason() -> None:
    problem = walk()
    geometry = problem.geometry.from_dense(
        problem.moment_arm * [1.0, 1.0, 1.0, 1.0, 1.0, 0.0], problem.muscles, problem.coordinates
    )
    idle = replace(problem, geometry=geometry)
    emg = recorded(idle, solve_static(idle).activation)
    found = rank_costs(idle, emg, mapping(), ["activation_power:2", "sum_moment_ratio_cubed"], strides=STRIDES)
    assert "moment arm for every muscle" in found.table.loc["sum_moment_ratio_cubed", "reason"]
    assert list(found.solutions) == ["activation_power:2"]


@pytest.mark.parametrize(
    ("costs", "says"),
    [
        (["activation_powr:2"], "a cost among"), (["activation_power:two"], "after the colon"),
        (["min_max:3"], "no exponent"), (["min_max", "min_max"], "each cost once"), ([], "each cost once"),
    ],
)  # fmt: skip
def test_wrong_costs(costs: list[str], says: str) -> None:
    problem = walk()
    emg = recorded(problem, solve_static(problem).activation)
    with pytest.raises(InputError, match=says):
        rank_costs(problem, emg, mapping(), costs)


def test_costs_are_read() -> None:
    assert read_cost("activation_power:2.5") == ("activation_power", 2.5)
    assert read_cost("min_max") == ("min_max", 2.0)
    cost, exponent, contacts = read_terms("activation_power:3+knee_l=0.1+knee_r=1")
    assert (cost, exponent) == ("activation_power", 3.0)
    assert [(one.joint, one.weight) for one in contacts] == [("knee_l", 0.1), ("knee_r", 1.0)]


@pytest.mark.slow
def test_contact_forces_in_a_cost() -> None:
    """The one that made the recording is first; a joint that is not known is a row with its reason."""
    problem = walk()
    effect = [[0.0] * len(problem.muscles), [-1.0] * len(problem.muscles), [0.0] * len(problem.muscles)]
    carried = JointReactions.from_arrays("knee", np.zeros((len(problem), 3)), effect, problem.muscles, 700.0)
    problem = replace(problem, reactions=carried)
    emg = recorded(problem, solve_static(problem, contact={"knee": 30.0}).activation)
    costs = ("activation_power:2", "activation_power:2+knee=30", "activation_power:2+hip=1")
    found = rank_costs(problem, emg, mapping(), costs, strides=STRIDES)
    assert found.table.index[0] == costs[1]
    assert "hip" in found.table.loc[costs[2], "reason"]
