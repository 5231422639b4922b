"""Warnings about frequencies: loads or moments above the cutoff of the motion, and frames near the ends of a filter."""

from __future__ import annotations

import numpy as np

from ..errors import some
from ..problem.arrays import Array, GeneralizedForce, Kinematics
from ..signals import MINIMUM_FRAMES, UNIFORM_TOLERANCE, lowpass
from ..solution.checks import EDGE, HARMONICS, LEAST_MOMENT, LOADS_ABOVE, MOMENTS_ABOVE, MOST, percent
from .loads import LOADS, ExternalLoads, acting_forces, body_of, columns_of
from .model import Model, parse_xml
from .options import ReadOptions


def remarks(
    options: ReadOptions,
    time: Array,
    motion: Kinematics,
    model: Model,
    loads: ExternalLoads | None,
    given: GeneralizedForce | None,
) -> list[str]:
    """Warnings about the frequencies of the motion, the loads and the given moments.

    ``time`` (s) is that of the whole motion file; ``motion`` has the frames that are used.
    """
    found = _edges(options, time, motion.time, loads)
    if loads is not None:
        found += _loads_above(options, motion.time, loads)
    if given is not None:
        found += moments_above(options, motion, model, given, given=True)
    return found


def _edges(options: ReadOptions, time: Array, frames: Array, loads: ExternalLoads | None) -> list[str]:
    """Warning about frames within EDGE periods of an end of a low-passed file, which depend on the filter's padding."""
    filtered = [("the motion", options.lowpass_hz, time[0], time[-1])]
    if loads is not None:
        filtered.append(("the loads", options.cutoff("lowpass_loads_hz"), *loads.time_range))
    ends = [(name, cutoff, a + EDGE / cutoff, b - EDGE / cutoff) for name, cutoff, a, b in filtered if cutoff]
    near = [(name, cutoff) for name, cutoff, start, end in ends if frames[0] < start or frames[-1] > end]
    if not near:
        return []
    start, end = max(start for *_, start, _ in ends), min(end for *_, end in ends)
    sides = {f"before {start:.4g} s": frames[0] < start, f"after {end:.4g} s": frames[-1] > end}
    names, lowest = " and ".join(name for name, _ in near), min(cutoff for _, cutoff in near)
    text = (
        f"Frames {' and '.join(side for side, counts in sides.items() if counts)} are within a period of the low-pass "
        f"({lowest:g} Hz) from an end of {names}. Accelerations and moments there depend on the padding by which the "
        "filter extends the file."
    )
    start, end = max(start, frames[0]), min(end, frames[-1])
    return [f"{text} time_range=({start:.4g}, {end:.4g}) leaves them out." if start < end else text]


def _loads_above(options: ReadOptions, frames: Array, loads: ExternalLoads) -> list[str]:
    """Warning about the external force with the largest part above the cutoff of the motion, as a share of its peak."""
    cutoff, own = options.lowpass_hz, options.cutoff("lowpass_loads_hz")
    if cutoff is None or (own is not None and own <= cutoff):
        return []
    time = loads.table.index.to_numpy(dtype=float)
    keep = (time >= frames[0]) & (time <= frames[-1])
    worst = (LOADS_ABOVE, "")
    for force in acting_forces(parse_xml(loads.rewritten or loads.path, LOADS[1])):
        body, columns = body_of(force, "applied_to_body"), columns_of(force)
        if body == "ground" or "force" not in columns or not keep.any():
            continue
        value = loads.table[list(columns["force"])].to_numpy(dtype=float)
        above = np.linalg.norm(_above(time, value, cutoff)[keep], axis=1)
        peak = float(np.linalg.norm(value[keep], axis=1).max())
        share = above.max() / peak if peak > 0.0 else 0.0
        if share > worst[0]:
            where = (
                f"'{force.get('name')}' on {body} ({percent(share)} of its peak, at {time[keep][above.argmax()]:.4g} s)"
            )
            worst = share, f"{above.max():.3g} N of {where} lie above that"
    if not worst[1]:
        return []
    done = "are not filtered" if own is None else f"are low-passed at {own:g} Hz"
    advice = " Use the same cutoff for the loads: lowpass_loads_hz='motion'." if own is None else ""
    return [
        f"The motion is low-passed at {cutoff:g} Hz, the loads {done}: {worst[1]}. That part produces "
        f"joint moments to which no acceleration of the filtered motion corresponds.{advice}"
    ]


def moments_above(
    options: ReadOptions, motion: Kinematics, model: Model, moments: GeneralizedForce, given: bool
) -> list[str]:
    """Warning about moments of which more than MOMENTS_ABOVE of the variance lies above the motion's frequencies.

    Moments of inverse dynamics (not ``given``) are checked only if the motion is not low-passed; otherwise their higher
    frequencies come from the loads.
    """
    by_name = {coordinate.name: coordinate for coordinate in model.description.coordinates}
    cutoff = options.lowpass_hz
    above = f"{cutoff:g} Hz, at which the motion is low-passed" if cutoff else ""
    advice = "Use the same cutoff for them: lowpass_moments_hz='motion'." if options.lowpass_moments_hz is None else ""
    if cutoff is None:
        cutoff = _bandwidth(motion, [c.name for c in by_name.values() if c.rotational and not c.floating])
        above = f"{cutoff:.3g} Hz, {HARMONICS:g} times the highest frequency of the motion" if cutoff else ""
        more = "lowpass_moments_hz='motion'" if given else "lowpass_loads_hz='motion' if there are loads"
        advice = f"Differentiating noise twice produces such moments: give lowpass_hz, and {more}."
    elif not given:
        return []
    if cutoff is None or len(motion.time) < MINIMUM_FRAMES or np.ptp(motion.time) < 1.0 / cutoff:
        return []
    high, total = _above(motion.time, moments.value, cutoff).var(axis=0), moments.value.var(axis=0)
    shares = high / np.maximum(total, LEAST_MOMENT**2)
    order = [i for i in np.argsort(-shares).tolist() if not by_name[moments.coordinates[i]].floating]
    over = [f"{moments.coordinates[i]} ({percent(shares[i])})" for i in order if shares[i] > MOMENTS_ABOVE]
    if not over:
        return []
    text = f"More than {percent(MOMENTS_ABOVE)} of the variance of these moments lies above {above}: {some(over)}."
    return [f"{text} {advice}".rstrip()]


def _above(time: Array, value: Array, cutoff_hz: float) -> Array:
    """The part (T, …) above a cutoff; zero where the rate is at most twice the cutoff, or the samples are too few."""
    if len(time) < MINIMUM_FRAMES or cutoff_hz >= 0.5 / np.diff(time).mean():
        return np.zeros_like(value)
    step = np.diff(time)
    if np.ptp(step) > UNIFORM_TOLERANCE * step.mean():
        return np.asarray(value - lowpass(time, value, cutoff_hz))
    # the gain of that low-pass, without SciPy's signal package, which takes half a second to import
    along = np.linspace(0.0, 1.0, len(time))
    odd = value - value[0] - np.multiply.outer(along, value[-1] - value[0])  # about both ends, as the low-pass pads
    frequency = np.tan(0.5 * np.pi * along) / np.tan(np.pi * cutoff_hz * step.mean())
    spectrum = np.fft.rfft(np.concatenate([odd, -odd[-2:0:-1]]), axis=0).T * (1.0 - 1.0 / (1.0 + frequency**6))
    return np.fft.irfft(spectrum.T, 2 * len(time) - 2, axis=0)[: len(time)]


def _bandwidth(motion: Kinematics, names: list[str]) -> float | None:
    """HARMONICS times the frequency (Hz) below which MOST of the variance of some coordinates lies; None if unknown."""
    step = np.diff(motion.time)
    rows = [motion.coordinates.index(name) for name in names]
    if len(step) < MINIMUM_FRAMES or not rows or np.ptp(step) > UNIFORM_TOLERANCE * step.mean():
        return None
    along, value = np.linspace(-1.0, 1.0, len(motion.time)), motion.value[:, rows] - motion.value[:, rows].mean(axis=0)
    value = (value - np.multiply.outer(along, along @ value / (along @ along))) * np.hanning(len(along))[:, None]
    power = np.cumsum(np.sum(np.abs(np.fft.rfft(value, axis=0)) ** 2, axis=1))
    if power[-1] == 0.0:
        return None
    return float(HARMONICS * np.fft.rfftfreq(len(value), step.mean())[np.argmax(power >= MOST * power[-1])])
