"""Times at which a simulated and a measured force are compared, and the strides in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..emg.strides import Strides
from ..errors import InputError, explain, shown
from ..files.series import TIME_SLACK
from ..problem.arrays import Array

if TYPE_CHECKING:
    from .measured_force import MeasuredForce

#: Relative deviation up to which intervals between frames count as equal.
EVEN = 0.05
#: Fewest frames that can be compared.
FEWEST = 5

Span = tuple[float, float]


def spans_of(strides: Strides | Sequence[Span]) -> tuple[Span, ...]:
    """(first, last) in s of each stride."""
    given = strides.times if isinstance(strides, Strides) else strides
    try:
        spans = tuple((float(first), float(last)) for first, last in given)
    except (TypeError, ValueError):
        fix = "Write for example strides=[(0.0, 1.1)]."
        raise InputError(explain("strides as pairs of times in s", shown(given), fix)) from None
    if wrong := [span for span in spans if not span[0] < span[1] < np.inf]:
        raise InputError(explain("strides that end after they begin", shown(wrong[0]), "Check their times."))
    return spans


def common_times(frames: Array, recorded: MeasuredForce) -> Array:
    """The frames within both recordings; evenly spaced times where frames are uneven."""
    start, end = float(frames[0]), float(frames[-1])
    if not recorded.by_stride:
        start, end = max(start, float(recorded.place[0])), min(end, float(recorded.place[-1]))
    common = frames[(frames >= start - TIME_SLACK) & (frames <= end + TIME_SLACK)]
    if len(common) < FEWEST:
        got = f"{len(common)} of {frames[0]:g} to {frames[-1]:g} s"
        got += "" if recorded.by_stride else f", measured {recorded.place[0]:g} to {recorded.place[-1]:g} s"
        fix = "Check that the clocks agree."
        raise InputError(explain(f"{FEWEST} frames within the measurement", got, fix, recorded.source["path"]))
    steps = np.diff(common)
    even = np.abs(steps - steps.mean()).max() <= EVEN * steps.mean()
    return np.asarray(common if even else np.linspace(common[0], common[-1], len(common)))


def strides_within(
    strides: Strides | Sequence[Span], recorded: MeasuredForce, time: Array
) -> tuple[tuple[Span, ...], list[str]]:
    """Strides that lie within the times, and a sentence about those that do not."""
    given = spans_of(strides)
    if not given:
        return ((float(time[0]), float(time[-1])),) if recorded.by_stride else (), []
    near = 0.5 * float(np.median(np.diff(time)))
    inside = tuple(span for span in given if time[0] - near <= span[0] and span[1] <= time[-1] + near)
    if not inside:
        got = f"the first from {given[0][0]:g} to {given[0][1]:g} s"
        fix = "A whole stride must lie within the solution and the measurement."
        raise InputError(explain(f"strides within {time[0]:g} to {time[-1]:g} s", got, fix))
    left = len(given) - len(inside)
    return inside, [f"{left} strides are not wholly within both recordings, and are left out."] if left else []


def samples_of(time: Array, span: Span, spans: Sequence[Span]) -> slice:
    """Samples of a stride; its last one belongs to the next stride, if there is one."""
    near = 0.5 * float(np.median(np.diff(time)))
    first, last = np.searchsorted(time, [span[0] - TIME_SLACK, span[1] + TIME_SLACK])
    followed = any(abs(other[0] - span[1]) < near for other in spans)
    if followed and last > first and time[last - 1] > span[1] - near:
        last -= 1
    return slice(int(first), int(last))
