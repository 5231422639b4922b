"""compare_emg: how well a finished solution agrees with measured activity, channel by channel."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain
from ..solution.checks import COVERED, Check, checks_of
from ..solution.reader import Result
from . import metrics
from .antagonists import antagonists, co_contraction_table
from .channel import ChannelCurves
from .comparison import EmgComparison
from .mapping import EmgMapping
from .processing import process_emg
from .quality import Flag, flags
from .read import read_emg
from .recording import Emg
from .strides import Strides

if TYPE_CHECKING:
    import pandas as pd

    from ..solution.solution import RedundancySolution

Array = NDArray[np.float64]

#: Hz that both are compared at.
RATE = 100.0
#: s after EMG at which activation is, first order.
ACTIVATION, DEACTIVATION = 0.015, 0.060
#: Least correlation, and gain of another lag over it, at which a lag beyond the delay is worth a word.
SUSPICIOUS, GAIN = 0.6, 0.15
#: s by which a simulation may be early before clocks are doubted.
EARLY = 0.03


def compare_emg(
    solution: RedundancySolution | Result,
    emg: Emg | str | os.PathLike[str],
    mapping: EmgMapping | Mapping[str, str | Sequence[str]] | str | os.PathLike[str],
    *,
    strides: Strides | Sequence[tuple[float, float]] = (),
    dynamics: bool = True,
    shift: float = 0.0,
) -> EmgComparison:
    """Compare activations with EMG envelopes, channel by channel.

    Parameters
    ----------
    solution
        Of any method, or what :meth:`osimopt.Result.read` reads back; failed frames are left out.
    emg
        Envelopes, as of :func:`osimopt.process_emg`; or a recording, or its file, of which envelopes are made as that
        function makes them by default.
    mapping
        Muscles by channel, the TOML file of such a table, or the name of a preset (``"gait2392"``, ``"Rajagopal2016"``,
        …) if channels say their side.
    strides
        Their (first, last) s, as :func:`osimopt.find_strides` finds them; only these are compared. None: the whole
        trial is, and intervals come from blocks of it.
    dynamics
        Whether EMG goes through activation dynamics (15 ms up, 60 ms down) before it is compared: EMG is an excitation,
        and what it is compared with are activations, those of a static solution too.
    shift
        s by which EMG is taken to be later than it was recorded, instead of (or beside) these dynamics.

    Raises
    ------
    InputError
        Unknown names, clocks that do not overlap, strides outside the trial, or a preset without sides.
    """
    result, notes = Result.of(solution), []
    recorded = emg if isinstance(emg, Emg) else read_emg(emg)
    mapping = EmgMapping.of(mapping, recorded.channels)
    mapping.check(recorded.channels, result.muscles)
    found = list(flags(recorded.select(tuple(mapping.muscles)))) if not recorded.envelope else []
    if not recorded.envelope:
        recorded = process_emg(recorded)
        notes.append("Envelopes were made by default settings: 20 to 400 Hz, rectified, 6 Hz.")
    time = _times(result, recorded)
    own = recorded.select(tuple(mapping.muscles))
    found += [flag for flag in flags(own, (float(time[0]), float(time[-1]))) if flag not in found]
    curves = _curves(result, own, mapping, time, _pairs(strides), dynamics, shift, found)
    table, drawn = curves.pooled()
    shifted = _shifted(table)
    notes += [f"Intervals of r are over {drawn}.", *(strides.notes() if isinstance(strides, Strides) else [])]
    notes += _common(curves)
    if not curves.amplitude:
        notes.append("Amplitudes are not shares of an MVC: RMSE and MAE would mean nothing and are left out.")
    pairs = antagonists(result, mapping.muscles)
    return EmgComparison(
        curves, table, curves.by_stride(),
        co_contraction_table(pairs, curves.channels, curves.simulated, curves.measured, curves.amplitude),
        mapping.coverage(recorded.channels, result.muscles), (*found, *shifted),
        (*checks_of(result, _frames(result, curves)), _covered(result, recorded)),
        _footing(dynamics, shift), tuple(notes),
        {"emg": {**recorded.source, "chain": list(recorded.chain), "amplitude": recorded.amplitude},
         "mapping": {name: list(muscles) for name, muscles in mapping.muscles.items()}},
    )  # fmt: skip


def through_dynamics(envelope: Array, rate: float) -> Array:
    """(T,) activation that follows an excitation with time constants of ``ACTIVATION`` up and ``DEACTIVATION`` down."""
    activation, value = np.empty_like(envelope), float(envelope[0])
    for place, excitation in enumerate(envelope):
        constant = ACTIVATION if excitation > value else DEACTIVATION
        value = excitation + (value - excitation) * np.exp(-1.0 / (rate * constant))
        activation[place] = value
    return activation


def _times(result: Result, emg: Emg) -> Array:
    """Even times that both know."""
    start, end = max(result.time[0], emg.time[0]), min(result.time[-1], emg.time[-1])
    if end - start < 3.0 / RATE:
        got = f"{result.time[0]:g} to {result.time[-1]:g} s and {emg.time[0]:g} to {emg.time[-1]:g} s"
        raise InputError(explain("a solution and EMG that overlap in time", got, "Check that clocks agree."))
    return np.asarray(start + np.arange(int((end - start) * RATE + 1e-6) + 1) / RATE)


def _curves(
    result: Result, emg: Emg, mapping: EmgMapping, time: Array, strides: Sequence[tuple[float, float]], through: bool,
    shift: float, found: Sequence[Flag],
) -> ChannelCurves:  # fmt: skip
    channels = emg.channels
    simulated = np.stack([_activation(result, mapping.muscles[name], time) for name in channels], axis=1)
    measured = np.stack([_measured(emg, name, time - shift, through) for name in channels], axis=1)
    cuts = _cuts(strides, time)
    if cuts:
        inside = np.zeros(len(time), dtype=bool)
        for first, last in cuts:
            inside[first:last] = True
        measured[~inside] = np.nan
    if not np.isfinite(simulated).any():
        raise InputError(explain("a solution of some frames", "none solved", "See its status.csv."))
    amplitude = emg.amplitude == "mvc" and not any(flag.kind == "own maximum" for flag in found)
    return ChannelCurves(time, RATE, simulated, measured, channels, cuts, amplitude)


def _activation(result: Result, muscles: Sequence[str], time: Array) -> Array:
    """Area-weighted activation of some muscles, linear between frames, NaN beside those without an answer."""
    rows = [result.muscles.index(name) for name in muscles]
    area = result.pcsa[rows]
    value: Array = result.activation[:, rows] @ (area / area.sum())
    return np.asarray(np.interp(time, result.time, value))


def _measured(emg: Emg, channel: str, time: Array, through: bool) -> Array:
    value = emg.of(channel)
    known = np.isfinite(value)
    if not known.any():
        return np.full(len(time), np.nan)
    whole = np.interp(emg.time, emg.time[known], value[known])
    if through:
        whole = through_dynamics(whole, emg.rate)
    at = np.interp(time, emg.time, whole, left=np.nan, right=np.nan)
    return np.where(np.interp(time, emg.time, known.astype(float)) < 0.5, np.nan, at)


def _pairs(strides: Strides | Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    return strides.times if isinstance(strides, Strides) else strides


def _cuts(strides: Sequence[tuple[float, float]], time: Array) -> tuple[tuple[int, int], ...]:
    """Samples of the strides that lie within the times."""
    near = 0.5 / RATE
    inside = [own for own in strides if time[0] - near <= own[0] < own[1] <= time[-1] + near]
    if strides and not inside:
        got = f"the first from {strides[0][0]:g} to {strides[0][1]:g} s"
        fix = "Check that clocks agree; a stride must lie within the solution whole."
        raise InputError(explain(f"strides within {time[0]:g} to {time[-1]:g} s", got, fix))
    samples = np.round((np.asarray(inside).reshape(-1, 2) - time[0]) * RATE).astype(int)
    return tuple((int(first), int(last)) for first, last in samples)


def _shifted(table: pd.DataFrame) -> list[Flag]:
    """Channels that would agree far better another time away."""
    far = table[(table["r_anywhere"] >= SUSPICIOUS) & (table["r_anywhere"] - table["r_delay"] >= GAIN)]
    return [
        Flag(
            str(channel), "shifted",
            f"agrees far better {row['lag_anywhere']:+.2f} s away (r {row['r_anywhere']:.2f} instead of "
            f"{row['r_delay']:.2f}): another side, another channel, or another clock?",
        )
        for channel, row in far.iterrows()
    ]  # fmt: skip


def _common(curves: ChannelCurves) -> list[str]:
    """Whether all channels together are late, or early, by more than a delay."""
    lag, r, within = curves.common_lag()
    if not np.isfinite(lag):
        return []
    told = f"All channels together agree best with the simulation {lag:+.3f} s after the EMG (mean r {r:.2f}"
    if -EARLY <= lag <= metrics.DELAY[1]:
        return [f"{told})."]
    return [f"{told}, {within:.2f} within {1e3 * metrics.DELAY[1]:.0f} ms): check the clocks and what was filtered."]


def _frames(result: Result, curves: ChannelCurves) -> NDArray[np.bool_]:
    """(T,) frames of the result in what is compared."""
    if not curves.strides:
        return np.ones(len(result.time), dtype=bool)
    spans = [(curves.time[first], curves.time[min(last, len(curves.time) - 1)]) for first, last in curves.strides]
    inside: NDArray[np.bool_] = np.any([(result.time >= start) & (result.time <= end) for start, end in spans], axis=0)
    return inside


def _covered(result: Result, emg: Emg) -> Check:
    whole = max(float(result.time[-1] - result.time[0]), 1e-9)
    share = (min(result.time[-1], emg.time[-1]) - max(result.time[0], emg.time[0])) / whole
    return Check("EMG covers", f"{share:.0%} of the solution's time", f"≥ {COVERED:.0%}", bool(share >= COVERED), "")


def _footing(through: bool, shift: float) -> str:
    parts = [f"EMG through activation dynamics ({1e3 * ACTIVATION:g} ms up, {1e3 * DEACTIVATION:g} ms down)"]
    parts = parts if through else ["EMG as it is"]
    return ", ".join([*parts, *([f"taken {1e3 * shift:g} ms later"] if shift else [])])
