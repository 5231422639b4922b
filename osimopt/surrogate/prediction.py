"""The answer of a dynamic surrogate, which judges itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..problem.costs import counted_reserves
from ..problem.problem import RedundancyProblem
from ..solution.solution import RedundancySolution, Status, moment_residual
from ..solution.summary import Finding
from .strides import parameters_of, reserve_price
from .tendon import Decoded

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: What to do about frames that miss too much, in place of what there is to say of a solver.
MISSED = (
    "What the network says misses moments or tendons there; osimopt solve --method surrogate goes on by collocation."
)
#: N·m (N of a translation) that a coordinate's peak counts as at least.
LEAST_PEAK = 1.0


@dataclass(frozen=True, eq=False, repr=False)
class DynamicPrediction(RedundancySolution):
    """Excitations, activations and forces over a motion, with what they miss; frames that miss too much hold NaN.

    As of a :class:`osimopt.DynamicSolution`, ``problem`` has max_force and passive_force at the fibres found, so that
    ``muscle_force`` is what fibres carry and ``moment_residual`` what the moments miss of it.

    Attributes
    ----------
    excitation
        (T, M).
    tendon_force_rate
        (T, M) rate of the normalised tendon force in 1/s.
    fiber_length, fiber_velocity
        (T, M) in optimal fibre lengths and maximum contraction velocities.
    tendon_residual
        (T, M) by how much of its strength a muscle's tendon pulls more than its fibre.
    excitation_residual
        (T, M) how far beyond its bounds excitation would have to be for activation to change as it does.
    missed
        (T, D) the moment residual, kept where frames failed.
    outside
        (T,) frames beyond the range of training.
    """

    excitation: Array = field(default_factory=lambda: np.zeros((0, 0)))
    tendon_force_rate: Array | None = None
    fiber_length: Array | None = None
    fiber_velocity: Array | None = None
    tendon_residual: Array = field(default_factory=lambda: np.zeros((0, 0)))
    excitation_residual: Array = field(default_factory=lambda: np.zeros((0, 0)))
    missed: Array = field(default_factory=lambda: np.zeros((0, 0)))
    outside: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))

    remedies: ClassVar[Mapping[Status, str]] = {Status.RESIDUAL: MISSED}

    @property
    def quantities(self) -> tuple[str, ...]:
        """As of any solution, with excitation and fibres."""
        return (*super().quantities, "excitation", "fiber_length", "fiber_velocity")

    @property
    def checks(self) -> dict[str, Array]:
        """The most that each frame misses, whether it failed or not, and whether it is beyond training."""
        return {
            "missed": np.abs(self.missed).max(axis=1, initial=0.0),
            "tendon_residual": np.abs(self.tendon_residual).max(axis=1, initial=0.0),
            "excitation_residual": np.abs(self.excitation_residual).max(axis=1, initial=0.0),
            "outside_training": self.outside.astype(float),
        }

    def to_dataframe(self, quantity: Any = "activation") -> pd.DataFrame:
        """One of ``quantities``; the index is time in s."""
        import pandas as pd

        if quantity not in ("excitation", "fiber_length", "fiber_velocity"):
            return super().to_dataframe(quantity)
        index = pd.Index(self.time, name="time")
        return pd.DataFrame(getattr(self, quantity), index=index, columns=list(self.problem.muscles))

    def more_findings(self) -> list[Finding]:
        """Frames beyond training."""
        outside = int(self.outside.sum())
        return [Finding("outside_training", outside)] if outside else []


def predicted(
    problem: RedundancyProblem,
    proposed: Tensor,
    decoded: Decoded,
    outside: NDArray[np.bool_],
    tolerance: float,
    provenance: dict[str, Any],
) -> DynamicPrediction:
    """Judge what was decoded (B = 1) of forces (1, T, M) proposed, and blank the frames that do not hold."""

    def of(tensor: Tensor) -> Array:
        return np.asarray(tensor[0].double().cpu().numpy())

    parameters = parameters_of(problem)
    strength, activation = parameters.max_isometric_force, of(decoded.activation)
    active, passive = of(decoded.active), of(decoded.passive)
    pulling = np.maximum(active, 0.0)  # a fibre faster than its fastest would push
    at_state = replace(
        problem,
        max_force=strength * pulling,
        passive_force=strength * (passive + (active - pulling) * activation),
        provenance=provenance,
    )
    control = reserve_controls(at_state, of(decoded.price), activation)
    missed = moment_residual(at_state, activation, control)
    tendon = of(decoded.tendon_residual)
    known = np.isfinite(of(proposed)).all(axis=1)
    good, detail = judged(at_state, missed, tendon, tolerance)
    detail |= dict.fromkeys(np.flatnonzero(~known).tolist(), "The network says no number.")
    good &= known

    def blank(values: Array) -> Array:
        return np.where(good[:, None], values, np.nan)

    excitation = of(decoded.excitation)
    terms = {"muscles": np.sum(excitation**2, axis=1), "reserves": np.sum(control**2, axis=1)}
    terms = {name: np.where(good, values, np.nan) for name, values in terms.items()}
    return DynamicPrediction(
        problem=at_state,
        activation=blank(activation),
        reserve_control=blank(control),
        status=statuses(np.asarray(known, dtype=bool), np.asarray(good, dtype=bool)),
        iterations=np.zeros(len(problem), dtype=np.intp),
        unique=None,
        objective=terms["muscles"] + terms["reserves"],
        objective_terms=terms,
        detail=detail,
        provenance=provenance,
        excitation=blank(excitation),
        tendon_force_rate=blank(of(decoded.force_rate)),
        fiber_length=blank(of(decoded.state.length)),
        fiber_velocity=blank(of(decoded.state.velocity)),
        tendon_residual=tendon,
        excitation_residual=of(decoded.excitation_residual),
        missed=missed,
        outside=outside,
    )


def reserve_controls(problem: RedundancyProblem, price: Array, activation: Array) -> Array:
    """(T, K) controls within bounds: by the prices (T, D) of moments where muscles act, never by what is missing there.

    Reserves elsewhere (residuals of a floating base, motors of limbs without muscles) are determined by the moments.
    """
    reserves, served = problem.reserves, np.flatnonzero(problem.geometry.served)
    effect = np.broadcast_to(reserves.effect, (len(problem), *reserves.effect.shape[1:]))
    beside = counted_reserves(problem)
    control = np.zeros((len(problem), len(reserves.names)))
    control[:, beside] = np.einsum("tdk,td->tk", effect[:, served][..., beside], price) / reserve_price(problem)
    control = np.clip(control, reserves.lower, reserves.upper)
    left = -moment_residual(problem, activation, control)
    rest = np.flatnonzero(~beside)
    control[:, rest] = np.einsum("tkd,td->tk", np.linalg.pinv(effect[..., rest]), left)
    return np.clip(control, reserves.lower, reserves.upper)


def statuses(known: NDArray[np.bool_], good: NDArray[np.bool_]) -> NDArray[np.object_]:
    """(T,) solved where a frame holds; not converged where the network said no number."""
    status = np.full(len(good), Status.RESIDUAL, dtype=object)
    status[good], status[~known] = Status.SOLVED, Status.NOT_CONVERGED
    return status


def judged(
    problem: RedundancyProblem, missed: Array, tendon: Array, tolerance: float
) -> tuple[NDArray[np.bool_], dict[int, str]]:
    """Which frames hold (T,), and what the others miss most, by frame."""
    peak = np.maximum(np.abs(problem.generalized_force).max(axis=0), LEAST_PEAK)
    moment, slip = np.abs(missed) / peak, np.abs(tendon)
    good = (moment.max(axis=1, initial=0.0) <= tolerance) & (slip.max(axis=1, initial=0.0) <= tolerance)
    detail = {}
    for frame in np.flatnonzero(~good).tolist():
        row, muscle = int(moment[frame].argmax()), int(slip[frame].argmax())
        name, unit = problem.coordinates[row], problem.unit(problem.coordinates[row])
        detail[frame] = (
            f"{name} missed by {missed[frame, row]:.2g} {unit}, tendon and fibre of {problem.muscles[muscle]} apart by "
            f"{slip[frame, muscle]:.1%} of its strength."
        )
    return good, detail
