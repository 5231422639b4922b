"""What crosses between the user's process and opensim's: plain data, importable on both sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..problem.arrays import Coordinate, CoordinateKind, MuscleParameters

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ModelKey:
    """What identifies a loaded model: its files as they were (``stamps``: size, time of change), and what was done.

    ``contact`` says whether forces of the model that press on the ground act.
    """

    path: str
    stamps: tuple[tuple[int, int], ...]
    weld: tuple[str, ...] = ()
    loads: str | None = None
    loads_data: str | None = None
    rigid_tendon: bool = False
    force_sets: tuple[str, ...] = ()
    replace_force_set: bool = False
    contact: bool = True


@dataclass(frozen=True)
class Actuator:
    """A scalar actuator of the model that is no muscle; optimal force in N·m or N, bounds of its control."""

    name: str
    kind: str
    optimal_force: float
    lower: float
    upper: float


@dataclass(frozen=True)
class ModelDescription:
    """A model in plain data; ``free`` indexes the free coordinates in multibody-tree order, ``weight`` is in N.

    ``contact`` are name and class of the forces that press on the ground, whether they act or not; ``within`` names
    muscles whose moving points pull a neighbour on their own body, which OpenSim leaves out.
    """

    name: str
    coordinates: tuple[Coordinate, ...]
    free: tuple[int, ...]
    muscles: MuscleParameters
    actuators: tuple[Actuator, ...]
    other_forces: tuple[tuple[str, str], ...]
    switched_off: tuple[str, ...]
    warnings: tuple[str, ...]
    opensim_version: str
    weight: float = 0.0
    contact: tuple[tuple[str, str], ...] = ()
    within: tuple[str, ...] = ()

    @property
    def coordinate_names(self) -> tuple[str, ...]:
        """Names of all coordinates, in the model's order."""
        return tuple(coordinate.name for coordinate in self.coordinates)

    def of_kind(self, kind: CoordinateKind) -> list[int]:
        """Indices of the coordinates of one kind."""
        return [index for index, coordinate in enumerate(self.coordinates) if coordinate.kind == kind]


@dataclass(frozen=True)
class Pairs:
    """Muscle–coordinate pairs that are not structurally zero.

    ``coordinate`` (rows of the free ones) and ``muscle`` are (P,); ``served`` (D,) says on which coordinates some
    muscle that spans them acts; ``spanned`` (D, M) what each path may depend on; ``probed`` are the muscles whose
    moment arms are taken from forces.
    """

    coordinate: NDArray[np.intp]
    muscle: NDArray[np.intp]
    served: NDArray[np.bool_]
    spanned: NDArray[np.bool_]
    probed: NDArray[np.intp]
    warnings: list[str]

    @classmethod
    def none(cls, coordinates: int, muscles: int) -> Pairs:
        """No pairs at all, where the model's paths are not asked."""
        nothing = np.zeros(0, dtype=np.intp)
        unserved, unspanned = np.zeros(coordinates, dtype=bool), np.zeros((coordinates, muscles), dtype=bool)
        return cls(nothing, nothing, unserved, unspanned, nothing, [])


@dataclass(frozen=True)
class Wanted:
    """What to compute.

    ``muscles`` are those whose lengths, speeds and moment arms are wanted, ``asked`` those whose gain (and passive
    force) only OpenSim knows.
    """

    muscles: tuple[int, ...]
    generalized_force: bool
    passive_force: bool
    asked: tuple[int, ...] = ()


@dataclass(frozen=True)
class FrameArrays:
    """Arrays of one chunk of frames; axes as in ``osimopt.problem.arrays``, None for what was not wanted.

    ``length`` and ``lengthening_speed`` are of the muscles wanted, ``moment_arms`` of the pairs given.
    ``max_force`` and ``passive_force`` are of the muscles asked for; ``effect`` is (T, D, K) per unit control, or
    (1, D, K) where no posture changes it. ``unexplained`` names muscles that lengthen otherwise than their moment arms
    say.
    """

    moment_arms: Array | None
    length: Array | None
    lengthening_speed: Array | None
    max_force: Array
    passive_force: Array
    generalized_force: Array | None
    effect: Array
    unexplained: tuple[str, ...]
    warnings: list[str]


@dataclass(frozen=True)
class Claims:
    """What was extracted at some frames, to be asked for a second time; None is not asked for.

    ``moment_arms`` (T, P) of the pairs, ``max_force`` (T, M) as OpenSim's, ``generalized_force`` (T, D).
    """

    pairs: Pairs | None
    moment_arms: Array | None
    max_force: Array | None
    generalized_force: Array | None

    def frames(self, rows: slice) -> Claims:
        """The claims at some of the frames."""
        arms, force, moments = (
            None if own is None else own[rows] for own in (self.moment_arms, self.max_force, self.generalized_force)
        )
        return Claims(self.pairs, arms, force, moments)


@dataclass(frozen=True)
class Difference:
    """The largest difference between two ways of asking OpenSim for one thing, and where it is found.

    ``where`` names a coordinate or muscle, ``frame`` is one of those asked about; ``size`` is NaN where one of the two
    ways gave no number.
    """

    kind: str
    size: float
    where: str = ""
    frame: int = 0


@dataclass(frozen=True)
class Postures:
    """What each muscle can do in n postures: (n, M) arrays by name."""

    COLUMNS: ClassVar = (
        "moment_arm",
        "muscle_tendon_length",
        "fiber_length",
        "max_force",
        "max_force_active",
        "max_force_rigid",
    )
    columns: dict[str, Array]
    warnings: list[str]
