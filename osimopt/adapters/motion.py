"""Kinematics of every coordinate of a model from a motion file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .. import signals
from ..errors import InputError, did_you_mean, explain, some
from ..files.given import Origin
from ..files.series import TIME_SLACK, frame_times, overlap, usable
from ..files.storage import read_columns
from ..notices import warn
from ..problem.arrays import Array, Kinematics, acts
from .arrays import along_motion
from .completion import closed, complete, couple
from .exact import described_paths
from .model import Model
from .speeds import read_speeds, speeds_of
from .units import describe_outside, to_si

if TYPE_CHECKING:
    import pandas as pd

#: rad or m by which a coupled, locked or prescribed column may differ from the model without a warning.
DISAGREEMENT = 1e-3
#: A step between two samples that is longer than this many medians is a gap in the motion.
HOLE = 3.0


def read_motion_table(path: Origin) -> pd.DataFrame:
    """Read a motion file; columns of coordinate values are renamed to the plain names of the coordinates."""
    table = read_columns(path)  # /jointset/hip_r/hip_flexion_r/value is hip_flexion_r; other state labels stay
    names = [label.split("/")[-2] if label.endswith("/value") else label for label in table.columns]
    return table.set_axis(names, axis="columns")


def read_motion(
    path: Origin,
    model: Model,
    lowpass_hz: float | None = None,
    time_range: tuple[float, float] | None = None,
    speeds: Origin | None = None,
    *,
    table: pd.DataFrame | None = None,
    n_jobs: int = 1,
    left: Sequence[str] = (),
    moving: bool = True,
) -> Kinematics:
    """Read a motion and complete it to every coordinate of the model.

    Free coordinates come from the file (filtered if ``lowpass_hz`` is given) and are differentiated over the whole
    file, the filter's padding included, as in OpenSim, or over the part of it around the ``time_range`` that can be
    used (``usable``), which a warning names; coupled ones follow from the model's couplers, locked ones keep the
    model's default, prescribed ones the model's function. A column that disagrees is not used, and a warning names it.
    Speeds come from a separate file where one is given. ``table`` is the result of ``read_motion_table``, if known.
    Coordinates that are ``left`` out of the balance may lack a column and keep the model's default, unless inverse
    dynamics needs their motion (``moving``).
    Warnings also name times that the file has twice, coordinates that leave their range in the model, holes in the
    sampling, times that the filter must resample, and a time_range that reaches beyond the motion.

    Raises
    ------
    InputError
        A free coordinate or its speed is missing; in the frames or near them NaN, or times that decrease or repeat with
        other numbers; units that cannot be right; a time_range that holds no frame.
    """
    table = read_motion_table(path) if table is None else table
    choose_frames(frame_times(table), time_range, path)
    present = _present(table, model, path, left, moving)
    needed = [c.name for c in model.description.coordinates if c.kind == "free" and c.name in present]
    span = (-np.inf, np.inf) if time_range is None else (float(time_range[0]), float(time_range[1]))
    labels = list(table.columns)
    table = table.loc[:, [name in present or labels.count(name) > 1 for name in labels]]
    table = usable(table, needed, path, span, lowpass_hz=lowpass_hz)
    if speeds is not None:
        table, rates = overlap(table, read_speeds(speeds, model, span))
    table = to_si(table[[name for name in present if name in table.columns]], model, path)
    time = table.index.to_numpy(dtype=float)
    keep = within = choose_frames(time, time_range, path)
    _warn_of_time_range(time, keep, time_range, path)
    _warn_of_times(time, keep, lowpass_hz, path)
    value = np.empty((len(time), len(model.description.coordinates)))
    for index, coordinate in enumerate(model.description.coordinates):
        known = coordinate.name in table.columns
        if coordinate.kind == "free" and known:
            value[:, index] = table[coordinate.name]
        elif coordinate.kind == "coupled" and known:  # a start for closing loops
            value[:, index] = table[coordinate.name].fillna(coordinate.default)
        else:
            value[:, index] = coordinate.default
    _warn_of_ranges(model, value[keep], path)
    speed = None if speeds is None else speeds_of(rates, model, time, value, speeds)
    wide, filtered = time, value
    if lowpass_hz is not None:
        if not isinstance(lowpass_hz, (int, float)):
            raise InputError(explain("lowpass_hz as a number of Hz", repr(lowpass_hz), "Leave out the unit."))
        free = model.description.of_kind("free")
        pad = len(time) // 2 if speed is None else 0
        wide, smooth = signals.lowpass_padded(time, value[:, free], lowpass_hz, pad)
        filtered = np.pad(value, ((pad, pad), (0, 0)), mode="edge")
        filtered[:, free] = smooth
        within = slice(keep.start + pad, keep.stop + pad)
    motion = complete(model, wide, filtered, speed, within, n_jobs)
    value = value[keep]
    if lowpass_hz is not None:
        prescribed = model.description.of_kind("prescribed")
        value[:, prescribed] = motion.value[:, prescribed]
    unfiltered = motion.value if lowpass_hz is None else couple(model, time[keep], value, n_jobs)
    _warn_of_disagreement(table.iloc[keep], unfiltered, model, path)
    return motion


def range_ends(time_range: tuple[float, float]) -> tuple[float, float]:
    """Start and end of a time_range in s; an InputError unless it is two numbers."""
    try:
        start, end = (float(limit) for limit in time_range)
    except (TypeError, ValueError):
        fix = "Use -inf or inf for an open end."
        raise InputError(explain("time_range=(start, end) in s", repr(time_range), fix)) from None
    return start, end


def choose_frames(time: Array, time_range: tuple[float, float] | None, path: object) -> slice:
    """Frames within a time range in s, ends included."""
    if time_range is None:
        return slice(0, len(time))
    start, end = range_ends(time_range)
    keep = np.flatnonzero((time >= start - TIME_SLACK) & (time <= end + TIME_SLACK))
    if not keep.size:
        got, fix = f"{start:g} to {end:g} s", "Choose another."
        after = int(np.searchsorted(time, start))
        if start > end:
            got, fix = f"{got}, which ends before it starts", "Give the earlier time first."
        elif 0 < after < len(time):
            got, fix = f"{got}, between the frames at {time[after - 1]:g} and {time[after]:g} s", "Make it longer."
        raise InputError(explain(f"a time_range within {time[0]:g} to {time[-1]:g} s", got, fix, path))
    return slice(int(keep[0]), int(keep[-1]) + 1)


def _warn_of_times(time: Array, keep: slice, lowpass_hz: float | None, path: object) -> None:
    """Warn of holes in the sampling, and of uneven times, which the filter resamples."""
    step = np.diff(time)
    if not len(step):
        return
    usual = float(np.median(step))
    holes = [row for row in np.flatnonzero(step > HOLE * usual) if keep.start - 1 <= row < keep.stop]
    if holes:
        widest = max(holes, key=lambda row: step[row])
        warn(
            f"{path}: {len(holes)} {'hole' if len(holes) == 1 else 'holes'} in the sampling, the widest from "
            f"{time[widest]:g} to {time[widest + 1]:g} s where steps are {usual:g} s; values there are interpolated by "
            "a spline, and speeds and accelerations near it depend on them."
        )
    if lowpass_hz is not None and np.abs(step - step.mean()).max() > signals.UNIFORM_TOLERANCE * step.mean():
        warn(
            f"{path}: times are not evenly spaced (steps of {step.min():g} to {step.max():g} s); for the low-pass they "
            f"were resampled every {step.min():g} s."
        )


def reaches_beyond(time: Array, start: float, end: float) -> bool:
    """Whether a finite end of a time_range (s) is more than a frame outside the times (T,) of a motion."""
    frame = float(np.median(np.diff(time))) if len(time) > 1 else 0.0
    lacking = np.array([time[0] - start, end - time[-1]])
    return bool(np.any(np.isfinite(lacking) & (lacking > frame + TIME_SLACK)))


def _warn_of_time_range(time: Array, keep: slice, time_range: tuple[float, float] | None, path: object) -> None:
    """Warn of a time_range that reaches beyond the motion; an infinite end is that of the motion."""
    start, end = (float(limit) for limit in time_range or (time[0], time[-1]))
    if reaches_beyond(time, start, end):
        warn(
            f"{path}: time_range {start:g} to {end:g} s reaches beyond the motion; its frames from "
            f"{time[keep.start]:g} to {time[keep.stop - 1]:g} s were used."
        )


def _present(table: pd.DataFrame, model: Model, path: object, left: Sequence[str], moving: bool) -> list[str]:
    """Coordinates that have a column, the free ones exactly one; of those ``left`` none is needed if not ``moving``."""
    names = model.description.coordinate_names
    present = [name for name in names if name in table.columns]
    missing = [c.name for c in model.description.coordinates if c.kind == "free" and c.name not in present]
    if present and not moving and (assumed := [name for name in missing if name in left]):
        missing = [name for name in missing if name not in left]
        warn(f"{path}: no column for {some(assumed, 12)}, which are left out; the model's default values are used.")
    if missing:
        meant = did_you_mean([label for label in table.columns if label not in names], missing, "", found=True)
        fix = f"{meant} Check that it is a motion of this model: its columns are {some(table.columns)}.".strip()
        if present:
            others = f"Add the columns, lock the coordinates in the model, {_weld(model, missing)}."
            fix = f"{meant} Otherwise add the columns, or lock the coordinates in the model." if meant else others
            needs = " Inverse dynamics and left_out='residuals' also need coordinates that are left out."
            fix += needs if left else ""
        raise InputError(explain("a column for every free coordinate", f"none for {some(missing, 12)}", fix, path))
    free = [c.name for c in model.description.coordinates if c.kind == "free"]
    if twice := [name for name in free if list(table.columns).count(name) > 1]:
        raise InputError(explain("one column per coordinate", f"two for {some(twice)}", "Remove one.", path))
    return present


def _weld(model: Model, missing: list[str]) -> str:
    """Advice to weld the joints of coordinates, as a last resort where muscles act on them."""
    coordinates, free = model.description.coordinates, model.description.free
    joints = tuple(sorted({c.joint for c in coordinates if c.name in missing}))
    posture, paths = np.array([[coordinate.default for coordinate in coordinates]]), described_paths(model)
    if paths.asked:
        pairs = model.run("geometry:find_pairs", posture, list(range(len(model.description.muscles.names))))
        moved = np.unique(pairs.coordinate)
    else:
        along = along_motion(paths, model, closed(model, posture))
        moved = np.flatnonzero(acts(along.moment_arm, axis=0).any(axis=1))
    acted = {coordinates[free[row]].joint for row in moved} & set(joints)
    if not acted:
        return f"or weld their joints, on which no muscle acts: weld={joints}"
    return f"or, only if they do not move, weld their joints (muscles act on {some(sorted(acted))}): weld={joints}"


def _warn_of_disagreement(table: pd.DataFrame, value: Array, model: Model, path: object) -> None:
    """Name columns of coupled, locked and prescribed coordinates whose values are not those (T, N) of the model."""
    wrong = [
        f"{c.name} ({c.kind})"
        for c, column in zip(model.description.coordinates, value.T, strict=True)
        if c.kind != "free"
        and c.name in table.columns
        and np.abs(table[c.name].to_numpy() - column).max() > DISAGREEMENT
    ]
    if wrong:
        warn(
            f"{path}: columns {some(wrong, 12)} disagree with the model; their values were taken from the model's "
            "constraints and defaults instead of the file."
        )


def _warn_of_ranges(model: Model, value: Array, path: object) -> None:
    """Name free coordinates outside their range, where OpenSim's tools would hold the clamped ones."""
    free = [(model.description.coordinates[index], value[:, index]) for index in model.description.free]
    left = [text for c, column in free if not c.clamped and (text := describe_outside(c, column))]
    clamped = [text for c, column in free if c.clamped and (text := describe_outside(c, column, DISAGREEMENT))]
    if left:
        text = f"{path}: outside the model's range, in frames: {some(left, 12)}. Muscle paths may be wrong there."
        warn(text)
    if clamped:
        warn(
            f"{path}: outside the range to which the model clamps them, in frames: {some(clamped, 12)}. "
            "OpenSim's tools would hold them there; here the motion is followed, and muscle paths may be wrong."
        )
