"""Sparse random problems, every claim judged by other code: answers, certificates, proofs of infeasibility.

usage: python scripts/benchmarks/random_problems.py [--frames 20000] [--seed 0]

Batches of 1 to 50 frames of 2 to 80 muscles and 2 to 13 coordinates; in every frame half of the moment arms are 0 and
some are 1e-17 to 1e-6 m; reserves are absent, unbounded, or weak; moments can be met, or are stretched, or lie up to
1e-6 beside what can be met. Half of the problems have p = 2, the others 1.2 to 10.

Judges: an interior-point method in long double for every p, and DAQP through qpsolvers for p = 2 (pip install
osimopt[bench]); certificates by the dual value in long double; feasibility by linear programs (HiGHS), repeated on what
they leave. A frame is feasible where the moments can be met to 1e-9 · max(1 N·m, the largest). An answer is wrong where
it misses them by more, passes a bound, or costs more than the optimum by 1e-6 of it: that of the problem as it stands,
or without effects that are rounding, whichever is more.
"""

import argparse
import time
import warnings
from dataclasses import dataclass, fields, replace

import numpy as np
from qpsolvers import solve_qp
from scipy.optimize import linprog
from threadpoolctl import threadpool_limits

import osimopt
from osimopt.costs import get_cost, scale_of_unknowns

#: Relative to the largest moment, at least 1 N·m: what may be missed, and effects that add up to less are rounding.
ALLOWED, ROUNDING = 1e-9, 1e-10
#: Relative to the optimum; an answer may cost so much more, so much may a judge leave open itself, and so much is
#: rounding of long double and of the moments that the judge misses.
OPTIMAL, JUDGED, CLOSE = 1e-6, 1e-6, 1e-9
Array = np.ndarray
Long = np.longdouble


@dataclass
class Count:
    """What was seen, in frames."""

    frames: int = 0
    solved: int = 0
    certified: int = 0
    uncertified: int = 0
    infeasible: int = 0
    not_converged: int = 0
    other_failures: int = 0
    wrong_and_solved: int = 0
    wrongly_infeasible: int = 0
    solved_but_infeasible: int = 0
    gap_below_dual_gap: int = 0
    gap_bound_violated: int = 0
    activation_bound_violated: int = 0
    judged: int = 0
    judged_by_daqp: int = 0
    wrong_by_daqp: int = 0
    without_judge: int = 0


def random_problem(rng: np.random.Generator) -> osimopt.RedundancyProblem:
    """A batch of frames, each with a pattern of its own."""
    frames, rows = int(rng.choice([1, 3, 10, 50], p=[0.3, 0.4, 0.2, 0.1])), int(rng.integers(2, 14))
    muscles = int(rng.integers(2, 81 if rng.random() < 0.5 else 12))
    arm = rng.normal(0.0, 0.05, (frames, rows, muscles))
    tiny = rng.random(arm.shape) < rng.choice([0.0, 0.05, 0.2])
    arm = np.where(tiny, np.sign(arm) * 10.0 ** rng.uniform(-17.0, -6.0, arm.shape), arm)
    arm[rng.random(arm.shape) < 0.5] = 0.0
    force = rng.uniform(100.0, 2000.0, (frames, muscles))
    lower = float(rng.choice([0.0, 0.01]))
    activation = np.clip(rng.uniform(-0.2, 1.1, (frames, muscles)), lower, 1.0)
    moment = np.einsum("tdm,tm->td", arm, force * activation)
    kind = rng.choice(3, size=frames, p=[0.7, 0.15, 0.15])[:, None]
    largest = np.maximum(1.0, np.abs(moment).max(axis=1, keepdims=True))
    beside = rng.normal(size=moment.shape) * largest * 10.0 ** rng.uniform(-12.0, -6.0, (frames, 1))
    moment = np.where(kind == 1, moment * rng.uniform(1.0, 3.0, (frames, 1)), moment + (kind == 2) * beside)
    problem = osimopt.RedundancyProblem.from_arrays(
        arm, force, moment, bounds=(lower, 1.0), weights=rng.uniform(0.2, 5.0, muscles)
    )
    which = rng.integers(4)
    if which == 1:
        return problem.with_reserves(float(10.0 ** rng.uniform(-1.0, 1.0)))
    if which == 2:
        return problem.with_reserves(float(10.0 ** rng.uniform(-4.0, -1.0)), (-1.0, 1.0))
    return problem.with_reserves(float(10.0 ** rng.uniform(-4.0, -1.0))) if which == 3 else problem


def least_miss(A: Array, b: Array, lower: Array, upper: Array) -> tuple[float, float]:
    """Between what min ‖b − A x‖∞ lies: an x and a direction of the moments, each found by linear programs."""
    x, least = np.clip(0.0, lower, upper), 0.0
    most = float(np.abs(b - A @ x).max())
    for _ in range(5):
        missing = (b.astype(Long) - A.astype(Long) @ x.astype(Long)).astype(float)
        size, rows = float(np.abs(missing).max()), len(b)
        if size == 0.0:
            return 0.0, 0.0
        above = np.hstack([np.vstack([A, -A]), -np.ones((2 * rows, 1))])
        limits = np.column_stack([np.append((lower - x) / size, 0.0), np.append((upper - x) / size, np.inf)])
        cost, right = np.append(np.zeros(len(x)), 1.0), np.concatenate([missing, -missing]) / size
        found = linprog(cost, A_ub=above, b_ub=right, bounds=limits, method="highs")
        if not found.success:
            break
        ray = found.ineqlin.marginals[:rows] - found.ineqlin.marginals[rows:]
        along = ray.astype(Long) @ A.astype(Long)
        far = np.where(np.isfinite(upper - lower), np.where(along > 0.0, upper, lower), np.sign(along) * 1e9)
        least = max(least, float((ray @ b.astype(Long) - (along * far).sum()) / max(np.abs(ray).sum(), 1e-300)))
        x = np.clip(x + size * found.x[:-1], lower, upper)
        left = float(np.abs(b.astype(Long) - A.astype(Long) @ x.astype(Long)).max())
        most = min(most, left)
        if left >= 0.5 * size:
            break
    return least, most


@dataclass
class Program:
    """Frames of min Σ |y|^p / p, A y = b, lower ≤ y ≤ upper, in long double; (T, D, U) and the like."""

    A: Array
    b: Array
    lower: Array
    upper: Array
    p: float

    def without_rounding(self) -> "Program":
        """Effects that add up to nothing left out."""
        reach = np.minimum(np.maximum(np.abs(self.lower), np.abs(self.upper)), 1e15)
        limit = ROUNDING * np.maximum(1.0, np.abs(self.b).max(axis=1))[:, None, None] / self.A.shape[2]
        return replace(self, A=np.where(np.abs(self.A) * reach[:, None, :] <= limit, 0.0, self.A))

    def keep(self, frames: Array) -> "Program":
        """Some of the frames."""
        return Program(self.A[frames], self.b[frames], self.lower[frames], self.upper[frames], self.p)

    def in_units(self, size: Array) -> "Program":
        """In y / size, (T,)."""
        b, lower, upper = (array / size[:, None] for array in (self.b, self.lower, self.upper))
        return replace(self, b=b, lower=lower, upper=upper)

    def dual(self, multipliers: Array) -> Array:
        """Dual value (T,)."""
        z = np.einsum("tdu,td->tu", self.A, multipliers)
        y = np.clip(np.sign(z) * np.abs(z) ** (1 / Long(self.p - 1.0)), self.lower, self.upper)
        return (self.b * multipliers).sum(axis=1) - (z * y - np.abs(y) ** self.p / Long(self.p)).sum(axis=1)

    def cost(self, y: Array) -> Array:
        """(T,)."""
        return (np.abs(y) ** self.p / Long(self.p)).sum(axis=1)


def judge(program: Program) -> tuple[Array, Array, Array]:
    """Optimal y (T, U), its cost and dual value (T,), by a primal-dual interior-point method.

    Unknowns that may be negative are split in two, so that no power is taken across its kink at 0.
    """
    A, p, sign = program.A, Long(program.p), program.lower < 0.0
    split = np.flatnonzero(sign.any(axis=0))
    A = np.concatenate([A, -A[:, :, split]], axis=2)
    low = np.concatenate([np.maximum(program.lower, 0.0), np.zeros((len(A), split.size))], axis=1).astype(Long)
    high = np.concatenate([program.upper, -program.lower[:, split]], axis=1).astype(Long)
    size = np.abs(A).max(axis=2)
    size = np.where(size > 0.0, size, 1.0)
    acts = np.abs(A).max(axis=2) > 0.0
    A, b = A / size[:, :, None], np.where(acts, program.b / size, 0.0)
    bounded = np.isfinite(high)
    top = np.where(bounded, high, 0.0)
    room = np.where(bounded, top - low, Long(2))
    over, multipliers = 0.5 * room, np.zeros_like(b)
    under = np.where(bounded, room - over, Long(1))
    left, right = np.ones_like(low), np.where(bounded, Long(1), Long(0))
    count = left.shape[1] + bounded.sum(axis=1)
    for _ in range(90):
        y = low + over
        mu = ((over * left).sum(axis=1) + (under * right).sum(axis=1)) / count
        slope = y ** (p - 1)
        missing = b - np.einsum("tdu,tu->td", A, y)
        wrong = slope - np.einsum("tdu,td->tu", A, multipliers) - left + right
        worth, largest = (y**p).sum(axis=1) / p, np.maximum(1.0, np.abs(b).max(axis=1))
        done = (mu * count < 1e-12 * worth) & (np.abs(missing).max(axis=1) < 1e-15 * largest)
        if done.all():
            break
        aim = (0.1 * mu)[:, None]
        curvature = (p - 1) * y ** (p - 2) + left / over + right / under
        pull = wrong + left - aim / over - np.where(bounded, right - aim / under, 0.0)
        normal = np.einsum("tdu,teu->tde", A / curvature[:, None, :], A)
        diagonal = np.einsum("tdd->td", normal)
        diagonal += 1e-18 * diagonal + np.where(diagonal > 0.0, Long(0), Long(1)) + Long(1e-30)
        step = eliminate(normal, missing + np.einsum("tdu,tu->td", A, pull / curvature))
        move = (np.einsum("tdu,td->tu", A, step) - pull) / curvature
        to_left, to_right = aim / over - left - left * move / over, np.where(bounded, aim / under, 0.0) - right
        to_right = np.where(bounded, to_right + right * move / under, Long(0))
        length = np.ones(len(y), dtype=Long)
        for value, change in ((over, move), (np.where(bounded, under, 1), np.where(bounded, -move, 0))):
            length = np.minimum(length, reach(value, change))
        other = np.minimum(reach(left, to_left), reach(np.where(bounded, right, 1), to_right))
        both = np.where(done, 0.0, np.minimum(length, other))[:, None]
        over, multipliers = over + both * move, multipliers + both * step
        under = np.where(bounded, under - both * move, under)
        left, right = left + both * to_left, right + both * to_right
    multipliers = np.where(acts, multipliers / size, 0.0)
    whole = y[:, : program.A.shape[2]].copy()
    whole[:, split] -= y[:, program.A.shape[2] :]
    whole = np.clip(whole, program.lower, program.upper)
    return whole, program.cost(whole), program.dual(multipliers)


def reach(value: Array, change: Array) -> Array:
    """How far (T,) a change may go before a value reaches 0, nearly."""
    falls = change < 0.0
    return np.minimum(1.0, 0.99 * np.where(falls, value / np.where(falls, -change, 1), np.inf).min(axis=1))


def eliminate(matrix: Array, right: Array) -> Array:
    """Solve symmetric positive systems (T, D, D) in long double: LAPACK has none."""
    matrix, right = matrix.copy(), right.copy()
    size = right.shape[1]
    for k in range(size):
        factor = matrix[:, k + 1 :, k] / matrix[:, k, k][:, None]
        matrix[:, k + 1 :, k:] -= factor[:, :, None] * matrix[:, k, None, k:]
        right[:, k + 1 :] -= factor * right[:, k, None]
    for k in reversed(range(size)):
        right[:, k] = (right[:, k] - (matrix[:, k, k + 1 :] * right[:, k + 1 :]).sum(axis=1)) / matrix[:, k, k]
    return right


def by_daqp(program: Program, frame: int) -> float | None:
    """The p = 2 optimum's cost, or None where DAQP's answer misses the moments."""
    A, b, low, high = (np.asarray(a[frame], float) for a in (program.A, program.b, program.lower, program.upper))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        unit, none = np.eye(A.shape[1]), np.zeros(A.shape[1])
        y = solve_qp(unit, none, A=A, b=b, lb=low, ub=high, solver="daqp", primal_tol=1e-11, dual_tol=1e-11)
    missed = np.inf if y is None else np.abs(A @ y - b).max()
    return None if missed > 0.01 * ALLOWED * max(1.0, np.abs(b).max()) else float(0.5 * y @ y)


def check(problem: osimopt.RedundancyProblem, p: float, count: Count, seed: str, verbose: bool) -> None:
    """Solve a batch and judge each frame's claim."""
    solution = osimopt.solve_static(problem, exponent=p, on_failure="return")
    scale = scale_of_unknowns(problem, get_cost("activation_power", p))
    unit = np.mean(problem.weights ** (1.0 / p)) ** p
    A, b = (array.astype(Long) for array in problem.systems(slice(None)))
    lower, upper = problem.bounds()
    program = Program(A / scale[:, None, :], b, lower * scale.astype(Long), upper * scale.astype(Long), p)
    x = np.hstack([solution.activation, solution.reserve_control])
    allowed = ALLOWED * np.maximum(1.0, np.abs(b).max(axis=1))
    solved = solution.solved
    count.frames += len(problem)
    count.solved += int(solved.sum())
    assert solution.gap is not None
    certified = solved & np.isfinite(solution.gap)
    count.certified += int(certified.sum())
    count.uncertified += int((solved & ~certified).sum())

    def say(what: str, frame: int, *more: object) -> None:
        if verbose:
            print(seed, "frame", frame, "of", len(problem), "p", round(p, 3), what, *more, flush=True)

    for frame in np.flatnonzero(~solved).tolist():
        status = solution.status[frame]
        count.infeasible += status is osimopt.Status.INFEASIBLE
        count.not_converged += status is osimopt.Status.NOT_CONVERGED
        count.other_failures += status not in (osimopt.Status.INFEASIBLE, osimopt.Status.NOT_CONVERGED)
        least, most = least_miss(A[frame].astype(float), b[frame].astype(float), lower, upper)
        if status is osimopt.Status.INFEASIBLE and least <= allowed[frame]:
            count.wrongly_infeasible += 1
            say("wrongly infeasible", frame, least / allowed[frame], most / allowed[frame])
        elif status is not osimopt.Status.INFEASIBLE:
            say(status.name, frame, least / allowed[frame], most / allowed[frame], solution.detail.get(frame))
    for frame in np.flatnonzero(solved & ~certified).tolist():
        say("uncertified", frame, solution.detail.get(frame))
    known = np.flatnonzero(solved)
    if not known.size:
        return
    part = Program(program.A[known], program.b[known], program.lower[known], program.upper[known], p)
    y = x[known] * scale[known].astype(Long)
    missed = np.abs(part.b - np.einsum("tdu,tu->td", part.A, y)).max(axis=1)
    outside = np.maximum(part.lower - y, y - part.upper).max(axis=1) / scale[known].min(axis=1)
    bad = (missed > allowed[known] * (1 + 1e-6)) | (outside > ALLOWED)
    count.solved_but_infeasible += int(bad.sum())
    for i in np.flatnonzero(bad):
        say("misses", int(known[i]), float(missed[i] / allowed[known[i]]), float(outside[i]))
    mine = part.cost(np.clip(y, part.lower, part.upper))
    assert solution.multipliers is not None
    own = np.nan_to_num(solution.multipliers[known] / unit)
    sure, gap = certified[known], np.nan_to_num(solution.gap[known] / unit)
    true_gap = mine - part.dual(own.astype(Long))
    low = sure & (true_gap > gap * (1 + 1e-9) + 1e-16 * mine)
    count.gap_below_dual_gap += int(low.sum())
    for i in np.flatnonzero(low):
        say("gap below", int(known[i]), float(true_gap[i]), float(gap[i]))
    assert solution.activation_error is not None
    compare(part, mine, y, gap, solution.activation_error[known], sure, scale[known], len(problem.muscles), count,
            lambda what, i, *more: say(what, int(known[i]), *more))  # fmt: skip
    if p == 2.0:
        for i, frame in enumerate(known.tolist()):
            if (best := by_daqp(part, i)) is not None:
                count.judged_by_daqp += 1
                count.wrong_by_daqp += bool(mine[i] > best * (1.0 + OPTIMAL) + 1e-15)
                if mine[i] > best * (1.0 + OPTIMAL) + 1e-15:
                    say("wrong by daqp", frame, float(mine[i]), best)


def compare(part, mine, y, gap, error, sure, scale, muscles, count, say) -> None:  # type: ignore[no-untyped-def]
    """Compare costs and activations with the judge's.

    An answer must stand before one of three programs: the problem as it is, without effects that are rounding, or for
    the moments that the answer makes (which are those asked for, to rounding).
    """
    size = np.abs(y).max(axis=1)
    size = np.where(size > 0.0, size, Long(1))
    own_moments = replace(part, b=np.einsum("tdu,tu->td", part.A, np.clip(y, part.lower, part.upper)))
    open_, judged = np.arange(len(mine)), np.zeros(len(mine), dtype=bool)
    found = {name: np.zeros(len(mine), dtype=bool) for name in ("wrong", "gap", "error")}
    seen = np.full((len(mine), 4), np.nan)
    for program in (part, part.without_rounding(), own_moments):
        if not open_.size:
            break
        keep, unit = program.keep(open_), size[open_]
        best, cost, dual = judge(keep.in_units(unit))
        best, cost, dual = unit[:, None] * best, unit**program.p * cost, unit**program.p * dual
        miss = np.abs(keep.b - np.einsum("tdu,tu->td", keep.A, best)).max(axis=1)
        good = (cost - dual <= JUDGED * cost + 1e-30) & (miss <= ROUNDING * np.maximum(1.0, np.abs(keep.b).max(axis=1)))
        above = mine[open_] - cost
        away = np.abs(best - y[open_])[:, :muscles] - far_from_optimum(keep, np.maximum(cost - dual, 0.0))[:, :muscles]
        away = (away / scale[open_][:, :muscles]).max(axis=1)
        wrong, certified = above > OPTIMAL * cost + 1e-15, sure[open_]
        low = certified & (above > gap[open_] + CLOSE * cost + 1e-18)
        far = certified & (away > error[open_] * (1.0 + 1e-9) + 1e-9)
        for name, mask in zip(found, (wrong, low, far), strict=True):
            found[name][open_[good]] = mask[good]
        judged[open_[good]] = True
        seen[open_] = np.column_stack([cost, dual, miss, away]).astype(float)
        open_ = open_[~good | wrong | low | far]
    count.judged += int(judged.sum())
    count.without_judge += int((~judged).sum())
    count.wrong_and_solved += int(found["wrong"].sum())
    count.gap_bound_violated += int(found["gap"].sum())
    count.activation_bound_violated += int(found["error"].sum())
    for name, mask in (*found.items(), ("no judge", ~judged)):
        for i in np.flatnonzero(mask):
            say(name, i, float(mine[i]), float(gap[i]), float(error[i]), seen[i])


def far_from_optimum(program: Program, gap: Array) -> Array:
    """How far (T, U) the judge's own answer may be from the optimum."""
    p = program.p
    if p > 2.0:
        return np.broadcast_to((p * 2.0 ** (p - 2.0) * gap[:, None]) ** (1 / Long(p)), program.upper.shape)
    return np.sqrt(2.0 * gap[:, None] / Long(p - 1.0)) * np.maximum(np.abs(program.upper), 1.0) ** Long(1.0 - 0.5 * p)


def main() -> None:
    """Run the study and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--verbose", action="store_true", help="print a line for each frame that is not as it should be"
    )
    arguments = parser.parse_args()
    counts, begin, number = {"p = 2": Count(), "1.2 ≤ p ≤ 10": Count()}, time.perf_counter(), 0
    with threadpool_limits(1), np.errstate(all="ignore"):
        while sum(count.frames for count in counts.values()) < arguments.frames:
            rng = np.random.default_rng([arguments.seed, number])
            problem, p = random_problem(rng), float(rng.uniform(1.2, 10.0))
            name = "p = 2" if number % 2 == 0 else "1.2 ≤ p ≤ 10"
            check(problem, 2.0 if number % 2 == 0 else p, counts[name], f"[{number}]", arguments.verbose)
            number += 1
    print(f"{number} batches, {time.perf_counter() - begin:.0f} s")
    print(f"{'':28}" + "".join(f"{name:>16}" for name in counts))
    for one in fields(Count):
        print(f"{one.name:28}" + "".join(f"{getattr(count, one.name):16d}" for count in counts.values()))


if __name__ == "__main__":
    main()
