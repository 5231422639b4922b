"""Random muscle parameters, and the problems with these parameters.

A sample is one subject: each parameter of each muscle has one factor, the same in every frame. Where fibre or tendon
lengths are drawn, maximum forces are recomputed from the muscles' curves; strengths, moment arms and moments are only
scaled. What joints transmit per N of a muscle, and without muscles, is the same in all samples: a factor of a moment
arm moves no muscle's line of action, one of a generalized force no inertia or load.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InputError, check_names, explain
from ..muscle.forces import rigid_tendon_gain, rigid_tendon_passive
from ..namespace import Tensor, alike, filled, namespace
from ..problem.arrays import Array
from ..problem.problem import RedundancyProblem

#: A relative standard deviation, one by name, or a function of a generator and a shape that returns factors.
Spread = float | Mapping[str, float] | Callable[[np.random.Generator, tuple[int, ...]], ArrayLike]

Pennation = Literal["opensim", "corrected"]

#: Parameters that max_force is computed from, and all that can be uncertain; the order determines the random numbers.
FIBRE = ("optimal_fiber_length", "tendon_slack_length", "pennation_angle")
PARAMETERS = ("max_isometric_force", *FIBRE, "moment_arm", "generalized_force")
#: Relative to the strongest muscle; a problem whose max_force differs by more is not that of its parameters.
SAME_GAIN = 1e-6


@dataclass(frozen=True, eq=False)
class Draws:
    """Factors of S samples, by parameter: (S, M), for moment_arm (S, P), for generalized_force (S, D)."""

    factors: dict[str, Array]
    samples: int
    pennation: Pennation = "opensim"

    @classmethod
    def of(cls, problem: RedundancyProblem, uncertainty: Mapping[str, Spread], samples: int, seed: int) -> Draws:
        """Draw; a parameter's factors depend on the seed and its own spread, not on the other uncertain parameters."""
        check_names("uncertain parameters", uncertainty, PARAMETERS)
        if not uncertainty:
            raise InputError(explain("at least one uncertain parameter", "none", "{'max_isometric_force': 0.1}."))
        columns: dict[str, tuple[str, ...]] = dict.fromkeys(PARAMETERS, problem.muscles)
        columns["moment_arm"] = tuple(problem.muscles[i] for i in problem.geometry.pair_muscle)
        columns["generalized_force"] = problem.coordinates
        factors = {
            name: _factors(name, spread, columns[name], samples, np.random.default_rng([seed, PARAMETERS.index(name)]))
            for name, spread in uncertainty.items()
        }
        fibre = any(name in FIBRE for name in uncertainty)
        return cls(factors, samples, pennation_of(problem) if fibre else "opensim")

    def subjects(self, problem: RedundancyProblem, keep: slice) -> RedundancyProblem:
        """The samples ``keep``, concatenated along time, as one problem of S T frames."""
        count = len(range(*keep.indices(self.samples)))
        max_force, passive = self._forces(problem, keep, count)
        strength = self._each("max_isometric_force", keep, problem.max_force)
        like = problem.max_force
        arms = _stacked(problem.geometry.moment_arms * self._each("moment_arm", keep, like), count)
        geometry = replace(problem.geometry, moment_arms=arms, length=None, lengthening_speed=None)
        reserves = problem.reserves
        if len(reserves.effect) > 1:
            reserves = replace(reserves, effect=namespace(like).concat([reserves.effect] * count))
        moment = _stacked(problem.generalized_force * self._each("generalized_force", keep, like), count)
        max_force, passive = (_stacked(force * strength, count) for force in (max_force, passive))
        every = problem.reactions and problem.reactions.moved(lambda array: namespace(like).concat([array] * count))
        return replace(
            problem, time=np.arange(count * len(problem), dtype=float), geometry=geometry, max_force=max_force,
            passive_force=passive, generalized_force=moment, reserves=reserves, kinematics=None, reactions=every,
        )  # fmt: skip

    def _each(self, name: str, keep: slice, like: Array) -> Tensor:
        """(S, 1, ·) factors of samples, or ones, where the arrays of the problem are."""
        return alike(self.factors[name][keep][:, None], like) if name in self.factors else filled((1, 1, 1), 1.0, like)

    def _forces(self, problem: RedundancyProblem, keep: slice, count: int) -> tuple[Array, Array]:
        """Maximum and passive force (S or 1, T, M) at nominal strength."""
        nominal = problem.max_force[None], problem.passive_force[None]
        names = [name for name in FIBRE if name in self.factors]
        length, speed, parameters = problem.geometry.length, problem.geometry.lengthening_speed, problem.parameters
        if not names or parameters is None or length is None or speed is None:
            return nominal
        muscle = np.tile(np.arange(len(parameters.names)), count)  # all subjects' muscles, one after the other
        drawn = {name: (getattr(parameters, name) * self.factors[name][keep]).reshape(-1) for name in names}
        if "pennation_angle" in drawn:
            drawn["pennation_angle"] = np.minimum(drawn["pennation_angle"], 0.5 * np.pi)
        every = replace(parameters.select(muscle), **drawn)
        xp, shape = namespace(length), (len(problem), count, len(parameters.names))

        def by_subject(force: Array) -> Tensor:
            return xp.moveaxis(xp.reshape(force, shape), 1, 0)

        gain = by_subject(rigid_tendon_gain(every, length[:, muscle], speed[:, muscle], self.pennation))
        if not problem.passive_force.any():
            return gain, nominal[1]
        return gain, by_subject(rigid_tendon_passive(every, length[:, muscle]))


def _factors(name: str, spread: Spread, columns: tuple[str, ...], samples: int, rng: np.random.Generator) -> Array:
    shape = (samples, len(columns))
    if callable(spread):
        factors = np.asarray(spread(rng, shape), dtype=float)
        if factors.shape != shape or not (np.isfinite(factors) & (factors > 0.0)).all():
            got = f"shape {factors.shape}" if factors.shape != shape else f"{factors.min():g} to {factors.max():g}"
            raise InputError(explain(f"positive factors of {name} of shape {shape}", got, "Repair the function."))
        return factors
    by_name = dict.fromkeys(columns, spread) if not isinstance(spread, Mapping) else spread
    check_names("names", by_name, columns, name)
    for column, value in by_name.items():
        if isinstance(value, bool) or not (isinstance(value, Real) and 0.0 <= float(value) < np.inf):
            fix = "0.1 is 10 % of the value."
            raise InputError(explain(f"a relative standard deviation ≥ 0 of {column}", repr(value), fix, name))
    deviation = np.array([float(by_name.get(column, 0.0)) for column in columns])
    # log-normal of mean 1 and that standard deviation: never negative, and no truncation that moves the mean
    variance = np.log1p(deviation**2)
    return np.asarray(np.exp(np.sqrt(variance) * rng.standard_normal(shape) - 0.5 * variance))


def pennation_of(problem: RedundancyProblem) -> Pennation:
    """The pennation option under which max_force follows from the muscles' parameters; raises if there is none."""
    length, speed, parameters = problem.geometry.length, problem.geometry.lengthening_speed, problem.parameters
    fix = f"Load it with osimopt.load_problem, or leave {', '.join(FIBRE)} certain."
    if parameters is None or length is None or speed is None:
        raise InputError(explain("muscle parameters and lengths in the problem", "none", fix))
    passive = rigid_tendon_passive(parameters, length)
    if problem.passive_force.any() and not _same(passive, problem.passive_force):
        got = f"forces that differ by up to {float(abs(passive - problem.passive_force).max()):.3g} N"
        raise InputError(explain("passive forces that follow from the parameters", got, fix))
    off = []
    for pennation in get_args(Pennation):
        gain = rigid_tendon_gain(parameters, length, speed, pennation)
        if _same(gain, problem.max_force):
            return pennation  # type: ignore[no-any-return]
        off.append(float(abs(gain - problem.max_force).max()))
    got = f"max_force that differs by up to {min(off):.3g} N"
    raise InputError(explain("max_force that follows from the muscles' parameters", got, fix))


def _same(computed: Array, given: Array) -> bool:
    return 0 in given.shape or bool(abs(computed - given).max() <= SAME_GAIN * abs(given).max())


def _stacked(array: Array, count: int) -> Tensor:
    """(S T, ·) of (S or 1, T, ·)."""
    xp = namespace(array)
    return xp.reshape(xp.broadcast_to(array, (count, *array.shape[1:])), (-1, array.shape[2]))
