"""Training of the dynamic surrogate on dynamic solutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from torch import Tensor, nn

from ..errors import InputError, explain, unlike
from ..problem.problem import RedundancyProblem
from .architecture import Architecture
from .dynamic import DynamicSurrogate
from .options import TrainingOptions
from .rates import Rates
from .scaler import Scaler
from .stride_ranges import features, named_features
from .strides import StrideInputs
from .tendon_network import TendonNetwork, estimate
from .training import History, fit

Array = NDArray[np.float64]

#: s between the frames that the network sees; a stride of a walk has 55.
STEP = 0.02
#: Rounds of the network, and what it is made of unless told.
ROUNDS = 3
ARCHITECTURE = Architecture(kind="cnn", width=16, depth=3, kernel=5)
OPTIONS = TrainingOptions(epochs=60, batch_size=4, learning_rate=5e-3, patience=30, weight_decay=1e-4)
#: What errors of forces after early rounds, and of their rates (s²), count beside those of the last forces.
EARLY, RATE = 0.3, 3e-4
#: Share of its strength that a muscle's peak counts as at least: 1 % of the peak of an idle muscle is nothing.
IDLE = 0.05


class SolvedMotion(Protocol):
    """A problem and its dynamic solution at the same N points; (N, M) normalised tendon force and its rate in 1/s.

    ``inside`` (N,) are the points to learn from; what is beyond is context.
    """

    @property
    def problem(self) -> RedundancyProblem: ...  # noqa: D102
    @property
    def force(self) -> Array: ...  # noqa: D102
    @property
    def force_rate(self) -> Array: ...  # noqa: D102
    @property
    def inside(self) -> NDArray[np.bool_]: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class MotionExamples:
    """Windows (B, T) at the network's step: strides, their ``estimate``, and the answer with a weight (B, T, 1)."""

    strides: StrideInputs
    told: Tensor
    force: Tensor
    force_rate: Tensor
    weight: Tensor

    @classmethod
    def of(cls, solved: Sequence[SolvedMotion], step: float, phases: int = 1) -> MotionExamples:
        """At every ``step`` s from the first point, and from ``phases`` - 1 times in between."""
        grids = [
            (one, np.arange(one.problem.time[0] + phase * step / phases, one.problem.time[-1] + 1e-6, step))
            for one in solved
            for phase in range(phases)
        ]
        frames = min(len(times) for _, times in grids)
        parts = [_at(one, np.minimum(times[:frames], one.problem.time[-1])) for one, times in grids]
        problems, force, rate, weight = zip(*parts, strict=True)
        strides = StrideInputs.of(problems)
        told = estimate(strides).float()
        series = (torch.as_tensor(np.stack(arrays)).float() for arrays in (force, rate, weight))
        return cls(strides.to(torch.float32, "cpu"), told, *series)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """In a row, the strides' last."""
        return (self.told, self.force, self.force_rate, self.weight, *self.strides.tensors)

    @property
    def peak(self) -> Tensor:
        """(M,) largest normalised force of each muscle, IDLE at least."""
        peak: Tensor = (self.force * self.weight).amax(dim=(0, 1)).clamp(min=IDLE)
        return peak


def _at(one: SolvedMotion, times: Array) -> tuple[RedundancyProblem, Array, Array, Array]:
    problem = replace(one.problem, source=None).resample(times)
    force, rate = (
        CubicSpline(one.problem.time, np.nan_to_num(values))(times) for values in (one.force, one.force_rate)
    )
    weight = np.interp(times, one.problem.time, one.inside.astype(float)) > 1.0 - 1e-6
    return problem, force, rate, weight[:, None].astype(float)


def train_dynamic(
    training: Sequence[SolvedMotion],
    validation: Sequence[SolvedMotion],
    *,
    architecture: Architecture | None = None,
    rounds: int = ROUNDS,
    step: float = STEP,
    options: TrainingOptions | None = None,
    checkpoint: Path | None = None,
    progress: Callable[..., None] | None = None,
    provenance: dict[str, Any] | None = None,
) -> tuple[DynamicSurrogate, History]:
    """Train a network for tendon forces on dynamic solutions of one model's muscles and variants of them.

    Parameters
    ----------
    training, validation
        Problems and their solutions, of at least as many frames as one window has: the shortest decides.
    architecture
        Of the sequences of a single muscle, in and out.
    rounds
        How often muscles hear of each other.
    step
        s between frames.
    options, checkpoint, progress
        As of :func:`osimopt.surrogate.training.fit`; a batch is of windows.
    provenance
        What else the surrogate is to say of itself.

    Raises
    ------
    InputError
        No solutions, or of different muscles or coordinates.
    """
    architecture, options = architecture or ARCHITECTURE, options or OPTIONS
    check_solved(training, validation)
    examples, held_out = MotionExamples.of(training, step, phases=2), MotionExamples.of(validation, step)
    peak = examples.peak
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        network = TendonNetwork(architecture, rounds, step)

    def loss(network: nn.Module, told: Tensor, force: Tensor, rate: Tensor, weight: Tensor, *rest: Tensor) -> Tensor:
        found = network(StrideInputs.from_tensors(rest), told)
        return loss_of(found, force, rate, weight, peak.to(told.device), step)

    history = fit(network, examples.tensors, held_out.tensors, loss, options, checkpoint, progress)
    first = training[0].problem
    ranges = Scaler.of(
        np.concatenate([features(one.problem.frames(_every(one))) for one in training]), named_features(first)
    )
    told = {
        "solutions_trained_on": len(training),
        "frames_trained_on": int(examples.weight.sum()),
        "epochs": len(history.validation),
        "best_epoch": history.best_epoch,
        "seed": options.seed,
        **(provenance or {}),
    }
    surrogate = DynamicSurrogate(
        architecture, network.to("cpu").eval(), first.muscles, first.coordinates, ranges, "cpu", told
    )
    return surrogate, history


def loss_of(found: Sequence[Tensor], force: Tensor, rate: Tensor, weight: Tensor, peak: Tensor, step: float) -> Tensor:
    """Mean square error of forces in shares of the muscles' peaks, early rounds' and rates' counting a little."""

    def mean_square(difference: Tensor) -> Tensor:
        return ((difference / peak) ** 2 * weight).sum() / (weight.sum() * len(peak)).clamp(min=1.0)

    total = mean_square(found[-1] - force)
    for early in found[:-1]:
        total = total + EARLY * mean_square(early - force)
    rates = Rates.uniform(force.shape[1], step, force)
    return total + RATE * mean_square(rates.of(found[-1]) - rate)


def check_solved(training: Sequence[SolvedMotion], validation: Sequence[SolvedMotion]) -> None:
    """Refuse nothing to learn from, and solutions that do not go together."""
    for what, solved in (("training", training), ("validation", validation)):
        if not solved:
            fix = "Generate more with osimopt.training.dynamic_data.generate."
            raise InputError(explain(f"dynamic solutions for {what}", "none", fix))
        for one in solved:
            if (one.problem.muscles, one.problem.coordinates) != (
                training[0].problem.muscles, training[0].problem.coordinates,
            ):  # fmt: skip
                fix = "Train one surrogate for each model."
                wanted, own = ([*each.problem.muscles, *each.problem.coordinates] for each in (training[0], one))
                raise InputError(explain("solutions of the same muscles and coordinates", unlike(wanted, own), fix))


def _every(one: SolvedMotion) -> NDArray[np.intp]:
    return np.flatnonzero(one.inside)
