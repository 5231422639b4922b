"""The command line: ``osimopt --help``. Exit code 0 all solved, 1 some frames failed, 2 wrong input."""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Iterable
from importlib import import_module
from typing import Any

import typer

from ..errors import OsimoptError, SolverError
from .terminal import say_error, say_warning

#: Objects made between two searches for cycles: Python's 700 take a tenth of the time of a short command.
OBJECTS = 50_000
#: Module of each command, in the order of the help.
COMMANDS = {
    "demo": "commands", "info": "commands", "table": "commands", "extract": "solve", "solve": "solve", "run": "solve",
    "train": "train", "predict": "solve", "fit-geometry": "geometry", "validate": "report", "report": "report",
    "synergies": "synergies", "fetch": "report", "batch": "batch",
    "calibrate": "calibrate",
}  # fmt: skip


def make_app(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """Make the command line with these commands; each takes milliseconds to import and to make its flags."""
    app = typer.Typer(
        help="Muscle forces from OpenSim models, with an error bound and checks for every frame. "
        "Messages name arguments as Python does: time_range is "
        "--time-range, tendon='rigid' is --tendon rigid, weld=('a', 'b') is --weld a --weld b, n_jobs is --jobs.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    for name in names:
        app.command(name)(getattr(import_module(f".{COMMANDS[name]}", __name__), name.replace("-", "_")))
    app.callback(invoke_without_command=True)(_version)
    return app


def _version(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        from .. import __version__

        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run a command; every error of ours is one message and an exit code, never a traceback."""
    gc.set_threshold(OBJECTS, *gc.get_threshold()[1:])
    named = [word for word in sys.argv[1:2] if word in COMMANDS]
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = _show
        try:
            make_app(named or COMMANDS)()
        except SolverError as error:
            say_error(str(error))
            sys.exit(1)
        except OsimoptError as error:
            say_error(str(error))
            sys.exit(2)
        except KeyboardInterrupt:
            say_error("stopped.")
            sys.exit(130)


def _show(message: Any, *_: Any, **__: Any) -> None:
    say_warning(str(message))
