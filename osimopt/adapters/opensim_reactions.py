"""What joints transmit along OpenSim's muscle paths, or where OpenSim computes the dynamics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from ..errors import ModelError, explain, some
from ..multibody.description import Multibody
from ..multibody.dynamics import about_speeds, needed_by_bodies
from ..multibody.gaps import without_gaps
from ..multibody.kinematics import Posture, Velocity, posture
from ..multibody.layout import layout
from ..multibody.placement import Placed
from ..multibody.reactions import LoopForces, TreeJoints, loops_at, needed_reactions, on_children, places
from ..multibody.vectors import combine, cross, moment_and_force
from ..namespace import alike, frames_first, frames_last, namespace
from ..paths.lines import joined
from ..problem.arrays import Array, Index, Kinematics
from ..problem.reactions import JointReactions
from .arrays import CHUNK
from .exact import ExactPaths
from .exact_reactions import ReactionMap, reacting_joints
from .messages import BodyForces, Pulls
from .model import Model

#: Of the largest wrench of a source: what passes a joint by rounding.
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Poses:
    """Where bodies are: ``rotations`` (B, 3, 3, T) and ``positions`` (B, 3, T) m."""

    rotations: Array
    positions: Array


def reactions_by_opensim(
    model: Model, motion: Kinematics, joints: Sequence[str] | None, muscles: Sequence[int], exact: ExactPaths | None,
    n_jobs: int,
) -> JointReactions:  # fmt: skip
    """What joints transmit with OpenSim's dynamics, by ``muscles`` along their ``exact`` paths or else OpenSim's.

    Exact paths with moving points are OpenSim's, too: constraints of loops have to know what pushes coordinates.

    Raises
    ------
    InputError
        An unknown joint.
    ModelError
        A joint whose reaction the motion does not determine, a muscle path without points, or loops of bodies in a
        model with joints that are not described in arrays.
    """
    multibody, gaps = without_gaps(model.described.multibody)
    determined = model.description.of_kind("coupled")
    chosen = reacting_joints(multibody, joints, motion, determined)
    if chosen.looped.any() and gaps:
        fix = "Replace their joints by CustomJoints."
        got = f"{some([name for name, _ in gaps])}, and loops of bodies"
        raise ModelError(explain("joints that are described in arrays, for joint reactions", got, fix, model.path))
    found = _body_forces(model, motion, n_jobs)
    chosen = replace(chosen, frames=np.array([found.joint_frames[name] for name in chosen.names]).reshape(-1, 2, 3))
    bodies, moving, applied = _in_tree(multibody, found)
    through = combine(layout(multibody).subtree.astype(float), needed_by_bodies(multibody, bodies, moving) - applied)
    at = posture(multibody, motion.value) if chosen.looped.any() else None
    loops = force = None
    if at is not None:
        loops, force = loops_at(at, determined)[0], about_speeds(at, through) - frames_last(found.generalized)
    names = tuple(model.description.muscles.names[index] for index in muscles)
    actuators = tuple(actuator.name for actuator in model.description.actuators)
    parts = _muscle_pulls(model, motion, muscles, exact, n_jobs)
    if actuators:
        parts.append(_pulls(model, "actuator_pulls", motion, n_jobs))
    pair_joint, pair_source, effect = columns(bodies, chosen, multibody, parts, names + actuators, at, loops)
    ends, tree = chosen.ends, multibody.tree.bodies
    return JointReactions(
        joints=chosen.names,
        bodies=tuple((tree[parent], tree[child]) for parent, child in ends.tolist()),
        muscles=names,
        actuators=actuators,
        pair_joint=pair_joint,
        pair_source=pair_source,
        effect=effect,
        constant=frames_first(needed_reactions(bodies, chosen, through, loops, force)),
        rotation=frames_first(bodies.rotations[ends]),
        place=frames_first(places(bodies, chosen)),
        origin=frames_first(bodies.positions[ends]),
        body_weight=model.description.weight,
    )


def _muscle_pulls(
    model: Model, motion: Kinematics, muscles: Sequence[int], exact: ExactPaths | None, n_jobs: int
) -> list[Pulls]:
    """What unit tensions do: along exact paths without moving points by arrays, else along OpenSim's."""
    every, still = model.description.muscles.names, () if exact is None else exact.still
    parts, others = [], tuple(index for index in muscles if every[index] not in still)
    if others:
        parts.append(_pulls(model, "pulls", motion, n_jobs, others))
    own = [every[index] for index in muscles if every[index] in still]
    if exact is not None and own:
        parts.append(exact_pulls(exact.select(own), motion))
    return parts


def with_pulls(
    known: JointReactions, model: Model, by_arrays: ReactionMap, motion: Kinematics, muscles: Sequence[int], n_jobs: int
) -> JointReactions:
    """The reactions that arrays give, with columns of further muscles along OpenSim's paths.

    Raises
    ------
    ModelError
        A muscle path without points.
    """
    names = [model.description.muscles.names[index] for index in muscles]
    joints, at = by_arrays.joints, posture(by_arrays.multibody, motion.value)
    loops = loops_at(at, by_arrays.determined)[0] if joints.looped.any() else None
    parts = [_pulls(model, "pulls", motion, n_jobs, tuple(muscles))]
    joint, source, effect = columns(at, joints, at.multibody, parts, names, at, loops)
    own = len(known.muscles)
    moved = np.where(known.pair_source < own, known.pair_source, known.pair_source + len(names))
    pair_joint = np.concatenate([known.pair_joint, joint])
    order = np.argsort(pair_joint, kind="stable")
    return replace(
        known,
        muscles=known.muscles + tuple(names),
        pair_joint=pair_joint[order],
        pair_source=np.concatenate([moved, own + source])[order],
        effect=namespace(known.effect).concat([known.effect, alike(effect, known.effect)], axis=1)[:, order],
    )


def columns(
    bodies: Placed, joints: TreeJoints, multibody: Multibody, parts: Sequence[Pulls], sources: Sequence[str],
    at: Posture | None, loops: LoopForces | None,
) -> tuple[Index, Index, Array]:  # fmt: skip
    """Joint and source (P,) of the pairs that transmit anything, and what (T, P, 6): on the child, in ground's axes.

    Constraints of ``loops``, in the postures ``at``, balance what the sources do to coordinates.
    """
    beyond, subtree = joints.beyond.astype(float), layout(multibody).subtree.astype(float)
    pair_joint, pair_source, found = list[int](), list[int](), list[Array]()
    for source, name in enumerate(sources):
        wrench, generalized = _of_source(parts, name, bodies.positions, multibody)
        passing = -np.einsum("jb,bct->jct", beyond, wrench)
        if loops is not None and at is not None:
            about = generalized + about_speeds(at, combine(subtree, wrench))
            passing = passing - loops.passing(joints, about[:, None])[:, 0]
        size = np.abs(passing).max(axis=(1, 2), initial=0.0)
        for joint in np.flatnonzero(size > ROUNDING * max(1.0, np.abs(wrench).max())).tolist():
            pair_joint.append(joint)
            pair_source.append(source)
            found.append(passing[joint])
    order = np.argsort(np.array(pair_joint, dtype=np.intp), kind="stable")
    joints_of, acting = np.array(pair_joint, dtype=np.intp)[order], np.array(pair_source, dtype=np.intp)[order]
    effect = np.array(found).reshape(len(order), 6, bodies.positions.shape[-1])[order]
    return joints_of, acting, frames_first(on_children(bodies, joints, joints_of, effect))


def exact_pulls(paths: ExactPaths, motion: Kinematics) -> Pulls:
    """What unit tensions along exact paths do to bodies, of muscles without moving points."""
    _, solved = paths.solve(motion.value)
    lines, tree = joined([one.lines for one in solved]), paths.multibody.tree.bodies
    on, found = list[tuple[str, str]](), list[Array]()
    for number, name in enumerate(paths.muscles):
        own = lines.path == number
        for body in np.unique([*lines.start[own], *lines.end[own]]).tolist():
            weights = own * ((lines.start == body).astype(float) - (lines.end == body))
            on.append((name, tree[body]))
            found.append(np.einsum("l,clt->tc", weights, lines.value))
    return Pulls(tuple(on), np.stack(found, axis=1), (), np.zeros((len(motion.time), 0)))


def _of_source(parts: Sequence[Pulls], name: str, like: Array, multibody: Multibody) -> tuple[Array, Array]:
    """The wrenches (B, 6, T) of a source on bodies, and its generalized forces (N, T)."""
    bodies, frames = multibody.tree.bodies, like.shape[-1]
    wrench, generalized = np.zeros((len(bodies), 6, frames)), np.zeros((len(multibody.coordinates), frames))
    for part in parts:
        for row in [row for row, (source, _) in enumerate(part.on) if source == name]:
            wrench[bodies.index(part.on[row][1])] += part.wrench[:, row].T
        for row in [row for row, (source, _) in enumerate(part.about) if source == name]:
            generalized[part.about[row][1]] += part.generalized[:, row]
    return wrench, generalized


def _in_tree(multibody: Multibody, found: BodyForces) -> tuple[Poses, Velocity, Array]:
    """Poses and velocities of the bodies of the tree, and wrenches (B, 6, T) about ground's origin on them."""
    rows = np.array([found.bodies.index(name or "ground") for name in multibody.tree.bodies], dtype=np.intp)
    pose = frames_last(found.pose[:, rows])
    bodies = Poses(pose[:, :, :3], pose[:, :, 3])
    velocity, acceleration, applied = (
        frames_last(array[:, rows]) for array in (found.velocity, found.acceleration, found.applied)
    )
    spin, turning, here = velocity[:, :3], acceleration[:, :3], bodies.positions
    shift = velocity[:, 3:] - cross(spin, here)
    change = acceleration[:, 3:] - cross(turning, here) - cross(spin, velocity[:, 3:])
    moment = applied[:, :3] + cross(here, applied[:, 3:])
    own = np.array([bool(name) for name in multibody.tree.bodies])[:, None, None]  # others are OpenSim's own
    moving = Velocity(moment_and_force(spin, shift), moment_and_force(turning, change))
    return bodies, moving, np.where(own, moment_and_force(moment, applied[:, 3:]), 0.0)


def _body_forces(model: Model, motion: Kinematics, n_jobs: int) -> BodyForces:
    chunks = cast(list[BodyForces], _in_chunks(model, "body_forces", motion, n_jobs))
    return replace(chunks[0], **_joined(chunks, "pose", "velocity", "acceleration", "applied", "generalized"))


def _pulls(model: Model, function: str, motion: Kinematics, n_jobs: int, *arguments: Any) -> Pulls:
    chunks = cast(list[Pulls], _in_chunks(model, function, motion, n_jobs, *arguments))
    return replace(chunks[0], **_joined(chunks, "wrench", "generalized"))


def _joined(chunks: Sequence[Any], *names: str) -> dict[str, Any]:
    """Arrays of all frames by name."""
    return {name: np.concatenate([getattr(one, name) for one in chunks]) for name in names}


def _in_chunks(model: Model, function: str, motion: Kinematics, n_jobs: int, *arguments: Any) -> list[Any]:
    """What a function of ``worker.reactions`` returns of each chunk of frames."""
    starts = range(0, len(motion.time), CHUNK)
    calls = [(motion.frames(slice(start, start + CHUNK)), *arguments) for start in starts]
    return list(model.run_many(f"reactions:{function}", calls, n_jobs))
