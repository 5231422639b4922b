"""What walk_80muscles lacks: a motion whose coupled knees are consistent, at several rates, and a model with reserves.

``coordinates.sto`` has its two dependent knee coordinates in degrees in a file that says radians, and the model has no
actuator but its muscles where feet and residuals need one.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from .. import isolation
from ..adapters.load import read_problem
from ..adapters.options import ReadOptions
from ..errors import InputError, explain
from ..files.storage import write_table

MODEL, MOTION = "subject_walk_scaled.osim", "coordinates.sto"
WITH_RESERVES = "walk_80muscles_with_reserves.osim"
#: Joints welded, residuals (N·m, N) on the pelvis, reserves (N·m): as in OpenSim's own example of this walk.
WELDED, RESIDUALS, RESERVE = ("mtp_r", "mtp_l"), (250.0, 50.0), 1.0
#: Rates in Hz of the motions, and that of the file.
RATES, RATE = (50, 100, 1000), 1000


def derive_walk(folder: Path) -> None:
    """Write the model with reserves and ``coordinates_<rate>hz.mot`` beside the fetched files."""
    model = folder / WITH_RESERVES
    isolation.run(
        "opensim", "osimopt.adapters.worker.files:write_reserve_model", str(folder / MODEL), str(model),
        WELDED, RESIDUALS, RESERVE, subject=folder / MODEL,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the knees, which is why this is done
        motion = read_problem(ReadOptions(model, folder / MOTION)).kinematics
    if motion is None:
        raise InputError(explain("a motion with its kinematics", "none", "Fetch the data again.", folder / MOTION))
    for rate in RATES:
        keep = np.arange(0, len(motion.time), RATE // rate)
        index = pd.Index(np.round(motion.time[keep], 10), name="time")
        table = pd.DataFrame(np.round(motion.value[keep], 10), index=index, columns=list(motion.coordinates))
        write_table(table, folder / f"coordinates_{rate}hz.mot", name="Coordinates")
