"""Inverse dynamics of a motion in arrays, where everything in the model is described."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import some
from ..multibody.actuators import effects
from ..multibody.description import Multibody
from ..multibody.dynamics import about_speeds, inverse_dynamics, transmitted
from ..multibody.forces import applied_forces
from ..multibody.kinematics import Posture, posture, velocity
from ..multibody.loads import load_wrenches
from ..multibody.placement import MotionState
from ..multibody.rates import to_changes, to_coordinates, to_speeds
from ..namespace import frames_first
from ..notices import warn
from ..paths.arms import moment_arms
from ..paths.arrangement import Arrangement, arrange
from ..paths.description import Paths
from ..paths.solve import lengths, solve_paths
from ..problem.arrays import Array, Index, Kinematics
from .exact import BLOCK
from .load_arrays import measured_loads
from .loads import ExternalLoads
from .model import Model


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
        are wanted), ``effect`` (T, D, K) what each of the model's own does per unit control.
        """
        starts = range(0, len(motion.time), BLOCK)
        blocks = [self._block(motion.frames(slice(start, start + BLOCK)), moments) for start in starts]
        return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}

    def inertial(self, motion: Kinematics) -> Array:
        """Generalized forces (T, N) about all coordinates that give the motion beside gravity alone."""
        value, speed = motion.value, to_speeds(self.multibody, motion.value, motion.speed)
        change = to_changes(self.multibody, value, motion.speed, motion.acceleration)
        about = inverse_dynamics(self.multibody, value, speed, change)
        return np.asarray(to_coordinates(self.multibody, value, about))

    def _block(self, motion: Kinematics, moments: bool) -> dict[str, Array]:
        at = posture(self.multibody, motion.value)
        along, arms = self._others(motion, at)
        by_speed = np.moveaxis(effects(self.multibody, at, at.columns, at.beyond, arms), 1, 0)
        about = [self._about_free(motion, effect) for effect in by_speed]
        none = np.zeros((len(motion.time), len(self.free), 0))
        found = {"effect": np.stack(about, axis=2) if about else none}
        if moments:
            found["generalized_force"] = self._about_free(motion, self._moments(motion, at, along, arms))
        return found

    def _about_free(self, motion: Kinematics, force: Array) -> Array:
        """Generalized forces (T, D) about the free coordinates from those about speeds (N, T)."""
        about = to_coordinates(self.multibody, motion.value, np.ascontiguousarray(force.T))
        return motion.onto_free(about)[:, self.free]

    def _moments(self, motion: Kinematics, at: Posture, along: Array, arms: Mapping[int, Array]) -> Array:
        """Generalized forces (N, T) about speeds that give the motion beside gravity, loads and the model's forces."""
        speed = to_speeds(self.multibody, motion.value, motion.speed)
        moving = velocity(at, speed, to_changes(self.multibody, motion.value, motion.speed, motion.acceleration))
        state = MotionState(motion.time, motion.value.T, speed.T, at.rotations, at.positions, moving.twists)
        lengthening = np.zeros_like(along)
        for path, arm in arms.items():
            lengthening[path] = -np.einsum("nt,tn->t", arm, speed)
        applied = applied_forces(self.multibody, state, along, lengthening)
        wrenches = applied.wrenches
        if self.loads is not None:
            measured = measured_loads(self.loads, self.multibody.tree.bodies, motion.time)
            wrenches = wrenches + load_wrenches(measured, at)
        needed = about_speeds(at, transmitted(at, moving, frames_first(wrenches))) - applied.generalized
        for path, tension in applied.tension.items():
            needed = needed - arms[path] * tension
        return np.asarray(needed)

    def _others(self, motion: Kinematics, at: Posture) -> tuple[Array, dict[int, Array]]:
        """Lengths (P, T) of all paths, and moment arms (N, T) about speeds by path, of those that forces act along."""
        own, frames = len(self.paths.muscles), len(motion.time)
        every = np.zeros((own + len(self.paths.others), frames))
        if not self.paths.others:
            return every, {}
        solved = solve_paths(self.others, at)
        every[own:] = lengths(self.others, solved).T
        arms = moment_arms(self.others, solved, at).dense(len(self.paths.others), len(self.multibody.coordinates))
        return every, {own + index: arm.T for index, arm in enumerate(np.moveaxis(arms, 2, 0))}


def read_dynamics(model: Model, loads: ExternalLoads | None) -> ExactDynamics | None:
    """Inverse dynamics in arrays; None, with a warning, where OpenSim has to be asked for a joint or force."""
    multibody, paths = model.described.multibody, model.described.paths
    if asked := multibody.gaps("joint", "force"):
        warn(f"{model.path}: OpenSim computes the generalized forces, because of: {some(asked, 12)}.")
        return None
    return ExactDynamics(multibody, paths, loads, np.array(model.description.free, dtype=np.intp))
