"""Derivatives of joints and functions against differences of their values, and places of bodies, in OpenSim.

Speeds and forces are wrong for functions and joints whose derivatives contradict their values. OpenSim 4.6 has some:
second derivatives of MultivariatePolynomialFunction and ExpressionBasedFunction, speeds of ConstantCurvatureJoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import opensim

from ...problem.arrays import Array
from ..messages import ModelKey
from .coordinates import AXES, derivative, evaluate
from .parts import Session
from .session import load
from .state import set_posture, set_speed

#: Step of the differences, and the arguments of functions: so many random points in this range.
STEP, POINTS, ENDS = 1e-4, 7, (-0.7, 0.9)
#: A derivative may differ by this share of the largest of the function's values and derivatives, in half of the
#: points: where pieces of a function meet it has no second derivative.
TOLERANCE = 1e-4
#: m/s and rad/s at a rate of 1: error of differences of poses.
POSE = 1e-5


def poses(key: ModelKey, time: Array, value: Array) -> dict[str, Array]:
    """By body, its axes and its origin in ground (S, 3, 4), in postures (S, N) at times (S,) s."""
    session, found = load(key), dict[str, list[Array]]()
    for at, posture in zip(time, value, strict=True):
        set_posture(session, at, posture)
        session.model.realizePosition(session.state)
        for body in session.model.getBodyList():
            turn, place = _pose(body, session.state)
            found.setdefault(body.getName(), []).append(np.column_stack([turn, place]))
    return {name: np.array(own) for name, own in found.items()}


def check_derivatives(key: ModelKey, value: Array) -> tuple[list[str], list[str]]:
    """Functions, and joints in postures (S, N), whose derivatives contradict their values."""
    session = load(key)
    functions = [text for text, function, size in _functions(session) if _off(function, size)]
    joints = []
    for joint in session.model.getJointList():
        moved = [i for i, c in enumerate(session.coordinates) if c.getJoint().getName() == joint.getName()]
        moved = [i for i in moved if i not in session.dependents()]
        frame = joint.getChildFrame().findBaseFrame()
        if moved and np.median([_apart(session, frame, moved, posture) for posture in value]) > POSE:
            joints.append(f"{joint.getConcreteClassName()} '{joint.getName()}'")
    return functions, joints


def _functions(session: Session) -> Iterator[tuple[str, Any, int]]:
    """Description of each function of a joint or coupler, the function, and the number of its arguments."""
    for joint in list(session.model.getJointList()):
        custom = opensim.CustomJoint.safeDownCast(joint)
        for index in range(AXES) if custom is not None else ():
            axis = custom.getSpatialTransform().getTransformAxis(index)
            size = axis.getCoordinateNames().size()
            if axis.hasFunction() and size:
                function = axis.getFunction()
                yield f"{function.getConcreteClassName()} in joint '{joint.getName()}'", function, size
    for coupler in session.couplers:
        text = f"{coupler.function.getConcreteClassName()} in coupler '{coupler.name}'"
        yield text, coupler.function, len(coupler.independents)


def _off(function: Any, size: int) -> bool:
    """Whether derivatives of a function differ from differences of its values in half of the points or more."""

    def slopes(at: Array) -> Array:
        return np.array([derivative(function, at, i) for i in range(size)])

    random, errors, steps = np.random.default_rng(0), [], STEP * np.eye(size)
    for _ in range(POINTS):
        at = random.uniform(*ENDS, size)
        first = slopes(at)
        second = np.array([[derivative(function, at, i, j) for j in range(size)] for i in range(size)])
        by_values = np.array([evaluate(function, at + h) - evaluate(function, at - h) for h in steps]) / (2 * STEP)
        by_slopes = np.stack([slopes(at + h) - slopes(at - h) for h in steps], axis=1) / (2 * STEP)
        largest = max(abs(evaluate(function, at)), np.abs(first).max(), np.abs(by_slopes).max(), 1.0)
        errors.append(max(np.abs(first - by_values).max(), np.abs(second - by_slopes).max()) / largest)
    return bool(np.median(errors) > TOLERANCE)


def _apart(session: Session, frame: Any, moved: list[int], posture: Array) -> float:
    """Largest difference of a body's velocity from the slope of its pose, its joint's coordinates moving at rate 1."""
    rate = np.zeros(len(posture))
    rate[moved] = 1.0
    poses = []
    for step in (STEP, -STEP):
        set_posture(session, 0.0, posture + step * rate)
        session.model.realizePosition(session.state)
        poses.append(_pose(frame, session.state))
    set_posture(session, 0.0, posture)
    set_speed(session, rate)
    velocity = frame.getVelocityInGround(session.state)
    turn, shift = (velocity.get(part).to_numpy() for part in (0, 1))
    (one, here), (other, there) = poses
    spin = (one - other) / (2.0 * STEP) @ _pose(frame, session.state)[0].T
    turned = np.array([spin[2, 1] - spin[1, 2], spin[0, 2] - spin[2, 0], spin[1, 0] - spin[0, 1]]) / 2.0
    return float(max(np.abs(turn - turned).max(), np.abs(shift - (here - there) / (2.0 * STEP)).max()))


def _pose(frame: Any, state: Any) -> tuple[Array, Array]:
    """Rotation and origin of a body in ground."""
    transform = frame.getTransformInGround(state)
    turn = transform.R()
    return np.array([[turn.get(i, j) for j in range(3)] for i in range(3)]), transform.p().to_numpy()
