"""Static beside dynamic optimization as a folder: a table, figures of forces and activations, and the verdict."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..solution.folder import write_folder, write_json
from . import style
from .panels import chosen_muscles, draw_panels

if TYPE_CHECKING:
    from ..analysis.static_vs_dynamic import Comparison

#: Panels of a figure, those of the greatest forces first.
PANELS = 16
#: Endings of the names of muscles that come in pairs, that of the side which is drawn first.
SIDES = ("_r", "_l")

STATIC = {"color": "#000000", "ls": (0, (4, 2)), "lw": 1.0, "zorder": 3}
DYNAMIC = {"color": style.colour(0), "zorder": 2}


def write_comparison(comparison: Comparison, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write ``muscles.csv``, ``forces.png``, ``activations.png`` and ``comparison.json``; return the folder.

    It appears whole or not at all. ``comparison.json`` has the sentences, the seconds and both provenances.

    Raises
    ------
    InputError
        The folder exists and ``overwrite`` is False, or it is not such a folder, or it holds other files too.
    """

    def fill(temporary: Path) -> None:
        comparison.table().to_csv(temporary / "muscles.csv")
        draw_forces(comparison, temporary / "forces.png")
        draw_activations(comparison, temporary / "activations.png")
        content = {"answer": comparison.answer(), "findings": comparison.findings(), "seconds": comparison.seconds}
        both = {"static": comparison.static.provenance, "dynamic": comparison.dynamic.provenance}
        write_json({**content, **both}, temporary / "comparison.json")

    return write_folder(Path(folder), overwrite, fill)


def draw_forces(comparison: Comparison, path: str | os.PathLike[str], muscles: Sequence[str] | None = None) -> Path:
    """Draw the muscles' forces, static dashed over dynamic solid, with r and RMS difference; return the path.

    By default the sixteen strongest, of a model with two sides the sixteen strongest of its right.
    """
    static, dynamic, table = comparison.static, comparison.dynamic, comparison.table()

    def panel(axes: Any, index: int) -> None:
        axes.plot(dynamic.time, dynamic.muscle_force[:, index], label="dynamic", **DYNAMIC)
        axes.plot(static.time, static.muscle_force[:, index], label="static", **STATIC)
        row = table.loc[dynamic.problem.muscles[index]]
        style.aside(axes, f"r {row['correlation']:.2f}, {row['rms_percent']:.0f} %")

    caption = _caption(comparison, "top right: r, RMS (% of peak)")
    return draw_panels(path, dynamic.problem.muscles, _chosen(comparison, muscles), panel, caption, "tendon force (N)")


def draw_activations(
    comparison: Comparison, path: str | os.PathLike[str], muscles: Sequence[str] | None = None
) -> Path:
    """Draw activations as :func:`draw_forces` does forces, over the dynamic solution's excitations, on one scale."""
    static, dynamic = comparison.static, comparison.dynamic

    def panel(axes: Any, index: int) -> None:
        axes.plot(dynamic.time, dynamic.excitation[:, index], label="dynamic, excitation", **style.BEHIND)
        axes.plot(dynamic.time, dynamic.activation[:, index], label="dynamic, activation", **DYNAMIC)
        axes.plot(static.time, static.activation[:, index], label="static, activation", **STATIC)

    chosen, caption = _chosen(comparison, muscles), _caption(comparison)
    return draw_panels(path, dynamic.problem.muscles, chosen, panel, caption, "activation (–)", same=True)


def _caption(comparison: Comparison, *more: str) -> str:
    return " · ".join([*comparison.files(), *comparison.sides(), *more])


def _chosen(comparison: Comparison, muscles: Sequence[str] | None) -> list[int]:
    """Of pairs of muscles one: the strongest of one side, those of no side among them."""
    names = comparison.dynamic.problem.muscles
    force = np.maximum(np.nan_to_num(comparison.static.muscle_force), comparison.dynamic.muscle_force)
    first, second = SIDES
    twins = [name.endswith(second) and name.removesuffix(second) + first in names for name in names]
    return chosen_muscles(names, muscles, np.where(twins, 0.0, force), min(PANELS, len(names) - sum(twins)))
