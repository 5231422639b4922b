"""Where exact paths and dynamics differ from OpenSim's in a motion, and where exact paths jump."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import some
from ..multibody.kinematics import Posture
from ..paths.jumps import find_jumps, path_states
from ..paths.solve import SolvedPaths, points_inside
from ..problem.arrays import Kinematics
from ..solution.checks import LENGTHS_DIFFER, LENGTHS_JUMP, MOMENTS_DIFFER
from .exact import ExactPaths
from .exact_chain import ExactBlock
from .exact_dynamics import ExactDynamics
from .exact_dynamics_check import moments_off
from .model import Model

#: Frames that are compared.
COMPARED = 24


@dataclass(frozen=True)
class Differences:
    """What differs in a motion, by name of a muscle or coordinate, and sentences about it.

    ``lengths`` in mm; ``moments`` in N·m or N; ``jumps`` are times in s and sizes in mm; ``inside`` are names of wrap
    objects that a point of the path gets inside, and the first time in s; ``contested`` are numbers of frames and the
    first time in s.
    """

    lengths: Mapping[str, float]
    moments: Mapping[str, float]
    jumps: Mapping[str, tuple[tuple[float, float], ...]]
    joints: tuple[str, ...]
    inside: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    contested: Mapping[str, tuple[int, float]] = field(default_factory=dict)

    def texts(self) -> list[str]:
        """Warnings."""
        texts = []
        if self.lengths:
            texts.append(
                f"Lengths of exact paths differ from OpenSim's by more than {1e3 * LENGTHS_DIFFER:g} mm in this "
                f"motion: {_listed(self.lengths, 'mm')}. Fibre lengths and maximum forces are those of the exact paths."
            )
        if self.moments:
            texts.append(
                f"Generalized forces differ from OpenSim's by more than {MOMENTS_DIFFER:g} N·m or N: "
                f"{_listed(self.moments, 'N·m or N')}. OpenSim's accelerations of {some(self.joints, 12)} are not the "
                "derivatives of its velocities; these generalized forces use the derivatives."
            )
        if self.jumps:
            largest = {name: max(jumps, key=lambda jump: abs(jump[1])) for name, jumps in self.jumps.items()}
            order = sorted(largest, key=lambda name: -abs(largest[name][1]))
            at = [f"{name} ({largest[name][1]:.2g} mm at {largest[name][0]:.4g} s)" for name in order]
            texts.append(
                f"Lengths jump where paths leave wrap objects, or conditional points come or go: {some(at, 12)}."
            )
        if self.inside:
            at = [
                f"{name} ({', '.join(f'in {one} from {time:.4g} s' for one, time in objects.items())})"
                for name, objects in self.inside.items()
            ]
            texts.append(
                "Points of paths are inside wrap objects; these paths do not wrap over them there, as in OpenSim: "
                f"{some(at, 12)}."
            )
        if self.contested:
            at = [f"{name} ({count} frames, first {time:.4g} s)" for name, (count, time) in self.contested.items()]
            texts.append(
                f"OpenSim's rules of which objects a path wraps over contradict each other: {some(at, 12)}. The exact "
                "path there is tangent to those that it touches, but may lead through another one."
            )
        return texts

    def plain(self) -> dict[str, object]:
        """What a problem's provenance keeps."""
        off = {"lengths_off_opensim_mm": dict(self.lengths), "moments_off_opensim": dict(self.moments)}
        return {**off, **self.noticed()}

    def noticed(self) -> dict[str, object]:
        """The part of it that is noticed along the paths."""
        return {
            "path_jumps_s_mm": {name: [list(jump) for jump in jumps] for name, jumps in self.jumps.items()},
            "points_inside_s": {name: dict(objects) for name, objects in self.inside.items()},
            "paths_contested": {name: list(frames) for name, frames in self.contested.items()},
        }


def find_differences(
    paths: ExactPaths,
    dynamics: ExactDynamics | None,
    model: Model,
    model_for: Callable[[Kinematics], Model],
    motion: Kinematics,
) -> Differences:
    """Compare up to 24 frames of a motion with OpenSim, and look for jumps of lengths between all of its frames.

    ``model_for`` gives the model with the loads of some frames. Generalized forces are compared where OpenSim is
    mistaken about the accelerations of joints.
    """
    rows = np.unique(np.linspace(0, len(motion.time) - 1, COMPARED).round().astype(np.intp))
    frames, muscles = motion.frames(rows), model.description.muscles.names
    ours = np.asarray(paths.evaluate(frames.coordinates, frames.value).length)
    theirs = model.run("geometry:lengths_in", frames.value)[:, [muscles.index(name) for name in paths.muscles]]
    lengths = _beyond(LENGTHS_DIFFER, paths.muscles, np.abs(ours - theirs).max(axis=0), 1e3)
    moments: Mapping[str, float] = {}
    if dynamics is not None and dynamics.mistaken:
        off = np.abs(moments_off(dynamics, model_for(frames), frames)).max(axis=0)
        moments = _beyond(MOMENTS_DIFFER, [motion.coordinates[index] for index in dynamics.free], off)
    joints = () if dynamics is None else dynamics.mistaken
    return Differences(lengths, moments, {}, joints)


@dataclass(eq=False)
class PathFindings:
    """What is noticed along exact paths in a motion, by muscle, as in :class:`Differences`."""

    jumps: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    inside: dict[str, dict[str, float]] = field(default_factory=dict)
    contested: dict[str, tuple[int, float]] = field(default_factory=dict)

    def add(self, paths: ExactPaths, block: ExactBlock) -> None:
        """Add what is noticed in a block of frames, after those before it."""
        _add_jumps(self.jumps, paths, block)
        _add_inside(self.inside, paths, block.motion, block.at, block.solved)
        _add_contested(self.contested, paths, block)

    def join(self, later: PathFindings) -> None:
        """Add what is noticed in the frames after these."""
        for name, jumps in later.jumps.items():
            self.jumps.setdefault(name, []).extend(jumps)
        for name, objects in later.inside.items():
            known_objects = self.inside.setdefault(name, {})
            known_objects |= {one: time for one, time in objects.items() if one not in known_objects}
        for name, (count, first) in later.contested.items():
            known = self.contested.get(name, (0, first))
            self.contested[name] = known[0] + count, known[1]

    def differences(self) -> Differences:
        """All of it."""
        sizes = {name: tuple(own) for name, own in self.jumps.items()}
        return Differences({}, {}, sizes, (), self.inside, self.contested)


def _add_jumps(found: dict[str, list[tuple[float, float]]], paths: ExactPaths, block: ExactBlock) -> None:
    """Add times in s and sizes in mm of the jumps of lengths, by muscle."""
    motion, (coordinate, muscle) = block.motion, paths.pairs
    arms = np.zeros((len(motion.time), len(paths.muscles), motion.value.shape[1]))
    arms[:, muscle, coordinate] = block.arms.T
    states = path_states(block.solved), block.length, arms
    for jump in find_jumps(paths.multibody, paths.arrangement, motion.value, states, LENGTHS_JUMP):
        at = motion.time[jump.frame] + jump.share * (motion.time[jump.frame + 1] - motion.time[jump.frame])
        found.setdefault(jump.path, []).append((round(float(at), 4), round(1e3 * float(jump.size), 3)))


def _add_inside(
    found: dict[str, dict[str, float]],
    paths: ExactPaths,
    motion: Kinematics,
    at: Posture,
    solved: Sequence[SolvedPaths],
) -> None:
    """Add the objects that points of paths are inside, by muscle, with the first time in s."""
    for one in solved:
        within = points_inside(paths.arrangement, one, at)
        for place, row in zip(*np.nonzero(within.any(axis=2)), strict=True):
            objects = found.setdefault(paths.arrangement.names[one.bundle.rows[row]], {})
            name = paths.described.objects[one.bundle.objects[row, place]].name
            objects.setdefault(name, float(motion.time[within[place, row].argmax()]))


def _add_contested(found: dict[str, tuple[int, float]], paths: ExactPaths, block: ExactBlock) -> None:
    """Add the number of frames in which rules contradict each other, by muscle, and the time in s of the first."""
    time = block.motion.time[block.before :]
    for one in block.solved:
        frames = one.contested[:, block.before :]
        for row in np.flatnonzero(frames.any(axis=1)):
            name = paths.arrangement.names[one.bundle.rows[row]]
            count, first = found.get(name, (0, float(time[frames[row].argmax()])))
            found[name] = count + int(frames[row].sum()), first


def _beyond(limit: float, names: Iterable[str], sizes: np.ndarray, factor: float = 1.0) -> dict[str, float]:
    """Sizes above a limit by name, times a factor, the largest first."""
    known = {name: float(size) for name, size in zip(names, sizes, strict=True) if size > limit}
    return {name: float(f"{factor * known[name]:.3g}") for name in sorted(known, key=lambda name: -known[name])}


def _listed(sizes: Mapping[str, float], unit: str) -> str:
    return f"{some([f'{name} ({size:g})' for name, size in sizes.items()], 12)} {unit}"
