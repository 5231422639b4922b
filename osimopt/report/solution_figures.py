"""The figures of a report: small multiples of muscle groups, joints and EMG channels, over the stride or over time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..emg.comparison import EmgComparison
from ..result import Result
from . import style
from .ensemble import Axis, group_activation, group_force, muscle_groups, side_of, stem_of
from .svg import drawing

Array = NDArray[np.float64]
#: A line: its name, its look's number, the times and values.
Line = tuple[str, int, Array, Array]

#: Panels in a row, and their height and width in inches.
COLUMNS, HEIGHT, WIDTH = 5, 1.5, 2.3
#: Inches above the panels, for caption and titles, and below, for the axis and a legend.
TOP, BOTTOM = 0.6, 0.75
#: Share of the largest group's peak force from which on a group is drawn.
DRAWN = 0.01
SIDES = {"r": "right", "l": "left", "": ""}


def forces(results: Mapping[str, Result], axis: Axis) -> list[str]:
    """Forces by muscle group: both sides of one solution in one figure, several solutions in one figure per side."""
    return _by_group(results, axis, group_force, "tendon force (N)", "muscle forces")


def activations(results: Mapping[str, Result], axis: Axis) -> list[str]:
    """Activations by muscle group, all on the scale from 0 to 1."""
    return _by_group(results, axis, group_activation, "activation (–)", "activations", top=1.0)


def _by_group(
    results: Mapping[str, Result], axis: Axis, of: Callable[[Result, Sequence[int]], Array], unit: str, what: str,
    top: float | None = None,
) -> list[str]:  # fmt: skip
    first = next(iter(results.values()))
    groups = muscle_groups(first.muscles)
    sides = sorted({side for own in groups.values() for side in own}, reverse=True)
    peak = {
        name: max(float(np.nanmax(group_force(first, places), initial=0.0)) for places in own.values())
        for name, own in groups.items()
    }
    least = DRAWN * max(peak.values(), default=0.0)
    shown = sorted((name for name in groups if peak[name] >= least), key=lambda name: -peak[name])

    def lines(name: str, wanted: Sequence[str]) -> list[Line]:
        found: list[Line] = []
        for place, (told, result) in enumerate(results.items()):
            own = muscle_groups(result.muscles).get(name, {})
            for side in wanted:
                if side in own:
                    label = told if len(results) > 1 else SIDES[side]
                    number = place if len(results) > 1 else sides.index(side)
                    found.append((label, number, result.time, of(result, own[side])))
        return found

    together = [sides] if len(results) == 1 else [[side] for side in sides]
    drawn = []
    for wanted in together:
        named = [name for name in shown if set(groups[name]) & set(wanted)]
        side = f"{SIDES[wanted[0]]} side" if len(results) > 1 and wanted[0] else ""
        title = " ".join(filter(None, [what, side]))
        panels = {name: lines(name, wanted) for name in named}
        drawn.append(_panels(panels, axis, unit, title, caption=side.capitalize(), top=top))
    return drawn


def moments(results: Mapping[str, Result], axis: Axis) -> str:
    """Net moments of coordinates that muscles serve, and dotted what reserves carry of them in any of the solutions."""
    first = next(iter(results.values()))
    panels: dict[str, list[Line]] = {}
    dotted: dict[str, list[Line]] = {}
    told: dict[str, str] = {}
    for row in np.flatnonzero(first.served):
        name = first.coordinates[row]
        side, stem = side_of(name), stem_of(name)
        number = {"r": 0, "l": 1, "": 0}[side]
        line = (SIDES[side] or "net", number, first.time, first.generalized_force[:, row])
        panels.setdefault(stem, []).append(line)
        peak = max(float(np.abs(first.generalized_force[:, row]).max()), 1e-12)
        shares = []
        for result in results.values():
            carried = result.carried[:, result.coordinates.index(name)]
            shares.append(float(np.nanmax(np.abs(carried), initial=0.0)) / peak)
        worst = list(results.values())[int(np.argmax(shares))]
        if max(shares) > 0.0:
            carried = worst.carried[:, worst.coordinates.index(name)]
            dotted.setdefault(stem, []).append(("", number, worst.time, carried))
            told[stem] = " ".join(filter(None, [told.get(stem), f"{(side + ' ') if side else ''}{max(shares):.1%}"]))
    if not panels:
        return ""
    asides = {stem: f"reserve {share}" for stem, share in told.items()}
    caption = "Net moments; dotted: what reserves carry, their peak as a share of the net moment's at the top"
    return _panels(panels, axis, "moment (N·m)", "joint moments", dotted, asides, caption, from_zero=False)


def emg(comparisons: Mapping[str, EmgComparison]) -> str:
    """Measured activity as a band under the simulated, each channel on its own scale, r and lag at the top."""
    first = next(iter(comparisons.values()))
    axis = Axis(tuple((float(first.curves.time[a]), float(first.curves.time[b])) for a, b in first.curves.strides))
    meant = first.curves.amplitude
    panels: dict[str, list[Line]] = {}
    behind: dict[str, list[Line]] = {}
    asides: dict[str, str] = {}
    for place, channel in enumerate(first.curves.channels):
        measured = first.curves.measured[:, place]
        lines: list[Line] = []
        scale = 1.0
        for number, (name, own) in enumerate(comparisons.items()):
            value = own.curves.simulated[:, own.curves.channels.index(channel)]
            if number == 0 and not meant:
                scale = float(np.nanmax(value, initial=0.0)) / max(float(np.nanmax(measured, initial=0.0)), 1e-12)
            lines.append((name, number, own.curves.time, value))
        panels[channel] = lines
        behind[channel] = [("EMG", 0, first.curves.time, (scale or 1.0) * measured)]
        row = first.table.loc[channel]
        asides[channel] = f"r {row['r']:.2f}, lag {1e3 * row['lag']:.0f} ms"
    how = "" if meant else " · EMG is scaled to the first solution's peak, as its amplitude means nothing"
    name = next(iter(comparisons)) if len(comparisons) > 1 else ""
    caption = f"Activation over EMG; {first.footing}{how}" + (f" · r and lag of {name}" if name else "")
    return _panels(panels, axis, "activation (–)", "EMG", asides=asides, caption=caption, behind=behind)


def _panels(
    panels: Mapping[str, Sequence[Line]], axis: Axis, unit: str, name: str,
    dotted: Mapping[str, Sequence[Line]] | None = None, asides: Mapping[str, str] | None = None, caption: str = "",
    *, behind: Mapping[str, Sequence[Line]] | None = None, top: float | None = None, from_zero: bool = True,
) -> str:  # fmt: skip
    """One panel per name, in rows; one legend for all."""
    names = list(panels)
    rows = max(1, -(-len(names) // COLUMNS))
    cells = [str(place) for place in range(len(names))] + ["."] * (rows * COLUMNS - len(names))
    mosaic = [cells[row * COLUMNS : (row + 1) * COLUMNS] for row in range(rows)]
    caption = style.SEPARATOR.join(filter(None, [caption, axis.band]))
    above = TOP if caption or asides else 0.5 * TOP
    size = (COLUMNS * WIDTH, above + HEIGHT * rows + BOTTOM)
    with drawing(mosaic, size, name, layout=None) as (axes, made):
        for place, title in enumerate(names):
            at = axes[str(place)]
            for _, _, time, value in (behind or {}).get(title, ()):
                _draw_behind(at, axis, time, value)
            for label, number, time, value in panels[title]:
                _draw_line(at, axis, time, value, style.line(number, label or None))
            for _, number, time, value in (dotted or {}).get(title, ()):
                curve = axis.within(time).curve(time, value)
                at.plot(curve.x, curve.mean, color=style.colour(number), ls=":", lw=1.4)
            bottom = place + COLUMNS >= len(names)
            _label(at, title, (asides or {}).get(title, ""), axis.label if bottom else "", unit)
            if from_zero:
                style.from_zero(at)
            if top is not None:
                at.set_ylim(-style.EDGE * top, top * (1.0 + style.EDGE))
            if place % COLUMNS:
                at.set_ylabel("")
            at.locator_params(nbins=4)
            at.margins(x=0.02)
        if names:
            _arrange(axes["0"].figure, [axes[str(place)] for place in range(len(names))], size, above, caption)
    return made.svg


def _label(at: Any, title: str, aside: str, x: str, y: str) -> None:
    """Title, a smaller line under it, units."""
    at.set_title(title, fontsize=8.5, y=1.0, pad=13.0 if aside else 4.0)  # a given y: none is looked for
    at.text(0.0, 1.03, aside, transform=at.transAxes, fontsize=7, color="#555555")
    at.set_xlabel(x, fontsize=8)
    at.set_ylabel(y, fontsize=8)
    at.tick_params(labelbottom=bool(x), labelsize=7)


def _arrange(figure: Any, everyone: Sequence[Any], size: tuple[float, float], above: float, caption: str) -> None:
    """Margins in inches, a caption above and one legend below."""
    width, height = size
    figure.subplots_adjust(
        left=0.6 / width, right=1.0 - 0.1 / width, top=1.0 - above / height, bottom=BOTTOM / height, wspace=0.36,
        hspace=0.5,
    )  # fmt: skip
    figure.text(0.1 / width, 1.0 - 0.06 / height, caption, fontsize=8, va="top")
    named: dict[str, Any] = {}
    for at in everyone:
        for handle, label in zip(*at.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    if len(named) > 1 or "EMG" in named:
        figure.legend(list(named.values()), list(named), loc="lower center", ncols=min(len(named), 6))


def _draw_line(at: Any, axis: Axis, time: Array, value: Array, look: dict[str, Any]) -> None:
    curve = axis.within(time).curve(time, value)
    at.plot(curve.x, curve.mean, **{**look, "lw": 1.4})
    if np.isfinite(curve.low).any():
        at.fill_between(curve.x, curve.low, curve.high, color=look["color"], alpha=0.18, lw=0.0)


def _draw_behind(at: Any, axis: Axis, time: Array, value: Array) -> None:
    curve = axis.within(time).curve(time, value)
    at.plot(curve.x, curve.mean, color="#7F7F7F", lw=1.2, label="EMG", zorder=1)
    low, high = (curve.low, curve.high) if np.isfinite(curve.low).any() else (np.zeros_like(curve.mean), curve.mean)
    at.fill_between(curve.x, np.maximum(low, 0.0), high, color="#7F7F7F", alpha=0.3, lw=0.0)
