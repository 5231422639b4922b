"""Answers of a dynamic surrogate, checked frame by frame: of one motion, and of many variants of its muscles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..muscle.fibers import Fibers, fibers_under
from ..problem.arrays import Array
from ..problem.costs import counted_reserves
from ..problem.problem import RedundancyProblem
from ..solution.findings import Finding
from ..solution.solution import RedundancySolution
from ..solution.status import Status, moment_residual
from .strides import StrideInputs, beyond, parameters_of, reserve_price
from .tendon import Decoded, Rates, decode, estimate

if TYPE_CHECKING:
    from ..problem.arrays import MuscleParameters
    from .dynamic import DynamicSurrogate

Single = NDArray[np.float32]

#: Replaces the advice of ``Status.RESIDUAL``, which is for solvers.
MISSED = "The network misses moments or tendon forces there; osimopt solve --method surrogate then uses collocation."
#: Smallest peak of a coordinate's moment in N·m (force in N of a translation) that errors are relative to.
LEAST_PEAK = 1.0
#: Variants that are computed together: more do not fit a processor's caches, fewer do not fill it.
TOGETHER = 50
#: Number of times that free muscles share the force which others cannot carry; each costs a round of the network.
SHARES_OF_VARIANTS = 1


@dataclass(frozen=True, eq=False, repr=False)
class DynamicPrediction(RedundancySolution):
    """Excitations, activations and forces over a motion, with their errors; frames with too large errors hold NaN.

    As in a :class:`osimopt.DynamicSolution`, ``problem`` has max_force and passive_force at the fibres found, so that
    ``muscle_force`` is the force of the fibres and ``moment_residual`` the error of the moments.

    Attributes
    ----------
    excitation
        (T, M).
    tendon_force_rate
        (T, M) rate of the normalised tendon force in 1/s.
    normalized_fiber_length, normalized_fiber_velocity
        (T, M) in optimal fibre lengths and maximum contraction velocities.
    tendon_residual
        (T, M) tendon force minus fibre force, relative to the muscle's strength.
    excitation_residual
        (T, M) how far outside its bounds the excitation would have to be for activation to change as it does.
    missed
        (T, D) the moment residual, also in failed frames.
    outside
        (T,) frames outside the range of training.
    """

    excitation: Array = field(default_factory=lambda: np.zeros((0, 0)))
    tendon_force_rate: Array | None = None
    normalized_fiber_length: Array | None = None
    normalized_fiber_velocity: Array | None = None
    tendon_residual: Array = field(default_factory=lambda: np.zeros((0, 0)))
    excitation_residual: Array = field(default_factory=lambda: np.zeros((0, 0)))
    missed: Array = field(default_factory=lambda: np.zeros((0, 0)))
    outside: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))

    remedies: ClassVar[Mapping[Status, str]] = {Status.RESIDUAL: MISSED}

    @property
    def quantities(self) -> tuple[str, ...]:
        """As of any solution, with excitation and fibres."""
        return (*super().quantities, "excitation", "normalized_fiber_length", "normalized_fiber_velocity")

    @property
    def checks(self) -> dict[str, Array]:
        """The largest errors of each frame, failed or not, and whether it is outside the range of training."""
        errors = ("missed", "tendon_residual", "excitation_residual")
        checks = {name: np.abs(getattr(self, name)).max(axis=1, initial=0.0) for name in errors}
        return {**super().checks, **checks, "outside_training": self.outside.astype(float)}

    @property
    def elastic(self) -> NDArray[np.bool_]:
        """(M,) all muscles: their tendons are elastic."""
        return np.ones(len(self.problem.muscles), dtype=bool)

    def elastic_fibers(self) -> Fibers | None:
        """Fibres on elastic tendons."""
        parameters, length = self.problem.parameters, self.problem.geometry.length
        if parameters is None or length is None:
            return None
        state = self.normalized_fiber_length, self.normalized_fiber_velocity
        return fibers_under(parameters, length, self.muscle_force, *state)

    def more_findings(self) -> list[Finding]:
        """Frames beyond training."""
        outside = int(self.outside.sum())
        return [Finding("outside_training", outside)] if outside else []


def predicted(
    problem: RedundancyProblem, proposed: Tensor, decoded: Decoded, outside: NDArray[np.bool_], tolerance: float,
    provenance: dict[str, Any],
) -> DynamicPrediction:  # fmt: skip
    """Check the series (B = 1) decoded from the network's forces (1, T, M), and set failed frames to NaN."""
    activation, tendon = _series(decoded.activation), _series(decoded.tendon_residual)
    at_state = replace(_at_fibers(problem, decoded, activation), provenance=provenance)
    control = _reserve_controls(at_state, _series(decoded.price), activation)
    missed = moment_residual(at_state, activation, control)
    good, detail = judged(at_state, missed, tendon, tolerance)
    finite = np.isfinite(_series(proposed)).all(axis=1)
    detail |= dict.fromkeys(np.flatnonzero(~finite).tolist(), "The network's output is not finite.")
    good &= finite
    status = np.full(len(good), Status.RESIDUAL, dtype=object)
    status[good], status[~finite] = Status.SOLVED, Status.NOT_CONVERGED

    def blank(values: Array) -> Array:
        return np.where(good.reshape(-1, *(1 for _ in values.shape[1:])), values, np.nan)

    excitation = _series(decoded.excitation)
    terms = {"muscles": blank(np.sum(excitation**2, axis=1)), "reserves": blank(np.sum(control**2, axis=1))}
    return DynamicPrediction(
        at_state, blank(activation), blank(control), status, np.zeros(len(problem), dtype=np.intp), None,
        terms["muscles"] + terms["reserves"], terms, detail=detail, provenance=provenance,
        excitation=blank(excitation), tendon_force_rate=blank(_series(decoded.force_rate)),
        normalized_fiber_length=blank(_series(decoded.state.length)),
        normalized_fiber_velocity=blank(_series(decoded.state.velocity)),
        tendon_residual=tendon, excitation_residual=_series(decoded.excitation_residual), missed=missed,
        outside=outside,
    )  # fmt: skip


def _series(tensor: Tensor) -> Array:
    """(T, …) in double precision from a tensor (1, T, …)."""
    return np.asarray(tensor[0].double().cpu().numpy())


def _at_fibers(problem: RedundancyProblem, decoded: Decoded, activation: Array) -> RedundancyProblem:
    """Return the problem with the forces of its fibres in the decoded state."""
    strength, active = parameters_of(problem).max_isometric_force, _series(decoded.active)
    pulling = np.maximum(active, 0.0)  # a fibre faster than its maximum velocity would push
    passive_force = strength * (_series(decoded.passive) + (active - pulling) * activation)
    return replace(problem, max_force=strength * pulling, passive_force=passive_force)


def _reserve_controls(problem: RedundancyProblem, price: Array, activation: Array) -> Array:
    """(T, K) controls within bounds, from the prices (T, D) of moments where muscles act, never from missing moments.

    Reserves elsewhere (residuals of a floating base, motors of limbs without muscles) are determined by the moments.
    """
    reserves, served, counted = problem.reserves, problem.geometry.served, counted_reserves(problem)
    effect = np.broadcast_to(reserves.effect, (len(problem), *reserves.effect.shape[1:]))
    control = np.zeros((len(problem), len(reserves.names)))
    control[:, counted] = np.einsum("tdk,td->tk", effect[:, served][..., counted], price) / reserve_price(problem)
    control = np.clip(control, reserves.lower, reserves.upper)
    missing = -moment_residual(problem, activation, control)
    control[:, ~counted] = np.einsum("tkd,td->tk", np.linalg.pinv(effect[..., ~counted]), missing)
    return np.clip(control, reserves.lower, reserves.upper)


def judged(
    problem: RedundancyProblem, missed: Array, tendon: Array, tolerance: float
) -> tuple[NDArray[np.bool_], dict[int, str]]:
    """Return which frames (T,) are within the tolerance, and the largest errors of the others by frame."""
    peak = np.maximum(np.abs(problem.generalized_force).max(axis=0), LEAST_PEAK)
    moment, slip = np.abs(missed) / peak, np.abs(tendon)
    good = (moment.max(axis=1, initial=0.0) <= tolerance) & (slip.max(axis=1, initial=0.0) <= tolerance)
    detail = {}
    for frame in np.flatnonzero(~good).tolist():
        row, muscle = int(moment[frame].argmax()), int(slip[frame].argmax())
        name, unit = problem.coordinates[row], problem.unit(problem.coordinates[row])
        detail[frame] = (
            f"{name} missed by {missed[frame, row]:.2g} {unit}, tendon and fibre forces of {problem.muscles[muscle]} "
            f"differ by {slip[frame, muscle]:.1%} of its strength."
        )
    return good, detail


@dataclass(frozen=True, eq=False)
class Variants:
    """Results of V variants at T frames, in single precision.

    ``activation``, ``excitation`` (V, T, M) within their bounds, ``muscle_force`` (V, T, M) in N; ``moment_residual``
    (V, T, D) in N·m of the ``coordinates`` that muscles serve, with reserves at their cost; ``tendon_residual`` (V, T)
    largest difference of tendon and fibre force, relative to strength. ``solved`` (V, T) are the frames within the
    tolerance, ``outside`` (V, T) those outside the range of training.
    """

    time: Array
    coordinates: tuple[str, ...]
    activation: Single
    excitation: Single
    muscle_force: Single
    moment_residual: Single
    tendon_residual: Single
    solved: NDArray[np.bool_]
    outside: NDArray[np.bool_]

    def findings(self) -> list[str]:
        """Sentences about variants with failed frames, or outside the range of training."""
        findings = []
        for bad, what in ((~self.solved, "miss moments or dynamics"), (self.outside, "lie beyond training")):
            variants, frames = int(bad.any(axis=1).sum()), int(bad.sum())
            if variants:
                findings.append(f"{frames} of {bad.size} frames, in {variants} of {len(bad)} variants, {what}.")
        return findings


def predicted_variants(
    surrogate: DynamicSurrogate, problem: RedundancyProblem, parameters: Sequence[MuscleParameters], tolerance: float,
    progress: Callable[[int, int], None] | None,
) -> Variants:  # fmt: skip
    """Predict, decode and check variants whose muscles are ``parameters``; see ``DynamicSurrogate.solve_variants``."""
    kind, device = torch.float32, surrogate.device
    motion = StrideInputs.of([problem], torch.float64, device)
    peak = motion.moment.abs().amax(dim=1, keepdim=True).clamp(min=LEAST_PEAK).to(kind)
    rates = Rates.at(problem.time, motion.length.to(kind))
    others = torch.tensor([bool(surrogate.bodies.beyond(body)) for body in parameters])

    def some_variants(first: int) -> tuple[NDArray[np.generic], ...]:
        with torch.no_grad():  # a setting of each thread
            strides = motion.with_muscles(parameters[first : first + TOGETHER]).to(kind, device)
            force = surrogate.network(strides, estimate(strides))[-1]
            found = decode(force, strides, rates, SHARES_OF_VARIANTS)
            reserves = (strides.reserve[:, None] @ found.price[..., None])[..., 0]
            missed = strides.moments(found.carried) + reserves - strides.moment
            slip = found.tendon_residual.abs().amax(dim=-1)
            solved = ((missed.abs() / peak).amax(dim=-1) <= tolerance) & (slip <= tolerance)
            solved &= torch.isfinite(force).all(dim=-1)
            outside = beyond(surrogate.ranges, strides) | others[first : first + TOGETHER, None].to(device)
        results = (found.activation, found.excitation, found.carried * strides.strength, missed, slip, solved, outside)
        return tuple(tensor.cpu().numpy() for tensor in results)

    results: list[tuple[NDArray[np.generic], ...]] = []
    for result in _in_threads(some_variants, range(0, len(parameters), TOGETHER), device):
        results.append(result)
        if progress is not None:
            progress(min(TOGETHER * len(results), len(parameters)), len(parameters))
    arrays: list[Any] = [np.concatenate(column) for column in zip(*results, strict=True)]
    served = tuple(np.array(problem.coordinates)[problem.geometry.served].tolist())
    return Variants(problem.time, served, *arrays)


def _in_threads(task: Callable[[int], Any], arguments: Sequence[int], device: str) -> Iterator[Any]:
    """Results in order, each computed by one thread of a processor: torch's threads speed up single steps less."""
    count = torch.get_num_threads()
    if device != "cpu" or count == 1 or len(arguments) == 1:
        yield from map(task, arguments)
        return
    try:
        with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as threads:
            yield from threads.map(task, arguments)
    finally:
        torch.set_num_threads(count)
