"""What arguments of ``solve_dynamic`` may be, as far as that can be said without a problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError, explain
from ..muscle import use_degroote_muscles
from ..solution.checks import SENSIBLE
from .emg import EmgTracking
from .values import is_number, is_pair, shown

#: Options of De Groote muscles.
MUSCLES = tuple(name for name in signature(use_degroote_muscles).parameters if name != "problem")


class Rule(NamedTuple):
    """When an argument ``fits``, and what is said of others."""

    fits: Callable[[Any], bool]
    expected: str
    fix: str


def check_arguments(**given: Any) -> None:
    """Refuse arguments that no solve can have, by the names of ``solve_dynamic``; those without a rule pass.

    Raises
    ------
    InputError
        The first one that is wrong.
    """
    for name, value in given.items():
        if name in RULES and not RULES[name].fits(value):
            raise InputError(explain(RULES[name].expected, shown(value), RULES[name].fix))


def _one_of(*words: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in words


def _word(name: str, *words: str) -> Rule:
    return Rule(_one_of(*words), f"{name} among {words}", "Choose one of them.")


def _whole(name: str, least: int) -> Rule:
    def fits(value: Any) -> bool:
        return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least

    return Rule(fits, f"{name} as a whole number ≥ {least}", "Leave it out for the default.")


def _periodic(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and all(isinstance(name, str) for pair in value.items() for name in pair)
    return isinstance(value, (bool, np.bool_))


def _muscles(value: Any) -> bool:
    return value is None or (isinstance(value, Mapping) and all(name in MUSCLES for name in value))


RULES = {
    "tendon": _word("tendon", "rigid", "compliant"),
    "on_failure": _word("on_failure", "raise", "return"),
    "solver": _word("solver", "auto", "ipopt"),
    "cost": Rule(lambda value: isinstance(value, str), "a cost by its name", "'excitation_power' is the default."),
    "exponent": Rule(is_number, "a finite exponent ≥ 1", "2 is the default."),
    "tolerance": Rule(
        lambda value: is_number(value) and 0.0 < value < 1e-2, "a tolerance between 0 and 0.01", "1e-6 is the default."
    ),
    "initial_guess": Rule(
        lambda value: value is not None and (not isinstance(value, str) or value in ("static", "midpoint")),
        "initial_guess 'static' or 'midpoint'",
        "Use one of these, activations, or an earlier solution.",
    ),
    "initial_activation": Rule(
        _one_of("paid", "equal", "free"),
        "initial_activation 'paid', 'equal' or 'free'",
        "'paid' is the default; 'equal' is MocoInverse's.",
    ),
    "time_range": Rule(
        lambda value: value is None or (is_pair(value) and not any(np.isnan(end) for end in value)),
        "time_range as first and last time in s",
        "Give two numbers.",
    ),
    "muscles": Rule(
        _muscles,
        f"muscles as options of use_degroote_muscles by name, which are {', '.join(MUSCLES)}",
        "{'active_force_width_scale': 1.5}, for instance.",
    ),
    "time_constants": Rule(
        lambda value: value is None or (is_pair(value) and all(0.0 < one < np.inf for one in value)),
        "time_constants as two positive finite numbers in s, of activation and of deactivation",
        "(0.015, 0.060) are usual; None leaves each muscle its own.",
    ),
    "derivative_penalty": Rule(
        lambda value: is_number(value) and 0.0 <= value < np.inf,
        "derivative_penalty as a finite number ≥ 0",
        "0.01 is the default.",
    ),
    "periodic": Rule(
        _periodic,
        "periodic as True, False, or a mapping of some muscles' names to others'",
        "{'soleus_l': 'soleus_r', 'soleus_r': 'soleus_l'}, for instance.",
    ),
    "emg": Rule(
        lambda value: value is None or isinstance(value, EmgTracking),
        "emg as osimopt.EmgTracking",
        "EmgTracking(envelope, {'soleus_r': 'SOL'}), for instance.",
    ),
    "mesh_tolerance": Rule(
        lambda value: value is None or (is_number(value) and SENSIBLE <= value < np.inf),
        f"a finite mesh_tolerance of {SENSIBLE:g} or more",
        "1e-3 is usual, None keeps the mesh; below, the integration that judges it errs more.",
    ),
    "max_refinements": _whole("max_refinements", 0),
    "max_iterations": _whole("max_iterations", 1),
    "progress": Rule(
        lambda value: value is None or callable(value),
        "progress as a function of iteration, objective and largest violation",
        "Leave it out, or give print.",
    ),
}
