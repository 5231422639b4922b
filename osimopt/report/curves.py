"""Curves over strides or over time, muscles by group, and small multiples of curves as the SVG of a page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..problem.arrays import Array
from . import style

#: Points of a curve: over a stride, and at most over time.
STRIDE, TIME = 101, 400
#: Fewest strides with a band.
ENOUGH = 2
#: Muscle groups are drawn whose peak force is at least this share of the largest one.
DRAWN_SHARE = 0.01
#: Sides by the letter in a muscle's name.
SIDES = {"r": "right", "l": "left", "": ""}

#: Panels in a row, and their height and width in inches; those of a figure of few panels with a second axis.
COLUMNS, HEIGHT, WIDTH = 5, 1.5, 2.3
FEW, HIGH, WIDE = 3, 2.1, 3.85
#: An axis ends at these multiples of the largest curve, above and below, where a range goes further.
ABOVE, BELOW = 1.6, 0.25
#: Inches above the panels, for caption and titles, and below, for the axis and a legend.
TOP, BOTTOM = 0.6, 0.75
GREY = "#7F7F7F"


@dataclass(frozen=True, eq=False)
class Curve:
    """Mean (N,) with a band: one standard deviation over strides, least and largest over time; NaN without a band."""

    x: Array
    mean: Array
    low: Array
    high: Array


@dataclass(frozen=True, eq=False)
class Axis:
    """The horizontal axis: percent of the strides (first, last) in s; time in s where there are no strides."""

    strides: tuple[tuple[float, float], ...] = ()

    @property
    def label(self) -> str:
        """Label of the axis with its unit."""
        return "stride (%)" if self.strides else "time (s)"

    @property
    def band(self) -> str:
        """Caption of the bands."""
        many = len(self.strides) >= ENOUGH
        return f"bands: ± one standard deviation over {len(self.strides)} strides" if many else ""

    def within(self, time: Array) -> Axis:
        """Axis with the strides that lie within the times (T,)."""
        step = float(np.median(np.diff(time))) if len(time) > 1 else 0.0
        return Axis(tuple(one for one in self.strides if time[0] - step <= one[0] and one[1] <= time[-1] + step))

    def curve(self, time: Array, value: Array) -> Curve:
        """Curve of a quantity (T,), NaN where unknown, at times (T,), over the strides within these times."""
        strides = self.within(time).strides
        if not strides:
            return _over_time(time, value)
        share = np.linspace(0.0, 1.0, STRIDE)
        each = np.array([np.interp(first + share * (last - first), time, value) for first, last in strides])
        known = np.isfinite(each)
        count = known.sum(axis=0)
        mean = np.where(count > 0, np.where(known, each, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
        spread = np.sqrt(np.where(known, (each - mean) ** 2, 0.0).sum(axis=0) / np.maximum(count - 1, 1))
        spread = np.where(count >= ENOUGH, spread, np.nan)
        return Curve(100.0 * share, mean, mean - spread, mean + spread)


def _over_time(time: Array, value: Array) -> Curve:
    """The samples; of a long motion, mean, least and largest of blocks of samples."""
    if len(time) <= TIME:
        return Curve(time, value, *np.full((2, len(time)), np.nan))
    edges = np.linspace(0, len(time), TIME + 1).astype(int)
    count = np.diff(edges)
    x, mean = (np.add.reduceat(values, edges[:-1]) / count for values in (time, value))
    return Curve(x, mean, np.minimum.reduceat(value, edges[:-1]), np.maximum.reduceat(value, edges[:-1]))


def side_of(name: str) -> str:
    """``"r"`` or ``"l"`` where a name ends or starts with its side, else ``""``."""
    words = name.lower().split("_")
    return next((word[0] for word in (words[-1], words[0]) if word in ("r", "l", "right", "left")), "")


def stem_of(name: str) -> str:
    """The name without its side."""
    return re.sub(r"(?i)(_(r|l|right|left)$|^(r|l|right|left)_)", "", name)


def muscle_groups(muscles: Sequence[str]) -> dict[str, dict[str, list[int]]]:
    """Indices of muscles by group and side: ``glmax1_r`` and ``glmax2_r`` are parts of ``glmax``.

    The number in a muscle's name stays where there is no other part.
    """
    stems = [stem_of(name) for name in muscles]
    trunks = [re.sub(r"\d+$", "", stem) for stem in stems]
    parts = {trunk: {stem for stem, base in zip(stems, trunks, strict=True) if base == trunk} for trunk in set(trunks)}
    groups: dict[str, dict[str, list[int]]] = {}
    for index, (name, stem, trunk) in enumerate(zip(muscles, stems, trunks, strict=True)):
        group = trunk if trunk and len(parts[trunk]) > 1 else stem
        groups.setdefault(group, {}).setdefault(side_of(name), []).append(index)
    return groups


def drawn_groups(muscles: Sequence[str], force: Array) -> dict[str, dict[str, list[int]]]:
    """Muscle groups by peak force (..., M), the largest first, without those below DRAWN_SHARE of it."""
    groups = muscle_groups(muscles)
    peak = {
        name: max(float(np.nanmax(force[..., parts].sum(axis=-1), initial=0.0)) for parts in sides.values())
        for name, sides in groups.items()
    }
    least = DRAWN_SHARE * max(peak.values(), default=0.0)
    return {name: groups[name] for name in sorted(groups, key=lambda name: -peak[name]) if peak[name] >= least}


#: A line: its name, the index of its style, its curve.
Line = tuple[str, int, Curve]


@dataclass(frozen=True, eq=False)
class Panel:
    """Lines under a title; ``dotted`` lines in the same colours, EMG as a grey band, a small text under the title.

    ``measured`` is a black line with its band, ``ranges`` are bands from low to high in the colours of lines.
    """

    title: str
    lines: Sequence[Line]
    dotted: Sequence[Line] = ()
    emg: Curve | None = None
    subtitle: str = ""
    measured: Curve | None = None
    ranges: Sequence[Line] = ()


def draw_panels(
    panels: Sequence[Panel], x: str, unit: str, name: str, caption: str = "", *, top: float | None = None,
    from_zero: bool = True, second: tuple[str, float] | None = None,
) -> str:  # fmt: skip
    """Draw the panels five in a row, with one legend, as SVG; "" without panels.

    ``x`` and ``unit`` label the axes; ``top`` is a common upper limit of the vertical axes. With ``second``, the label
    of another unit and its size, panels are larger, and have a vertical axis in this unit at their right.
    """
    if not panels:
        return ""
    columns, width, high = (COLUMNS, WIDTH, HEIGHT) if second is None else (min(FEW, len(panels)), WIDE, HIGH)
    mosaic = style.grid([*map(str, range(len(panels))), *["."] * (columns - len(panels))], columns)
    above = TOP if caption or any(panel.subtitle for panel in panels) else 0.5 * TOP
    size = (columns * width, above + high * len(mosaic) + BOTTOM)
    with style.drawing(mosaic, size, name, layout=None) as (axes, made):
        for place, panel in enumerate(panels):
            at = axes[str(place)]
            draw_panel(at, panel)
            _label(at, panel, x if place + columns >= len(panels) else "", "" if place % columns else unit)
            if from_zero:
                style.from_zero(at)
            if top is not None:
                at.set_ylim(-style.EDGE * top, top * (1.0 + style.EDGE))
            if panel.ranges:
                cut_ranges(at, panel)
            if second is not None:
                last = place % columns == columns - 1 or place == len(panels) - 1
                second_axis(at, second[0] if last else "", second[1])
        _arrange(axes["0"].figure, list(axes.values()), size, above, caption, 0.1 if second is None else 0.55)
    return made.svg


def draw_panel(at: Any, panel: Panel) -> None:
    """Draw the curves of a panel."""
    emg = panel.emg
    if emg is not None:
        at.plot(emg.x, emg.mean, color=GREY, lw=1.2, label="EMG", zorder=1)
        banded = bool(np.isfinite(emg.low).any())
        low, high = (emg.low, emg.high) if banded else (np.zeros_like(emg.mean), emg.mean)
        at.fill_between(emg.x, np.maximum(low, 0.0), high, color=GREY, alpha=0.3, lw=0.0)
    for label, index, curve in panel.ranges:
        style.band(at, curve.x, curve.low, curve.high, style.colour(index), label)
    if panel.measured is not None:
        at.plot(panel.measured.x, panel.measured.mean, color="#000000", lw=1.8, label="measured", zorder=4)
        at.fill_between(panel.measured.x, panel.measured.low, panel.measured.high, color="#000000", alpha=0.15, lw=0.0)
    for label, index, curve in panel.lines:
        look = style.line(index, label or None)
        at.plot(curve.x, curve.mean, **{**look, "lw": 1.4})
        if np.isfinite(curve.low).any():
            at.fill_between(curve.x, curve.low, curve.high, color=look["color"], alpha=0.18, lw=0.0)
    for label, index, curve in panel.dotted:
        at.plot(curve.x, curve.mean, color=style.colour(index), ls=":", lw=1.4, label=label or None)
    at.locator_params(nbins=4)
    at.margins(x=0.02)


def cut_ranges(at: Any, panel: Panel) -> None:
    """End the vertical axis where curves would be flat beside a range that goes far beyond them."""
    curves = [curve.mean for _, _, curve in (*panel.lines, *panel.dotted)]
    curves += [panel.measured.mean] if panel.measured is not None else []
    least, most = (float(end([end(curve, initial=0.0) for curve in curves])) for end in (np.nanmin, np.nanmax))
    size, (low, high) = max(most, -least), at.get_ylim()
    at.set_ylim(max(low, least - BELOW * size), min(high, most + (ABOVE - 1.0) * size))


def second_axis(at: Any, label: str, size: float, font: float = 8.0) -> None:
    """A vertical axis at the right in another unit, of ``size`` in that of the left one."""
    from matplotlib.ticker import MaxNLocator

    right = at.secondary_yaxis("right", functions=(lambda value: value / size, lambda value: value * size))
    right.set_ylabel(label, fontsize=font)
    right.tick_params(labelsize=font - 1.0)
    right.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    right.spines["right"].set_visible(True)


def _label(at: Any, panel: Panel, x: str, y: str) -> None:
    """Title, the small text under it, and the labels of the axes."""
    # matplotlib searches for a title's position, which takes long, unless y is given
    at.set_title(panel.title, fontsize=8.5, y=1.0, pad=13.0 if panel.subtitle else 4.0)
    at.text(0.0, 1.03, panel.subtitle, transform=at.transAxes, fontsize=7, color="#555555")
    at.set_xlabel(x, fontsize=8)
    at.set_ylabel(y, fontsize=8)
    at.tick_params(labelbottom=bool(x), labelsize=7)


def _arrange(
    figure: Any, panels: Sequence[Any], size: tuple[float, float], above: float, caption: str, right: float
) -> None:
    """Margins in inches, a caption above and one legend below."""
    width, height = size
    figure.subplots_adjust(
        left=0.6 / width, right=1.0 - right / width, top=1.0 - above / height, bottom=BOTTOM / height, wspace=0.36,
        hspace=0.5,
    )  # fmt: skip
    figure.text(0.1 / width, 1.0 - 0.06 / height, caption, fontsize=8, va="top")
    named: dict[str, Any] = {}
    for at in panels:
        for handle, label in zip(*at.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    if len(named) > 1 or "EMG" in named:
        figure.legend(list(named.values()), list(named), loc="lower center", ncols=min(len(named), 6))
