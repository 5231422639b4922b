"""Twins of a loaded problem: the same motion of a body of another size and mass, on exact geometry.

The bodies of the model are scaled with their muscle paths, and moments are computed anew, all in arrays. Independent
of this, OpenSim's ``Model.scale`` gives the same lengths, moment arms, moments and muscle parameters.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import InputError, ModelError, explain, some
from ..multibody.description import Multibody
from ..multibody.kinematics import posture
from ..multibody.loads import MeasuredLoads
from ..multibody.scaling import scale_bodies
from ..multibody.vectors import apply, apply_transposed
from ..paths.arrangement import Arrangement
from ..paths.scaling import scale_paths
from ..problem.arrays import Array, Kinematics, MuscleParameters
from ..problem.problem import RedundancyProblem
from .exact import ExactPaths
from .exact_dynamics import ExactDynamics
from .extraction import Extraction, NeedsOpenSimError
from .model import Model
from .trial import Trial

FIX = "Load it with geometry='exact' (--geometry exact) and without a cache, or leave sizes (--sizes) out."


@dataclass(frozen=True)
class BodyScale:
    """How a body differs from the model's: all numbers are factors.

    ``size`` is that of all lengths, times ``segments`` by body (1 for the others). ``mass`` multiplies masses, external
    forces and moments from a file (these also by the size).
    """

    size: float = 1.0
    mass: float = 1.0
    segments: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        numbers = {"size": self.size, "mass": self.mass, **self.segments}
        for name, value in numbers.items():
            if not (isinstance(value, (int, float)) and 0.0 < value < np.inf):
                raise InputError(explain(f"a factor above 0 for {name}", repr(value), "Give 1 to keep it."))

    def factors(self, bodies: tuple[str, ...]) -> Array:
        """(B, 3) scale factors of bodies, ground first."""
        if unknown := [name for name in self.segments if name not in bodies]:
            raise InputError(explain(f"bodies among {some(bodies, 40)}", some(unknown), "Correct segments."))
        return np.repeat([[self.size * self.segments.get(name, 1.0)] for name in bodies], 3, axis=1)

    def bodies(self, multibody: Multibody) -> Multibody:
        """The bodies of these sizes and masses."""
        scaled = scale_bodies(multibody, self.factors(multibody.tree.bodies))
        tree = scaled.tree
        return replace(scaled, tree=replace(tree, mass=self.mass * tree.mass, inertia=self.mass * tree.inertia))


@dataclass(frozen=True, eq=False)
class ScaledPaths(ExactPaths):
    """Exact paths on scaled bodies."""

    scale: BodyScale = field(default_factory=BodyScale)

    @cached_property
    def arrangement(self) -> Arrangement:
        """The scaled paths."""
        return scale_paths(self.multibody, super().arrangement, self.scale.factors(self.multibody.tree.bodies))


@dataclass(frozen=True, eq=False)
class ScaledDynamics(ExactDynamics):
    """Inverse dynamics of scaled bodies, whose loads keep their places on them; ``own`` and ``motion`` are unscaled."""

    scale: BodyScale
    own: ExactDynamics
    motion: Kinematics

    @cached_property
    def others(self) -> Arrangement:
        """The scaled paths of forces and actuators."""
        return scale_paths(self.multibody, super().others, self.scale.factors(self.multibody.tree.bodies))

    def measured(self, time: Array) -> MeasuredLoads | None:
        """The loads at some frames of the motion: forces by the mass, at the same place of the scaled body."""
        loads = self.own.measured(time)
        if loads is None:
            return None
        at = posture(self.own.multibody, self.motion.value[np.searchsorted(self.motion.time, time)])
        grown = self.scale.factors(self.multibody.tree.bodies)[loads.body][:, :, None]
        ground = at.positions[loads.place] + apply(at.rotations[loads.place], loads.point)
        point = grown * apply_transposed(at.rotations[loads.body], ground - at.positions[loads.body])
        force, torque = self.scale.mass * loads.force, self.scale.mass * grown * loads.torque
        return replace(loads, place=loads.body, point=point, force=force, torque=torque)


def twin(problem: RedundancyProblem, scale: BodyScale) -> RedundancyProblem:
    """The problem of a body of other sizes that moves alike.

    Rotations stay, translations are multiplied by the size. Optimal fibre lengths and tendon slack lengths grow with
    the path in the model's default posture, as in OpenSim. Moments come from inverse dynamics of the scaled bodies,
    where they did; those from a file are multiplied by mass and size. Springs and limits of joints, reserves and
    actuators stay. The twin has no ``source``.

    Raises
    ------
    InputError
        A problem that was not loaded on exact geometry, or that was changed since.
    ModelError
        Loops or coupled translations, whose motion depends on the size; paths that do not settle at this size.
    """
    trial = _trial(problem)
    rows = np.searchsorted(trial.motion.time, problem.time)
    _check(trial, problem, rows)
    piece = _scaled(trial.piece(slice(int(rows[0]), int(rows[-1]) + 1)), scale)
    try:
        whole = piece.own_frames()
    except NeedsOpenSimError:
        got, fix = f"one that does not settle at size {scale.size:g}", "Choose sizes nearer to 1."
        raise ModelError(explain("muscle paths of the scaled body", got, fix, trial.model.path)) from None
    part = (whole.muscles, whole.coordinates) != (problem.muscles, problem.coordinates)
    made = whole.part(list(problem.coordinates), list(problem.muscles)) if part else whole
    return replace(
        made, lower=problem.lower, upper=problem.upper, weights=problem.weights, source=None,
        provenance={**problem.provenance, "twin": _plain(scale)},
    )  # fmt: skip


def model_bodies(problem: RedundancyProblem) -> tuple[str, ...]:
    """Names of the bodies whose sizes a twin may have, without ground."""
    bodies = _trial(problem).model.described.multibody.tree.bodies
    return tuple(name for name in bodies[1:] if name)


def _trial(problem: RedundancyProblem) -> Trial:
    """The trial that a problem was loaded from, whole or in part."""
    source: Any = problem.source
    while source is not None and not isinstance(source, Trial):
        source = getattr(source, "source", None)
    if source is None:
        raise InputError(explain("a problem with its model, to vary sizes", f"{problem} without it", FIX))
    return source


def _check(trial: Trial, problem: RedundancyProblem, rows: Any) -> None:
    description, path = trial.model.description, trial.model.path
    if not trial.extraction.by_arrays or trial.extraction.fitted is not None or trial.extraction.lost:
        got = "paths or moments that are not computed by arrays"
        raise InputError(explain("exact muscle paths and moments, to vary sizes", got, FIX, path))
    if not np.array_equal(trial.motion.time[rows[0] : rows[-1] + 1], problem.time):
        raise InputError(explain("consecutive frames of the motion", f"other times in {problem}", FIX, path))
    shifts = [description.coordinates[index].name for index in description.of_kind("coupled")
              if not description.coordinates[index].rotational]  # fmt: skip
    if not_alike := [*description.loops, *shifts]:
        got, fix = f"loops or coupled translations: {some(not_alike)}", "Leave sizes (--sizes) out."
        raise ModelError(explain("a motion that does not depend on the size of bodies", got, fix, path))


def _scaled(piece: Trial, scale: BodyScale) -> Trial:
    """Frames of a trial with the bodies, muscles, motion and moments of another size."""
    own: Extraction = piece.extraction
    assert own.chain is not None
    bodies = scale.bodies(own.chain.paths.multibody)
    exact = own.chain.paths
    paths = ScaledPaths(bodies, exact.described, exact.muscles, exact.asked, exact.unplaced, scale)
    dynamics = own.chain.dynamics
    if dynamics is not None:
        of_body = scale.bodies(dynamics.multibody)
        dynamics = ScaledDynamics(of_body, dynamics.paths, dynamics.loads, dynamics.free, scale, dynamics, piece.motion)
    model, motion = _model(piece.model, exact, paths, scale), _moved(piece, scale)
    made = copy.copy(piece)
    made.model, made.motion, made.checked = model, motion, False
    made.extraction = copy.copy(own)
    made.extraction.model, made.extraction.motion, made.extraction.dynamics = model, motion, dynamics
    made.extraction.chain = replace(own.chain, paths=paths, dynamics=dynamics, reactions=None)
    made.extraction.joints = None
    if piece.given is not None:
        turns = {one.name: one.rotational for one in model.description.coordinates}
        grown = np.array([scale.size if turns[name] else 1.0 for name in piece.given.coordinates])
        made.given = replace(piece.given, value=scale.mass * grown * piece.given.value)
    return made


def _moved(piece: Trial, scale: BodyScale) -> Kinematics:
    """The motion, its translations multiplied by the size."""
    turns = {one.name: one.rotational for one in piece.model.description.coordinates}
    grown = np.array([1.0 if turns[name] else scale.size for name in piece.motion.coordinates])
    arrays = {name: getattr(piece.motion, name) * grown for name in ("value", "speed", "acceleration")}
    return replace(piece.motion, **arrays)


def _model(model: Model, own: ExactPaths, scaled: ExactPaths, scale: BodyScale) -> Model:
    """The model's description with the muscles of the scaled body."""
    names, default = own.multibody.coordinates, own.multibody.values[None]
    before, after = (np.asarray(paths.evaluate(names, default).length)[0] for paths in (own, scaled))
    known = dict(zip(own.muscles, after / before, strict=True))
    muscles = model.description.muscles
    longer = np.array([known.get(name, scale.size) for name in muscles.names])
    longer = np.where(np.isfinite(longer), longer, scale.size)
    description = replace(
        model.description, muscles=_muscles(muscles, longer), weight=scale.mass * model.description.weight
    )
    return replace(model, described=replace(model.described, description=description))


def _muscles(muscles: MuscleParameters, longer: Array) -> MuscleParameters:
    return replace(
        muscles,
        optimal_fiber_length=longer * muscles.optimal_fiber_length,
        tendon_slack_length=longer * muscles.tendon_slack_length,
    )


def _plain(scale: BodyScale) -> dict[str, Any]:
    return {**vars(scale), "segments": dict(scale.segments)}
