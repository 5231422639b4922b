"""The simulation set: an arm with six muscles in random smooth motions, its activations by the exact solver.

Twelve signals, as the paper's: two angles, two speeds and two moments go in, six activations come out. A network here
stands in for the optimizer, and what it says can be judged by the moments that it misses, and finished exactly.

Muscle paths are polynomials fitted to the model's (within 0.8 mm): with the shoulder at 0.517 rad the model's own path
of the long biceps jumps off its wrap object, in 0.3 % of the frames, and takes half the muscle's strength with it.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from osimopt.adapters.geometry_fit import fit_geometry
from osimopt.datasets import arm26
from osimopt.files.storage import sha256, write_table
from osimopt.muscle.forces import rigid_tendon_gain
from osimopt.pipeline.read import load_problem
from osimopt.polynomial.geometry import PolynomialGeometry
from osimopt.problem.archive import read_problem, write_problem
from osimopt.problem.problem import RedundancyProblem
from osimopt.static.solve import solve_static
from osimopt.training.training_data import pick

from .windows import Windows

Array = NDArray[np.float64]

COORDINATES = ("r_shoulder_elev", "r_elbow_flex")
#: rad between which the coordinates move: inside the model's ranges, where its muscles can carry the arm.
LOW, HIGH = np.array([-0.2, 0.3]), np.array([0.9, 2.0])
#: s between frames, s of a trial, frames of a window, and frames between the starts of two.
STEP, DURATION, FRAMES, EVERY = 0.01, 4.0, 20, 5
#: N·m that the hand pulls at most, to either side, so that flexors and extensors take turns.
PULL = np.array([3.0, 15.0])
#: Postures that paths are fitted to.
POSTURES = 512


@dataclass(frozen=True)
class Kind:
    """What trials are of: Hz of the sines that motions are made of, and how far muscles differ from the model's.

    ``strength`` and ``arm`` are standard deviations of logarithms, drawn for every muscle (and moment arm) and trial;
    networks are not told.
    """

    band: tuple[float, float] = (0.15, 0.7)
    strength: float = 0.0
    arm: float = 0.0


#: What networks learn from, and what they never see: a faster task, another subject, another model.
OWN = Kind()
UNSEEN = {"task": Kind(band=(0.5, 1.2)), "subject": Kind(strength=0.3), "model": Kind(arm=0.1)}


def simulated(folder: Path, trials: int, seed: int, what: str = "own") -> Windows:
    """Windows of random motions; problems are kept in ``folder``, as :func:`problem_of` finds them.

    Parameters
    ----------
    folder
        For the problems of the trials; what is there is not made again.
    trials, seed
        How many, and of all draws.
    what
        ``"own"``, or one of ``UNSEEN``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kind, parts = UNSEEN.get(what, OWN), []
    for number in range(trials):
        random = np.random.default_rng([seed, number])
        trial = f"{what}-{seed}-{number:03d}"
        path = folder / f"{trial}.npz"
        if not path.is_file():
            write_problem(_problem(random, kind, paths(folder)), path)
        parts.append(_windows(read_problem(path), trial, what))
    return Windows.join(parts)


def paths(folder: Path) -> PolynomialGeometry:
    """Muscle paths of the arm in the range of its motions, fitted once and kept."""
    kept = folder / "paths.xml"
    if not kept.is_file():
        with _motion_file(np.linspace(0.0, 1.0, 11), np.linspace(LOW, HIGH, 11)) as ends:
            fit_geometry(arm26().model, [ends], postures=POSTURES, geometry="opensim").write(kept)
    return PolynomialGeometry.read(kept)


def problem_of(folder: Path, trial: str) -> RedundancyProblem:
    """The redundancy problem of a trial; a window from ``start`` s asks about its frame FRAMES - 1 frames later."""
    return read_problem(folder / f"{trial}.npz")


def posed(folder: Path, state: Array) -> RedundancyProblem:
    """The arm in any states (N, 6): angles (rad), speeds (rad/s) and moments (N·m) in the order of the set's inputs."""
    example = next(iter(sorted(folder.glob("own-*.npz"))))
    whole = read_problem(example)
    problem = pick(whole, np.zeros(len(state), dtype=np.intp))
    geometry = paths(folder).evaluate(COORDINATES, state[:, :2], state[:, 2:4])
    rows = [problem.coordinates.index(name) for name in COORDINATES]
    moment = np.zeros_like(problem.generalized_force)
    moment[:, rows] = state[:, 4:6]
    if problem.parameters is None or geometry.length is None or geometry.lengthening_speed is None:
        raise ValueError("a problem that was loaded has parameters, and fitted paths have lengths")
    strength = rigid_tendon_gain(problem.parameters, geometry.length, geometry.lengthening_speed)
    return replace(problem, geometry=geometry, max_force=strength, generalized_force=moment)


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


@contextmanager
def _motion_file(time: Array, angle: Array) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "motion.mot"
        write_table(pd.DataFrame(angle, index=pd.Index(time, name="time"), columns=list(COORDINATES)), file)
        yield file


def _problem(random: np.random.Generator, kind: Kind, geometry: PolynomialGeometry) -> RedundancyProblem:
    with _motion_file(*motion(random, kind.band, DURATION)) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that paths are off by 0.8 mm: the module says so
        problem = load_problem(arm26().model, file, geometry=geometry)
    strength = np.exp(kind.strength * random.standard_normal(len(problem.muscles)))
    arms = problem.geometry.moment_arms
    arms = arms * np.exp(kind.arm * random.standard_normal(arms.shape[1]))
    pulled = random.uniform(0.3, 1.0, 2) * PULL * waves(random, kind.band, problem.time)
    rows = [problem.coordinates.index(name) for name in COORDINATES]
    moment = problem.generalized_force.copy()
    moment[:, rows[0]] = 0.0  # the model has no deltoid: a support carries the arm, and muscles what the hand pulls
    moment[:, rows] += pulled
    return replace(
        problem, geometry=replace(problem.geometry, moment_arms=arms), max_force=problem.max_force * strength,
        generalized_force=moment, source=None,
    )  # fmt: skip


def _windows(problem: RedundancyProblem, trial: str, what: str) -> Windows:
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
        start=problem.time[last - FRAMES + 1], trial=np.full(len(last), trial),
        subject=np.full(len(last), what if what in ("subject", "model") else "own"),
        task=np.full(len(last), "fast" if what == "task" else "slow"),
        units={**units, **dict.fromkeys(problem.muscles, "activation")},
        provenance={
            "model": arm26().model.name, "sha256": sha256(arm26().model), "cost": "Σ a²",
            "left_out": int((~solution.solved).sum()), "bounds": [problem.lower.tolist(), problem.upper.tolist()],
        },
    )  # fmt: skip
