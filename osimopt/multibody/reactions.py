"""Forces that joints transmit, with those of the constraints that close loops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InputError, ModelError, check_names, explain, some
from ..namespace import alike, frames_first, frames_last, namespace
from .constraints import ConstraintRows, constraint_jacobian, constraint_rows
from .couplers import coupled_rates
from .dynamics import about_speeds, transmitted
from .kinematics import Posture, Velocity
from .layout import layout
from .loops import RANK
from .rates import speeds_at
from .vectors import Tensor, apply_fixed, combine, cross, moment_and_force


def joint_reactions(
    posture: Posture, moving: Velocity, joints: Sequence[str], free: Sequence[int] = (),
    wrenches: Tensor | None = None, force: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Reactions (T, J, 6) of joints on their children: moments about the origin of the joint's frame there, and forces.

    They are in ground's axes, N·m and N, and hold all that passes the joint, also what actuators on its coordinates do,
    as in OpenSim's JointReaction.

    Parameters
    ----------
    posture, moving : Posture, Velocity
        The motion, with accelerations.
    joints : sequence of str
    free : sequence of int
        Coordinates that move freely and those that loops determine: neither locked nor prescribed. Only for loops.
    wrenches : array (T, B, 6), optional
        Applied moments about ground's origin and forces on bodies, beside gravity.
    force : array (T, N), optional
        Applied generalized forces about the speeds, of actuators on coordinates. Only for loops.

    Raises
    ------
    InputError
        An unknown joint, or no ``free`` coordinates for a model with loops.
    ModelError
        A joint in a loop whose constraints leave its reaction undetermined; a loop that is not described in arrays.
    """
    multibody, xp = posture.multibody, namespace(posture.positions)
    tree = multibody.tree
    check_names("joints", joints, tree.joints[1:])
    missing = multibody.gaps("constraint") + (multibody.gaps("coupler") if multibody.constraints else [])
    if missing:
        fix = "Ask OpenSim for the reactions of this model."
        raise ModelError(explain("loops that are described in arrays", some(missing), fix))
    through = transmitted(posture, moving, wrenches)
    if multibody.constraints:
        if not free:
            fix = "They carry the forces of the constraints: name the free ones and those that loops determine."
            raise InputError(explain("coordinates that move, for a model with loops of bodies", "none", fix))
        rows = constraint_rows(posture)
        multiplier, loose = _multipliers(posture, rows, about_speeds(posture, through), free, force)
        _refuse_loose(posture, rows, loose, joints)
        through = through - _on_bodies(posture, rows, multiplier)
    found = []
    for name in joints:
        body = max(index for index, joint in enumerate(tree.joints) if joint == name)
        back, parent = bool(tree.backward[body]), int(tree.parent[body])
        child, frame = (parent, tree.inboard[body]) if back else (body, tree.outboard[body])
        frame = alike(frame, posture.positions)
        if not tree.bodies[parent]:  # a scapulothoracic joint, whose second part turns at another place in its frame
            frame = frame @ xp.linalg.inv(alike(tree.inboard[body], posture.positions))
        place = posture.positions[child] + apply_fixed(posture.rotations[child], frame[:3, 3])
        wrench = -through[body] if back else through[body]
        found.append(moment_and_force(wrench[:3] - cross(place, wrench[3:]), wrench[3:]))
    return frames_first(xp.stack(found))


def _on_bodies(posture: Posture, rows: ConstraintRows, multiplier: Tensor) -> Tensor:
    """Wrenches (B, 6, T) of constraints that pass through the joints above bodies."""
    subtree = layout(posture.multibody).subtree.astype(float)
    return combine(subtree[:, rows.second] - subtree[:, rows.first], rows.wrenches * multiplier[:, None])


def _multipliers(
    posture: Posture, rows: ConstraintRows, needed: Tensor, free: Sequence[int], force: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Least-norm multipliers (R, T) that balance the free coordinates, and the part (R, R, T) that they leave open."""
    multibody, xp = posture.multibody, namespace(needed)
    if force is not None:
        needed = needed - frames_last(force)
    followers = {coupler.dependent for coupler in multibody.couplers}
    movable = [index for index in free if index not in followers]
    moves = speeds_at(multibody, posture.value, coupled_rates(multibody, posture.value)[:, movable])
    acts = xp.einsum("nft,rnt->tfr", moves, constraint_jacobian(posture, rows))
    balance = xp.einsum("nft,nt->tf", moves, needed)
    known = ~xp.any(xp.any(xp.isnan(acts), axis=2), axis=1)
    inverse = xp.linalg.pinv(xp.where(known[:, None, None], acts, xp.zeros_like(acts)), rtol=RANK)
    multiplier = xp.einsum("trf,tf->rt", inverse, balance)
    loose = alike(np.eye(acts.shape[2]), acts) - xp.einsum("trf,tfs->trs", inverse, acts)
    return multiplier, xp.moveaxis(xp.where(known[:, None, None], loose, xp.zeros_like(loose)), 0, -1)


def _refuse_loose(posture: Posture, rows: ConstraintRows, loose: Tensor, joints: Sequence[str]) -> None:
    """Refuse joints on which multipliers act that the motion does not determine."""
    xp, tree = namespace(loose), posture.multibody.tree
    if not loose.shape[0]:
        return
    size = [xp.max(xp.abs(_on_bodies(posture, rows, loose[:, index])), axis=(1, 2)) for index in range(loose.shape[1])]
    open_bodies = np.asarray([bool(one > RANK) for one in xp.max(xp.stack(size), axis=0)])
    open_joints = {tree.joints[body] for body in np.flatnonzero(open_bodies)}
    if wrong := [name for name in joints if name in open_joints]:
        names = some(f"'{constraint.name}'" for constraint in posture.multibody.constraints)
        fix = "Replace the constraint by one of fewer equations, or a joint of the loop by one that moves more freely."
        got = f"{some(wrong)}, in a loop whose forces {names} share with joints in any way"
        raise ModelError(explain("joints whose reactions the motion determines", got, fix))
