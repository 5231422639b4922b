"""The static surrogate: a network proposes the dual unknowns, the exact solver's mathematics does the rest.

Bounds, stationarity and complementarity hold for whatever the network says; Newton's steps on the dual remove what is
missing of the moments, and the certificate of static optimization judges every frame. A network that is untrained, was
trained on other muscles or returns NaN costs steps, never an answer.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import InputError, SolverError, explain, some
from ..problem.costs import Cost, get_cost
from ..problem.problem import RedundancyProblem
from ..solution.solution import RedundancySolution, Status, moment_residual
from ..static.frames import Device, unit_of_cost
from ..static.solve import Multipliers, solve_static
from . import folder
from .architecture import Architecture
from .dual_network import FrameNetwork, SetNetwork, raw_features
from .scaler import Scaler
from .whitened import Whitened, whiten

Array = NDArray[np.float64]
Fallback = Literal["exact", "none"]

#: Frames that a network sees at once: some hundred MB.
CHUNK = 4096
#: What ``detail`` says of frames that are unlike those of training.
BEYOND = "Beyond what the surrogate was trained on."
#: Newton steps that count as polish; frames that need more are left to the exact solver.
POLISH = 3


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a static surrogate's network says, before any Newton step: within bounds, but moments are missed.

    ``activation`` (T, M), ``reserve_control`` (T, K), ``multipliers`` (T, D) as those of an exact solution, and
    ``outside`` (T,), frames beyond what the network was trained on.
    """

    problem: RedundancyProblem
    activation: Array
    reserve_control: Array
    multipliers: Array
    outside: NDArray[np.bool_]

    @property
    def moment_residual(self) -> Array:
        """(T, D) N·m (N of a translation): moment asked for, less what activations and reserves make."""
        return moment_residual(self.problem, self.activation, self.reserve_control)


@dataclass(frozen=True, eq=False, repr=False)
class StaticSurrogate:
    """A network for the dual of static optimization with one cost of exponent 2.

    ``cost`` by name; ``muscles`` are those it was trained on: an architecture other than ``"set"`` knows no others.
    ``ranges`` are the features' of training.
    """

    architecture: Architecture
    network: SetNetwork | FrameNetwork
    cost: str
    muscles: tuple[str, ...]
    coordinates: tuple[str, ...]
    ranges: Scaler
    device: str = "cpu"
    provenance: dict[str, Any] = field(default_factory=dict)

    kind = "static"

    def __repr__(self) -> str:
        """Return one line."""
        return f"<StaticSurrogate: {self.architecture.kind} network for {self.cost}, {len(self.muscles)} muscles>"

    def predict(self, problem: RedundancyProblem) -> Prediction:
        """The network's answer alone.

        Raises
        ------
        InputError
            The problem has other muscles than the network knows.
        """
        self.check(problem)
        parts = [self._predict(problem.frames(keep)) for keep in _chunks(len(problem))]
        activation, control, multipliers, outside = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return Prediction(problem, activation, control, multipliers, outside)

    def solve(
        self,
        problem: RedundancyProblem,
        fallback: Fallback = "exact",
        *,
        polish_steps: int = POLISH,
        tolerance: float = 1e-9,
        on_failure: Literal["raise", "return"] = "raise",
    ) -> RedundancySolution:
        """Static optimization that starts from the network's answer.

        Parameters
        ----------
        problem
            With rigid tendons, of any model for ``"set"`` networks.
        fallback
            ``"exact"``: frames that ``polish_steps`` Newton steps do not finish are solved by the exact solver;
            ``"none"``: they fail, with NaN.
        polish_steps
            Newton steps from the network's multipliers.
        tolerance, on_failure
            As in :func:`osimopt.solve_static`.

        Returns
        -------
        RedundancySolution
            As of :func:`osimopt.solve_static`; ``provenance["surrogate"]`` says how many frames needed the exact
            solver, and which were beyond the range of training.

        Raises
        ------
        InputError
            Other muscles, or an unknown option.
        SolverError
            Frames failed and ``on_failure="raise"``.
        """
        if fallback not in get_args(Fallback):
            raise InputError(explain("fallback 'exact' or 'none'", repr(fallback), "Choose one of them."))
        predicted = self.predict(problem)
        start = Multipliers(predicted.multipliers)
        solution = solve_static(
            problem, self.cost, initial_guess=start, solver="newton", tolerance=tolerance, on_failure="return"
        )
        late = solution.iterations > polish_steps
        if fallback == "none":
            solution = _without(solution, late)
        told = {
            "network": self.architecture.kind,
            "polish_steps": polish_steps,
            "fallback": fallback,
            "frames_beyond_polish": int(late.sum()),
            "frames_outside_training": int(predicted.outside.sum()),
            "outside_training_times": problem.time[predicted.outside][:20].tolist(),
            "median_steps": float(np.median(solution.iterations)),
            **self.provenance,
        }
        said = {"warnings": [*problem.provenance.get("warnings", []), *_notices(told, len(problem))]}
        known = replace(solution.problem, provenance={**solution.problem.provenance, **said})
        provenance = {**solution.provenance, **said, "method": "surrogate", "surrogate": told}
        detail = dict(solution.detail)
        for frame in np.flatnonzero(predicted.outside).tolist():
            detail[frame] = f"{detail.get(frame, '')} {BEYOND}".strip()
        solution = replace(solution, problem=known, provenance=provenance, detail=detail)
        if on_failure == "raise" and not solution.success:
            raise SolverError(f"{solution.findings()[0]} on_failure='return' gives the other frames.", solution)
        return solution

    def check(self, problem: RedundancyProblem) -> None:
        """Refuse muscles that the network does not know."""
        if isinstance(self.network, SetNetwork) or problem.muscles == self.muscles:
            return
        other = [name for name in problem.muscles if name not in self.muscles]
        lacking = [name for name in self.muscles if name not in problem.muscles]
        got = f"others ({some(other)}), without {some(lacking)}" if other or lacking else "them in another order"
        fix = f"Train on this model, or with architecture 'set' (this one is {self.architecture.kind!r})."
        raise InputError(explain("a problem with the muscles that the network was trained on", got, fix))

    def on(self, device: str) -> StaticSurrogate:
        """The same on a device of torch."""
        return replace(self, network=self.network.to(Device.of(device).name or "cpu"), device=device)

    def _predict(self, problem: RedundancyProblem) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
        frames, whitening = whiten(problem, self._cost, self.device)
        single = frames.to(torch.float32, self.device)
        with torch.no_grad():
            u = self.network(single)[0][-1].double()
            x = whitening.unknowns(frames.answer(torch.nan_to_num(u)))
        count = len(problem.muscles)
        multipliers = whitening.multipliers(u, len(problem.coordinates)) * unit_of_cost(problem, self._cost)[:, None]
        outside = np.asarray(self.ranges.outside(told_of(frames)).any(axis=1))
        return x[:, :count], x[:, count:], multipliers, outside

    @property
    def _cost(self) -> Cost:
        return get_cost(self.cost)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write a folder: weights as safetensors, everything else as JSON."""
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"ranges.{name}": torch.as_tensor(array) for name, array in self.ranges.arrays().items()}
        description = {
            "kind": self.kind,
            "architecture": self.architecture.to_dict(),
            "cost": self.cost,
            "exponent": 2,
            "muscles": self.muscles,
            "coordinates": self.coordinates,
            "units": {"activation": "1", "moment": "N·m, N", "features": "1, in the muscles' ranges"},
            "features": self.ranges.names,
            "window": self.network.window if isinstance(self.network, FrameNetwork) else 1,
            "provenance": self.provenance,
        }
        return folder.save(path, tensors, description, overwrite=overwrite)


def decode_unconstrained(problem: RedundancyProblem, cost: str) -> Array:
    """(T, M) activations of δ = 0, the answer without bounds put within them: what a network has to beat."""
    frames, whitening = whiten(problem, get_cost(cost))
    return whitening.unknowns(frames.answer(frames.target))[:, : len(problem.muscles)]


def told_of(frames: Whitened) -> Array:
    """(T, 6) by which frames count as inside the range of training: extremes over the muscles of what they are told."""
    of_each = raw_features(frames, frames.target)[..., [0, 2, 3]]
    muscles = (of_each * frames.muscle[..., None]).double().cpu().numpy()
    return np.concatenate([muscles.max(axis=1), muscles.min(axis=1)], axis=1)


def _without(solution: RedundancySolution, frames: NDArray[np.bool_]) -> RedundancySolution:
    """The solution with frames failed."""

    def blank(values: Any) -> Any:
        rows = frames.reshape(-1, *(1 for _ in values.shape[1:]))
        return np.where(rows, np.nan, values)

    status = solution.status.copy()
    status[frames & solution.solved] = Status.NOT_CONVERGED
    return replace(
        solution,
        activation=blank(solution.activation),
        reserve_control=blank(solution.reserve_control),
        objective=blank(solution.objective),
        objective_terms={name: blank(term) for name, term in solution.objective_terms.items()},
        gap=blank(solution.gap),
        activation_error=blank(solution.activation_error),
        multipliers=blank(solution.multipliers),
        status=status,
    )


def _notices(told: dict[str, Any], frames: int) -> list[str]:
    said = []
    if told["frames_outside_training"]:
        said.append(
            f"{told['frames_outside_training']} of {frames} frames lie beyond what the surrogate was trained on; they "
            "are checked like all others, but may have taken more steps."
        )
    if told["frames_beyond_polish"]:
        what = "went to the exact solver" if told["fallback"] == "exact" else "failed (fallback='none')"
        said.append(
            f"{told['frames_beyond_polish']} of {frames} frames were not finished by {told['polish_steps']} Newton "
            f"steps from the surrogate's answer and {what}."
        )
    return said


def _chunks(frames: int) -> list[slice]:
    return [slice(first, min(first + CHUNK, frames)) for first in range(0, frames, CHUNK)]
