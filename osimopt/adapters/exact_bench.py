"""Frames of a motion in which exact paths and dynamics are computed a second way: by differences of places alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..multibody.actuators import ALONG_PATH, ON_BODIES, ON_COORDINATE
from ..multibody.constraints import constraint_rows
from ..multibody.couplers import coupled
from ..multibody.forces import AppliedForces, applied_forces
from ..multibody.placement import MotionState
from ..multibody.rates import to_speeds
from ..multibody.work import Displaced, displace
from ..paths.points import points_in_ground
from ..paths.solve import SolvedPaths, lengths, solve_paths
from ..problem.arrays import Array, Index, Kinematics
from .exact import ExactPaths
from .exact_dynamics import ExactDynamics
from .load_check import PlacedLoad, read_again

#: Directions along which each frame is displaced.
DIRECTIONS = 2


@dataclass(frozen=True, eq=False)
class Bench:
    """Frames T of a motion displaced along directions (K, T, D) of the free coordinates, the dependent ones following.

    What a direction tests, it tests of all coordinates at once: an error e (D,) of moment arms or generalized forces
    shows as direction · e. An error of one coordinate shows as half its size at least; errors of several would have to
    be orthogonal to all directions, which are random, not to show. ``dynamics`` is None where OpenSim computes it.
    """

    paths: ExactPaths
    dynamics: ExactDynamics | None
    motion: Kinematics
    free: Index
    direction: Array
    displaced: Displaced

    @cached_property
    def solved(self) -> list[SolvedPaths]:
        """The paths of the muscles in all postures."""
        return solve_paths(self.paths.arrangement, self.displaced.posture)

    @cached_property
    def length(self) -> Array:
        """Lengths (M, T') of the muscles in all postures."""
        return np.asarray(lengths(self.paths.arrangement, self.solved)).T

    @cached_property
    def errors(self) -> Array:
        """Errors (R, T') of couplers and of the constraints of loops in all postures, in rad or m."""
        multibody, at = self.paths.multibody, self.displaced.posture
        dependent = [coupler.dependent for coupler in multibody.couplers]
        apart = coupled(multibody, at.value)[dependent] - at.value[dependent]
        return np.concatenate([apart, constraint_rows(at).errors]) if multibody.constraints else np.asarray(apart)

    @cached_property
    def needed(self) -> Array:
        """Work (K, T) that muscles and actuators must do for the motion, beside gravity, loads and the model's forces.

        Inertial forces act through accelerations of places, all forces through displacements of the places where they
        act. The loads are read from their files a second time.
        """
        applied = self._applied
        work = self.displaced.inertial - self.displaced.work(applied.wrenches)
        work = work - np.einsum("nt,knt->kt", applied.generalized, self._speeds)
        for path, tension in applied.tension.items():
            work = work + tension * self._others[path][1]
        for load in self.loads:
            work = work - self._of_load(load)
        return np.asarray(work)

    @cached_property
    def loads(self) -> list[PlacedLoad]:
        """The external loads, read and interpolated a second way."""
        if self.dynamics is None or self.dynamics.loads is None:
            return []
        return read_again(self.dynamics.loads, self.paths.multibody.tree.bodies, self.motion.time)

    def pulled(self, tension: Array) -> Array:
        """Work (K, T) of tensions (T, M) along the paths: of unit forces at their points, and where objects are met."""
        frames, arrangement = self.displaced.frames, self.paths.arrangement
        every, number = points_in_ground(arrangement, self.displaced.posture)
        moved, total = self.displaced.slopes(every)[..., :-1, :], np.zeros(self.direction.shape[:2])
        for one in self.solved:
            bundle, points = one.bundle, one.bundle.points.shape[1]
            force = one.pull[..., :frames] * tension.T[bundle.rows]
            total += np.einsum("cjmt,cjmkt->kt", force[:, :points], moved[:, number[bundle.points.T]])
            for index, touched in enumerate(one.touched[..., :frames]):
                for node in (points + 2 * index, points + 2 * index + 1):
                    place = np.where(touched, one.place[:, node, :, :frames], 0.0)
                    shift = self.displaced.shifts(bundle.object_body[:, index], np.moveaxis(place, 0, 1))
                    total += np.einsum("cmt,mckt->kt", force[:, node], shift)
        return total

    def actuated(self, outputs: Mapping[str, Array]) -> Array:
        """Work (K, T) of controls (T,) of the model's own actuators, by name."""
        assert self.dynamics is not None
        at, total = self.displaced.here, np.zeros(self.direction.shape[:2])
        for law in self.dynamics.multibody.actuators:
            if law.name not in outputs:
                continue
            force = outputs[law.name] * law.numbers["optimal_force"]
            if law.kind in ON_COORDINATE:
                total += force * self._speeds[:, law.coordinate]
            elif law.kind in ALONG_PATH:
                total -= force * self._others[law.path][1]
            else:
                for body, wrench in zip(law.bodies, ON_BODIES[law.kind](law, at), strict=True):
                    total += np.einsum("ct,ckt->kt", force * wrench, self.displaced.twists[body, :, :-1])
        return total

    @cached_property
    def _speeds(self) -> Array:
        """Speeds (K, N, T) of the joints along the directions."""
        found = [to_speeds(self.paths.multibody, self.motion.value, one).T for one in self.displaced.direction]
        return np.array(found)

    @cached_property
    def _others(self) -> dict[int, tuple[Array, Array, Array]]:
        """Of paths that the model's forces and actuators act along: length (T,), slopes (K, T), lengthening speed."""
        assert self.dynamics is not None
        if not self.dynamics.paths.others:
            return {}
        solved = solve_paths(self.dynamics.others, self.displaced.posture)
        length = np.asarray(lengths(self.dynamics.others, solved)).T
        slopes, first = self.displaced.slopes(length), len(self.dynamics.paths.muscles)
        return {
            first + row: (length[row, : self.displaced.frames], own[:-1], own[-1]) for row, own in enumerate(slopes)
        }

    @cached_property
    def _applied(self) -> AppliedForces:
        """What the model's own forces do, at the velocities of places."""
        assert self.dynamics is not None
        motion, at = self.motion, self.displaced.here
        speed = to_speeds(self.paths.multibody, motion.value, motion.speed).T
        twists = self.displaced.twists[:, :, -1]
        state = MotionState(motion.time, motion.value.T, speed, at.rotations, at.positions, twists)
        length, _, lengthening = ({path: own[i] for path, own in self._others.items()} for i in range(3))
        return applied_forces(self.dynamics.multibody, state, length, lengthening)

    def _of_load(self, load: PlacedLoad) -> Array:
        """Work (K, T) of a load."""
        at = self.displaced.here
        force, torque = (np.einsum("ijt,jt->it", at.rotations[load.frame], part) for part in (load.force, load.torque))
        place = at.positions[load.place] + np.einsum("ijt,jt->it", at.rotations[load.place], load.point)
        shift = self.displaced.shifts(np.array([load.body]), place[None])[0]
        spin = self.displaced.twists[load.body, :3, :-1]
        return np.asarray(np.einsum("it,ikt->kt", force, shift) + np.einsum("it,ikt->kt", torque, spin))


def set_up(
    paths: ExactPaths, dynamics: ExactDynamics | None, motion: Kinematics, free: Index, direction: Array | None = None,
    closer: bool = False, side: int = 0,
) -> Bench:  # fmt: skip
    """Displace frames of a motion along random directions, or those given (K, T, D); see :class:`.work.Displaced`."""
    if direction is None:
        random, shape = np.random.default_rng(0), (DIRECTIONS, len(motion.time), len(free))
        direction = random.uniform(0.5, 1.5, shape) * random.choice((-1.0, 1.0), shape)
    whole = np.zeros((*direction.shape[:2], motion.value.shape[1]))
    whole[..., free] = direction
    if motion.coupling is not None:
        pairs = zip(motion.coupling.dependent, motion.coupling.independent, motion.coupling.slope.T, strict=True)
        given = whole.copy()
        for dependent, independent, slope in pairs:
            whole[..., dependent] += slope * given[..., independent]
    moved = displace(paths.multibody, motion.value, motion.speed, motion.acceleration, whole, closer, side)
    return Bench(paths, dynamics, motion, free, direction, moved)
