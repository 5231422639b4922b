"""Flags about EMG: which muscles channels measure, how signals become envelopes, and what excitations do with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..emg.processing import EmgOptions, maxima_of, process_emg
from ..errors import InputError, explain
from ..options import declared, option
from . import options
from .terminal import say_warning

if TYPE_CHECKING:
    from ..dynamic.emg import EmgTracking
    from ..emg.mapping import EmgMapping
    from ..emg.recording import Emg
    from ..emg.strides import Strides

Side = StrEnum("Side", ["r", "l"])
Mode = StrEnum("Mode", ["track", "bound"])
MAPPING = (
    'Muscles of each channel: a TOML file with \\[channels] soleus = \\["soleus_r"], or a preset: gait2392, '
    "Rajagopal2016, gait10dof18musc, arm26."
)
MVC = (
    "Maximum voluntary contractions: the file of their trial, soleus=0.8,ta=0.5 in the unit of the envelopes, or 'yes' "
    "if EMG is in shares of them already. Without it amplitudes are unknown: comparisons have no RMSE and MAE."
)


@dataclass(frozen=True)
class RecordingOptions:
    """Which muscles EMG channels measure, and what their amplitudes and strides are."""

    mapping: str | None = option(None, MAPPING, shell=str, flags=("--mapping", "-m"))
    side: Side | None = option(None, "Side of channels without one in their name, and of strides.", shell=Side)
    strides: Path | None = option(None, "Ground reactions (.mot, .sto): contacts start strides.", shell=Path)
    strides_column: str | None = option(None, "Name of the vertical force of that foot.", shell=str)
    mvc: str | None = option(None, MVC, shell=str)
    shift: float | None = option(None, "Time in s that is added to the times of EMG.", shell=float)
    clock_rate: float | None = option(
        None, "Relative error of EMG's clock: 0.01 if its seconds are 1 % too short.", shell=float
    )

    def read(self, path: Path, given: Mapping[str, Any]) -> tuple[Emg, EmgMapping]:
        """EMG as envelopes by the filters that were given, normalised as ``mvc`` requires, and its mapping."""
        recorded, mapped = self._normalised(path, given)
        return recorded.retimed(self.shift or 0.0, self.clock_rate or 0.0), mapped

    def _normalised(self, path: Path, given: Mapping[str, Any]) -> tuple[Emg, EmgMapping]:
        from ..emg.mapping import EmgMapping
        from ..emg.read import read_emg

        if self.mapping is None:
            raise InputError(explain("--mapping", "none", "Give a TOML file, or a preset such as gait2392."))
        recorded = read_emg(path, amplitude="mvc" if self.mvc == "yes" else "raw")
        mapped = EmgMapping.of(self.mapping, recorded.channels, self.side)
        filtering = options.chosen(EmgOptions, given)
        if filtering and recorded.envelope and (self.mvc in (None, "yes") or "=" in str(self.mvc)):
            name = next(iter(filtering))
            flag = options.flags_of(name, declared(EmgOptions)[name][1])[0]
            raise InputError(explain(f"raw EMG with {flag}", "envelopes", f"Leave {flag} out.", path))
        filters = EmgOptions(**filtering)
        if self.mvc in (None, "yes"):
            return recorded if recorded.envelope else process_emg(recorded, filters), mapped
        kept = [name for name in recorded.channels if name in mapped.muscles]
        if "=" in str(self.mvc):
            maxima = tuple(options.read_assignment(word, "--mvc") for word in str(self.mvc).split(","))
        else:
            maxima = maxima_of(read_emg(str(self.mvc), channels=kept), filters)
        return process_emg(recorded.select(kept), replace(filters, normalise="mvc", maxima=maxima)), mapped

    def find_strides(self, motion: Path | None = None) -> Strides | tuple[()]:
        """Strides of the foot, checked against the motion, with warnings about decisions; none without a file."""
        from ..emg.strides import find_strides

        if self.strides is None:
            if self.strides_column is not None:
                raise InputError(explain("--strides with --strides-column", "none", "Give the file of loads."))
            return ()
        found = find_strides(self.strides, self.side, self.strides_column, motion=motion)  # type: ignore[arg-type]
        for note in found.notes():
            say_warning(note)
        return found


@dataclass(frozen=True)
class TrackingOptions:
    """EMG that excitations of dynamic optimization follow, which Python takes as ``emg=``."""

    emg: Path | None = option(None, "EMG that excitations follow: .sto, .mot, .csv, .txt or .c3d.", shell=Path)
    emg_mode: Mode | None = option(
        None, "track (default): a term of the objective; bound: excitations stay near it.", shell=Mode
    )
    emg_weight: float | None = option(None, "Weight of its term ∫ Σ (s EMG - excitation)² dt (default 1).", shell=float)
    emg_width: float | None = option(
        None, "How far excitations may be from scaled EMG that bounds them (default 0.1).", shell=float
    )
    emg_scale: tuple[float, float] | None = option(
        None,
        "Limits of the scale factor s of each channel: 0.5 2 with --mvc; without, channels are divided by their "
        "maximum, and it is 0.1 1.",
        shell=tuple[float, float],
        metavar="LOW HIGH",
    )

    def tracking(self, recording: RecordingOptions, given: Mapping[str, Any]) -> EmgTracking | None:
        """What excitations follow; None without a file."""
        from ..dynamic.emg import EmgTracking

        if self.emg is None:
            for kind in (TrackingOptions, RecordingOptions, EmgOptions):
                for name in options.chosen(kind, given):
                    flag = options.flags_of(name, declared(kind)[name][1])[0]
                    raise InputError(explain(f"--emg FILE with {flag}", "none", "Give the file of the EMG."))
            return None
        mode = "track" if self.emg_mode is None else self.emg_mode.value
        other = {"emg_weight": "bound", "emg_width": "track"}
        for name, unused in other.items():
            if getattr(self, name) is not None and mode == unused:
                flag = options.flags_of(name, declared(TrackingOptions)[name][1])[0]
                raise InputError(explain(f"no {flag} with --emg-mode {mode}", f"{getattr(self, name):g}", "Drop one."))
        numbers = {name: getattr(self, f"emg_{name}") for name in ("weight", "width", "scale")}
        numbers = {name: value for name, value in numbers.items() if value is not None}  # 0 is a number
        recorded, mapped = recording.read(self.emg, given)
        return EmgTracking.of(recorded, mapped, mode, **numbers)  # type: ignore[arg-type]


#: Headings in the help of the flags about EMG.
PANELS = dict.fromkeys(("emg", *declared(RecordingOptions), *declared(EmgOptions), *declared(TrackingOptions)), "EMG")
