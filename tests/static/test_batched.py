"""The batched solver: its certificate against the truth, its proofs of infeasibility, chunks, blocks, torch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import osimopt
from osimopt import RedundancyProblem, Status, solve_static
from osimopt.static import frames
from osimopt.static.power import bregman, duality_gap, power_answer, repaired, solve_block
from osimopt.static.proof import Proof, distance, prove

POWERS = [1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0]
#: Two solvers that each are exact to rounding.
EXACT = 1e-9
#: Relative; moments that are met, gaps of solved frames.
SOLVED, GAP = 2e-12, 1e-10
#: The median number of Newton steps, of all exponents up to 15, is about 25 at most.
MANY_STEPS = 40
#: Relative; the exact answer itself misses the moments by 1e-12, which the multipliers turn into this much cost.
ROUNDING = 1e-10


def missed(A: np.ndarray, b: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Moments that are missed (T,), relative to the largest, at least 1 N·m."""
    return np.abs(b - np.einsum("tdn,tn->td", A, y)).max(axis=1) / np.maximum(1.0, np.abs(b).max(axis=1))


def block(seed: int, frames: int = 20, reserves: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A (T, 3, N), b, lower, upper: eight muscles and, where asked for, an unbounded reserve per row."""
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(frames, 3, 8)) * rng.uniform(5.0, 50.0, 8)
    lower, upper = np.full((frames, 8), 0.01), np.ones((frames, 8))
    b = np.einsum("tdn,tn->td", A, rng.uniform(0.02, 0.9, (frames, 8)))
    if reserves:
        A = np.concatenate([A, np.broadcast_to(np.eye(3), (frames, 3, 3))], axis=2)
        lower = np.hstack([lower, np.full((frames, 3), -np.inf)])
        upper = np.hstack([upper, np.full((frames, 3), np.inf)])
    return A, b, lower, upper


def proved(A: np.ndarray, b: np.ndarray, lowest: float, p: float, y: np.ndarray, multipliers: np.ndarray) -> Proof:
    """What is proved of answers to a block with unbounded reserves, or with none."""
    frames, rows, unknowns = A.shape
    problem = RedundancyProblem.from_arrays(A[:, :, :8], np.ones((frames, 8)), b, bounds=(lowest, 1.0))
    problem = problem.with_reserves(1.0) if unknowns == 8 + rows else problem
    return prove(problem, p, np.ones_like(y), y, multipliers)


def gap_of(answer, A: np.ndarray, lower: np.ndarray, upper: np.ndarray, p: float) -> np.ndarray:
    """Relative duality gap (T,) of a block's answer."""
    z = np.einsum("td,tdn->tn", answer.multipliers, A)
    return duality_gap(answer.y, z, lower, upper, p) / (np.sum(np.abs(answer.y) ** p, axis=1) / p)


@pytest.mark.parametrize("lowest", [0.0, 0.01, -0.5])
@pytest.mark.parametrize("p", [*POWERS, 1.05, 15.0])
def test_every_exponent_is_solved_and_certified(p: float, lowest: float) -> None:
    """Bounds exactly, moments to rounding, a duality gap near the digits of the cost, in few steps."""
    for reserves in (False, True):
        A, b, lower, upper = block(5, 40, reserves)
        lower = np.where(lower == 0.01, lowest, lower)
        answer = solve_block(A, b, lower, upper, p)
        assert not answer.infeasible.any()
        assert ((answer.y >= lower) & (answer.y <= upper)).all()
        assert (missed(A, b, answer.y) <= SOLVED).all()
        assert (gap_of(answer, A, lower, upper, p) <= GAP).all()
        assert np.median(answer.steps) <= MANY_STEPS


@pytest.mark.parametrize("p", POWERS)
def test_gap_of_any_multipliers_bounds_the_distance(p: float) -> None:
    """For wrong λ, repaired: the gap is never below the excess of the cost, and the error bound holds."""
    A, b, lower, upper = block(0)
    exact = solve_block(A, b, lower, upper, p)
    best = np.sum(np.abs(exact.y) ** p, axis=1) / p
    rng = np.random.default_rng(1)
    for size in (1e-6, 1e-3, 0.1):
        multipliers = exact.multipliers * (1.0 + size * rng.normal(size=b.shape))
        y = np.clip(power_answer(np.einsum("td,tdn->tn", multipliers, A), p), lower, upper)
        y = repaired(A, b, lower, upper, p, y, multipliers)
        found = proved(A, b, 0.01, p, y, multipliers)
        excess = np.sum(np.abs(y) ** p, axis=1) / p - best
        assert (missed(A, b, y) <= SOLVED).all()
        assert (found.gap >= np.maximum(excess - ROUNDING * np.maximum(best, 1.0), 0.0)).all()
        error = np.abs(y - exact.y)[:, :8].max(axis=1)
        # The exact answer itself is known only as far as its own gap says.
        own = proved(A, b, 0.01, p, exact.y, exact.multipliers)
        assert own.certified.all()
        assert (error <= found.activation_error + own.activation_error + EXACT).all()


def test_what_cannot_be_repaired_is_not_certified() -> None:
    A, b, lower, upper = block(0, reserves=False)
    y, multipliers = np.zeros_like(lower), np.zeros_like(b)
    y = repaired(A, 100.0 * b, lower, upper, 2.0, y, multipliers)
    assert not proved(A, 100.0 * b, 0.01, 2.0, y, multipliers).certified.any()


def test_bregman_distance_cancels_nothing() -> None:
    y, change = np.array([0.3]), 1e-9
    for p in POWERS:
        expected = 0.5 * (p - 1.0) * 0.3 ** (p - 2.0) * change**2
        np.testing.assert_allclose(bregman(y + change, y, p), expected, rtol=1e-6)


def test_distance_bounds_are_those_of_the_power() -> None:
    one = np.ones(1)
    assert distance(0.02 * one, 2.0, 0.0 * one, one)[0] == pytest.approx(0.2)
    assert distance(0.02 * one, 1.5, 0.0 * one, one)[0] == pytest.approx(np.sqrt(0.08))
    assert distance(1e-3 * one, 3.0, 0.0 * one, one)[0] == pytest.approx(6e-3 ** (1 / 3))
    assert distance(1e-6 * one, 3.0, 0.5 * one, one)[0] == pytest.approx(np.sqrt(2e-6))


@pytest.mark.parametrize("p", [1.5, 2.0, 3.0, 10.0])
def test_infeasible_frames_are_proved_so(p: float) -> None:
    """The ray d has bᵀd above every value that dᵀA y can take within the bounds."""
    A, b, lower, upper = block(2, reserves=False)
    b[::4] *= 30.0
    answer = solve_block(A, b, lower, upper, p)
    assert answer.infeasible.tolist() == [frame % 4 == 0 for frame in range(len(b))]
    for frame in np.flatnonzero(answer.infeasible):
        along = A[frame].T @ answer.ray[frame]
        most = np.sum(np.where(along > 0, upper[frame], lower[frame]) * along)
        assert b[frame] @ answer.ray[frame] > most


@pytest.mark.parametrize("p", POWERS)
def test_starting_from_the_answer_changes_nothing_but_the_steps(p: float) -> None:
    A, b, lower, upper = block(6)
    cold = solve_block(A, b, lower, upper, p)
    start = cold.multipliers.copy()
    start[::5] = np.nan  # frames without a start
    warm = solve_block(A, b, lower, upper, p, start)
    cost, again = (np.sum(np.abs(answer.y) ** p, axis=1) for answer in (cold, warm))
    np.testing.assert_allclose(again, cost, rtol=GAP)
    assert (gap_of(warm, A, lower, upper, p) <= GAP).all()
    assert (missed(A, b, warm.y) <= SOLVED).all()
    if p == 2.0:
        assert (np.delete(warm.steps, np.s_[::5]) == 0).all()


@pytest.mark.parametrize("p", POWERS)
def test_torch_gives_what_numpy_gives(p: float) -> None:
    torch = pytest.importorskip("torch")
    arrays = block(3)
    ours, theirs = solve_block(*arrays, p), solve_block(*(torch.from_numpy(a.copy()) for a in arrays), p)
    np.testing.assert_allclose(theirs.y.numpy(), ours.y, atol=EXACT)
    gap = duality_gap(theirs.y, torch.einsum("td,tdn->tn", theirs.multipliers, torch.from_numpy(arrays[0])), *(
        torch.from_numpy(a.copy()) for a in arrays[2:]), p)  # fmt: skip
    assert float(gap.min()) >= 0.0


@pytest.mark.parametrize("exponent", [2.0, 3.0, 8.0])
def test_device_torch_gives_what_numpy_gives(exponent: float) -> None:
    pytest.importorskip("torch")
    problem = two_blocks()
    ours, theirs = (solve_static(problem, exponent=exponent, device=name) for name in ("cpu", "torch"))
    np.testing.assert_allclose(theirs.activation, ours.activation, atol=1e-10)
    np.testing.assert_allclose(theirs.multipliers, ours.multipliers, rtol=1e-9, atol=1e-12)
    assert theirs.provenance["solver"]["device"] == "torch"
    assert ours.gap is not None
    assert theirs.gap is not None
    assert np.isfinite(theirs.gap).all()


def two_blocks(frames: int = 7) -> RedundancyProblem:
    """Two legs that share nothing, a pelvis with a residual only, a muscle without effect, small and full loads."""
    rng = np.random.default_rng(4)
    arm = np.zeros((frames, 5, 9))
    arm[:, :2, :4] = rng.uniform(-0.05, 0.05, (frames, 2, 4))
    arm[:, 2:4, 4:8] = rng.uniform(-0.05, 0.05, (frames, 2, 4))
    force = np.full((frames, 9), 800.0)
    moment = np.einsum("tdm,tm->td", arm * force[:, None], rng.uniform(0.01, 0.9, (frames, 9)))
    moment[:, 4] = rng.normal(size=frames) * 100.0
    return RedundancyProblem.from_arrays(arm, force, moment, bounds=(0.01, 1.0), reserves={"coordinate_4": 250.0})


@pytest.mark.parametrize("exponent", POWERS)
def test_chunks_blocks_and_slsqp_agree(exponent: float, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = two_blocks()
    whole = solve_static(problem, exponent=exponent, solver="newton")
    monkeypatch.setattr(frames, "CHUNK", 2)
    chunked = solve_static(problem, exponent=exponent, solver="newton")
    np.testing.assert_allclose(chunked.activation, whole.activation, atol=EXACT)
    one_by_one = solve_static(problem, exponent=exponent, solver="slsqp")
    np.testing.assert_allclose(one_by_one.objective, whole.objective, rtol=1e-9)
    if exponent <= 5.0:  # beyond, the cost hardly knows the smaller activations
        np.testing.assert_allclose(one_by_one.activation, whole.activation, atol=1e-7)
    assert whole.gap is not None
    assert np.isfinite(whole.gap).all()
    assert (whole.activation[:, 8] == 0.01).all()


def test_what_is_not_certified_says_so() -> None:
    """Frames without an answer, and linear costs, carry no certificate; what SLSQP finds is proved like the rest."""
    problem = RedundancyProblem.from_arrays([0.05, 0.04], [500.0, 400.0], [10.0, 500.0])
    solution = solve_static(problem, on_failure="return")
    assert solution.status.tolist() == [Status.SOLVED, Status.INFEASIBLE]
    assert solution.gap is not None
    assert np.isfinite(solution.gap).tolist() == [True, False]
    one = problem.frames(slice(0, 1))
    assert solve_static(one, solver="slsqp").gap[0] <= EXACT
    assert np.isnan(solve_static(one, exponent=1).gap).all()


@pytest.mark.parametrize(
    ("cost", "exponent"),
    [("activation_power", 2), ("activation_power", 5), ("sum_moment_ratio_cubed", 2), ("sum_stress_squared", 2)],
)
def test_multipliers_are_the_slope_of_the_cost(cost: str, exponent: float) -> None:
    """λ = ∂(objective / p)/∂τ, of every coordinate that is not without actuators, in the cost's own unit."""
    problem = two_blocks().with_weights(np.linspace(0.5, 2.0, 9))
    if cost == "sum_moment_ratio_cubed":
        problem = without_idle_muscle(problem)
    p = {"sum_moment_ratio_cubed": 3.0, "sum_stress_squared": 2.0}.get(cost, exponent)
    solution = solve_static(problem, cost, exponent)
    assert solution.multipliers is not None
    step = 1e-3
    for row in range(len(problem.coordinates)):
        moved = []
        for sign in (1.0, -1.0):
            target = problem.generalized_force.copy()
            target[:, row] += sign * step
            moved.append(solve_static(replace(problem, generalized_force=target), cost, exponent).objective / p)
        slope = (moved[0] - moved[1]) / (2.0 * step)
        np.testing.assert_allclose(solution.multipliers[:, row], slope, rtol=1e-4, atol=1e-6 * np.abs(slope).max())


def without_idle_muscle(problem: RedundancyProblem) -> RedundancyProblem:
    arm = problem.moment_arm[:, :, :8]
    return RedundancyProblem.from_arrays(
        arm, problem.max_force[:, :8], problem.generalized_force, bounds=(0.01, 1.0), reserves={"coordinate_4": 250.0}
    )


def test_certificate_is_in_the_unit_of_the_cost() -> None:
    """The gap bounds objective / p: ten times the force of all, a hundred times the gap of Σ F²."""
    problem = RedundancyProblem.from_arrays(
        [[0.05, 0.04, 0.0], [0.0, 0.03, 0.05]], [500.0, 400.0, 300.0], [[12.0, 9.0]]
    )
    strong = RedundancyProblem.from_arrays([[0.05, 0.04, 0.0], [0.0, 0.03, 0.05]], [5e3, 4e3, 3e3], [[120.0, 90.0]])
    small, large = (solve_static(each, "sum_force_squared") for each in (problem, strong))
    assert small.multipliers is not None
    assert large.multipliers is not None
    np.testing.assert_allclose(large.multipliers, 10.0 * small.multipliers, rtol=1e-9)
    assert large.gap is not None
    assert (large.gap <= 1e-12 * large.objective).all()


def test_multipliers_of_a_muscle_that_one_moment_determines() -> None:
    """Muscle 0 alone serves coordinate 0, and disturbs coordinate 1, which two others serve."""
    problem = RedundancyProblem.from_arrays(
        [[0.05, 0.0, 0.0], [0.03, 0.04, 0.05]], [500.0, 400.0, 300.0], [[12.0, 20.0]], weights=[1.0, 2.0, 3.0]
    )
    solution = solve_static(problem, exponent=3)
    assert solution.multipliers is not None
    A, _ = problem.system(0)
    slope = problem.weights * solution.activation[0] ** 2
    np.testing.assert_allclose(A.T @ solution.multipliers[0], slope, rtol=1e-9)


def test_gap_is_in_the_unit_of_the_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gap of half the solver's own sum is half of the objective / p, whatever the unit and the weights."""

    def with_large_gap(problem, exponent, scale, x, multipliers):
        proof = prove(problem, exponent, scale, x, multipliers)
        return replace(proof, gap=0.5 * np.sum(np.abs(scale * x) ** exponent, axis=1) / exponent)

    monkeypatch.setattr(frames, "prove", with_large_gap)
    problem = two_blocks().with_weights(np.linspace(0.5, 2.0, 9))
    for cost, p in (("sum_force_squared", 2.0), ("activation_power", 3.0)):
        solution = solve_static(problem, cost, p)
        np.testing.assert_allclose(solution.gap, 0.5 * solution.objective / p, rtol=1e-12)


@pytest.mark.parametrize("p", [1.5, 2.0, 4.0])
def test_what_newton_gets_wrong_is_solved_again(p: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it claims: other multipliers, another answer, or that the moments cannot be met."""

    solve_batched = frames.solve_batched

    def forged(problem, exponent, scale, *rest):
        batch = solve_batched(problem, exponent, scale, *rest)
        batch.multipliers[0] *= 1.5
        batch.x[1] = np.nan
        batch.x[2] = np.where(batch.x[2] > 0.5, 1.0, batch.x[2])
        batch.status[3], batch.x[3] = Status.INFEASIBLE, 0.0
        return batch

    problem = two_blocks()
    right = solve_static(problem, exponent=p)
    monkeypatch.setattr(frames, "solve_batched", forged)
    solution = solve_static(problem, exponent=p)
    np.testing.assert_allclose(solution.objective, right.objective, rtol=1e-8)
    assert solution.gap is not None
    assert np.isfinite(solution.gap).all()
    assert {0, 1, 3} <= set(solution.detail)


def test_a_solution_as_initial_guess_saves_steps() -> None:
    problem = two_blocks()
    cold = solve_static(problem, exponent=3)
    near = replace(problem, generalized_force=1.001 * problem.generalized_force)
    warm, again = solve_static(near, exponent=3, initial_guess=cold), solve_static(near, exponent=3)
    np.testing.assert_allclose(warm.activation, again.activation, atol=1e-8)
    assert warm.provenance["solver"]["used"] == "newton"
    by_slsqp = solve_static(near, exponent=3, solver="slsqp", initial_guess=cold)
    np.testing.assert_allclose(by_slsqp.activation, again.activation, atol=1e-7)
    with pytest.raises(osimopt.InputError, match=r"multipliers of shape \(7, 5\), got no multipliers"):
        solve_static(near, solver="newton", initial_guess=by_slsqp)
    with pytest.raises(osimopt.InputError, match=r"multipliers of shape \(3, 5\), got shape \(7, 5\)"):
        solve_static(near.frames(slice(0, 3)), initial_guess=cold)


def test_options_that_do_not_go_together() -> None:
    problem = RedundancyProblem.from_arrays([0.05], [500.0], 10.0)
    with pytest.raises(osimopt.InputError, match="expected initial_guess=None or a solution"):
        solve_static(problem, solver="newton", initial_guess=[0.5])
    assert solve_static(problem, initial_guess=[0.5]).provenance["solver"]["used"] == "slsqp"
    assert solve_static(problem, exponent=8).provenance["solver"]["used"] == "newton"
    with pytest.raises(osimopt.InputError, match="device='cpu' for solver='slsqp', got 'torch'"):
        solve_static(problem, solver="slsqp", device="torch")
    with pytest.raises(osimopt.InputError, match=r"expected device among .*, got 'abacus'"):
        solve_static(problem, device="abacus")
