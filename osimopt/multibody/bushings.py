"""Bushings: springs and dampers between two frames, along the body-fixed x-y-z angles and the shifts between them."""

from __future__ import annotations

import numpy as np

from ..namespace import namespace
from .description import ForceLaw, Functions
from .functions import evaluate
from .placement import MotionState, number, pose, wrench
from .vectors import Tensor, apply, apply_transposed, cross, velocity_at


def bushing(law: ForceLaw, functions: Functions, state: MotionState) -> list[Tensor]:
    """Wrenches (6, T) on the bodies of the first and of the second frame.

    Its six forces act along the rates of the deflections: the angles and shifts of the second frame in the first.
    """
    xp = namespace(state.value)
    (first, origin), (second, end) = pose(state, law, 0), pose(state, law, 1)
    angles, shifts = _angles(xp.einsum("jit,jkt->ikt", first, second)), apply_transposed(first, end - origin)
    to_rates = _to_rates(angles)
    one, other = (state.twists[body] for body in law.bodies)
    spin = apply_transposed(second, other[:3] - one[:3])
    drift = velocity_at(other, end) - velocity_at(one, origin) - cross(one[:3], end - origin)
    deflection = xp.concat([angles, shifts], axis=0)
    rate = xp.concat([apply(to_rates, spin), apply_transposed(first, drift)], axis=0)
    if law.functions:
        elastic = evaluate(functions, np.array(law.functions), deflection)[0]
    else:
        elastic = _six(law, "stiffness", deflection) * deflection
    force = -elastic - _six(law, "damping", deflection) * rate
    torque = apply(second, apply_transposed(to_rates, force[:3]))
    on_second = wrench(end, apply(first, force[3:]), torque)
    return [-on_second, on_second]


def _six(law: ForceLaw, name: str, like: Tensor) -> Tensor:
    """Parameters (6, 1) about and along the axes."""
    return namespace(like).concat([number(law, f"{kind}_{name}", like) for kind in ("rotational", "translational")])[
        :, None
    ]


def _angles(rotation: Tensor) -> Tensor:
    """Body-fixed x-y-z angles (3, T) of rotations (3, 3, T), the second within ±90°."""
    xp = namespace(rotation)
    cosine = xp.sqrt(0.5 * (rotation[0, 0] ** 2 + rotation[0, 1] ** 2 + rotation[1, 2] ** 2 + rotation[2, 2] ** 2))
    return xp.stack([
        xp.atan2(-rotation[1, 2], rotation[2, 2]),
        xp.atan2(rotation[0, 2], cosine),
        xp.atan2(-rotation[0, 1], rotation[0, 0]),
    ])  # fmt: skip


def _to_rates(angles: Tensor) -> Tensor:
    """(3, 3, T): rates of body-fixed x-y-z angles from an angular velocity in the turned frame."""
    xp = namespace(angles)
    sine, cosine, tangent = xp.sin(angles[2]), xp.cos(angles[2]), xp.tan(angles[1])
    secant, nothing = 1.0 / xp.cos(angles[1]), xp.zeros_like(sine)
    return xp.stack([
        xp.stack([cosine * secant, -sine * secant, nothing]),
        xp.stack([sine, cosine, nothing]),
        xp.stack([-cosine * tangent, sine * tangent, xp.ones_like(sine)]),
    ])  # fmt: skip
