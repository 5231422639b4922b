"""feasible_ranges: least and greatest force of each muscle over all activations that meet the moments.

An optimum is one point of the set of feasible activations. The extent of this set, muscle by muscle, takes two linear
programs each, solved for all frames at once (``simplex``) and started from the optimum, which therefore always lies
within. The width of a range shows what the cost determines and the mechanics do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..devices import Device
from ..errors import check_names
from ..files.storage import time_table
from ..namespace import Tensor, alike, filled, namespace, numbers, plain
from ..problem.arrays import Array, Index, acts
from ..problem.problem import RedundancyProblem
from ..solution.solution import RedundancySolution
from ..static.compliant import refuse_compliant
from ..static.linear import Extremum, dual_bound, maximise
from ..static.reduction import Places
from ..static.solve import solve_static

if TYPE_CHECKING:
    import pandas as pd

#: Number of linear programs solved at once: 10 kB each for 80 muscles and 13 coordinates.
CHUNK = 1000
#: Duality gap in activation above which a program is solved again by HiGHS.
PROVED = 1e-8
#: Relative error of the moments above which a program is solved again by HiGHS.
MISSED = 1e-9
#: Weight of the columns that complete a basis where the muscles' columns do not; below that of any muscle.
LAST_RESORT = 1e-9
#: Distance in activation of a minimum from the lower bound above which the moments demand the muscle.
DEMANDED = 1e-6


@dataclass(frozen=True, eq=False)
class FeasibleRanges:
    """Least and greatest activation of m muscles in T frames, over all activations that meet the moments.

    Attributes
    ----------
    time : (T,) array
        Times in s.
    muscles : tuple of str
        Names of the m muscles.
    minimum, optimum, maximum : (T, m) array
        Activations with minimum ≤ optimum ≤ maximum; NaN in frames without a solution.
    gap : (T, m) array
        Duality gap in activation: the true range is wider by at most this at either end.
    max_force, passive_force, lower : (T, m), (T, m) and (m,) array
        Maximum and passive force in N and lower bounds, as in the problem.
    """

    time: Array
    muscles: tuple[str, ...]
    minimum: Array
    optimum: Array
    maximum: Array
    gap: Array
    max_force: Array
    passive_force: Array
    lower: Array

    def force(self, activation: Array) -> Array:
        """(T, m) tendon forces in N at activations (T, m)."""
        return self.max_force * activation + self.passive_force

    def to_dataframes(
        self, quantity: Literal["muscle_force", "activation"] = "muscle_force"
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Minimum and maximum of tendon force in N, or of activation; the index is time in s."""
        check_names("quantity", [quantity], ("muscle_force", "activation"))
        ends = (self.minimum, self.maximum)
        values = ends if quantity == "activation" else tuple(self.force(end) for end in ends)
        low, high = (time_table(self.time, value, self.muscles) for value in values)
        return low, high

    def summary(self) -> pd.DataFrame:
        """One row per muscle: time in s of its peak optimal force, and that force with its range in N.

        ``demanded`` is the share of frames in which all feasible activations are above the lower bound;
        ``median_width`` is the median of maximum − minimum activation.
        """
        import pandas as pd

        force = self.force(self.optimum)
        solved = np.asarray(np.isfinite(force).all(axis=1))
        peak = np.where(solved[:, None], force, -np.inf).argmax(axis=0)
        column = np.arange(len(self.muscles))
        ends = {name: self.force(getattr(self, name)) for name in ("minimum", "optimum", "maximum")}
        table = {
            "time": self.time[peak],
            **{name: end[peak, column] for name, end in ends.items()},
            "demanded": np.mean(self.minimum[solved] > self.lower + DEMANDED, axis=0) if solved.any() else np.nan,
            "median_width": np.median((self.maximum - self.minimum)[solved], axis=0) if solved.any() else np.nan,
        }
        return pd.DataFrame(table, index=pd.Index(self.muscles, name="muscle"))


def feasible_ranges(
    solution: RedundancySolution | RedundancyProblem, muscles: Sequence[str] | None = None,
    frames: slice | None = None, device: str = "cpu",
) -> FeasibleRanges:  # fmt: skip
    """Least and greatest force of each muscle over all activations that meet the moments.

    Parameters
    ----------
    solution : RedundancySolution or RedundancyProblem
        A static solution; or a problem, which is first solved for Σ a². Reserves are fixed at their optimum, since
        free ones would allow any activation. Only actuators of coordinates that no muscle crosses (a floating base)
        follow, within their bounds.
    muscles : sequence of str, optional
        Names; default all.
    frames : slice, optional
        Fewer frames, as ``slice(None, None, 5)``.
    device : str, default "cpu"
        Where the linear programs are solved: NumPy, or by torch ``"torch"``, ``"cuda"``, …; where the solution is, if
        it is on a device. The ranges are NumPy's.

    Returns
    -------
    FeasibleRanges
        Both ends with their duality gap in activation (``gap``), above 1e-8 only where HiGHS did not converge either.

    Raises
    ------
    InputError
        Unknown muscles, or a solution with compliant tendons.

    Examples
    --------
    >>> import osimopt
    >>> problem = osimopt.RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], 12.0)
    >>> low, high = osimopt.feasible_ranges(problem).to_dataframes()
    >>> low.round(1)
          muscle_0  muscle_1
    time
    0.0       60.0       0.0
    >>> high.round(1)
          muscle_0  muscle_1
    time
    0.0      240.0     300.0
    """
    solution = solution if device == "cpu" else solution.to(device)
    if isinstance(solution, RedundancyProblem):
        solution = solve_static(solution if frames is None else solution.frames(frames), on_failure="return")
        frames = None
    refuse_compliant(solution, "feasible_ranges")
    keep = slice(None) if frames is None else frames
    problem = solution.problem.frames(keep)
    wanted = problem.muscles if muscles is None else tuple(muscles)
    check_names("muscles", wanted, problem.muscles)
    chosen = np.array([problem.muscles.index(name) for name in wanted], dtype=np.intp)
    xp, activation = namespace(solution.activation), solution.activation[keep]
    lower, upper = (alike(bound, activation) for bound in (problem.lower, problem.upper))
    optimum = xp.minimum(xp.maximum(activation, lower), upper)
    ends = [np.full((len(problem), len(chosen)), np.nan) for _ in range(3)]
    solved = np.flatnonzero(plain(xp.isfinite(optimum).all(axis=1)))
    rows, places = _balanced(problem, solution.reserve_control[keep]), Places.of(problem)
    together = CHUNK if problem.device == "cpu" else Device.at(optimum).together(len(rows) * len(problem.muscles))
    for few in np.array_split(solved, max(1, len(solved) * 2 * len(chosen) // together)):
        if few.size and chosen.size:
            for end, found in zip(ends, _ends(places, optimum, rows, few, chosen), strict=True):
                end[few] = plain(found)
    own, gain, passive = (plain(array[:, chosen]) for array in (optimum, problem.max_force, problem.passive_force))
    low, high, gap = ends
    return FeasibleRanges(problem.time, wanted, low, own, high, gap, gain, passive, problem.lower[chosen])


def _ends(places: Places, optimum: Array, rows: Index, few: Index, chosen: Index) -> tuple[Array, Array, Array]:
    """Minimum, maximum and gap (F, m) of the chosen muscles in a few frames, meeting the moments of ``rows``."""
    xp, problem, count, size = namespace(optimum), places.problem, optimum.shape[1], len(rows)
    A = places.dense(few)[:, rows, :count]
    largest = xp.max(xp.abs(A), axis=2, keepdims=True) if size else A[:, :, :1]
    A = A / xp.where(largest > 0.0, largest, 1.0)
    # One more column per row, fixed at 0, so that every frame has a basis.
    more = xp.broadcast_to(alike(np.eye(size), A), (len(few), size, size))
    A, x = xp.concat([A, more], axis=2), xp.concat([optimum[few], filled((len(few), size), 0.0, A)], axis=1)
    lower, upper = (alike(np.append(bound, np.zeros(size)), A) for bound in (problem.lower, problem.upper))
    basis = _basis(A, x, lower, upper, count)
    unit = np.eye(count + size)[chosen]
    count = 2 * len(chosen)
    program = numbers(len(few) * count, A) // count
    each = alike(np.concatenate([-unit, unit]), A)
    c = xp.reshape(xp.broadcast_to(each, (len(few), *each.shape)), (-1, each.shape[1]))
    bounds = xp.broadcast_to(lower, c.shape), xp.broadcast_to(upper, c.shape)
    found = maximise(A[program], c, *bounds, x[program], basis[program])
    value, gap = _proved(A[program], c, *bounds, x[program], found)
    value, gap = (xp.reshape(array, (len(few), 2, len(chosen))) for array in (value, gap))
    inside = optimum[few][:, chosen]
    return xp.minimum(-value[:, 0], inside), xp.maximum(value[:, 1], inside), xp.max(gap, axis=1)


def _balanced(problem: RedundancyProblem, control: Array) -> Index:
    """Coordinates whose moments the muscles must meet: those on which they act.

    A coordinate is left out if no muscle crosses the joint and an actuator can compensate all moments of the small
    moment arms that OpenSim's wrapping leaves there: 0.5 N·m about a floating pelvis would fix muscles of 100 N·m.
    """
    xp, geometry, reserves = namespace(control), problem.geometry, problem.reserves
    size = abs(reserves.effect)
    strength = plain(xp.max(alike(size, control), axis=(0, 1))) if size.shape[2] else np.zeros(0)
    scale = alike(np.where(strength > 0.0, strength, 1.0), reserves.effect)
    alone = plain(acts(reserves.effect / scale, axis=0)).sum(axis=0) == 1
    lower, upper = (alike(bound, control) for bound in (reserves.lower, reserves.upper))
    room, known = xp.minimum(upper - control, control - lower), xp.isfinite(control).all(axis=1)
    kept = []
    for row in np.unique(geometry.pair_coordinate):
        pairs = np.flatnonzero(geometry.pair_coordinate == row)
        muscle = geometry.pair_muscle[pairs]
        most = abs(geometry.moment_arms[:, pairs]) * problem.max_force[:, muscle]
        most = most @ alike((problem.upper - problem.lower)[muscle], most)
        effect = xp.broadcast_to(alike(size[:, row], control), room.shape)
        able = xp.where((effect > 0.0) & alike(alone, control), effect * xp.where(effect > 0.0, room, 0.0), 0.0)
        able = xp.max(able, axis=1) if able.shape[1] else filled((len(able),), 0.0, able)
        if geometry.served[row] or not bool(xp.all((able >= most)[known])):
            kept.append(row)
    return np.array(kept, dtype=np.intp)


def _basis(A: Array, x: Array, lower: Array, upper: Array, muscles: int) -> Tensor:
    """Independent columns (F, D), those of muscles well inside their bounds first: QR with pivots, of all frames."""
    xp, frames = namespace(A), numbers(A.shape[0], A)
    room = xp.clip(xp.minimum(x - lower, upper - x), 1e-6, 1.0)
    room[:, muscles:] = LAST_RESORT
    left, chosen = A * room[:, None, :], list[Array]()
    for _ in range(A.shape[1]):
        size = xp.sum(left * left, axis=1)
        for column in chosen:
            size[frames, column] = -1.0
        chosen.append(xp.argmax(size, axis=1))
        pivot = left[frames, :, chosen[-1]]
        length = xp.sqrt(xp.sum(pivot * pivot, axis=1))[:, None]
        pivot = pivot / xp.where(length > 0.0, length, 1.0)
        for _ in range(2):  # the second time takes off what rounding left
            left = left - pivot[:, :, None] * xp.matmul(pivot[:, None, :], left)
    return xp.concat([column[:, None] for column in chosen], axis=1)


def _proved(A: Array, c: Array, lower: Array, upper: Array, start: Array, found: Extremum) -> tuple[Array, Array]:
    """Values and gaps (N,); programs that rounding or cycling left unproved are solved again by HiGHS, on the CPU."""
    from scipy.optimize import linprog

    xp = namespace(A)
    change = xp.matmul(A, (found.x - start)[:, :, None])[:, :, 0]
    missed = xp.max(xp.abs(change), axis=1) if A.shape[1] else filled((A.shape[0],), 0.0, A)
    value, gap = found.value + 0.0, xp.clip(found.bound - found.value, 0.0, None)
    again = np.flatnonzero(plain((gap > PROVED) | (missed > MISSED)))
    arrays = [plain(array[again]) for array in (A, c, lower, upper, start)] if again.size else []
    for row, *one in zip(again.tolist(), *arrays, strict=True):
        A_n, c_n, low, high, x = one
        best = linprog(-c_n, A_eq=A_n, b_eq=A_n @ x, bounds=np.column_stack([low, high]), method="highs")
        if best.status == 0:
            multipliers = -np.asarray(best.eqlin.marginals)
            bound = dual_bound(*(array[None] for array in (A_n, c_n, low, high, x, multipliers)))
            value[row], gap[row] = -best.fun, max(0.0, float(bound[0] + best.fun))
    return value, gap
