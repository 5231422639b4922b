"""Subjects to train on: bodies of other sizes and strengths than the model's, drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..adapters.twin import BodyScale, model_bodies, twin
from ..errors import InputError, ModelError, explain, shown
from ..muscle.conversion import use_degroote_muscles
from ..notices import warn
from ..problem.arrays import Array
from ..problem.problem import RedundancyProblem
from ..surrogate.strides import parameters_of
from .training_data import vary_muscles

#: Least and largest factor.
Range = tuple[float, float]
#: Standard deviations of logarithms: of the size of a segment beside that of the body, and of the mass beside size³.
SEGMENT, MASS = 0.05, 0.08
#: Factors that are accepted, of sizes and of strengths.
LIMITS = {"sizes": (0.5, 2.0), "strengths": (0.1, 10.0)}
#: A range that varies nothing, and the ranges by default.
OWN = (1.0, 1.0)
SIZES, STRENGTHS = (0.9, 1.1), (0.8, 1.3)


@dataclass(frozen=True)
class Subjects:
    """Ranges of bodies relative to the model's.

    ``sizes`` are those of lengths; masses are about size³. ``strengths`` are those of maximum isometric forces relative
    to size², the area of a similar muscle. Within a range logarithms are uniform.
    """

    sizes: Range = OWN
    strengths: Range = OWN

    def __post_init__(self) -> None:
        for name, (least, most) in LIMITS.items():
            given = getattr(self, name)
            pair = isinstance(given, Sequence) and len(given) == 2 and all(isinstance(x, int | float) for x in given)
            if not (pair and least <= given[0] <= given[1] <= most):
                expected = f"{name} (--{name}) as two factors from {least:g} to {most:g}, the smaller one first"
                raise InputError(explain(expected, shown(given), "Give for example 0.9 and 1.1, or leave it out."))
            object.__setattr__(self, name, (float(given[0]), float(given[1])))

    @classmethod
    def chosen(
        cls, problems: Sequence[RedundancyProblem], sizes: Range | None = None, strengths: Range | None = None
    ) -> Subjects:
        """Ranges that were given, and ``SIZES`` and ``STRENGTHS`` for others.

        Sizes stay the model's, with a warning, where no twin can be made.
        """
        strengths = STRENGTHS if strengths is None else strengths
        if sizes is not None:
            return cls(sizes, strengths)
        try:
            for problem in problems:
                twin(problem.frames(slice(0, 2)), BodyScale(SIZES[1]))
        except (InputError, ModelError) as error:
            warn(f"The surrogate is trained on bodies of the model's own size only. {error}")
            return cls(OWN, strengths)
        return cls(SIZES, strengths)

    def check(self, problems: Sequence[RedundancyProblem]) -> None:
        """Refuse problems without elastic tendons, or of which no twin can be made, before anything is solved."""
        for problem in problems:
            some_frames = problem.frames(slice(0, 2))
            parameters_of(use_degroote_muscles(some_frames))
            if self.sizes != OWN:
                for size in self.sizes:
                    twin(some_frames, BodyScale(size, size**3))

    def draw(self, seed: Sequence[int], bodies: Sequence[str]) -> tuple[BodyScale, float]:
        """Draw a body, and by how much its maximum isometric forces differ."""
        random = np.random.default_rng([*seed, len(LIMITS)])
        size, strength = (float(np.exp(random.uniform(*np.log(ends)))) for ends in (self.sizes, self.strengths))
        if self.sizes == OWN:
            return BodyScale(), strength
        segments = np.exp(SEGMENT * random.standard_normal(len(bodies)))
        mass = size**3 * float(np.exp(MASS * random.standard_normal()))
        named = {name: float(factor) for name, factor in zip(bodies, segments, strict=True)}
        return BodyScale(size, mass, named), strength * size**2


def subject(
    problem: RedundancyProblem, subjects: Subjects, seed: Sequence[int], spread: float
) -> tuple[RedundancyProblem, BodyScale]:
    """Return the motion of a subject with De Groote muscles, which also vary by themselves (``vary_muscles``)."""
    scale, strength = subjects.draw(seed, model_bodies(problem) if subjects.sizes != OWN else ())
    made = problem if subjects.sizes == OWN else twin(problem, scale)
    return vary_muscles(stronger(made, strength), seed, spread), scale


def stronger(problem: RedundancyProblem, strength: float | Array) -> RedundancyProblem:
    """Return the problem with De Groote muscles of other maximum isometric forces."""
    if problem.parameters is None or np.all(strength == 1.0):
        return problem
    forces = strength * problem.parameters.max_isometric_force
    return use_degroote_muscles(replace(problem, parameters=replace(problem.parameters, max_isometric_force=forces)))
