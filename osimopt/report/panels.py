"""Small multiples: one panel for each of a few muscles, one legend for all."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain, some
from . import style

Array = NDArray[np.float64]

#: Panels in a row.
COLUMNS = 4


def chosen_muscles(names: Sequence[str], wanted: Sequence[str] | None, force: Array, most: int) -> list[int]:
    """Indices of the muscles wanted, or of those (M) of the greatest peaks of force (T, M).

    Raises
    ------
    InputError
        A name is unknown.
    """
    if wanted is None:
        peak = np.nan_to_num(force, nan=-np.inf).max(axis=0)
        return [int(index) for index in np.argsort(-peak, kind="stable")[:most]]
    if unknown := [name for name in wanted if name not in names]:
        raise InputError(explain(f"muscles among {some(names, 100)}", some(unknown), "Rename them."))
    return [list(names).index(name) for name in wanted]


def draw_panels(
    path: str | os.PathLike[str],
    names: Sequence[str],
    chosen: list[int],
    panel: Callable[[Any, int], None],
    caption: str,
    unit: str = "force (N)",
    same: bool = False,
) -> Path:
    """One panel for each chosen muscle, by ``panel(axes, index)``, with one legend for all; return the path.

    Panels begin at 0; each has its own scale, or all have the ``same``.
    """
    rows = max(1, -(-len(chosen) // COLUMNS))
    columns = max(1, -(-len(chosen) // rows))
    cells = [names[index] for index in chosen] + ["."] * (rows * columns - len(chosen))
    mosaic = [cells[row * columns : (row + 1) * columns] for row in range(rows)]
    size = (max(4.5, 2.6 * columns), 0.9 + 1.9 * rows)
    with style.figure(mosaic, size, sharex=True, sharey=same) as (drawn, axes):
        for place, index in enumerate(chosen):
            at = axes[names[index]]
            panel(at, index)
            bottom = place + columns >= len(chosen)
            style.label(at, names[index], "time (s)" if bottom else "", unit if place % columns == 0 else "")
            at.tick_params(labelbottom=bottom)
            style.from_zero(at)
        if chosen:
            drawn.align_ylabels()
            first = axes[names[chosen[0]]]
            style.legend_below(drawn, first, first.get_legend_handles_labels()[1])
        style.caption(drawn, caption)
        return style.save(drawn, Path(path))
