"""Options, declared once as fields of a dataclass: name, type, default, unit and help.

The command line's flags, the keys of study files and the parameters in docstrings are made from these declarations.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from textwrap import indent, wrap
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from .errors import InputError, explain, some

Function = TypeVar("Function", bound=Callable[..., Any])
#: Where a docstring of a function with options lists them.
PLACE = "{options}"


@dataclass(frozen=True)
class Option:
    """What is known of an option beside its name, type and default.

    ``help`` is one sentence; ``more`` follows it in docstrings. ``above`` and ``least`` are limits of a number.
    ``file`` marks a path of a file or folder that is read, or a sequence of them. ``shell`` is the type that the
    command line takes (None: no flag), ``flags`` are the flag's names where they are not made from the option's.
    ``study`` is the type in a study file where it is not the field's own
    """

    help: str
    more: str = ""
    unit: str = ""
    above: float | None = None
    least: float | None = None
    file: bool = False
    shell: Any = None
    flags: tuple[str, ...] = ()
    metavar: str | None = None
    study: Any = None


def option(default: Any, help: str, **known: Any) -> Any:  # noqa: A002
    """Declare a field of a dataclass as an option; ``known`` are further fields of :class:`Option`."""
    return field(default=default, metadata={"option": Option(help, **known)})


def declared(options: type) -> dict[str, tuple[Field[Any], Option]]:
    """Return the options of a dataclass by name, in their order."""
    return {own.name: (own, own.metadata["option"]) for own in fields(options) if "option" in own.metadata}


def check_choices(options: Any) -> None:
    """Refuse a value that is not among the words of a field annotated as ``Literal``.

    Raises
    ------
    InputError
        The first such field.
    """
    hints = get_type_hints(type(options))
    for name in declared(type(options)):
        value, words = getattr(options, name), get_args(hints[name])
        if str(get_origin(hints[name])) == "typing.Literal" and value not in words:
            raise InputError(explain(f"{name} among {some(words)}", repr(value), "Choose one of them."))


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
