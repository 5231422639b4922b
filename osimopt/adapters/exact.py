"""Muscle paths of a model in arrays: tangent to every object that they wrap over, so that moment arms are −∂l/∂q."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..errors import InputError, explain, some
from ..multibody.description import Mask, Multibody
from ..multibody.gaps import without_gaps
from ..multibody.kinematics import Posture, posture
from ..multibody.layout import layout
from ..multibody.rates import refuse_lock
from ..multibody.vectors import Tensor, combine
from ..muscle.forces import supported
from ..notices import warn
from ..paths.arms import about_coordinates, moment_arms, wrenches
from ..paths.arrangement import Arrangement, arrange
from ..paths.description import Path, Paths
from ..paths.solve import SolvedPaths, contested, lengths, solve_paths
from ..polynomial.muscle_paths import Fit
from ..problem.arrays import Array, Index, Kinematics, MuscleGeometry
from .model import Model

#: Postures per block: 80 muscles take 100 MB.
BLOCK = 1250


@dataclass(frozen=True, eq=False)
class ExactPaths:
    """A model's own muscle paths, as :class:`~osimopt.polynomial.MusclePaths`.

    ``described`` are the paths of the muscles that it has, in the order of ``muscles``. ``asked`` says by name of a
    muscle why its path is left to OpenSim. ``unplaced`` are bodies beyond joints that are not described: paths between
    them are known, their places in ground are not.
    """

    multibody: Multibody
    described: Paths
    muscles: tuple[str, ...]
    asked: Mapping[str, str]
    unplaced: tuple[int, ...] = ()

    kind = "exact"

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of the coordinates that any muscle depends on."""
        return tuple(self.multibody.coordinates[index] for index in np.unique(np.nonzero(self.spanned)[0]))

    @property
    def left(self) -> Mapping[str, float]:
        """None: muscles without an exact path have no mismatch, they are ``asked``."""
        return {}

    @property
    def fits(self) -> Mapping[str, Fit]:
        """None: nothing is fitted."""
        return {}

    def select(self, muscles: Sequence[str]) -> ExactPaths:
        """Return the paths of these muscles, in this order; an InputError names those that are missing."""
        if missing := [name for name in muscles if name not in self.muscles]:
            raise InputError(explain("muscles with exact paths", f"none for {some(missing)}", "Use another geometry."))
        columns = [self.muscles.index(name) for name in muscles]
        paths = replace(self.described, muscles=tuple(self.described.muscles[column] for column in columns))
        return replace(self, described=paths, muscles=tuple(muscles))

    def without(self, muscles: Collection[str]) -> ExactPaths:
        """The paths of the other muscles."""
        return self.select([name for name in self.muscles if name not in muscles])

    def outside(self, names: Sequence[str], value: Array) -> dict[str, int]:
        """No frame is outside a fitted range."""
        return {}

    @cached_property
    def arrangement(self) -> Arrangement:
        """The paths sorted by shape, to be solved together."""
        return arrange(self.described, [self.path(muscle) for muscle in self.muscles])

    def path(self, muscle: str) -> Path:
        """The path of a muscle."""
        found = self.described.muscles[self.muscles.index(muscle)]
        if found is None:
            raise InputError(
                explain("a muscle with an exact path", f"'{muscle}', which has none", "Use another geometry.")
            )
        return found

    @cached_property
    def spanned(self) -> Mask:
        """(N, M) which coordinates each length can depend on: those of joints between its bodies, and its movers."""
        beyond = layout(self.multibody).beyond
        spanned = np.zeros((beyond.shape[1], len(self.muscles)), dtype=bool)
        for column, muscle in enumerate(self.muscles):
            path = self.path(muscle)
            bodies = bodies_of(self.described, path)
            spanned[:, column] = beyond[bodies].any(axis=0) & ~beyond[bodies].all(axis=0)
            spanned[path.mover[path.mover >= 0], column] = True
        return spanned

    @cached_property
    def pairs(self) -> tuple[Index, Index]:
        """Coordinates and muscles (P,) of the pairs that ``spanned`` holds."""
        coordinate, muscle = np.nonzero(self.spanned)
        return coordinate, muscle

    @property
    def still(self) -> tuple[str, ...]:
        """Names of the muscles that only pull on bodies, in places that are known: no point moves on its body."""
        own = (name for name in self.muscles if (self.path(name).mover < 0).all())
        return tuple(name for name in own if not set(bodies_of(self.described, self.path(name))) & {*self.unplaced})

    def wrenches(self, value: Array, tension: Mapping[str, Array]) -> dict[str, Array]:
        """By body: moments about ground's origin in N·m and forces in N (T, 6) of tensions (T,) N by muscle."""
        _, solved = self.solve(value)
        if not solved:
            return {}
        pulled = np.stack([tension.get(name, np.zeros(len(value))) for name in self.muscles], axis=1)
        bodies = self.multibody.tree.bodies
        found = wrenches(solved, pulled, len(bodies))
        return {body: part.T for body, part in zip(bodies, found, strict=True) if body not in ("", "ground")}

    def evaluate(self, names: Sequence[str], value: Array, speed: Array | None = None) -> MuscleGeometry:
        """Lengths, moment arms and lengthening speeds where coordinates ``names`` have ``value`` and ``speed``.

        As :meth:`~osimopt.polynomial.geometry.PolynomialGeometry.evaluate`; every coordinate of the model is needed.

        Raises
        ------
        InputError
            A missing coordinate, or shapes that do not fit.
        """
        names, every = list(names), self.multibody.coordinates
        if missing := [name for name in every if name not in names]:
            got = f"none for {some(missing, 12)}"
            raise InputError(explain("a column for every coordinate of the model", got, "Give the whole motion."))
        columns = [names.index(name) for name in every]
        rate, blocks = np.zeros_like(value) if speed is None else speed, []
        for start in range(0, max(len(value), 1), BLOCK):
            own = slice(start, start + BLOCK)
            at, solved = self.solve(value[own, columns])
            along, arms = self.measured(at, solved)
            if solved:
                along[contested(self.arrangement, solved)] = np.nan  # here no frames can be named
            blocks.append((along, arms.T, self.lengthening(arms, rate[own, columns].T)))
        length, pairs, lengthening = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
        coordinate, muscle = self.pairs
        spanned, faster = np.isin(np.arange(len(every)), coordinate), None if speed is None else lengthening
        return MuscleGeometry(self.muscles, every, coordinate, muscle, pairs, length, faster, spanned)

    def solve(self, value: Tensor) -> tuple[Posture, list[SolvedPaths]]:
        """Postures (T, N), and the paths solved in them, bundle by bundle."""
        at = posture(self.multibody, value)
        return at, solve_paths(self.arrangement, at)

    def measured(self, at: Posture, solved: list[SolvedPaths]) -> tuple[Tensor, Tensor]:
        """Lengths (T, M), and moment arms (P, T) of the ``pairs``, about coordinates."""
        if not self.muscles:
            return at.value[:0].T, at.value[:0]
        arms = about_coordinates(moment_arms(self.arrangement, solved, at), at)
        coordinate, muscle = self.pairs
        return lengths(self.arrangement, solved), arms.of(muscle, coordinate)

    def lengthening(self, arms: Tensor, speed: Tensor) -> Tensor:
        """Speeds (T, M) at which the muscles lengthen, of moment arms (P, T) of the pairs, at rates (N, T)."""
        coordinate, muscle = self.pairs
        weights = (muscle == np.arange(len(self.muscles))[:, None]).astype(float)
        return -combine(weights, arms * speed[coordinate]).T


def read_exact(model: Model, motion: Kinematics | None = None) -> ExactPaths:
    """The exact paths of a model, maybe none; a warning names the muscles that are left to OpenSim, and why.

    In a ``motion`` gimbal lock is refused.

    Raises
    ------
    ModelError
        Gimbal lock in the motion.
    """
    exact = described_paths(model)
    asked = exact.asked
    if motion is not None:
        refuse_lock(exact.multibody, motion.value, motion.time)
    left = [f"{name} ({asked[name]})" for name in model.description.muscles.names if name in asked]
    if left:
        warn(f"{model.path}: muscles without exact paths, which keep OpenSim's: {some(left, 12)}.")
    return exact


def described_paths(model: Model) -> ExactPaths:
    """The exact paths of a model, which may be none."""
    paths = model.described.paths
    multibody, beyond = without_gaps(model.described.multibody)
    asked = _not_described(model, paths, beyond)
    unplaced = tuple(np.flatnonzero(np.any([bodies for _, bodies in beyond], axis=0)).tolist()) if beyond else ()
    return ExactPaths(multibody, paths, model.description.muscles.names, asked, unplaced=unplaced).without(asked)


def bodies_of(paths: Paths, path: Path) -> list[int]:
    """Bodies that a path has points or wrap objects on."""
    return [*path.body.tolist(), *(paths.objects[wrap.object].body for wrap in path.wraps)]


def _not_described(model: Model, paths: Paths, beyond: Sequence[tuple[str, Mask]]) -> dict[str, str]:
    """Why muscles have no exact path, by name: it is not described, or their curves are not known here.

    ``beyond`` are the bodies (B,) beyond joints that are not described, with the joint's name.
    """
    muscles, asked = model.description.muscles, dict(paths.asked)
    for name, kind, known in zip(muscles.names, muscles.classes, supported(muscles), strict=True):
        if not known:
            asked.setdefault(name, f"osimopt has no curves of its class {kind}")
    for name, path in zip(muscles.names, paths.muscles, strict=True):
        for joint, bodies in beyond:
            if path and np.unique(bodies[bodies_of(paths, path)]).size > 1:
                asked.setdefault(name, f"it spans the joint '{joint}', which is not described in arrays")
    return asked
