"""Solutions whose joint transmits a given force, and forces like those of a knee in walking."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from osimopt import RedundancyProblem, RedundancySolution, solve_static
from osimopt.problem.reactions import JointReactions

WEIGHT = 700.0
STRIDES = [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]


def bumps(share: np.ndarray, first: float = 1800.0, second: float = 1500.0) -> np.ndarray:
    """A contact force with peaks at 15 and 48 % of a stride."""
    phase = share % 1.0
    one, two = (np.exp(-(((phase - place) / 0.08) ** 2)) for place in (0.15, 0.48))
    return 300.0 + first * one + second * two


def made(time: np.ndarray, force: np.ndarray, weight: float = WEIGHT, joint: str = "knee") -> RedundancySolution:
    """A solution whose joint transmits this axial force, and a tenth of it in shear."""
    problem = RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], np.full(len(time), 5.0), time=time)
    constant = np.stack([0.1 * force, -force, 0.0 * force], axis=1)
    effect = np.zeros((len(time), 3, 2))
    return solve_static(
        replace(problem, reactions=JointReactions.from_arrays(joint, constant, effect, problem.muscles, weight))
    )


TIME = np.arange(301) / 100.0
FORCE = bumps(TIME)


def table(force: np.ndarray, time: np.ndarray = TIME, name: str = "force") -> pd.DataFrame:
    return pd.DataFrame({name: force}, index=pd.Index(time, name="time"))
