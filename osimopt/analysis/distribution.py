"""share_moment: muscle forces that share one joint moment, in every posture of a muscle table, for several costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, check_names, explain
from ..problem.problem import RedundancyProblem
from ..static.solve import solve_static

if TYPE_CHECKING:
    import pandas as pd

#: Costs of the classic exercise (Duarte, Biomechanics and Motor Control notebooks,
#: doi:10.5281/zenodo.4599319).
CLASSIC_COSTS = ("sum_force", "sum_force_squared", "sum_stress_squared", "sum_moment_ratio_cubed")


def share_moment(
    table: pd.DataFrame,
    moment: float,
    muscles: Sequence[str],
    costs: Sequence[str] = CLASSIC_COSTS,
    starts: int = 1,
    pcsa: Sequence[float] | None = None,
) -> pd.DataFrame:
    """Share a moment among muscles at every posture of a :func:`osimopt.muscle_table`.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns (muscle, ``moment_arm``) in m and (muscle, ``max_force``) in N, one row per posture.
    moment : float
        Moment in N·m, the same in every posture.
    muscles : sequence of str
        Names of the M muscles that share it.
    costs : sequence of str
        Names of costs.
    starts : int
        Number of initial guesses: the default one, and random activations (seed 0). The solution must not depend on
        them.
    pcsa : (M,) sequence of float, optional
        Cross-sectional areas in cm²; default: maximum force in the first posture over 50 N/cm².

    Returns
    -------
    pandas.DataFrame
        Forces in N with columns (cost, muscle) and the index of the table; NaN where the muscles are too weak.
        ``attrs["spread"]`` is the largest difference in N between initial guesses, by cost; ``attrs["unique"]``
        whether a cost has a unique solution in every posture.

    Raises
    ------
    InputError
        Unknown muscles or costs, fewer than one start, or areas of another shape.
    """
    import pandas as pd

    check_names("muscles", muscles, table.columns.get_level_values(0))
    if starts < 1:
        raise InputError(explain("at least 1 start", f"{starts}", "Use starts=1, the default."))
    arm, force = (table[[(muscle, name) for muscle in muscles]].to_numpy() for name in ("moment_arm", "max_force"))
    moments = np.full((len(table), 1), moment)
    problem = RedundancyProblem.from_arrays(arm[:, None, :], force, moments, pcsa=pcsa, muscles=muscles)
    guesses = np.random.default_rng(0).uniform(0.0, 1.0, (starts - 1, len(muscles)))
    columns, spread, unique = {}, {}, {}
    for cost in costs:
        first = solve_static(problem, cost, on_failure="return")
        spread[cost] = 0.0
        for guess in guesses:
            other = solve_static(problem, cost, on_failure="return", initial_guess=guess)
            difference = np.abs(other.muscle_force - first.muscle_force)[first.solved].max(initial=0.0)
            spread[cost] = max(spread[cost], float(difference))
        unique[cost] = first.unique is not None and bool(first.unique[first.solved].all())
        columns.update({(cost, muscle): first.muscle_force[:, i] for i, muscle in enumerate(muscles)})
    shares = pd.DataFrame(columns, index=table.index).rename_axis(columns=("cost", "muscle"))
    shares.attrs.update(moment=moment, spread=spread, unique=unique)
    return shares
