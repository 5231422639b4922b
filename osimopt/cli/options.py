"""Options that several commands share, and how their text is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import InputError, explain

Model = Annotated[Path, typer.Argument(help="Model (.osim).", show_default=False)]
Motion = Annotated[Path, typer.Argument(help="Motion (.mot, .sto).", show_default=False)]
Loads = Annotated[Path | None, typer.Option("--external-loads", "-l", help="ExternalLoads (.xml): ground reactions.")]
Forces = Annotated[
    Path | None,
    typer.Option("--generalized-force", "-g", help="Moments (.sto) of OpenSim's InverseDynamicsTool instead."),
]
TimeRange = Annotated[tuple[float, float] | None, typer.Option(help="First and last time in s.", metavar="START END")]
Lowpass = Annotated[float | None, typer.Option(help="Cutoff in Hz of the zero-phase low-pass on the motion.")]
Weld = Annotated[list[str] | None, typer.Option(help="Joint to hold in the model's default pose; may be repeated.")]
Reserves = Annotated[
    str,
    typer.Option(help="auto, none (as OpenSim's tool), a number (N·m), or coordinate=N·m,… for single ones."),
]
Passive = Annotated[bool, typer.Option("--passive-force", help="Add passive fibre force (OpenSim leaves it out).")]
Gain = Annotated[
    str, typer.Option(help="Maximum force: opensim, corrected (true pennation) or isometric (max_isometric_force).")
]
Contact = Annotated[
    str,
    typer.Option(help="Forces of the model that press on the ground: on, off, or auto (off beside external loads)."),
]
Geometry = Annotated[
    str,
    typer.Option(
        help="Muscle paths: opensim, polynomial (fitted now), a FunctionBasedPathSet (.xml), or a folder of networks "
        "(osimopt fit-geometry --networks)."
    ),
]
Cache = Annotated[Path | None, typer.Option(help="Folder that keeps what was extracted, for the next call.")]
Jobs = Annotated[int | None, typer.Option("--jobs", "-j", help="Processes that read the frames.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier result folder.")]


def read_reserves(text: str) -> Any:
    """auto, none, a number, or coordinate=number,…."""
    if text in ("auto", "none"):
        return None if text == "none" else text
    if "=" in text:
        return dict(read_assignment(word, "--reserves") for word in text.split(","))
    return read_number(text, "--reserves")


def read_geometry(text: str) -> Any:
    """What it says, or the geometry surrogate in the folder of that name."""
    if not Path(text).is_dir():
        return text
    from ..surrogate.geometry import GeometrySurrogate

    return GeometrySurrogate.load(text)


def read_assignment(text: str, option: str) -> tuple[str, float]:
    """name=number."""
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(explain(f"{option} name=number", f"'{text}'", "Write for example hip_flexion_r=30."))
    return name.strip(), read_number(value, option)


def read_number(text: str, option: str) -> float:
    """Read a number, or refuse it by the option's name."""
    try:
        return float(text)
    except ValueError:
        raise InputError(explain(f"a number in {option}", f"'{text}'", "Use a decimal point.")) from None
