"""The dynamic surrogate: a network proposes tendon forces over time, the muscles' equations do the rest.

Activations and excitations are within their bounds and moments are met by what forces the network says, as far as
bounds let them; what they do not is reported, frame by frame, and frames that miss more than they may fail. There is no
certificate of optimality: the problem is not convex. Who needs one gives the answer to ``solve_dynamic`` as
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
from ..problem.arrays import MuscleParameters
from ..problem.problem import RedundancyProblem
from ..solution.solution import verified
from ..static.frames import Device
from . import folder
from .architecture import Architecture
from .prediction import DynamicPrediction, predicted
from .rates import Rates
from .scaler import Scaler
from .stride_ranges import beyond
from .strides import StrideInputs, parameters_of
from .tendon import decode
from .tendon_network import TendonNetwork, estimate
from .variants import Variants, solve_variants

Array = NDArray[np.float64]

#: What a frame may miss: of a moment, as a share of its peak, and of a muscle's force, as a share of its strength.
TOLERANCE = 0.02
#: s by which times may differ and be the same.
SAME = 1e-6


@dataclass(frozen=True, eq=False)
class DynamicSurrogate:
    """A network for the tendon forces of dynamic optimization with elastic tendons and De Groote muscles.

    ``muscles`` and ``coordinates`` are those it was trained on and knows; ``ranges`` what it has seen
    (``stride_ranges.features``).
    """

    architecture: Architecture
    network: TendonNetwork
    muscles: tuple[str, ...]
    coordinates: tuple[str, ...]
    ranges: Scaler
    device: str = "cpu"
    provenance: dict[str, Any] = field(default_factory=dict)

    kind = "dynamic"

    def solve(
        self,
        problem: RedundancyProblem,
        fallback: Literal["none"] = "none",
        *,
        times: Array | None = None,
        tolerance: float = TOLERANCE,
        on_failure: Literal["raise", "return"] = "return",
    ) -> DynamicPrediction:
        """What the network says of a motion, decoded and judged.

        Parameters
        ----------
        problem
            With De Groote muscles, from :func:`osimopt.use_degroote_muscles`.
        fallback
            ``"none"``: frames that do not hold fail, with NaN.
        times
            Where to answer, in s; the problem's frames unless given, such as the points of a mesh.
        tolerance
            Share of its coordinate's peak (1 N·m at least) by which a moment may be missed, and of a muscle's strength
            by which its tendon may pull other than its fibre.
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
            fix = "Solve what fails with solve_dynamic(problem, initial_guess=surrogate.solve(problem))."
            raise InputError(explain("fallback='none' of a dynamic surrogate", repr(fallback), fix))
        if on_failure not in ("raise", "return"):
            raise InputError(explain("on_failure='raise' or 'return'", repr(on_failure), "Choose one of them."))
        check_tolerance(tolerance)
        self.check(problem)
        begun = perf_counter()
        at = problem if times is None else _resampled(problem, np.asarray(times, dtype=float))
        force = self.force(problem, at.time)[None]
        strides = StrideInputs.of([at], torch.float64, self.device)
        decoded = decode(force, strides, Rates.at(at.time, force))
        outside = self.outside(at)
        provenance = {
            **at.provenance,
            "method": "surrogate",
            "cost": {"name": "excitation_power", "exponent": 2, "formula": "∫ Σ e² dt"},
            "solver": {"used": "surrogate", "asked": "surrogate", "tendon": "compliant", "tolerance": tolerance},
            "solve_seconds": perf_counter() - begun,
            "surrogate": {
                "network": self.architecture.kind,
                "frames_outside_training": int(outside.sum()),
                **self.provenance,
            },
        }
        solution = verified(predicted(at, force, decoded, outside, tolerance, provenance), problem.source)
        if on_failure == "raise" and not solution.success:
            raise SolverError(f"{solution.findings()[0]} on_failure='return' gives the other frames.", solution)
        return solution

    def solve_variants(
        self,
        problem: RedundancyProblem,
        parameters: Sequence[MuscleParameters],
        *,
        tolerance: float = TOLERANCE,
        progress: Callable[[int, int], None] | None = None,
    ) -> Variants:
        """The same motion and loads with other muscles, many at once, in single precision.

        Parameters
        ----------
        problem
            With De Groote muscles, at frames as far apart as those of training (``network.step``).
        parameters
            Of the muscles of each variant; ``osimopt.training.dynamic_data.draw_muscles`` draws some.
        tolerance
            As of :meth:`solve`.
        progress
            Called with (variants done, variants in all).

        Raises
        ------
        InputError
            Other muscles or coordinates, or frames that are not even.
        """
        check_tolerance(tolerance)
        self.check(problem)
        if not _even(problem.time, self.network.step):
            got = f"{np.diff(problem.time).min():g} to {np.diff(problem.time).max():g} s"
            fix = "Use problem.resample(times)."
            raise InputError(explain(f"frames {self.network.step:g} s apart", got, fix))
        return solve_variants(self, problem, parameters, tolerance, progress)

    def force(self, problem: RedundancyProblem, times: Array) -> Tensor:
        """Normalised tendon forces (N, M) at ``times``, on this device in double precision."""
        step, time = self.network.step, problem.time
        count = max(2, round((time[-1] - time[0]) / step) + 1)
        grid = time if _even(time, step) else np.linspace(time[0], time[-1], count)
        strides = StrideInputs.of([_resampled(problem, grid)], torch.float64, self.device)
        with torch.no_grad():
            told = estimate(strides).float()
            found: Tensor = self.network(strides.to(torch.float32, self.device), told)[-1][0].double()
        if len(grid) == len(times) and np.abs(grid - times).max() <= SAME:
            return found
        known = torch.nan_to_num(found).cpu().numpy()
        between = torch.as_tensor(CubicSpline(grid, known)(np.clip(times, grid[0], grid[-1]))).to(self.device)
        bad = bool(torch.isnan(found).any())
        return torch.full_like(between, torch.nan) if bad else between

    def outside(self, problem: RedundancyProblem) -> NDArray[np.bool_]:
        """(T,) frames beyond the range of training."""
        return np.asarray(beyond(self.ranges, StrideInputs.of([problem]))[0].numpy())

    def check(self, problem: RedundancyProblem) -> None:
        """Refuse what the network does not know."""
        parameters_of(problem)
        for what, own, given in (
            ("muscles", self.muscles, problem.muscles),
            ("coordinates", self.coordinates, problem.coordinates),
        ):
            if own == given:
                continue
            other, lacking = ([n for n in one if n not in two] for one, two in ((given, own), (own, given)))
            got = f"others ({some(other)}), without {some(lacking)}" if other or lacking else "them in another order"
            fix = "Train a surrogate on this model."
            raise InputError(explain(f"a problem with the {what} that the network was trained on", got, fix))
        if len(problem) < 2:
            raise InputError(explain("2 frames or more", f"{len(problem)}", "Give a motion that lasts."))

    def on(self, device: str) -> DynamicSurrogate:
        """The same on a device of torch."""
        name = Device.of(device).name or "cpu"
        return replace(self, network=self.network.to(name), device=name)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write a folder: weights as safetensors, everything else as JSON."""
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"ranges.{name}": torch.as_tensor(array) for name, array in self.ranges.arrays().items()}
        description = {
            "kind": self.kind,
            "architecture": self.architecture.to_dict(),
            "rounds": len(self.network.rounds),
            "step": self.network.step,
            "cost": "excitation_power",
            "muscles": self.muscles,
            "coordinates": self.coordinates,
            "units": {"force": "1, in each muscle's strength", "step": "s", "length": "m", "moment": "N·m, N"},
            "features": self.ranges.names,
            "provenance": self.provenance,
        }
        return folder.save(path, tensors, description, overwrite=overwrite)

    @classmethod
    def read(cls, tensors: dict[str, Tensor], told: dict[str, Any], device: str) -> DynamicSurrogate:
        """From what :func:`osimopt.surrogate.folder.load` gave."""

        def part(name: str) -> dict[str, Tensor]:
            return {key.removeprefix(name): tensor for key, tensor in tensors.items() if key.startswith(name)}

        architecture = Architecture.from_dict(told["architecture"])
        network = TendonNetwork(architecture, told["rounds"], told["step"])
        network.load_state_dict(part("network."))
        ranges = Scaler.from_arrays(part("ranges."), told["features"])
        muscles, coordinates = tuple(told["muscles"]), tuple(told["coordinates"])
        return cls(architecture, network.eval().to(device), muscles, coordinates, ranges, device, told["provenance"])


def check_tolerance(tolerance: float) -> None:
    """Refuse what is no share above 0; infinity lets every frame pass that is a number."""
    if not (isinstance(tolerance, int | float) and tolerance > 0.0):
        fix = f"The default is {TOLERANCE:g}."
        raise InputError(explain("a tolerance above 0, as a share of peaks", repr(tolerance), fix))


def _even(time: Array, step: float) -> bool:
    return bool(np.abs(np.diff(time) - step).max() <= SAME)


def _resampled(problem: RedundancyProblem, times: Array) -> RedundancyProblem:
    """At other times, by spline through the frames: the model would answer more exactly, and a thousand times later."""
    if len(times) == len(problem) and np.abs(times - problem.time).max() <= SAME:
        return problem
    return replace(problem, source=None).resample(times)
