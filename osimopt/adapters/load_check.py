"""External loads read from their files a second time, by code that ``load_arrays`` does not share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..problem.arrays import Array
from .load_arrays import FEWEST_ROWS
from .loads import LOADS, ExternalLoads
from .model import read_xml

#: Rows of the table on either side of a time that its value is computed of: what is beyond them counts 1e-17.
NEAR = 30


@dataclass(frozen=True, eq=False)
class PlacedLoad:
    """A load on a ``body``: ``force`` and ``torque`` (3, T) in the body ``frame``, ``point`` (3, T) in ``place``."""

    body: int
    frame: int
    place: int
    force: Array
    point: Array
    torque: Array


def read_again(loads: ExternalLoads, bodies: Sequence[str], time: Array) -> list[PlacedLoad]:
    """The loads at times (T,) s."""
    found, labels, values = [], list(loads.table.columns), _at(loads, time)
    off = {"appliesForce": ("false", "0"), "isDisabled": ("true", "1")}
    for element in read_xml(loads.rewritten or loads.path, *LOADS).iterfind(".//objects/ExternalForce"):
        text = {child.tag: (child.text or "").strip() for child in reversed(element)}  # of several the first counts
        if any(text.get(tag, "").lower() in words for tag, words in off.items()):
            continue
        identifiers = {kind: text.get(f"{kind}_identifier", "") for kind in ("force", "point", "torque")}
        given = {
            kind: np.array([values[labels.index(f"{name}{axis}")] for axis in "xyz"])
            for kind, name in identifiers.items()
            if name not in ("", "Unassigned")
        }
        tags = ("applied_to_body", "force_expressed_in_body", "point_expressed_in_body")
        body, frame, place = (list(bodies).index(text.get(tag, "").rpartition("/")[2] or "ground") for tag in tags)
        nothing = np.zeros((3, len(time)))
        force, point, torque = (given.get(kind, nothing) for kind in ("force", "point", "torque"))
        found.append(PlacedLoad(body, frame, place if "point" in given else body, force, point, torque))
    return found


def _at(loads: ExternalLoads, time: Array) -> Array:
    """All columns (C, T) of the table: by the bends of the natural cubic spline through the rows near each time."""
    rows, columns = loads.table.index.to_numpy(dtype=float), loads.table.to_numpy(dtype=float)
    if len(rows) < FEWEST_ROWS:
        return np.array([np.interp(time, rows, column) for column in columns.T])
    return np.array([_spline_at(rows, columns, one) for one in time.tolist()]).T


def _spline_at(rows: Array, columns: Array, time: float) -> Array:
    """Columns (C,) at a time between two rows, or beyond the first or last."""
    after = min(max(int(np.searchsorted(rows, time)), 1), len(rows) - 1)
    first = max(after - NEAR, 0)
    x, y, k = rows[first : after + NEAR], columns[first : after + NEAR], after - first
    width = np.diff(x)
    slope = np.diff(y, axis=0) / width[:, None]
    matrix = np.diag(2.0 * (width[1:] + width[:-1])) + np.diag(width[1:-1], 1) + np.diag(width[1:-1], -1)
    bend = np.zeros_like(y)
    bend[1:-1] = np.linalg.solve(matrix, 6.0 * np.diff(slope, axis=0))
    h, u, v = width[k - 1], x[k] - time, time - x[k - 1]
    cubic = (bend[k - 1] * u**3 + bend[k] * v**3) / (6.0 * h)
    return np.asarray(cubic + (y[k - 1] / h - bend[k - 1] * h / 6.0) * u + (y[k] / h - bend[k] * h / 6.0) * v)
