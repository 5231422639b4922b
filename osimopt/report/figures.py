"""Figures of a muscle table, a solution along a motion, the share of muscles in a moment by cost, and a training."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..problem.arrays import Array
from ..problem.costs import COSTS
from . import style

if TYPE_CHECKING:
    import pandas as pd

    from ..solution.solution import RedundancySolution

#: Muscles and coordinates are drawn whose peak moment is at least this share of the largest one.
DRAWN_SHARE = 0.02
#: Muscles in a legend, the strongest first; the others are drawn in grey.
NAMED_MUSCLES = 6
#: Width in inches of the panels beside a map, and of three in a row.
WIDE, NARROW = 4.0, 3.0
#: Most cells in a row of a map of uneven frames, which is finer than print.
MOST_CELLS = 2000
#: Steps between frames count as even where they differ by no more than this share.
EVEN = 0.01
#: Half the width (s) of a map's cell where there is one frame only.
LONE_FRAME = 0.005
#: Points in the figure of a training: network against exact solver.
POINTS = 20_000
ZERO = {"color": "#888888", "lw": 0.8, "zorder": 0}


def draw_table(table: pd.DataFrame, path: str | os.PathLike[str], muscles: Sequence[str] | None = None) -> Path:
    """Draw moment arm (cm), maximum force (N) and maximum moment (N·m) of muscles over the coordinate; return the path.

    By default the muscles are those that reach at least 2 % of the largest moment; beyond eight, the
    strongest are named and the others grey.
    """
    peak = {
        muscle: float(np.nanmax(np.abs(table[muscle, "max_moment"]), initial=0.0))
        for muscle in dict.fromkeys(table.columns.get_level_values(0))
    }
    acting = [muscle for muscle in peak if peak[muscle] >= DRAWN_SHARE * max(peak.values())]
    shown = list(muscles) if muscles is not None else sorted(acting, key=lambda muscle: -peak[muscle])
    named = shown if len(shown) <= style.MOST_LINES else shown[:NAMED_MUSCLES]
    panels = (
        ("moment_arm", "Moment arm", "moment arm (cm)", 100.0),
        ("max_force", "Maximum force", "tendon force (N)\nelastic tendon, passive included", 1.0),
        ("max_moment", "Maximum moment", "moment of that force (N·m)", 1.0),
    )
    x = str(table.index.name)
    with style.figure([["arm", "force", "moment"]], (10.0, 3.4)) as (drawn, axes):
        for panel, (quantity, title, y, factor) in zip(axes.values(), panels, strict=True):
            for muscle in shown:
                line = style.line(named.index(muscle), muscle) if muscle in named else style.GREY_LINE
                value = factor * table[muscle, quantity].to_numpy()
                panel.plot(table.index, value, **line, **style.dots(value))
            style.label(panel, title, x, y)
            if quantity != "max_force":
                panel.axhline(0.0, **ZERO)
        style.legend_below(drawn, axes["arm"], named)
        model = [Path(str(table.attrs["model"])).name] if "model" in table.attrs else []
        pose = [f"{name} {value:g}" for name, value in table.attrs.get("pose", {}).items()]
        style.caption(drawn, style.SEPARATOR.join([*model, "at rest and full activation", *pose]))
        return style.save(drawn, Path(path))


def draw_solution(solution: RedundancySolution, path: str | os.PathLike[str]) -> Path:
    """Draw muscle forces (N), activations, and net moments with those of reserves (N·m); return the path.

    Activations of up to eight muscles are lines; those of more are a map with one row per muscle.
    """
    few = len(solution.problem.muscles) <= style.MOST_LINES
    mosaic = [["force", "activation", "moment"]] if few else [["force", "activation"], ["moment", "activation"]]
    with style.figure(mosaic, (11.0, 3.6) if few else (10.0, 8.5)) as (drawn, axes):
        _draw_forces(axes["force"], solution)
        _draw_moments(axes["moment"], solution)
        if few:
            _draw_activation_lines(axes["activation"], solution)
            style.legend_below(drawn, axes["force"], solution.problem.muscles)
        else:
            _draw_activation_map(drawn, axes["activation"], solution)
        style.caption(drawn, _caption(solution))
        return style.save(drawn, Path(path))


def _caption(solution: RedundancySolution) -> str:
    inputs, cost = solution.provenance.get("inputs", {}), solution.provenance.get("cost", {})
    names = [inputs[name]["file"] for name in ("model", "motion") if name in inputs]
    exponent = f", exponent {cost['exponent']:g}" if cost.get("name", "").endswith("_power") else ""
    chosen = [f"cost {cost['formula']} ({cost['name']}{exponent})"] if cost else []
    tendon = solution.provenance.get("solver", {}).get("tendon")
    chosen += [f"{tendon} tendon"] if tendon else []
    chosen += [kinds] if (kinds := style.paths_used(solution.provenance)) else []
    chosen += ["by a surrogate"] if solution.provenance.get("method") == "surrogate" else []
    frames, failed = len(solution.status), int(np.sum(~solution.solved))
    counted = "1 frame" if frames == 1 else f"{frames} frames"
    if "mesh" in solution.provenance:
        counted = f"{frames} points, {solution.provenance['mesh']['transcription']}"
    return style.SEPARATOR.join([*names, *chosen, counted, *([f"{failed} failed (gaps)"] if failed else [])])


def draw_sharing(shares: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Draw forces (N) of :func:`osimopt.analysis.distribution.share_moment`, stacked, a panel per cost."""
    costs = list(dict.fromkeys(shares.columns.get_level_values(0)))
    unique = shares.attrs.get("unique", {})
    with style.figure([costs], (2.7 * len(costs), 3.3), sharey=True) as (drawn, axes):
        for cost, panel in axes.items():
            forces = shares[cost]
            colours = [style.colour(i) for i in range(forces.shape[1])]
            panel.stackplot(shares.index, forces.T.to_numpy(), labels=list(forces.columns), colors=colours, lw=0)
            title = COSTS[cost].formula + ("" if unique.get(cost, True) else "  (split not unique)")
            style.label(panel, title, str(shares.index.name), "")
        axes[costs[0]].set_ylabel("muscle force, stacked (N)")
        style.legend_below(drawn, axes[costs[0]], list(shares[costs[0]].columns))
        style.caption(drawn, f"Sharing {shares.attrs['moment']:g} N·m")
        return style.save(drawn, Path(path))


def draw_training(
    training: Sequence[float], validation: Sequence[float], best_epoch: int, predicted: Array, exact: Array, what: str,
    path: str | os.PathLike[str],
) -> Path:  # fmt: skip
    """Draw the losses by epoch, and predicted against exact activations of held-out trials; return the path.

    ``predicted`` and ``exact`` are of the same shape; ``what`` they are is in the panel's title.
    """
    epochs = np.arange(1, len(training) + 1)
    with style.figure([["loss", "activation"]], (8.0, 3.6)) as (drawn, axes):
        panel = axes["loss"]
        panel.semilogy(epochs, training, **style.line(0, "training"))
        panel.semilogy(epochs, validation, **style.line(1, "validation"))
        panel.axvline(best_epoch, **style.BEHIND)
        style.label(panel, "Learning curve (grey: kept)", "epoch", "loss")
        panel.legend()
        panel = axes["activation"]
        chosen = np.random.default_rng(0).permutation(predicted.size)[:POINTS]
        points = exact.ravel()[chosen], predicted.ravel()[chosen]
        panel.plot(*points, ".", ms=2.0, alpha=0.3, mew=0.0, color=style.colour(0), rasterized=True)
        panel.plot([0.0, 1.0], [0.0, 1.0], **style.BEHIND)
        style.label(panel, f"Held-out trials: {what}", "exact activation", "network's activation")
        error = f"RMSE {np.sqrt(np.mean((predicted - exact) ** 2)):.4f}"
        panel.text(0.04, 0.92, error, transform=panel.transAxes)
        return style.save(drawn, Path(path))


def _draw_forces(axes: Any, solution: RedundancySolution) -> None:
    """Every muscle's force; of more than eight, the strongest are named."""
    force, muscles = solution.muscle_force, solution.problem.muscles
    few = len(muscles) <= style.MOST_LINES
    style.label(axes, "Muscle force", "time (s)", "tendon force (N)")
    if _unsolved(axes, solution):
        return
    strongest = np.argsort(-np.nanmax(force, axis=0, initial=0.0), kind="stable")
    named = list(range(len(muscles))) if few else strongest[:NAMED_MUSCLES].tolist()
    for index in range(len(muscles)):
        line = style.line(named.index(index), muscles[index]) if index in named else style.GREY_LINE
        axes.plot(solution.time, force[:, index], **line, **style.dots(force[:, index]))
    if not few:
        style.legend_under(axes, [muscles[index] for index in named], WIDE)


def _draw_activation_lines(axes: Any, solution: RedundancySolution) -> None:
    excitation = getattr(solution, "excitation", None)
    title = "Activation" if excitation is None else "Activation (thin: excitation)"
    style.label(axes, title, "time (s)", "activation (–)")
    if _unsolved(axes, solution):
        return
    for index in range(len(solution.problem.muscles)):
        if excitation is not None:
            axes.plot(solution.time, excitation[:, index], color=style.colour(index), lw=0.7, zorder=1)
        value = solution.activation[:, index]
        axes.plot(solution.time, value, **style.line(index, None), **style.dots(value))
    axes.set_yticks(np.linspace(0.0, 1.0, 6))
    top = max(1.0, float(np.nanmax(solution.activation, initial=0.0)))
    axes.set_ylim(-style.EDGE * top, (1.0 + style.EDGE) * top)


def _draw_activation_map(drawn: Any, axes: Any, solution: RedundancySolution) -> None:
    """One row per muscle, one cell per frame, as wide as the shortest step between frames."""
    style.label(axes, "Activation", "time (s)", "")
    axes.grid(visible=False)
    if _unsolved(axes, solution):
        return
    muscles = solution.problem.muscles
    time, activation = _even(solution.time, solution.activation)
    half = 0.5 * float(np.median(np.diff(time))) if len(time) > 1 else LONE_FRAME
    extent = (time[0] - half, time[-1] + half, len(muscles) - 0.5, -0.5)
    look = {"aspect": "auto", "interpolation": "nearest", "cmap": "magma_r", "vmin": 0.0, "vmax": 1.0}
    image = axes.imshow(activation.T, extent=extent, **look)
    axes.set_yticks(range(len(muscles)), muscles, fontsize=max(4.0, min(8.0, 480.0 / len(muscles))))
    drawn.colorbar(image, ax=axes, label="activation (–)", shrink=0.4)


def _even(time: Array, value: Array) -> tuple[Array, Array]:
    """At most MOST_CELLS times with even steps, and the values (T, M) nearest to each."""
    steps = np.diff(time)
    if len(time) < 3 or np.ptp(steps) <= EVEN * steps.min():
        return time, value
    count = min(round((time[-1] - time[0]) / steps.min()) + 1, MOST_CELLS)
    even = np.linspace(time[0], time[-1], count)
    return even, value[np.searchsorted(0.5 * (time[1:] + time[:-1]), even)]


def _unsolved(axes: Any, solution: RedundancySolution) -> bool:
    """Whether no frame was solved; a note in the panel then states it."""
    if solution.solved.any():
        return False
    style.note(axes, "no frame solved")
    if len(solution.time) > 1:
        axes.set_xlim(solution.time[0], solution.time[-1])
    return True


def _draw_moments(axes: Any, solution: RedundancySolution) -> None:
    """Net moments of coordinates that muscles act on, and dotted the moments of reserves."""
    problem = solution.problem
    served = np.flatnonzero(problem.geometry.served)
    peak = np.abs(problem.generalized_force).max(axis=0)
    acting = [row for row in served if peak[row] >= DRAWN_SHARE * peak[served].max()]
    chosen = sorted(acting, key=lambda row: -peak[row])[:NAMED_MUSCLES]
    for rank, row in enumerate(chosen):
        color, net = style.colour(rank), problem.generalized_force[:, row]
        axes.plot(solution.time, net, color=color, label=problem.coordinates[row], **style.dots(net))
        carried = np.sum(problem.reserves.effect[:, row] * solution.reserve_control, axis=1)
        if np.nanmax(np.abs(carried), initial=0.0) > 0.0:
            axes.plot(solution.time, carried, color=color, ls=":", lw=1.4, mfc="none", **style.dots(carried))
    axes.axhline(0.0, **ZERO)
    style.label(axes, "Net moment (dotted: reserves)", "time (s)", "moment (N·m)")
    width = NARROW if len(problem.muscles) <= style.MOST_LINES else WIDE
    style.legend_under(axes, [problem.coordinates[row] for row in chosen], width)
