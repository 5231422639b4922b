"""propagate_uncertainty: percentiles of activations and forces for uncertain muscle parameters.

A model's strengths, fibre and tendon lengths and moment arms are measured on other people. Each sample draws them
anew, builds the problem again and solves it to the same accuracy as the nominal one; thousands of frames of many
samples go to the batched solver at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..devices import Device
from ..errors import InputError, check_names, explain
from ..namespace import Tensor, namespace, plain
from ..problem.arrays import Array
from ..problem.problem import RedundancyProblem
from ..solution.checks import FAILED_SHARE
from ..solution.solution import RedundancySolution
from ..static.solve import solve_static
from .perturb import Draws, Spread

if TYPE_CHECKING:
    import pandas as pd

Quantity = Literal["activation", "muscle_force"]

#: Bytes of the samples kept for percentiles, with NumPy and on a device; longer motions are solved a few frames at a
#: time, all samples each.
MEMORY = 256_000_000
DEVICE_MEMORY = 16 * MEMORY
#: Frames of all samples together that are passed to the solver at once with NumPy.
STACK = 4096


@dataclass(frozen=True, eq=False)
class UncertaintyBands:
    """Percentiles of activation and muscle force over the samples.

    Attributes
    ----------
    solution : RedundancySolution
        The nominal solution, with T frames and M muscles.
    percentiles : (Q,) array
        The requested percentiles, 0 to 100.
    activation, muscle_force : (Q, T, M) array
        Percentiles for each muscle and frame, force in N; NaN where no sample was solved. The medians of all muscles
        together are not a feasible solution.
    samples : int
        Number of samples.
    failed : (T,) array
        Number of samples without a solution in each frame. Percentiles are over the others, and too narrow where many
        failed.
    provenance : dict
        Spreads and seed.
    """

    solution: RedundancySolution
    percentiles: Array
    activation: Array
    muscle_force: Array
    samples: int
    failed: NDArray[np.intp]
    provenance: dict[str, Any] = field(default_factory=dict)

    def findings(self) -> list[str]:
        """Limitations of the bands, as sentences."""
        share = self.failed / self.samples
        bad = np.flatnonzero(share > FAILED_SHARE)
        if not bad.size:
            return []
        worst = int(share.argmax())
        return [
            f"In {bad.size} of {len(share)} frames more than {100 * FAILED_SHARE:g} % of the samples have no solution "
            f"(at most {100 * share[worst]:.0f} %, at {self.solution.time[worst]:g} s): the drawn muscles are too weak "
            "there, and the bands are those of the stronger ones. Add reserves."
        ]

    def to_dataframe(self, quantity: Quantity = "muscle_force") -> pd.DataFrame:
        """Tendon force in N, or activation, with columns (muscle, percentile) and time in s as index."""
        import pandas as pd

        check_names("quantity", [quantity], ("muscle_force", "activation"))
        values = self.muscle_force if quantity == "muscle_force" else self.activation
        names = [self.solution.problem.muscles, self.percentiles.tolist()]
        columns = pd.MultiIndex.from_product(names, names=("muscle", "percentile"))
        flat = values.transpose(1, 2, 0).reshape(len(self.solution.time), -1)
        return pd.DataFrame(flat, index=pd.Index(self.solution.time, name="time"), columns=columns)

    def summary(self) -> pd.DataFrame:
        """One row per muscle: time in s of its peak nominal force, that force and the percentiles in N."""
        import pandas as pd

        force = np.nan_to_num(self.solution.muscle_force, nan=-np.inf)
        peak, column = force.argmax(axis=0), np.arange(force.shape[1])
        table = {"time": self.solution.time[peak], "nominal": self.solution.muscle_force[peak, column]}
        table |= {f"p{q:g}": self.muscle_force[i, peak, column] for i, q in enumerate(self.percentiles.tolist())}
        return pd.DataFrame(table, index=pd.Index(self.solution.problem.muscles, name="muscle"))


def propagate_uncertainty(
    problem: RedundancyProblem,
    uncertainty: Mapping[str, Spread],
    samples: int = 1000,
    seed: int = 0,
    percentiles: Sequence[float] = (5.0, 50.0, 95.0),
    *,
    cost: str = "activation_power",
    exponent: float = 2,
    weights: ArrayLike | None = None,
    nominal: RedundancySolution | None = None,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> UncertaintyBands:
    """Solve a problem repeatedly with random parameters.

    Parameters
    ----------
    problem : RedundancyProblem
        Problem with T frames, M muscles and D coordinates.
    uncertainty : mapping of str to float, mapping or callable
        Spread by parameter: ``max_isometric_force``, ``optimal_fiber_length``, ``tendon_slack_length``,
        ``pennation_angle`` (a factor for each muscle), ``moment_arm`` (for each muscle about each coordinate; lengths
        stay) and ``generalized_force`` (for each coordinate). A number is the relative standard deviation of
        independent log-normal factors with mean 1; a mapping gives it by name of muscle or coordinate, others being
        certain; a function of (numpy Generator, shape) returns the factors, one row per sample, with any correlation.
        A factor holds in all frames of its sample. pcsa is fixed, so that uncertain strength is uncertain specific
        tension.
    samples, seed : int
        Number of samples, and seed of the random numbers; the same seed gives the same bands.
    percentiles : sequence of float
        Percentiles between 0 and 100.
    cost, exponent, weights
        As in :func:`osimopt.solve_static`.
    nominal : RedundancySolution, optional
        The problem's own solution for this cost, if known.
    device : str, default "cpu"
        Where samples are drawn up, solved and sorted: NumPy, or by torch ``"torch"``, ``"cuda"``, …; where the problem
        is, if it is on a device. The bands are NumPy's.
    progress : callable, optional
        Called with (frames done, number of frames) over all samples.

    Returns
    -------
    UncertaintyBands
        Samples without a solution are counted in ``failed`` and reported by ``findings()``.

    Raises
    ------
    InputError
        Unknown parameters or names, before anything is solved; fibre parameters of a problem whose maximum forces do
        not follow from them.

    Examples
    --------
    >>> import osimopt
    >>> problem = osimopt.RedundancyProblem.from_arrays([0.05], [1000.0], 10.0)
    >>> bands = osimopt.propagate_uncertainty(problem, {"max_isometric_force": 0.1}, samples=200)
    >>> bands.activation[:, 0, 0].round(2)
    array([0.17, 0.2 , 0.23])
    """
    levels = np.atleast_1d(np.asarray(percentiles, dtype=float))
    if not (levels.ndim == 1 and levels.size and ((levels >= 0.0) & (levels <= 100.0)).all()):
        raise InputError(explain("percentiles between 0 and 100", f"{percentiles}", "(5, 50, 95) is the default."))
    if isinstance(samples, bool) or not isinstance(samples, int) or samples < 1:
        raise InputError(explain("a number of samples ≥ 1", repr(samples), "1000 is the default."))
    if weights is not None:
        problem = problem.with_weights(weights)
    problem = problem if device == "cpu" else problem.to(device)
    draws = Draws.of(problem, uncertainty, samples, seed)
    if nominal is None:
        nominal = solve_static(problem, cost, exponent, on_failure="return")
    shape = (len(problem), len(problem.muscles))
    activation, force = (np.full((levels.size, *shape), np.nan) for _ in range(2))
    failed = np.zeros(shape[0], dtype=np.intp)
    at_once = max(1, (MEMORY if problem.device == "cpu" else DEVICE_MEMORY) // (16 * samples * shape[1]))
    for first in range(0, shape[0], at_once):
        keep = slice(first, min(first + at_once, shape[0]))

        def report(done: int, first: int = first, frames: int = keep.stop - first) -> None:
            if progress is not None:
                progress(first * samples + done * frames, shape[0] * samples)

        drawn = _solve_samples(problem.frames(keep), draws, cost, exponent, report)
        solved = namespace(drawn[0]).isfinite(drawn[0]).all(axis=2)
        failed[keep] = plain((~solved).sum(axis=0))
        for values, bands in zip(drawn, (activation, force), strict=True):
            bands[:, keep] = plain(_percentiles(values, solved, levels))
    provenance = {"uncertainty": {name: _plain(spread) for name, spread in uncertainty.items()}, "seed": seed}
    return UncertaintyBands(nominal.to("cpu"), levels, activation, force, samples, failed, provenance)


def _solve_samples(
    problem: RedundancyProblem, draws: Draws, cost: str, exponent: float, report: Callable[[int], None]
) -> tuple[Array, Array]:
    """Activation and muscle force (S, T, M) of all samples."""
    shape = (-1, *problem.max_force.shape)
    place, width = Device.at(problem.max_force), len(problem.geometry.pair_muscle)
    together = max(1, (STACK if place.name is None else place.together(width)) // len(problem))
    parts = []
    for first in range(0, draws.samples, together):
        keep = slice(first, min(first + together, draws.samples))
        solution = solve_static(draws.subjects(problem, keep), cost, exponent, on_failure="return")
        parts.append((solution.activation.reshape(shape), solution.muscle_force.reshape(shape)))
        report(keep.stop)
    activation, force = zip(*parts, strict=True)
    xp = namespace(*activation)
    return xp.concat(activation), xp.concat(force)


def _percentiles(values: Array, solved: Array, levels: Array) -> Tensor:
    """Percentiles (Q, T, M) of the ``solved`` (S, T) of samples (S, T, M), linear between them; NaN without any."""
    xp = namespace(values)
    ordered = xp.sort(xp.where(solved[..., None], values, xp.nan), axis=0)  # NaN comes last
    count = xp.astype(xp.sum(xp.astype(solved, xp.int64), axis=0), values.dtype)
    found = []
    for level in levels.tolist():
        at = xp.clip(0.01 * level * (count - 1.0), 0.0, None)
        low = xp.floor(at)
        rows = [xp.astype(one, xp.int64) for one in (low, xp.minimum(low + 1.0, xp.clip(count - 1.0, 0.0, None)))]
        ends = [
            xp.take_along_axis(ordered, xp.broadcast_to(row[None, :, None], (1, *values.shape[1:])), axis=0)[0]
            for row in rows
        ]
        between = ends[0] + (at - low)[:, None] * (ends[1] - ends[0])
        found.append(xp.where((count > 0.0)[:, None], between, xp.nan))
    return xp.concat([one[None] for one in found])


def _plain(spread: Spread) -> Any:
    """A spread for provenance: a number, a dict, or the name of a function."""
    if callable(spread):
        return getattr(spread, "__name__", "function")
    return dict(spread) if isinstance(spread, Mapping) else float(spread)
