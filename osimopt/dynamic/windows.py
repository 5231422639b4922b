"""Windows of a long motion, whose solutions join to one of the whole motion.

The effect of a state decays within a tenth of a second, so the solution of a window is that of the whole motion except
near its ends. Every second segment of the motion is solved first, with a margin on either side that is discarded. The
segments between follow, without margins: all unknowns at their ends are those of their neighbours. Moments, activation
dynamics and tendon forces then hold at every point of the whole mesh. Optimal is the whole except for the states at the
junctions, which are those of the windows; how far these are from a common optimum is measured where a margin overlaps a
segment between (``overlap``). Time grows linearly with the motion, memory does not grow.

Na S, Shin S, Anitescu M, Zavala VM. On the convergence of overlapping Schwarz decomposition for nonlinear optimal
control. IEEE Trans Autom Control 67(11), 5996-6011, 2022. doi:10.1109/TAC.2022.3194087.
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

#: Margin on either side of every second segment, as a share of the segments' length. With 1.6 s it is 0.4 s, several
#: time constants: forces of 80 muscles in treadmill walking then differ by 0.2 % of their peaks from those of the whole
#: motion, with 0.3 s by 0.7 %, with 0.2 s by 2 %.
MARGIN = 0.25
#: Number of intervals from which on a motion of two segments or more is divided.
LONG = 100


@dataclass(frozen=True, eq=False)
class Window:
    """Intervals of a mesh: ``points`` of the whole that it has, and ``kept``, those without margin.

    ``conditions.given`` tells at which ends all unknowns are those of the neighbours.
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


def windows(nodes: Nodes, conditions: Conditions) -> tuple[list[Window], list[Window]]:
    """Divide a long motion: windows with margins, and those between, which begin and end as their neighbours do.

    There are none in a short motion.
    """
    edges, length = nodes.mesh.edges, conditions.window
    count = 0 if length is None else int((edges[-1] - edges[0]) / length + SAME)
    if count < 2 or len(nodes.mesh) < LONG:
        return [], []
    cuts = np.unique(np.searchsorted(edges, np.linspace(edges[0], edges[-1], count + 1) - SAME)).tolist()
    segments = list(pairwise(cuts))
    first = [_with_margins(nodes, conditions, *segment) for segment in segments[::2]]
    between = [_between(nodes, conditions, *segment) for segment in segments[1::2]]
    return first, between


def _with_margins(nodes: Nodes, conditions: Conditions, first: int, last: int) -> Window:
    """The intervals ``first`` to ``last`` (exclusive) and their margins."""
    mesh, margin = nodes.mesh, MARGIN * (conditions.window or 0.0)
    begin = max(0, int(np.searchsorted(mesh.edges, mesh.edges[first] - margin, side="right")) - 1)
    end = min(len(mesh), int(np.searchsorted(mesh.edges, mesh.edges[last] + margin)))
    start = conditions.initial_activation if begin == 0 else "paid"
    own = replace(conditions, initial_activation=start, periodic=False)
    return _window(nodes, own, (begin, end), (first, last))


def _between(nodes: Nodes, conditions: Conditions, first: int, last: int) -> Window:
    """The intervals ``first`` to ``last`` (exclusive), whose ends are given but for the end of the motion."""
    own = replace(conditions, periodic=False, given=(True, last < len(nodes.mesh)))
    return _window(nodes, own, (first, last), (first, last))


def _window(nodes: Nodes, conditions: Conditions, own: tuple[int, int], kept: tuple[int, int]) -> Window:
    mesh = nodes.mesh
    points, inner = (
        slice(int(mesh.points[start, 0]), int(mesh.points[stop - 1, -1]) + 1) for start, stop in (own, kept)
    )
    return Window(nodes.within(points).bare(), conditions, points, inner)


def joined(whole: Unknowns, solutions: Sequence[tuple[Window, Unknowns]]) -> Unknowns:
    """Unknowns of the whole motion with those that windows keep; EMG scales are means."""
    series = {name: values.copy() for name, values in whole.series().items()}
    for window, unknowns in solutions:
        for name, values in unknowns.series().items():
            series[name][window.kept] = values[window.inside]
    return Unknowns(**series, scale=np.mean([unknowns.scale for _, unknowns in solutions], axis=0))


def overlap(nodes: Nodes, whole: Unknowns, solutions: Sequence[tuple[Window, Unknowns]]) -> Array:
    """(M,) largest difference of a muscle's force between the joined solution and windows beyond their segments.

    As a share of its peak. Compared is the half of each margin that is next to the junction; beyond, the open end of
    the window acts.
    """
    joint, largest = force_of(nodes, whole), np.zeros(len(nodes.problem.muscles))
    peak = np.maximum(np.abs(joint).max(axis=0), IDLE * strength(nodes.problem))
    for window, unknowns in solutions:
        force, own = force_of(window.nodes, unknowns), np.arange(window.points.start, window.points.stop)
        time, kept = nodes.mesh.time[own], nodes.mesh.time[[window.kept.start, window.kept.stop - 1]]
        half = 0.5 * MARGIN * (window.conditions.window or 0.0)
        near = (time > kept[0] - half) & (time < kept[1] + half)
        near[window.inside] = False
        if near.any():
            largest = np.maximum(largest, np.abs(force[near] - joint[own[near]]).max(axis=0))
    return np.asarray(largest / peak)
