"""Muscles of other classes as De Groote muscles, converted as OpenSim converts them.

``ModOpReplaceMusclesWithDeGrooteFregly2016`` calls ``DeGrooteFregly2016Muscle::replaceMuscles``, which copies the
properties that both classes have and leaves the rest at the new class's defaults. The options are those of its sibling
operators, which OpenSim applies to every De Groote muscle, converted or not. Two differences: OpenSim 4.6 refuses a
model that already has De Groote muscles, which are kept here; and options can differ between muscles here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np

from ..errors import InputError, ModelError, check_names, explain, some
from ..problem.arrays import MuscleParameters
from ..problem.problem import RedundancyProblem, Source
from ..problem.resampling import Fingerprint
from .degroote import DEFAULTS, DEGROOTE
from .forces import CLASSES, mechanics, rigid_tendon_gain, rigid_tendon_passive, supported
from .muscle_class import Values

Setting = float | Mapping[str, float] | None
Switch = bool | Mapping[str, bool] | None

#: The options: accepted values in words and, except for switches, as a test of a number.
OPTIONS: dict[str, tuple[str, Callable[[float], bool] | None]] = {
    "ignore_passive_fiber_force": ("True or False", None),
    "active_force_width_scale": ("a number ≥ 1", lambda number: 1.0 <= number < np.inf),
    "tendon_strain_at_one_norm_force": ("a number above 0", lambda number: 0.0 < number < np.inf),
    "fiber_damping": ("a number ≥ 0", lambda number: 0.0 <= number < np.inf),
    "passive_fiber_strain_at_one_norm_force": ("a number above 0", lambda number: 0.0 < number < np.inf),
    "ignore_tendon_compliance": ("True or False", None),
}
#: Fibre lengths in optimal lengths, and speeds in maximum speeds, at which curves are compared.
_LENGTHS, _SPEEDS = np.linspace(0.5, 1.5, 101)[:, None], np.linspace(-1.0, 1.0, 101)[:, None]


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
    """Convert every muscle of a problem to OpenSim's DeGrooteFregly2016Muscle.

    The conversion is that of OpenSim's ``ModOpReplaceMusclesWithDeGrooteFregly2016``, and the muscle model that of
    De Groote et al. (2016) [1]_ as OpenSim 4.6 implements it. ``max_force`` and ``passive_force`` of the new problem
    are forces along rigid tendons, so that max_force · activation + passive_force is OpenSim's tendon force with
    ``ignore_tendon_compliance``. Passive force is elastic force, unless ignored, plus fibre damping, which OpenSim
    never ignores. Where the active force would be negative, as a fibre shortens faster than its maximum speed,
    ``max_force`` is 0 and a warning is added. Where a unit is shorter than its tendon, both are 0. Bounds, weights,
    areas and moments are kept.

    Every option is one value for all muscles, a mapping from muscle names to values (other muscles keep the value of
    the conversion), or None (all keep it).

    Parameters
    ----------
    problem
        From :func:`osimopt.load_problem`; it is not changed.
    ignore_passive_fiber_force
        True leaves out the elastic passive force, not the damping (``ModOpIgnorePassiveFiberForcesDGF``).
    active_force_width_scale
        Width of the active force–length curve, ≥ 1. It replaces the muscle's value, as
        ``ModOpScaleActiveFiberForceCurveWidthDGF`` does in spite of its name.
    tendon_strain_at_one_norm_force, passive_fiber_strain_at_one_norm_force
        Strains at maximum isometric force, > 0, without unit (``ModOpPassiveFiberStrainAtOneNormForceDGF``; OpenSim has
        no operator for the tendon's).
    fiber_damping
        Damping force in maximum isometric forces at the maximum contraction velocity, ≥ 0 (``ModOpFiberDampingDGF``).
    ignore_tendon_compliance
        True makes tendons rigid (``ModOpIgnoreTendonCompliance``).

    Returns
    -------
    RedundancyProblem
        ``provenance["warnings"]`` lists the changes; ``provenance["muscles"]`` has the options.

    Raises
    ------
    InputError
        The problem has no muscle parameters or no muscle lengths, or an option is unknown, has a wrong value or names
        a muscle that the problem does not have.
    ModelError
        A muscle's class cannot be converted, or lacks a property that is copied.

    References
    ----------
    .. [1] De Groote F, Kinney AL, Rao AV, Fregly BJ. Ann Biomed Eng 44(10), 2922-2936, 2016.
       doi:10.1007/s10439-016-1591-9.

    Examples
    --------
    >>> import osimopt
    >>> from osimopt.datasets import arm26
    >>> problem = osimopt.load_problem(arm26().model, arm26().motion, time_range=(0.2, 0.4))
    >>> converted = osimopt.use_degroote_muscles(problem, fiber_damping=0.01)
    >>> set(problem.parameters.classes), set(converted.parameters.classes)
    ({'Thelen2003Muscle'}, {'DeGrooteFregly2016Muscle'})
    >>> converted.max_force[0].round(-1)  # N
    array([830., 510., 430., 370., 360., 870.])
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
    parameters, messages = degroote_parameters(problem.parameters, **given)
    gain = rigid_tendon_gain(parameters, length, speed, "corrected")
    warnings = [*problem.provenance.get("warnings", ()), *messages, *_negative_gain(problem, gain)]
    converted = replace(
        problem,
        parameters=parameters,
        max_force=np.maximum(gain, 0.0),
        passive_force=rigid_tendon_passive(parameters, length) + _damping(parameters, length, speed),
        provenance={**problem.provenance, "warnings": list(dict.fromkeys(warnings)), "muscles": given},
    )
    fingerprint: Fingerprint | None = getattr(problem.source, "fingerprint", None)
    if problem.source is None or (fingerprint is not None and fingerprint.changed(problem)):
        return replace(converted, source=None)
    return replace(converted, source=_Converted(problem.source, given, Fingerprint.of(converted)))


@dataclass(frozen=True)
class _Converted:
    """Source of a converted problem: the source of the original, and the options of the conversion."""

    source: Source
    options: Mapping[str, Any]
    fingerprint: Fingerprint

    def at(self, times: Values) -> RedundancyProblem:
        """The problem with De Groote muscles at other times (s)."""
        made = self.source.at(times)
        converted = use_degroote_muscles(made, **self.options)
        warnings = made.provenance.get("warnings", ())  # those of the conversion are recorded for the original frames
        return replace(converted, provenance={**converted.provenance, "warnings": list(warnings)})

    @property
    def reactions(self) -> Any:
        """How the original computes what joints transmit, whatever its muscles are; None where it cannot."""
        return getattr(self.source, "reactions", None)


def _damping(parameters: MuscleParameters, length: Values, speed: Values) -> Values:
    """Damping force (T, M) in N of De Groote muscles along rigid tendons."""
    (muscles,) = mechanics(parameters)
    _, cosine, live = muscles.rigid_fiber(length)
    return np.where(live, muscles.max_force * muscles.damping * (speed * cosine / muscles.max_speed) * cosine, 0.0)


def _negative_gain(problem: RedundancyProblem, gain: Values) -> list[str]:
    """Name the muscles whose active force would be negative, with numbers of frames."""
    if not (frames := (gain < 0.0).sum(axis=0)).any():
        return []
    muscles = some(f"{problem.muscles[m]} ({frames[m]} of {len(gain)} frames)" for m in np.flatnonzero(frames))
    reason = "it shortens faster than its maximum speed"
    return [f"max_force is 0 where a fibre on a rigid tendon would push, as {reason}: {muscles}."]


def degroote_parameters(
    parameters: MuscleParameters, **options: Setting | Switch
) -> tuple[MuscleParameters, list[str]]:
    """Convert muscles to DeGrooteFregly2016Muscle; the second value describes the changes with numbers.

    Other classes keep maximum isometric force, lengths, pennation, contraction velocity, bounds of control, time
    constants, the strains of fibre and tendon at one normalised force, and damping if they have it. De Groote muscles
    are kept. ``options`` are those of :func:`osimopt.use_degroote_muscles`.

    Raises
    ------
    InputError
        An option is unknown, has a wrong value, or names a muscle that is not there.
    ModelError
        A muscle's class cannot be converted, or lacks a property that is copied.
    """
    check_names("options", sorted(options), OPTIONS)
    plain = _converted(parameters)
    given = {name: _read(name, value, parameters.names) for name, value in options.items() if value is not None}
    changed = {name: np.where(np.isnan(own), plain.properties[name], own) for name, own in given.items()}
    final = replace(plain, properties={**plain.properties, **changed})
    return final, _changes_of_classes(parameters, final) + _changes_of_options(plain, given)


def _converted(parameters: MuscleParameters) -> MuscleParameters:
    classes, names = np.array(parameters.classes), np.array(parameters.names)
    convertible = {name: kind.degroote for name, kind in CLASSES.items() if kind.degroote is not None}
    if (other := ~np.isin(classes, list(convertible))).any():
        got = some(f"{kind} '{name}'" for kind, name in zip(classes[other], names[other], strict=True))
        fix = "Make them one of these in the model, or leave them out (parameters.select)."
        raise ModelError(explain(f"muscles of class {some(convertible)}", got, fix))
    properties = {}
    for name, default in DEFAULTS.items():
        values = np.full(len(names), np.nan)
        for kind, renamed in convertible.items():
            own = classes == kind
            values[own] = parameters.properties.get(renamed.get(name, name), np.full(len(names), np.nan))[own]
        unknown = np.isnan(values)
        if unknown.any() and "strain" in name:
            got = f"none of {some(names[unknown])}"
            raise ModelError(explain(f"{name} of every muscle", got, "Take the parameters from a model."))
        properties[name] = np.where(unknown, default, values)
    return replace(parameters, classes=(DEGROOTE.name,) * len(names), properties=properties)


def _read(name: str, value: Any, names: tuple[str, ...]) -> Values:
    """Return one option as (M,), NaN where a muscle keeps its value."""
    by_name = value if isinstance(value, Mapping) else dict.fromkeys(names, value)
    check_names(f"muscles of {name}", by_name, names)
    words, accepts = OPTIONS[name]
    for muscle, one in by_name.items():
        switch = isinstance(one, (bool, np.bool_))
        if not (switch if accepts is None else isinstance(one, Real) and not switch and accepts(float(one))):
            where = f"{name} of '{muscle}'" if isinstance(value, Mapping) else name
            fix = "None, or a muscle left out of a mapping, keeps the value of the conversion."
            raise InputError(explain(f"{words}, or a mapping from muscles to that", repr(one), fix, where))
    return np.array([float(by_name.get(muscle, np.nan)) for muscle in names])


def _changes_of_classes(before: MuscleParameters, after: MuscleParameters) -> list[str]:
    """Describe for each class what was kept, what was dropped, and how much the curves changed."""
    messages = []
    for kind in CLASSES.values():
        own = np.array(before.classes) == kind.name
        if not own.any() or not kind.dropped:
            continue
        damping = "damping, " if "fiber_damping" in kind.needed else ""
        head = f"{own.sum()} {kind.name} muscles were converted to {DEGROOTE.name} as by OpenSim"
        kept = f"maximum isometric force, lengths, time constants, {damping}strains at one normalised force"
        dropped = f"{kind.dropped}, maximum pennation angle, minimum activation"
        change = _difference(before.select(own), after.select(own))
        messages.append(f"{head}. Kept: {kept}. Dropped: {dropped}.{change}")
    return messages


def _changes_of_options(before: MuscleParameters, given: Mapping[str, Values]) -> list[str]:
    """Describe what each option (M,), NaN where a muscle keeps its value, changed, and the values before."""
    changes = []
    for name, values in given.items():
        if not (own := ~np.isnan(values) & (values != before.properties[name])).any():
            continue
        switch = name.startswith("ignore_")
        new, old = _span(values[own], switch), _span(before.properties[name][own], switch)
        muscles = "all" if own.all() else f"{own.sum()} of {own.size}"
        changes.append(f"{name} = {new} for {muscles} muscles (before: {old})")
    return [f"Options set for {DEGROOTE.name} muscles: {'; '.join(changes)}."] if changes else []


def _difference(before: MuscleParameters, after: MuscleParameters) -> str:
    """Give the largest change of each curve of the fibres; passive ones only where they are not ignored."""
    if not supported(before).all():
        return ""
    curves = {"active": ("active force–length", _LENGTHS), "velocity": ("force–velocity", _SPEEDS)}
    if not after.properties["ignore_passive_fiber_force"].all():
        curves["passive"] = ("passive force–length", _LENGTHS)
    (old,), (new,) = mechanics(before), mechanics(after)
    changes = []
    for curve, (words, x) in curves.items():
        wide = np.repeat(x, len(before.names), axis=1)
        change = getattr(new, curve).value(wide) - getattr(old, curve).value(wide)
        row, muscle = np.unravel_index(int(np.abs(change).argmax()), change.shape)
        changes.append(f"{words} {change[row, muscle]:+.2f} ({before.names[muscle]} at {x[row, 0]:.2f})")
    ranges = "0.5 to 1.5 optimal lengths and -1 to 1 maximum speeds"
    return f" Largest changes of the multipliers over {ranges}: {', '.join(changes)}."


def _span(values: Values, switch: bool) -> str:
    low, high = (str(bool(end)).lower() if switch else f"{end:g}" for end in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"
