"""Windows of a long motion, solved one after the other, whose solutions join to one of the whole motion.

Each window begins where the one before ends: all unknowns of its first point are given. It looks ahead by a margin,
which is discarded, as the effect of a state decays within a tenth of a second. Moments, activation dynamics and tendon
forces then hold at every point of the whole mesh, and each window begins in a state from which the margin before it
goes on. Only how far the windows look ahead separates the whole from its optimum, which is measured: margins are
compared with the windows that replace them (``overlap``). Time grows linearly with the motion, memory hardly grows.
Independent parts, such as legs, are solved in parallel.

Windows with both ends given, solved side by side, were tried before. In 60 s of treadmill walking one had not converged
after 460 iterations, probably because muscles at the lower bound of their activation cannot correct a tendon force.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ..problem.arrays import Array
from ..solution.checks import IDLE
from .mesh import SAME
from .nodes import Nodes, Unknowns, force_of, strength
from .objective import Conditions

#: What a window looks ahead by, as a share of the windows' length: with 1.6 s 0.4 s, several time constants.
MARGIN = 0.25
#: Number of intervals from which on a motion of two windows or more is divided.
LONG = 100


@dataclass(frozen=True, eq=False)
class Window:
    """Intervals of a mesh: ``points`` of the whole that it has, and ``kept``, those without margin.

    ``conditions.given`` is whether all unknowns of its first point are those of the window before.
    """

    nodes: Nodes
    conditions: Conditions
    points: slice
    kept: slice

    def cut(self, unknowns: Unknowns) -> Unknowns:
        """Unknowns of the window from those of the whole."""
        return unknowns.frames(self.points)

    @property
    def inside(self) -> slice:
        """The points that are kept, among the window's own."""
        start = self.points.start
        return slice(self.kept.start - start, self.kept.stop - start)

    @property
    def text(self) -> str:
        """Its times, for messages."""
        time = self.nodes.mesh.time
        return f"{time[0]:g} to {time[-1]:g} s"


def windows(nodes: Nodes, conditions: Conditions) -> list[Window]:
    """Divide a long motion; no windows of a short one."""
    edges, length = nodes.mesh.edges, conditions.window
    count = 0 if length is None else int((edges[-1] - edges[0]) / length + SAME)
    if length is None or count < 2 or len(nodes.mesh) < LONG:
        return []
    cuts = np.unique(np.searchsorted(edges, np.linspace(edges[0], edges[-1], count + 1) - SAME)).tolist()
    return [_window(nodes, conditions, first, last, MARGIN * length) for first, last in pairwise(cuts)]


def _window(nodes: Nodes, conditions: Conditions, first: int, last: int, margin: float) -> Window:
    """The intervals ``first`` to ``last`` (exclusive), and those of the margin (s) after them."""
    mesh = nodes.mesh
    end = min(len(mesh), int(np.searchsorted(mesh.edges, mesh.edges[last] + margin)))
    points, kept = (slice(int(mesh.points[first, 0]), int(mesh.points[stop - 1, -1]) + 1) for stop in (end, last))
    own = replace(conditions, periodic=False, given=first > 0)
    return Window(nodes.within(points).bare(), own, points, kept)


def joined(whole: Unknowns, window: Window, solved: Unknowns) -> Unknowns:
    """Unknowns of the whole motion with those of a window; its margin is where the next one starts from."""
    series = {name: values.copy() for name, values in whole.series().items()}
    for name, values in solved.series().items():
        series[name][window.points] = values
    return Unknowns(**series, scale=whole.scale)


def overlap(nodes: Nodes, whole: Unknowns, solutions: Sequence[tuple[Window, Unknowns]]) -> Array:
    """(M,) largest difference of a muscle's force between the joined solution and margins, as a share of its peak.

    Compared is the first half of each margin; beyond, the open end of the window acts.
    """
    joint, largest = force_of(nodes, whole), np.zeros(len(nodes.problem.muscles))
    peak = np.maximum(np.abs(joint).max(axis=0), IDLE * strength(nodes.problem))
    for window, unknowns in solutions:
        own = np.arange(window.kept.stop, window.points.stop)
        time = nodes.mesh.time[own]
        own = own[time < nodes.mesh.time[window.kept.stop - 1] + 0.5 * MARGIN * (window.conditions.window or 0.0)]
        if own.size:
            force = force_of(window.nodes, unknowns)[own - window.points.start]
            largest = np.maximum(largest, np.abs(force - joint[own]).max(axis=0))
    return np.asarray(largest / peak)
