"""Figures of contact forces: of every joint with reactions, and beside measured ones."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis.contact_comparison import ContactComparison
from ..analysis.contact_force import PRESSED, contact_force
from ..problem.arrays import Array
from ..solution.reader import Result
from . import curves, style
from .curves import Axis, Curve, Line, Panel, draw_panels, side_of, stem_of

if TYPE_CHECKING:
    from ..analysis.contact_ranges import ContactRanges

#: Labels of the vertical axes.
FORCE, WEIGHTS = "contact force (N)", "body weights"
#: What feasible ranges are, in a legend.
RANGE = "all that the moments allow"


def joints_of(result: Result) -> tuple[str, ...]:
    """Joints whose reactions a result has."""
    known = result.joint_reactions is not None
    return tuple(result.summary.get("joint_reactions", {}).get("joints", ())) if known else ()


def along_of(result: Result) -> str:
    """The component that is drawn beside the norm, in words."""
    frame = result.summary["joint_reactions"]["frame"]
    return "vertical" if frame == "ground" else f"along the {frame}'s y axis"


def draw_reactions(results: Mapping[str, Result], axis: Axis) -> list[str]:
    """Contact forces by joint: one figure with both sides of one solution; one per side of several.

    Solid: the component along y of the axes in which they are known, positive where it compresses; dotted: the norm.
    """
    named = {name: result for name, result in results.items() if joints_of(result)}
    if not named:
        return []
    first, many = next(iter(named.values())), len(named) > 1
    joints = [joint for joint in joints_of(first) if all(joint in joints_of(one) for one in named.values())]
    sides = sorted({side_of(joint) for joint in joints}, reverse=True)
    figures, weight = [], _weight(first)
    for wanted in [[side] for side in sides] if many else [sides]:
        panels = []
        for stem in dict.fromkeys(map(stem_of, joints)):
            own = [joint for joint in joints if stem_of(joint) == stem and side_of(joint) in wanted]
            solid: list[Line] = []
            dotted: list[Line] = []
            for place, (name, result) in enumerate(named.items()):
                for joint in own:
                    side = side_of(joint)
                    label, index = (name, place) if many else (curves.SIDES[side], sides.index(side))
                    axial, norm = _curves(result, joint)
                    solid.append((label, index, axis.curve(result.time, axial)))
                    dotted.append(("", index, axis.curve(result.time, norm)))
            if own:
                panels.append(Panel(stem if len(own) > 1 or many else own[0], solid, dotted))
        what = f"Solid: {along_of(first)}, compression positive; dotted: norm"
        side = f"{curves.SIDES[wanted[0]].capitalize()} side" if many and wanted[0] else ""
        caption = style.SEPARATOR.join(filter(None, [side, what, axis.band]))
        name, zero = f"contact forces {side.lower()}".strip(), not _negative(panels)
        figures.append(draw_panels(panels, axis.label, FORCE, name, caption, from_zero=zero, second=weight))
    return figures


def _curves(result: Result, joint: str) -> tuple[Array, Array]:
    """(T,) the force along y that compresses a joint whose child is below, and the norm."""
    force, _ = contact_force(result, joint, axes=False)
    return -force[:, 1], np.linalg.norm(force, axis=1)


def _weight(result: Result) -> tuple[str, float] | None:
    weight = result.summary["joint_reactions"].get("body_weight_N")
    return None if weight is None or not np.isfinite(weight) else (WEIGHTS, float(weight))


def contact_panels(
    comparisons: Mapping[str, ContactComparison], ranges: Mapping[str, ContactRanges] | None = None
) -> tuple[list[Panel], Axis]:
    """A panel for each component that was compared: measured in black, solutions in colours, ranges as bands."""
    first = next(iter(comparisons.values()))
    axis = Axis(first.curves.spans)
    panels = []
    for component in first.curves.components:
        lines: list[Line] = []
        for number, (name, one) in enumerate(comparisons.items()):
            if component in one.curves.components:
                simulated = one.curves.simulated[:, one.curves.components.index(component)]
                label = "simulated" if len(comparisons) == 1 else name
                lines.append((label, number, axis.curve(one.curves.time, simulated)))
        measured = first.curves.measured[:, first.curves.components.index(component)]
        row = first.table.loc[component]
        bands: list[Line] = []
        if ranges is not None and component in ranges:
            turned = component in PRESSED and first.provenance["direction"] == f"-{ranges[component].component}"
            bands = [(RANGE, 0, _range(axis, ranges[component], -1.0 if turned else 1.0))]
        panels.append(
            Panel(
                component,
                lines,
                subtitle=f"RMSE {row['rmse']:.0f} N, r {row['r']:.2f}",
                measured=axis.curve(first.curves.time, measured),
                ranges=bands,
            )
        )
    return panels, axis


def _range(axis: Axis, ranges: ContactRanges, turned: float) -> Curve:
    """Band from the least to the greatest force; ``turned`` is −1 along an axis where compression is negative."""
    low, high = (axis.curve(ranges.time, turned * end).mean for end in (ranges.minimum, ranges.maximum))
    x = axis.curve(ranges.time, ranges.minimum).x
    return Curve(x, 0.5 * (low + high), np.minimum(low, high), np.maximum(low, high))


def draw_compared(
    comparisons: Mapping[str, ContactComparison], ranges: Mapping[str, ContactRanges] | None = None
) -> str:
    """Simulated over measured contact force as the SVG of a page."""
    first = next(iter(comparisons.values()))
    panels, axis = contact_panels(comparisons, ranges)
    caption = style.SEPARATOR.join(filter(None, [_what(comparisons, ranges), axis.band]))
    from_zero, unit = not _negative(panels), _unit(first)
    return draw_panels(panels, axis.label, FORCE, "measured contact force", caption, from_zero=from_zero, second=unit)


def draw_contact(
    comparison: ContactComparison | Mapping[str, ContactComparison], path: str | os.PathLike[str],
    ranges: Mapping[str, ContactRanges] | None = None,
) -> Path:  # fmt: skip
    """Draw simulated and measured contact force (N and body weights), a panel per component; return the path.

    ``ranges`` are results of ``osimopt.feasible_ranges(..., of=joint)`` by component, drawn as bands.
    """
    comparisons = {"simulated": comparison} if isinstance(comparison, ContactComparison) else comparison
    panels, axis = contact_panels(comparisons, ranges)
    names, columns = [str(number) for number in range(len(panels))], min(curves.FEW, len(panels))
    rows = -(-len(panels) // columns)
    size = (curves.WIDE * columns, 0.9 + 1.3 * curves.HIGH * rows)
    unit = _unit(next(iter(comparisons.values())))
    with style.figure(style.grid(names, columns), size) as (drawn, axes):
        for place, panel in enumerate(panels):
            at = axes[names[place]]
            curves.draw_panel(at, panel)
            bottom, left = place + columns >= len(panels), place % columns == 0
            style.label(at, panel.title, axis.label if bottom else "", FORCE if left else "")
            at.set_title(panel.subtitle, loc="right", fontsize=8, fontweight="normal", color="#555555")
            at.tick_params(labelsize=8)
            if not _negative([panel]):
                style.from_zero(at)
            if panel.ranges:
                curves.cut_ranges(at, panel)
            if axis.strides:
                at.set_xticks(np.linspace(0.0, 100.0, 5))
            if unit is not None:
                last = place % columns == columns - 1 or place == len(panels) - 1
                curves.second_axis(at, unit[0] if last else "", unit[1], 9.0)
        first = axes[names[0]]
        style.legend_below(drawn, first, first.get_legend_handles_labels()[1])
        style.caption(drawn, style.SEPARATOR.join(filter(None, [_what(comparisons, ranges), axis.band])))
        return style.save(drawn, Path(path))


def _negative(panels: Sequence[Panel]) -> bool:
    """Whether a curve or a range is below 0: tension, or shear in the axis' negative direction."""
    lowest = [curve.mean for panel in panels for _, _, curve in (*panel.lines, *panel.dotted)]
    lowest += [panel.measured.mean for panel in panels if panel.measured is not None]
    lowest += [curve.low for panel in panels for _, _, curve in panel.ranges]
    return any(float(np.nanmin(values, initial=0.0)) < 0.0 for values in lowest)


def _what(comparisons: Mapping[str, ContactComparison], ranges: Any) -> str:
    first = next(iter(comparisons.values()))
    of = f"RMSE and r of {next(iter(comparisons))}" if len(comparisons) > 1 else ""
    cut = f"the range is cut at {curves.ABOVE:g} times the largest curve" if ranges else ""
    return style.SEPARATOR.join(filter(None, [f"Contact force of {first.joint}, compression positive", of, cut]))


def _unit(comparison: ContactComparison) -> tuple[str, float] | None:
    weight = comparison.curves.body_weight
    return (WEIGHTS, weight) if np.isfinite(weight) else None
