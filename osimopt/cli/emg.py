"""Options of the commands that read EMG, and how it is read."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError, explain
from .options import read_assignment
from .terminal import say_warning

if TYPE_CHECKING:
    from ..emg.mapping import EmgMapping
    from ..emg.processing import EmgOptions
    from ..emg.recording import Emg
    from ..emg.strides import Strides


class Side(StrEnum):
    """Of the body."""

    r = "r"
    l = "l"  # noqa: E741


PANEL = "EMG"
Mapping = Annotated[
    str | None,
    typer.Option(
        "--mapping", "-m", rich_help_panel=PANEL,
        help="Muscles of each channel: a TOML file with \\[channels] soleus = \\[\"soleus_r\"], or a preset: gait2392, "
        "Rajagopal2016, gait10dof18musc, arm26.",
    ),
]  # fmt: skip
SideOf = Annotated[
    Side | None,
    typer.Option(rich_help_panel=PANEL, help="Of channels that do not say it, and of the foot of --strides."),
]
StridesFrom = Annotated[
    Path | None,
    typer.Option(
        "--strides", rich_help_panel=PANEL,
        help="Ground reactions (.mot, .sto): strides are from one contact of the foot of --side to its next.",
    ),
]  # fmt: skip
StridesColumn = Annotated[
    str | None, typer.Option("--strides-column", rich_help_panel=PANEL, help="Vertical force of that foot, by name.")
]
Mvc = Annotated[
    str | None,
    typer.Option(
        "--mvc", rich_help_panel=PANEL,
        help="What maximum voluntary contractions are: the file of their trial, soleus=0.8,ta=0.5 in the units of the "
        "envelopes, or 'yes' if EMG is in shares of them already. Without, amplitudes mean nothing, and RMSE and MAE "
        "are left out.",
    ),
]  # fmt: skip
Band = Annotated[
    tuple[float, float], typer.Option("--band", rich_help_panel=PANEL, metavar="LOW HIGH", help="Hz, of raw EMG.")
]
EnvelopeHz = Annotated[float, typer.Option("--envelope-hz", rich_help_panel=PANEL, help="Low-pass of raw EMG, Hz.")]
Notch = Annotated[float | None, typer.Option("--notch", rich_help_panel=PANEL, help="Mains hum to take out, Hz.")]


def read_recording(
    path: Path, mapping: str | None, side: Side | None, mvc: str | None, band: tuple[float, float], notch: float | None,
    envelope_hz: float,
) -> tuple[Emg, EmgMapping]:  # fmt: skip
    """EMG as envelopes, on the footing that --mvc asks for, and the muscles of its channels."""
    from ..emg.mapping import EmgMapping
    from ..emg.processing import EmgOptions, process_emg
    from ..emg.read import read_emg

    if mapping is None:
        fix = "Give a TOML file, or a preset such as gait2392."
        raise InputError(explain("--mapping", "none", fix))
    recorded = read_emg(path, amplitude="mvc" if mvc == "yes" else "raw")
    mapped = EmgMapping.of(mapping, recorded.channels, None if side is None else side.value)
    options = EmgOptions(band, notch, envelope_hz)
    if mvc in (None, "yes"):
        return recorded if recorded.envelope else process_emg(recorded, options), mapped
    kept = [name for name in recorded.channels if name in mapped.muscles]
    maxima = _maxima(str(mvc), kept, options)
    return process_emg(recorded.select(kept), replace(options, normalise="mvc", maxima=maxima)), mapped


def _maxima(mvc: str, channels: list[str], options: EmgOptions) -> tuple[tuple[str, float], ...]:
    """Of a trial, or numbers by name."""
    from ..emg.processing import maxima_of
    from ..emg.read import read_emg

    if "=" in mvc:
        return tuple(read_assignment(word, "--mvc") for word in mvc.split(","))
    return maxima_of(read_emg(mvc, channels=channels), options)


def read_strides(path: Path | None, side: Side | None, column: str | None) -> Strides | None:
    """Strides of the foot, with a word on those that are left out."""
    if path is None:
        if column is not None:
            raise InputError(explain("--strides with --strides-column", "none", "Give the file of loads."))
        return None
    from ..emg.strides import find_strides

    found = find_strides(path, None if side is None else side.value, column)
    for note in found.notes():
        say_warning(note)
    return found
