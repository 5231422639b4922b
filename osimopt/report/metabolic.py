"""Metabolic rate in a report: of the whole body, and of the muscle groups that use most."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..muscle.metabolics import Umberger2010
from ..solution.metabolic import mean_over
from ..solution.reader import Result
from . import style
from .curves import SIDES, Axis, Line, Panel, draw_panels, muscle_groups, side_of
from .page import Section

#: Panels of muscle groups.
GROUPS = 9
NOTE = (
    "Umberger's rate (2010, OpenSim's defaults), in W. Body: all muscles and the basal rate; below each title the mean "
    "over the motion, of muscle groups as a share of all muscles."
)
ABSENT = "a folder has it where osimopt solve --outputs metabolic_rate wrote it, for muscles of a model."


def metabolic_sections(results: Mapping[str, Result], axis: Axis) -> list[Section]:
    """Metabolic rate of solutions that have it; nothing without any."""
    named = {name: one for name, one in results.items() if one.metabolic_rate is not None}
    if not named:
        return []
    without = [name for name in results if name not in named]
    note = f"{NOTE} Not known of {', '.join(without)}: {ABSENT}" if without else NOTE
    return [Section("Metabolic rate", note, figures=[draw_rates(named, axis)])]


def draw_rates(results: Mapping[str, Result], axis: Axis) -> str:
    """Rate of the body, and of the muscle groups of the largest mean rate in the first solution."""
    first, many = next(iter(results.values())), len(results) > 1
    groups, whole = muscle_groups(first.muscles), 0.0
    means = dict.fromkeys(groups, 0.0)
    body: list[Line] = []
    texts = []
    for place, (name, one) in enumerate(results.items()):
        rate, mass = np.asarray(one.metabolic_rate), one.summary.get("body_mass_kg")
        total = rate.sum(axis=1)
        basal = 0.0 if mass is None else Umberger2010().basal(float(mass))
        body.append((name if many else "", place, axis.curve(one.time, total + basal)))
        mean = mean_over(one.time, total)
        texts.append(f"{mean + basal:.0f} W" if mass is None else f"{(mean + basal) / float(mass):.2f} W/kg")
        if place == 0:
            whole = mean
            means = {
                group: sum(mean_over(one.time, rate[:, part].sum(axis=1)) for part in sides.values())
                for group, sides in groups.items()
            }
    panels = [
        Panel("muscles" if first.summary.get("body_mass_kg") is None else "body", body, subtitle=", ".join(texts))
    ]
    sides = sorted({side_of(name) for name in first.muscles}, reverse=True)
    for group in sorted(groups, key=lambda group: -means[group])[:GROUPS]:
        lines: list[Line] = []
        shown = [side for side in sides if side in groups[group]][: 1 if many else None]
        for place, (name, one) in enumerate(results.items()):
            for side in shown:
                curve = axis.curve(one.time, np.asarray(one.metabolic_rate)[:, groups[group][side]].sum(axis=1))
                lines.append((name, place, curve) if many else (SIDES[side], sides.index(side), curve))
        panels.append(Panel(group, lines, subtitle=f"{100.0 * means[group] / whole:.0f} %"))
    side = f"Muscles of the {SIDES[sides[0]]} side" if many and sides[0] else ""
    caption = style.SEPARATOR.join(filter(None, [side, axis.band]))
    return draw_panels(panels, axis.label, "metabolic rate (W)", "metabolic rate", caption)
