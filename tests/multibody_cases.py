"""Small trees of bodies in plain arrays, for the tests of multibody. Every number is invented."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from osimopt.multibody.description import Constraint, CoordinateCoupler, Functions, Multibody, Tree
from osimopt.multibody.dynamics import about_speeds, transmitted
from osimopt.multibody.kinematics import Posture, Velocity
from osimopt.multibody.reactions import (
    find_joints,
    loops_at,
    needed_reactions,
    refuse_undetermined,
    undetermined,
)  # fmt: skip
from osimopt.namespace import frames_first

#: f(x) = x: the row of ``functions`` that pins turn by.
IDENTITY = 0
#: A cubic in two pieces, with a sine.
CURVED = 1


def functions() -> Functions:
    coefficients = np.zeros((2, 2, 4))
    coefficients[0, :, 1] = 1.0
    coefficients[1] = [[0.1, 0.4, -0.3, 0.2], [0.12, 0.46, 0.3, -0.1]]
    return Functions(
        breaks=np.array([[np.inf], [0.2]]),
        origin=np.array([[0.0, 0.0], [0.0, 0.2]]),
        coefficients=coefficients,
        sine=np.array([[0.0, 1.0, 0.0], [0.15, 2.0, 0.3]]),
    )


def frame(random: np.random.Generator, size: float = 0.3) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = np.linalg.qr(random.normal(size=(3, 3)))[0]
    matrix[:3, :3] *= np.sign(np.linalg.det(matrix[:3, :3]))
    matrix[:3, 3] = random.uniform(-size, size, 3)
    return matrix


def branched(seed: int = 0) -> Multibody:
    """A free base; on it a ball and an ellipsoid backward; then axes with functions, forward and backward."""
    random, kinds = np.random.default_rng(seed), ("axes", "free", "ball", "ellipsoid", "axes", "axes")
    parent = np.array([-1, 0, 1, 1, 2, 2])
    backward = np.array([False, False, False, True, False, True])
    axis_function, axis_coordinate = np.full((6, 6), -1), np.full((6, 6), -1)
    joint_coordinate = np.full((6, 6), -1)
    joint_coordinate[1] = range(6)
    joint_coordinate[2, :3] = range(6, 9)
    joint_coordinate[3, :3] = range(9, 12)
    for body, first in ((4, 12), (5, 14)):  # one coordinate turns and shifts by functions, another turns
        axis_coordinate[body] = [first, first + 1, first, first, -1, first + 1]
        axis_function[body] = [IDENTITY, IDENTITY, CURVED, CURVED, CURVED, IDENTITY]
    axes = random.normal(size=(6, 6, 3))
    shape = random.normal(size=(6, 3, 3)) * 0.1
    inertia = shape @ shape.transpose(0, 2, 1) + 0.02 * np.eye(3)
    inertia[0] = 0.0
    tree = Tree(
        bodies=("ground", "base", "arm", "blade", "one", "other"),
        parent=parent,
        joints=("", "free", "ball", "ellipsoid", "custom", "turned"),
        kind=kinds,  # type: ignore[arg-type]
        backward=backward,
        inboard=np.stack([frame(random) for _ in kinds]),
        outboard=np.stack([frame(random) for _ in kinds]),
        axes=axes / np.linalg.norm(axes, axis=2, keepdims=True),
        axis_function=axis_function,
        axis_coordinate=axis_coordinate,
        joint_coordinate=joint_coordinate,
        radii=np.array([[0.1, 0.15, 0.08]] * 6),
        mass=np.array([0.0, 5.0, 2.0, 1.0, 1.5, 0.7]),
        center=random.uniform(-0.1, 0.1, (6, 3)),
        inertia=inertia,
    )
    return model(tree, [f"q{index}" for index in range(16)])


def model(tree: Tree, names: list[str], **more: Any) -> Multibody:
    bare = Multibody(
        coordinates=tuple(names), values=np.zeros(len(names)), tree=tree, functions=functions(),
        prescribed=np.full(len(names), -1), couplers=(),
        constraints=(), forces=(), actuators=(), gravity=np.array([0.0, -9.81, 0.0]),
    )  # fmt: skip
    return replace(bare, **more)


def chain(lengths: list[float], mass: float = 2.0, inertia: float = 0.05) -> Multibody:
    """Pins about z, each at the lower end of the rod above, which hangs along -y at zero; centers in the middle."""
    count = len(lengths) + 1
    inboard = np.stack([np.eye(4)] * count)
    inboard[2:, 1, 3] = -np.array(lengths[:-1])
    axis_function, axis_coordinate = np.full((count, 6), -1), np.full((count, 6), -1)
    axis_function[1:, 0], axis_coordinate[1:, 0] = IDENTITY, np.arange(count - 1)
    axes = np.stack([np.concatenate([np.eye(3)[[2, 0, 1]], np.eye(3)])] * count)
    tree = Tree(
        bodies=("ground", *(f"rod{index}" for index in range(count - 1))),
        parent=np.arange(count) - 1,
        joints=("", *(f"pin{index}" for index in range(count - 1))),
        kind=("axes",) * count,
        backward=np.zeros(count, dtype=bool),
        inboard=inboard,
        outboard=np.stack([np.eye(4)] * count),
        axes=axes,
        axis_function=axis_function,
        axis_coordinate=axis_coordinate,
        joint_coordinate=np.full((count, 6), -1),
        radii=np.ones((count, 3)),
        mass=np.array([0.0, *[mass] * (count - 1)]),
        center=np.array([[0.0, 0.0, 0.0], *([0.0, -length / 2, 0.0] for length in lengths)]),
        inertia=np.array([np.zeros((3, 3)), *[inertia * np.eye(3)] * (count - 1)]),
    )
    return model(tree, [f"q{index}" for index in range(count - 1)])


def four_bar(lengths: tuple[float, float, float], base: float) -> Multibody:
    """A chain of three rods whose lower end is held at x = ``base`` on the height of the first pin."""
    bare = chain(list(lengths))
    end, held = np.eye(4), np.eye(4)
    end[1, 3], held[0, 3] = -lengths[2], base
    return replace(bare, constraints=(Constraint("ring", "point", (0, 3), (held, end)),))


def coupled(bare: Multibody, dependent: int, independent: int, scale: float) -> Multibody:
    coupler = CoordinateCoupler("follows", dependent, independent, CURVED, scale)
    return replace(bare, couplers=(coupler,))


def states(multibody: Multibody, frames: int = 4, seed: int = 1, size: float = 0.6) -> tuple[np.ndarray, ...]:
    """Random coordinates, speeds and changes of speeds (T, N)."""
    random = np.random.default_rng(seed)
    shape = (frames, len(multibody.coordinates))
    return tuple(random.uniform(-one, one, shape) for one in (size, 2.0, 5.0))


def joint_reactions(
    at: Posture, moving: Velocity, names: Sequence[str], determined: Sequence[int] = (),
    wrenches: np.ndarray | None = None, force: np.ndarray | None = None, refuse: bool = True,
) -> Any:  # fmt: skip
    """Reactions (T, J, 6) on the joints' children, force first, without muscles."""
    joints, through = find_joints(at.multibody, names), transmitted(at, moving, wrenches)
    needed = about_speeds(at, through) - (0.0 if force is None else force.T)
    loops = None
    if at.multibody.constraints:
        loops, loose = loops_at(at, determined)[0], undetermined(at, joints, determined)
        if refuse:
            refuse_undetermined(at.multibody, names, loose, np.arange(len(at.value.T)))
    return frames_first(needed_reactions(at, joints, through, loops, needed))
