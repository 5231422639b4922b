"""A problem whose muscles are De Groote's, whatever they were in the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain, some
from ..problem.arrays import MuscleParameters
from ..problem.problem import RedundancyProblem, Source
from ..problem.resampling import Fingerprint
from .mechanics import mechanics
from .replacement import Setting, Switch, degroote_parameters
from .rigid import rigid_fiber, rigid_tendon_gain, rigid_tendon_passive

__all__ = ["degroote_parameters", "use_degroote_muscles"]

Array = NDArray[np.float64]


def use_degroote_muscles(
    problem: RedundancyProblem,
    *,
    ignore_passive_fiber_force: Switch = None,
    active_force_width_scale: Setting = None,
    tendon_strain_at_one_norm_force: Setting = None,
    fiber_damping: Setting = None,
    passive_fiber_strain_at_one_norm_force: Setting = None,
    ignore_tendon_compliance: Switch = None,
) -> RedundancyProblem:
    """The same problem with every muscle as OpenSim's ModOpReplaceMusclesWithDeGrooteFregly2016 makes it.

    ``max_force`` and ``passive_force`` become those of De Groote muscles on rigid tendons, along the tendon, so that
    max_force · activation + passive_force is the tendon force that OpenSim has where ``ignore_tendon_compliance`` is
    true. Passive force is elastic unless ignored, plus the fibre's damping, which OpenSim never ignores. Where a fibre
    would push, being shorter than nothing or shortening faster than its maximum speed, max_force is zero, and a
    warning says so. Bounds, weights, areas and moments stay.

    Parameters
    ----------
    problem
        From :func:`osimopt.load_problem`; it is not changed.
    ignore_passive_fiber_force, …
        Options of :func:`osimopt.muscle.degroote_parameters`: one value, a mapping from muscle to value, or ``None``.

    Returns
    -------
    RedundancyProblem
        What changed is in ``provenance["warnings"]``, the options are in ``provenance["muscles"]``.

    Raises
    ------
    InputError
        The problem has no muscle parameters or no muscle lengths, or an option is wrong.
    ModelError
        A muscle cannot be converted.
    """
    options: dict[str, Setting | Switch] = {
        "ignore_passive_fiber_force": ignore_passive_fiber_force,
        "active_force_width_scale": active_force_width_scale,
        "tendon_strain_at_one_norm_force": tendon_strain_at_one_norm_force,
        "fiber_damping": fiber_damping,
        "passive_fiber_strain_at_one_norm_force": passive_fiber_strain_at_one_norm_force,
        "ignore_tendon_compliance": ignore_tendon_compliance,
    }
    given = {name: dict(v) if isinstance(v, Mapping) else v for name, v in options.items() if v is not None}
    length, speed = problem.geometry.length, problem.geometry.lengthening_speed
    if problem.parameters is None or length is None or speed is None:
        got = "a problem without parameters" if problem.parameters is None else "one without lengths and speeds"
        fix = "Make it with osimopt.load_problem, which keeps them."
        raise InputError(explain("muscles with parameters, lengths and speeds", got, fix))
    parameters, said = degroote_parameters(problem.parameters, **given)
    gain = rigid_tendon_gain(parameters, length, speed, "corrected")
    said += _pushing(problem, gain)
    warnings = [*problem.provenance.get("warnings", ()), *said]
    converted = replace(
        problem,
        parameters=parameters,
        max_force=np.maximum(gain, 0.0),
        passive_force=rigid_tendon_passive(parameters, length) + _damping(parameters, length, speed),
        provenance={**problem.provenance, "warnings": list(dict.fromkeys(warnings)), "muscles": given},
    )
    if problem.source is None or _edited(problem):
        return replace(converted, source=None)
    return replace(converted, source=_Converted(problem.source, given, Fingerprint.of(converted)))


@dataclass(frozen=True)
class _Converted:
    """Where a problem at other times comes from: the source before, its muscles converted with the same options."""

    source: Source
    options: Mapping[str, Any]
    fingerprint: Fingerprint

    def at(self, times: Array) -> RedundancyProblem:
        """The problem with De Groote muscles at other times (s)."""
        made = self.source.at(times)
        converted = use_degroote_muscles(made, **self.options)
        said = made.provenance.get("warnings", ())  # what conversion brings up was said of the frames that were read
        return replace(converted, provenance={**converted.provenance, "warnings": list(said)})


def _edited(problem: RedundancyProblem) -> bool:
    """Whether its source knows that its arrays are others than were read."""
    fingerprint: Fingerprint | None = getattr(problem.source, "fingerprint", None)
    return fingerprint is not None and bool(fingerprint.changed(problem))


def _damping(parameters: MuscleParameters, length: Array, speed: Array) -> Array:
    """Damping force (T, M) in N along rigid tendons, of De Groote muscles."""
    (muscles,) = mechanics(parameters)
    _, cosine, _ = rigid_fiber(muscles, length)
    return muscles.strength * muscles.damping * (speed * cosine / muscles.fastest) * cosine


def _pushing(problem: RedundancyProblem, gain: Array) -> list[str]:
    """Which muscles' fibres would push, and in how many frames."""
    frames = (gain < 0.0).sum(axis=0)
    if not frames.any():
        return []
    who = some(f"{problem.muscles[m]} ({frames[m]} of {len(gain)} frames)" for m in np.flatnonzero(frames))
    return [f"On rigid tendons {who} would push, their fibres being too fast or too short; max_force is 0 there."]
