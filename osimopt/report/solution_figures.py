"""Figures of a report: small multiples of muscle groups, joints and EMG channels, over the stride or over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from ..emg.comparison import EmgComparison
from ..emg.metrics import lag_in_ms
from ..problem.arrays import Array
from ..solution.reader import Result
from . import style
from .curves import SIDES, Axis, Line, Panel, draw_panels, drawn_groups, muscle_groups, side_of, stem_of

#: By quantity: unit of the axis, label of the figure, common upper limit of the panels.
QUANTITIES = {
    "muscle_force": ("tendon force (N)", "muscle forces", None),
    "activation": ("activation (–)", "activations", 1.0),
}


def draw_groups(
    results: Mapping[str, Result], axis: Axis, quantity: Literal["muscle_force", "activation"]
) -> list[str]:
    """Forces or activations by muscle group: one figure with both sides of one solution; one per side of several."""
    unit, what, top = QUANTITIES[quantity]
    first = next(iter(results.values()))
    shown = drawn_groups(first.muscles, first.muscle_force)
    sides = sorted({side_of(name) for name in first.muscles}, reverse=True)
    many = len(results) > 1

    def lines(group: str, wanted: Sequence[str]) -> list[Line]:
        found: list[Line] = []
        for place, (name, result) in enumerate(results.items()):
            parts = muscle_groups(result.muscles).get(group, {})
            for side in (side for side in wanted if side in parts):
                curve = axis.curve(result.time, _of_group(result, quantity, parts[side]))
                found.append((name, place, curve) if many else (SIDES[side], sides.index(side), curve))
        return found

    figures = []
    for wanted in [[side] for side in sides] if many else [sides]:
        panels = [Panel(group, lines(group, wanted)) for group, parts in shown.items() if set(parts) & set(wanted)]
        side = f"{SIDES[wanted[0]]} side" if many and wanted[0] else ""
        caption = style.SEPARATOR.join(filter(None, [side.capitalize(), axis.band]))
        figures.append(draw_panels(panels, axis.label, unit, f"{what} {side}".strip(), caption, top=top))
    return figures


def _of_group(result: Result, quantity: str, parts: list[int]) -> Array:
    """(T,) sum of the parts' forces in N, or mean of their activations weighted by area."""
    values, area = getattr(result, quantity)[:, parts], result.pcsa[parts]
    return np.asarray(values.sum(axis=1) if quantity == "muscle_force" else values @ (area / area.sum()))


def draw_moments(results: Mapping[str, Result], axis: Axis) -> str:
    """Net moments of coordinates that muscles act on; dotted, the largest part of reserves of any solution."""
    first = next(iter(results.values()))
    lines: dict[str, list[Line]] = {}
    dotted: dict[str, list[Line]] = {}
    shares: dict[str, list[str]] = {}
    for row in np.flatnonzero(first.served):
        name = first.coordinates[row]
        side, stem = side_of(name), stem_of(name)
        number, net = {"r": 0, "l": 1, "": 0}[side], first.generalized_force[:, row]
        lines.setdefault(stem, []).append((SIDES[side] or "net", number, axis.curve(first.time, net)))
        carried = [(one.time, one.carried[:, one.coordinates.index(name)]) for one in results.values()]
        peaks = [float(np.nanmax(np.abs(value), initial=0.0)) for _, value in carried]
        worst = int(np.argmax(peaks))
        if peaks[worst] > 0.0:
            dotted.setdefault(stem, []).append(("", number, axis.curve(*carried[worst])))
            share = peaks[worst] / max(float(np.abs(net).max()), 1e-12)
            shares.setdefault(stem, []).append(f"{side} {share:.1%}".strip())
    panels = [
        Panel(stem, nets, dotted.get(stem, ()), subtitle=f"reserve {' '.join(shares[stem])}" if stem in shares else "")
        for stem, nets in lines.items()
    ]
    what = "Net moments; dotted: moments of the reserves, their peak as a share of the net moment's at the top"
    caption = style.SEPARATOR.join(filter(None, [what, axis.band]))
    return draw_panels(panels, axis.label, "moment (N·m)", "joint moments", caption, from_zero=False)


def draw_emg(comparisons: Mapping[str, EmgComparison]) -> str:
    """Measured EMG as a band under the simulated activation, each channel on its one scale, r and lag at the top."""
    first = next(iter(comparisons.values()))
    curves = first.curves
    axis = Axis(tuple((float(curves.time[a]), float(curves.time[b])) for a, b in curves.strides))
    panels = []
    for place, channel in enumerate(curves.channels):
        measured = curves.measured[:, place]
        simulated = [one.curves.simulated[:, one.curves.channels.index(channel)] for one in comparisons.values()]
        lines = [
            (name, number, axis.curve(one.curves.time, simulated[number]))
            for number, (name, one) in enumerate(comparisons.items())
        ]
        top = float(np.nanmax(simulated[0], initial=0.0))
        scale = 1.0 if curves.amplitude else top / max(float(np.nanmax(measured, initial=0.0)), 1e-12) or 1.0
        row: Any = first.table.loc[channel]
        subtitle = f"r {row['r']:.2f}, lag {lag_in_ms(float(row['lag']), bool(row['lag_at_limit']))} ms"
        panels.append(Panel(channel, lines, emg=axis.curve(curves.time, scale * measured), subtitle=subtitle))
    parts = [
        f"Activation over EMG; {first.footing}",
        "" if curves.amplitude else "EMG is scaled to the first solution's peak, as its amplitude means nothing",
        f"r and lag of {next(iter(comparisons))}" if len(comparisons) > 1 else "",
        axis.band,
    ]
    caption = style.SEPARATOR.join(filter(None, parts))
    return draw_panels(panels, axis.label, "activation (–)", "EMG", caption)
