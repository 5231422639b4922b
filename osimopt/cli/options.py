"""Flags that commands share, made from the declared options, and the conversion of their text."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from ..adapters.options import OWN_PATHS, ReadOptions
from ..errors import InputError, explain
from ..options import Option, declared, words_of

Command = TypeVar("Command", bound=Callable[..., None])
#: Options of reading that matter only where result folders are written.
REACTIONS = ("joint_reactions", "reactions_on", "reactions_frame")

Model = Annotated[Path, typer.Argument(help="Model (.osim).", show_default=False)]
Motion = Annotated[Path, typer.Argument(help="Motion (.mot, .sto).", show_default=False)]
Weld = Annotated[list[str] | None, typer.Option(help=declared(ReadOptions)["weld"][1].help)]
PathsOf = Annotated[str, typer.Option("--geometry", help=f"{OWN_PATHS}.")]
Cache = Annotated[Path | None, typer.Option(help="Folder that keeps the extracted arrays for the next call.")]
Jobs = Annotated[int | None, typer.Option("--jobs", "-j", help="Processes that read the frames.")]
Outputs = Annotated[
    str,
    typer.Option(
        metavar="NAMES",
        show_default=False,
        help="Further quantities to write, separated by commas, or all: fiber_length, tendon_force, muscle_power, "
        "muscle_work, joint_power, …; an unknown name prints the list.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier result folder.")]
Figure = Annotated[bool, typer.Option("--figure", help="Also draw a figure, after the results are written.")]


def takes(*options: type, leave: tuple[str, ...] = (), panels: Mapping[str, str] | None = None) -> Callable[..., Any]:
    """Give a command a flag for every option of these dataclasses that has one, in place of its ``**options``.

    The command receives those that were given, as the shell's text was converted. An option that several dataclasses
    have is one flag. ``leave`` names options without a flag; ``panels`` are the headings in the help by option.
    """

    def add(command: Command) -> Command:
        flags: dict[str, list[tuple[str, Field[Any], Option]]] = {}
        for one in options:
            for name, (own, known) in declared(one).items():
                if known.shell is not None and name not in leave:
                    flags.setdefault(name, []).append((one.__name__.removesuffix("Options").lower(), own, known))
        made = [_flag(name, same, (panels or {}).get(name)) for name, same in flags.items()]
        signature = inspect.signature(command, eval_str=True)
        fixed = [own for own in signature.parameters.values() if own.kind is not own.VAR_KEYWORD]

        def called(**given: Any) -> None:
            command(**{k: v for k, v in given.items() if k not in flags or not (v is None or v is False)})

        called.__doc__, called.__name__ = command.__doc__, command.__name__
        called.__signature__ = signature.replace(parameters=[*fixed, *made])  # type: ignore[attr-defined]
        called.__annotations__ = {own.name: own.annotation for own in (*fixed, *made)}
        return called  # type: ignore[return-value]

    return add


def _flag(name: str, same: list[tuple[str, Field[Any], Option]], panel: str | None) -> inspect.Parameter:
    """One flag; where methods differ in help or default, each by its name."""
    known = same[0][2]
    text = _by_method({method: its.help for method, _, its in same})
    default = _by_method({method: str(own.default) for method, own, _ in same})
    shown = False if default in ("None", "False", "()") else default
    flag = typer.Option(
        *flags_of(name, known), help=text, metavar=known.metavar, show_default=shown, rich_help_panel=panel
    )
    kind, empty = (bool, False) if known.shell is bool else (known.shell | None, None)
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=empty, annotation=Annotated[kind, flag])


def flags_of(name: str, known: Option) -> tuple[str, ...]:
    """The names of an option's flag."""
    return known.flags or ("--" + name.replace("_", "-"),)


def _by_method(texts: Mapping[str, str]) -> str:
    """The text that all methods have, or those of each."""
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return "; ".join(f"{method}: {text.rstrip('.')}" for method, text in texts.items())


def chosen(kind: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Select the options of one dataclass from the flags that were given; of a number or a word, read the number."""
    own, words = declared(kind), words_of(kind)  # --muscles is an option of reading; muscles= of a method has no flag
    found = {name: value for name, value in given.items() if name in own and own[name][1].shell is not None}
    for name, value in found.items():
        known = own[name][1]
        if known.limits() and known.shell is str and value not in words[name]:
            found[name] = read_number(value, flags_of(name, known)[0], words[name])
    return found


def read_options(model: Path, motion: Path, given: Mapping[str, Any]) -> ReadOptions:
    """Make :class:`ReadOptions` of the flags that were given."""
    options = chosen(ReadOptions, given)
    if "reserves" in options:
        options["reserves"] = read_reserves(options["reserves"])
    for name in ("weld", "force_sets", "coordinates", "muscles", "joint_reactions"):
        if name in options:
            options[name] = tuple(options[name])
    return ReadOptions(model, motion, **options)


def read_reserves(text: str) -> Any:
    """Read auto, none, a number, or coordinate=number,…."""
    if text in ("auto", "none"):
        return None if text == "none" else text
    if "=" in text:
        return dict(read_assignment(word, "--reserves") for word in text.split(","))
    return read_number(text, "--reserves")


def read_assignment(text: str, option: str) -> tuple[str, float]:
    """Read name=number."""
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(explain(f"{option} name=number", f"'{text}'", "Write for example hip_flexion_r=30."))
    return name.strip(), read_number(value, option)


def read_number(text: str, option: str, words: Iterable[str] = ()) -> float:
    """Read a number, or refuse it by the option's name and the words that it also takes."""
    try:
        return float(text)
    except ValueError:
        expected = " or ".join([f"a number in {option}", *map(repr, words)])
        raise InputError(explain(expected, f"'{text}'", "Use a decimal point.")) from None
