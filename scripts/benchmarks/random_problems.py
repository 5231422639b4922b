"""Sparse random problems, every claim judged by other code: answers, certificates, proofs of infeasibility.

usage: python scripts/benchmarks/random_problems.py [--frames 20000] [--seed 0]

Batches of 1 to 50 frames of 2 to 80 muscles and 2 to 13 coordinates; in every frame half of the moment arms are 0 and
some are 1e-17 to 1e-6 m; reserves are absent, unbounded, or weak; moments can be met, or are stretched, or lie up to
1e-6 beside what can be met. Half of the problems have p = 2, the others 1.2 to 10.

Judges: an interior-point method in long double for every p, and DAQP through qpsolvers for p = 2 (pip install
osimopt[bench]); certificates by the dual value in long double; feasibility by linear programs (HiGHS), repeated on what
they leave. A frame is feasible where the moments can be met to 1e-9 · max(1 N·m, the largest). An answer is wrong where
it misses them by more, passes a bound, or costs more than the optimum by 1e-6 of it: that for the moments which the
answer makes, or, at the limit of what can be met, that among all answers which miss the moments by no more than this.
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
from osimopt.problem.costs import get_cost, scale_of_unknowns

#: Relative to the largest moment, at least 1 N·m: what may be missed.
ALLOWED = 1e-9
#: Relative to the optimum; an answer may cost so much more; rounding, and the moments that the judge misses.
OPTIMAL, CLOSE = 1e-6, 1e-9
#: What the judge's own points may miss, of what is allowed, in turn; when it is at rest, of the cost; and its steps.
NEAR, NEARER, REST, STEPS = 1e-5, 1e-7, 1e-12, 300
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


def judge(program: Program, slack: Array) -> tuple[Array, Array, Array]:
    """Optimal y (T, U), multipliers (T, D), and the largest of b − A y (T,); what misses ``slack`` (T,) will do.

    A primal-dual interior-point method in long double. Unknowns that may be negative are split in two, so that no
    power is taken across its kink at 0; each row has an unknown without cost, from 0 to 2, for what it misses.
    """
    frames, rows, count = program.A.shape
    split = np.flatnonzero((program.lower < 0.0).any(axis=0))
    size = np.abs(program.A).max(axis=2)
    size = np.where(size > 0.0, size, 1.0)
    slack = slack[:, None] / size
    A = np.concatenate([program.A, -program.A[:, :, split]], axis=2) / size[:, :, None]
    b, A = program.b / size + slack, np.concatenate([A, slack[:, :, None] * np.eye(rows, dtype=Long)], axis=2)
    none = np.zeros((frames, split.size), dtype=Long), np.zeros((frames, rows), dtype=Long)
    low = np.concatenate([np.maximum(program.lower, 0.0), *none], axis=1).astype(Long)
    high = np.concatenate([program.upper, -program.lower[:, split], none[1] + 2], axis=1).astype(Long)
    whole, multipliers, active = np.zeros((frames, A.shape[2]), dtype=Long), np.zeros_like(b), np.arange(frames)
    with np.errstate(all="ignore"):
        state = start(low, high, b)
        for _ in range(STEPS):
            state, done = step(A[active], b[active], low[active], high[active], slack[active], state, program.p, rows)
            whole[active], multipliers[active] = low[active] + state[0], state[4]
            active, state = active[~done], tuple(array[~done] for array in state)
            if not active.size:
                break
    y = whole[:, :count].copy()
    y[:, split] -= whole[:, count : count + split.size]
    y = np.clip(y, program.lower, program.upper)
    return y, multipliers / size, np.abs(program.b - np.einsum("tdu,tu->td", program.A, y)).max(axis=1)


State = tuple[Array, ...]


def start(low: Array, high: Array, b: Array) -> State:
    """Distance from the lower and the upper bounds (T, N), their multipliers, and those of the rows (T, D)."""
    bounded = np.isfinite(high)
    over = 0.5 * np.where(bounded, np.where(bounded, high, 0.0) - low, Long(2))
    return over, np.where(bounded, over, Long(1)), 1 / over, np.where(bounded, 1 / over, 0.0), np.zeros_like(b)


def step(
    A: Array, b: Array, low: Array, high: Array, slack: Array, state: State, p: float, free: int
) -> tuple[State, Array]:
    """One Newton step; the last ``free`` unknowns cost nothing. Also which frames (T,) were at rest already."""
    over, under, left, right, multipliers = state
    bounded = np.isfinite(high)
    y = low + over
    part = y[:, :-free]
    slope, bend = np.zeros_like(y), np.zeros_like(y)
    slope[:, :-free], bend[:, :-free] = part ** Long(p - 1), Long(p - 1) * part ** Long(p - 2)
    total = (over * left).sum(axis=1) + (under * right).sum(axis=1)
    worth = (part ** Long(p)).sum(axis=1) / Long(p)
    missing = b - np.einsum("tdu,tu->td", A, y)
    wrong = slope - np.einsum("tdu,td->tu", A, multipliers) - left + right
    done = (total < REST * worth) & ((np.abs(wrong) * y).sum(axis=1) < REST * worth)
    done &= (np.abs(missing) < 1e-3 * slack).all(axis=1)
    aim = (0.1 * total / (y.shape[1] + bounded.sum(axis=1)))[:, None]
    curvature = bend + left / over + right / under
    pull = wrong + left - aim / over - np.where(bounded, right - aim / under, 0.0)
    normal = np.einsum("tdu,teu->tde", A / curvature[:, None, :], A)
    diagonal = np.einsum("tdd->td", normal)
    diagonal += 1e-18 * diagonal + Long(1e-300)
    turn = eliminate(normal, missing + np.einsum("tdu,tu->td", A, pull / curvature))
    move = (np.einsum("tdu,td->tu", A, turn) - pull) / curvature
    to_left = aim / over - left - left * move / over
    to_right = np.where(bounded, aim / under - right + right * move / under, Long(0))
    ways = (over, move), (np.where(bounded, under, 1), np.where(bounded, -move, 0)), (left, to_left)
    lengths = [reach(*way) for way in (*ways, (np.where(bounded, right, 1), to_right))]
    length = np.where(done | ~np.isfinite(turn).all(axis=1), 0.0, np.min(lengths, axis=0))[:, None]
    after = np.where(bounded, under - length * move, under)
    changed = over + length * move, after, left + length * to_left, right + length * to_right
    kept = tuple(np.where(length > 0.0, new, old) for new, old in zip(changed, state[:4], strict=True))
    return (*kept, np.where(length > 0.0, multipliers + length * turn, multipliers)), done


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


def by_daqp(program: Program, frame: int) -> tuple[float, float] | None:
    """The p = 2 optimum's cost and what it misses, or None where DAQP's answer misses the moments."""
    A, b, low, high = (np.asarray(a[frame], float) for a in (program.A, program.b, program.lower, program.upper))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        unit, none = np.eye(A.shape[1]), np.zeros(A.shape[1])
        y = solve_qp(unit, none, A=A, b=b, lb=low, ub=high, solver="daqp", primal_tol=1e-11, dual_tol=1e-11)
    if y is None:
        return None
    y = np.clip(y, low, high)  # DAQP's own tolerance is absolute
    missed = np.abs(A @ y - b).max()
    return None if missed > 0.01 * ALLOWED * max(1.0, np.abs(b).max()) else (float(0.5 * y @ y), float(missed))


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
                worth = best[0] + best[1] * np.abs(own[i]).sum()
                count.judged_by_daqp += 1
                if mine[i] > worth * (1.0 + OPTIMAL) + 1e-15:
                    count.wrong_by_daqp += 1
                    say("wrong by daqp", frame, float(mine[i]), *best)


def compare(part, mine, y, gap, error, sure, scale, muscles, count, say) -> None:  # type: ignore[no-untyped-def]
    """Compare costs and activations with the judge's.

    An answer is right where it is the optimum for the moments that it makes, or among all that miss the moments by no
    more than is allowed, which a dual value proves. It is wrong where a point with the same moments costs less, or,
    without a certificate, one that misses them by no more than is allowed. What is certified of costs and activations
    is held against the optimum for the moments that the answer makes.
    """
    size = np.abs(y).max(axis=1)
    size = np.where(size > 0.0, size, Long(1))
    own = replace(part, b=np.einsum("tdu,tu->td", part.A, np.clip(y, part.lower, part.upper)))
    allowed = ALLOWED * np.maximum(1.0, np.abs(part.b).max(axis=1))
    open_, judged = np.arange(len(mine)), np.zeros(len(mine), dtype=bool)
    found = {name: np.zeros(len(mine), dtype=bool) for name in ("wrong", "gap", "error")}
    seen = np.full((len(mine), 4), np.nan)
    for program, share in ((own, NEAR), (part, 1.0), (own, NEARER)):
        if not open_.size:
            break
        keep, unit, slack, certified = program.keep(open_), size[open_], share * allowed[open_], sure[open_]
        best, multipliers, miss = judge(keep.in_units(unit), slack / unit)
        best, multipliers, miss = unit[:, None] * best, unit[:, None] ** Long(part.p - 1) * multipliers, unit * miss
        cost, dual, price = keep.cost(best), keep.dual(multipliers), np.abs(multipliers).sum(axis=1)
        within = dual - slack * price if share == 1.0 else dual
        right = mine[open_] - within <= OPTIMAL * mine[open_] + 1e-15
        open_to = np.abs(cost - dual) + 2.0 * price * miss
        better = mine[open_] - cost > OPTIMAL * cost + 1e-15
        cheaper = (miss - slack) * price <= 0.1 * OPTIMAL * cost if share == 1.0 else open_to <= 0.1 * OPTIMAL * cost
        wrong = better & cheaper & ~(certified & (share == 1.0))
        if share == NEAR:
            known = open_to <= OPTIMAL * cost
            found["gap"][open_] = known & certified & (mine - cost - open_to > gap + CLOSE * cost + 1e-18)
            away = np.abs(best - y)[:, :muscles] - 2.0 * far_from_optimum(keep, open_to)[:, :muscles]
            away = (away / scale[:, :muscles]).max(axis=1)
            found["error"][open_] = known & certified & (away > error * (1.0 + 1e-9) + 1e-9)
        found["wrong"][open_] = ~right & (wrong | found["wrong"][open_])
        judged[open_] |= right | wrong
        seen[open_] = np.column_stack([cost, within, miss / allowed[open_], open_to]).astype(float)
        open_ = open_[~right]
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
