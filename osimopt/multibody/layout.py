"""What of a tree of bodies does not depend on the posture: which bodies move with which speeds, in plain indices."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from ..errors import ModelError, explain, some
from ..problem.arrays import Array, Index
from .description import Mask, Multibody, Tree
from .functions import evaluate

#: Kinds of joints whose speeds are not the rates of their coordinates.
TURNING = ("ball", "free", "ellipsoid")


@dataclass(frozen=True, eq=False)
class TreeLayout:
    """Indices into the arrays of a tree of B bodies and N coordinates.

    A axes have functions, in the order: first, second, third rotations of the bodies, translations. ``body`` and
    ``place`` (A,) say where in ``Tree.axes`` they stand, ``function`` and ``coordinate`` (A,) what they are functions
    of. Angles and shifts are numbered in one row: the A functions, the N coordinates, and a zero. ``turns`` holds for
    each body's first, second and third rotation the bodies, places of axes and numbers of angles; ``shift`` (B, 3) are
    numbers of shifts; ``directed`` (A,) places of the axes among those of ``turns`` and then the translations.

    S screws are axes that move with a coordinate: ``screw_axis`` (S,) are numbers of axes, the first ``rotating`` of
    them rotations. Joints with speeds of their own move as one: ``turning`` are their bodies. ``fixed`` (B,) are the
    bodies on which the first frames of the joints are. ``moves`` (B, S + J) has 1 where a screw or such a joint moves a
    body, ``before`` (S + J, S + J) where one moves what another is fixed on. ``adds`` (N, S + the speeds of such
    joints) has 1 where a speed moves them. ``joint`` (N,) is the body above which each coordinate's joint is,
    ``beyond`` (B, N) where a speed moves a body, ``subtree`` (B, B) whether the second body is beyond the joint of the
    first.
    """

    body: Index
    place: Index
    function: Index
    coordinate: Index
    turns: tuple[tuple[Index, Index, Index], ...]
    shift: Index
    directed: Index
    screw_axis: Index
    rotating: int
    turning: tuple[int, ...]
    fixed: Index
    moves: Array
    before: Array
    adds: Array
    joint: Index
    beyond: Mask
    subtree: Mask


def layout(multibody: Multibody) -> TreeLayout:
    """The indices of a model.

    Raises
    ------
    ModelError
        A joint is not described.
    """
    found = _KNOWN.get(multibody)
    if found is None:
        found = _KNOWN[multibody] = _layout(multibody)
    return found


#: Of models that are in use: those whose arrays have gradients are made anew all the time.
_KNOWN: WeakKeyDictionary[Multibody, TreeLayout] = WeakKeyDictionary()


def _layout(multibody: Multibody) -> TreeLayout:
    tree, size = multibody.tree, len(multibody.coordinates)
    if missing := multibody.gaps("joint"):
        fix = "Use geometry='opensim', or another class of joint."
        raise ModelError(explain("joints that are described in arrays", some(missing), fix))
    bodies = len(tree.parent)
    own = np.array([kind in TURNING for kind in tree.kind], dtype=bool)
    body, place, rank = _ordered(multibody, own)
    coordinate = tree.axis_coordinate[body, place]
    zero = len(body) + size
    number = np.full((bodies, 6), zero)
    number[body, place] = np.arange(len(body))
    used = own[:, None] & (tree.joint_coordinate >= 0)
    number[used] = len(body) + tree.joint_coordinate[used]
    subtree = np.eye(bodies, dtype=bool)
    for index in range(1, bodies):
        subtree[:, index] |= subtree[:, tree.parent[index]]
    joint = np.zeros(size, dtype=np.intp)
    moving = coordinate >= 0
    joint[coordinate[moving]] = body[moving]
    joint[tree.joint_coordinate[used]] = np.nonzero(used)[0]
    screws, turning = np.flatnonzero(moving), np.flatnonzero(own)
    mover = np.concatenate([body[screws], turning])
    speeds = np.concatenate([coordinate[screws], tree.joint_coordinate[used]])
    turns = _turns(number, zero)
    return TreeLayout(
        body=body,
        place=place,
        function=tree.axis_function[body, place],
        coordinate=coordinate,
        turns=turns,
        shift=number[:, 3:],
        directed=_directed(bodies, body, place, turns),
        screw_axis=screws,
        rotating=int((rank[screws] < 3).sum()),
        turning=tuple(turning.tolist()),
        fixed=np.where(tree.backward, np.arange(bodies), np.maximum(tree.parent, 0)),
        moves=subtree[mover].T.astype(float),
        before=_before(tree, subtree, mover, np.concatenate([place[screws], np.zeros_like(turning)])),
        adds=(speeds[None, :] == np.arange(size)[:, None]).astype(float),
        joint=joint,
        beyond=subtree[joint].T & np.isin(np.arange(size), speeds),
        subtree=subtree,
    )


def _ordered(multibody: Multibody, own: Mask) -> tuple[Index, Index, Index]:
    """Bodies, places and ranks of the axes that have functions, in the order of a layout."""
    tree = multibody.tree
    used = (tree.axis_function >= 0) & ~own[:, None]
    body, place = np.nonzero(used & (tree.axis_coordinate < 0))
    still = evaluate(multibody.functions, tree.axis_function[body, place], np.zeros((len(body), 1)))[0][:, 0] == 0.0
    used[body[still], place[still]] = False  # functions of nothing that are zero
    body, place = np.nonzero(used)
    rank = np.where(place < 3, np.cumsum(used[:, :3], axis=1)[body, np.minimum(place, 2)] - 1, 3)
    order = np.argsort(rank, kind="stable")
    return body[order], place[order], rank[order]


def _turns(number: Index, zero: int) -> tuple[tuple[Index, Index, Index], ...]:
    """Each body's first, second and third rotation: bodies, places of axes, numbers of angles."""
    turned = number[:, :3] != zero
    rank = np.cumsum(turned, axis=1) - 1
    found = []
    for order in range(3):
        bodies, places = np.nonzero(turned & (rank == order))
        found.append((bodies, places, number[bodies, places]))
    return tuple(found)


def _directed(bodies: int, body: Index, place: Index, turns: tuple[tuple[Index, Index, Index], ...]) -> Index:
    """Places of axes among the rotations of all bodies, and then the translations."""
    where, count = np.full((bodies, 6), -1), 0
    for turned, places, _ in turns:
        where[turned, places] = count + np.arange(len(turned))
        count += len(turned)
    shifted = place >= 3
    where[body[shifted], place[shifted]] = count + np.arange(shifted.sum())
    return where[body, place]


def _before(tree: Tree, subtree: Mask, mover: Index, place: Index) -> Array:
    """Where one screw moves what another is fixed on: those of joints nearer to ground, and earlier ones of a joint.

    A joint shifts along its axes first, then it turns about them; backward, the other way round.
    """
    earlier = subtree[mover[None, :], mover[:, None]] & (mover[:, None] != mover[None, :])
    order = np.where(place >= 3, place - 3, place + 3)
    order = np.where(tree.backward[mover], -order, order)
    within = (mover[:, None] == mover[None, :]) & (order[None, :] < order[:, None])
    return np.asarray(earlier | within, dtype=float)
