"""RedundancyProblem: what it refuses, how it is cut and changed, and the arrays it hands to solvers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import strategies as ref
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal

from osimopt.errors import InputError, OsimoptError
from osimopt.problem.arrays import GeneralizedForce, Kinematics, MuscleGeometry, MuscleParameters
from osimopt.problem.problem import RedundancyProblem
from osimopt.problem.reserves import ReserveActuators

T, D, M = 3, 2, 4
RNG = np.random.default_rng(5)
ARRAYS = {
    "moment_arm": RNG.uniform(-0.05, 0.05, (T, D, M)),
    "max_force": RNG.uniform(100.0, 900.0, (T, M)),
    "generalized_force": RNG.uniform(-9.0, 9.0, (T, D)),
}


def problem(**changes) -> RedundancyProblem:
    return RedundancyProblem.from_arrays(**{**ARRAYS, **changes})


def spoiled(name: str, value: float, *where: int) -> np.ndarray:
    array = ARRAYS[name].copy()
    array[where] = value
    return array


class TestFromArrays:
    def test_defaults(self):
        made = problem()
        assert made.muscles == ("muscle_0", "muscle_1", "muscle_2", "muscle_3")
        assert made.coordinates == ("coordinate_0", "coordinate_1")
        assert made.actuators == made.muscles
        assert len(made) == T
        assert_array_equal(made.time, [0.0, 1.0, 2.0])
        assert_array_equal(made.lower, np.zeros(M))
        assert_array_equal(made.upper, np.ones(M))
        assert_array_equal(made.weights, np.ones(M))
        assert_array_equal(made.passive_force, np.zeros((T, M)))
        np.testing.assert_allclose(made.pcsa, ARRAYS["max_force"][0] / 50.0)
        assert made.provenance == {"source": "arrays"}
        assert made.reserves.names == ()

    @pytest.mark.parametrize(
        ("arm", "force", "moment", "frames"),
        [
            pytest.param(np.full(M, 0.03), np.full(M, 500.0), 5.0, 1, id="one coordinate, one number"),
            pytest.param(np.full((1, M), 0.03), np.full(M, 500.0), [5.0], 1, id="one row"),
            pytest.param(np.full(M, 0.03), np.full(M, 500.0), [5.0, 6.0], 2, id="one coordinate, one axis: frames"),
            pytest.param(np.full((D, M), 0.03), np.full(M, 500.0), [5.0, 6.0], 1, id="one axis: coordinates"),
            pytest.param(np.full((D, M), 0.03), np.full(M, 500.0), np.full((T, D), 5.0), T, id="arms of all frames"),
            pytest.param(np.full((T, D, M), 0.03), np.full(M, 500.0), 5.0, T, id="arms of each frame"),
            pytest.param(np.full((D, M), 0.03), np.full((T, M), 500.0), [5.0, 6.0], T, id="forces of each frame"),
        ],
    )
    def test_axes_are_filled_in(self, arm, force, moment, frames):
        made = RedundancyProblem.from_arrays(arm, force, moment)
        rows = 1 if np.ndim(arm) == 1 or np.shape(arm)[0] == 1 else D
        assert made.moment_arm.shape == (frames, rows, M)
        assert made.max_force.shape == made.passive_force.shape == (frames, M)
        assert made.generalized_force.shape == (frames, rows)
        assert_array_equal(made.moment_arm, np.broadcast_to(0.03, made.moment_arm.shape))

    def test_what_is_given_is_kept(self):
        made = problem(
            pcsa=[1.0, 2.0, 3.0, 4.0],
            bounds=(0.01, [1.0, 0.9, 0.8, 0.7]),
            weights=2.0,
            reserves={"knee": 5.0},
            passive_force=np.full(M, 3.0),
            time=[0.5, 0.6, 0.7],
            muscles=list("abcd"),
            coordinates=["hip", "knee"],
        )
        assert made.actuators == ("a", "b", "c", "d", "reserve_knee")
        assert_array_equal(made.time, [0.5, 0.6, 0.7])
        assert_array_equal(made.pcsa, [1.0, 2.0, 3.0, 4.0])
        assert_array_equal(made.lower, np.full(M, 0.01))
        assert_array_equal(made.upper, [1.0, 0.9, 0.8, 0.7])
        assert_array_equal(made.weights, np.full(M, 2.0))
        assert_array_equal(made.passive_force, np.full((T, M), 3.0))

    def test_arrays_are_copied(self):
        force = ARRAYS["max_force"].copy()
        made = problem(max_force=force)
        force[:] = 0.0
        assert_array_equal(made.max_force, ARRAYS["max_force"])

    def test_a_muscle_without_force_still_has_an_area(self):
        assert (problem(max_force=[0.0, 1.0, 2.0, 3.0]).pcsa > 0.0).all()

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"moment_arm": 0.05}, r"expected moment_arm of shape \(T, D, M\), \(D, M\) or \(M,\), got \(\)"),
            ({"moment_arm": np.zeros((1, T, D, M))}, r"expected moment_arm of shape .*, got \(1, 3, 2, 4\)"),
            ({"moment_arm": np.zeros((2, D, M))}, r"expected moment_arm of shape \(3, 2, 4\), got \(2, 2, 4\)"),
            ({"max_force": np.ones((2, M))}, r"expected max_force of shape \(3, 4\), got \(2, 4\)"),
            ({"max_force": np.ones(3)}, r"expected max_force of shape \(3, 4\), got \(1, 3\)"),
            ({"generalized_force": [1.0, 2.0, 3.0]}, r"expected generalized_force of shape \(3, 2\), got \(1, 3\)"),
            ({"generalized_force": np.ones((2, D))}, r"expected generalized_force of shape \(3, 2\), got \(2, 2\)"),
            ({"passive_force": np.ones((2, M))}, r"expected passive_force of shape \(3, 4\), got \(2, 4\)"),
            ({"pcsa": [1.0, 2.0]}, r"expected pcsa of shape \(4,\), got \(2,\)"),
            ({"weights": [1.0, 2.0]}, r"expected weights of shape \(4,\), got \(2,\)"),
            ({"bounds": ([0.0, 0.0], 1.0)}, r"expected lower bound of shape \(4,\), got \(2,\)"),
            ({"bounds": (0.0, [1.0, 1.0])}, r"expected upper bound of shape \(4,\), got \(2,\)"),
            ({"time": [0.0, 1.0]}, r"expected time of shape \(3,\), got \(2,\)"),
            ({"muscles": ["a", "b"]}, r"expected 4 muscle names, got 2\. Name each column"),
            ({"coordinates": ["hip"]}, r"expected 2 coordinate names, got 1\. Name each row"),
            ({"moment_arm": spoiled("moment_arm", np.nan, 1, 0, 2)}, r"expected finite numbers in moment arms"),
            ({"max_force": spoiled("max_force", np.nan, 1, 2)}, r"finite numbers in max_force.* at \[1, 2\]"),
            ({"max_force": spoiled("max_force", np.inf, 1, 2)}, r"finite numbers in max_force.* at \[1, 2\]"),
            (
                {"generalized_force": spoiled("generalized_force", np.inf, 2, 1)},
                r"expected finite numbers in generalized_force, got NaN or infinity at \[2, 1\]",
            ),
            ({"pcsa": [1.0, np.nan, 1.0, 1.0]}, r"expected finite numbers in pcsa, got NaN or infinity at \[1\]"),
            ({"weights": [1.0, np.inf, 1.0, 1.0]}, r"expected finite numbers in weights"),
            ({"bounds": (np.nan, 1.0)}, r"expected finite numbers in lower"),
            ({"bounds": (0.0, np.inf)}, r"expected finite numbers in upper"),
            ({"time": [0.0, np.nan, 2.0]}, r"expected finite numbers in time, got NaN or infinity at \[1\]"),
            ({"passive_force": [0.0, 0.0, 0.0, np.nan]}, r"expected finite numbers in passive_force"),
            ({"max_force": spoiled("max_force", -1.0, 1, 2)}, r"expected max_force ≥ 0, got -1 for muscle_2\. "),
            (
                {"bounds": ([0.0, 1.0, 0.0, 1.0], 0.5)},
                r"expected lower bounds of activation .*for muscle_1, .*for muscle_3",
            ),
            ({"weights": [1.0, 0.0, 1.0, 1.0]}, r"expected positive weights, got 0 for muscle_1\."),
            ({"weights": [1.0, 1.0, -1.0, 1.0]}, r"expected positive weights, got -1 for muscle_2\."),
            ({"pcsa": [1.0, 1.0, 0.0, 1.0]}, r"expected positive pcsa, got 0 for muscle_2\."),
            ({"time": [0.0, 2.0, 1.0]}, r"expected .*time"),
            ({"time": [0.0, 1.0, 1.0]}, r"expected .*time"),
            ({"muscles": ["a", "b", "b", "c"]}, r"expected .*muscle.*b"),
            ({"coordinates": ["hip", "hip"]}, r"expected .*coordinate.*hip"),
            ({"reserves": {"elbow": 1.0}}, r"expected reserves on loaded coordinates \(coordinate_0, .*\), got elbow"),
            ({"reserves": {"coordinate_1": 0.0}}, r"expected positive optimal forces .*, got 0 for coordinate_1"),
            ({"reserves": -1.0}, r"expected positive optimal forces of reserves"),
            ({"reserves": np.nan}, r"expected positive optimal forces of reserves"),
            ({"reserves": "auto"}, r"expected reserves as a number, \{coordinate: N·m\} or None, got 'auto'"),
            ({"reserves": True}, r"expected reserves as a number, .*, got True"),
            ({"reserves": ReserveActuators.none(3)}, r"expected reserve effects on 2 coordinates, got \(1, 3, 0\)"),
        ],
    )
    def test_every_check_names_what_is_wrong(self, changes, message):
        with pytest.raises(InputError, match=message) as caught:
            problem(**changes)
        assert isinstance(caught.value, OsimoptError)
        assert isinstance(caught.value, ValueError)

    @pytest.mark.parametrize("number", [np.int64(3), np.float32(3.0), 3], ids=lambda n: type(n).__name__)
    def test_any_number_is_a_reserve(self, number):
        assert_array_equal(problem(reserves=number).reserves.optimal_force, [3.0, 3.0])

    def test_no_frames_and_no_muscles_are_refused_or_harmless(self):
        """Empty arrays must not pass half: a message of ours, or an empty problem."""
        with pytest.raises(InputError):
            problem(max_force=np.zeros((0, M)), generalized_force=np.zeros((0, D)))


class TestReservesOfAProblem:
    def test_with_reserves_replaces_adds_nothing_and_removes(self):
        one = problem(reserves=4.0)
        assert one.reserves.names == ("reserve_coordinate_0", "reserve_coordinate_1")
        two = one.with_reserves({"coordinate_1": 7.0}, bounds=(-2.0, 3.0))
        assert two.reserves.names == ("reserve_coordinate_1",)
        lower, upper = two.bounds()
        assert_array_equal(lower, [0.0, 0.0, 0.0, 0.0, -2.0])
        assert_array_equal(upper, [1.0, 1.0, 1.0, 1.0, 3.0])
        assert two.with_reserves(None).actuators == two.muscles
        assert one.reserves.names == ("reserve_coordinate_0", "reserve_coordinate_1")

    def test_default_reserves_are_unbounded(self):
        lower, upper = problem(reserves=4.0).bounds()
        assert np.isneginf(lower[M:]).all()
        assert np.isposinf(upper[M:]).all()

    @pytest.mark.parametrize(
        ("bounds", "message"),
        [((1.0, -1.0), r"expected lower ≤ upper|expected .*bounds"), ((np.nan, 1.0), r"expected .*(bound|finite)")],
        ids=["reversed", "NaN"],
    )
    def test_bounds_that_cannot_be_are_refused(self, bounds, message):
        with pytest.raises(InputError, match=message):
            problem().with_reserves(1.0, bounds)

    def test_an_effect_that_is_not_a_number_is_refused(self):
        reserves = problem(reserves=1.0).reserves
        with pytest.raises(InputError, match=r"expected finite numbers in .*reserve"):
            problem(reserves=replace(reserves, effect=np.nan * reserves.effect))


class TestWeights:
    def test_one_number_or_one_for_each(self):
        assert_array_equal(problem().with_weights(3.0).weights, np.full(M, 3.0))
        assert_array_equal(problem().with_weights([1, 2, 3, 4]).weights, [1.0, 2.0, 3.0, 4.0])

    @pytest.mark.parametrize("weights", [0.0, -1.0, [1.0, 2.0], np.nan])
    def test_others_are_refused(self, weights):
        with pytest.raises(InputError, match="weights"):
            problem().with_weights(weights)


class TestSystem:
    def test_the_balance_is_that_of_the_equation(self):
        """R (max_force · a + passive_force) + effect e = τ becomes A x = b."""
        made = problem(passive_force=RNG.uniform(0.0, 50.0, (T, M)), reserves=7.0)
        x = RNG.uniform(-1.0, 1.0, M + D)
        for frame in range(T):
            A, b = made.system(frame)
            force = made.max_force[frame] * x[:M] + made.passive_force[frame]
            missed = made.moment_arm[frame] @ force + 7.0 * x[M:] - made.generalized_force[frame]
            np.testing.assert_allclose(A @ x - b, missed)

    def test_an_effect_may_change_with_the_frame(self):
        effect = RNG.uniform(-1.0, 1.0, (T, D, 1))
        one = np.ones(1)
        made = problem(reserves=ReserveActuators(("thruster",), effect, one, -one, one, ("model",)))
        for frame in range(T):
            assert_array_equal(made.system(frame)[0][:, M:], effect[frame])
        assert_array_equal(made.frames(slice(1, 3)).system(0)[0], made.system(1)[0])


class TestFrames:
    @pytest.mark.parametrize("keep", [slice(1, 3), slice(None, None, 2), slice(0, 1), slice(None)])
    def test_every_array_over_time_is_cut(self, keep):
        time = np.arange(float(T))
        states = [RNG.uniform(size=(T, 5)) for _ in range(3)]
        whole = replace(
            problem(passive_force=RNG.uniform(0.0, 50.0, (T, M)), reserves=7.0),
            kinematics=Kinematics(time, tuple("abcde"), *states),
        )
        cut = whole.frames(keep)
        assert_array_equal(cut.time, whole.time[keep])
        assert_array_equal(cut.kinematics.speed, states[1][keep])
        for name in ("moment_arm", "max_force", "generalized_force", "passive_force"):
            assert_array_equal(getattr(cut, name), getattr(whole, name)[keep])
        for frame, original in enumerate(range(T)[keep]):
            for part, expected in zip(cut.system(frame), whole.system(original), strict=True):
                assert_array_equal(part, expected)


#: Moment arms of which many are zero.
DENSE = hnp.arrays(
    float,
    hnp.array_shapes(min_dims=3, max_dims=3, max_side=5),
    elements=st.sampled_from([0.0, 0.0, 0.03, -0.02, 1e-6]),
)


class TestGeometry:
    @settings(deadline=None, max_examples=60, derandomize=True, database=None)
    @given(DENSE)
    def test_pairs_give_the_dense_array_back(self, dense):
        geometry = geometry_of(dense)
        assert_array_equal(geometry.moment_arm, dense)
        assert len(geometry.pair_muscle) == (dense != 0.0).any(axis=0).sum()
        assert_array_equal(geometry.largest_moment_arm(), np.abs(dense).max(axis=1))
        assert_array_equal(geometry.served, (dense != 0.0).any(axis=(0, 2)))

    @settings(deadline=None, max_examples=60, derandomize=True, database=None)
    @given(DENSE, st.data())
    def test_a_subset_of_coordinates_and_of_frames(self, dense, data):
        rows = np.array(data.draw(st.lists(st.integers(0, dense.shape[1] - 1), unique=True)), dtype=np.intp)
        chosen = geometry_of(dense).select(rows)
        assert chosen.coordinates == tuple(f"q{row}" for row in rows)
        assert_array_equal(chosen.moment_arm, dense[:, rows])
        assert_array_equal(geometry_of(dense).frames(slice(1, None)).moment_arm, dense[1:])

    def test_lengths_and_spans_go_along(self):
        full = replace(
            geometry_of(ARRAYS["moment_arm"]),
            length=RNG.uniform(size=(T, M)),
            lengthening_speed=RNG.uniform(size=(T, M)),
            spanned=np.array([True, False]),
        )
        assert_array_equal(full.served, [True, False])
        cut = full.frames(slice(1, 2)).select(np.array([1]))
        assert_array_equal(cut.length, full.length[1:2])
        assert_array_equal(cut.lengthening_speed, full.lengthening_speed[1:2])
        assert_array_equal(cut.served, [False])


def geometry_of(dense: np.ndarray) -> MuscleGeometry:
    names = [tuple(f"{letter}{i}" for i in range(n)) for letter, n in zip("mq", dense.shape[:0:-1], strict=True)]
    return MuscleGeometry.from_dense(dense, *names)


class TestOtherData:
    def test_cross_sectional_area_is_force_over_specific_tension(self):
        ones = np.ones(2)
        muscles = MuscleParameters(("a", "b"), ("Thelen2003",) * 2, np.array([500.0, 750.0]), *[ones] * 6)
        assert_array_equal(muscles.pcsa(), [10.0, 15.0])
        assert_array_equal(muscles.pcsa(25.0), [20.0, 30.0])

    def test_kinematics_are_cut_by_frames(self):
        states = [RNG.uniform(size=(T, 2)) for _ in range(3)]
        cut = Kinematics(np.arange(float(T)), ("q", "p"), *states).frames(slice(2))
        assert_array_equal(cut.value, states[0][:2])
        assert_array_equal(cut.acceleration, states[2][:2])
        assert cut.coordinates == ("q", "p")

    def test_generalized_force_names_its_columns(self):
        load = GeneralizedForce(np.zeros(1), ("q",), np.ones((1, 1)))
        assert load.coordinates == ("q",)


def test_changing_units_and_back_is_the_same_problem():
    """The helper of the property tests itself."""
    made = problem(reserves=2.0)
    there_and_back = ref.in_units(ref.in_units(made, force=4.0, length=8.0), force=0.25, length=0.125)
    assert_array_equal(there_and_back.system(1)[0], made.system(1)[0])
