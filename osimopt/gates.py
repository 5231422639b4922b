"""What must hold before an answer is worth comparing with anything: the field's own limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .result import Result

#: Share of a coordinate's peak moment that a reserve may carry, and peak residual force (N) and moment (N·m) on a free
#: base: Hicks et al. (2015), J Biomech Eng 137(2):020905, doi:10.1115/1.4029304, and OpenSim's checklist after it.
RESERVE, FORCE, MOMENT = 0.10, 25.0, 75.0
SOURCE = "Hicks et al. (2015), doi:10.1115/1.4029304"


@dataclass(frozen=True)
class Gate:
    """One limit: what it is about, what was found, whether that is within it (None: cannot be said)."""

    name: str
    found: str
    limit: str
    passes: bool | None
    source: str = SOURCE


def gates(result: Result, keep: NDArray[np.bool_] | None = None) -> list[Gate]:
    """Frames, reserves and residuals of a result, or of those of its frames (T,) that are kept."""
    keep = np.ones(len(result.time), dtype=bool) if keep is None else keep
    solved, frames = int(result.solved[keep].sum()), int(keep.sum())
    first = Gate("frames solved", f"{solved} of {frames}", "all", solved == frames, "")
    return [first, _reserves(result, keep), *_residuals(result, keep)]


def _reserves(result: Result, keep: NDArray[np.bool_]) -> Gate:
    name, limit = "largest reserve", f"≤ {RESERVE:.0%} of the coordinate's peak moment"
    if not result.solved[keep].any():
        return Gate(name, "no frame solved", limit, False)
    carried = np.nanmax(np.abs(result.carried[keep]), axis=0, initial=0.0)
    if not carried.any():
        return Gate(name, "none where muscles act", limit, True)
    peak = np.maximum(np.abs(result.generalized_force[keep]).max(axis=0), 1e-12)
    share = np.where(result.served, carried / peak, 0.0)
    worst = int(share.argmax())
    coordinate, unit = result.coordinates[worst], result.unit(result.coordinates[worst])
    more = int((share > RESERVE).sum()) - 1
    percent = f"{100.0 * share[worst]:{'.0f' if share[worst] > 0.1 else '.2g'}}"
    told = f"{percent} % of {coordinate} ({carried[worst]:.2g} of {peak[worst]:.2g} {unit})"
    told += f" and {more} more above the limit" if more > 0 else ""
    return Gate(name, told, limit, bool(share[worst] <= RESERVE))


def _residuals(result: Result, keep: NDArray[np.bool_]) -> list[Gate]:
    """Of a free base: on its coordinates, which the model calls floating, all force is residual."""
    floating = [name for name in result.summary.get("floating", []) if name in result.coordinates]
    force = np.abs(np.where(keep[:, None], result.generalized_force, 0.0))
    found = []
    for what, unit, limit in (("residual force", "N", FORCE), ("residual moment", "N·m", MOMENT)):
        own = [result.coordinates.index(name) for name in floating if result.unit(name) == unit]
        if own:
            frame, column = np.unravel_index(int(force[:, own].argmax()), (len(force), len(own)))
            peak, name = force[frame, own[column]], result.coordinates[own[column]]
            told = f"{peak:.3g} {unit} ({name} at {result.time[frame]:g} s)"
            found.append(Gate(what, told, f"≤ {limit:g} {unit}", bool(peak <= limit)))
    return found or [Gate("residuals", "no free base is known", f"≤ {FORCE:g} N, {MOMENT:g} N·m", None)]
