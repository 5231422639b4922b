"""Virtual work by differences of postures: what inertia and forces do along directions of the coordinates.

D'Alembert's principle: no Jacobian or recursion of ``kinematics`` or ``dynamics`` is used, so that what these give can
be compared with it. Displacements are differences of places. Accelerations are differences of velocities, where these
are differences of places: second differences of places, which are used elsewhere, have half as many digits, and are
wrong where a joint's splines have a knot between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..problem.arrays import Array, Index
from .description import Multibody
from .kinematics import Posture, posture, velocity
from .rates import to_speeds
from .vectors import apply_fixed, cross, velocity_at

#: rad or m; step of the differences along a direction. In time the fastest coordinate, at FAST rad/s or m/s at least,
#: moves by PATH, and for differences of velocities by BRIEF.
STEP, PATH, BRIEF, FAST = 1e-4, 1e-3, 3e-5, 3.0
#: The smaller steps of closer differences: rounding leaves seven digits of slopes.
CLOSER_STEP, CLOSER_PATH = 1e-5, 1e-5
#: m/s or rad/s at a rate of 1; velocities that differ by more from slopes of places are not used.
SAME = 1e-7
#: Steps of the differences; weights of a slope: central, ahead, behind, the two latter with the place itself between.
STEPS = np.array([-2.0, -1.0, 1.0, 2.0])
SLOPES = np.array([[1.0, -8.0, 0.0, 8.0, -1.0], [0.0, 0.0, -18.0, 24.0, -6.0], [6.0, -24.0, 18.0, 0.0, 0.0]]) / 12.0
#: Weights of a second derivative, over the square of the step.
SECOND = np.array([-1.0, 16.0, -30.0, 16.0, -1.0]) / 12.0


@dataclass(frozen=True, eq=False)
class Placements:
    """Rotations (B, 3, 3, T) and positions (B, 3, T) m of bodies in ground."""

    rotations: Array
    positions: Array


@dataclass(frozen=True, eq=False)
class Displaced:
    """T postures, displaced along K directions of the coordinates, and along the motion itself.

    ``posture`` holds the T postures, then four steps of each direction and of the motion, frames last. ``step`` are
    those of the directions (K, T, N) in rad or m, and of time (T,) in s along the motion, with ``value``, ``rate`` and
    ``acceleration`` (T, N). ``side`` is the row of SLOPES by which velocities are differentiated.
    """

    multibody: Multibody
    value: Array
    rate: Array
    acceleration: Array
    direction: Array
    closer: bool
    posture: Posture
    time_step: Array
    side: int = 0

    @property
    def step(self) -> float:
        """Step of the directions in rad or m."""
        return CLOSER_STEP if self.closer else STEP

    @property
    def frames(self) -> int:
        """Number T of the postures."""
        return len(self.time_step)

    @property
    def directions(self) -> int:
        """Number K of the directions."""
        return len(self.direction)

    @cached_property
    def here(self) -> Placements:
        """The postures that are displaced."""
        return Placements(self.posture.rotations[..., : self.frames], self.posture.positions[..., : self.frames])

    def stencil(self, array: Array) -> Array:
        """An array (…, T') of all postures as (5, …, K + 1, T): steps, of which the third is the posture itself."""
        frames = self.frames
        here = np.broadcast_to(array[..., None, :frames], (*array.shape[:-1], self.directions + 1, frames))
        steps = array[..., frames:].reshape(*array.shape[:-1], 4, self.directions + 1, frames)
        one, two, three, four = np.moveaxis(steps, -3, 0)
        return np.stack([one, two, here, three, four])

    def slopes(self, array: Array, sides: int = 1) -> Array:
        """Slopes (…, K + 1, T) of an array (…, T'), by the directions, then by time.

        With three ``sides`` (3, …, K + 1, T): central ones, from ahead and from behind.
        """
        step = np.concatenate([np.full((self.directions, self.frames), self.step), self.time_step[None]])
        found = np.tensordot(SLOPES[:sides], self.stencil(array), 1) / step
        return np.asarray(found if sides > 1 else found[0])

    @cached_property
    def twists(self) -> Array:
        """(B, 6, K + 1, T) spin of the bodies, and shift of their points at ground's origin, by direction and time."""
        turned = np.einsum("bijkt,bljt->bilkt", self.slopes(self.posture.rotations), self.here.rotations)
        spin = np.stack([turned[:, 2, 1], turned[:, 0, 2], turned[:, 1, 0]], axis=1)
        place = self.here.positions[:, :, None]
        return np.concatenate([spin, self.slopes(self.posture.positions) - _cross(spin, place)], axis=1)

    def shifts(self, body: Index, place: Array) -> Array:
        """Shifts (n, 3, K, T), by direction, of points that are fixed on bodies (n,) and at ``place`` (n, 3, T)."""
        spin, shift = np.split(self.twists[body, :, :-1], 2, axis=1)
        return np.asarray(shift + _cross(spin, place[:, :, None]))

    def work(self, wrenches: Array) -> Array:
        """Work (K, T) of moments about ground's origin and forces (B, 6, T) on the bodies."""
        return np.asarray(np.einsum("bct,bckt->kt", wrenches, self.twists[:, :, :-1]))

    @cached_property
    def inertial(self) -> Array:
        """Work (K, T) that the motion needs beside gravity: m (a - g)·δx, and that of the change of angular momentum.

        The change is that of Σ m r × v of all points r of a body about its center of mass, by their second differences.
        """
        tree, at = self.multibody.tree, self.here
        change, turn = self._by_velocities() or self._by_places()
        force = tree.mass[:, None, None] * (change - self.multibody.gravity[:, None])
        points = 0.5 * np.trace(tree.inertia, axis1=1, axis2=2)[:, None, None] * np.eye(3) - tree.inertia  # Σ m r rᵀ
        moved = np.einsum("bijt,bjkt->bikt", turn, np.einsum("bjk,blkt->bjlt", points, at.rotations))
        moment = np.stack([moved[:, i, j] - moved[:, j, i] for i, j in ((2, 1), (0, 2), (1, 0))], axis=1)
        centers = at.positions + apply_fixed(at.rotations, tree.center)
        return self.work(np.concatenate([moment + cross(centers, force), force], axis=1))

    def _by_places(self) -> tuple[Array, Array]:
        """Second derivatives of the bodies' centers (B, 3, T) and rotations (B, 3, 3, T)."""
        at = self.posture
        centers = at.positions + apply_fixed(at.rotations, self.multibody.tree.center)
        found = (np.tensordot(SECOND, self.stencil(part)[..., -1, :], 1) for part in (centers, at.rotations))
        change, turn = (part / self.time_step**2 for part in found)
        return change, turn

    def _by_velocities(self) -> tuple[Array, Array] | None:
        """The same by first differences of velocities; None where these are no slopes of places."""
        step, size = BRIEF / PATH * self.time_step, self.value.shape[1]
        step = BRIEF / CLOSER_PATH * self.time_step if self.closer else step
        moved = _moved(self.value, self.rate, self.acceleration, step)
        value, rate = (
            np.concatenate([part.reshape(-1, size), own])
            for part, own in zip(moved, (self.value, self.rate), strict=True)
        )
        at = posture(self.multibody, value)
        twists = velocity(at, to_speeds(self.multibody, value, rate)).twists
        off = np.abs(twists[..., -self.frames :] - self.twists[:, :, -1]).max(initial=0.0)
        if not off < SAME * max(1.0, float(np.abs(self.rate).max(initial=0.0))):
            return None
        centers = at.positions + apply_fixed(at.rotations, self.multibody.tree.center)
        columns = np.moveaxis(at.rotations, 2, 1)
        turning = np.moveaxis(cross(np.broadcast_to(twists[:, None, :3], columns.shape), columns), 1, 2)
        here, weights = SLOPES[self.side, 2], SLOPES[self.side, [0, 1, 3, 4]]

        def slope(array: Array) -> Array:
            steps = array[..., : -self.frames].reshape(*array.shape[:-1], len(STEPS), self.frames)
            found = np.einsum("...st,s->...t", steps, weights) + here * array[..., -self.frames :]
            return np.asarray(found / step)

        return slope(velocity_at(twists, centers)), slope(turning)


def displace(
    multibody: Multibody, value: Array, rate: Array, acceleration: Array, direction: Array, closer: bool = False,
    side: int = 0,
) -> Displaced:  # fmt: skip
    """Displace postures ``value`` (T, N), with ``rate`` and ``acceleration``, along directions (K, T, N)."""
    fastest = np.maximum(np.abs(rate).max(axis=1, initial=FAST), np.sqrt(np.abs(acceleration).max(axis=1, initial=0.0)))
    time_step, step = (CLOSER_PATH, CLOSER_STEP) if closer else (PATH, STEP)
    time_step = time_step / fastest
    aside = value + step * STEPS[:, None, None, None] * direction
    every = np.concatenate([aside, _moved(value, rate, acceleration, time_step)[0][:, None]], axis=1)
    places = np.concatenate([value, every.reshape(-1, value.shape[1])])
    at = posture(multibody, places)
    return Displaced(multibody, value, rate, acceleration, direction, closer, at, time_step, side)


def _moved(value: Array, rate: Array, acceleration: Array, step: Array) -> tuple[Array, Array]:
    """Values and rates (4, T, N) at four steps (T,) in s along the motion."""
    along = (STEPS[:, None] * step)[..., None]
    return value + along * rate + 0.5 * along**2 * acceleration, rate + along * acceleration


def _cross(spin: Array, place: Array) -> Array:
    """Cross products of (n, 3, K, T) and (n, 3, 1, T)."""
    x, y, z = (spin[:, i] for i in range(3))
    u, v, w = (place[:, i] for i in range(3))
    return np.stack([y * w - z * v, z * u - x * w, x * v - y * u], axis=1)
