"""The figures of a report: small multiples of muscle groups, joints and EMG channels, over the stride or over time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..emg.comparison import EmgComparison
from ..solution.reader import Result
from . import style
from .ensemble import Axis, Curve, group_activation, group_force, muscle_groups, side_of, stem_of
from .multiples import Line, Panel, draw_panels

Array = NDArray[np.float64]
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
                    found.append((label, number, _curve(axis, result.time, of(result, own[side]))))
        return found

    together = [sides] if len(results) == 1 else [[side] for side in sides]
    drawn = []
    for wanted in together:
        named = [name for name in shown if set(groups[name]) & set(wanted)]
        side = f"{SIDES[wanted[0]]} side" if len(results) > 1 and wanted[0] else ""
        title = " ".join(filter(None, [what, side]))
        panels = [Panel(name, lines(name, wanted)) for name in named]
        caption = style.SEPARATOR.join(filter(None, [side.capitalize(), axis.band]))
        drawn.append(draw_panels(panels, axis.label, unit, title, caption, top=top))
    return drawn


def moments(results: Mapping[str, Result], axis: Axis) -> str:
    """Net moments of coordinates that muscles serve, and dotted what reserves carry of them in any of the solutions."""
    first = next(iter(results.values()))
    lines: dict[str, list[Line]] = {}
    dotted: dict[str, list[Line]] = {}
    told: dict[str, str] = {}
    for row in np.flatnonzero(first.served):
        name = first.coordinates[row]
        side, stem = side_of(name), stem_of(name)
        number = {"r": 0, "l": 1, "": 0}[side]
        net = _curve(axis, first.time, first.generalized_force[:, row])
        lines.setdefault(stem, []).append((SIDES[side] or "net", number, net))
        peak = max(float(np.abs(first.generalized_force[:, row]).max()), 1e-12)
        shares = []
        for result in results.values():
            carried = result.carried[:, result.coordinates.index(name)]
            shares.append(float(np.nanmax(np.abs(carried), initial=0.0)) / peak)
        worst = list(results.values())[int(np.argmax(shares))]
        if max(shares) > 0.0:
            carried = worst.carried[:, worst.coordinates.index(name)]
            dotted.setdefault(stem, []).append(("", number, _curve(axis, worst.time, carried)))
            told[stem] = " ".join(filter(None, [told.get(stem), f"{(side + ' ') if side else ''}{max(shares):.1%}"]))
    panels = [
        Panel(stem, own, dotted.get(stem, ()), aside=f"reserve {told[stem]}" if stem in told else "")
        for stem, own in lines.items()
    ]
    what = "Net moments; dotted: what reserves carry, their peak as a share of the net moment's at the top"
    caption = style.SEPARATOR.join(filter(None, [what, axis.band]))
    return draw_panels(panels, axis.label, "moment (N·m)", "joint moments", caption, from_zero=False)


def emg(comparisons: Mapping[str, EmgComparison]) -> str:
    """Measured activity as a band under the simulated, each channel on its own scale, r and lag at the top."""
    first = next(iter(comparisons.values()))
    axis = Axis(tuple((float(first.curves.time[a]), float(first.curves.time[b])) for a, b in first.curves.strides))
    meant = first.curves.amplitude
    panels = []
    for place, channel in enumerate(first.curves.channels):
        measured = first.curves.measured[:, place]
        simulated = {
            name: own.curves.simulated[:, own.curves.channels.index(channel)] for name, own in comparisons.items()
        }
        top = float(np.nanmax(next(iter(simulated.values())), initial=0.0))
        scale = 1.0 if meant else top / max(float(np.nanmax(measured, initial=0.0)), 1e-12) or 1.0
        lines = [
            (name, number, _curve(axis, comparisons[name].curves.time, value))
            for number, (name, value) in enumerate(simulated.items())
        ]
        row = first.table.loc[channel]
        aside = f"r {row['r']:.2f}, lag {1e3 * row['lag']:.0f} ms"
        panels.append(Panel(channel, lines, behind=_curve(axis, first.curves.time, scale * measured), aside=aside))
    how = "" if meant else " · EMG is scaled to the first solution's peak, as its amplitude means nothing"
    name = next(iter(comparisons)) if len(comparisons) > 1 else ""
    what = f"Activation over EMG; {first.footing}{how}" + (f" · r and lag of {name}" if name else "")
    caption = style.SEPARATOR.join(filter(None, [what, axis.band]))
    return draw_panels(panels, axis.label, "activation (–)", "EMG", caption)


def _curve(axis: Axis, time: Array, value: Array) -> Curve:
    return axis.within(time).curve(time, value)
