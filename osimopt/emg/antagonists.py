"""Channels that work against each other, and how much they do so at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from . import metrics

if TYPE_CHECKING:
    import pandas as pd

    from ..solution.reader import Result

Array = NDArray[np.float64]

#: Share of a channel's largest moment arm from which on a coordinate is one that it works on.
MAIN = 0.5
#: Share of the frames in which two channels pull opposite ways to be antagonists.
MOSTLY = 0.9


def antagonists(result: Result, muscles: Mapping[str, Sequence[str]]) -> list[tuple[str, str, str]]:
    """(channel, channel, coordinate) of those whose moment arms are opposite, each pair where both are largest."""
    if result.geometry is None:
        return []
    geometry, area = result.geometry, result.pcsa
    arms: dict[str, Array] = {}
    for channel, own in muscles.items():
        arm = np.zeros((len(geometry.moment_arms), len(geometry.coordinates)))
        rows = [geometry.muscles.index(name) for name in own]
        for pair, (row, muscle) in enumerate(zip(geometry.pair_coordinate, geometry.pair_muscle, strict=True)):
            if muscle in rows and geometry.served[row]:
                arm[:, row] += geometry.moment_arms[:, pair] * area[muscle]
        arms[channel] = arm / area[rows].sum()
    found = []
    for one, other in combinations(arms, 2):
        a, b = arms[one], arms[other]
        mean_a, mean_b = np.abs(a).mean(axis=0), np.abs(b).mean(axis=0)
        main = (mean_a >= MAIN * mean_a.max(initial=0.0)) & (mean_b >= MAIN * mean_b.max(initial=0.0))
        against = main & (np.mean(a * b < 0.0, axis=0) >= MOSTLY)
        if against.any():
            row = int(np.argmax(np.where(against, np.minimum(mean_a, mean_b), -1.0)))
            found.append((one, other, geometry.coordinates[row]))
    return found


def co_contraction_table(
    pairs: Sequence[tuple[str, str, str]], channels: Sequence[str], simulated: Array, measured: Array, amplitude: bool
) -> pd.DataFrame:
    """One row per pair of antagonists: index of co-contraction, measured and simulated, and the error.

    Where ``amplitude`` means nothing every curve is divided by its own maximum first.
    """
    import pandas as pd

    rows = []
    for one, other, coordinate in pairs:
        places = [channels.index(one), channels.index(other)]
        index = {}
        for name, curves in (("measured", measured), ("simulated", simulated)):
            known = np.asarray(np.isfinite(measured[:, places]).all(axis=1))
            own = np.maximum(np.where(known[:, None], curves[:, places], np.nan), 0.0)
            top = np.nanmax(own, axis=0, initial=0.0)
            own = own if amplitude else own / np.where(top > 0.0, top, 1.0)
            index[name] = metrics.co_contraction(own[:, 0], own[:, 1])
        rows.append({"channels": f"{one} / {other}", "coordinate": coordinate, **index})
    table = pd.DataFrame(rows, columns=["channels", "coordinate", "measured", "simulated"]).set_index("channels")
    return table.assign(error=table["simulated"] - table["measured"])
