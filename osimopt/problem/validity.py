"""Checks of the arrays of a problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, explain, some
from ..namespace import namespace, plain
from .arrays import Array

if TYPE_CHECKING:
    from .problem import RedundancyProblem


def check_problem(problem: RedundancyProblem) -> None:
    """Refuse arrays that do not fit together or are not finite, and names that stand twice."""
    frames, muscles = problem.max_force.shape
    coordinates, actuators = len(problem.coordinates), len(problem.reserves.names)
    shapes = {
        "time": (problem.time, (frames,)),
        "max_force": (problem.max_force, (frames, muscles)),
        "moment arms": (problem.geometry.moment_arms, (frames, len(problem.geometry.pair_muscle))),
        "generalized_force": (problem.generalized_force, (frames, coordinates)),
        "lower": (problem.lower, (muscles,)),
        "upper": (problem.upper, (muscles,)),
        "pcsa": (problem.pcsa, (muscles,)),
        "weights": (problem.weights, (muscles,)),
        "passive_force": (problem.passive_force, (frames, muscles)),
    }
    if (joints := problem.reactions) is not None:
        shapes["constant joint reactions"] = joints.constant, (frames, len(joints.joints), 6)
        shapes["joint reactions per force"] = joints.effect, (frames, len(joints.pair_joint), 6)
    check_arrays(shapes)
    if not (np.diff(problem.time) > 0).all():
        raise InputError(explain("increasing time", "times that repeat or decrease", "Sort the frames."))
    check_once("muscle", problem.muscles)
    check_once("coordinate", problem.coordinates)
    if problem.reserves.effect.shape not in ((1, coordinates, actuators), (frames, coordinates, actuators)):
        got, fix = f"{problem.reserves.effect.shape}", "Axes are (frames, coordinates, reserves)."
        raise InputError(explain(f"reserve effects on {coordinates} coordinates", got, fix))
    if len(problem.muscles) != muscles:
        raise InputError(explain(f"{muscles} muscle names", f"{len(problem.muscles)}", "Name each column."))
    check_muscles(problem.muscles, problem.max_force, (problem.lower, problem.upper), problem.weights, problem.pcsa)


def check_arrays(arrays: Mapping[str, tuple[Array, tuple[int, ...]]]) -> None:
    """Refuse an array of another shape than the one beside it, and numbers that are not finite."""
    for name, (array, shape) in arrays.items():
        if tuple(array.shape) != shape:
            fix = "Axes are (frames, coordinates, muscles)."
            raise InputError(explain(f"{name} of shape {shape}", f"{tuple(array.shape)}", fix))
        finite = namespace(array).isfinite(array)
        if not finite.all():
            where = np.argwhere(~plain(finite))[0].tolist()
            raise InputError(explain(f"finite numbers in {name}", f"NaN or infinity at {where}", "Repair it."))


def check_once(what: str, names: Sequence[str]) -> None:
    """Refuse a name that stands twice."""
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputError(explain(f"each {what} name once", f"{some(sorted(twice))} twice", "Rename one."))


def check_muscles(
    muscles: Sequence[str], max_force: Array, bounds: tuple[Array, Array], weights: Array, pcsa: Array
) -> None:
    """Refuse negative forces (T, M), crossed bounds, and weights and areas (M,) that are not positive, by muscle."""

    def refuse(bad: Any, rule: str, value: Array, fix: str) -> None:
        if np.any(bad):
            got = [f"{value[index]:g} for {muscles[index]}" for index in np.flatnonzero(bad).tolist()]
            raise InputError(explain(rule, some(got), fix))

    lower, upper = bounds
    if (max_force < 0.0).any():
        least = plain(max_force).min(axis=0)
        refuse(least < 0.0, "max_force ≥ 0", least, "Forces are tensions in N.")
    refuse(lower > upper, "lower bounds of activation of at most the upper ones", lower, "Swap lower and upper.")
    refuse(weights <= 0.0, "positive weights", weights, "Leave a muscle out instead of weighting it 0.")
    refuse(pcsa <= 0.0, "positive pcsa", pcsa, "Give cm² > 0.")
