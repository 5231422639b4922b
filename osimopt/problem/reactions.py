"""What joints transmit: forces and moments, affine in the forces of muscles and actuators.

The motion and the loads are given, so a joint's reaction is c(t) = c₀(t) + C(t) F: c₀ is what the bodies beyond the
joint need for their motion, less gravity, loads and the model's other forces, and a column of C what the unit force of
a muscle does on these bodies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InputError, check_names, explain, shown
from ..namespace import Tensor, filled, namespace
from ..options import check_word
from .arrays import Array, Change, Index
from .names import check_wanted, match_names

if TYPE_CHECKING:
    from .problem import RedundancyProblem

#: The body on which a reaction acts.
On = Literal["child", "parent"]
#: The axes in which it is expressed: ground's, or those of the joint's parent or child body.
Frame = Literal["ground", "parent", "child"]
SIDES = ("parent", "child")
FRAMES = ("ground", *SIDES)
#: Joints by name, pattern (``"*_l"``), side (``"left"``) or ``"all"``; a text may hold several, separated by commas.
Joints = str | Sequence[str]
#: Components of a reaction, in the order of OpenSim's columns.
COMPONENTS = ("fx", "fy", "fz", "mx", "my", "mz")


@dataclass(frozen=True, eq=False)
class JointReactions:
    """Reactions of J joints in T frames, affine in the forces of muscles and actuators.

    A reaction (6,) is the force in N, then the moment in N·m about the origin of the joint's frame. It holds all that
    passes the joint, also what actuators on its coordinates do, as in OpenSim's JointReaction.

    Attributes
    ----------
    joints
        J names.
    bodies
        J pairs of names of bodies: parent and child, as OpenSim defines the joint.
    muscles, actuators
        Names of what the columns of C belong to: tendon forces in N, and controls of actuators of the model that act on
        bodies, or in loops on coordinates which these determine. What is not named transmits nothing through the
        joints, as reserves on free coordinates, or is part of ``constant``.
    pair_joint, pair_source
        (P,) joint, and index among muscles + actuators, of columns that are not zero; sorted by joint.
    effect
        (T, P, 6) column of C per unit force, on the child, in ground's axes, about the origin of the joint's frame on
        the child.
    constant
        (T, J, 6) c₀, in the same way.
    rotation
        (T, J, 2, 3, 3) axes of parent and child body in ground (its columns).
    place, origin
        (T, J, 2, 3) m, in ground: origin of the joint's frame on parent and child, origin of the bodies themselves.
    body_weight
        N.
    on, frame
        How reactions are written to files: on which body, and in which axes.
    """

    joints: tuple[str, ...]
    bodies: tuple[tuple[str, str], ...]
    muscles: tuple[str, ...]
    actuators: tuple[str, ...]
    pair_joint: Index
    pair_source: Index
    effect: Array
    constant: Array
    rotation: Array
    place: Array
    origin: Array
    body_weight: float
    on: On = "child"
    frame: Frame = "ground"

    @classmethod
    def from_arrays(
        cls, joint: str, constant: ArrayLike, effect: ArrayLike, muscles: Sequence[str], body_weight: float = 1.0
    ) -> JointReactions:
        """Reactions of one joint: ``constant`` (T, 3) or (T, 6) and ``effect`` (T, 3 | 6, M) per N of the muscles.

        All frames are at the same place, with ground's axes.
        """
        base, columns = np.atleast_2d(np.asarray(constant, float)), np.asarray(effect, float)
        columns = columns[None] if columns.ndim == 2 else columns
        frames = max(len(base), len(columns))
        whole, pairs = np.zeros((frames, 1, 6)), np.zeros((frames, len(muscles), 6))
        whole[:, 0, : base.shape[1]] = base
        pairs[:, :, : columns.shape[1]] = np.swapaxes(columns, 1, 2)
        axes, zero = np.tile(np.eye(3), (frames, 1, 2, 1, 1)), np.zeros((frames, 1, 2, 3))
        number = np.arange(len(muscles))
        return cls(
            (joint,), (("ground", joint),), tuple(muscles), (), 0 * number, number, pairs, whole, axes, zero, zero,
            body_weight,
        )  # fmt: skip

    def moved(self, change: Change) -> JointReactions:
        """The same at other times, to which ``change`` takes an array."""
        names = ("effect", "constant", "rotation", "place", "origin")
        arrays: dict[str, Any] = {name: change(getattr(self, name)) for name in names}
        return replace(self, **arrays)

    def number(self, joint: str) -> int:
        """Index of a joint."""
        check_names("joints with reactions", [joint], self.joints)
        return self.joints.index(joint)

    def select(self, joints: Sequence[str]) -> JointReactions:
        """The same of some of the joints."""
        rows = np.array([self.number(joint) for joint in joints], dtype=np.intp)
        pairs = [np.flatnonzero(self.pair_joint == row) for row in rows]
        kept = np.concatenate([np.zeros(0, dtype=np.intp), *pairs])
        return replace(
            self,
            joints=tuple(joints),
            bodies=tuple(self.bodies[row] for row in rows),
            pair_joint=np.repeat(np.arange(len(rows)), [len(own) for own in pairs]),
            pair_source=self.pair_source[kept],
            effect=self.effect[:, kept],
            **{name: getattr(self, name)[:, rows] for name in ("constant", "rotation", "place", "origin")},
        )

    def left_out(self, problem: RedundancyProblem) -> dict[str, list[str]]:
        """By joint, the muscles and actuators of the model that act through it and that the problem does not have."""
        sources = self.muscles + self.actuators
        known = {*problem.muscles, *self._acting(problem)}
        found: dict[str, list[str]] = {}
        for row, source in zip(self.pair_joint.tolist(), self.pair_source.tolist(), strict=True):
            if sources[source] not in known:
                found.setdefault(self.joints[row], []).append(sources[source])
        return found

    def transmitted(self, problem: RedundancyProblem, muscle_force: Array, control: Array) -> Tensor:
        """(T, J, 6) on children, in ground, of tendon forces (T, M) in N and controls (T, K) of the reserves."""
        xp, force = namespace(self.effect), self._forces(problem, muscle_force, control)
        first, found = np.searchsorted(self.pair_joint, np.arange(len(self.joints) + 1)), []
        for row in range(len(self.joints)):
            own = slice(first[row], first[row + 1])
            passing = xp.einsum("tpc,pt->tc", self.effect[:, own], force[self.pair_source[own]])
            found.append(self.constant[:, row] + passing)
        return xp.stack(found, axis=1) if found else self.constant

    def affine(self, problem: RedundancyProblem, joint: str, on: On = "child", frame: Frame = "ground") -> Affine:
        """The reaction of one joint by the problem's unknowns: the one way by which solvers and analyses use it.

        ``on`` a body, ``in`` axes, about the origin of the joint's frame on that body.
        """
        check_word("on", on, SIDES)
        check_word("frame", frame, FRAMES)
        row, xp = self.number(joint), namespace(self.effect)
        own, count = len(self.muscles), len(problem.muscles)
        effect = filled((len(self.constant), 6, len(problem.actuators)), 0.0, self.effect)
        muscles = {name: column for column, name in enumerate(problem.muscles)}
        actuators = {name: count + column for name, column in self._acting(problem).items()}
        for pair in np.flatnonzero(self.pair_joint == row).tolist():
            source = int(self.pair_source[pair])
            known, name = (muscles, self.muscles[source]) if source < own else (actuators, self.actuators[source - own])
            if name in known:
                effect[:, :, known[name]] += self.effect[:, pair]
        both = xp.concat([self.constant[:, row, :, None], effect], axis=2)
        both = self._seen(row, xp.matrix_transpose(both), on, frame)
        both = xp.matrix_transpose(both)
        return Affine(joint, both[:, :, 0], both[:, :, 1:], count)

    def seen(self, reaction: Array, on: On = "child", frame: Frame = "ground") -> tuple[Tensor, Tensor]:
        """Reactions (T, J, 6) on a body in the axes of ground or a body, and where they act (T, J, 3) m.

        ``reaction`` (T, J, 6) is on children, in ground. A place is that of the joint's frame from the origin of
        ground, or of the body whose axes are used.
        """
        check_word("on", on, SIDES)
        check_word("frame", frame, FRAMES)
        xp = namespace(self.effect)
        rows = [self._seen(row, reaction[:, row : row + 1], on, frame)[:, 0] for row in range(len(self.joints))]
        place = self.place[:, :, SIDES.index(on)]
        if frame != "ground":
            side = SIDES.index(frame)
            away = place - self.origin[:, :, side]
            place = xp.sum(self.rotation[:, :, side] * away[..., None], axis=-2)
        return (xp.stack(rows, axis=1) if rows else reaction), place

    def _seen(self, row: int, reaction: Array, on: On, frame: Frame) -> Tensor:
        """Reactions (T, n, 6) of one joint, each on the child in ground, on a body in the axes of ground or a body."""
        xp = namespace(self.effect)
        force, moment = reaction[..., :3], reaction[..., 3:]
        if on == "parent":
            away = (self.place[:, row, 1] - self.place[:, row, 0])[:, None]
            moment = moment + xp.linalg.cross(xp.broadcast_to(away, force.shape), force)
            force, moment = -force, -moment
        if frame != "ground":
            axes = self.rotation[:, row, SIDES.index(frame)]
            force, moment = xp.matmul(force, axes), xp.matmul(moment, axes)
        return xp.concat([force, moment], axis=-1)

    def _acting(self, problem: RedundancyProblem) -> dict[str, int]:
        """By name, the column among the reserves of actuators of the model that transmit something."""
        origins = zip(problem.reserves.names, problem.reserves.origin, strict=True)
        return {
            name: column
            for column, (name, origin) in enumerate(origins)
            if origin == "model" and name in self.actuators
        }

    def _forces(self, problem: RedundancyProblem, muscle_force: Array, control: Array) -> Tensor:
        """(S, T) forces of muscles, then controls of actuators; 0 of those that the problem does not have."""
        acting, none = self._acting(problem), filled((len(self.constant),), 0.0, self.effect)
        place = {name: column for column, name in enumerate(problem.muscles)}
        rows = [muscle_force[:, place[name]] if name in place else none for name in self.muscles]
        rows += [control[:, acting[name]] if name in acting else none for name in self.actuators]
        return namespace(none).stack([none, *rows])[1:]


@dataclass(frozen=True, eq=False)
class Affine:
    """The reaction of a joint: ``constant`` (T, 6) + ``effect`` (T, 6, M + K) · forces.

    The forces are tendon forces (T, M) of the ``muscles`` in N, and controls of K reserves.
    """

    joint: str
    constant: Array
    effect: Array
    muscles: int

    def by_unknowns(self, problem: RedundancyProblem) -> tuple[Array, Array]:
        """Constant (T, 6) and effect (T, 6, M + K) by activations and controls, passive forces in the constant."""
        xp, own = namespace(self.effect), self.muscles
        active = self.effect[:, :, :own] * problem.max_force[:, None]
        passive = xp.matmul(self.effect[:, :, :own], problem.passive_force[:, :, None])[:, :, 0]
        return self.constant + passive, xp.concat([active, self.effect[:, :, own:]], axis=2)


def chosen_joints(wanted: Joints | None, known: Sequence[str], where: object = None) -> list[str]:
    """Names of the joints that are wanted, in the order of the words, then of ``known``; None: all.

    Raises
    ------
    InputError
        A name or pattern that matches nothing, or a side that no name has.
    """
    words = joint_words(wanted)
    found = [known[index] for word in words for index in match_names("joints", word, known, where)]
    return list(dict.fromkeys(found)) if words else list(known)


def joint_words(wanted: Joints | None) -> list[str]:
    """The names, patterns and sides; none where all joints are wanted."""
    if wanted is None:
        return []
    words = [part.strip() for word in check_wanted("joints", wanted) for part in word.split(",")]
    if not all(words):
        fix = "Write for example walker_knee_l,hip_l, or all."
        raise InputError(explain("names, patterns or a side of joints between commas", shown(wanted), fix))
    return [] if "all" in words else words


def reactions_of(problem: RedundancyProblem, joints: Joints | None = None) -> JointReactions:
    """The reactions of joints in a problem: those it carries, or, where it has a model, those that this gives.

    ``joints`` None are those that the problem carries, else all. Patterns and sides are of all joints of the model; of
    those that the problem carries where no model is at hand.

    Raises
    ------
    InputError
        Unknown joints; joints that the problem does not carry, and no model at hand.
    ModelError
        A joint whose reaction the motion does not determine.
    """
    carried, compute = problem.reactions, getattr(problem.source, "reactions", None)
    if carried is not None and joints is None:
        return carried
    words = joint_words(joints)
    if carried is not None and words and set(words) <= set(carried.joints):
        return carried.select(list(dict.fromkeys(words)))
    if compute is not None:
        found: JointReactions = compute(problem, words or None)
        return found
    if carried is None:
        fix = "Load it with osimopt.load_problem(..., joint_reactions='all'), or the joints by name."
        raise InputError(explain("a problem with joint reactions", "one without a model", fix))
    try:
        return carried.select(chosen_joints(words or None, carried.joints))
    except InputError as error:
        fix = "The problem carries no others: load it with joint_reactions='all', or with these."
        raise InputError(f"{error} {fix}") from None
