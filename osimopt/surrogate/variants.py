"""A thousand variants of a motion at once: other muscles, the same movement and loads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import InputError, explain
from ..muscle.degroote import DEGROOTE, not_degroote
from ..problem.arrays import MuscleParameters
from ..problem.problem import RedundancyProblem
from .prediction import LEAST_PEAK
from .rates import Rates
from .stride_ranges import beyond
from .strides import StrideInputs
from .tendon import decode
from .tendon_network import estimate

if TYPE_CHECKING:
    from .dynamic import DynamicSurrogate

Single = NDArray[np.float32]

#: Variants that are computed together: more do not fit a processor's caches, fewer do not fill it.
TOGETHER = 50
#: Times that free muscles share what others cannot carry: each costs as much as a round of the network.
SHARES = 1


@dataclass(frozen=True, eq=False)
class Variants:
    """V variants at T frames, in single precision.

    ``activation``, ``excitation`` (V, T, M) within their bounds, ``muscle_force`` (V, T, M) N; ``moment_residual``
    (V, T, D) N·m of the ``coordinates`` that muscles serve, with reserves that cost what they do; ``tendon_residual``
    (V, T) the most by which a tendon pulls other than its fibre, in shares of its strength. ``solved`` (V, T) are the
    frames that hold, ``outside`` (V, T) those beyond the range of training.
    """

    time: NDArray[np.float64]
    coordinates: tuple[str, ...]
    activation: Single
    excitation: Single
    muscle_force: Single
    moment_residual: Single
    tendon_residual: Single
    solved: NDArray[np.bool_]
    outside: NDArray[np.bool_]

    def findings(self) -> list[str]:
        """Sentences: variants with frames that do not hold, or beyond training."""
        said = []
        for bad, what in ((~self.solved, "miss moments or dynamics"), (self.outside, "lie beyond training")):
            variants, frames = int(bad.any(axis=1).sum()), int(bad.sum())
            if variants:
                said.append(f"{frames} of {bad.size} frames, in {variants} of {len(bad)} variants, {what}.")
        return said


def solve_variants(
    surrogate: DynamicSurrogate,
    problem: RedundancyProblem,
    parameters: Sequence[MuscleParameters],
    tolerance: float,
    progress: Callable[[int, int], None] | None = None,
) -> Variants:
    """Predict, decode and check variants whose muscles are ``parameters``; see ``DynamicSurrogate.solve_variants``."""
    _check(problem, parameters)
    kind, device = torch.float32, surrogate.device
    whole = StrideInputs.of([problem], torch.float64, device)
    peak = whole.moment.abs().amax(dim=1, keepdim=True).clamp(min=LEAST_PEAK).to(kind)
    rates = Rates.at(problem.time, whole.length.to(kind))
    served = np.flatnonzero(problem.geometry.served)

    def part(first: int) -> tuple[NDArray[np.generic], ...]:
        with torch.no_grad():  # each thread has its own setting
            own = whole.with_muscles(parameters[first : first + TOGETHER]).to(kind, device)
            return _part(surrogate, own, rates, peak, tolerance)

    parts = []
    for found in _side_by_side(part, range(0, len(parameters), TOGETHER), device):
        parts.append(found)
        if progress is not None:
            progress(min(TOGETHER * len(parts), len(parameters)), len(parameters))
    arrays = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Variants(problem.time, tuple(problem.coordinates[index] for index in served), *arrays)


def _side_by_side(
    part: Callable[[int], tuple[NDArray[np.generic], ...]], firsts: Sequence[int], device: str
) -> Iterator[tuple[NDArray[np.generic], ...]]:
    """Parts in their order, on a processor one in each thread: torch's own threads halve single operations for less."""
    count = torch.get_num_threads()
    if device != "cpu" or count == 1 or len(firsts) == 1:
        yield from map(part, firsts)
        return
    try:
        with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as threads:
            yield from threads.map(part, firsts)
    finally:
        torch.set_num_threads(count)


def _part(
    surrogate: DynamicSurrogate, strides: StrideInputs, rates: Rates, peak: torch.Tensor, tolerance: float
) -> tuple[NDArray[np.generic], ...]:
    force = surrogate.network(strides, estimate(strides))[-1]
    found = decode(force, strides, rates, SHARES)
    carried = found.carried
    reserves = (strides.reserve[:, None] @ found.price[..., None])[..., 0]
    missed = strides.moments(carried) + reserves - strides.moment
    slip = found.tendon_residual.abs().amax(dim=-1)
    solved = ((missed.abs() / peak).amax(dim=-1) <= tolerance) & (slip <= tolerance)
    solved &= torch.isfinite(force).all(dim=-1)
    outside = beyond(surrogate.ranges, strides)
    newtons = carried * strides.strength
    told = (found.activation, found.excitation, newtons, missed, slip, solved, outside)
    return tuple(tensor.cpu().numpy() for tensor in told)


def _check(problem: RedundancyProblem, parameters: Sequence[MuscleParameters]) -> None:
    if not parameters:
        raise InputError(explain("parameters of one variant or more", "none", "Draw some."))
    for number, one in enumerate(parameters):
        if one.names != problem.muscles or not_degroote(one):
            fix = "Change the parameters of osimopt.use_degroote_muscles(problem)."
            expected = f"parameters of the problem's muscles as {DEGROOTE.name}"
            raise InputError(explain(expected, f"others in variant {number}", fix))
