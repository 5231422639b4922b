"""Rates of coordinates and speeds: q̇ = N(q) u, which differ in ball, free and ellipsoid joints.

Their speeds hold an angular velocity in the joint's first frame; their coordinates three angles, body-fixed x-y-z.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ModelError, explain
from ..namespace import frames_first, frames_last, namespace
from .description import Multibody
from .joints import coordinates_of
from .layout import layout
from .vectors import Tensor

#: Largest condition number of N. Beyond it (0.6° from gimbal lock) the angles of a joint hardly determine its motion,
#: and a speed of 1 rad/s may be any rate.
SINGULAR = 200.0


def to_rates(multibody: Multibody, value: Tensor, speed: Tensor) -> Tensor:
    """Rates q̇ (T, N) of the coordinates at speeds u (T, N).

    Raises
    ------
    ModelError
        Gimbal lock.
    """
    return _with_angles(multibody, value, speed, _rates)


def to_speeds(multibody: Multibody, value: Tensor, rate: Tensor) -> Tensor:
    """Speeds u (T, N) at rates q̇ (T, N) of the coordinates.

    Raises
    ------
    ModelError
        Gimbal lock.
    """
    return _with_angles(multibody, value, rate, _spin)


def to_coordinates(multibody: Multibody, value: Tensor, force: Tensor) -> Tensor:
    """Generalized forces (T, N) about coordinates from those about speeds (T, N): N⁻ᵀ times these.

    Raises
    ------
    ModelError
        Gimbal lock.
    """
    return _with_angles(multibody, value, force, _about_angles)


def to_mobilities(multibody: Multibody, value: Tensor, force: Tensor) -> Tensor:
    """Generalized forces (T, N) about speeds from those about coordinates (T, N): Nᵀ times these.

    Raises
    ------
    ModelError
        Gimbal lock.
    """
    return _with_angles(multibody, value, force, _about_spin)


def to_accelerations(multibody: Multibody, value: Tensor, speed: Tensor, change: Tensor) -> Tensor:
    """Accelerations q̈ = N u̇ + Ṅ u (T, N) of the coordinates, from speeds u and their changes u̇ (T, N).

    Raises
    ------
    ModelError
        Gimbal lock.
    """
    return to_rates(multibody, value, change) + drift(multibody, value, speed)


def to_changes(multibody: Multibody, value: Tensor, rate: Tensor, acceleration: Tensor) -> Tensor:
    """Changes u̇ (T, N) of the speeds from rates q̇ and accelerations q̈ (T, N) of the coordinates.

    Raises
    ------
    ModelError
        Gimbal lock.
    """
    speed = to_speeds(multibody, value, rate)
    return to_speeds(multibody, value, acceleration - drift(multibody, value, speed))


def drift(multibody: Multibody, value: Tensor, speed: Tensor) -> Tensor:
    """Ṅ u (T, N): change of the coordinates' rates at constant speeds (T, N).

    Raises
    ------
    ModelError
        Gimbal lock.
    """
    rate = to_rates(multibody, value, speed)
    found = namespace(speed).zeros_like(speed)
    return _with_angles(multibody, value, found, _drift, rate)


def speeds_at(multibody: Multibody, value: Tensor, rate: Tensor) -> Tensor:
    """Speeds (N, …, T) at rates (N, …, T) of the coordinates, in postures (N, T): ``to_speeds`` with frames last.

    They are defined in gimbal lock, too: a search for postures may pass it.
    """
    return _replaced(multibody, value, rate, _spin, locked=True)


def coordinates_at(multibody: Multibody, value: Tensor, force: Tensor) -> Tensor:
    """Forces (N, …, T) about coordinates from those about speeds, at ``value`` (N, T): ``to_coordinates``, frames last.

    Raises
    ------
    ModelError
        Gimbal lock.
    """
    return _replaced(multibody, value, force, _about_angles)


def refuse_lock(multibody: Multibody, value: Tensor, time: Tensor) -> None:
    """Refuse postures (T, N) at times (T,) s in which speeds do not follow from rates.

    Raises
    ------
    ModelError
        Gimbal lock.
    """
    angles = frames_last(value)
    for body in layout(multibody).turning:
        _refuse_lock(multibody, body, angles[coordinates_of(multibody, body)[:3]], time)


def _with_angles(multibody: Multibody, value: Tensor, about: Tensor, change: Any, *more: Tensor) -> Tensor:
    """An array (T, N), in which ``change`` of the joints' angles (3, T) replaces its columns about these (3, T)."""
    if not layout(multibody).turning:
        return about
    return frames_first(
        _replaced(multibody, frames_last(value), frames_last(about), change, *(frames_last(part) for part in more))
    )


def _replaced(
    multibody: Multibody, angles: Tensor, columns: Tensor, change: Any, *more: Tensor, locked: bool = False
) -> Tensor:
    """The same of an array (N, …, T), with ``angles`` (N, T)."""
    turning, xp = layout(multibody).turning, namespace(columns)
    if not turning:
        return columns
    parts, numbers = [columns], np.arange(len(multibody.coordinates))
    for body in turning:
        own = coordinates_of(multibody, body)[:3]
        if not locked:
            _refuse_lock(multibody, body, angles[own])
        numbers[own] = sum(part.shape[0] for part in parts) + np.arange(3)
        parts.append(xp.stack(change(angles[own], columns[own], *(part[own] for part in more))))
    return xp.concat(parts)[numbers]


def _refuse_lock(multibody: Multibody, body: int, angles: Tensor, time: Tensor | None = None) -> None:
    """Refuse postures in which N is singular: its condition number is √((1 + |sin β|) / (1 - |sin β|))."""
    xp = namespace(angles)
    sine = xp.abs(xp.sin(angles[1]))
    locked = ~(1.0 + sine < SINGULAR**2 * (1.0 - sine)) & ~xp.isnan(sine)
    if not bool(xp.any(locked)):
        return
    frame = int(xp.argmax(xp.astype(locked, xp.int64)))
    names = [multibody.coordinates[index] for index in coordinates_of(multibody, body)[:3]]
    degrees = [np.rad2deg(float(angle[frame])) for angle in angles]
    at = ", ".join(f"{name} {angle:.2f}°" for name, angle in zip(names, degrees, strict=True))
    fix = (
        "Its angles do not determine its motion there: choose a time_range without this frame, or replace the joint by "
        "a CustomJoint with another sequence of rotations."
    )
    kind = multibody.tree.kind[body]
    where = f"in frame {frame} (of 0 to {angles.shape[1] - 1})" if time is None else f"at {float(time[frame]):g} s"
    got = f"the {kind} joint '{multibody.tree.joints[body]}' at {at}, {where}"
    raise ModelError(explain("postures away from a joint's gimbal lock", got, fix))


def _spin(angles: Tensor, rate: Tensor) -> list[Tensor]:
    """Angular velocity in the first frame: E q̇, the columns of E being the axes of the three rotations."""
    xp = namespace(angles)
    (a, b), (c, d) = ((xp.cos(angle), xp.sin(angle)) for angle in angles[:2])
    return [rate[0] + d * rate[2], a * rate[1] - b * c * rate[2], b * rate[1] + a * c * rate[2]]


def _rates(angles: Tensor, spin: Tensor) -> list[Tensor]:
    """Rates of the angles: E⁻¹ ω."""
    xp = namespace(angles)
    (a, b), (c, d) = ((xp.cos(angle), xp.sin(angle)) for angle in angles[:2])
    last = (a * spin[2] - b * spin[1]) / c
    return [spin[0] - d * last, a * spin[1] + b * spin[2], last]


def _about_angles(angles: Tensor, moment: Tensor) -> list[Tensor]:
    """Moments about the axes of the three rotations: Eᵀ M."""
    xp = namespace(angles)
    (a, b), (c, d) = ((xp.cos(angle), xp.sin(angle)) for angle in angles[:2])
    return [moment[0], a * moment[1] + b * moment[2], d * moment[0] - b * c * moment[1] + a * c * moment[2]]


def _about_spin(angles: Tensor, moment: Tensor) -> list[Tensor]:
    """Moment vector from moments about the three axes: E⁻ᵀ m."""
    xp = namespace(angles)
    (a, b), (c, d) = ((xp.cos(angle), xp.sin(angle)) for angle in angles[:2])
    last = (moment[2] - d * moment[0]) / c
    return [moment[0], a * moment[1] - b * last, b * moment[1] + a * last]


def _drift(angles: Tensor, _: Tensor, rate: Tensor) -> list[Tensor]:
    """Ṅ ω = -E⁻¹ Ė q̇, with ω = E q̇."""
    xp = namespace(angles)
    (a, b), (c, d) = ((xp.cos(angle), xp.sin(angle)) for angle in angles[:2])
    p, q, r = rate[0], rate[1], rate[2]
    change = xp.stack([c * q * r, -b * p * q - (a * c * p - b * d * q) * r, a * p * q - (b * c * p + a * d * q) * r])
    return [-part for part in _rates(angles, change)]
