"""Plain data that is sent between the user's process and opensim's, importable on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..multibody.description import Multibody
from ..paths.description import Paths
from ..problem.arrays import Array, Coordinate, CoordinateKind, Index, MuscleParameters

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class ModelKey:
    """Identifies a loaded model: its files with the SHA-256 of each (``stamps``), and how it is loaded.

    ``included`` are files that the model or a force set includes; ``stamps`` are those of ``files``.
    ``contact``: whether forces of the model that press on the ground act. ``loads_read`` is what OpenSim reads in place
    of ``loads``, which messages name; its name is a hash of its contents.
    """

    path: str
    stamps: tuple[str, ...]
    weld: tuple[str, ...] = ()
    loads: str | None = None
    loads_data: str | None = None
    rigid_tendon: bool = False
    force_sets: tuple[str, ...] = ()
    replace_force_set: bool = False
    contact: bool = True
    loads_read: str | None = None
    loads_stamps: tuple[str, ...] = ()
    included: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """The files that make the model, without loads."""
        return (self.path, *self.force_sets, *self.included)


@dataclass(frozen=True)
class Actuator:
    """A scalar actuator of the model that is no muscle: optimal force in N·m or N, bounds of its control."""

    name: str
    kind: str
    optimal_force: float
    lower: float
    upper: float


@dataclass(frozen=True)
class ModelDescription:
    """A model in plain data; ``free`` indexes the free coordinates in multibody-tree order, ``weight`` is in N.

    ``contact`` are name and class of the forces that press on the ground, whether they act or not; ``within`` names
    muscles whose moving points pull a neighbour on their own body, which OpenSim ignores. ``loops`` are class and name
    of the constraints, other than couplers, that close loops of bodies, ``coupling`` the pairs of a coupled coordinate
    and a free one that it may follow; ``replaced`` says which muscles are of another
    class than in the file; ``dropped`` are the forces of force sets that do not act, since another has their name;
    ``muscle_paths`` and ``coordinate_paths`` are absolute paths in the model.
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
    loops: tuple[str, ...] = ()
    coupling: tuple[tuple[int, int], ...] = ()
    dropped: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    muscle_paths: tuple[str, ...] = ()
    coordinate_paths: tuple[str, ...] = ()

    @property
    def coordinate_names(self) -> tuple[str, ...]:
        """Names of all coordinates, in the model's order."""
        return tuple(coordinate.name for coordinate in self.coordinates)

    def of_kind(self, kind: CoordinateKind) -> list[int]:
        """Indices of the coordinates of one kind."""
        return [index for index, coordinate in enumerate(self.coordinates) if coordinate.kind == kind]


@dataclass(frozen=True, eq=False)
class Described:
    """A model in plain data: its parts by name, its bodies and forces in arrays, and its muscle paths.

    External loads are no part of it.
    """

    description: ModelDescription
    multibody: Multibody
    paths: Paths


@dataclass(frozen=True)
class Pairs:
    """Muscle–coordinate pairs that are not structurally zero.

    ``coordinate`` (rows of the free ones) and ``muscle`` are (P,); ``crossing`` (P,) marks the pairs of a coordinate
    and a muscle that spans it and acts on it; ``spanned`` (D, M) which coordinates each path may depend on;
    ``probed`` are the muscles whose moment arms are taken from forces; ``inconsistent`` are warnings by muscle.
    """

    coordinate: Index
    muscle: Index
    crossing: Mask
    spanned: Mask
    probed: Index
    inconsistent: dict[str, str]

    def of(self, muscles: Sequence[int]) -> Pairs:
        """The pairs of some muscles."""
        kept, among = np.isin(self.muscle, muscles), np.isin(np.arange(self.spanned.shape[1]), muscles)
        pairs = (self.coordinate[kept], self.muscle[kept], self.crossing[kept])
        return Pairs(*pairs, self.spanned & among, np.intersect1d(self.probed, muscles), self.inconsistent)


@dataclass(frozen=True)
class Wanted:
    """Arrays to compute at the frames of a motion.

    ``muscles`` are those whose lengths, speeds and moment arms are wanted, ``gains`` those whose gain (and passive
    force) OpenSim has to compute.
    """

    muscles: tuple[int, ...]
    generalized_force: bool
    passive_force: bool
    gains: tuple[int, ...] = ()


@dataclass(frozen=True)
class FrameArrays:
    """Arrays of one chunk of frames by name; axes as in ``osimopt.problem.arrays``.

    ``length`` and ``lengthening_speed`` are of the muscles wanted, ``moment_arms`` of the pairs given, ``max_force``
    and ``passive_force`` of the muscles whose gains are wanted; ``effect`` is (T, D, K) per unit control, or (1, D, K)
    where it does not depend on posture. ``unexplained`` names muscles whose lengthening speeds contradict their moment
    arms.
    """

    arrays: dict[str, Array]
    unexplained: tuple[str, ...]
    warnings: list[str]


@dataclass(frozen=True, eq=False)
class Pulls:
    """What unit tensions of muscles, or actuators at control 1, do to bodies and coordinates in T frames.

    ``on`` (P,) are names of source and body, ground among these, of the wrenches (T, P, 6): moments about ground's
    origin and forces, in ground's axes. ``about`` (Q,) are source and coordinate, a row of all, of the generalized
    forces (T, Q) about speeds that come in addition: where coordinates move points of a path, or are pushed.
    """

    on: tuple[tuple[str, str], ...]
    wrench: Array
    about: tuple[tuple[str, int], ...]
    generalized: Array


@dataclass(frozen=True, eq=False)
class BodyForces:
    """How B bodies, ground first, move in T frames, and what acts on them beside gravity, muscles and actuators.

    ``joint_frames`` (2, 3) m are, by joint, the origins of its frames on the bodies of parent and child. ``pose``
    (T, B, 3, 4) are axes and origin of each body in ground. ``velocity`` and ``acceleration`` (T, B, 6), an angular
    and a linear part, are of its origin; ``applied`` (T, B, 6) are moments about its origin and forces, ``generalized``
    (T, N) forces about the speeds of coordinates.
    """

    bodies: tuple[str, ...]
    joint_frames: dict[str, Array]
    pose: Array
    velocity: Array
    acceleration: Array
    applied: Array
    generalized: Array


@dataclass(frozen=True, eq=False)
class ForceRecord:
    """OpenSim's report of one force: column labels, and values (T, n) in N, N·m or m.

    The values are None for muscles and other actuators, whose forces are unknown before solving.
    """

    name: str
    labels: tuple[str, ...]
    values: Array | None


@dataclass(frozen=True)
class Claims:
    """Arrays that were extracted at some frames, to be compared with OpenSim's single calls; None is not compared.

    ``moment_arms`` (T, P) of the pairs, ``max_force`` (T, M) as OpenSim's, ``generalized_force`` (T, D).
    """

    pairs: Pairs | None
    moment_arms: Array | None
    max_force: Array | None
    generalized_force: Array | None

    def frames(self, rows: slice) -> Claims:
        """The claims at some of the frames."""
        arrays = (self.moment_arms, self.max_force, self.generalized_force)
        return Claims(self.pairs, *(None if array is None else array[rows] for array in arrays))


@dataclass(frozen=True)
class Difference:
    """The largest difference between two ways of computing one thing by OpenSim, and where it is found.

    ``where`` names a coordinate or muscle, ``frame`` is one of those compared; ``size`` is NaN where one of the two
    ways gave no number.
    """

    kind: str
    size: float
    where: str = ""
    frame: int = 0
