"""Long motions in windows: what is solved of each, joined, is where the whole begins.

Activation forgets in a tenth of a second, so that a window's solution is that of the whole but for its ends. The
whole, which one step length for all unknowns would slow down the more of them there are, then needs few iterations:
the time grows as the number of intervals does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .conditions import Conditions
from .mesh import SAME, Mesh
from .nodes import Nodes
from .unknowns import Unknowns

Array = NDArray[np.float64]

#: s; length of a window, and of what is solved with it before and after, and thrown away: several time constants.
LENGTH, MARGIN = 1.0, 0.2
#: Intervals from which on a motion of two windows or more is worth cutting.
LONG = 100


@dataclass(frozen=True, eq=False)
class Window:
    """Intervals ``first`` to ``last`` (exclusive) of a mesh; ``kept`` are points of the whole, ``own`` the window's."""

    nodes: Nodes
    conditions: Conditions
    points: slice
    kept: slice
    own: slice


def windows(nodes: Nodes, conditions: Conditions) -> list[Window]:
    """Cut a long motion; none for a short one."""
    edges = nodes.mesh.edges
    count = int((edges[-1] - edges[0]) / LENGTH)
    if count < 2 or len(nodes.mesh) < LONG:
        return []
    cuts = np.unique(np.searchsorted(edges, np.linspace(edges[0], edges[-1], count + 1) - SAME)).tolist()
    return [_window(nodes, conditions, first, last) for first, last in pairwise(cuts)]


def _window(nodes: Nodes, conditions: Conditions, first: int, last: int) -> Window:
    mesh = nodes.mesh
    begin = max(0, int(np.searchsorted(mesh.edges, mesh.edges[first] - MARGIN, side="right")) - 1)
    end = min(len(mesh), int(np.searchsorted(mesh.edges, mesh.edges[last] + MARGIN)))
    points = slice(int(mesh.points[begin, 0]), int(mesh.points[end - 1, -1]) + 1)
    inner = slice(int(mesh.points[first, 0]), int(mesh.points[last - 1, -1]) + 1)
    part = Mesh(mesh.scheme, mesh.edges[begin : end + 1])
    own = replace(nodes, mesh=part, problem=nodes.problem.frames(points))
    start = conditions.initial_activation if begin == 0 else "paid"
    own_conditions = replace(conditions, initial_activation=start, periodic=False)
    return Window(own, own_conditions, points, inner, slice(inner.start - points.start, inner.stop - points.start))


def cut(unknowns: Unknowns, window: Window) -> Unknowns:
    """The unknowns of a window."""
    return unknowns.on_points(lambda values: values[window.points])


def joined(whole: Unknowns, found: list[tuple[Window, Unknowns]]) -> Unknowns:
    """The unknowns of the whole, from those of windows that were solved."""
    series = {name: values.copy() for name, values in whole.series().items()}
    for window, unknowns in found:
        for name, values in unknowns.series().items():
            series[name][window.kept] = values[window.own]
    scale = np.mean([unknowns.scale for _, unknowns in found], axis=0) if found else whole.scale
    return Unknowns(**series, scale=scale)
