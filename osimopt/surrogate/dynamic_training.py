"""Training of the dynamic surrogate on dynamic solutions."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from torch import Tensor, nn

from ..errors import InputError, explain, unlike
from ..files.storage import write_atomically
from ..problem.archive import read_with_notes, write_problem
from ..problem.arrays import Array, MuscleParameters
from ..problem.problem import RedundancyProblem
from .architecture import Architecture, Scaler
from .bodies import BodyRanges
from .dynamic import SAME, DynamicSurrogate
from .strides import StrideInputs, features, named_features, parameters_of
from .tendon import Rates, TendonNetwork, estimate
from .training import History, TrainingOptions, fit

#: Time step of the network in s; a stride of a walk has 55.
STEP = 0.02
#: Defaults: rounds of the network, its architecture, and how it is trained.
ROUNDS = 3
ARCHITECTURE = Architecture(kind="cnn", width=16, depth=3, kernel=5)
OPTIONS = TrainingOptions(epochs=60, batch_size=4, learning_rate=5e-3, patience=30, weight_decay=1e-4)
#: Weights in the loss of the forces after early rounds, and of the rates of the last forces (s²).
EARLY, RATE = 0.3, 3e-4
#: Smallest peak of a muscle's normalised force that errors are relative to: that of an idle muscle is near 0.
IDLE = 0.05
#: Arrays in the file of a sample.
SERIES = ("force", "force_rate", "activation", "excitation", "control")


@dataclass(frozen=True, eq=False)
class DynamicSample:
    """A problem at N points in time and its dynamic solution.

    ``force`` normalised tendon force, its ``force_rate`` in 1/s, ``activation`` and ``excitation`` (N, M), ``control``
    of reserves (N, K); ``notes`` have the ``margin`` in s at either end, and block, trial and draw.
    """

    problem: RedundancyProblem
    force: Array
    force_rate: Array
    activation: Array
    excitation: Array
    control: Array
    notes: dict[str, Any]

    @property
    def inside(self) -> NDArray[np.bool_]:
        """(N,) points that are trained on; those in the margins are context."""
        time, margin = self.problem.time, float(self.notes["margin"]) - SAME
        return np.asarray((time >= time[0] + margin) & (time <= time[-1] - margin))

    def write(self, path: Path) -> None:
        """Write two files; the second appears when both are complete."""
        write_problem(self.problem, path.with_suffix(".problem.npz"), **self.notes)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **{name: getattr(self, name) for name in SERIES})
        write_atomically(path, buffer.getvalue())

    @classmethod
    def read(cls, path: Path) -> DynamicSample:
        """Read the files that :meth:`write` wrote."""
        problem, notes = read_with_notes(path.with_suffix(".problem.npz"))
        with np.load(path, allow_pickle=False) as arrays:
            return cls(problem, **{name: arrays[name] for name in SERIES}, notes=notes)


@dataclass(frozen=True, eq=False)
class MotionExamples:
    """Windows (B, T) at the network's time step: inputs, their ``estimate``, the solution and its weight (B, T, 1)."""

    strides: StrideInputs
    estimated: Tensor
    force: Tensor
    force_rate: Tensor
    weight: Tensor

    @classmethod
    def of(cls, solved: Sequence[DynamicSample], step: float, phases: int = 1) -> MotionExamples:
        """Resample at every ``step`` s from the first point, and from ``phases`` - 1 times in between."""
        grids = [
            (one, np.arange(one.problem.time[0] + phase * step / phases, one.problem.time[-1] + 1e-6, step))
            for one in solved
            for phase in range(phases)
        ]
        frames = min(len(times) for _, times in grids)
        parts = [_at(one, np.minimum(times[:frames], one.problem.time[-1])) for one, times in grids]
        problems, force, rate, weight = zip(*parts, strict=True)
        strides = StrideInputs.of(problems)
        series = (torch.as_tensor(np.stack(arrays)).float() for arrays in (force, rate, weight))
        return cls(strides.to(torch.float32, "cpu"), estimate(strides).float(), *series)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors, those of the inputs last."""
        return (self.estimated, self.force, self.force_rate, self.weight, *self.strides.tensors)


def _at(one: DynamicSample, times: Array) -> tuple[RedundancyProblem, Array, Array, Array]:
    problem = replace(one.problem, source=None).resample(times)
    series = (one.force, one.force_rate)
    force, rate = (CubicSpline(one.problem.time, np.nan_to_num(values))(times) for values in series)
    weight = np.interp(times, one.problem.time, one.inside.astype(float)) > 1.0 - 1e-6
    return problem, force, rate, weight[:, None].astype(float)


def train_dynamic(
    training: Sequence[DynamicSample], validation: Sequence[DynamicSample], *,
    architecture: Architecture | None = None, rounds: int = ROUNDS, options: TrainingOptions | None = None,
    checkpoint: Path | None = None, progress: Callable[..., None] | None = None,
    reference: MuscleParameters | None = None,
) -> tuple[DynamicSurrogate, History]:  # fmt: skip
    """Train a network for tendon forces on dynamic solutions of one model's muscles and variants of them.

    Parameters
    ----------
    training, validation
        Problems and their solutions; windows have as many frames as the shortest.
    architecture
        Of the network for the series of a single muscle.
    rounds
        Number of rounds, between which muscles exchange information.
    options, checkpoint, progress
        As of :func:`osimopt.surrogate.training.fit`; a batch is a number of windows.
    reference
        Muscles of the body that sizes and strengths are relative to; by default those of the first training solution.

    Raises
    ------
    InputError
        No solutions, or solutions of different muscles or coordinates.
    """
    architecture, options = architecture or ARCHITECTURE, options or OPTIONS
    _check_solved(training, validation)
    examples, held_out = MotionExamples.of(training, STEP, phases=2), MotionExamples.of(validation, STEP)
    peak: Tensor = (examples.force * examples.weight).amax(dim=(0, 1)).clamp(min=IDLE)
    with torch.random.fork_rng(devices=[]):  # leaves the caller's generator alone
        torch.manual_seed(options.seed)
        network = TendonNetwork(architecture, rounds, STEP)

    def loss(
        network: nn.Module, estimated: Tensor, force: Tensor, rate: Tensor, weight: Tensor, *inputs: Tensor
    ) -> Tensor:
        found = network(StrideInputs.from_tensors(inputs), estimated)
        return loss_of(found, force, rate, weight, peak.to(force.device), STEP)

    history = fit(network, examples.tensors, held_out.tensors, loss, options, checkpoint, progress)
    first = training[0].problem
    samples = [features(one.problem.frames(np.flatnonzero(one.inside))) for one in training]
    known = {
        "solutions_trained_on": len(training), "frames_trained_on": int(examples.weight.sum()),
        "epochs": len(history.validation), "best_epoch": history.best_epoch, "seed": options.seed,
    }  # fmt: skip
    ranges, network = Scaler.of(np.concatenate(samples), named_features(first)), network.to("cpu").eval()
    bodies = BodyRanges.of([parameters_of(one.problem) for one in training], reference)
    surrogate = DynamicSurrogate(architecture, network, first.muscles, first.coordinates, ranges, bodies, "cpu", known)
    return surrogate, history


def loss_of(found: Sequence[Tensor], force: Tensor, rate: Tensor, weight: Tensor, peak: Tensor, step: float) -> Tensor:
    """Mean square error of forces relative to the muscles' peaks, with a small weight for early rounds and rates."""

    def mean_square(difference: Tensor) -> Tensor:
        return ((difference / peak) ** 2 * weight).sum() / (weight.sum() * len(peak)).clamp(min=1.0)

    total = mean_square(found[-1] - force)
    for early in found[:-1]:
        total = total + EARLY * mean_square(early - force)
    rates = Rates.at(step * np.arange(force.shape[1]), force)
    return total + RATE * mean_square(rates.of(found[-1]) - rate)


def _check_solved(training: Sequence[DynamicSample], validation: Sequence[DynamicSample]) -> None:
    for what, solved in (("training", training), ("validation", validation)):
        if not solved:
            fix = "Generate more with osimopt.training.dynamic_solutions.generate."
            raise InputError(explain(f"dynamic solutions for {what}", "none", fix))
        check_alike([one.problem for one in (training[0], *solved)], "solutions")


def check_alike(problems: Sequence[RedundancyProblem], what: str) -> None:
    """Raise an error unless all problems have the same muscles and coordinates."""
    wanted, *names = ([*one.muscles, *one.coordinates] for one in problems)
    for found in names:
        if found != wanted:
            fix = "Train one dynamic surrogate for each set of muscles."
            raise InputError(explain(f"{what} of the same muscles and coordinates", unlike(wanted, found), fix))
