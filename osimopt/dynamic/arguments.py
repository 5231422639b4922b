"""Checks of the arguments of :func:`osimopt.solve_dynamic`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from numbers import Integral
from typing import Any

import numpy as np

from ..errors import InputError, explain
from ..muscle.conversion import use_degroote_muscles
from ..problem.problem import RedundancyProblem
from ..solution.checks import SENSIBLE
from .emg import EmgTracking, is_number, is_pair, shown
from .mesh import SAME
from .objective import Conditions

#: Options of De Groote muscles.
MUSCLES = tuple(name for name in signature(use_degroote_muscles).parameters if name != "problem")


def check_arguments(**arguments: Any) -> None:
    """Refuse values that are wrong for every problem; arguments of other names pass.

    Raises
    ------
    InputError
        The first wrong argument.
    """
    for name, value in arguments.items():
        if name not in RULES or (value is None and name in OPTIONAL):
            continue
        accepts, expected, fix = RULES[name]
        if not accepts(value):
            raise InputError(explain(f"{name} {expected}", shown(value), fix))
    tendon, penalty, problem = (arguments.get(name) for name in ("tendon", "derivative_penalty", "problem"))
    if tendon == "rigid" and penalty not in (None, 0.0, Conditions.derivative_penalty):
        fix = "Leave it out, or use tendon='compliant'."
        raise InputError(explain("no derivative_penalty with tendon='rigid'", f"{penalty:g}", fix))
    from_model = problem is None or (problem.parameters is not None and problem.geometry.length is not None)
    if tendon == "compliant" and not from_model:
        fix = "Use osimopt.load_problem, or tendon='rigid'."
        raise InputError(explain("a problem from a model for tendon='compliant'", "one from arrays", fix))


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


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


def _word(*words: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in words


def _number(holds: Callable[[float], bool]) -> Callable[[Any], bool]:
    return lambda value: is_number(value) and holds(value)


def _pair(holds: Callable[[float], bool]) -> Callable[[Any], bool]:
    return lambda value: is_pair(value) and all(holds(number) for number in value)


def _whole(least: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def _guess(value: Any) -> bool:
    return value in ("static", "midpoint") if isinstance(value, str) else value is not None


def _muscles(value: Any) -> bool:
    return isinstance(value, Mapping) and all(name in MUSCLES for name in value)


def _periodic(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and all(isinstance(name, str) for pair in value.items() for name in pair)
    return isinstance(value, (bool, np.bool_))


#: Arguments that may be None.
OPTIONAL = ("time_range", "muscles", "time_constants", "emg", "mesh_tolerance", "progress")
#: By argument: the condition, and what an error message expects and proposes.
RULES: dict[str, tuple[Callable[[Any], bool], str, str]] = {
    "problem": (_is(RedundancyProblem), "as a RedundancyProblem", "Make it with osimopt.load_problem."),
    "tendon": (_word("rigid", "compliant"), "'rigid' or 'compliant'", "'compliant' is the default."),
    "on_failure": (_word("raise", "return"), "'raise' or 'return'", "'raise' is the default."),
    "solver": (_word("auto", "ipopt"), "'auto' or 'ipopt'", "'auto' is the default."),
    "exponent": (is_number, "≥ 1 as a finite number", "2 is the default."),
    "tolerance": (_number(lambda x: 0.0 < x < 1e-2), "between 0 and 0.01", "1e-6 is the default."),
    "mesh_interval": (_number(lambda x: 0.0 < x < np.inf), "in s as a positive number", "0.02 is the default."),
    "initial_guess": (_guess, "'static' or 'midpoint', activations, or a solution", "'static' is the default."),
    "initial_activation": (_word("paid", "equal", "free"), "'paid', 'equal' or 'free'", "'paid' is the default."),
    "time_range": (_pair(lambda x: not np.isnan(x)), "as first and last time in s", "Give two numbers."),
    "muscles": (
        _muscles, f"as options of use_degroote_muscles by name: {', '.join(MUSCLES)}",
        "Example: {'active_force_width_scale': 1.5}.",
    ),
    "time_constants": (
        _pair(lambda x: 0.0 < x < np.inf), "as two positive finite numbers in s", "Activation, then deactivation.",
    ),
    "derivative_penalty": (_number(lambda x: 0.0 <= x < np.inf), "as a finite number ≥ 0", "0.01 is the default."),
    "periodic": (
        _periodic, "as True, False, or a mapping of muscle names to muscle names",
        "Example: {'soleus_l': 'soleus_r', 'soleus_r': 'soleus_l'}.",
    ),
    "emg": (_is(EmgTracking), "as osimopt.EmgTracking", "Example: EmgTracking(envelope, {'soleus_r': 'SOL'})."),
    "mesh_tolerance": (
        _number(lambda x: SENSIBLE <= x < np.inf), f"as a finite number ≥ {SENSIBLE:g}, or None", "1e-3 is usual.",
    ),
    "max_refinements": (_whole(0), "as a whole number ≥ 0", "5 is the default."),
    "max_iterations": (_whole(1), "as a whole number ≥ 1", "500 is the default."),
    "progress": (callable, "as a function of iteration, objective and largest violation", "Leave it out."),
}  # fmt: skip
