"""Checks of the arguments of :func:`osimopt.solve_dynamic`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from os import PathLike
from typing import Any

import numpy as np

from ..errors import InputError, explain, shown
from ..muscle.conversion import use_degroote_muscles
from ..muscle.tendons import check_tendon
from ..options import check_values, check_word
from ..problem.contact import read_contacts
from ..problem.problem import RedundancyProblem
from ..static.compliant import model_of
from .emg import EmgTracking, is_pair
from .mesh import SAME
from .metabolic import read_metabolic
from .options import DynamicOptions

#: Options of De Groote muscles.
MUSCLES = tuple(name for name in signature(use_degroote_muscles).parameters if name != "problem")


def check_arguments(**given: Any) -> None:
    """Refuse values that are wrong for every problem; arguments of other names pass.

    Raises
    ------
    InputError
        The first wrong argument.
    """
    check_values(DynamicOptions, given)
    if "tendon" in given:
        check_tendon(given["tendon"])
    if "contact" in given:
        read_contacts(given["contact"])
    if "metabolic" in given:
        read_metabolic(given["metabolic"])
    if "on_failure" in given:
        check_word("on_failure", given["on_failure"], ("raise", "return"))
    for name, (accepts, expected, fix) in RULES.items():
        if name in given and not (accepts(given[name]) or (given[name] is None and name in OPTIONAL)):
            raise InputError(explain(f"{name} {expected}", shown(given[name]), fix))
    tendon, penalty, problem = (given.get(name) for name in ("tendon", "derivative_penalty", "problem"))
    if tendon == "rigid" and penalty not in (None, 0.0, "auto"):
        fix = "Leave it out, or use tendon='compliant'."
        raise InputError(explain("no derivative_penalty with tendon='rigid'", f"{penalty:g}", fix))
    if tendon not in (None, "rigid") and problem is not None:
        model_of(problem)


def interval(problem: RedundancyProblem, time_range: tuple[float, float] | None) -> tuple[float, float]:
    """First and last time in s."""
    start, end = float(problem.time[0]), float(problem.time[-1])
    first, last = (start, end) if time_range is None else (float(time) for time in time_range)
    if not first < last:
        fix = "Dynamic optimization needs at least two times."
        raise InputError(explain("a first time before the last", f"{first:g} to {last:g} s", fix))
    if first < start - SAME or last > end + SAME:
        fix = "Shorten time_range, or load more of the motion."
        raise InputError(explain(f"time_range within {start:g} to {end:g} s", f"{first:g} to {last:g} s", fix))
    return max(first, start), min(last, end)


def _guess(value: Any) -> bool:
    return value in ("static", "midpoint") if isinstance(value, str) else value is not None


def _periodic(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and all(isinstance(name, str) for pair in value.items() for name in pair)
    return isinstance(value, (bool, np.bool_))


#: Arguments that may be None.
OPTIONAL = ("time_range", "muscles", "time_constants", "emg", "progress", "checkpoint", "on_window")
#: Checks that the declarations of the options do not make: by argument the condition, and what an error message expects
#: and proposes.
RULES: dict[str, tuple[Callable[[Any], bool], str, str]] = {
    "problem": (
        lambda value: isinstance(value, RedundancyProblem), "as a RedundancyProblem",
        "Make it with osimopt.load_problem.",
    ),
    "initial_guess": (_guess, "'static' or 'midpoint', activations, or a solution", "'static' is the default."),
    "time_range": (
        lambda value: is_pair(value) and not any(map(np.isnan, value)), "as first and last time in s",
        "Give two numbers.",
    ),
    "muscles": (
        lambda value: isinstance(value, Mapping) and all(name in MUSCLES for name in value),
        f"as options of use_degroote_muscles by name: {', '.join(MUSCLES)}",
        "Example: {'active_force_width_scale': 1.5}.",
    ),
    "time_constants": (
        lambda value: is_pair(value) and all(0.0 < constant < np.inf for constant in value),
        "as two positive finite numbers in s", "Activation, then deactivation.",
    ),
    "periodic": (
        _periodic, "as True, False, or a mapping of muscle names to muscle names",
        "Example: {'soleus_l': 'soleus_r', 'soleus_r': 'soleus_l'}.",
    ),
    "emg": (
        lambda value: isinstance(value, EmgTracking), "as osimopt.EmgTracking",
        "Example: EmgTracking(envelope, {'soleus_r': 'SOL'}).",
    ),
    "checkpoint": (
        lambda value: isinstance(value, (str, PathLike)), "as the path of a folder, or None", "Example: 'windows'.",
    ),
    "on_window": (callable, "as a function of windows done and windows in all", "Leave it out."),
    "progress": (callable, "as a function of iteration, objective and largest violation", "Leave it out."),
}  # fmt: skip
