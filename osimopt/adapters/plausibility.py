"""Whether generalized forces are of a size that a body can have at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain
from ..notices import warn
from ..problem.arrays import Coordinate, MuscleGeometry
from ..problem.reserves import ReserveActuators

Array = NDArray[np.float64]

#: How many times what could act a generalized force may be, and beyond which it is doubtful: walking needs a third.
MARGIN, DOUBTFUL = 100.0, 10.0
#: m; the lever of weight and external forces about a joint. With the margin, weight alone allows 200 N·m per N, more
#: than the inertia of the whole mass 1 m from the joint that swings through 90 degrees to either side at 5 Hz
#: (1550 rad/s², 158 N·m per N); a segment, whose radius of gyration is a third of that at most, has a tenth of it.
LEVER = 2.0


def check_size(
    time: Array,
    value: Array,
    coordinates: Sequence[Coordinate],
    geometry: MuscleGeometry,
    strength: Array,
    actuators: ReserveActuators,
    weight: float,
    force: float = 0.0,
    torque: float = 0.0,
    where: object = None,
) -> list[str]:
    """Refuse generalized forces a hundred times above what weight, loads, muscles and actuators could make together.

    Repeated times, wrong units and noise that was differentiated twice make moments of any size; reserves then carry
    them, and every frame counts as solved. From ten times on there is a warning, which is returned too: walking in
    N·mm is not a hundred times above what its muscles could do.

    Parameters
    ----------
    time, value
        (T,) s and (T, D) in N·m, or N for translations.
    coordinates
        D of them.
    geometry, strength
        Moment arms about these coordinates, and (M,) maximum isometric forces in N.
    actuators
        The model's own; one without bounds counts with its optimal force.
    weight
        N; 0 where there is no gravity. Mass is unknown then, and what the coordinate usually needs (the median over
        the frames) and what muscles make elsewhere stand for its inertia.
    force, torque
        Sums of the magnitudes of the external forces in N and torques in N·m.
    where
        The file, for the message.

    Raises
    ------
    InputError
        With coordinate and time of the one farthest beyond.
    """
    turns = np.array([coordinate.rotational for coordinate in coordinates])
    made = _most_of_muscles(geometry, strength, len(coordinates)) + _most_of_actuators(actuators)
    lever = np.where(turns, LEVER, 1.0)
    body = lever * weight
    if weight == 0.0:
        elsewhere = np.where(turns, made[turns].max(initial=0.0), strength.sum())
        body = np.median(np.abs(value), axis=0) + elsewhere
    could = made + body + lever * force + np.where(turns, torque, 0.0)
    size = np.abs(value) / np.maximum(could, np.finfo(float).tiny)
    if not (size > DOUBTFUL).any():
        return []
    frame, index = divmod(int(np.nanargmax(size)), len(coordinates))
    worst = coordinates[index]
    got = f"{value[frame, index]:.3g} {worst.unit} on '{worst.name}' at {time[frame]:.9g} s"
    able = "weight, external loads, muscles and actuators could make together"
    causes = (
        "times that almost repeat, units (moments in N·mm, lengths in mm, degrees for radians), and noise that is "
        "differentiated twice without lowpass_hz"
    )
    if size[frame, index] <= MARGIN:
        text = f"{where}: {got} is {size[frame, index]:.0f} times what {able}. Look for {causes}."
        warn(text, stacklevel=4)
        return [text]
    many = int((size > MARGIN).any(axis=1).sum())
    expected = f"generalized forces below {MARGIN * could[index]:.3g} {worst.unit}, {MARGIN:g} times what {able}"
    raise InputError(explain(expected, f"{got} (beyond in {many} of {len(time)} frames)", f"Look for {causes}.", where))


def _most_of_muscles(geometry: MuscleGeometry, strength: Array, coordinates: int) -> Array:
    """(D,) all muscles that act on a coordinate, at their largest moment arms."""
    arms = np.abs(geometry.moment_arms).max(axis=0, initial=0.0)
    return np.asarray(np.bincount(geometry.pair_coordinate, arms * strength[geometry.pair_muscle], coordinates))


def _most_of_actuators(actuators: ReserveActuators) -> Array:
    """(D,) all actuators at the larger of their bounds."""
    bound = np.maximum(np.abs(actuators.lower), np.abs(actuators.upper))
    effect = np.abs(actuators.effect).max(axis=0)
    return np.asarray(effect @ np.where(np.isfinite(bound), bound, 1.0))
