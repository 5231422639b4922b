"""The command that stands in for OpenSim's AnalyzeTool."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .terminal import print_solution, progress, say, say_warning


class Gain(StrEnum):
    """What a muscle's maximum force is."""

    opensim = "opensim"
    corrected = "corrected"


def run(
    setup: Annotated[
        Path, typer.Argument(help="Setup file (.xml) of an AnalyzeTool with a StaticOptimization.", show_default=False)
    ],
    results: Annotated[Path | None, typer.Option(help="Folder to write to, not the setup file's own.")] = None,
    gain: Annotated[Gain, typer.Option(help="Maximum force as OpenSim has it, or its pennation corrected.")] = (
        Gain.opensim
    ),
    exponent: Annotated[float | None, typer.Option("--exponent", "-p", help="Not the setup file's own.")] = None,
) -> None:
    """Run a setup file of OpenSim's static optimization and write the files that OpenSim writes.

    Results of an earlier run are replaced, as by OpenSim.
    """
    from ..pipeline.opensim_tool import run_setup

    with progress("Running the setup file") as moved:
        solution = run_setup(setup, results, gain.value, exponent=exponent, progress=moved)
    print_solution(solution)
    files = [Path(name) for name in solution.provenance["files"]]
    say(f"\nWritten to {files[0].parent}:")
    for file in files:
        say(f"  {file.name}")
    if not solution.success:
        say_warning("Failed frames are nan: OpenSim's GUI shows these files up to the first of them.")
        raise typer.Exit(1)
