"""Inverse dynamics of a motion in arrays, where everything in the model is described."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import some
from ..multibody.actuators import ON_COORDINATE, effects
from ..multibody.description import Multibody
from ..multibody.dynamics import about_speeds, transmitted
from ..multibody.forces import applied_forces
from ..multibody.joints import coordinates_of
from ..multibody.kinematics import Posture, posture, velocity
from ..multibody.layout import layout
from ..multibody.loads import MeasuredLoads, load_wrenches
from ..multibody.placement import MotionState
from ..multibody.rates import coordinates_at, to_changes, to_speeds
from ..multibody.vectors import Tensor
from ..namespace import frames_first, frames_last, namespace
from ..notices import warn
from ..paths.arms import moment_arms
from ..paths.arrangement import Arrangement, arrange
from ..paths.description import Paths
from ..paths.solve import SolvedPaths, lengths, solve_paths
from ..problem.arrays import Array, Index, Kinematics
from .exact import BLOCK
from .following import following
from .load_arrays import measured_loads
from .loads import ExternalLoads
from .model import Model


@dataclass(frozen=True, eq=False)
class Others:
    """Paths that are no muscles', as ``solved``, and by path ``length`` (T,) m and ``arms`` (N, T) about speeds."""

    solved: Sequence[SolvedPaths]
    length: dict[int, Tensor]
    arms: dict[int, Tensor]


@dataclass(frozen=True, eq=False)
class Needed:
    """What a motion needs of muscles and actuators.

    ``force`` (N, T) is about the speeds. ``through`` (B, 6, T) are the wrenches that pass through the joints above
    bodies (see :func:`.dynamics.transmitted`) before the forces of ``tension`` (T,) N along paths, by path, are taken
    off.
    """

    through: Tensor
    force: Tensor
    tension: dict[int, Tensor]


@dataclass(frozen=True, eq=False)
class ExactDynamics:
    """The mechanics of a model, its external loads, and its free coordinates (D,)."""

    multibody: Multibody
    paths: Paths
    loads: ExternalLoads | None
    free: Index

    @cached_property
    def others(self) -> Arrangement:
        """The paths of forces and actuators, to be solved together."""
        return arrange(self.paths, self.paths.others)

    @cached_property
    def mistaken(self) -> tuple[str, ...]:
        """Names of the joints whose accelerations are wrong in OpenSim 4.6 while they move.

        Its derivative of a CustomJoint's axes takes for granted that the joint's first coordinate turns the first axis
        alone, and that its third one turns neither of the first two: in a knee whose three rotations are functions of
        one angle the velocities of the bodies are right, their accelerations are not the derivatives of these.
        """
        tree, found = self.multibody.tree, []
        for body, kind in enumerate(tree.kind):
            turned = np.where(tree.axis_function[body] >= 0, tree.axis_coordinate[body], -1)
            order = sorted({*turned.tolist()} - {-1})
            first, second, third = (order.index(one) if one >= 0 else -1 for one in turned[:3].tolist())
            about_second = second >= 0 and (first > 0 or third == 0)
            about_third = third >= 0 and 2 in (first, second)
            if kind == "axes" and (about_second or about_third):
                found.append(tree.joints[body])
        return tuple(found)

    def arrays(self, motion: Kinematics, moments: bool) -> dict[str, Array]:
        """Arrays of a motion, as ``arrays.extract`` has them by name.

        ``generalized_force`` (T, D), about the free coordinates, is what actuators must produce (only where ``moments``
        are wanted), ``effect`` (T, D, K) what each of the model's own does per unit control, (1, D, K) where that is
        the same in all postures.
        """
        parts = []
        for start in range(0, len(motion.time), BLOCK):
            own = motion.frames(slice(start, start + BLOCK))
            loads = self.measured(own.time) if moments else None
            parts.append(self.block(posture(self.multibody, own.value), own, loads, moments))
        force, effect = (list(found) for found in zip(*parts, strict=True))
        found = {"effect": effect[0] if self.steady else np.concatenate(effect)}
        return {**found, "generalized_force": np.concatenate(force)} if moments else found

    def measured(self, time: Array) -> MeasuredLoads | None:
        """The external loads at times (T,) s."""
        return None if self.loads is None else measured_loads(self.loads, self.multibody.tree.bodies, time)

    @cached_property
    def steady(self) -> bool:
        """Whether the model's actuators do the same in all postures."""
        still = set(self.free) - {
            one for body in layout(self.multibody).turning for one in coordinates_of(self.multibody, body).tolist()
        }
        return all(law.kind in ON_COORDINATE and law.coordinate in still for law in self.multibody.actuators)

    def block(
        self, at: Posture, motion: Kinematics, loads: MeasuredLoads | None, moments: bool
    ) -> tuple[Tensor | None, Tensor]:
        """Generalized forces (T, D) and effects (T, D, K) in frames of NumPy or torch, as :meth:`arrays` has them."""
        others = self.along_others(at)
        needed = self.needed(motion, at, others, loads) if moments else None
        return None if needed is None else self.about_free(motion, at, needed), self.effects(motion, at, others)

    def effects(self, motion: Kinematics, at: Posture, others: Others) -> Tensor:
        """(T, D, K) or (1, D, K): what the model's own actuators do per unit control."""
        bodies, columns = (at, at.columns[:, :, :1]) if self.steady else (at, at.columns)
        found = effects(self.multibody, bodies, columns, at.beyond, others.arms)  # (N, K, T)
        return frames_first(self._about_free(motion, at, found) if not self.steady else found[self.free])

    def about_free(self, motion: Kinematics, at: Posture, needed: Needed) -> Tensor:
        """Generalized forces (T, D) about the free coordinates."""
        return frames_first(self._about_free(motion, at, needed.force[:, None])[:, 0])

    def _about_free(self, motion: Kinematics, at: Posture, force: Tensor) -> Tensor:
        """Generalized forces (D, K, T) about the free coordinates from those about speeds (N, K, T)."""
        size, count, frames = force.shape
        about = coordinates_at(self.multibody, at.value, force)
        if motion.coupling is None:
            return about[self.free]
        coordinate, acting = np.repeat(np.arange(size), count), np.tile(np.arange(count), size)
        rows = namespace(about).reshape(about, (size * count, frames))
        followed = following(coordinate, acting, self.free, size, motion.coupling)
        moved = followed.apply(rows, frames_last(motion.coupling.slope))
        return namespace(moved).reshape(moved, (len(self.free), count, frames))

    def needed(self, motion: Kinematics, at: Posture, others: Others, loads: MeasuredLoads | None) -> Needed:
        """What the motion needs of muscles and actuators beside gravity, loads and the model's forces."""
        speed = to_speeds(self.multibody, motion.value, motion.speed)
        moving = velocity(at, speed, to_changes(self.multibody, motion.value, motion.speed, motion.acceleration))
        rates = frames_last(speed)
        state = MotionState(motion.time, at.value, rates, at.rotations, at.positions, moving.twists)
        lengthening = {path: -namespace(arm).sum(arm * rates, axis=0) for path, arm in others.arms.items()}
        applied = applied_forces(self.multibody, state, others.length, lengthening)
        wrenches = applied.wrenches if loads is None else applied.wrenches + load_wrenches(loads, at)
        through = transmitted(at, moving, frames_first(wrenches))
        force = about_speeds(at, through) - applied.generalized
        for path, tension in applied.tension.items():
            force = force - others.arms[path] * tension
        return Needed(through, force, applied.tension)

    def along_others(self, at: Posture) -> Others:
        """The paths that forces and actuators act along."""
        own, count = len(self.paths.muscles), len(self.paths.others)
        if not count:
            return Others((), {}, {})
        solved = solve_paths(self.others, at)
        arms = moment_arms(self.others, solved, at).dense(count, len(self.multibody.coordinates))
        found = lengths(self.others, solved)
        numbers = range(count)
        return Others(solved, {own + i: found[:, i] for i in numbers}, {own + i: arms[:, :, i].T for i in numbers})


def read_dynamics(model: Model, loads: ExternalLoads | None) -> ExactDynamics | None:
    """Inverse dynamics in arrays; None, with a warning, where OpenSim has to be asked for a joint or force."""
    found = described_dynamics(model, loads)
    if found is None:
        asked = some(model.described.multibody.gaps("joint", "force"), 12)
        warn(f"{model.path}: OpenSim computes the generalized forces, because of: {asked}.")
    return found


def described_dynamics(model: Model, loads: ExternalLoads | None = None) -> ExactDynamics | None:
    """Inverse dynamics in arrays; None where a joint or force is not described in them."""
    multibody, paths = model.described.multibody, model.described.paths
    if multibody.gaps("joint", "force"):
        return None
    return ExactDynamics(multibody, paths, loads, np.array(model.description.free, dtype=np.intp))
