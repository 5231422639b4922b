"""The simulation set: an arm with six muscles in random smooth motions, its activations by the exact solver.

Twelve signals, as the paper's: two angles, two speeds and two moments go in, six activations come out. A network here
stands in for the optimizer, and what it says can be judged by the moments that it misses, and finished exactly.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...adapters.cache import sha256
from ...adapters.load import load_problem
from ...archive import read_problem, write_problem
from ...datasets import arm26
from ...problem import RedundancyProblem
from ...static.solve import solve_static
from ...tables import write_table
from .windows import Windows

Array = NDArray[np.float64]

COORDINATES = ("r_shoulder_elev", "r_elbow_flex")
#: rad between which the coordinates move: inside the model's ranges, where its muscles can carry the arm.
LOW, HIGH = np.array([-0.2, 0.3]), np.array([0.9, 2.0])
#: s between frames, s of a trial, frames of a window, and frames between the starts of two.
STEP, DURATION, FRAMES, EVERY = 0.01, 4.0, 20, 5
#: Hz of the sines that motions are made of, and of the fast ones that are another task.
SLOW, FAST = (0.15, 0.7), (0.5, 1.2)
#: N·m that the hand pulls at most, to either side, so that flexors and extensors take turns.
PULL = np.array([3.0, 15.0])
#: Standard deviation of the logarithm of another subject's strengths, which networks are not told.
SUBJECT = 0.3


def simulated(
    folder: Path, trials: int, seed: int, *, task: str = "slow", subject: str = "own", spread: float = 0.0
) -> Windows:
    """Windows of random motions; problems are kept in ``folder``, as :func:`problem_of` finds them.

    Parameters
    ----------
    folder
        For the problems of the trials; what is there is not made again.
    trials, seed
        How many, and of all draws.
    task
        ``"slow"`` or ``"fast"``.
    subject, spread
        A name, and how much its strengths differ from the model's (``SUBJECT``), drawn for every trial.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for number in range(trials):
        random = np.random.default_rng([seed, number])
        trial = f"{subject}-{task}-{seed}-{number:02d}"
        path = folder / f"{trial}.npz"
        if not path.is_file():
            write_problem(_problem(random, FAST if task == "fast" else SLOW, spread, folder / f".{trial}.mot"), path)
        parts.append(_windows(read_problem(path), trial, subject, task))
    return Windows.join(parts)


def problem_of(folder: Path, trial: str) -> RedundancyProblem:
    """The redundancy problem of a trial; a window from ``start`` s asks about its frame FRAMES - 1 frames later."""
    return read_problem(folder / f"{trial}.npz")


def motion(random: np.random.Generator, band: tuple[float, float], duration: float = DURATION) -> tuple[Array, Array]:
    """Times (T,) in s and angles (T, 2) in rad that fill a part of the range."""
    time = np.linspace(0.0, duration, round(duration / STEP) + 1)
    share = 0.5 + 0.5 * random.uniform(0.4, 0.95, 2) * waves(random, band, time)
    angle: Array = LOW + share * (HIGH - LOW)
    return time, angle


def waves(random: np.random.Generator, band: tuple[float, float], time: Array) -> Array:
    """(T, 2) sums of four sines each, between -1 and 1."""
    frequency, phase = random.uniform(*band, (4, 2)), random.uniform(0.0, 2.0 * np.pi, (4, 2))
    sines = np.sin(2.0 * np.pi * frequency * time[:, None, None] + phase)
    wave = (random.uniform(0.3, 1.0, (4, 2)) * sines).sum(axis=1)
    return np.asarray(wave / np.abs(wave).max(axis=0))


def _problem(random: np.random.Generator, band: tuple[float, float], spread: float, file: Path) -> RedundancyProblem:
    time, angle = motion(random, band, DURATION)
    write_table(pd.DataFrame(angle, index=pd.Index(time, name="time"), columns=list(COORDINATES)), file)
    try:
        problem = load_problem(arm26().model, file)
    finally:
        file.unlink()
    strength = np.exp(spread * random.standard_normal(len(problem.muscles)))
    pulled = random.uniform(0.3, 1.0, 2) * PULL * waves(random, band, problem.time)
    rows = [problem.coordinates.index(name) for name in COORDINATES]
    moment = problem.generalized_force.copy()
    moment[:, rows[0]] = 0.0  # the model has no deltoid: a support carries the arm, and muscles what the hand pulls
    moment[:, rows] += pulled
    return replace(problem, max_force=problem.max_force * strength, generalized_force=moment, source=None)


def _windows(problem: RedundancyProblem, trial: str, subject: str, task: str) -> Windows:
    solution = solve_static(problem, on_failure="return")
    kinematics = problem.kinematics
    if kinematics is None:
        raise ValueError("a problem that was loaded has kinematics")
    own = [kinematics.coordinates.index(name) for name in COORDINATES]
    rows = [problem.coordinates.index(name) for name in COORDINATES]
    signals = np.hstack([kinematics.value[:, own], kinematics.speed[:, own], problem.generalized_force[:, rows]])
    last = np.arange(FRAMES - 1, len(problem), EVERY)
    last = last[solution.solved[last] & solution.solved[last - 1]]
    names = ("shoulder", "elbow")
    inputs = tuple(f"{name} {what}" for what in ("angle", "speed", "moment") for name in names)
    units = {f"{name} {what}": unit for name in names for what, unit in zip(
        ("angle", "speed", "moment"), ("rad", "rad/s", "N·m"), strict=True
    )}  # fmt: skip
    activation = solution.activation
    return Windows(
        name="simulation", step=STEP, ahead=0.0, signals=inputs, loads=problem.muscles, displacements=(),
        inputs=np.stack([signals[end - FRAMES + 1 : end + 1] for end in last]), load=activation[last],
        displacement=np.zeros((len(last), 0)), recent=np.stack([activation[last - 2], activation[last - 1]], axis=1),
        start=problem.time[last - FRAMES + 1], trial=np.full(len(last), trial), subject=np.full(len(last), subject),
        task=np.full(len(last), task), units={**units, **dict.fromkeys(problem.muscles, "activation")},
        provenance={
            "model": arm26().model.name, "sha256": sha256(arm26().model), "cost": "Σ a²",
            "left_out": int((~solution.solved).sum()), "bounds": [problem.lower.tolist(), problem.upper.tolist()],
        },
    )  # fmt: skip
