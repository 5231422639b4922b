"""compare_emg: how well a finished solution agrees with measured activity, channel by channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain
from . import metrics
from .intervals import interval, pieces_of
from .mapping import EmgMapping
from .onset import on_by_threshold, onsets
from .quality import Flag, flags
from .recording import Emg

if TYPE_CHECKING:
    import pandas as pd

    from ..solution import RedundancySolution

Array = NDArray[np.float64]

#: Hz that both are compared at.
RATE = 100.0
#: s after EMG at which activation is, first order: for solutions that know no activation dynamics (static ones).
ACTIVATION, DEACTIVATION = 0.015, 0.060
#: Least correlation, and gain of another lag over it, at which a lag beyond the delay is worth a word.
SUSPICIOUS, GAIN = 0.6, 0.15


@dataclass(frozen=True, eq=False)
class EmgComparison:
    """Agreement of a solution with EMG.

    Attributes
    ----------
    time
        (T,) s, ``RATE`` Hz.
    simulated, measured
        (T, C) activation of each channel's muscles, area-weighted, and its envelope, on one footing (``footing``).
    channels
        (C,) of the mapping.
    strides
        (first, last) samples of each.
    table
        One row per channel: r, its interval, lag and r there (within ``metrics.DELAY``), lag over ± half a stride,
        concordance, onset error, RMSE and MAE (NaN where amplitude means nothing).
    coverage
        Which muscles have no EMG, and which EMG no muscle.
    flags
        What is wrong with channels.
    footing
        In words, how activation and EMG were brought together.
    notes
        Sentences for a reader.
    """

    time: Array
    simulated: Array
    measured: Array
    channels: tuple[str, ...]
    strides: tuple[tuple[int, int], ...]
    table: pd.DataFrame
    coverage: pd.DataFrame
    flags: tuple[Flag, ...]
    footing: str
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)


def compare_emg(
    solution: RedundancySolution,
    emg: Emg,
    mapping: EmgMapping | Mapping[str, str | Sequence[str]],
    *,
    strides: Sequence[float] = (),
    dynamics: bool | None = None,
) -> EmgComparison:
    """Compare activations with EMG envelopes.

    Parameters
    ----------
    solution
        Of any method; failed frames are left out.
    emg
        Envelopes, as of :func:`osimopt.emg.processing.process_emg`.
    mapping
        Muscles by channel.
    strides
        Times in s at which strides begin (and the last ends); none: intervals come from blocks of the trial.
    dynamics
        Whether EMG goes through activation dynamics (15 ms up, 60 ms down) before it is compared: by default for
        static solutions, whose activations know none.

    Raises
    ------
    InputError
        Raw EMG, unknown names, or clocks that do not overlap.
    """
    if not emg.envelope:
        fix = "Run osimopt.emg.processing.process_emg on it first."
        raise InputError(explain("envelopes of EMG", "raw signals", fix, emg.source.get("path")))
    problem = solution.problem
    if not isinstance(mapping, EmgMapping):
        mapping = EmgMapping({name: (own,) if isinstance(own, str) else tuple(own) for name, own in mapping.items()})
    mapping.check(emg.channels, problem.muscles)
    start, end = max(solution.time[0], emg.time[0]), min(solution.time[-1], emg.time[-1])
    if end - start < 3.0 / RATE:
        got = f"{solution.time[0]:g}-{solution.time[-1]:g} s and {emg.time[0]:g}-{emg.time[-1]:g} s"
        raise InputError(explain("a solution and EMG that overlap in time", got, "Check that clocks agree."))
    time = start + np.arange(int((end - start) * RATE + 1e-6) + 1) / RATE
    channels = tuple(mapping.muscles)
    simulated = np.stack([_activation(solution, mapping.muscles[name], time) for name in channels], axis=1)
    static = not hasattr(solution, "excitation")
    through = static if dynamics is None else dynamics
    own = emg.select(channels)
    measured = np.stack([_measured(own, name, time, through) for name in channels], axis=1)
    cuts = _strides(strides, time)
    found = tuple(flags(own, (float(time[0]), float(time[-1]))))
    table, notes = _table(simulated, measured, channels, cuts, time, emg.amplitude == "mvc")
    footing = "EMG through activation dynamics" if through else "EMG as it is"
    return EmgComparison(
        time, simulated, measured, channels, cuts, table, mapping.coverage(emg.channels, problem.muscles), found,
        footing, tuple(notes), {"emg": {**emg.source, "chain": list(emg.chain), "amplitude": emg.amplitude}},
    )  # fmt: skip


def through_dynamics(envelope: Array, rate: float) -> Array:
    """(T,) activation that follows an excitation with time constants of ``ACTIVATION`` up and ``DEACTIVATION`` down."""
    activation, value = np.empty_like(envelope), float(envelope[0])
    for place, excitation in enumerate(envelope):
        constant = ACTIVATION if excitation > value else DEACTIVATION
        value = excitation + (value - excitation) * np.exp(-1.0 / (rate * constant))
        activation[place] = value
    return activation


def _activation(solution: RedundancySolution, muscles: Sequence[str], time: Array) -> Array:
    """Area-weighted activation of some muscles, linear between the frames that are solved."""
    problem = solution.problem
    rows = [problem.muscles.index(name) for name in muscles]
    area = problem.pcsa[rows] if problem.pcsa is not None else np.ones(len(rows))
    value: Array = solution.activation[:, rows] @ (area / area.sum())
    good = np.isfinite(value)
    return np.interp(time, solution.time[good], value[good])


def _measured(emg: Emg, channel: str, time: Array, through: bool) -> Array:
    value = emg.of(channel)
    known = np.isfinite(value)
    whole = np.interp(emg.time, emg.time[known], value[known])
    if through:
        whole = through_dynamics(whole, emg.rate)
    at = np.interp(time, emg.time, whole)
    return np.where(np.interp(time, emg.time, known.astype(float)) < 0.5, np.nan, at)


def _strides(times: Sequence[float], time: Array) -> tuple[tuple[int, int], ...]:
    inside = [own for own in times if time[0] - 0.5 / RATE <= own <= time[-1] + 0.5 / RATE]
    samples = np.round((np.asarray(inside) - time[0]) * RATE).astype(int)
    return tuple((first, last) for first, last in pairwise(samples.tolist()))


def _table(
    simulated: Array, measured: Array, channels: Sequence[str], strides: Sequence[tuple[int, int]], time: Array,
    amplitude: bool,
) -> tuple[pd.DataFrame, list[str]]:  # fmt: skip
    import pandas as pd

    half = 0.5 * float(np.mean([last - first for first, last in strides])) / RATE if strides else 0.5
    half = min(half, 0.4 * float(time[-1] - time[0]))
    pieces, drawn = pieces_of(len(time), RATE, strides)
    rows, notes = [], [f"Intervals are over {drawn}."]
    for place, channel in enumerate(channels):
        row = _row(simulated[:, place], measured[:, place], time, pieces, half)
        if not amplitude:
            row |= {"rmse": np.nan, "mae": np.nan}
        if row["r_anywhere"] >= SUSPICIOUS and row["r_anywhere"] - row["r_delay"] >= GAIN:
            notes.append(
                f"{channel}: agrees far better {row['lag_anywhere']:+.2f} s away (r {row['r_anywhere']:.2f} against "
                f"{row['r_delay']:.2f}): another side, another channel, or another clock?"
            )
        rows.append({"channel": channel, **row})
    if not amplitude:
        notes.append("Amplitudes are not normalised by MVC: RMSE and MAE would mean nothing and are left out.")
    return pd.DataFrame(rows).set_index("channel"), notes


def _row(a: Array, b: Array, time: Array, pieces: list[Any], half: float) -> dict[str, float]:
    low, high = interval(lambda keep: metrics.pearson(a[keep], b[keep]), pieces, correlation=True)
    lag, r_delay = metrics.best_lag(a, b, RATE, 0.0, metrics.DELAY[1])
    lag_anywhere, r_anywhere = metrics.best_lag(a, b, RATE, -half, half)
    on = on_by_threshold(np.stack([a, b], axis=1), RATE)
    late = metrics.onset_errors(onsets(on[:, 0], time), onsets(on[:, 1], time))
    return {
        "r": metrics.pearson(a, b), "r_low": low, "r_high": high, "lag": lag, "r_delay": r_delay,
        "lag_anywhere": lag_anywhere, "r_anywhere": r_anywhere, "concordance": metrics.concordance(on[:, 0], on[:, 1]),
        "onset_error": float(np.median(late)) if len(late) else np.nan, "rmse": metrics.rmse(a, b),
        "mae": metrics.mae(a, b),
    }  # fmt: skip
