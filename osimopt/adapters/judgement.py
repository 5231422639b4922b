"""Limits of differences between two ways of computing one thing, and their judgement."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..errors import ModelError, explain
from ..problem.arrays import Array
from .messages import Difference
from .model import Model

#: By kind of difference: its limit (rounding), unit, and the expectation. That of maximum forces is larger: OpenSim
#: inverts Thelen's force-velocity curve by Newton's method to 1e-6 in speed, where the closed form is used here, and
#: the curve rises there by 2 + 2/Af, 10 for Af = 0.25.
LIMITS = {
    "coordinates": (1e-9, "rad or m", "coordinates that read back as they were set"),
    "rates": (1e-8, "of the largest rate", "speeds whose rates are those of the motion"),
    "moment arms": (1e-6, "m", "moment arms as computeMomentArm has them"),
    "maximum forces": (3e-5, "of max_isometric_force", "forces as calcInextensibleTendonActiveFiberForce has them"),
    "inverse dynamics": (1e-6, "of the largest moment", "moments that forward dynamics turns into the accelerations"),
    "equations of motion": (1e-6, "of the largest moment", "moments that do the work of the motion"),
    "slopes of lengths": (1e-6, "m", "moment arms that are slopes of the lengths"),
    "lengthening speeds": (1e-6, "m/s at a rate of 1", "lengthening speeds that are slopes of the lengths"),
    "dependent coordinates": (1e-6, "rad or m at a rate of 1", "coordinates and rates that satisfy the constraints"),
    "straight lengths": (1e-8, "m", "lengths of paths without wrap objects that are the distances of their points"),
    "places in OpenSim": (1e-9, "m", "places and orientations of bodies as OpenSim has them"),
    "straight lengths in OpenSim": (1e-8, "m", "lengths of paths without wrap objects as OpenSim has them"),
    "inverse dynamics in OpenSim": (1e-7, "of the largest moment", "generalized forces as OpenSim has them"),
    "actuators in OpenSim": (1e-8, "of the largest effect", "effects of actuators as OpenSim has them"),
    "dependent coordinates in OpenSim": (1e-7, "of the largest", "dependent coordinates as OpenSim has them"),
    "accelerations": (1e-6, "of the largest moment", "forces that give the motion's accelerations"),
}


def judged(differences: Iterable[Difference], model: Model, time: Array, missed: float = 0.0) -> dict[str, Any]:
    """The largest difference of each kind; the model is refused where one exceeds its limit and ``missed``."""
    found, wrong = assessed(differences, time, missed)
    if wrong is not None:
        fix = "Results would be wrong: please report this model with the motion."
        raise ModelError(explain(*wrong, fix, model.path))
    return found


def assessed(
    differences: Iterable[Difference], time: Array, missed: float = 0.0
) -> tuple[dict[str, Any], tuple[str, str] | None]:
    """The largest difference of each kind, and what was expected and found where one exceeds its limit."""
    largest: dict[str, Difference] = {}
    unknown: set[str] = set()
    for one in differences:
        if not np.isfinite(one.size):
            unknown.add(one.kind)
        elif one.kind not in largest or one.size > largest[one.kind].size:
            largest[one.kind] = one
    found: dict[str, Any] = {"largest_difference": {kind: one.size for kind, one in largest.items()}}
    if missing := sorted(unknown - set(largest)):
        found["not_checked"] = missing
    for kind, one in largest.items():
        limit, unit, expected = LIMITS[kind]
        if one.size > limit + missed:
            got = f"a difference of {one.size:.3g} {unit} at '{one.where}', at {time[one.frame]:g} s"
            return found, (f"{expected} (to {limit:g} {unit})", got)
    return found, None
