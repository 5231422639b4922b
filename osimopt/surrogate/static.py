"""The static surrogate: a neural network supplies the exact solver's starting point.

The network estimates the dual unknowns. Bounds, stationarity and complementarity hold for any network output; Newton
steps on the dual remove the remaining moment error, and the certificate of static optimization checks every frame. A
network that is untrained, was trained on other muscles or returns NaN costs more steps, and never changes the answer.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputError, SolverError, explain
from ..namespace import namespace
from ..problem.arrays import Array
from ..problem.costs import get_cost
from ..problem.problem import RedundancyProblem
from ..solution.solution import RedundancySolution
from ..solution.status import Status, moment_residual
from ..static.frames import unit_of_cost
from ..static.solve import Multipliers, solve_static
from . import folder
from .architecture import Architecture, Scaler, check_names, check_whole
from .dual import FrameNetwork, SetNetwork, Whitened, raw_features, whiten
from .training_paths import other_paths

Fallback = Literal["exact", "none"]

#: Frames that a network computes at once, in some hundred MB.
CHUNK = 4096
#: Text in ``detail`` of frames outside the range of training.
BEYOND = "Beyond what the surrogate was trained on."
#: Default number of Newton steps; frames that need more are solved by the exact solver.
POLISH = 3


@dataclass(frozen=True, eq=False)
class Prediction:
    """Output of a static surrogate's network before any Newton step: within bounds, but not in moment balance.

    ``activation`` (T, M), ``reserve_control`` (T, K), ``multipliers`` (T, D) as those of an exact solution, and
    ``outside`` (T,), frames outside the range of training.
    """

    problem: RedundancyProblem
    activation: Array
    reserve_control: Array
    multipliers: Array
    outside: NDArray[np.bool_]

    @property
    def moment_residual(self) -> Array:
        """(T, D) moments of activations and reserves minus the required moments, in N·m (N of a translation)."""
        return cast(Array, moment_residual(self.problem, self.activation, self.reserve_control))


@dataclass(frozen=True, eq=False, repr=False)
class StaticSurrogate:
    """A network for the dual of static optimization with one cost of exponent 2.

    ``cost`` is the cost's name, ``muscles`` are those of training: an architecture other than ``"set"`` accepts no
    others. ``ranges`` are the ranges of the features (:func:`range_features`) in training.
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
        """Return the network's output alone.

        Raises
        ------
        InputError
            The problem has other muscles than the network was trained on.
        """
        self.check(problem)
        chunks = [slice(first, min(first + CHUNK, len(problem))) for first in range(0, len(problem), CHUNK)]
        parts = zip(*(self._predict(problem.frames(keep)) for keep in chunks), strict=True)
        return Prediction(problem, *(namespace(*arrays).concat(arrays) for arrays in parts))

    def solve(
        self, problem: RedundancyProblem, fallback: Fallback = "exact", *, polish_steps: int = POLISH,
        tolerance: float = 1e-9, on_failure: Literal["raise", "return"] = "raise",
    ) -> RedundancySolution:  # fmt: skip
        """Solve static optimization from the network's starting point.

        Parameters
        ----------
        problem
            With rigid tendons, of any model for ``"set"`` networks. The network and the Newton steps compute on the
            surrogate's device; nothing is copied where the problem is there, too (:meth:`RedundancyProblem.to`).
        fallback
            ``"exact"``: frames that do not converge in ``polish_steps`` Newton steps are solved by the exact solver;
            ``"none"``: they fail, with NaN.
        polish_steps
            Newton steps from the network's multipliers.
        tolerance, on_failure
            As in :func:`osimopt.solve_static`.

        Returns
        -------
        RedundancySolution
            As of :func:`osimopt.solve_static`; ``provenance["surrogate"]`` has the number of frames that needed the
            exact solver, and those outside the range of training.

        Raises
        ------
        InputError
            Other muscles, or an unknown option.
        SolverError
            Frames failed and ``on_failure="raise"``.
        """
        if fallback not in get_args(Fallback):
            raise InputError(explain("fallback 'exact' or 'none'", repr(fallback), "Choose one of them."))
        elsewhere = other_paths(self.provenance, problem)
        own = "torch" if self.device == "cpu" else self.device
        there = problem if problem.device == own else problem.to(self.device)
        predicted = self.predict(there)
        start = Multipliers(predicted.multipliers)
        solution = solve_static(
            there, self.cost, initial_guess=start, solver="newton", tolerance=tolerance, on_failure="return"
        )
        solution = replace(solution.to(problem.device), problem=problem)
        late = solution.iterations > polish_steps
        if fallback == "none":
            solution = _without(solution, late)
        summary = {
            "network": self.architecture.kind, "polish_steps": polish_steps, "fallback": fallback,
            "frames_beyond_polish": int(late.sum()), "frames_outside_training": int(predicted.outside.sum()),
            "outside_training_times": problem.time[predicted.outside][:20].tolist(),
            "median_steps": float(np.median(solution.iterations)), **self.provenance,
        }  # fmt: skip
        warnings = {
            "warnings": [*problem.provenance.get("warnings", []), *_warnings(summary, len(problem)), *elsewhere]
        }
        detail = dict(solution.detail)
        for frame in np.flatnonzero(predicted.outside).tolist():
            detail[frame] = f"{detail.get(frame, '')} {BEYOND}".strip()
        solution = replace(
            solution, detail=detail,
            problem=replace(solution.problem, provenance={**solution.problem.provenance, **warnings}),
            provenance={**solution.provenance, **warnings, "method": "surrogate", "surrogate": summary},
        )  # fmt: skip
        if on_failure == "raise" and not solution.success:
            raise SolverError(f"{solution.findings()[0]} on_failure='return' gives the other frames.", solution)
        return solution

    def check(self, problem: RedundancyProblem) -> None:
        """Raise an error if the network does not accept the problem's muscles."""
        if not isinstance(self.network, SetNetwork):
            fix = f"Train on this model, or with architecture 'set' (this one is {self.architecture.kind!r})."
            check_names("muscles", self.muscles, problem.muscles, fix)

    def _predict(self, problem: RedundancyProblem) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
        cost = get_cost(self.cost)
        frames, whitening = whiten(problem, cost, self.device)
        with torch.no_grad():
            u = self.network(frames.to(torch.float32, self.device))[0][-1].double()
            x = whitening.unknowns(frames.answer(torch.nan_to_num(u)))
        count = len(problem.muscles)
        multipliers = whitening.multipliers(u, len(problem.coordinates)) * unit_of_cost(problem, cost)[:, None]
        outside = np.asarray(self.ranges.outside(range_features(frames)).any(axis=1))
        return x[:, :count], x[:, count:], multipliers, outside

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write a folder: weights as safetensors, everything else as JSON."""
        units = {"activation": "1", "moment": "N·m, N", "features": "1, in the muscles' ranges"}
        description = {"cost": self.cost, "exponent": 2, "units": units, "window": self.network.window}
        return folder.save_network(path, self, description, overwrite=overwrite)

    @classmethod
    def read(cls, tensors: dict[str, Tensor], description: dict[str, Any], device: str) -> StaticSurrogate:
        """Make a surrogate from the result of :func:`osimopt.surrogate.folder.load`."""
        architecture, window = Architecture(**description["architecture"]), description["window"]
        check_whole("window", window, 1)
        cost, muscles = get_cost(description["cost"]).name, len(description["muscles"])
        scaler = None if architecture.kind == "set" else Scaler.of(np.zeros((1, 3 * muscles)))  # until it is loaded
        network = make_network(architecture, muscles, scaler, window)
        read: StaticSurrogate = folder.read_network(cls, network, tensors, description, device, cost=cost)
        return read


def make_network(
    architecture: Architecture, muscles: int, scaler: Scaler | None, window: int
) -> SetNetwork | FrameNetwork:
    """Make the network of an architecture: one for any muscles without a ``scaler``, else one of these muscles."""
    return SetNetwork(architecture) if scaler is None else FrameNetwork(architecture, muscles, scaler, window)


def decode_unconstrained(problem: RedundancyProblem, cost: str) -> Array:
    """(T, M) activations of the answer without bounds, clipped to the bounds: the baseline of a network."""
    frames, whitening = whiten(problem, get_cost(cost))
    return whitening.unknowns(frames.answer(frames.target))[:, : len(problem.muscles)]


def range_features(frames: Whitened) -> Array:
    """(T, 6) extremes over the muscles of three features, which decide whether a frame is inside the training range."""
    of_each = raw_features(frames, frames.target)[..., [0, 2, 3]]
    muscles = (of_each * frames.muscle[..., None]).double().cpu().numpy()
    return np.concatenate([muscles.max(axis=1), muscles.min(axis=1)], axis=1)


def _without(solution: RedundancySolution, frames: NDArray[np.bool_]) -> RedundancySolution:
    """Return the solution with these frames failed."""
    status = solution.status.copy()
    status[frames & solution.solved] = Status.NOT_CONVERGED
    names = ("activation", "reserve_control", "objective", "gap", "activation_error", "multipliers")
    failed: dict[str, Any] = {name: getattr(solution, name) + 0.0 for name in names}
    terms = {name: term + 0.0 for name, term in solution.objective_terms.items()}
    for values in (*failed.values(), *terms.values()):
        values[frames] = np.nan
    return replace(solution, **failed, objective_terms=terms, status=status)


def _warnings(summary: dict[str, Any], frames: int) -> list[str]:
    outside, late = summary["frames_outside_training"], summary["frames_beyond_polish"]
    what = "went to the exact solver" if summary["fallback"] == "exact" else "failed (fallback='none')"
    beyond = (
        f"{outside} of {frames} frames lie beyond what the surrogate was trained on; they are checked like all "
        "others, but may have taken more steps."
    )
    slow = (
        f"{late} of {frames} frames did not converge in {summary['polish_steps']} Newton steps from the surrogate's "
        f"answer and {what}."
    )
    return [text for count, text in ((outside, beyond), (late, slow)) if count]
