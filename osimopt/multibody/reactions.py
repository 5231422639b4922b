"""Forces that joints transmit, affine in the forces on bodies, with those of the constraints that close loops.

A joint transmits what the bodies beyond it need for their motion, less what else acts on them. So a generalized force
on a coordinate, which acts at its own joint, transmits nothing through joints of an open tree. In loops it does:
constraints balance the coordinates that loops determine, and their multipliers are affine in all forces there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ModelError, check_names, explain, some
from ..namespace import alike, first_true, namespace
from ..problem.arrays import Array, Index
from .constraints import ConstraintRows, constraint_jacobian, constraint_rows
from .couplers import coupled_rates
from .description import Mask, Multibody
from .kinematics import Posture
from .layout import layout
from .loops import RANK
from .placement import Placed
from .rates import speeds_at
from .vectors import Tensor, apply_fixed, combine, cross


@dataclass(frozen=True, eq=False)
class TreeJoints:
    """J joints of a model, in its tree of bodies.

    ``body`` (J,) is the body above which each is in the tree, ``ends`` (J, 2) are the bodies of parent and child as
    OpenSim defines the joint, ``frames`` (J, 2, 3) m the origins of its frames on these, ``sign`` (J,) is -1 where the
    child is the one nearer to ground. ``beyond`` (J, B) are the bodies that the joint carries, ``looped`` (J,) joints
    through which forces of constraints pass.
    """

    names: tuple[str, ...]
    body: Index
    ends: Index
    frames: Array
    sign: Array
    beyond: Mask
    looped: Mask

    def select(self, rows: Index) -> TreeJoints:
        """Some of the joints."""
        names = tuple(self.names[row] for row in rows.tolist())
        arrays: dict[str, Any] = {name: array[rows] for name, array in vars(self).items() if name != "names"}
        return TreeJoints(names, **arrays)


@dataclass(frozen=True, eq=False)
class LoopForces:
    """How the constraints of loops balance the coordinates that they determine.

    ``moves`` (N, D, T) are the speeds of all joints per rate of these coordinates D, ``inverse`` (T, R, D) gives
    least-norm multipliers of the R ``rows`` of generalized forces about them.
    """

    rows: ConstraintRows
    moves: Tensor
    inverse: Tensor

    def passing(self, joints: TreeJoints, needed: Tensor) -> Tensor:
        """Wrenches (J, K, 6, T) through joints that constraints add.

        ``needed`` (N, K, T) are generalized forces about speeds, which constraints must give.
        """
        xp, rows = namespace(needed), self.rows
        about = xp.einsum("ndt,nkt->dkt", self.moves, needed)
        multiplier = xp.einsum("trd,dkt->rkt", self.inverse, about)
        weights = alike(-_carried(joints, rows), needed)
        return xp.einsum("jr,rct,rkt->jkct", weights, rows.wrenches, multiplier)


def find_joints(multibody: Multibody, names: Sequence[str] | None = None) -> TreeJoints:
    """Joints by name, by default all.

    Raises
    ------
    InputError
        An unknown joint.
    ModelError
        A loop that is not described in arrays.
    """
    tree = multibody.tree
    known = tuple(dict.fromkeys(tree.joints[1:]))
    chosen = known if names is None else tuple(names)
    check_names("joints", chosen, known)
    missing = multibody.gaps("constraint") + (multibody.gaps("coupler") if multibody.constraints else [])
    if missing:
        fix = "Ask OpenSim for the reactions of this model."
        raise ModelError(explain("loops that are described in arrays", some(missing), fix))
    body = np.array([max(i for i, joint in enumerate(tree.joints) if joint == name) for name in chosen], dtype=np.intp)
    inboard, outboard = alike(tree.inboard, tree.outboard), alike(tree.outboard, tree.inboard)
    xp, ends, frames = namespace(inboard), np.zeros((len(body), 2), dtype=np.intp), list[Tensor]()
    for row, outer in enumerate(body.tolist()):
        inner, first, second = int(tree.parent[outer]), inboard[outer], outboard[outer]
        if not tree.bodies[inner]:  # a scapulothoracic joint, whose second part turns at another place in its frame
            second, first = second @ xp.linalg.inv(first), inboard[inner]
            inner = int(tree.parent[inner])
        order = -1 if tree.backward[outer] else 1
        ends[row] = (inner, outer)[::order]
        frames += [first[:3, 3], second[:3, 3]][::order]
    origins = xp.reshape(xp.stack([inboard[0, :3, 3], *frames])[1:], (-1, 2, 3))
    beyond, sign = layout(multibody).subtree[body], np.where(tree.backward[body], -1.0, 1.0)
    first, second = np.array([one.bodies for one in multibody.constraints], dtype=np.intp).reshape(-1, 2).T
    looped = (beyond[:, first] != beyond[:, second]).any(axis=1)
    return TreeJoints(chosen, body, ends, origins, sign, beyond, looped)


def followed_by(multibody: Multibody, determined: Sequence[int]) -> Index:
    """Coordinates that loops determine, of those that the model determines, and the coupled ones that follow these."""
    followers = {coupler.dependent for coupler in multibody.couplers}
    found = sorted(set(determined) - followers)
    for coupler in multibody.couplers:
        found += [coupler.dependent] if coupler.independent in found else []
    return np.array(found, dtype=np.intp)


def loops_at(posture: Posture, determined: Sequence[int]) -> tuple[LoopForces, Tensor]:
    """The loops of a model, and the part (R, R, T) of the multipliers that they leave open.

    ``determined`` are the coordinates that constraints and couplers determine.
    """
    multibody, xp = posture.multibody, namespace(posture.positions)
    rows, followers = constraint_rows(posture), {coupler.dependent for coupler in multibody.couplers}
    dependents = [index for index in determined if index not in followers]
    moves = speeds_at(multibody, posture.value, coupled_rates(multibody, posture.value)[:, dependents])
    acts = xp.einsum("ndt,rnt->tdr", moves, constraint_jacobian(posture, rows))
    known = ~xp.any(xp.any(xp.isnan(acts), axis=2), axis=1)[:, None, None]
    acts = xp.where(known, acts, xp.zeros_like(acts))
    inverse = _inverse(acts) if dependents else xp.matrix_transpose(acts)
    loose = alike(np.eye(acts.shape[2]), acts) - xp.matmul(inverse, acts)
    return LoopForces(rows, moves, inverse), xp.moveaxis(xp.where(known, loose, xp.zeros_like(loose)), 0, -1)


def _inverse(matrix: Tensor) -> Tensor:
    """Pseudoinverses (T, R, D) of matrices (T, D, R) in m and rad, in which 1 is large, also where all is nearly 0."""
    xp = namespace(matrix)
    size = xp.linalg.svdvals(matrix)[:, 0]
    one = xp.ones_like(size)
    return xp.linalg.pinv(matrix, rtol=RANK * xp.maximum(size, one) / xp.where(size > 0.0, size, one))


def _carried(joints: TreeJoints, rows: ConstraintRows) -> Array:
    """(J, R) by which sign a joint carries the force of a constraint: 0 where both its bodies are on one side."""
    beyond = joints.beyond.astype(float)
    return np.asarray(beyond[:, rows.second] - beyond[:, rows.first])


def undetermined(posture: Posture, joints: TreeJoints, determined: Sequence[int]) -> Tensor:
    """(J, T) through which joints forces pass that the motion does not determine."""
    loops, loose = loops_at(posture, determined)
    xp, weights = namespace(loose), _carried(joints, loops.rows)
    found = xp.zeros_like(posture.positions[0, 0]) + alike(np.zeros((len(joints.names), 1)), posture.positions)
    for row in range(loose.shape[0]):
        passing = combine(weights, loops.rows.wrenches * loose[:, row][:, None])
        found = xp.maximum(found, xp.max(xp.abs(passing), axis=1))
    return found > RANK


def refuse_undetermined(multibody: Multibody, names: Sequence[str], loose: Tensor, time: Tensor) -> None:
    """Refuse joints whose reactions the motion does not determine: ``loose`` (J, T), as :func:`undetermined` has it.

    Raises
    ------
    ModelError
        There is one.
    """
    xp = namespace(loose)
    wrong = [name for name, own in zip(names, loose, strict=True) if bool(xp.any(own))]
    if not wrong:
        return
    frames = xp.any(loose, axis=0)
    at = "" if bool(xp.all(frames)) else f" at {float(time[first_true(frames)]):g} s"
    constraints = some(f"'{constraint.name}'" for constraint in multibody.constraints)
    fix = "Replace the constraint by one of fewer equations, or a joint of the loop by one that moves more freely."
    got = f"{some(wrong)}, in a loop whose forces{at} {constraints} share with joints in any way"
    raise ModelError(explain("joints whose reactions the motion determines", got, fix))


def needed_reactions(
    posture: Placed, joints: TreeJoints, through: Tensor, loops: LoopForces | None = None, needed: Tensor | None = None
) -> Tensor:
    """Reactions (J, 6, T) of joints on children, as :func:`on_children` has them.

    ``through`` (B, 6, T) are the wrenches through the joints above bodies of a tree (:func:`.dynamics.transmitted`).
    Constraints of ``loops`` add what gives the generalized forces ``needed`` (N, T) about the speeds.
    """
    passing = through[joints.body]
    if loops is not None and needed is not None:
        passing = passing + loops.passing(joints, needed[:, None])[:, 0]
    return on_children(posture, joints, np.arange(len(joints.names)), passing)


def on_children(posture: Placed, joints: TreeJoints, number: Index, passing: Tensor) -> Tensor:
    """Reactions (P, 6, T) on children, force first, of wrenches (P, 6, T) that pass through joints ``number`` (P,).

    They are in ground's axes, moments about the origin of the joint's frame on the child.
    """
    xp = namespace(passing)
    place, sign = places(posture, joints)[:, 1], alike(joints.sign[number], passing)[:, None, None]
    moment, force = passing[:, :3], passing[:, 3:]
    return sign * xp.concat([force, moment - cross(place[number], force)], axis=1)


def places(posture: Placed, joints: TreeJoints) -> Tensor:
    """Places (J, 2, 3, T) m in ground of the joints' frames on parents and children."""
    frames = alike(joints.frames, posture.positions)
    sides = [posture.positions[joints.ends[:, i]] for i in (0, 1)]
    turned = [apply_fixed(posture.rotations[joints.ends[:, i]], frames[:, i]) for i in (0, 1)]
    return namespace(frames).stack([one + other for one, other in zip(sides, turned, strict=True)], axis=1)
