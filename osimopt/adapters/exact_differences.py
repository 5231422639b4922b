"""Where exact paths and dynamics differ from OpenSim's in a model, and what is noticed along paths in a motion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import some
from ..namespace import first_true, plain
from ..paths.jumps import find_jumps, path_states
from ..paths.solve import points_inside
from ..solution.checks import LENGTHS_DIFFER, LENGTHS_JUMP
from .exact import ExactPaths
from .exact_chain import ExactBlock
from .exact_dynamics import ExactDynamics


@dataclass(frozen=True)
class ModelDifferences:
    """What differs from OpenSim within a model's ranges, whatever the motion.

    ``lengths`` in mm by muscle, the largest of the postures of the model's check; ``joints`` are those whose
    accelerations are wrong in OpenSim, ``unknown`` the forces for which it has no number.
    """

    lengths: Mapping[str, float]
    joints: tuple[str, ...]
    unknown: tuple[str, ...] = ()

    def texts(self) -> list[str]:
        """Warnings: of what concerns every motion. Lengths may differ only in postures that a motion does not have."""
        texts = []
        if self.joints:
            texts.append(
                f"Generalized forces differ from OpenSim's: its accelerations of {some(self.joints, 12)} are not the "
                "derivatives of its velocities; these generalized forces use the derivatives."
            )
        if self.unknown:
            names = some(self.unknown, 12)
            texts.append(f"Generalized forces were not compared with OpenSim, which has NaN for: {names}.")
        return texts

    def plain(self) -> dict[str, object]:
        """What a problem's provenance keeps."""
        return {
            "lengths_off_opensim_in_ranges_mm": dict(self.lengths),
            "accelerations_wrong_in_opensim": list(self.joints),
        }


def model_differences(
    checked: Mapping[str, Any], paths: ExactPaths, dynamics: ExactDynamics | None
) -> ModelDifferences:
    """What the check of a model found of the muscles with exact paths, and of the dynamics where these are exact."""
    arrays = checked["arrays"]
    lengths = {name: size for name, size in arrays.get("lengths_off_mm", {}).items() if name in paths.muscles}
    if dynamics is None:
        return ModelDifferences(lengths, ())
    return ModelDifferences(lengths, dynamics.mistaken, tuple(arrays.get("unknown_in_opensim", ())))


@dataclass(eq=False)
class PathFindings:
    """What is noticed along exact paths in a motion, by muscle.

    ``jumps`` are times in s and sizes in mm; ``inside`` are names of wrap objects that a point of the path gets inside,
    and the first time in s; ``contested`` are numbers of frames and the first time in s.
    """

    jumps: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    inside: dict[str, dict[str, float]] = field(default_factory=dict)
    contested: dict[str, tuple[int, float]] = field(default_factory=dict)

    def add(self, paths: ExactPaths, block: ExactBlock) -> None:
        """Add what is noticed in a block of frames, after those before it."""
        if not block.solved:
            return
        self._add_jumps(paths, block)
        self._add_inside(paths, block)
        self._add_contested(paths, block)

    def join(self, later: PathFindings) -> None:
        """Add what is noticed in the frames after these."""
        for name, jumps in later.jumps.items():
            self.jumps.setdefault(name, []).extend(jumps)
        for name, objects in later.inside.items():
            known = self.inside.setdefault(name, {})
            known |= {one: time for one, time in objects.items() if one not in known}
        for name, (count, first) in later.contested.items():
            before = self.contested.get(name, (0, first))
            self.contested[name] = before[0] + count, before[1]

    def texts(self) -> list[str]:
        """Warnings."""
        texts = []
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
        return {
            "path_jumps_s_mm": {name: [list(jump) for jump in jumps] for name, jumps in self.jumps.items()},
            "points_inside_s": {name: dict(objects) for name, objects in self.inside.items()},
            "paths_contested": {name: list(frames) for name, frames in self.contested.items()},
        }

    def _add_jumps(self, paths: ExactPaths, block: ExactBlock) -> None:
        time, value, length, at = block.motion.time, block.motion.value, block.length, block.at.value
        explained = paths.lengthening(0.5 * (block.arms[:, 1:] + block.arms[:, :-1]), at[:, 1:] - at[:, :-1])
        seen = path_states(block.solved), length, length[1:] - length[:-1] - explained
        for jump in find_jumps(paths.multibody, paths.arrangement, value, seen, LENGTHS_JUMP):
            at = time[jump.frame] + jump.share * (time[jump.frame + 1] - time[jump.frame])
            found = round(float(at), 4), round(1e3 * float(jump.size), 3)
            self.jumps.setdefault(jump.path, []).append(found)

    def _add_inside(self, paths: ExactPaths, block: ExactBlock) -> None:
        for one in block.solved:
            within = points_inside(one)
            for place, row in zip(*np.nonzero(plain(within.any(axis=2))), strict=True):
                objects = self.inside.setdefault(paths.arrangement.names[one.bundle.rows[row]], {})
                name = paths.described.objects[one.bundle.objects[row, place]].name
                objects.setdefault(name, float(block.motion.time[first_true(within[place, row])]))

    def _add_contested(self, paths: ExactPaths, block: ExactBlock) -> None:
        time = block.motion.time[block.before :]
        for one in block.solved:
            frames = one.contested[:, block.before :]
            for row in np.flatnonzero(plain(frames.any(axis=1))):
                name = paths.arrangement.names[one.bundle.rows[row]]
                count, first = self.contested.get(name, (0, float(time[first_true(frames[row])])))
                self.contested[name] = count + int(frames[row].sum()), first


def beyond(names: Iterable[str], sizes: Iterable[float]) -> dict[str, float]:
    """Differences of lengths in mm by muscle, from those in m, where they are findings, the largest first."""
    known = {name: float(size) for name, size in zip(names, sizes, strict=True) if size > LENGTHS_DIFFER}
    return {name: float(f"{1e3 * known[name]:.3g}") for name in sorted(known, key=lambda name: -known[name])}
