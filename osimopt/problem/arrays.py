"""The arrays that flow through osimopt, as frozen dataclasses.

Time is axis 0; T frames, M muscles, D coordinates, P muscle–coordinate pairs; SI units, radians.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..namespace import Tensor, alike, filled, namespace
from ..signals import interpolate

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Rows = slice | Index
#: Takes an array whose axis 0 is time to other times.
Change = Callable[[Array], Array]

#: N/cm², the specific tension that turns a maximum isometric force into a cross-sectional area.
SPECIFIC_TENSION = 50.0

#: An effect (a moment arm, what an actuator does to a coordinate) below this share of the largest is rounding: nothing
#: acts there.
ROUNDING = 1e-9

CoordinateKind = Literal["free", "coupled", "locked", "prescribed"]


def acts(effect: Array, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """Where an effect is more than rounding: above ROUNDING times the largest of the array, anywhere along ``axis``."""
    xp = namespace(effect)
    size = xp.abs(effect)
    found = size > ROUNDING * (xp.max(size) if 0 not in size.shape else 0.0)
    return found if axis is None else xp.any(found, axis=axis)


@dataclass(frozen=True, eq=False)
class Coordinate:
    """One generalized coordinate of a model.

    ``kind`` is what determines its value: the motion (free), a coupler constraint (coupled), the model's
    default (locked) or a function in the model (prescribed). Only free coordinates have a moment balance.
    ``rotational`` decides the unit (rad, else m). ``floating`` marks the
    coordinates of a free base, ``clamped`` those that OpenSim keeps within ``range``. ``converted`` is whether
    OpenSim's own tools convert its columns between degrees and radians: they leave an angle whose joint moves by a
    function other than the identity ("Coupled") in radians, in files of degrees too. ``turning`` marks coordinates of a
    joint whose speeds are not rates of its coordinates (Ball, Free, Ellipsoid, Scapulothoracic).
    """

    name: str
    joint: str
    kind: CoordinateKind
    rotational: bool
    default: float
    range: tuple[float, float]
    floating: bool = False
    clamped: bool = False
    converted: bool = True
    turning: bool = False

    @property
    def unit(self) -> str:
        """The unit of its generalized force."""
        return "N·m" if self.rotational else "N"


@dataclass(frozen=True, eq=False)
class MuscleParameters:
    """Parameters of the muscles in the model file; every array is (M,).

    Forces in N, lengths in m, pennation_angle (at optimal fibre length) in rad, max_contraction_velocity in
    optimal fibre lengths per second, controls without unit.
    ``properties`` holds the other numbers of the muscles' classes by OpenSim's property name, those of Millard's
    curves as ``"ActiveForceLengthCurve.minimum_value"``: (M,) each, switches as 0 and 1, NaN where a class has
    no such property.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    max_isometric_force: Array
    optimal_fiber_length: Array
    tendon_slack_length: Array
    pennation_angle: Array
    max_contraction_velocity: Array
    min_control: Array
    max_control: Array
    properties: Mapping[str, Array] = field(default_factory=dict)

    def pcsa(self, specific_tension: float = SPECIFIC_TENSION) -> Array:
        """Physiological cross-sectional area in cm²: max_isometric_force / specific_tension (N/cm²)."""
        return self.max_isometric_force / specific_tension

    def select(self, muscles: Index | NDArray[np.bool_]) -> MuscleParameters:
        """The same of some muscles, chosen by index or by a mask."""
        chosen = np.arange(len(self.names))[muscles]
        arrays = {f.name: getattr(self, f.name)[chosen] for f in fields(self) if f.type == "Array"}
        return replace(
            self,
            names=tuple(self.names[index] for index in chosen),
            classes=tuple(self.classes[index] for index in chosen),
            properties={name: values[chosen] for name, values in self.properties.items()},
            **arrays,
        )


@dataclass(frozen=True, eq=False)
class Coupling:
    """How coupled coordinates follow free ones: ``slope`` (T, P) is ∂q_dependent/∂q_independent of each pair (P,)."""

    dependent: Index
    independent: Index
    slope: Array


@dataclass(frozen=True, eq=False)
class Kinematics:
    """Every coordinate of the model along a motion: time (T,); value, speed, acceleration (T, N)."""

    time: Array
    coordinates: tuple[str, ...]
    value: Array
    speed: Array
    acceleration: Array
    coupling: Coupling | None = None

    def frames(self, keep: Rows) -> Kinematics:
        """The same motion at fewer frames."""
        return self.moved(self.time[keep], lambda array: array[keep])

    def same(self, other: Kinematics) -> bool:
        """Whether both have the same frames."""
        pairs = ((getattr(one, name) for one in (self, other)) for name in ("time", "value", "speed", "acceleration"))
        return all(np.array_equal(*pair) for pair in pairs)

    def at(self, times: Array) -> Kinematics:
        """The same motion at other times (s) within it: each array by the quintic spline through its own frames."""
        return self.moved(times, lambda array: interpolate(self.time, array, times))

    def moved(self, time: Array, change: Change) -> Kinematics:
        """The same motion at other times (s), to which ``change`` takes an array."""
        coupling = self.coupling and replace(self.coupling, slope=change(self.coupling.slope))
        value, speed, acceleration = (change(array) for array in (self.value, self.speed, self.acceleration))
        return Kinematics(time, self.coordinates, value, speed, acceleration, coupling)

    def onto_free(self, force: Array) -> Array:
        """Generalized forces (T, N), those of coupled coordinates added to what they follow: τ_j + Σ_d τ_d ∂q_d/∂q_j.

        Columns of the coupled ones keep their values.
        """
        moved = force + 0.0
        if self.coupling is not None:
            pairs = zip(self.coupling.dependent, self.coupling.independent, self.coupling.slope.T, strict=True)
            for dependent, independent, slope in pairs:
                moved[:, independent] += slope * force[:, dependent]
        return moved


@dataclass(frozen=True, eq=False)
class MuscleGeometry:
    """Moment arms of the muscle–coordinate pairs that are not structurally zero.

    ``moment_arms`` is (T, P) in m (m/m for a translation), pair p being coordinate ``pair_coordinate[p]`` and
    muscle ``pair_muscle[p]``. Nine tenths of the dense array are zeros, so that one is made on demand.
    ``length`` and ``lengthening_speed`` of the muscle-tendon units are (T, M) in m and m/s, or None.
    ``spanned`` (D,) marks the coordinates that some muscle's length depends on (OpenSim's wrapping can leave
    small moment arms about joints that no muscle crosses). ``crossing`` (P,) marks the pairs of a muscle and a
    coordinate that its length depends on; None marks all.
    """

    muscles: tuple[str, ...]
    coordinates: tuple[str, ...]
    pair_coordinate: Index
    pair_muscle: Index
    moment_arms: Array
    length: Array | None = None
    lengthening_speed: Array | None = None
    spanned: NDArray[np.bool_] | None = None
    crossing: NDArray[np.bool_] | None = None

    @property
    def crosses(self) -> NDArray[np.bool_]:
        """(D, M) which muscles' lengths depend on which coordinates."""
        found = np.zeros((len(self.coordinates), len(self.muscles)), dtype=bool)
        found[self.pair_coordinate, self.pair_muscle] = True if self.crossing is None else self.crossing
        return found

    @property
    def served(self) -> NDArray[np.bool_]:
        """(D,) which coordinates muscles serve: the spanned ones, or those with a pair where that is not known."""
        if self.spanned is not None:
            return self.spanned
        return np.isin(np.arange(len(self.coordinates)), self.pair_coordinate)

    @property
    def moment_arm(self) -> Tensor:
        """(T, D, M) dense: −∂(muscle_tendon_length)/∂q, so generalized force = moment_arm @ muscle_force."""
        shape = len(self.moment_arms), len(self.coordinates), len(self.muscles)
        dense = filled(shape, 0.0, self.moment_arms)
        dense[:, self.pair_coordinate, self.pair_muscle] = self.moment_arms
        return dense

    @classmethod
    def from_dense(cls, moment_arm: Array, muscles: tuple[str, ...], coordinates: tuple[str, ...]) -> MuscleGeometry:
        """From a (T, D, M) array; pairs that are zero in every frame are left out."""
        pair_coordinate, pair_muscle = np.nonzero(np.any(moment_arm != 0.0, axis=0))
        pairs = moment_arm[:, pair_coordinate, pair_muscle]
        return cls(muscles, coordinates, pair_coordinate, pair_muscle, pairs)

    def frames(self, keep: Rows) -> MuscleGeometry:
        """The same geometry at fewer frames."""
        return self.moved(lambda array: array[keep])

    def moved(self, change: Change) -> MuscleGeometry:
        """The same geometry at other times, to which ``change`` takes an array."""
        length, speed = (None if array is None else change(array) for array in (self.length, self.lengthening_speed))
        return replace(self, moment_arms=change(self.moment_arms), length=length, lengthening_speed=speed)

    def select(self, coordinates: Index, muscles: Index | None = None) -> MuscleGeometry:
        """The same geometry about a subset of the coordinates, and of a subset of the muscles."""
        columns = np.arange(len(self.muscles)) if muscles is None else muscles
        kept = np.isin(self.pair_coordinate, coordinates) & np.isin(self.pair_muscle, columns)
        row, column = ({old: new for new, old in enumerate(chosen.tolist())} for chosen in (coordinates, columns))
        length, speed = (None if a is None else a[:, columns] for a in (self.length, self.lengthening_speed))
        spanned = self.spanned
        if spanned is not None and muscles is not None:
            spanned = spanned & self.crosses[:, columns].any(axis=1)
        return replace(
            self,
            muscles=tuple(self.muscles[index] for index in columns),
            coordinates=tuple(self.coordinates[index] for index in coordinates),
            pair_coordinate=np.array([row[c] for c in self.pair_coordinate[kept].tolist()], dtype=np.intp),
            pair_muscle=np.array([column[m] for m in self.pair_muscle[kept].tolist()], dtype=np.intp),
            moment_arms=self.moment_arms[:, kept],
            length=length,
            lengthening_speed=speed,
            spanned=None if spanned is None else spanned[coordinates],
            crossing=None if self.crossing is None else self.crossing[kept],
        )

    def moments(self, force: Array) -> Tensor:
        """(T, D) N·m, or N for translations, of tendon forces (T, M) in N."""
        onto = np.zeros((len(self.pair_coordinate), len(self.coordinates)))
        onto[np.arange(len(onto)), self.pair_coordinate] = 1.0
        return (self.moment_arms * force[:, self.pair_muscle]) @ alike(onto, force)

    def largest_moment_arm(self, rows: int | None = None) -> Tensor:
        """(T, M) in m: max over the coordinates, or the first ``rows`` of them, of |moment arm|."""
        xp, largest = (
            namespace(self.moment_arms),
            filled((len(self.moment_arms), len(self.muscles)), 0.0, self.moment_arms),
        )
        counted = np.ones(len(self.pair_muscle), dtype=bool) if rows is None else self.pair_coordinate < rows
        for pair in np.flatnonzero(counted).tolist():
            muscle = self.pair_muscle[pair]
            largest[:, muscle] = xp.maximum(largest[:, muscle], xp.abs(self.moment_arms[:, pair]))
        return largest


@dataclass(frozen=True, eq=False)
class GeneralizedForce:
    """Net generalized forces that the actuators must produce: value (T, D) in N·m, or N for translations."""

    time: Array
    coordinates: tuple[str, ...]
    value: Array
