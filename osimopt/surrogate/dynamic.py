"""The dynamic surrogate: a neural network supplies tendon forces over time, the muscles' equations everything else.

Activations and excitations are within their bounds, and the network's forces are moved to where the moments hold as far
as the bounds allow. The remaining error is reported frame by frame, and frames with a larger error than the tolerance
fail. There is no certificate of optimality, as the problem is not convex; ``solve_dynamic`` takes the result as
``initial_guess``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from torch import Tensor

from ..errors import InputError, SolverError, explain, some
from ..muscle.degroote import DEGROOTE, not_degroote
from ..notices import warn
from ..problem.arrays import Array, MuscleParameters
from ..problem.problem import RedundancyProblem
from ..solution.solution import verified
from . import folder
from .architecture import Architecture, Scaler, check_names
from .bodies import BodyRanges
from .prediction import DynamicPrediction, Variants, predicted, predicted_variants
from .strides import StrideInputs, beyond, parameters_of
from .tendon import Rates, TendonNetwork, decode, estimate
from .training_paths import other_paths

#: Largest error of a frame: of a moment, relative to its peak, and of a muscle's force, relative to its strength.
TOLERANCE = 0.02
#: Times in s that differ by less are the same.
SAME = 1e-6


@dataclass(frozen=True, eq=False)
class DynamicSurrogate:
    """A network for the tendon forces of dynamic optimization with elastic tendons and De Groote muscles.

    ``muscles`` and ``coordinates`` are those of training; it accepts no others. ``ranges`` are the ranges of
    ``strides.features`` in training, ``bodies`` those of the sizes and strengths of bodies.
    """

    architecture: Architecture
    network: TendonNetwork
    muscles: tuple[str, ...]
    coordinates: tuple[str, ...]
    ranges: Scaler
    bodies: BodyRanges
    device: str = "cpu"
    provenance: dict[str, Any] = field(default_factory=dict)

    kind = "dynamic"

    def __repr__(self) -> str:
        """Return one line: network, muscles, and the bodies of training."""
        sizes = f"{len(self.muscles)} muscles, {len(self.coordinates)} coordinates"
        return f"<DynamicSurrogate: {self.architecture.kind} network, {sizes}, {self.bodies}>"

    def solve(
        self, problem: RedundancyProblem, fallback: Literal["none"] = "none", *, times: Array | None = None,
        tolerance: float = TOLERANCE, on_failure: Literal["raise", "return"] = "return",
    ) -> DynamicPrediction:  # fmt: skip
        """Predict a motion, decode and check it.

        Parameters
        ----------
        problem
            With De Groote muscles, from :func:`osimopt.use_degroote_muscles`.
        fallback
            ``"none"``: frames with a larger error than the tolerance fail, with NaN.
        times
            Times of the result in s, such as the points of a mesh; by default the problem's frames.
        tolerance
            Largest error of a moment, relative to its coordinate's peak (at least 1 N·m), and largest difference of
            tendon and fibre force, relative to the muscle's strength.
        on_failure
            ``"return"``, or ``"raise"`` a :class:`SolverError` with the solution attached.

        Raises
        ------
        InputError
            Other muscles or coordinates, no De Groote muscles, fewer than 2 frames, or an unknown option.
        SolverError
            Frames failed and ``on_failure="raise"``.
        """
        if fallback != "none":
            fix = "Solve failed frames with solve_dynamic(problem, initial_guess=surrogate.solve(problem))."
            raise InputError(explain("fallback='none' of a dynamic surrogate", repr(fallback), fix))
        if on_failure not in ("raise", "return"):
            raise InputError(explain("on_failure='raise' or 'return'", repr(on_failure), "Choose one of them."))
        self.check(problem, tolerance)
        elsewhere = [*other_paths(self.provenance, problem), *self._other_body(problem)]
        begun = perf_counter()
        at = problem if times is None else _resampled(problem, np.asarray(times, dtype=float))
        warnings = [*at.provenance.get("warnings", []), *elsewhere]
        force = self.force(problem, at.time)[None]
        strides = StrideInputs.of([at], torch.float64, self.device)
        decoded = decode(force, strides, Rates.at(at.time, force))
        outside = self.outside(at)
        network = {"network": self.architecture.kind, "frames_outside_training": int(outside.sum())}
        provenance = {
            **at.provenance, "warnings": warnings, "method": "surrogate",
            "cost": {"name": "excitation_power", "exponent": 2, "formula": "∫ Σ e² dt"},
            "solver": {"used": "surrogate", "asked": "surrogate", "tendon": "compliant", "tolerance": tolerance},
            "solve_seconds": perf_counter() - begun, "surrogate": {**network, **self.provenance},
        }  # fmt: skip
        solution = verified(predicted(at, force, decoded, outside, tolerance, provenance), problem.source)
        if on_failure == "raise" and not solution.success:
            raise SolverError(f"{solution.findings()[0]} on_failure='return' gives the other frames.", solution)
        return solution

    def solve_variants(
        self, problem: RedundancyProblem, parameters: Sequence[MuscleParameters], *, tolerance: float = TOLERANCE,
        progress: Callable[[int, int], None] | None = None,
    ) -> Variants:  # fmt: skip
        """Predict the same motion and loads with other muscles, many variants at once in single precision.

        Parameters
        ----------
        problem
            With De Groote muscles, and with the time step of training (``network.step``) between frames.
        parameters
            Muscle parameters of each variant; ``osimopt.training.training_data.draw_muscles`` draws some.
        tolerance
            As of :meth:`solve`.
        progress
            Called with (variants done, variants in all).

        Raises
        ------
        InputError
            Other muscles or coordinates, or another time step.
        """
        self.check(problem, tolerance)
        if not _even(problem.time, self.network.step):
            got = f"{np.diff(problem.time).min():g} to {np.diff(problem.time).max():g} s"
            raise InputError(explain(f"frames {self.network.step:g} s apart", got, "Use problem.resample(times)."))
        if not parameters:
            raise InputError(explain("parameters of one variant or more", "none", "Draw some."))
        for number, one in enumerate(parameters):
            if one.names != problem.muscles or not_degroote(one):
                got = f"{some(one.names)} as {some(sorted(set(one.classes)))} in variant {number}"
                fix = "Change the parameters of osimopt.use_degroote_muscles(problem)."
                raise InputError(explain(f"parameters of the problem's muscles as {DEGROOTE.name}", got, fix))
        other_paths(self.provenance, problem)
        return predicted_variants(self, problem, parameters, tolerance, progress)

    def force(self, problem: RedundancyProblem, times: Array) -> Tensor:
        """Normalised tendon forces (N, M) at ``times``, on this device in double precision."""
        step, time = self.network.step, problem.time
        count = max(2, round((time[-1] - time[0]) / step) + 1)
        grid = time if _even(time, step) else np.linspace(time[0], time[-1], count)
        strides = StrideInputs.of([_resampled(problem, grid)], torch.float64, self.device)
        with torch.no_grad():
            estimated = estimate(strides).float()
            found: Tensor = self.network(strides.to(torch.float32, self.device), estimated)[-1][0].double()
        if _same(grid, times):
            return found
        finite = torch.nan_to_num(found).cpu().numpy()
        between = torch.as_tensor(CubicSpline(grid, finite)(np.clip(times, grid[0], grid[-1]))).to(self.device)
        return torch.full_like(between, torch.nan) if bool(torch.isnan(found).any()) else between

    def outside(self, problem: RedundancyProblem) -> NDArray[np.bool_]:
        """(T,) frames outside the range of training; all of them, for a body of another size or strength."""
        outside = np.asarray(beyond(self.ranges, StrideInputs.of([problem]))[0].numpy())
        return outside | bool(self.bodies.beyond(parameters_of(problem)))

    def _other_body(self, problem: RedundancyProblem) -> list[str]:
        """Warn, and return a sentence, where the body is not within the range of training."""
        if not (beyond_training := self.bodies.beyond(parameters_of(problem))):
            return []
        text = (
            f"The surrogate was trained on other bodies; here: {'; '.join(beyond_training)}. Its answers are checked, "
            "but may be far from optimal: train on these sizes and strengths too, or solve by collocation."
        )
        warn(text)
        return [text]

    def check(self, problem: RedundancyProblem, tolerance: float = TOLERANCE) -> None:
        """Raise an error for problems that the network was not trained on, and for tolerances that are not above 0."""
        if not (isinstance(tolerance, int | float) and tolerance > 0.0):
            expected, fix = "a tolerance above 0, relative to peaks", f"The default is {TOLERANCE:g}."
            raise InputError(explain(expected, repr(tolerance), fix))
        parameters_of(problem)
        for what in ("muscles", "coordinates"):
            check_names(what, getattr(self, what), getattr(problem, what), "Train a surrogate on this model.")
        if len(problem) < 2:
            raise InputError(explain("2 frames or more", f"{len(problem)}", "Give a longer motion."))

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write a folder: weights as safetensors, everything else as JSON."""
        units = {"force": "1, in each muscle's strength", "step": "s", "length": "m", "moment": "N·m, N",
                 "rest_length": "m", "strength": "N"}  # fmt: skip
        size = {"rounds": len(self.network.rounds), "step": self.network.step}
        description = {"cost": "excitation_power", "units": units, "bodies": self.bodies.plain(), **size}
        return folder.save_network(path, self, description, overwrite=overwrite)

    @classmethod
    def read(cls, tensors: dict[str, Tensor], description: dict[str, Any], device: str) -> DynamicSurrogate:
        """Make a surrogate from the result of :func:`osimopt.surrogate.folder.load`."""
        architecture = Architecture(**description["architecture"])
        if "bodies" not in description:
            expected, got = "a dynamic surrogate with the sizes of its training", "one of an earlier osimopt"
            raise InputError(explain(expected, got, "Train it anew."))
        network = TendonNetwork(architecture, description["rounds"], description["step"])
        bodies = BodyRanges.read(description["bodies"])
        read: DynamicSurrogate = folder.read_network(cls, network, tensors, description, device, bodies=bodies)
        return read


def _even(time: Array, step: float) -> bool:
    return bool(np.abs(np.diff(time) - step).max() <= SAME)


def _resampled(problem: RedundancyProblem, times: Array) -> RedundancyProblem:
    """Interpolate a problem at other times by spline: the model would be more exact and a thousand times slower."""
    return problem if _same(times, problem.time) else replace(problem, source=None).resample(times)


def _same(times: Array, others: Array) -> bool:
    return len(times) == len(others) and bool(np.abs(times - others).max() <= SAME)
