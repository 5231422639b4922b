"""How muscles share one joint moment: every posture of a muscle table under several costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, explain, some
from ..problem.problem import RedundancyProblem
from ..static.solve import solve_static

if TYPE_CHECKING:
    import pandas as pd

#: The costs of the classic exercise (Duarte, Biomechanics and Motor Control notebooks,
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
    table
        Columns (muscle, ``moment_arm`` and ``max_force``).
    moment
        N·m, the same in every posture.
    muscles
        The muscles that share it.
    costs
        Names of costs.
    starts
        Number of starting values to solve from: 1 is the default start, the others are random activations
        (seed 0). The answer must not depend on them.
    pcsa
        (M,) cm²; default the muscles' maximum force in the first posture over 50 N/cm².

    Returns
    -------
    pandas.DataFrame
        Forces in N, columns (cost, muscle), index as in the table; NaN where the muscles are too weak.
        ``attrs["spread"]`` is the largest difference in N between starting values, by cost;
        ``attrs["unique"]`` says of each cost whether its split is unique in every posture.
    """
    import pandas as pd

    known = list(dict.fromkeys(table.columns.get_level_values(0)))
    if unknown := [muscle for muscle in muscles if muscle not in known]:
        raise InputError(explain(f"muscles among {some(known, 100)}", some(unknown), "Rename them."))
    if starts < 1:
        raise InputError(explain("at least 1 starting value", f"{starts}", "Ask for more starts."))
    arm = np.stack([table[muscle, "moment_arm"].to_numpy() for muscle in muscles], axis=1)
    force = np.stack([table[muscle, "max_force"].to_numpy() for muscle in muscles], axis=1)
    problem = RedundancyProblem.from_arrays(
        arm[:, None, :], force, np.full((len(table), 1), moment), pcsa=pcsa, muscles=muscles
    )
    guesses = np.random.default_rng(0).uniform(0.0, 1.0, (starts - 1, len(muscles)))
    columns, spread, unique = {}, {}, {}
    for cost in costs:
        first = solve_static(problem, cost, on_failure="return")
        others = [solve_static(problem, cost, on_failure="return", initial_guess=guess) for guess in guesses]
        differences = [
            np.abs(other.muscle_force - first.muscle_force)[first.solved].max(initial=0.0) for other in others
        ]
        spread[cost] = float(max(differences, default=0.0))
        unique[cost] = first.unique is not None and bool(first.unique[first.solved].all())
        columns.update({(cost, muscle): first.muscle_force[:, i] for i, muscle in enumerate(muscles)})
    shares = pd.DataFrame(columns, index=table.index).rename_axis(columns=("cost", "muscle"))
    shares.attrs.update(moment=moment, spread=spread, unique=unique)
    return shares
