"""Forces of a model other than muscles and actuators, as OpenSim 4.6 has them: springs, limits, bushings, ligaments.

Inside, components come first and frames last: a wrench (6, T) is the moment in N·m about ground's origin and the force
in N, both in ground; a generalized force (N, T) is about speeds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..namespace import alike, filled, namespace
from .bushings import bushing
from .description import ForceLaw, Functions, Multibody
from .functions import evaluate
from .placement import MotionState, line, number, pose, wrench
from .vectors import Tensor, apply, apply_fixed

#: Strain over which the damping of a Blankevoort1991Ligament sets in.
ONSET = 0.01
#: Smallest strain that divides.
TINY = 1e-300


@dataclass(frozen=True, eq=False)
class AppliedForces:
    """What forces do: ``wrenches`` (B, 6, T) on bodies, ``generalized`` (N, T), and N of ``tension`` (T,) by path.

    The paths are those of the muscles, then ``Paths.others``; their tensions are in neither of the other two.
    """

    wrenches: Tensor
    generalized: Tensor
    tension: dict[int, Tensor]


def applied_forces(
    multibody: Multibody, state: MotionState, length: Tensor, lengthening_speed: Tensor
) -> AppliedForces:
    """Forces of a model in motion; ``length`` in m and ``lengthening_speed`` in m/s are those of all paths (P, T)."""
    xp = namespace(state.positions)
    nothing = xp.zeros_like(state.positions[0, 0])
    wrenches = [xp.stack([nothing] * 6)] * len(multibody.tree.bodies)
    generalized, tension = [nothing] * len(multibody.coordinates), dict[int, Tensor]()
    for law in multibody.forces:
        at = law.coordinate
        if law.kind in ON_COORDINATES:
            force = ON_COORDINATES[law.kind](law, state.value[at], state.speed[at])
            generalized[at] = generalized[at] + force
        elif law.kind in ALONG_PATHS:
            along = length[law.path], lengthening_speed[law.path]
            tension[law.path] = ALONG_PATHS[law.kind](law, multibody.functions, *along)
        else:
            for body, part in zip(law.bodies, ON_BODIES[law.kind](law, multibody.functions, state), strict=True):
                wrenches[body] = wrenches[body] + part
    stacked = xp.stack(generalized) if generalized else filled((0, *nothing.shape), 0.0, nothing)
    return AppliedForces(xp.stack(wrenches), stacked, tension)


# -- on coordinates ---------------------------------------------------------------------------------------------------


def _spring(law: ForceLaw, value: Tensor, speed: Tensor) -> Tensor:
    stiffness, rest, viscosity = (number(law, name, value) for name in ("stiffness", "rest_length", "viscosity"))
    return -stiffness * (value - rest) - viscosity * speed


def _limit(law: ForceLaw, value: Tensor, speed: Tensor) -> Tensor:
    """Linear springs beyond the limits, which set in, with the damping, over the transition.

    OpenSim has NaN where a stiffness is zero: it divides by it. Here that limit has no spring, and the damping.
    """
    names = ("upper_limit", "upper_stiffness", "lower_limit", "lower_stiffness", "transition", "damping")
    upper, above, lower, below, transition, damping = (number(law, name, value) for name in names)
    over, under = _step((value - upper) / transition), _step((lower - value) / transition)
    return -above * over * (value - upper) + below * under * (lower - value) - damping * (over + under) * speed


def _step(share: Tensor) -> Tensor:
    """From 0 at 0 to 1 at 1, with two continuous derivatives."""
    x = namespace(share).clip(share, 0.0, 1.0)
    return x**3 * (10.0 - 15.0 * x + 6.0 * x**2)


# -- on bodies --------------------------------------------------------------------------------------------------------


def _point_to_point(law: ForceLaw, functions: Functions, state: MotionState) -> list[Tensor]:
    ends = []
    for end in (0, 1):
        rotation, origin = pose(state, law, end)
        ends.append(origin + apply_fixed(rotation, number(law, f"point{end + 1}", origin)))
    distance, direction = line(ends[1] - ends[0])
    force = number(law, "stiffness", distance) * (distance - number(law, "rest_length", distance)) * direction
    return [wrench(ends[0], force), wrench(ends[1], -force)]


def _prescribed(law: ForceLaw, functions: Functions, state: MotionState) -> list[Tensor]:
    """A force and a torque by functions of time; where no point is given, the force acts at the frame's origin."""
    xp, given, time = namespace(state.positions), np.array(law.functions) >= 0, alike(state.time, state.positions)
    rows = np.array(law.functions)[given]
    values = iter(evaluate(functions, rows, xp.stack([time] * len(rows)))[0] if len(rows) else ())
    nine = xp.stack([next(values) if one else xp.zeros_like(time) for one in given])
    force, point, torque = nine[:3], nine[3:6], nine[6:]
    rotation, origin = pose(state, law, 0)
    if not law.numbers["forceIsGlobal"]:
        force, torque = apply(rotation, force), apply(rotation, torque)
    if not (given[3] and law.numbers["pointIsGlobal"]):
        point = origin + apply(rotation, point)
    return [wrench(point, force, torque)]


# -- along paths ------------------------------------------------------------------------------------------------------


def _path_spring(law: ForceLaw, functions: Functions, length: Tensor, speed: Tensor) -> Tensor:
    stiffness, rest, dissipation = (
        number(law, name, length) for name in ("stiffness", "resting_length", "dissipation")
    )
    return stiffness * namespace(length).clip(length - rest, 0.0, None) * (1.0 + dissipation * speed)


def _ligament(law: ForceLaw, functions: Functions, length: Tensor, speed: Tensor) -> Tensor:
    """OpenSim's Ligament: a curve of its normalized length, slack up to its resting length."""
    relative = length / number(law, "resting_length", length)
    force = number(law, "pcsa_force", length) * evaluate(functions, np.array(law.functions), relative[None])[0][0]
    return namespace(length).where(relative > 1.0, force, 0.0 * force)


def _blankevoort(law: ForceLaw, functions: Functions, length: Tensor, speed: Tensor) -> Tensor:
    """A toe and a linear range of the strain, and damping of lengthening.

    References
    ----------
    Blankevoort & Huiskes (1991), doi:10.1115/1.2894883
    """
    xp = namespace(length)
    names = ("slack_length", "linear_stiffness", "transition_strain", "damping_coefficient")
    slack, stiffness, transition, damping = (number(law, name, length) for name in names)
    strain, rate = length / slack - 1.0, xp.clip(speed / slack, 0.0, None)
    tight = xp.clip(strain, 0.0, None)
    toe = xp.minimum(tight, transition)
    spring = stiffness * (tight - toe + 0.5 * toe**2 / xp.clip(transition, TINY, None))
    return spring + damping * rate * _step(strain / ONSET)


ON_COORDINATES: dict[str, Callable[[ForceLaw, Tensor, Tensor], Tensor]] = {
    "CoordinateLimitForce": _limit,
    "SpringGeneralizedForce": _spring,
}
ON_BODIES: dict[str, Callable[[ForceLaw, Functions, MotionState], list[Tensor]]] = {
    "BushingForce": bushing,
    "FunctionBasedBushingForce": bushing,
    "PointToPointSpring": _point_to_point,
    "PrescribedForce": _prescribed,
}
ALONG_PATHS: dict[str, Callable[[ForceLaw, Functions, Tensor, Tensor], Tensor]] = {
    "Blankevoort1991Ligament": _blankevoort,
    "Ligament": _ligament,
    "PathSpring": _path_spring,
}
