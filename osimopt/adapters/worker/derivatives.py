"""Functions and joints of a model whose derivatives contradict their values: speeds and forces are wrong below them.

OpenSim 4.6 has some: second derivatives of MultivariatePolynomialFunction and ExpressionBasedFunction, speeds of
ConstantCurvatureJoint. What is asked is each function, and each joint's child body, moved by its own coordinates.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import opensim
from numpy.typing import NDArray

from .axes import AXES
from .session import Session
from .state import set_posture, set_speed

Array = NDArray[np.float64]

#: Step of the differences, and where functions are asked: so many points between the ends of the arguments.
STEP, POINTS, ENDS = 1e-4, 7, (-0.7, 0.9)
#: A derivative may differ by this share of the largest of the function's values and derivatives, in half of the
#: points: where pieces of a function meet it has no second derivative.
TOLERANCE = 1e-4
#: m/s and rad/s at a rate of 1: what differences of poses leave.
POSE = 1e-5


def wrong_functions(session: Session) -> list[str]:
    """Descriptions of the functions of joints and couplers whose first or second derivatives are not their slopes."""
    return [text for text, function, size in _functions(session) if _off(function, size)]


def wrong_joints(session: Session, postures: Array) -> list[str]:
    """Class and name of the joints whose speeds do not move their child body as its poses say, in postures (S, N)."""
    found = []
    for joint in session.model.getJointList():
        own = [i for i, c in enumerate(session.coordinates) if c.getJoint().getName() == joint.getName()]
        own = [i for i in own if not any(coupler.dependent == i for coupler in session.couplers)]
        frame = joint.getChildFrame().findBaseFrame()
        if own and np.median([_apart(session, frame, own, posture) for posture in postures]) > POSE:
            found.append(f"{joint.getConcreteClassName()} '{joint.getName()}'")
    return found


def _functions(session: Session) -> Iterator[tuple[str, Any, int]]:
    """Each function with what it belongs to and the number of its arguments."""
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
    random = np.random.default_rng(0)
    errors = []
    for _ in range(POINTS):
        at = random.uniform(*ENDS, size)
        slopes = np.array([_derivative(function, at, i) for i in range(size)])
        curves = np.array([[_derivative(function, at, i, j) for j in range(size)] for i in range(size)])
        steps = STEP * np.eye(size)
        differences = np.array([_value(function, at + own) - _value(function, at - own) for own in steps]) / (2 * STEP)
        bends = np.array(
            [[(_derivative(function, at + own, i) - _derivative(function, at - own, i)) for own in steps]
             for i in range(size)]
        ) / (2 * STEP)  # fmt: skip
        largest = max(abs(_value(function, at)), np.abs(slopes).max(), np.abs(bends).max(), 1.0)
        errors.append(max(np.abs(slopes - differences).max(), np.abs(curves - bends).max()) / largest)
    return bool(np.median(errors) > TOLERANCE)


def _value(function: Any, at: Array) -> float:
    return float(function.calcValue(opensim.Vector.createFromMat(at)))


def _derivative(function: Any, at: Array, *indices: int) -> float:
    order = opensim.StdVectorInt()
    for index in indices:
        order.append(index)
    return float(function.calcDerivative(order, opensim.Vector.createFromMat(at)))


def _apart(session: Session, frame: Any, own: list[int], posture: Array) -> float:
    """How far the velocity of a body is from the slope of its pose, its joint's coordinates moving at rate 1."""
    rate = np.zeros(len(posture))
    rate[own] = 1.0
    poses = []
    for step in (STEP, -STEP):
        set_posture(session, 0.0, posture + step * rate)
        session.model.realizePosition(session.state)
        poses.append(_pose(frame, session.state))
    set_posture(session, 0.0, posture)
    set_speed(session, rate)
    velocity = frame.getVelocityInGround(session.state)
    turn, shift = (np.array([velocity.get(part).get(i) for i in range(3)]) for part in (0, 1))
    (one, here), (other, there) = poses
    spin = (one - other) / (2.0 * STEP) @ _pose(frame, session.state)[0].T
    moved = np.array([spin[2, 1] - spin[1, 2], spin[0, 2] - spin[2, 0], spin[1, 0] - spin[0, 1]]) / 2.0
    return float(max(np.abs(turn - moved).max(), np.abs(shift - (here - there) / (2.0 * STEP)).max()))


def _pose(frame: Any, state: Any) -> tuple[Array, Array]:
    """Rotation and origin of a body in ground."""
    transform = frame.getTransformInGround(state)
    turn, place = transform.R(), transform.p()
    return np.array([[turn.get(i, j) for j in range(3)] for i in range(3)]), np.array([place.get(i) for i in range(3)])
