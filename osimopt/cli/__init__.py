"""The command line: ``osimopt --help``. Exit code 0 all solved, 1 some frames failed, 2 wrong input."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import typer

from ..errors import OsimoptError, SolverError
from .batch import batch
from .commands import demo, info, table
from .geometry import fit_geometry
from .report import fetch, report, validate
from .solve import extract, predict, run, solve
from .terminal import say_error, say_warning
from .train import train

app = typer.Typer(
    help="Muscle forces from OpenSim models, with an error bound and checks for every frame. "
    "Messages name arguments as Python does: time_range is "
    "--time-range, tendon='rigid' is --tendon rigid, weld=('a', 'b') is --weld a --weld b, n_jobs is --jobs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for command in (demo, info, table, extract, solve, run, train, predict, fit_geometry, validate, report, fetch, batch):
    app.command()(command)


@app.callback(invoke_without_command=True)
def _version(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        from .. import __version__

        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run a command; every error of ours is one message and an exit code, never a traceback."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = _show
        try:
            app()
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
