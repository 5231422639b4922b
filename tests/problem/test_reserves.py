"""Reserve and residual actuators: how they are made, joined, cut, and chosen."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from osimopt.errors import InputError
from osimopt.problem.reserves import RESERVE, RESIDUAL_FORCE, RESIDUAL_MOMENT, ReserveActuators, choose_reserves

#: pelvis translation and rotation without muscles, a hip and a knee with them
COORDINATES = ("pelvis_ty", "pelvis_tilt", "hip", "knee")
ROTATIONAL = (False, True, True, True)
BY_MUSCLE = np.array([False, False, True, True])
NOBODY = np.zeros(4, dtype=bool)


def choose(reserves, by_actuator=NOBODY) -> ReserveActuators:
    return choose_reserves(reserves, COORDINATES, ROTATIONAL, BY_MUSCLE, by_actuator)


class TestOnCoordinates:
    def test_an_actuator_acts_on_its_own_row_with_its_optimal_force(self):
        made = ReserveActuators.on_coordinates({"knee": 3.0, "pelvis_ty": 5.0}, COORDINATES, (-2.0, 4.0))
        assert made.names == ("reserve_knee", "reserve_pelvis_ty")
        assert made.origin == ("reserve", "reserve")
        expected = np.zeros((1, 4, 2))
        expected[0, 3, 0], expected[0, 0, 1] = 3.0, 5.0
        assert_array_equal(made.effect, expected)
        assert_array_equal(made.optimal_force, [3.0, 5.0])
        assert_array_equal(made.lower, [-2.0, -2.0])
        assert_array_equal(made.upper, [4.0, 4.0])

    def test_the_origin_is_part_of_the_name(self):
        made = ReserveActuators.on_coordinates({"hip": 1.0, "knee": 1.0}, COORDINATES, origin={"hip": "residual"})
        assert made.names == ("residual_hip", "reserve_knee")
        assert made.origin == ("residual", "reserve")

    def test_none_at_all(self):
        for empty in (ReserveActuators.none(4), ReserveActuators.on_coordinates({}, COORDINATES)):
            assert empty.names == ()
            assert empty.effect.shape == (1, 4, 0)
            assert empty.lower.shape == empty.upper.shape == empty.optimal_force.shape == (0,)

    @pytest.mark.parametrize(
        ("forces", "message"),
        [
            ({"elbow": 1.0}, r"expected reserves on loaded coordinates \(pelvis_ty, .*knee\), got elbow\. Rename"),
            ({"knee": 0.0}, r"expected positive optimal forces of reserves, got 0 for knee"),
            ({"hip": 1.0, "knee": -2.0}, r"expected positive optimal forces of reserves, got -2 for knee"),
            ({"knee": np.nan}, r"got nan for knee"),
            ({"knee": np.inf}, r"got inf for knee"),
        ],
    )
    def test_others_are_refused(self, forces, message):
        with pytest.raises(InputError, match=message):
            ReserveActuators.on_coordinates(forces, COORDINATES)


class TestJoiningAndCutting:
    def test_two_sets_in_order(self):
        first = ReserveActuators.on_coordinates({"hip": 1.0}, COORDINATES, (-1.0, 1.0))
        second = ReserveActuators.on_coordinates({"knee": 2.0}, COORDINATES, origin={"knee": "residual"})
        both = first + second
        assert both.names == ("reserve_hip", "residual_knee")
        assert both.origin == ("reserve", "residual")
        assert_array_equal(both.effect, np.concatenate([first.effect, second.effect], axis=2))
        assert_array_equal(both.upper, [1.0, np.inf])
        assert_array_equal(both.optimal_force, [1.0, 2.0])

    def test_an_effect_that_changes_with_time_stretches_the_other(self):
        constant = ReserveActuators.on_coordinates({"hip": 1.0}, COORDINATES)
        one, effect = np.ones(1), np.arange(12.0).reshape(3, 4, 1)
        moving = ReserveActuators(("force",), effect, one, -one, one, ("model",))
        for both, columns in ((constant + moving, (0, 1)), (moving + constant, (1, 0))):
            assert both.effect.shape == (3, 4, 2)
            assert_array_equal(both.effect[:, :, columns[1]], effect[:, :, 0])
            assert_array_equal(both.effect[:, 2, columns[0]], np.ones(3))
        assert_array_equal(moving.frames(slice(1, 3)).effect, effect[1:])
        assert constant.frames(slice(1, 3)).effect.shape == (1, 4, 1)

    def test_adding_nothing_changes_nothing(self):
        some = ReserveActuators.on_coordinates({"hip": 1.0, "knee": 2.0}, COORDINATES)
        for same in (some + ReserveActuators.none(4), ReserveActuators.none(4) + some):
            assert same.names == some.names
            assert_array_equal(same.effect, some.effect)

    def test_a_subset_of_the_coordinates_keeps_all_actuators(self):
        some = ReserveActuators.on_coordinates({"hip": 1.0, "knee": 2.0}, COORDINATES)
        assert_array_equal(some.select(np.array([3, 2])).effect, [[[0.0, 2.0], [1.0, 0.0]]])


class TestChooseReserves:
    def test_auto_gives_residuals_where_no_muscle_serves_and_reserves_elsewhere(self):
        made = choose("auto")
        assert made.names == ("residual_pelvis_ty", "residual_pelvis_tilt", "reserve_hip", "reserve_knee")
        assert_array_equal(made.optimal_force, [RESIDUAL_FORCE, RESIDUAL_MOMENT, RESERVE, RESERVE])
        assert made.origin == ("residual", "residual", "reserve", "reserve")
        assert np.isinf(made.upper).all()

    def test_auto_is_that_of_the_design(self):
        assert (RESERVE, RESIDUAL_MOMENT, RESIDUAL_FORCE) == (1.0, 250.0, 50.0)

    @pytest.mark.parametrize("reserves", ["auto", 3.0])
    def test_coordinates_that_have_an_actuator_get_no_other(self, reserves):
        made = choose(reserves, np.array([True, True, False, True]))
        assert made.names == ("reserve_hip",)

    @pytest.mark.parametrize("number", [3, 3.0])
    def test_a_number_is_the_optimal_force_everywhere(self, number):
        made = choose(number)
        assert_array_equal(made.optimal_force, np.full(4, 3.0))
        assert set(made.origin) == {"reserve"}

    def test_a_mapping_is_taken_as_it_is(self):
        made = choose({"knee": 9.0}, np.ones(4, dtype=bool))
        assert made.names == ("reserve_knee",)
        assert_array_equal(made.effect[0, :, 0], [0.0, 0.0, 0.0, 9.0])

    def test_none_is_none_and_actuators_are_themselves(self):
        assert choose(None).names == ()
        given = ReserveActuators.on_coordinates({"knee": 9.0}, COORDINATES)
        assert choose(given) is given

    @pytest.mark.parametrize("wrong", ["all", "", True, False, [1.0]], ids=repr)
    def test_others_are_refused(self, wrong):
        with pytest.raises(InputError, match=r"expected reserves='auto', None, a number or \{coordinate: N·m\}, got"):
            choose(wrong)

    @pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan])
    def test_numbers_that_are_no_strength_are_refused(self, wrong):
        with pytest.raises(InputError, match="expected positive optimal forces of reserves"):
            choose(wrong)
