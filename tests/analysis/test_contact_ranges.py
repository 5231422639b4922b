"""Feasible contact forces: against HiGHS, all vertices of small feasible sets, and closed forms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray
from scipy.optimize import linprog, nnls
from strategies import Case, cases

import osimopt
from osimopt import InputError, RedundancyProblem, RedundancySolution, feasible_ranges, solve_static
from osimopt.analysis import contact_ranges, norms
from osimopt.problem.reactions import JointReactions

Array = NDArray[np.float64]
#: HiGHS meets its constraints to 1e-7, relative to rows that are scaled to 1; relative to forces of some kN.
HIGHS = 1e-6
#: Relative to the largest contact force: closed forms, vertices, and programs that are proved to 1e-8.
EXACT = 1e-8
#: Weight of the sum of weights, 1, in nonnegative least squares; their own accuracy is the root of rounding.
SUM, LEAST_SQUARES = 1e4, 1e-7


def knee(rng: np.random.Generator, frames: int, muscles: int, arms: int = 2) -> RedundancyProblem:
    """Feasible moments about a few coordinates, and a joint with a contact force in space."""
    arm = rng.normal(size=(frames, arms, muscles)) * 0.04
    force = rng.uniform(200.0, 1500.0, muscles)
    produced = np.einsum("tdm,m->td", arm, force * rng.uniform(0.1, 0.8, muscles))
    passive = rng.uniform(0.0, 20.0, muscles)
    problem = RedundancyProblem.from_arrays(arm, force, produced, passive_force=passive, reserves=10.0)
    effect = rng.normal(size=(frames, 6, muscles)) - 0.6 * np.eye(6)[1][:, None]
    constant = rng.normal(size=(frames, 6)) * 400.0
    return replace(problem, reactions=JointReactions.from_arrays("knee", constant, effect, problem.muscles, 700.0))


def contact(problem: RedundancyProblem, activation: Array) -> Array:
    """(T, 6) reactions of activations (T, M), without the code that is tested."""
    known = problem.reactions
    assert known is not None
    force = problem.max_force * activation + problem.passive_force
    return np.asarray(known.constant[:, 0] + np.einsum("tm,tmc->tc", force, known.effect))


def system(solution: RedundancySolution, frame: int) -> tuple[Array, Array]:
    """Rows of the muscles, scaled to 1, and what they have to meet with the reserves held."""
    problem = solution.problem
    A, b = problem.system(frame)
    count = len(problem.muscles)
    b, A = b - A[:, count:] @ solution.reserve_control[frame], A[:, :count]
    size = np.abs(A).max(axis=1)
    kept = (size > 0.0) & [not name.startswith("pelvis") for name in problem.coordinates]
    return A[kept] / size[kept, None], b[kept] / size[kept]


def by_highs(solution: RedundancySolution, frame: int, cost: Array) -> tuple[float, float]:
    """Least and greatest cost · a over activations a."""
    A, b = system(solution, frame)
    bounds = np.column_stack([solution.problem.lower, solution.problem.upper])
    size = float(np.abs(cost).max()) or 1.0
    found = [linprog(sign * cost / size, A_eq=A, b_eq=b, bounds=bounds) for sign in (1.0, -1.0)]
    assert all(one.status == 0 for one in found)
    return size * found[0].fun, -size * found[1].fun


def vertices(solution: RedundancySolution, frame: int) -> Array:
    """All basic feasible activations (V, M), by solving for every choice of basis and bounds of the others."""
    problem = solution.problem
    A, b = system(solution, frame)
    found = []
    for basis in map(list, combinations(range(len(problem.muscles)), len(b))):
        others = [muscle for muscle in range(len(problem.muscles)) if muscle not in basis]
        at = np.array(list(product(*zip(problem.lower[others], problem.upper[others], strict=True))))
        inside = np.linalg.solve(A[:, basis], b[:, None] - A[:, others] @ at.T).T
        x = np.empty((len(at), len(problem.muscles)))
        x[:, others], x[:, basis] = at, inside
        found.append(x[((x >= problem.lower - 1e-12) & (x <= problem.upper + 1e-12)).all(axis=1)])
    return np.concatenate(found)


def least_of(points: Array) -> float:
    """Least norm of the convex hull of points (V, 3), by nonnegative least squares."""
    size = np.abs(points).max()
    weight, _ = nnls(np.vstack([points.T / size, np.full(len(points), SUM)]), np.array([0.0, 0.0, 0.0, SUM]))
    return float(np.linalg.norm(weight @ points) / weight.sum())


def test_norms_are_those_of_all_vertices() -> None:
    rng = np.random.default_rng(3)
    solution = solve_static(knee(rng, 12, 6))
    problem, found = solution.problem, feasible_ranges(solution, of="knee")
    for frame in range(len(problem)):
        activations = vertices(solution, frame)
        part = problem.frames(slice(frame, frame + 1))
        points = np.array([contact(part, one[None])[0, :3] for one in activations])
        largest = np.linalg.norm(points, axis=1).max()
        assert found.maximum[frame] == pytest.approx(largest, rel=EXACT)
        assert found.upper_bound[frame] >= largest * (1.0 - EXACT)
        assert found.minimum[frame] == pytest.approx(least_of(points), abs=LEAST_SQUARES * largest)
        assert found.lower_bound[frame] <= least_of(points) + LEAST_SQUARES * largest
    assert (found.upper_bound <= found.maximum * (1.0 + norms.FINE)).all()
    np.testing.assert_allclose(found.lower_bound, found.minimum, rtol=0.0, atol=EXACT * found.maximum.max())


def test_activations_at_both_ends_are_feasible_and_give_them() -> None:
    solution = solve_static(knee(np.random.default_rng(4), 9, 8))
    problem = solution.problem
    own = contact(problem, solution.activation)
    tests: tuple[tuple[Any, Callable[[Array], Array]], ...] = (
        ("norm", lambda c: np.linalg.norm(c[:, :3], axis=1)),
        ("y", lambda c: c[:, 1]),
        ("mz", lambda c: c[:, 5]),
        ((3.0, 0.0, 4.0), lambda c: 0.6 * c[:, 0] + 0.8 * c[:, 2]),
    )
    for component, value in tests:
        found = feasible_ranges(solution, of="knee", component=component)
        scale = np.abs(own).max()
        np.testing.assert_allclose(found.optimum, value(own), rtol=0.0, atol=EXACT * scale)
        for name in ("lowest", "highest"):
            activation = getattr(found, name)
            assert (activation >= problem.lower).all()
            assert (activation <= problem.upper).all()
            for frame in range(len(problem)):
                A, b = system(solution, frame)
                np.testing.assert_allclose(A @ activation[frame], b, rtol=0.0, atol=EXACT)
        np.testing.assert_allclose(found.minimum, value(contact(problem, found.lowest)), rtol=0, atol=EXACT * scale)
        np.testing.assert_allclose(found.maximum, value(contact(problem, found.highest)), rtol=0, atol=EXACT * scale)
        order = found.to_dataframe()[["lower_bound", "minimum", "optimum", "maximum", "upper_bound"]].to_numpy()
        assert (np.diff(order, axis=1) >= 0.0).all()


def test_components_are_those_of_single_linear_programs() -> None:
    solution = solve_static(knee(np.random.default_rng(5), 4, 12, arms=3))
    problem, known = solution.problem, solution.problem.reactions
    assert known is not None
    for component, direction in (("x", np.eye(6)[0]), ("my", np.eye(6)[4])):
        found = feasible_ranges(solution, of="knee", component=component)
        zero = contact(problem, np.zeros_like(solution.activation)) @ direction
        for frame in range(len(problem)):
            cost = problem.max_force[frame] * (known.effect[frame] @ direction)
            low, high = by_highs(solution, frame, cost)
            scale = np.abs(cost).max()
            assert found.minimum[frame] == pytest.approx(zero[frame] + low, abs=HIGHS * scale)
            assert found.maximum[frame] == pytest.approx(zero[frame] + high, abs=HIGHS * scale)
            assert found.upper_bound[frame] - found.maximum[frame] <= HIGHS * scale


def test_contact_as_a_cost_comes_as_near_the_least_norm_as_its_weight_demands() -> None:
    """0 ≤ (‖c_w‖² − c²min) / BW² ≤ (P(x_min) − P(x_w)) / w: x_w is no dearer than the activations of least contact."""
    problem = knee(np.random.default_rng(8), 9, 8).with_reserves(None)
    found = feasible_ranges(problem, of="knee")
    most = (found.lowest**2).sum(axis=1)
    for weight in (0.1, 1.0, 10.0, 1e6):
        activation = solve_static(problem, contact={"knee": weight}).activation
        squared = (contact(problem, activation)[:, :3] ** 2).sum(axis=1)
        above = (squared - found.minimum**2) / found.body_weight**2
        assert (above >= -EXACT).all()
        assert (above <= (most - (activation**2).sum(axis=1)) / weight + EXACT).all()
    assert (above <= EXACT).all()


def pressed(moment: Any = 12.0) -> RedundancyProblem:
    """Two muscles about one coordinate, 0.05 m · 500 N and 0.03 m · 300 N, which press a joint; gravity adds 100 N."""
    problem = RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], moment)
    effect = [[0.0, 0.0], [-1.0, -1.0], [0.0, 0.0]]
    knee = JointReactions.from_arrays("knee", np.tile([0.0, -100.0, 0.0], (len(problem), 1)), effect, problem.muscles)
    return replace(problem, reactions=replace(knee, body_weight=700.0))


def test_two_muscles_in_closed_form() -> None:
    """12 N·m: 240 N of the muscle of the long arm alone, or 60 N of it and all 300 N of the other."""
    found = feasible_ranges(pressed(), of="knee")
    np.testing.assert_allclose([found.minimum[0], found.maximum[0]], [340.0, 460.0], rtol=EXACT)
    np.testing.assert_allclose(found.lowest, [[0.48, 0.0]], atol=EXACT)
    np.testing.assert_allclose(found.highest, [[0.12, 1.0]], atol=EXACT)
    axial = feasible_ranges(pressed(), of="knee", component="y")
    np.testing.assert_allclose([axial.minimum[0], axial.maximum[0]], [-460.0, -340.0], rtol=EXACT)
    table = found.to_dataframe(body_weights=True)
    assert table["maximum"].iloc[0] == pytest.approx(460.0 / 700.0)
    assert found.summary().loc["maximum", "body_weights"] == pytest.approx(460.0 / 700.0)
    assert (found.unit, feasible_ranges(pressed(), of="knee", component="mx").unit) == ("N", "N·m")


def test_components_are_along_the_axes_of_the_child_by_default() -> None:
    """As those of Contact and compare_contact: here y of the child is x of ground."""
    problem = pressed()
    assert problem.reactions is not None
    turned = np.broadcast_to(np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]), (1, 1, 2, 3, 3))
    problem = replace(problem, reactions=replace(problem.reactions, rotation=turned))
    found = [feasible_ranges(problem, of="knee", component=axis).minimum[0] for axis in "xy"]
    np.testing.assert_allclose(found, [340.0, 0.0], atol=1e-6)


def test_measured_values_inside_and_outside() -> None:
    found = feasible_ranges(pressed([12.0, 12.0, 90.0, 12.0, 12.0]), of="knee")
    np.testing.assert_allclose(found.outside([340.0 + 1e-3, 300.0, 400.0, 470.0, np.nan]), [0, -40, np.nan, 10, np.nan])
    table = found.contains([340.0 + 1e-3, 300.0, 400.0, 470.0, np.nan])
    assert table["inside"].tolist() == [True, False, False, False, False]
    with pytest.raises(InputError, match=r"shape \(5,\).*shape \(3,\)"):
        found.outside([1.0, 2.0, 3.0])
    inside, below = [0.0, -400.0, 0.0], [30.0, -300.0, 0.0]
    problem = pressed([12.0, 12.0, 12.0])
    away = feasible_ranges(problem, of="knee", measured=[inside, below, [np.nan] * 3])
    np.testing.assert_allclose(away.minimum, [0.0, 50.0, np.nan], atol=1e-6)
    np.testing.assert_allclose(away.maximum, [60.0, np.hypot(30.0, 160.0), np.nan], atol=1e-6)
    assert away.component == "distance"
    with pytest.raises(InputError, match=r"shape \(3, 3\).*component='y'"):
        feasible_ranges(problem, of="knee", component="y", measured=np.zeros((3, 3)))


def test_failed_frames_frames_and_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    solution = solve_static(pressed([12.0, 90.0, 13.0]), on_failure="return")
    for component in ("norm", "y"):
        found = feasible_ranges(solution, of="knee", component=component)
        for name in ("minimum", "optimum", "maximum", "lower_bound", "upper_bound"):
            assert np.isnan(getattr(found, name)).tolist() == [False, True, False]
        few = feasible_ranges(solution, of="knee", component=component, frames=slice(2, 3))
        np.testing.assert_allclose(few.maximum, found.maximum[2:], rtol=EXACT)
        assert found.summary().loc["maximum", "time"] == 2.0
    monkeypatch.setattr(contact_ranges, "TOGETHER", 1)
    monkeypatch.setattr("osimopt.analysis.feasible.CHUNK", 3)
    again = feasible_ranges(solution, of="knee")
    np.testing.assert_allclose(again.maximum, feasible_ranges(solution, of="knee").maximum, rtol=EXACT)
    none = feasible_ranges(pressed([90.0]), of="knee")
    assert np.isnan(none.maximum).all()
    assert none.summary()["peak"].isna().all()


def test_a_joint_that_muscles_do_not_reach() -> None:
    problem = RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], 12.0)
    reactions = JointReactions.from_arrays("wrist", [0.0, -30.0, 40.0], np.zeros((3, 2)), problem.muscles)
    found = feasible_ranges(replace(problem, reactions=reactions), of="wrist")
    ends = [found.lower_bound[0], found.minimum[0], found.maximum[0], found.upper_bound[0]]
    np.testing.assert_allclose(ends, 50.0, rtol=EXACT)


def test_actuators_that_follow_press_the_joint_too() -> None:
    """A floating coordinate: the actuator takes what the wrapping error of 2 mm does, and presses the joint with it."""
    problem = RedundancyProblem.from_arrays([[0.05, -0.04], [2e-3, 0.0]], [1000.0, 1000.0], [[20.0, 5.0]])
    problem = problem.with_reserves({"coordinate_1": 10.0}, (-np.inf, np.inf))
    problem = replace(problem, geometry=replace(problem.geometry, spanned=np.array([True, False])))
    problem = replace(problem, reserves=replace(problem.reserves, origin=("model",)))
    alone = JointReactions.from_arrays("hip", [0.0, 0.0, 0.0], [[0.0] * 2, [-1.0, 0.0], [0.0] * 2], problem.muscles)
    force = np.zeros((1, 3, 6))
    force[:, :2] = alone.effect
    force[:, 2, 1] = 30.0  # N per unit of control
    reactions = replace(
        alone, actuators=problem.reserves.names, pair_joint=np.zeros(3, dtype=np.intp), pair_source=np.arange(3),
        effect=force,
    )  # fmt: skip
    found = feasible_ranges(replace(problem, reactions=reactions), of="hip", component="y")
    ends = [-force + 30.0 * (5.0 - 2e-3 * force) / 10.0 for force in (1000.0, 400.0)]
    np.testing.assert_allclose([found.minimum[0], found.maximum[0]], ends, rtol=EXACT)


def test_on_torch_the_ranges_are_those_of_numpy() -> None:
    pytest.importorskip("torch")
    solution = solve_static(knee(np.random.default_rng(6), 7, 6))
    for component in ("norm", "z"):
        ours = feasible_ranges(solution, of="knee", component=component)
        theirs = feasible_ranges(solution, of="knee", component=component, device="torch")
        for name in ("minimum", "optimum", "maximum", "lower_bound", "upper_bound"):
            np.testing.assert_allclose(getattr(theirs, name), getattr(ours, name), rtol=norms.FINE)


def test_wrong_questions_are_refused() -> None:
    problem = pressed()
    for wrong, message in (("w", r"'norm', x.*'w'"), ((0.0, 0.0, 0.0), "not all 0"), ((1.0, 2.0), "three numbers")):
        with pytest.raises(InputError, match=message):
            feasible_ranges(problem, of="knee", component=wrong)
    with pytest.raises(InputError, match="muscles or a joint"):
        feasible_ranges(problem, ["muscle_0"], of="knee")  # type: ignore[call-overload]
    with pytest.raises(InputError, match=r"knee.*got hip"):
        feasible_ranges(problem, of="hip")


def of_points(points: Array) -> norms.Support:
    """Support of the convex hulls of points (F, V, 3); what else is known are the weights."""

    def support(frame: Any, direction: Array) -> tuple[Array, Array, Array]:
        height = np.einsum("nvx,nx->nv", points[frame], direction)
        at = height.argmax(axis=1)
        return points[frame, at], np.eye(points.shape[1])[at], height.max(axis=1)

    return support


@pytest.mark.parametrize("loose", [2e-6, 0.1])
def test_a_sphere_is_bracketed_to_one_percent(loose: float) -> None:
    """The worst case of a greatest norm: all directions reach about as far; bounds may be loose."""
    rng = np.random.default_rng(2)
    points = rng.normal(size=(2, 3000 if loose < 0.01 else 300, 3))
    points *= rng.uniform(0.9999, 1.0, points.shape[:2])[..., None] / np.linalg.norm(points, axis=2)[..., None]
    asked = []

    def support(frame: Any, direction: Array) -> tuple[Array, Array, Array]:
        asked.append(len(frame))
        height = np.einsum("nvx,nx->nv", points[frame], direction)
        at = height.argmax(axis=1)
        return points[frame, at], np.zeros((len(frame), 0)), height.max(axis=1) * (1.0 + loose)

    most = norms.greatest_norm(points[:, 0], np.zeros((2, 0)), support)
    assert (most.value >= 0.999).all()
    assert (most.bound >= np.linalg.norm(points, axis=2).max(axis=1)).all()
    assert (most.bound <= most.value * (1.0 + norms.COARSE + loose)).all()
    assert sum(asked) < 2 * (1500 if loose < norms.COARSE else 2 * norms.MOST_TRIANGLES)


@pytest.mark.parametrize("thin", [1.0, 1e-3, 1e-9, 0.0])
def test_norms_of_hulls_of_points(thin: float) -> None:
    """Also flat hulls, needles, and hulls about the origin, whose least norm is 0."""
    rng = np.random.default_rng(1)
    points = rng.normal(size=(60, 15, 3)) * [1.0, thin, rng.choice([thin, 1.0])] * 900.0
    points += rng.normal(size=(60, 1, 3)) * 1000.0 * rng.choice([0.0, 1.0, 10.0], (60, 1, 1))
    support, equal = of_points(points), np.full((60, 15), 1.0 / 15)
    least = norms.least_norm(points.mean(axis=1), equal, support)
    most = norms.greatest_norm(points.mean(axis=1), equal, support)
    largest = np.linalg.norm(points, axis=2).max(axis=1)
    np.testing.assert_allclose(most.value, largest, rtol=1e-6)
    assert (most.bound >= largest * (1.0 - 1e-12)).all()
    assert (most.bound <= most.value * (1.0 + 1e-6)).all()
    wanted = np.array([least_of(hull) for hull in points])
    np.testing.assert_array_less(np.abs(least.value - wanted), LEAST_SQUARES * largest)
    assert (least.value - least.bound <= EXACT * largest).all()
    for found in (least, most):
        np.testing.assert_allclose(found.known.sum(axis=1), 1.0)
        made = np.einsum("fv,fvx->fx", found.known, points)
        np.testing.assert_allclose(np.linalg.norm(made, axis=1), found.value, rtol=0.0, atol=1e-9 * largest.max())


FAMILIES: dict[str, dict[str, Any]] = {
    "ordinary": {},
    "zero arms and gains": {"zeros": True},
    "proportional rows": {"proportional": True, "coordinates": (2, 3)},
    "on the bounds": {"interior": False},
    "tiny and huge": {"strengths": (1e-4, 100.0)},
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.slow
def test_ends_of_degenerate_problems_are_proved(family: str) -> None:
    options = {"coordinates": (1, 3), "muscles": (1, 7), "frames": (1, 2), **FAMILIES[family]}
    rng = np.random.default_rng(0)

    @settings(deadline=None, max_examples=15, derandomize=True, database=None)
    @given(case=cases(**options))
    def check(case: Case) -> None:
        problem = case.problem
        frames, muscles = problem.max_force.shape
        effect, constant = rng.normal(size=(frames, 3, muscles)), rng.normal(size=(frames, 3)) * 100.0
        reactions = JointReactions.from_arrays("knee", constant, effect, problem.muscles)
        solution = solve_static(replace(problem, reactions=reactions), on_failure="return")
        norm = feasible_ranges(solution, of="knee")
        axial = feasible_ranges(solution, of="knee", component="y")
        for frame in np.flatnonzero(solution.solved):
            size = norm.upper_bound[frame]
            assert norm.minimum[frame] - norm.lower_bound[frame] <= HIGHS * size
            assert norm.upper_bound[frame] - norm.maximum[frame] <= (HIGHS + norms.FINE) * size
            ends = by_highs(solution, frame, problem.max_force[frame] * effect[frame, 1])
            zero = constant[frame, 1] + effect[frame, 1] @ problem.passive_force[frame]
            for found, end in zip((axial.minimum, axial.maximum), ends, strict=True):
                assert found[frame] == pytest.approx(zero + end, abs=HIGHS * size)
                assert abs(zero + end) <= size * (1.0 + HIGHS)
            for direction in rng.normal(size=(5, 3)):
                along = feasible_ranges(solution, of="knee", component=direction)
                assert along.maximum[frame] <= size * (1.0 + EXACT)
                nearest = max(along.lower_bound[frame], -along.upper_bound[frame], 0.0)
                assert nearest <= norm.minimum[frame] + HIGHS * size

    check()


@pytest.mark.slow
def test_walk(real_data: Path) -> None:
    """The knee and hip of every tenth frame, 80 muscles; axial forces by HiGHS too."""
    folder = real_data / "walk_80muscles"
    files = [folder / name for name in ("walk_80muscles_with_reserves.osim", "coordinates_100hz.mot", "grf_walk.xml")]
    problem = osimopt.load_problem(*files, time_range=(0.49, 1.61), reserves=None).with_reactions()
    solution = solve_static(problem.frames(slice(None, None, 10)))
    known = solution.problem.reactions
    assert known is not None
    for joint in ("walker_knee_l", "hip_r"):
        force = solution.joint_reactions(joint, frame="child").to_numpy()[:, :3]
        norm = feasible_ranges(solution, of=joint, frame="child")
        axial = feasible_ranges(solution, of=joint, component="y", frame="child")
        np.testing.assert_allclose(norm.optimum, np.linalg.norm(force, axis=1), atol=1e-6)
        np.testing.assert_allclose(axial.optimum, force[:, 1], atol=1e-6)
        assert (norm.upper_bound <= norm.maximum * (1.0 + norms.FINE)).all()
        assert (norm.minimum - norm.lower_bound <= 1e-4).all()  # N
        assert (norm.maximum >= np.abs(axial.minimum)).all()
        effect = known.affine(solution.problem, joint, frame="child").by_unknowns(solution.problem)[1]
        for frame in range(0, len(solution.time), 4):
            cost = effect[frame, 1, :80]
            low, high = by_highs(solution, frame, cost)
            at = axial.optimum[frame] - cost @ solution.activation[frame]
            scale = np.abs(cost).max()
            assert axial.minimum[frame] == pytest.approx(at + low, abs=HIGHS * scale)
            assert axial.maximum[frame] == pytest.approx(at + high, abs=HIGHS * scale)
