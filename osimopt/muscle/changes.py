"""What the conversion to De Groote muscles changed, in sentences with numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..problem.arrays import MuscleParameters
from .mechanics import DEGROOTE, MILLARD, THELEN, mechanics, supported

Array = NDArray[np.float64]

#: What is kept beside strength and lengths, and what the new class has no number for.
_KEPT = {
    THELEN: "time constants and the strains at one normalised force",
    MILLARD: "time constants, damping and the strains at one normalised force",
}
_DROPPED = {
    THELEN: "shapes of the curves (KshapeActive, KshapePassive, Af, Flen, fv_linear_extrap_threshold)",
    MILLARD: "shapes of the four curves and the shortest active fibre",
}
#: Fibre lengths in optimal lengths, and speeds in maximum speeds, over which the curves are compared.
_LENGTHS, _SPEEDS = (0.5, 1.5), (-1.0, 1.0)


def changes_of_classes(before: MuscleParameters, after: MuscleParameters) -> list[str]:
    """What became of the muscles of each class: what was kept, what dropped, and how far the curves moved."""
    said = []
    for kind, kept in _KEPT.items():
        own = np.array(before.classes) == kind
        if not own.any():
            continue
        head = f"{own.sum()} {kind} became {DEGROOTE} as OpenSim converts them: strength, lengths, {kept} stayed; "
        head += f"dropped were the {_DROPPED[kind]}, the limit of pennation and the least activation"
        difference = _difference(before.select(own), after.select(own)) if supported(before)[own].all() else ""
        said.append(f"{head}.{difference}")
    return said


def changes_of_options(before: MuscleParameters, given: Mapping[str, Array]) -> list[str]:
    """What each option (M,), NaN where it says nothing, set to something else, and what it was."""
    said = []
    for name, values in given.items():
        if not (own := ~np.isnan(values) & (values != before.properties[name])).any():
            continue
        switch = name.startswith("ignore_")
        new, old = _span(values[own], switch), _span(before.properties[name][own], switch)
        who = "all" if own.all() else f"{own.sum()} of {own.size}"
        said.append(f"{name} {new} of {who} muscles (it was {old})")
    return [f"Set on the {DEGROOTE}: {'; '.join(said)}."] if said else []


def _difference(before: MuscleParameters, after: MuscleParameters) -> str:
    """How far the fibres' curves moved, where most; passive ones only where they count."""
    curves = {"active": ("active force–length", _LENGTHS), "velocity": ("force–velocity", _SPEEDS)}
    if not after.properties["ignore_passive_fiber_force"].all():
        curves["passive"] = ("passive force–length", _LENGTHS)
    (old,), (new,) = mechanics(before), mechanics(after)
    said = []
    for curve, (words, bounds) in curves.items():
        x = np.repeat(np.linspace(*bounds, 101)[:, None], len(before.names), axis=1)
        change = getattr(new, curve).value(x) - getattr(old, curve).value(x)
        row, muscle = np.unravel_index(int(np.abs(change).argmax()), change.shape)
        said.append(f"{words} {change[row, muscle]:+.2f} ({before.names[muscle]} at {x[row, muscle]:.2f})")
    ranges = f"{_LENGTHS[0]:g} to {_LENGTHS[1]:g} optimal lengths and {_SPEEDS[0]:g} to {_SPEEDS[1]:g} maximum speeds"
    return f" Largest changes of the multipliers over {ranges}: {', '.join(said)}."


def _span(values: Array, switch: bool) -> str:
    low, high = (str(bool(end)).lower() if switch else f"{end:g}" for end in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"
