"""Figures with one panel per muscle: feasible ranges, uncertainty bands, static beside dynamic optimization."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import check_names
from ..files.folders import new_folder, write_json
from ..problem.arrays import Array
from . import style

if TYPE_CHECKING:
    from ..analysis.bands import UncertaintyBands
    from ..analysis.ranges import FeasibleRanges
    from ..analysis.static_vs_dynamic import Comparison

#: Most panels in a row, and most panels of a figure of bands and of a comparison: the muscles of the largest forces.
COLUMNS, BANDS, COMPARED = 4, 12, 16
#: Files of write_comparison.
COMPARISON = ("comparison.json", "muscles.csv", "forces.png", "activations.png")
#: Suffixes of the names of paired muscles, the side that is drawn first.
SIDES = ("_r", "_l")

DASHED = {"color": "#000000", "ls": (0, (4, 2))}
STATIC = {**DASHED, "lw": 1.0, "zorder": 3}
DYNAMIC = {"color": style.colour(0), "zorder": 2}


def draw_ranges(ranges: FeasibleRanges, path: str | os.PathLike[str], muscles: Sequence[str] | None = None) -> Path:
    """Draw each muscle's feasible force (N) as a band with the solution as a line; return the path.

    By default the twelve muscles of the largest optimal force.
    """
    optimum, low, high = (ranges.force(end) for end in (ranges.optimum, ranges.minimum, ranges.maximum))

    def panel(axes: Any, index: int) -> None:
        style.band(axes, ranges.time, low[:, index], high[:, index], style.colour(0), "all that meet the moments")
        line = optimum[:, index]
        axes.plot(ranges.time, line, color=style.colour(0), label="solution", **style.dots(line))

    caption = "Band: forces that the moments and the bounds of activation allow; line: the solution"
    return _draw(path, ranges.muscles, _chosen(ranges.muscles, muscles, optimum, BANDS), panel, caption)


def draw_uncertainty(
    bands: UncertaintyBands, path: str | os.PathLike[str], muscles: Sequence[str] | None = None
) -> Path:
    """Draw the median and the outermost percentiles of each muscle's force (N) over the nominal solution.

    By default the twelve muscles of the largest nominal force. Returns the path.
    """
    solution = bands.solution
    force, names = solution.muscle_force, solution.problem.muscles
    least, middle, most = (int(np.argmin(np.abs(bands.percentiles - q))) for q in (0.0, 50.0, 100.0))
    labels = {i: f"p{bands.percentiles[i]:g}" for i in (least, middle, most)}

    def panel(axes: Any, index: int) -> None:
        ends = bands.muscle_force[least, :, index], bands.muscle_force[most, :, index]
        style.band(axes, solution.time, *ends, style.colour(1), f"{labels[least]} to {labels[most]}")
        if middle not in (least, most):
            line = bands.muscle_force[middle, :, index]
            axes.plot(solution.time, line, color=style.colour(1), label=labels[middle], **style.dots(line))
        nominal = force[:, index]
        axes.plot(solution.time, nominal, lw=1.2, label="nominal", **DASHED, **style.dots(nominal))

    drawn = [f"{name} {_spread(spread)}" for name, spread in bands.provenance["uncertainty"].items()]
    failed = int(bands.failed.max(initial=0))
    unsolved = [f"up to {failed} of them without a solution"] if failed else []
    caption = style.SEPARATOR.join([f"{bands.samples} samples", *unsolved, *drawn])
    return _draw(path, names, _chosen(names, muscles, force, BANDS), panel, caption)


def _spread(spread: Any) -> str:
    return f"{100.0 * spread:g} %" if isinstance(spread, float) else "by name" if isinstance(spread, dict) else "drawn"


def write_comparison(comparison: Comparison, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write ``muscles.csv``, ``forces.png``, ``activations.png`` and ``comparison.json``; return the folder.

    The folder appears whole or not at all. ``comparison.json`` holds the findings, the times (s) and both provenances.

    Raises
    ------
    InputError
        The folder exists and ``overwrite`` is False, or it holds other files.
    """
    with new_folder(folder, COMPARISON, overwrite=overwrite) as temporary:
        comparison.table().to_csv(temporary / "muscles.csv")
        draw_forces(comparison, temporary / "forces.png")
        draw_activations(comparison, temporary / "activations.png")
        content = {
            "answer": comparison.answer(), "findings": comparison.findings(), "seconds": comparison.seconds,
            "static": comparison.static.provenance, "dynamic": comparison.dynamic.provenance,
        }  # fmt: skip
        write_json(content, temporary / "comparison.json")
    return Path(folder).absolute()


def draw_forces(comparison: Comparison, path: str | os.PathLike[str], muscles: Sequence[str] | None = None) -> Path:
    """Draw the muscles' forces (N), static dashed over dynamic solid, with r and RMS difference; return the path.

    By default the sixteen strongest muscles; of a model with two sides, those of the right.
    """
    static, dynamic, table = comparison.static, comparison.dynamic, comparison.table()

    def panel(axes: Any, index: int) -> None:
        axes.plot(dynamic.time, dynamic.muscle_force[:, index], label="dynamic", **DYNAMIC)
        axes.plot(static.time, static.muscle_force[:, index], label="static", **STATIC)
        row = table.loc[dynamic.problem.muscles[index]]
        text = f"r {row['correlation']:.2f}, {row['rms_percent']:.0f} %"
        axes.set_title(text, loc="right", fontsize=8, fontweight="normal", color="#555555")

    return _draw_comparison(comparison, path, muscles, panel, "tendon force (N)", ["top right: r, RMS (% of peak)"])


def draw_activations(
    comparison: Comparison, path: str | os.PathLike[str], muscles: Sequence[str] | None = None
) -> Path:
    """Draw activations as :func:`draw_forces` does forces, over the dynamic solution's excitations, on one scale."""
    static, dynamic = comparison.static, comparison.dynamic

    def panel(axes: Any, index: int) -> None:
        axes.plot(dynamic.time, dynamic.excitation[:, index], label="dynamic, excitation", **style.BEHIND)
        axes.plot(dynamic.time, dynamic.activation[:, index], label="dynamic, activation", **DYNAMIC)
        axes.plot(static.time, static.activation[:, index], label="static, activation", **STATIC)

    return _draw_comparison(comparison, path, muscles, panel, "activation (–)", [], same=True)


def _draw_comparison(
    comparison: Comparison, path: Any, muscles: Sequence[str] | None, panel: Callable[[Any, int], None], unit: str,
    notes: Sequence[str], same: bool = False,
) -> Path:  # fmt: skip
    """One muscle of each pair: the strongest of one side, and those without a side."""
    names = comparison.dynamic.problem.muscles
    force = np.maximum(np.nan_to_num(comparison.static.muscle_force), comparison.dynamic.muscle_force)
    first, second = SIDES
    twins = [name.endswith(second) and name.removesuffix(second) + first in names for name in names]
    chosen = _chosen(names, muscles, np.where(twins, 0.0, force), min(COMPARED, len(names) - sum(twins)))
    caption = style.SEPARATOR.join([*comparison.files(), *comparison.sides(), *notes])
    return _draw(path, names, chosen, panel, caption, unit, same)


def _chosen(names: Sequence[str], muscles: Sequence[str] | None, force: Array, most: int) -> list[int]:
    """Indices of the muscles requested, or of those of the largest peak forces (T, M)."""
    if muscles is None:
        peak = np.nan_to_num(force, nan=-np.inf).max(axis=0)
        return [int(index) for index in np.argsort(-peak, kind="stable")[:most]]
    check_names("muscles", muscles, names)
    return [list(names).index(name) for name in muscles]


def _draw(
    path: str | os.PathLike[str], names: Sequence[str], chosen: list[int], panel: Callable[[Any, int], None],
    caption: str, unit: str = "force (N)", same: bool = False,
) -> Path:  # fmt: skip
    """Draw one panel for each chosen muscle by ``panel(axes, index)``, with one legend for all; return the path.

    Vertical axes start at 0; each panel has its own scale, or all have the ``same``.
    """
    rows = max(1, -(-len(chosen) // COLUMNS))
    columns = max(1, -(-len(chosen) // rows))
    mosaic = style.grid([names[index] for index in chosen] or ["."], columns)
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
