"""The columns of OpenSim's force files: which forces a model applies, and what those that are no actuators do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .. import isolation
from ..problem.arrays import Kinematics
from .model import Model


@dataclass(frozen=True, eq=False)
class ForceRecord:
    """What OpenSim reports of one force: column labels, and values (T, n) in N, N·m or m.

    The values are None for muscles and other actuators, whose force is what is sought.
    """

    name: str
    labels: tuple[str, ...]
    values: NDArray[np.float64] | None


def read_force_records(model: Model, motion: Kinematics) -> list[ForceRecord]:
    """Record all forces that a model applies along a motion, in OpenSim's order; those switched off are left out."""
    function = "osimopt.adapters.worker.records:force_records"
    calls = (model.key, motion.time, motion.value, motion.speed)
    found: list[ForceRecord] = isolation.run("opensim", function, *calls, subject=model.path)
    return found
