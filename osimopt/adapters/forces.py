"""Generalized forces: read from a file of OpenSim's InverseDynamicsTool, and checked for a plausible size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InputError, did_you_mean, explain, some
from ..files.given import Origin
from ..files.series import TIME_SLACK, frame_times, usable
from ..files.storage import read_columns
from ..files.table import Table
from ..namespace import alike, namespace, plain
from ..notices import warn
from ..problem.arrays import Array, Coordinate, GeneralizedForce, Index, Kinematics, MuscleGeometry
from ..problem.reserves import ReserveActuators
from ..signals import lowpass, quintic_spline
from .completion import turning_and_moved
from .model import Model

#: First line of the file that ``osimopt extract`` writes, whose labels are the bare coordinates.
OWN_TITLE = "generalized_force"
#: A generalized force above MARGIN times the largest that could act is refused, one above DOUBTFUL times is warned of;
#: walking needs a third of the largest.
MARGIN, DOUBTFUL = 100.0, 10.0
#: m; the lever of weight and external forces about a joint. With the margin, weight alone allows 200 N·m per N, more
#: than the inertia of the whole mass 1 m from the joint that swings through 90 degrees to either side at 5 Hz
#: (1550 rad/s², 158 N·m per N); a segment, whose radius of gyration is a third of that at most, has a tenth of it.
LEVER = 2.0


def read_generalized_force(
    path: Origin,
    model: Model,
    motion: Kinematics,
    left: Sequence[str] = (),
    lowpass_hz: float | None = None,
) -> GeneralizedForce:
    """Read net joint moments for the frames of a motion, low-passed over the whole file where a cutoff is given.

    Columns are ``<coordinate>_moment`` or ``<coordinate>_force``, as in OpenSim's files. The bare coordinate name or
    its path is accepted too, with a warning, unless the file declares coordinates: a motion has the same names.

    Moments of coupled coordinates are projected onto the coordinates they follow. Free coordinates without a column are
    left out of the balance, with a warning; columns of those that are ``left`` out are not read. Values at times other
    than the motion's are interpolated by the quintic spline, with a warning.

    Raises
    ------
    InputError
        No coordinate found, a motion instead of moments, NaN, times that do not increase or do not cover the motion.
    """
    table = read_columns(path)
    every = model.description.coordinate_names
    names = tuple(name for name in every if name not in left)
    labelled = [_coordinate_of(str(label), names) for label in table.columns]
    columns = dict(zip(labelled, map(str, table.columns), strict=True))
    free = [every[index] for index in model.description.free if every[index] in names]
    coupled = [every[index] for index in model.description.of_kind("coupled")]
    used = [name for name in (*free, *coupled) if name in columns]
    if twice := [name for name in used if labelled.count(name) > 1]:
        raise InputError(explain("one column per coordinate", f"two for {some(twice)}", "Remove one.", path))
    found = [name for name in free if name in columns]
    if not found:
        fix = "Give the .sto that OpenSim's InverseDynamicsTool wrote for this model."
        raise InputError(explain("columns like 'knee_angle_r_moment'", some(table.columns), fix, path))
    title = table.attrs["title"]
    _refuse_a_motion(path, title, table.attrs["in_degrees"], [columns[name] for name in found])
    _refuse_speeds(path, title, turning_and_moved(model, motion))
    if absent := [name for name in free if name not in columns]:
        others = [label for label in map(str, table.columns) if _coordinate_of(label, every) not in every]
        meant = did_you_mean(others, absent + [f"{name}_moment" for name in absent], "", found=True)
        warn(f"{path}: no column for {some(absent, 12)}; their balance is left out. {meant}".rstrip())
    chosen = table.kept([name in used for name in labelled])
    values = _at(motion.time, chosen, [columns[name] for name in used], path, lowpass_hz)
    everything = np.zeros((len(motion.time), len(every)))
    everything[:, [every.index(name) for name in used]] = values
    keep = [every.index(name) for name in found]
    return GeneralizedForce(motion.time, tuple(found), motion.onto_free(everything)[:, keep])


def _refuse_speeds(path: object, title: str, turning: list[str]) -> None:
    """Refuse OpenSim's own moments where its InverseDynamicsTool takes rates of coordinates for speeds."""
    if turning and title != OWN_TITLE:
        got = f"a file for a motion of {some(turning)}, whose joint has speeds of its own"
        fix = (
            "OpenSim's InverseDynamicsTool takes the rates of such coordinates for its speeds and is wrong for the "
            "whole model: leave generalized_force out, or give what 'osimopt extract' wrote."
        )
        raise InputError(explain("generalized forces about coordinates", got, fix, path))


def _refuse_a_motion(path: object, title: str, in_degrees: bool, labels: list[str]) -> None:
    """Refuse coordinates by header and labels: their values in degrees are of a size that moments have, too."""
    bare = [label for label in labels if not label.endswith(("_moment", "_force", "/moment", "/force"))]
    if not bare or title == OWN_TITLE:
        return
    signs = {
        "inDegrees=yes": in_degrees,
        f"the title '{title}'": title.lower().removeprefix("name ") in ("coordinates", "states"),
        f"a label '{bare[0]}'": bare[0].endswith("/value"),
    }
    if found := [sign for sign, present in signs.items() if present]:
        got = f"columns named like coordinates ({some(bare)}) in a file with {found[0]}"
        fix = "Give the .sto of OpenSim's InverseDynamicsTool; if these are moments, add _moment to their labels."
        raise InputError(explain("generalized forces", got, fix, path))
    warn(
        f"{path}: {some(bare)} are taken as generalized forces in N·m or N, though their labels do not end in _moment "
        "or _force. Is it not a motion?"
    )


def _coordinate_of(label: str, names: tuple[str, ...]) -> str:
    parts = [part for part in label.split("/") if part not in ("", "value", "moment", "force")]
    last = parts[-1] if parts else ""
    for suffix in ("", "_moment", "_force"):
        if last.endswith(suffix) and last[: len(last) - len(suffix)] in names:
            return last[: len(last) - len(suffix)]
    return f"?{label}"


def _at(wanted: Array, table: Table, labels: Sequence[str], path: object, lowpass_hz: float | None) -> Array:
    """(T, C) values of columns at the wanted times (T,); filtered or interpolated, they depend on rows around."""
    times, every = frame_times(table), table.index.to_numpy(dtype=float)
    first, last = np.nanmin(every), np.nanmax(every)
    if wanted[0] < first - TIME_SLACK or wanted[-1] > last + TIME_SLACK:
        got = f"frames from {wanted[0]:g} to {wanted[-1]:g} s"
        raise InputError(explain(f"frames within its {first:g} to {last:g} s", got, "Choose a time_range.", path))
    known = bool(np.all(np.abs(times[_nearest(times, wanted)] - wanted) <= TIME_SLACK))
    if known and lowpass_hz is None:
        table = table[(every > wanted[0] - 2.0 * TIME_SLACK) & (every < wanted[-1] + 2.0 * TIME_SLACK)]
    table = usable(table, labels, path, (wanted[0], wanted[-1]), lowpass_hz=lowpass_hz)
    time, value = table.index.to_numpy(dtype=float), table[list(labels)].to_numpy(dtype=float)
    if lowpass_hz is not None:
        value = lowpass(time, value, lowpass_hz, "lowpass_moments_hz")
    if known:
        return np.asarray(value[_nearest(time, wanted)])
    warn(f"{path}: its times are not the motion's; interpolated by a quintic spline.")
    return np.asarray(quintic_spline(time, value)(wanted))


def _nearest(time: Array, wanted: Array) -> Index:
    """Rows of the times (T,) next to the wanted ones."""
    nearest = np.clip(np.searchsorted(time, wanted), 1, len(time) - 1)
    return np.asarray(nearest - ((wanted - time[nearest - 1]) < (time[nearest] - wanted)))


def check_size(
    time: Array,
    value: Array,
    coordinates: Sequence[Coordinate],
    geometry: MuscleGeometry,
    strength: Array,
    actuators: ReserveActuators,
    weight: float,
    force: float = 0.0,
    torque: float = 0.0,
    where: object = None,
) -> list[str]:
    """Refuse generalized forces above 100 times the largest that weight, loads, muscles and actuators could produce.

    Repeated times, wrong units and noise that was differentiated twice make moments of any size; reserves then carry
    them, and every frame counts as solved. Above ten times there is a warning, which is returned too: moments of
    walking in N·mm stay below a hundred times the muscles' capacity.

    Parameters
    ----------
    time, value
        (T,) s and (T, D) in N·m, or N for translations.
    coordinates
        The D coordinates.
    geometry, strength
        Moment arms about these coordinates, and (M,) maximum isometric forces in N.
    actuators
        The model's own; one without bounds counts with its optimal force.
    weight
        N; 0 where there is no gravity. Mass is unknown then, and its inertia is replaced by the median of the
        coordinate's force over the frames plus the largest that muscles make elsewhere.
    force, torque
        Sums of the magnitudes of the external forces in N and torques in N·m.
    where
        The file, for the message.

    Raises
    ------
    InputError
        Naming coordinate and time of the one farthest beyond.
    """
    turns = np.array([coordinate.rotational for coordinate in coordinates])
    arms = _largest(geometry.moment_arms)  # all muscles that act, at their largest moment arms
    made: Array = np.asarray(
        np.bincount(geometry.pair_coordinate, arms * strength[geometry.pair_muscle], len(coordinates)), dtype=float
    )
    bound = np.maximum(np.abs(actuators.lower), np.abs(actuators.upper))  # all actuators at the larger of their bounds
    made = made + _largest(actuators.effect) @ np.where(np.isfinite(bound), bound, 1.0)
    lever = np.where(turns, LEVER, 1.0)
    body = lever * weight
    if weight == 0.0:
        elsewhere = np.where(turns, made[turns].max(initial=0.0), strength.sum())
        body = np.median(np.abs(plain(value)), axis=0) + elsewhere
    could = made + body + lever * force + np.where(turns, torque, 0.0)
    size = abs(value) / alike(np.maximum(could, np.finfo(float).tiny), value)
    if not (size > DOUBTFUL).any():
        return []
    value, size = plain(value), plain(size)
    frame, index = divmod(int(np.nanargmax(size)), len(coordinates))
    worst = coordinates[index]
    got = f"{value[frame, index]:.3g} {worst.unit} on '{worst.name}' at {time[frame]:.9g} s"
    able = "weight, external loads, muscles and actuators could make together"
    causes = (
        "times that almost repeat, units (moments in N·mm, lengths in mm, degrees for radians), and noise that is "
        "differentiated twice without lowpass_hz"
    )
    if size[frame, index] <= MARGIN:
        text = f"{where}: {got} is {size[frame, index]:.0f} times what {able}. Look for {causes}."
        warn(text)
        return [text]
    many = int((size > MARGIN).any(axis=1).sum())
    expected = f"generalized forces below {MARGIN * could[index]:.3g} {worst.unit}, {MARGIN:g} times what {able}"
    raise InputError(explain(expected, f"{got} (beyond in {many} of {len(time)} frames)", f"Look for {causes}.", where))


def _largest(array: Array) -> Array:
    """The largest absolute value of each column of an array (T, …), in NumPy."""
    return np.asarray(plain(namespace(array).max(abs(array), axis=0)))
