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

from ..errors import check_names
from ..files.storage import time_table
from ..problem.arrays import Array, Index, acts
from ..problem.problem import RedundancyProblem
from ..solution.solution import RedundancySolution
from ..static.compliant import refuse_compliant
from ..static.linear import Extremum, dual_bound, maximise
from ..static.reduction import Frame, acting
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
    solution: RedundancySolution | RedundancyProblem, muscles: Sequence[str] | None = None, frames: slice | None = None
) -> FeasibleRanges:
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
    if isinstance(solution, RedundancyProblem):
        solution = solve_static(solution if frames is None else solution.frames(frames), on_failure="return")
        frames = None
    refuse_compliant(solution, "feasible_ranges")
    keep = slice(None) if frames is None else frames
    problem = solution.problem.frames(keep)
    wanted = problem.muscles if muscles is None else tuple(muscles)
    check_names("muscles", wanted, problem.muscles)
    chosen = np.array([problem.muscles.index(name) for name in wanted], dtype=np.intp)
    optimum = np.clip(solution.activation[keep], problem.lower, problem.upper)
    ends = [np.full((len(problem), len(chosen)), np.nan) for _ in range(3)]
    solved = np.flatnonzero(np.isfinite(optimum).all(axis=1))
    rows = _balanced(problem, solution.reserve_control[keep])
    per_frame = max(1, 2 * len(chosen))
    for few in np.array_split(solved, max(1, len(solved) * per_frame // CHUNK)):
        if few.size and chosen.size:
            for end, found in zip(ends, _ends(problem, optimum, rows, few, chosen), strict=True):
                end[few] = found
    arrays = (problem.max_force[:, chosen], problem.passive_force[:, chosen], problem.lower[chosen])
    return FeasibleRanges(problem.time, wanted, ends[0], optimum[:, chosen], ends[1], ends[2], *arrays)


def _ends(
    problem: RedundancyProblem, optimum: Array, rows: Index, few: Index, chosen: Index
) -> tuple[Array, Array, Array]:
    """Minimum, maximum and gap (F, m) of the chosen muscles in a few frames, meeting the moments of ``rows``."""
    count = len(problem.muscles)
    frames = (Frame.at(problem, int(frame)) for frame in few)
    A = np.stack([acting(frame)[rows, :count] for frame in frames])
    size = np.abs(A).max(axis=2, keepdims=True, initial=0.0)
    A /= np.where(size > 0.0, size, 1.0)
    # One more column per row, fixed at 0, so that every frame has a basis.
    none = np.zeros((len(few), len(rows)))
    A = np.concatenate([A, np.broadcast_to(np.eye(len(rows)), (len(few), len(rows), len(rows)))], axis=2)
    x = np.hstack([optimum[few], none])
    lower, upper = (np.append(bound, none[0]) for bound in (problem.lower, problem.upper))
    basis = np.stack([_basis(*frame, lower, upper, count) for frame in zip(A, x, strict=True)])
    unit = np.eye(count + len(rows))[chosen]
    program = np.repeat(np.arange(len(few)), 2 * len(chosen))
    c = np.tile(np.concatenate([-unit, unit]), (len(few), 1))
    bounds = np.broadcast_to(lower, c.shape), np.broadcast_to(upper, c.shape)
    found = maximise(A[program], c, *bounds, x[program], basis[program])
    value, gap = _proved(A[program], c, lower, upper, x[program], found)
    value, gap = (array.reshape(len(few), 2, len(chosen)) for array in (value, gap))
    inside = optimum[few][:, chosen]
    return np.minimum(-value[:, 0], inside), np.maximum(value[:, 1], inside), gap.max(axis=1)


def _balanced(problem: RedundancyProblem, control: Array) -> Index:
    """Coordinates whose moments the muscles must meet: those on which they act.

    A coordinate is left out if no muscle crosses the joint and an actuator can compensate all moments of the small
    moment arms that OpenSim's wrapping leaves there: 0.5 N·m about a floating pelvis would fix muscles of 100 N·m.
    """
    geometry, reserves = problem.geometry, problem.reserves
    strength = np.abs(reserves.effect).max(axis=(0, 1), initial=0.0)
    alone = acts(reserves.effect / np.where(strength > 0.0, strength, 1.0), axis=0).sum(axis=0) == 1
    room = np.minimum(reserves.upper - control, control - reserves.lower)
    kept = []
    for row in np.unique(geometry.pair_coordinate):
        pairs = np.flatnonzero(geometry.pair_coordinate == row)
        muscle = geometry.pair_muscle[pairs]
        most = np.abs(geometry.moment_arms[:, pairs]) * problem.max_force[:, muscle]
        most = most @ (problem.upper - problem.lower)[muscle]
        effect = np.broadcast_to(np.abs(reserves.effect[:, row]), room.shape)
        able = np.multiply(effect, room, out=np.zeros(room.shape), where=(effect > 0.0) & alone)
        enough = (able.max(axis=1, initial=0.0) >= most)[np.isfinite(control).all(axis=1)]
        if geometry.served[row] or not enough.all():
            kept.append(row)
    return np.array(kept, dtype=np.intp)


def _basis(A: Array, x: Array, lower: Array, upper: Array, muscles: int) -> Index:
    """Independent columns, those of muscles well inside their bounds first."""
    from scipy.linalg import qr

    room = np.clip(np.minimum(x - lower, upper - x), 1e-6, 1.0)
    room[muscles:] = LAST_RESORT
    return np.asarray(qr(A * room, mode="r", pivoting=True)[1][: len(A)], dtype=np.intp)


def _proved(A: Array, c: Array, lower: Array, upper: Array, start: Array, found: Extremum) -> tuple[Array, Array]:
    """Values and gaps (N,); programs that rounding or cycling left unproved are solved again by HiGHS."""
    from scipy.optimize import linprog

    missed = np.abs(np.einsum("ndu,nu->nd", A, found.x - start)).max(axis=1, initial=0.0)
    value, gap = found.value.copy(), np.maximum(found.bound - found.value, 0.0)
    limits = np.column_stack([lower, upper])
    for n in np.flatnonzero((gap > PROVED) | (missed > MISSED)):
        again = linprog(-c[n], A_eq=A[n], b_eq=A[n] @ start[n], bounds=limits, method="highs")
        if again.status == 0:
            multipliers = -np.asarray(again.eqlin.marginals)[None]
            bound = dual_bound(A[n : n + 1], c[n : n + 1], lower[None], upper[None], start[n : n + 1], multipliers)
            value[n], gap[n] = -again.fun, max(0.0, float(bound[0] + again.fun))
    return value, gap
