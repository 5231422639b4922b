"""The batched solver: its certificate against the truth, its proofs of infeasibility, chunks, blocks, torch."""

from __future__ import annotations

import numpy as np
import pytest

import osimopt
from osimopt import RedundancyProblem, Status, solve_static
from osimopt.static import batched
from osimopt.static.certificate import Certificate, certify, distance_bound
from osimopt.static.dual import solve_block
from osimopt.static.gap import bregman, duality_gap, power_answer

POWERS = [1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0]
#: Two solvers that each are exact to rounding.
EXACT = 1e-9
#: Relative; the exact answer itself misses the moments by 1e-12, which the multipliers turn into this much cost.
ROUNDING = 1e-10


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


@pytest.mark.parametrize("p", POWERS)
def test_gap_of_any_multipliers_bounds_the_distance(p: float) -> None:
    """For wrong λ, repaired: the gap is never below the excess of the cost, and the error bound holds."""
    A, b, lower, upper = block(0)
    exact = solve_block(A, b, lower, upper, p)
    best = np.sum(np.abs(exact.y) ** p, axis=1) / p
    problem = RedundancyProblem.from_arrays(A[:, :, :8], np.ones(8), b)
    rng = np.random.default_rng(1)
    for size in (1e-6, 1e-3, 0.1):
        multipliers = exact.multipliers * (1.0 + size * rng.normal(size=b.shape))
        y = np.clip(power_answer(np.einsum("td,tdn->tn", multipliers, A), p), lower, upper)
        found = Certificate.empty(len(b))
        repaired = certify(found, A, b, lower, upper, p, y, multipliers, np.ones((len(b), 11)), np.arange(11), problem)
        excess = np.sum(np.abs(repaired) ** p, axis=1) / p - best
        assert (found.gap >= 0.0).all()
        sure = found.valid
        assert sure.all() or size == 0.1, "a large repair may pass a bound, and then nothing is claimed"
        assert (found.gap >= excess - ROUNDING * np.maximum(best, 1.0))[sure].all()
        error = np.abs(repaired - exact.y)[:, :8].max(axis=1)
        assert (error <= found.activation_error + EXACT)[sure].all()


def test_bregman_distance_cancels_nothing() -> None:
    y, change = np.array([0.3]), 1e-9
    for p in POWERS:
        expected = 0.5 * (p - 1.0) * 0.3 ** (p - 2.0) * change**2
        np.testing.assert_allclose(bregman(y + change, y, p), expected, rtol=1e-6)


def test_distance_bounds_are_those_of_the_power() -> None:
    one = np.ones(1)
    assert distance_bound(0.02 * one, 2.0, 0.0 * one, one)[0] == pytest.approx(0.2)
    assert distance_bound(0.02 * one, 1.5, 0.0 * one, one)[0] == pytest.approx(np.sqrt(0.08))
    assert distance_bound(1e-3 * one, 3.0, 0.0 * one, one)[0] == pytest.approx(6e-3 ** (1 / 3))
    assert distance_bound(1e-6 * one, 3.0, 0.5 * one, one)[0] == pytest.approx(np.sqrt(2e-6))


@pytest.mark.parametrize("p", [1.5, 2.0, 3.0])
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
def test_torch_gives_what_numpy_gives(p: float) -> None:
    torch = pytest.importorskip("torch")
    arrays = block(3)
    ours, theirs = solve_block(*arrays, p), solve_block(*(torch.from_numpy(a.copy()) for a in arrays), p)
    np.testing.assert_allclose(theirs.y.numpy(), ours.y, atol=EXACT)
    gap = duality_gap(theirs.y, torch.einsum("td,tdn->tn", theirs.multipliers, torch.from_numpy(arrays[0])), *(
        torch.from_numpy(a.copy()) for a in arrays[2:]), p)  # fmt: skip
    assert float(gap.min()) >= 0.0


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
    monkeypatch.setattr(batched, "CHUNK", 2)
    chunked = solve_static(problem, exponent=exponent, solver="newton")
    np.testing.assert_allclose(chunked.activation, whole.activation, atol=EXACT)
    one_by_one = solve_static(problem, exponent=exponent, solver="slsqp")
    np.testing.assert_allclose(one_by_one.activation, whole.activation, atol=1e-7)
    assert whole.gap is not None
    assert np.isfinite(whole.gap).all()
    assert (whole.activation[:, 8] == 0.01).all()


def test_what_is_not_certified_says_so() -> None:
    """A frame that only SLSQP can do, and frames without an answer, carry no certificate."""
    problem = RedundancyProblem.from_arrays([0.05, 0.04], [500.0, 400.0], [10.0, 500.0])
    solution = solve_static(problem, on_failure="return")
    assert solution.status.tolist() == [Status.SOLVED, Status.INFEASIBLE]
    assert solution.gap is not None
    assert np.isfinite(solution.gap).tolist() == [True, False]
    assert np.isnan(solve_static(problem.frames(slice(0, 1)), solver="slsqp").gap).all()


def test_options_that_do_not_go_together() -> None:
    problem = RedundancyProblem.from_arrays([0.05], [500.0], 10.0)
    with pytest.raises(osimopt.InputError, match="exponent ≤ 5"):
        solve_static(problem, exponent=6, solver="newton")
    with pytest.raises(osimopt.InputError, match="no initial_guess"):
        solve_static(problem, solver="newton", initial_guess=[0.5])
    assert solve_static(problem, initial_guess=[0.5]).provenance["solver"]["used"] == "slsqp"
    assert solve_static(problem, exponent=8).provenance["solver"]["used"] == "slsqp"
