"""What joints transmit along a motion, affine in the forces of muscles and actuators, by arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import some
from ..multibody.actuators import ALONG_PATH, ON_BODIES, ON_COORDINATE, effects
from ..multibody.description import ForceLaw, Mask, Multibody
from ..multibody.kinematics import Posture, posture
from ..multibody.layout import layout
from ..multibody.placement import number as parameter
from ..multibody.reactions import (
    TreeJoints,
    find_joints,
    followed_by,
    loops_at,
    needed_reactions,
    on_children,
    places,
    refuse_undetermined,
    undetermined,
)
from ..multibody.vectors import Tensor, combine
from ..namespace import alike, frames_first, namespace
from ..notices import warn
from ..paths.arms import moment_arms, wrenches
from ..paths.lines import Lines, joined
from ..paths.solve import SolvedPaths
from ..problem.arrays import Array, Index, Kinematics
from ..problem.reactions import JointReactions, chosen_joints, joint_words
from .exact import BLOCK, ExactPaths, bodies_of
from .exact_dynamics import ExactDynamics, Needed, Others

#: What is computed of reactions in a block of frames, by the field of JointReactions that it becomes.
PARTS = {name: f"joint_{name}" for name in ("effect", "constant", "rotation", "place", "origin")}


@dataclass(frozen=True, eq=False)
class ReactionMap:
    """Which joints' reactions are computed, of a model whose muscles have exact paths.

    ``determined`` are the coordinates that constraints and couplers determine, ``weight`` in N is the model's.
    """

    paths: ExactPaths
    dynamics: ExactDynamics
    joints: TreeJoints
    determined: Sequence[int]
    weight: float

    @property
    def multibody(self) -> Multibody:
        """The model's mechanics."""
        return self.dynamics.multibody

    @cached_property
    def moved(self) -> Index:
        """Coordinates that constraints balance: generalized forces about them pass through joints in loops."""
        return followed_by(self.multibody, self.determined) if self.joints.looped.any() else np.zeros(0, dtype=np.intp)

    @cached_property
    def laws(self) -> dict[str, ForceLaw]:
        """Actuators of the model that transmit something through any of the joints, by name."""
        return {law.name: law for law in self.multibody.actuators if self._by_actuator(law).any()}

    @cached_property
    def pairs(self) -> tuple[Index, Index]:
        """Joint and source (P,) of the pairs: muscles, then actuators."""
        spanned = np.asarray(self.paths.spanned[self.moved].any(axis=0))
        columns = [
            self._between(bodies_of(self.paths.described, self.paths.path(name))) | (self.joints.looped & acts)
            for name, acts in zip(self.paths.muscles, spanned, strict=True)
        ]
        columns += [self._by_actuator(law) for law in self.laws.values()]
        acting = np.array(columns, dtype=bool).reshape(len(columns), len(self.joints.names))
        joint, source = np.nonzero(acting.T)
        return joint, source

    def _between(self, bodies: Sequence[int]) -> Mask:
        """(J,) joints between bodies."""
        beyond = self.joints.beyond[:, list(bodies)]
        return np.asarray(beyond.any(axis=1) & ~beyond.all(axis=1))

    def _by_actuator(self, law: ForceLaw) -> Mask:
        """(J,) joints through which an actuator transmits something."""
        moved = np.isin(np.arange(len(self.multibody.coordinates)), self.moved)
        if law.kind in ON_COORDINATE:  # on a speed, which is about all coordinates of a ball joint
            joint = layout(self.multibody).joint
            return self.joints.looped & bool(moved[joint == joint[law.coordinate]].any())
        bodies, pushed = list(law.bodies), np.zeros_like(moved)
        if law.kind in ALONG_PATH:
            path = self.dynamics.paths.others[law.path - len(self.dynamics.paths.muscles)]
            bodies, pushed[path.mover[path.mover >= 0]] = bodies_of(self.dynamics.paths, path), True
        spans = layout(self.multibody).beyond[bodies].any(axis=0) | pushed
        through = self._between(bodies) if len(bodies) > 1 else self.joints.beyond[:, bodies[0]]
        return np.asarray(through | (self.joints.looped & bool((spans & moved).any())))

    def block(self, at: Posture, solved: Sequence[SolvedPaths], needed: Needed, others: Others) -> dict[str, Tensor]:
        """Arrays (T, …) of postures with their paths, by the names of ``PARTS``."""
        loops = loops_at(at, self.determined)[0] if self.joints.looped.any() else None
        through = self._without_tension(needed, others, at)
        effect = self._effect(self._lines(at, solved, others))
        if loops is not None:
            effect = effect - loops.passing(self.joints, self._about_speeds(at, solved, others))[self.pairs]
        ends = self.joints.ends
        return {
            PARTS["effect"]: frames_first(on_children(at, self.joints, self.pairs[0], effect)),
            PARTS["constant"]: frames_first(needed_reactions(at, self.joints, through, loops, needed.force)),
            PARTS["rotation"]: frames_first(at.rotations[ends]),
            PARTS["place"]: frames_first(places(at, self.joints)),
            PARTS["origin"]: frames_first(at.positions[ends]),
        }

    def whole(self, arrays: Mapping[str, Array]) -> JointReactions:
        """The reactions of all frames, from the arrays of the blocks."""
        bodies = [tuple(self.multibody.tree.bodies[end] for end in ends) for ends in self.joints.ends.tolist()]
        return JointReactions(
            joints=self.joints.names,
            bodies=tuple((parent, child) for parent, child in bodies),
            muscles=self.paths.muscles,
            actuators=tuple(self.laws),
            pair_joint=self.pairs[0],
            pair_source=self.pairs[1],
            effect=arrays[PARTS["effect"]],
            constant=arrays[PARTS["constant"]],
            rotation=arrays[PARTS["rotation"]],
            place=arrays[PARTS["place"]],
            origin=arrays[PARTS["origin"]],
            body_weight=self.weight,
        )

    def _without_tension(self, needed: Needed, others: Others, at: Posture) -> Tensor:
        """Wrenches (B, 6, T) through the joints above bodies, less those of the model's forces along paths."""
        if not needed.tension:
            return needed.through
        xp, first = namespace(at.positions), len(self.dynamics.paths.muscles)
        none, count = xp.zeros_like(at.positions[0, 0]), len(self.dynamics.paths.others)
        tension = xp.stack([needed.tension.get(first + row, none) for row in range(count)], axis=1)
        pulls = wrenches(others.solved, tension, len(at.positions))
        return needed.through - combine(layout(self.multibody).subtree.astype(float), pulls)

    def _effect(self, lines: Lines) -> Tensor:
        """Wrenches (P, 6, T) that pass through the joints, less what unit forces do to the bodies beyond."""
        xp, (joint, source), found = namespace(lines.value), self.pairs, []
        for row, beyond in enumerate(self.joints.beyond.astype(int)):
            own, sign = source[joint == row], beyond[lines.end] - beyond[lines.start]
            chosen = np.flatnonzero(sign)
            weights = (lines.path[chosen] == own[:, None]) * sign[chosen].astype(float)
            pulled = xp.take(lines.value, alike(chosen, lines.value), axis=1)
            found.append(xp.moveaxis(xp.matmul(alike(weights, pulled), pulled), 0, 1))
        return xp.concat(found) if found else xp.moveaxis(lines.value[:, :0], 0, 1)

    def _lines(self, at: Posture, solved: Sequence[SolvedPaths], others: Others) -> Lines:
        """Along which lines unit forces of the sources act on which bodies; of those on one body, the end is ground."""
        found, first = [one.lines for one in solved], len(self.paths.muscles)
        for number, law in enumerate(self.laws.values(), start=first):
            size = parameter(law, "optimal_force", at.positions)
            if law.kind in ALONG_PATH:
                lines = joined([one.lines for one in others.solved])
                rows = np.flatnonzero(lines.path == law.path - len(self.dynamics.paths.muscles))
                found.append(_lines_of(number, size * lines.value[:, rows], lines.start[rows], lines.end[rows]))
            elif law.kind in ON_BODIES:
                parts = size * namespace(at.positions).stack(ON_BODIES[law.kind](law, at), axis=1)
                found.append(_lines_of(number, parts, np.array(law.bodies), np.zeros(len(law.bodies), dtype=np.intp)))
        none = self.pairs[0][:0]
        return (
            joined(found) if found else _lines_of(0, namespace(at.columns).moveaxis(at.columns[:0], 0, 1), none, none)
        )

    def _about_speeds(self, at: Posture, solved: Sequence[SolvedPaths], others: Others) -> Tensor:
        """Generalized forces (N, S, T) about speeds of unit forces of the sources."""
        xp, size = namespace(at.positions), len(self.multibody.coordinates)
        arms = moment_arms(self.paths.arrangement, solved, at).dense(len(self.paths.muscles), size)
        every = [law.name for law in self.multibody.actuators]
        own = effects(self.multibody, at, at.columns, at.beyond, others.arms)
        chosen = [every.index(name) for name in self.laws]
        return xp.concat([xp.permute_dims(arms, (1, 2, 0)), own[:, chosen]], axis=1)


def reacting_joints(
    multibody: Multibody, names: str | Sequence[str] | None, motion: Kinematics, determined: Sequence[int]
) -> TreeJoints:
    """The joints of these names, patterns or sides, by default all.

    Of those that are not named the motion must determine the reactions; a warning names the others, which are left out.

    Raises
    ------
    InputError
        An unknown joint.
    ModelError
        A joint of these names whose reaction the motion does not determine, or loops that are not described in arrays.
    """
    known = find_joints(multibody).names
    joints = find_joints(multibody, chosen_joints(names, known))
    named = [name for name in joints.names if name in joint_words(names)]
    if not joints.looped.any():
        return joints
    starts = range(0, len(motion.time), BLOCK)
    blocks = [posture(multibody, motion.value[start : start + BLOCK]) for start in starts]
    loose = np.concatenate([undetermined(at, joints, determined) for at in blocks], axis=1)
    refuse_undetermined(multibody, named, loose[[joints.names.index(name) for name in named]], motion.time)
    if loose.any():
        left = [name for name, own in zip(joints.names, loose, strict=True) if own.any()]
        constraints = some(f"'{constraint.name}'" for constraint in multibody.constraints)
        warn(f"Joints without reactions, since the motion does not say how {constraints} load them: {some(left)}.")
    return joints.select(np.flatnonzero(~loose.any(axis=1)))


def _lines_of(source: int, value: Tensor, start: Index, end: Index) -> Lines:
    """Lines of one source."""
    nowhere = np.full(len(start), -1)
    return Lines(value, np.full(len(start), source), start, end, nowhere, nowhere)
