"""feasible_ranges: least and greatest force of each muscle over all activations that meet the moments.

An optimum is one point of the set of feasible activations. The extent of this set, muscle by muscle, takes two linear
programs each, solved for all frames at once (``simplex``) and started from the optimum, which therefore always lies
within. The width of a range shows what the cost determines and the mechanics do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InputError, check_names, explain, shown
from ..files.storage import time_table
from ..namespace import alike, namespace, numbers, plain
from ..problem.arrays import Array, Index
from ..problem.problem import RedundancyProblem
from ..problem.reactions import Frame, On
from ..solution.solution import RedundancySolution
from ..static.compliant import refuse_compliant
from ..static.solve import solve_static
from .compartments import Compartments
from .contact_ranges import ContactRanges, check_asked, contact_ranges
from .feasible import FeasibleSet, Programs

if TYPE_CHECKING:
    import pandas as pd

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


@overload
def feasible_ranges(
    solution: RedundancySolution | RedundancyProblem, muscles: Sequence[str] | None = None,
    frames: slice | None = None, device: str = "cpu",
) -> FeasibleRanges: ...  # fmt: skip


@overload
def feasible_ranges(
    solution: RedundancySolution | RedundancyProblem, muscles: None = None, frames: slice | None = None,
    device: str = "cpu", *, of: str | Compartments, component: str | Sequence[float] = "norm", on: On = "child",
    frame: Frame = "child", measured: ArrayLike | None = None,
) -> ContactRanges: ...  # fmt: skip


def feasible_ranges(
    solution: RedundancySolution | RedundancyProblem, muscles: Sequence[str] | None = None,
    frames: slice | None = None, device: str = "cpu", *, of: str | Compartments | None = None,
    component: str | Sequence[float] = "norm", on: On = "child", frame: Frame = "child",
    measured: ArrayLike | None = None,
) -> FeasibleRanges | ContactRanges:  # fmt: skip
    """Least and greatest force of each muscle, or of a joint's contact, over all activations that meet the moments.

    Parameters
    ----------
    solution : RedundancySolution or RedundancyProblem
        A static solution; or a problem, which is first solved for Σ a². Reserves are fixed at their optimum, since
        free ones would allow any activation. Only actuators of coordinates that no muscle crosses (a floating base)
        follow, within their bounds. Limits of contact forces that the solution was asked for are not part of the set.
    muscles : sequence of str, optional
        Names; default all.
    frames : slice, optional
        Fewer frames, as ``slice(None, None, 5)``.
    device : str, default "cpu"
        Where the linear programs are solved: NumPy, or by torch ``"torch"``, ``"cuda"``, …; where the solution is, if
        it is on a device. The ranges are NumPy's.
    of : str or Compartments, optional
        A joint: the range is that of the force it transmits, in place of the muscles' forces. Of the compartments of a
        knee ``component`` is ``"medial"`` or ``"lateral"``.
    component : str or sequence of (3,), default "norm"
        ``"norm"`` for the size of the contact force; ``"x"``, ``"y"``, ``"z"`` or a direction (3,) for a component of
        it; ``"mx"``, ``"my"``, ``"mz"`` for one of the moment about the origin of the joint's frame.
    on : "child" | "parent", default "child"
        Body on which the joint's reaction acts.
    frame : "ground" | "parent" | "child", default "child"
        Its axes.
    measured : (T, 3) array, optional
        A measured contact force in N. The range is then that of the distance from it, ‖contact − measured‖: the least
        is by how much the measured force lies outside all that the model admits.

    Returns
    -------
    FeasibleRanges
        Both ends with their duality gap in activation (``gap``), above 1e-8 only where HiGHS did not converge either.
    ContactRanges
        With ``of``: both ends in N (N·m), the activations there, and proved bounds.

    Raises
    ------
    InputError
        Unknown muscles or joints, a problem without joint reactions and model, or a solution with compliant tendons.

    Notes
    -----
    Every end is proved by duality of linear programs. The least norm is found as the distance of two convex bodies is
    [1]_, the greatest one is bracketed by directions (module ``norms``).

    References
    ----------
    .. [1] Gilbert, Johnson and Keerthi (1988), A fast procedure for computing the distance between complex objects in
       three-dimensional space, doi:10.1109/56.2083

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

    A joint that both muscles press together, with 100 N from gravity:

    >>> from dataclasses import replace
    >>> from osimopt.problem.reactions import JointReactions
    >>> knee = JointReactions.from_arrays("knee", [0.0, -100.0, 0.0], [[0.0, 0.0], [-1.0, -1.0], [0.0, 0.0]],
    ...                                   problem.muscles)
    >>> ranges = osimopt.feasible_ranges(replace(problem, reactions=knee), of="knee")
    >>> ranges.to_dataframe()[["minimum", "optimum", "maximum"]].round(1)
          minimum  optimum  maximum
    time
    0.0     340.0    358.4    460.0
    >>> float(ranges.outside([300.0]).round(1)[0])  # a measured force that no activation gives
    -40.0
    """
    check_asked(of, component, on, frame, measured)
    if of is not None and muscles is not None:
        raise InputError(explain("muscles or a joint", f"both muscles= and of={shown(of)}", "Ask for one of them."))
    solution = solution if device == "cpu" else solution.to(device)
    if isinstance(solution, RedundancyProblem):
        solution = solve_static(solution if frames is None else solution.frames(frames), on_failure="return")
        frames = None
    refuse_compliant(solution, "feasible_ranges")
    keep = slice(None) if frames is None else frames
    problem = solution.problem.frames(keep)
    sets = FeasibleSet.around(problem, solution.activation[keep], solution.reserve_control[keep])
    if of is not None:
        return contact_ranges(sets, of, component, on, frame, measured)
    return _muscle_ranges(sets, muscles)


def _muscle_ranges(sets: FeasibleSet, muscles: Sequence[str] | None) -> FeasibleRanges:
    """The ranges of muscles over feasible sets."""
    problem = sets.problem
    wanted = problem.muscles if muscles is None else tuple(muscles)
    check_names("muscles", wanted, problem.muscles)
    chosen = np.array([problem.muscles.index(name) for name in wanted], dtype=np.intp)
    ends = [np.full((len(problem), len(chosen)), np.nan) for _ in range(3)]
    for few in np.array_split(sets.solved, max(1, len(sets.solved) * 2 * len(chosen) // sets.together)):
        if few.size and chosen.size:
            found = _ends(sets.frames(few), len(few), chosen, len(problem.muscles))
            for end, values in zip(ends, found, strict=True):
                end[few] = plain(values)
    own, gain, passive = (plain(array[:, chosen]) for array in (sets.optimum, problem.max_force, problem.passive_force))
    low, high, gap = ends
    return FeasibleRanges(problem.time, wanted, low, own, high, gap, gain, passive, problem.lower[chosen])


def _ends(programs: Programs, few: int, chosen: Index, muscles: int) -> tuple[Array, Array, Array]:
    """Minimum, maximum and gap (F, m) of the chosen muscles in a few frames."""
    unit, count = np.eye(muscles)[chosen], 2 * len(chosen)
    each = alike(np.concatenate([-unit, unit]), programs.A)
    xp = namespace(each)
    c = xp.reshape(xp.broadcast_to(each, (few, *each.shape)), (-1, muscles))
    value, gap, _ = programs.maximise(numbers(few * count, c) // count, c)
    value, gap = (xp.reshape(array, (few, 2, len(chosen))) for array in (value, gap))
    inside = programs.x[:, chosen]
    return xp.minimum(-value[:, 0], inside), xp.maximum(value[:, 1], inside), xp.max(gap, axis=1)
