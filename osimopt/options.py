"""Options, declared once as fields of a dataclass: name, type, default, unit and help.

The command line's flags, the keys of study files and the parameters in docstrings are made from these declarations.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import Field, dataclass, field, fields
from math import isfinite
from numbers import Integral, Real
from operator import ge, gt, lt
from textwrap import indent, wrap
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from .errors import InputError, did_you_mean, explain, shown, some

Function = TypeVar("Function", bound=Callable[..., Any])
#: Where a docstring of a function with options lists them.
PLACE = "{options}"


@dataclass(frozen=True)
class Option:
    """Properties of an option beside its name, type and default.

    ``help`` is one sentence; ``more`` follows it in docstrings. ``above``, ``least`` and ``below`` limit a number.
    ``file`` marks a path of a file or folder that is read, or a sequence of them. ``shell`` is the type that the
    command line takes (None: no flag), ``flags`` are the flag's names where they are not made from its name.
    ``study`` is the type in a study file where it is not that of the field.
    """

    help: str
    more: str = ""
    unit: str = ""
    above: float | None = None
    least: float | None = None
    below: float | None = None
    file: bool = False
    shell: Any = None
    flags: tuple[str, ...] = ()
    metavar: str | None = None
    study: Any = None

    def limits(self) -> list[tuple[str, Callable[[Any, Any], bool], float]]:
        """The limits: in words, as a comparison with the value, and as a number."""
        ends = (("above", gt, self.above), ("≥", ge, self.least), ("below", lt, self.below))
        return [(word, holds, end) for word, holds, end in ends if end is not None]


def option(default: Any, help: str, **known: Any) -> Any:  # noqa: A002
    """Declare a field of a dataclass as an option; ``known`` are further fields of :class:`Option`."""
    return field(default=default, metadata={"option": Option(help, **known)})


def declared(options: type) -> dict[str, tuple[Field[Any], Option]]:
    """Return the options of a dataclass by name, in their order."""
    return {own.name: (own, own.metadata["option"]) for own in fields(options) if "option" in own.metadata}


def words_of(options: type) -> dict[str, list[str]]:
    """Words that an option may be in place of another value, by its name."""
    hints = get_type_hints(options)
    return {
        name: [word for part in get_args(hints[name]) if get_origin(part) is Literal for word in get_args(part)]
        for name in declared(options)
    }


def is_number(value: Any) -> bool:
    """Whether the value is a real number, NaN included, and no bool."""
    return isinstance(value, Real) and not isinstance(value, bool)


def check_word(name: str, value: Any, words: Collection[str]) -> None:
    """Refuse a value that is not among the words."""
    if not (isinstance(value, str) and value in words):
        fix = did_you_mean([value], words, "Choose one of them.")
        raise InputError(explain(f"{name} among {some(words, 10)}", shown(value), fix))


def check_values(options: type, given: Mapping[str, Any]) -> None:
    """Refuse values of declared options that are not among the words of a ``Literal``, or not within their limits.

    An option with limits is a finite number, a whole one where it is declared as ``int``. None and words pass where the
    type has them. Names that are not declared pass.

    Raises
    ------
    InputError
        The first wrong value.
    """
    hints, allowed = get_type_hints(options), words_of(options)
    for name, (own, known) in declared(options).items():
        hint, limits, words = hints[name], known.limits(), allowed[name]
        value: Any = given.get(name)
        if name not in given or (value is None and NoneType in get_args(hint)):
            continue
        if get_origin(hint) is Literal:
            check_word(name, value, get_args(hint))
        elif limits and not (isinstance(value, str) and value in words):
            right = is_number(value) and isfinite(value) and (hint is not int or isinstance(value, Integral))
            if not (right and all(holds(value, end) for _, holds, end in limits)):
                expected = f"{name} as a {'whole' if hint is int else 'finite'} number"
                within = " and ".join(f"{word} {end:g}" for word, _, end in limits)
                unit = f" {known.unit}" if known.unit else ""
                optional = "".join(f", or {word!r}" for word in words)
                optional += ", or None" if NoneType in get_args(hint) else ""
                fix = f"{own.default!r} is the default."
                raise InputError(explain(f"{expected} {within}{unit}{optional}", shown(value), fix))


def documented(*options: type) -> Callable[[Function], Function]:
    """Write the options of dataclasses into a function's docstring, in place of ``{options}``."""

    def write(function: Function) -> Function:
        if function.__doc__ is not None:  # python -OO removes docstrings
            entries = [_entry(*known) for one in options for known in declared(one).values()]
            function.__doc__ = inspect.cleandoc(function.__doc__).replace(PLACE, "\n".join(entries))
        return function

    return write


def _entry(own: Field[Any], known: Option) -> str:
    """One parameter, as numpydoc has it."""
    unit = f", {known.unit}" if known.unit else ""
    text = "\n".join(wrap(f"{known.help} {known.more}".strip(), 112))
    return f"{own.name} : {own.type}{unit}, default {own.default!r}\n{indent(text, '    ')}"
