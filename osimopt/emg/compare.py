"""compare_emg: agreement of a solution with measured activity, channel by channel."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain, some
from ..problem.arrays import Array
from ..solution.checks import COVERED, Check, checks_of
from ..solution.reader import Result
from .clock import Clock, estimate_clock
from .comparison import ChannelCurves, EmgComparison
from .mapping import EmgMapping, unknown
from .processing import process_emg
from .quality import Flag, flags
from .read import read_emg
from .recording import Emg
from .strides import Strides

if TYPE_CHECKING:
    import pandas as pd

    from ..solution.solution import RedundancySolution


#: Rate in Hz of the comparison.
RATE = 100.0
#: Time constants in s of activation dynamics, for rising and falling excitation.
ACTIVATION, DEACTIVATION = 0.015, 0.060
#: A channel is flagged if another lag has at least this correlation, and at least this gain over lags within the delay.
SUSPICIOUS, GAIN = 0.6, 0.15
#: Range of a simulated activation below which its muscles are silent.
SILENT = 0.02
#: A channel acts on the coordinates about which its mean moment arm is at least this share of its largest.
MAIN = 0.5
#: Words of a coordinate's name that are its side.
SIDES = ("r", "l", "right", "left")
#: Two channels are antagonists if their moment arms have opposite signs in at least this share of the frames.
MOSTLY = 0.9


def compare_emg(
    solution: RedundancySolution | Result,
    emg: Emg | pd.DataFrame | str | os.PathLike[str],
    mapping: EmgMapping | Mapping[str, str | Sequence[str]] | str | os.PathLike[str],
    *,
    strides: Strides | Sequence[tuple[float, float]] = (),
    dynamics: bool = True,
    shift: float = 0.0,
) -> EmgComparison:
    """Compare activations with EMG envelopes, channel by channel.

    Parameters
    ----------
    solution : RedundancySolution or Result
        Solution of any method, or a result folder read by :meth:`osimopt.Result.read`. Failed frames are left out.
    emg : Emg, pandas.DataFrame or path-like
        Envelopes, as from :func:`osimopt.process_emg`; or raw EMG, or its file, which is processed with the default
        :class:`osimopt.EmgOptions`.
    mapping : EmgMapping, mapping or path-like
        Muscles by channel, the TOML file of such a table, or the name of a preset (``"gait2392"``,
        ``"Rajagopal2016"``, ``"gait10dof18musc"``, ``"arm26"``) if the channels' names contain their side.
    strides : Strides or sequence of (float, float), optional
        Start and end of strides in s, as from :func:`osimopt.find_strides`; only these are compared. By default the
        whole trial is compared, and confidence intervals come from blocks of it.
    dynamics : bool, default True
        Apply activation dynamics (time constants 15 ms up, 60 ms down) to EMG, which is an excitation, before it is
        compared with activations.
    shift : float, default 0
        Time in s that is added to the times of EMG, instead of or in addition to ``dynamics``. A clock that runs at
        another rate is corrected by :meth:`osimopt.Emg.retimed`; the finding about clocks gives the numbers.

    Returns
    -------
    EmgComparison
        Tables of agreement, flags of suspicious channels, checks and notes.

    Raises
    ------
    InputError
        Unknown channels or muscles, times that do not overlap, strides outside of the trial, or a preset without
        sides.

    References
    ----------
    Hicks JL, Uchida TK, Seth A, Rajagopal A, Delp SL (2015). Is my model good enough? J Biomech Eng 137(2), 020905.
    doi:10.1115/1.4029304

    Examples
    --------
    >>> import numpy as np, osimopt
    >>> time = np.arange(301) / 100.0
    >>> moment = 12.0 + 8.0 * np.sin(2.0 * np.pi * time)
    >>> problem = osimopt.RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], moment, time=time)
    >>> solution = osimopt.solve_static(problem)
    >>> emg = osimopt.Emg(time, solution.activation[:, :1], ("flexor",), envelope=True)
    >>> found = osimopt.compare_emg(solution, emg, {"flexor": "muscle_0"}, dynamics=False)
    >>> found.table[["r", "lag"]].round(2)
               r  lag
    channel
    flexor   1.0  0.0
    """
    result, notes = Result.of(solution), []
    recording = emg if isinstance(emg, Emg) else read_emg(emg)
    mapping = EmgMapping.of(mapping, recording.channels)
    mapping.check(recording.channels, result.muscles)
    mapped = tuple(mapping.muscles)
    found = list(flags(recording.select(mapped))) if not recording.envelope else []
    if not recording.envelope:
        recording = process_emg(recording)
        notes.append("Envelopes were made by default settings: 20 to 400 Hz, rectified, 6 Hz.")
    time = _common_times(result, recording)
    used = recording.select(mapped)
    found += [flag for flag in flags(used, (float(time[0]), float(time[-1]))) if flag not in found]
    amplitude = used.amplitude == "mvc" and not any(flag.kind == "own maximum" for flag in found)
    spans = strides.times if isinstance(strides, Strides) else strides
    whole = _curves(result, used, mapping, time, (dynamics, shift), amplitude)
    clock = _clock(result, whole)
    curves = whole.within(_stride_samples(spans, time))
    table, pieces = curves.pooled()
    notes += [f"Intervals of r are over {pieces}.", *(strides.notes() if isinstance(strides, Strides) else [])]
    notes += clock.notes()
    if left := unknown(recording.channels, mapping.muscles):
        notes.append(f"Channels that are not compared, as no muscle is mapped to them: {some(left, 12)}.")
    if not curves.amplitude:
        notes.append("Amplitudes are not shares of an MVC: RMSE and MAE have no meaning and are left out.")
    return EmgComparison(
        curves, table, curves.by_stride(), curves.co_contraction(antagonists(result, mapping.muscles)),
        mapping.coverage(recording.channels, result.muscles), (*found, *_shifted(table), *_silent(curves)),
        (*checks_of(result, _compared_frames(result, curves)), _covered(result, recording)), _footing(dynamics, shift),
        clock, tuple(notes),
        {"emg": {**recording.source, "chain": list(recording.chain), "amplitude": recording.amplitude},
         "mapping": {name: list(muscles) for name, muscles in mapping.muscles.items()}},
    )  # fmt: skip


def through_dynamics(envelope: Array, rate: float) -> Array:
    """(T,) activation in response to an excitation (T,): first order, ``ACTIVATION`` up and ``DEACTIVATION`` down."""
    activation, value = np.empty_like(envelope), float(envelope[0])
    for sample, excitation in enumerate(envelope):
        constant = ACTIVATION if excitation > value else DEACTIVATION
        value = excitation + (value - excitation) * np.exp(-1.0 / (rate * constant))
        activation[sample] = value
    return activation


def antagonists(result: Result, muscles: Mapping[str, Sequence[str]]) -> list[tuple[str, str, str]]:
    """(channel, channel, coordinate) for channels with opposite moment arms about a coordinate that both mainly act on.

    At a joint of several coordinates (by the first word of their names, as hip_flexion and hip_adduction) that is the
    one with the largest moment arm: rectus femoris flexes the hip, gluteus medius abducts it. Each pair is listed once,
    for the coordinate with the largest moment arms.
    """
    if result.geometry is None:
        return []
    geometry, area = result.geometry, result.pcsa
    arms: dict[str, Array] = {}
    for channel, names in muscles.items():
        arm = np.zeros((len(geometry.moment_arms), len(geometry.coordinates)))
        members = [geometry.muscles.index(name) for name in names]
        for pair, (row, muscle) in enumerate(zip(geometry.pair_coordinate, geometry.pair_muscle, strict=True)):
            if muscle in members and geometry.served[row]:
                arm[:, row] += geometry.moment_arms[:, pair] * area[muscle]
        arms[channel] = arm / area[members].sum()
    found = []
    for (one, a), (other, b) in combinations(arms.items(), 2):
        mean_a, mean_b = np.abs(a).mean(axis=0), np.abs(b).mean(axis=0)
        main = _main(mean_a, geometry.coordinates) & _main(mean_b, geometry.coordinates)
        against = main & (np.mean(a * b < 0.0, axis=0) >= MOSTLY)
        if against.any():
            row = int(np.argmax(np.where(against, np.minimum(mean_a, mean_b), -1.0)))
            found.append((one, other, geometry.coordinates[row]))
    return found


def _main(arm: Array, coordinates: Sequence[str]) -> NDArray[np.bool_]:
    """(D,) coordinates that a channel mainly acts on, by its mean moment arms (D,): at most one at each joint."""
    joints: dict[str, list[int]] = {}
    for row, name in enumerate(coordinates):
        words = name.lower().split("_")
        sides = [word for word in words if word in SIDES]
        joints.setdefault(" ".join([*[word for word in words if word not in SIDES][:1], *sides]), []).append(row)
    main = np.zeros(len(arm), dtype=bool)
    for rows in joints.values():
        main[rows[int(np.argmax(arm[rows]))]] = True
    return np.asarray(main & (arm >= MAIN * arm.max(initial=0.0)) & (arm > 0.0))


def _common_times(result: Result, emg: Emg) -> Array:
    """Evenly spaced times within both recordings."""
    start, end = max(result.time[0], emg.time[0]), min(result.time[-1], emg.time[-1])
    if end - start < 3.0 / RATE:
        got = f"{result.time[0]:g} to {result.time[-1]:g} s and {emg.time[0]:g} to {emg.time[-1]:g} s"
        raise InputError(explain("a solution and EMG that overlap in time", got, "Check that the clocks agree."))
    return np.asarray(start + np.arange(int((end - start) * RATE + 1e-6) + 1) / RATE)


def _stride_samples(strides: Sequence[tuple[float, float]], time: Array) -> tuple[tuple[int, int], ...]:
    """(first, last) samples of the strides that lie within ``time``."""
    near = 0.5 / RATE
    inside = [stride for stride in strides if time[0] - near <= stride[0] < stride[1] <= time[-1] + near]
    if strides and not inside:
        got = f"the first from {strides[0][0]:g} to {strides[0][1]:g} s"
        fix = "Check that the clocks agree; a whole stride must lie within the solution."
        raise InputError(explain(f"strides within {time[0]:g} to {time[-1]:g} s", got, fix))
    samples = np.round((np.asarray(inside).reshape(-1, 2) - time[0]) * RATE).astype(int)
    return tuple((int(first), int(last)) for first, last in samples)


def _curves(
    result: Result, emg: Emg, mapping: EmgMapping, time: Array, footing: tuple[bool, float], amplitude: bool
) -> ChannelCurves:
    """Both activities at ``time``; ``footing`` is whether EMG goes through activation dynamics, and its shift in s."""
    simulated, measured = (np.empty((len(time), len(emg.channels))) for _ in range(2))
    for column, channel in enumerate(emg.channels):
        rows = [result.muscles.index(name) for name in mapping.muscles[channel]]
        area = result.pcsa[rows]
        simulated[:, column] = np.interp(time, result.time, result.activation[:, rows] @ (area / area.sum()))
        measured[:, column] = _measured(emg, channel, time - footing[1], footing[0])
    if not np.isfinite(simulated).any():
        raise InputError(explain("a solution with solved frames", "none solved", "See its status.csv."))
    return ChannelCurves(time, RATE, simulated, measured, emg.channels, (), amplitude)


def _clock(result: Result, curves: ChannelCurves) -> Clock:
    """Offset and rate between EMG and the motion."""
    moments = np.stack([np.interp(curves.time, result.time, own) for own in result.generalized_force.T], axis=1)
    return estimate_clock(curves.time, curves.simulated, curves.measured, moments)


def _measured(emg: Emg, channel: str, time: Array, dynamics: bool) -> Array:
    """(T,) one channel at other times, NaN in gaps and outside of the recording."""
    value = emg.of(channel)
    known = np.isfinite(value)
    if not known.any():
        return np.full(len(time), np.nan)
    whole = np.interp(emg.time, emg.time[known], value[known])
    if dynamics:
        whole = through_dynamics(whole, emg.rate)
    at = np.interp(time, emg.time, whole, left=np.nan, right=np.nan)
    return np.where(np.interp(time, emg.time, known.astype(float)) < 0.5, np.nan, at)


def _shifted(table: pd.DataFrame) -> list[Flag]:
    """Channels that agree far better at a lag outside of the delay."""
    far = table[(table["r_anywhere"] >= SUSPICIOUS) & (table["r_anywhere"] - table["r_delay"] >= GAIN)]
    return [
        Flag(
            str(channel), "shifted",
            f"agrees far better {'at least ' if row['lag_anywhere_at_limit'] else ''}{row['lag_anywhere']:+.2f} s away "
            f"(r {row['r_anywhere']:.2f} instead of {row['r_delay']:.2f}): another side, another channel, or another "
            "clock?",
        )
        for channel, row in far.iterrows()
    ]  # fmt: skip


def _silent(curves: ChannelCurves) -> list[Flag]:
    """Channels with activity whose muscles stay at rest in the simulation."""
    found = []
    for column, channel in enumerate(curves.channels):
        a, b = curves.simulated[:, column], curves.measured[:, column]
        known = np.isfinite(a) & np.isfinite(b)
        if not known.any():
            continue
        low, high = np.quantile(b[known], [0.05, 0.95])
        if float(np.ptp(a[known])) < SILENT and high > 0.0 and high - low > 0.5 * high:
            text = f"its muscles stay within {SILENT:.0%} of rest in the simulation, while EMG shows activity"
            found.append(Flag(channel, "silent", text))
    return found


def _compared_frames(result: Result, curves: ChannelCurves) -> NDArray[np.bool_]:
    """(T,) frames of the result that lie in the strides; all without strides."""
    if not curves.strides:
        return np.ones(len(result.time), dtype=bool)
    spans = [(curves.time[first], curves.time[min(last, len(curves.time) - 1)]) for first, last in curves.strides]
    inside: NDArray[np.bool_] = np.any([(result.time >= start) & (result.time <= end) for start, end in spans], axis=0)
    return inside


def _covered(result: Result, emg: Emg) -> Check:
    """Check that EMG covers the solution."""
    whole = max(float(result.time[-1] - result.time[0]), 1e-9)
    share = (min(result.time[-1], emg.time[-1]) - max(result.time[0], emg.time[0])) / whole
    return Check("EMG covers", f"{share:.0%} of the solution's time", f"≥ {COVERED:.0%}", bool(share >= COVERED), "")


def _footing(dynamics: bool, shift: float) -> str:
    """The processing that made EMG comparable with activation."""
    up_down = f"({1e3 * ACTIVATION:g} ms up, {1e3 * DEACTIVATION:g} ms down)"
    text = f"EMG through activation dynamics {up_down}" if dynamics else "EMG without activation dynamics"
    return f"{text}, taken {1e3 * shift:g} ms later" if shift else text
