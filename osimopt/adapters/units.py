"""Units of a motion, by header and numbers, and values outside the ranges that a model gives its coordinates.

Headers are often wrong. Files are refused where the numbers can only be of another unit; where they may be of either, a
warning names them. A model's muscle paths, above all those over wrap objects, were made for the ranges of its
coordinates; past them they may run through bones, of which OpenSim's tools do not warn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from ..errors import InputError, explain
from ..files.given import GivenTable
from ..files.table import Table
from ..notices import warn
from ..problem.arrays import Array, Coordinate
from .model import Model

#: rad and m beyond a range without a warning: ranges are round numbers, and inverse kinematics has such errors.
SLACK_ROTATION, SLACK_TRANSLATION = np.deg2rad(5.0), 0.01
#: rad; a wider range, as OpenSim's default of -10 to 10, is not that of the joint.
WIDEST = 4.0 * np.pi
#: rad beyond a joint's own range that no posture reaches: the numbers are degrees then, whatever the header declares.
IMPOSSIBLE = np.pi
#: rad; a coordinate with a wider range may turn many times, and nothing follows from its values.
CRANK = 20.0 * np.pi
#: rad; the largest angle of numbers that may be radians, and by how much a posture may leave its range.
TURN, SLACK = 2.0 * np.pi, 0.35
#: rad; some joint moves by more in a motion that is not rest.
MOVES = 0.35
#: m; a base that shifts so far in each of its directions, or so far in one, moves by more than joints at rest allow.
SHIFTS, TRAVELS = 0.01, 0.15
#: Share of a joint's range that a motion covers, so that the range is no coincidence.
COVERED = 0.5
#: Share of a joint's range by which its ends are not opposite.
LOPSIDED = 0.1
#: rad; an angle so small is zero in either unit.
NOTHING = 1e-3
#: m/s; nothing with muscles moves so fast half of the time.
FASTEST = 100.0
#: A base this many times beyond its size, and a joint beyond its range, is in millimetres.
FAR, FAR_JOINT = 100.0, 10.0


def to_si(table: Table, model: Model, path: object) -> Table:
    """Convert the columns of coordinates to rad and m by the header, unless the numbers contradict it.

    Parameters
    ----------
    table
        Columns named as coordinates; the index is time in s.

    Raises
    ------
    InputError
        Degrees in a file of radians, radians in a file of degrees, mm, and an angle that OpenSim leaves in radians in
        files of degrees (``Coordinate.converted``) where the numbers may be either.
    """
    columns = [coordinate for coordinate in model.description.coordinates if coordinate.name in table.columns]
    free = [coordinate for coordinate in columns if coordinate.kind == "free"]
    _refuse_millimetres(table, [coordinate for coordinate in free if not coordinate.rotational], path)
    angles = [coordinate for coordinate in free if coordinate.rotational]
    if not table.attrs["in_degrees"]:
        _refuse_degrees(table, angles, path)
        return table
    _refuse_radians(table, free, path)
    turned = [c.name for c in columns if c.rotational and _converts(c, table[c.name].to_numpy(), path)]
    return table.replaced({name: np.deg2rad(table[name]) for name in turned})


def _refuse_degrees(table: Table, angles: Sequence[Coordinate], path: object) -> None:
    for coordinate in angles:
        value, (low, high) = table[coordinate.name].to_numpy(), coordinate.range
        if _impossible(coordinate, value):
            size = np.abs(value).max()
            got = f"'{coordinate.name}' reaching {size:.3g} (range in the model {low:.3g} to {high:.3g} rad)"
            fix = f"If the file is in degrees, {_declare('yes', path)}."
            raise InputError(explain(f"radians, as {_declaration(path)}", got, fix, path))


def _declaration(path: object) -> str:
    return 'attrs["in_degrees"] declares' if isinstance(path, GivenTable) else "the header declares"


def _declare(in_degrees: Literal["yes", "no"], path: object) -> str:
    """Advice on how to declare the unit of angles."""
    if isinstance(path, GivenTable):
        return f'set attrs["in_degrees"] = {in_degrees == "yes"}'
    return f"write inDegrees={in_degrees} into its header"


def _impossible(coordinate: Coordinate, value: Array) -> bool:
    """Whether an angle is too large to be in radians."""
    low, high = coordinate.range
    if coordinate.floating or high - low > CRANK:
        return False
    low, high = max(low, -TURN), min(high, TURN)  # OpenSim's default range is ±10 rad
    return bool(((value < low - IMPOSSIBLE) | (value > high + IMPOSSIBLE)).any())


def _converts(coordinate: Coordinate, value: Array, path: object) -> bool:
    """Whether a column of a file of degrees is in degrees: OpenSim's tools leave some angles in radians there."""
    if coordinate.converted or _impossible(coordinate, value):
        return True
    largest = float(np.abs(value).max())
    if coordinate.kind != "free" or largest < NOTHING:  # not used, or the same in either unit
        return largest > TURN
    got = f"{value.min():.3g} to {value.max():.3g} in such a file, which may be degrees or radians"
    raise either_unit(coordinate, got, path)


def either_unit(coordinate: Coordinate, got: str, path: object) -> InputError:
    """Error for an angle in a file of degrees that may be in degrees or in radians."""
    expected = f"one unit for '{coordinate.name}', which OpenSim's tools leave in radians in files with inDegrees=yes"
    return InputError(explain(expected, got, "Write the whole file in radians, with inDegrees=no.", path))


def _refuse_radians(table: Table, free: Sequence[Coordinate], path: object) -> None:
    """Refuse radians in a file of degrees.

    Joints that hardly move in degrees, and move within the model's ranges in radians, may be those of a body at rest in
    its neutral posture. They are not where the base moves, or, without a base that moves freely, where they would cover
    half of a joint's range.
    """
    angles = [c for c in free if c.rotational and c.converted]
    base = [c for c in free if c.floating and not c.rotational]
    numbers = {c.name: table[c.name].to_numpy() for c in [*angles, *base]}
    spans = {name: float(np.ptp(value)) for name, value in numbers.items()}
    widest = max(angles, key=lambda c: spans[c.name], default=None)
    if widest is None or spans[widest.name] < MOVES:
        return
    if any(np.abs(numbers[c.name]).max() > TURN or describe_outside(c, numbers[c.name], SLACK) for c in angles):
        return  # they cannot be radians
    moves = f"'{widest.name}' from {numbers[widest.name].min():.3g} to {numbers[widest.name].max():.3g}"
    still = f"angles that move by {spans[widest.name]:.3g} degrees at most ({moves})"
    shifts = [spans[c.name] for c in base]
    covered = [c for c in angles if _informative(c) and spans[c.name] >= COVERED * (c.range[1] - c.range[0])]
    if shifts and (min(shifts) >= SHIFTS or max(shifts) >= TRAVELS):
        evidence = f"while the base moves by {max(shifts):.3g} m"
    elif covered and not base:
        evidence = f"and read as radians cover the range of '{covered[0].name}' in the model"
    else:
        warn(
            f"{path}: {_declaration(path)} degrees, and the file has {still}; read as radians they are within the "
            f"model's ranges. If they are radians, {_declare('no', path)}."
        )
        return
    fix = (
        f"If the file is in radians, {_declare('no', path)}; if the joints do move so little, convert the angles to "
        "radians first."
    )
    raise InputError(explain(f"degrees, as {_declaration(path)}", f"{still}, {evidence}", fix, path))


def _informative(coordinate: Coordinate) -> bool:
    """Whether a range is that of a joint: ±90 degrees is a default, -10 to 120 is a knee's."""
    low, high = coordinate.range
    return not coordinate.floating and 0.0 < high - low <= WIDEST and abs(low + high) > LOPSIDED * (high - low)


def _refuse_millimetres(table: Table, translations: Sequence[Coordinate], path: object) -> None:
    time = table.index.to_numpy(dtype=float)
    for coordinate in translations:
        value = table[coordinate.name].to_numpy()
        if _in_millimetres(coordinate, value, time):
            low, high = coordinate.range
            got = (
                f"'{coordinate.name}' from {value.min():.4g} to {value.max():.4g} (default in the model "
                f"{coordinate.default:.3g} m, range {low:.3g} to {high:.3g} m)"
            )
            fix = "If the translations are in mm, divide them by 1000."
            raise InputError(explain("translations in m", got, fix, path))


def _in_millimetres(coordinate: Coordinate, value: Array, time: Array) -> bool:
    """Whether a translation can only be in mm.

    A joint of a known range of less than 1 m: ten times beyond it. A base may be far from its origin, so there: 100 m
    off, and faster than 100 m/s half of the time or a thousand times the model's default.
    """
    low, high = coordinate.range
    if not coordinate.floating and max(abs(low), abs(high)) <= 1.0:
        return bool(np.abs(value).max() > FAR_JOINT * max(abs(low), abs(high), abs(coordinate.default)) > 0.0)
    if np.abs(value).max() <= FAR * max(1.0, abs(coordinate.default)):
        return False
    fast = len(time) > 1 and float(np.median(np.abs(np.diff(value)) / np.diff(time))) > FASTEST
    share = value / (1e3 * coordinate.default) if coordinate.default else np.zeros(1)
    return bool(fast or ((share > 1.0 / 3.0) & (share < 3.0)).all())


def describe_outside(coordinate: Coordinate, value: Array, slack: float | None = None) -> str:
    """By how much and how often a coordinate leaves its range; "" where it does not.

    Parameters
    ----------
    coordinate
        Free; one of a floating base, or of an infinite or very wide range, is never outside.
    value
        (T,) in rad or m.
    slack
        rad or m beyond the range that are accepted; default 5 degrees or 1 cm.

    Returns
    -------
    ``knee_angle_r by up to 12.3 deg in 45 of 101 (range -120 to 10)``.
    """
    low, high = coordinate.range
    if coordinate.floating or not low <= high or (coordinate.rotational and high - low > WIDEST):
        return ""
    if slack is None:
        slack = SLACK_ROTATION if coordinate.rotational else SLACK_TRANSLATION
    beyond = np.maximum(low - value, value - high)
    count = int((beyond > slack).sum())
    if not count:
        return ""
    factor, unit = (float(np.rad2deg(1.0)), "deg") if coordinate.rotational else (1.0, "m")
    far = f"{factor * float(np.nanmax(beyond)):.3g} {unit}"
    ends = f"range {factor * low:.4g} to {factor * high:.4g}"
    return f"{coordinate.name} by up to {far} in {count} of {len(value)} ({ends})"
